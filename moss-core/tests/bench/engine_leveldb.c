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
ldb_open(const char *dir, const struct setting *s)
{
    struct ldb *e = bench_alloc(1, sizeof(*e));
    char *err = NULL;

    e->options = leveldb_options_create();
    e->cache = leveldb_cache_create_lru(setting_cache(s));
    e->filter = leveldb_filterpolicy_create_bloom(10);
    leveldb_options_set_create_if_missing(e->options, 1);
    leveldb_options_set_compression(e->options, leveldb_no_compression);
    leveldb_options_set_write_buffer_size(e->options, (size_t)64 << 20);
    leveldb_options_set_cache(e->options, e->cache);
    leveldb_options_set_filter_policy(e->options, e->filter);
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
ldb_compact(void *engine)
{
    struct ldb *e = engine;

    leveldb_compact_range(e->db, NULL, 0, NULL, 0);
}

static void
ldb_close(void *engine)
{
    struct ldb *e = engine;

    leveldb_close(e->db);
    leveldb_writebatch_destroy(e->batch);
    leveldb_writeoptions_destroy(e->write);
    leveldb_options_destroy(e->options);
    leveldb_filterpolicy_destroy(e->filter);
    leveldb_cache_destroy(e->cache);
    free(e);
}

/* A snapshot, an iterator over it once there is a walk, the last value. */
struct reader {
    leveldb_t *db;
    leveldb_readoptions_t *read;
    const leveldb_snapshot_t *snap;
    leveldb_iterator_t *it;
    char *value;
};

static void
forget(struct reader *r)
{
    if (r->it != NULL)
        leveldb_iter_destroy(r->it);
    r->it = NULL;
    leveldb_release_snapshot(r->db, r->snap);
    leveldb_free(r->value);
    r->value = NULL;
}

static void
take(struct reader *r)
{
    r->snap = leveldb_create_snapshot(r->db);
    leveldb_readoptions_set_snapshot(r->read, r->snap);
}

static void *
ldb_reader(void *engine)
{
    struct ldb *e = engine;
    struct reader *r = bench_alloc(1, sizeof(*r));

    r->db = e->db;
    r->read = leveldb_readoptions_create();
    take(r);
    return r;
}

static void
ldb_renew(void *reader)
{
    forget(reader);
    take(reader);
}

static void
ldb_end_reader(void *reader)
{
    struct reader *r = reader;

    forget(r);
    leveldb_readoptions_destroy(r->read);
    free(r);
}

static bool
ldb_get(void *reader, const void *key, size_t key_len, struct found *value)
{
    struct reader *r = reader;
    char *err = NULL;

    leveldb_free(r->value);
    r->value = leveldb_get(r->db, r->read, key, key_len, &value->len, &err);
    check("get", err);
    value->bytes = r->value;
    return r->value != NULL;
}

static void
ldb_walk(void *reader, const struct walk *w, struct data_sum *sum)
{
    struct reader *r = reader;
    char *err = NULL;

    if (r->it == NULL)
        r->it = leveldb_create_iterator(r->db, r->read);
    if (w->from != NULL)
        leveldb_iter_seek(r->it, w->from, w->from_len);
    else if (w->backwards)
        leveldb_iter_seek_to_last(r->it);
    else
        leveldb_iter_seek_to_first(r->it);
    for (uint64_t n = 0; leveldb_iter_valid(r->it);) {
        size_t kn, vn;
        const char *k = leveldb_iter_key(r->it, &kn);
        const char *v = leveldb_iter_value(r->it, &vn);
        walk_entry(w, sum, k, kn, v, vn);
        n++;
        if (n == w->limit)
            return;
        if (w->backwards)
            leveldb_iter_prev(r->it);
        else
            leveldb_iter_next(r->it);
    }
    leveldb_iter_get_error(r->it, &err);
    check("walk", err);
}

const struct engine engine_leveldb = {
    .name = "leveldb",
    .settings = "unsynced log, drain = sync of the log, write buffer 64 MiB, "
                "block cache for all the data (at most 6 GiB), bloom filter "
                "10 bits, no compression",
    .version = ldb_version,
    .open = ldb_open,
    .put = ldb_put,
    .commit = ldb_commit,
    .drain = ldb_drain,
    .compact = ldb_compact,
    .close = ldb_close,
    .reader = ldb_reader,
    .renew = ldb_renew,
    .end_reader = ldb_end_reader,
    .get = ldb_get,
    .walk = ldb_walk,
};

#endif
