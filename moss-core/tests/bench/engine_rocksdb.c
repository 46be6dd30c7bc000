/*
 * RocksDB: a log-structured merge tree, here without its write-ahead log,
 * since no engine of the benchmark promises that a batch survives a crash
 * before drain().
 */
#include "bench.h"

#ifdef HAVE_ROCKSDB

#include <rocksdb/c.h>
#include <stdlib.h>

struct rdb {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write;
    rocksdb_flushoptions_t *flush;
    rocksdb_writebatch_t *batch;
};

static void
check(const char *doing, char *err)
{
    if (err != NULL)
        bench_fail("rocksdb", doing, err);
}

/* The C interface does not tell which. */
static const char *
rdb_version(void)
{
    return "RocksDB";
}

static void *
rdb_open(const char *dir)
{
    struct rdb *e = calloc(1, sizeof(*e));
    char *err = NULL;

    if (e == NULL)
        bench_fail("rocksdb", "open", "out of memory");
    e->options = rocksdb_options_create();
    e->table = rocksdb_block_based_options_create();
    e->cache = rocksdb_cache_create_lru((size_t)256 << 20);
    /* The table options take the filter over. */
    rocksdb_block_based_options_set_filter_policy(
        e->table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_block_cache(e->table, e->cache);
    rocksdb_options_set_block_based_table_factory(e->options, e->table);
    rocksdb_options_set_create_if_missing(e->options, 1);
    rocksdb_options_set_compression(e->options, rocksdb_no_compression);
    rocksdb_options_increase_parallelism(e->options, 2);
    e->read = rocksdb_readoptions_create();
    e->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(e->write, 1);
    e->flush = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(e->flush, 1);
    e->batch = rocksdb_writebatch_create();
    e->db = rocksdb_open(e->options, dir, &err);
    check("open", err);
    return e;
}

static void
rdb_put(void *engine, const void *key, size_t key_len, const void *value,
        size_t value_len)
{
    struct rdb *e = engine;

    rocksdb_writebatch_put(e->batch, key, key_len, value, value_len);
}

static void
rdb_commit(void *engine)
{
    struct rdb *e = engine;
    char *err = NULL;

    rocksdb_write(e->db, e->write, e->batch, &err);
    check("write", err);
    rocksdb_writebatch_clear(e->batch);
}

static void
rdb_drain(void *engine)
{
    struct rdb *e = engine;
    char *err = NULL;

    rocksdb_flush(e->db, e->flush, &err);
    check("flush", err);
}

static void
rdb_close(void *engine)
{
    struct rdb *e = engine;

    rocksdb_close(e->db);
    rocksdb_writebatch_destroy(e->batch);
    rocksdb_flushoptions_destroy(e->flush);
    rocksdb_writeoptions_destroy(e->write);
    rocksdb_readoptions_destroy(e->read);
    rocksdb_options_destroy(e->options);
    rocksdb_block_based_options_destroy(e->table);
    rocksdb_cache_destroy(e->cache);
    free(e);
}

static void
rdb_scan(void *engine, struct data_sum *sum)
{
    struct rdb *e = engine;
    rocksdb_iterator_t *it = rocksdb_create_iterator(e->db, e->read);
    char *err = NULL;

    for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        size_t kn, vn;
        const char *k = rocksdb_iter_key(it, &kn);
        const char *v = rocksdb_iter_value(it, &vn);
        data_sum_add(sum, k, kn, v, vn);
    }
    rocksdb_iter_get_error(it, &err);
    check("iterate", err);
    rocksdb_iter_destroy(it);
}

static void
rdb_begin_gets(void *engine)
{
    (void)engine;
}

static void
rdb_get(void *engine, const void *key, size_t key_len, struct data_sum *sum)
{
    struct rdb *e = engine;
    char *err = NULL;
    size_t n = 0;
    rocksdb_pinnableslice_t *slice =
        rocksdb_get_pinned(e->db, e->read, key, key_len, &err);

    check("get", err);
    if (slice == NULL)
        bench_fail("rocksdb", "get", "key not found");
    const char *value = rocksdb_pinnableslice_value(slice, &n);
    data_sum_add(sum, key, key_len, value, n);
    rocksdb_pinnableslice_destroy(slice);
}

const struct engine engine_rocksdb = {
    .name = "rocksdb",
    .settings = "no write-ahead log, drain = flush, 2 background threads, "
                "write buffer 64 MiB, block cache 256 MiB, bloom filter 10 "
                "bits, no compression",
    .version = rdb_version,
    .open = rdb_open,
    .put = rdb_put,
    .commit = rdb_commit,
    .drain = rdb_drain,
    .close = rdb_close,
    .scan = rdb_scan,
    .begin_gets = rdb_begin_gets,
    .get = rdb_get,
};

#endif
