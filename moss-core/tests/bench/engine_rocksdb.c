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
rdb_open(const char *dir, const struct setting *s)
{
    struct rdb *e = bench_alloc(1, sizeof(*e));
    char *err = NULL;

    e->options = rocksdb_options_create();
    e->table = rocksdb_block_based_options_create();
    e->cache = rocksdb_cache_create_lru(setting_cache(s));
    /* The table options take the filter over. */
    rocksdb_block_based_options_set_filter_policy(
        e->table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_block_cache(e->table, e->cache);
    rocksdb_options_set_block_based_table_factory(e->options, e->table);
    rocksdb_options_set_create_if_missing(e->options, 1);
    rocksdb_options_set_compression(e->options, rocksdb_no_compression);
    rocksdb_options_increase_parallelism(e->options, 2);
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
rdb_compact(void *engine)
{
    struct rdb *e = engine;

    rocksdb_compact_range(e->db, NULL, 0, NULL, 0);
}

static void
rdb_close(void *engine)
{
    struct rdb *e = engine;

    rocksdb_close(e->db);
    rocksdb_writebatch_destroy(e->batch);
    rocksdb_flushoptions_destroy(e->flush);
    rocksdb_writeoptions_destroy(e->write);
    rocksdb_options_destroy(e->options);
    rocksdb_block_based_options_destroy(e->table);
    rocksdb_cache_destroy(e->cache);
    free(e);
}

/* A snapshot, an iterator over it once there is a walk, the last value. */
struct reader {
    rocksdb_t *db;
    rocksdb_readoptions_t *read;
    const rocksdb_snapshot_t *snap;
    rocksdb_iterator_t *it;
    rocksdb_pinnableslice_t *value;
};

static void
forget(struct reader *r)
{
    rocksdb_pinnableslice_destroy(r->value);
    r->value = NULL;
    if (r->it != NULL)
        rocksdb_iter_destroy(r->it);
    r->it = NULL;
    rocksdb_release_snapshot(r->db, r->snap);
}

static void
take(struct reader *r)
{
    r->snap = rocksdb_create_snapshot(r->db);
    rocksdb_readoptions_set_snapshot(r->read, r->snap);
}

static void *
rdb_reader(void *engine)
{
    struct rdb *e = engine;
    struct reader *r = bench_alloc(1, sizeof(*r));

    r->db = e->db;
    r->read = rocksdb_readoptions_create();
    take(r);
    return r;
}

static void
rdb_renew(void *reader)
{
    forget(reader);
    take(reader);
}

static void
rdb_end_reader(void *reader)
{
    struct reader *r = reader;

    forget(r);
    rocksdb_readoptions_destroy(r->read);
    free(r);
}

static bool
rdb_get(void *reader, const void *key, size_t key_len, struct found *value)
{
    struct reader *r = reader;
    char *err = NULL;

    rocksdb_pinnableslice_destroy(r->value);
    r->value = rocksdb_get_pinned(r->db, r->read, key, key_len, &err);
    check("get", err);
    if (r->value == NULL)
        return false;
    value->bytes = rocksdb_pinnableslice_value(r->value, &value->len);
    return true;
}

static void
rdb_walk(void *reader, const struct walk *w, struct data_sum *sum)
{
    struct reader *r = reader;
    char *err = NULL;

    if (r->it == NULL)
        r->it = rocksdb_create_iterator(r->db, r->read);
    if (w->from != NULL)
        rocksdb_iter_seek(r->it, w->from, w->from_len);
    else if (w->backwards)
        rocksdb_iter_seek_to_last(r->it);
    else
        rocksdb_iter_seek_to_first(r->it);
    for (uint64_t n = 0; rocksdb_iter_valid(r->it);) {
        size_t kn, vn;
        const char *k = rocksdb_iter_key(r->it, &kn);
        const char *v = rocksdb_iter_value(r->it, &vn);
        walk_entry(w, sum, k, kn, v, vn);
        n++;
        if (n == w->limit)
            return;
        if (w->backwards)
            rocksdb_iter_prev(r->it);
        else
            rocksdb_iter_next(r->it);
    }
    rocksdb_iter_get_error(r->it, &err);
    check("walk", err);
}

const struct engine engine_rocksdb = {
    .name = "rocksdb",
    .settings = "no write-ahead log, drain = flush, 2 background threads, "
                "write buffer 64 MiB, block cache for all the data (at most "
                "6 GiB), bloom filter 10 bits, no compression",
    .version = rdb_version,
    .open = rdb_open,
    .put = rdb_put,
    .commit = rdb_commit,
    .drain = rdb_drain,
    .compact = rdb_compact,
    .close = rdb_close,
    .reader = rdb_reader,
    .renew = rdb_renew,
    .end_reader = rdb_end_reader,
    .get = rdb_get,
    .walk = rdb_walk,
};

#endif
