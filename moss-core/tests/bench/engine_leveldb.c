/*
 * LevelDB: a log-structured merge tree.  It has no call to flush its memory
 * table, so drain() is an empty write with a sync, which syncs the log.
 */
#include "bench.h"

#ifdef HAVE_LEVELDB

#include <leveldb/c.h>
#include <stdio.h>
#include <stdlib.h>

struct ldb {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter;
    leveldb_readoptions_t *read;
    leveldb_writeoptions_t *write;
    leveldb_writebatch_t *batch;
};

static void
check(const char *doing, char *err)
{
    if (err != NULL)
        bench_fail("leveldb", doing, err);
}

static const char *
ldb_version(void)
{
    static char text[32];

    snprintf(text, sizeof(text), "LevelDB %d.%d", leveldb_major_version(),
             leveldb_minor_version());
    return text;
}

static void *
ldb_open(const char *dir)
{
    struct ldb *e = calloc(1, sizeof(*e));
    char *err = NULL;

    if (e == NULL)
        bench_fail("leveldb", "open", "out of memory");
    e->options = leveldb_options_create();
    e->cache = leveldb_cache_create_lru((size_t)256 << 20);
    e->filter = leveldb_filterpolicy_create_bloom(10);
    leveldb_options_set_create_if_missing(e->options, 1);
    leveldb_options_set_compression(e->options, leveldb_no_compression);
    leveldb_options_set_write_buffer_size(e->options, (size_t)64 << 20);
    leveldb_options_set_cache(e->options, e->cache);
    leveldb_options_set_filter_policy(e->options, e->filter);
    e->read = leveldb_readoptions_create();
    e->write = leveldb_writeoptions_create();
    e->batch = leveldb_writebatch_create();
    e->db = leveldb_open(e->options, dir, &err);
    check("open", err);
    return e;
}

static void
ldb_put(void *engine, const void *key, size_t key_len, const void *value,
        size_t value_len)
{
    struct ldb *e = engine;

    leveldb_writebatch_put(e->batch, key, key_len, value, value_len);
}

static void
ldb_commit(void *engine)
{
    struct ldb *e = engine;
    char *err = NULL;

    leveldb_write(e->db, e->write, e->batch, &err);
    check("write", err);
    leveldb_writebatch_clear(e->batch);
}

static void
ldb_drain(void *engine)
{
    struct ldb *e = engine;

    leveldb_writeoptions_set_sync(e->write, 1);
    ldb_commit(e);
    leveldb_writeoptions_set_sync(e->write, 0);
}

static void
ldb_close(void *engine)
{
    struct ldb *e = engine;

    leveldb_close(e->db);
    leveldb_writebatch_destroy(e->batch);
    leveldb_writeoptions_destroy(e->write);
    leveldb_readoptions_destroy(e->read);
    leveldb_options_destroy(e->options);
    leveldb_filterpolicy_destroy(e->filter);
    leveldb_cache_destroy(e->cache);
    free(e);
}

static void
ldb_scan(void *engine, struct data_sum *sum)
{
    struct ldb *e = engine;
    leveldb_iterator_t *it = leveldb_create_iterator(e->db, e->read);
    char *err = NULL;

    for (leveldb_iter_seek_to_first(it); leveldb_iter_valid(it);
         leveldb_iter_next(it)) {
        size_t kn, vn;
        const char *k = leveldb_iter_key(it, &kn);
        const char *v = leveldb_iter_value(it, &vn);
        data_sum_add(sum, k, kn, v, vn);
    }
    leveldb_iter_get_error(it, &err);
    check("iterate", err);
    leveldb_iter_destroy(it);
}

static void
ldb_begin_gets(void *engine)
{
    (void)engine;
}

static void
ldb_get(void *engine, const void *key, size_t key_len, struct data_sum *sum)
{
    struct ldb *e = engine;
    char *err = NULL;
    size_t n = 0;
    char *value = leveldb_get(e->db, e->read, key, key_len, &n, &err);

    check("get", err);
    if (value == NULL)
        bench_fail("leveldb", "get", "key not found");
    data_sum_add(sum, key, key_len, value, n);
    leveldb_free(value);
}

const struct engine engine_leveldb = {
    .name = "leveldb",
    .settings = "unsynced log, drain = sync of the log, write buffer 64 MiB, "
                "block cache 256 MiB, bloom filter 10 bits, no compression",
    .version = ldb_version,
    .open = ldb_open,
    .put = ldb_put,
    .commit = ldb_commit,
    .drain = ldb_drain,
    .close = ldb_close,
    .scan = ldb_scan,
    .begin_gets = ldb_begin_gets,
    .get = ldb_get,
};

#endif
