/*
 * LMDB: a copy-on-write B+tree in a memory map, written without syncs until
 * drain().  Compaction copies it into another file, which takes the place of
 * the first at close().
 */
#include "bench.h"

#ifdef HAVE_LMDB

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LMDB_MAX_PATH = 4200 };

struct lmdb {
    const char *dir;
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *txn; /* of the batch */
    unsigned put_flags;
    bool is_copied; /* a compact copy lies in dir/compact */
};

static void
check(const char *doing, int rc)
{
    if (rc != MDB_SUCCESS)
        bench_fail("lmdb", doing, mdb_strerror(rc));
}

static const char *
lmdb_version(void)
{
    return mdb_version(NULL, NULL, NULL);
}

static void *
lmdb_open(const char *dir, const struct setting *s)
{
    struct lmdb *e = bench_alloc(1, sizeof(*e));
    unsigned flags = MDB_NOSYNC | MDB_WRITEMAP | MDB_NOTLS;
    size_t map = (size_t)1 << 30;
    MDB_txn *txn = NULL;

    while (map < s->bytes * 4)
        map *= 2;
    e->dir = dir;
    e->put_flags = s->is_sequential ? MDB_APPEND : 0;
    check("env_create", mdb_env_create(&e->env));
    check("set_mapsize", mdb_env_set_mapsize(e->env, map));
    check("env_open", mdb_env_open(e->env, dir, flags, 0644));
    check("txn_begin", mdb_txn_begin(e->env, NULL, 0, &txn));
    check("dbi_open", mdb_dbi_open(txn, NULL, 0, &e->dbi));
    check("txn_commit", mdb_txn_commit(txn));
    return e;
}

static void
lmdb_put(void *engine, const void *key, size_t key_len, const void *value,
         size_t value_len)
{
    struct lmdb *e = engine;
    MDB_val k = { key_len, (void *)(uintptr_t)key };
    MDB_val v = { value_len, (void *)(uintptr_t)value };

    if (e->txn == NULL)
        check("txn_begin", mdb_txn_begin(e->env, NULL, 0, &e->txn));
    int rc = mdb_put(e->txn, e->dbi, &k, &v, e->put_flags);
    if (rc == MDB_KEYEXIST && e->put_flags != 0) {
        /* No longer the load in key order. */
        e->put_flags = 0;
        rc = mdb_put(e->txn, e->dbi, &k, &v, 0);
    }
    check("put", rc);
}

static void
lmdb_commit(void *engine)
{
    struct lmdb *e = engine;

    check("txn_commit", mdb_txn_commit(e->txn));
    e->txn = NULL;
}

static void
lmdb_drain(void *engine)
{
    struct lmdb *e = engine;

    check("env_sync", mdb_env_sync(e->env, 1));
}

static void
lmdb_compact(void *engine)
{
    struct lmdb *e = engine;
    char path[LMDB_MAX_PATH];

    snprintf(path, sizeof(path), "%s/compact", e->dir);
    if (mkdir(path, 0755) != 0)
        check(path, errno);
    check("env_copy2", mdb_env_copy2(e->env, path, MDB_CP_COMPACT));
    e->is_copied = true;
}

static void
lmdb_close(void *engine)
{
    struct lmdb *e = engine;

    mdb_env_close(e->env);
    if (e->is_copied) {
        char from[LMDB_MAX_PATH], to[LMDB_MAX_PATH];
        snprintf(from, sizeof(from), "%s/compact/data.mdb", e->dir);
        snprintf(to, sizeof(to), "%s/data.mdb", e->dir);
        if (rename(from, to) != 0)
            check(from, errno);
        snprintf(from, sizeof(from), "%s/compact", e->dir);
        if (rmdir(from) != 0)
            check(from, errno);
    }
    free(e);
}

struct reader {
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor; /* once there is a walk */
};

static void *
lmdb_reader(void *engine)
{
    struct lmdb *e = engine;
    struct reader *r = bench_alloc(1, sizeof(*r));

    r->dbi = e->dbi;
    check("txn_begin", mdb_txn_begin(e->env, NULL, MDB_RDONLY, &r->txn));
    return r;
}

static void
lmdb_renew(void *reader)
{
    struct reader *r = reader;

    mdb_txn_reset(r->txn);
    check("txn_renew", mdb_txn_renew(r->txn));
    if (r->cursor != NULL)
        check("cursor_renew", mdb_cursor_renew(r->txn, r->cursor));
}

static void
lmdb_end_reader(void *reader)
{
    struct reader *r = reader;

    if (r->cursor != NULL)
        mdb_cursor_close(r->cursor);
    mdb_txn_abort(r->txn);
    free(r);
}

static bool
lmdb_get(void *reader, const void *key, size_t key_len, struct found *value)
{
    struct reader *r = reader;
    MDB_val k = { key_len, (void *)(uintptr_t)key };
    MDB_val v;

    int rc = mdb_get(r->txn, r->dbi, &k, &v);
    if (rc == MDB_NOTFOUND)
        return false;
    check("get", rc);
    value->bytes = v.mv_data;
    value->len = v.mv_size;
    return true;
}

static void
lmdb_walk(void *reader, const struct walk *w, struct data_sum *sum)
{
    struct reader *r = reader;
    MDB_cursor_op first = w->backwards ? MDB_LAST : MDB_FIRST;
    MDB_cursor_op next = w->backwards ? MDB_PREV : MDB_NEXT;
    MDB_val k = { w->from_len, (void *)(uintptr_t)w->from };
    MDB_val v;
    int rc;

    if (r->cursor == NULL)
        check("cursor_open", mdb_cursor_open(r->txn, r->dbi, &r->cursor));
    rc = mdb_cursor_get(r->cursor, &k, &v,
                        w->from != NULL ? MDB_SET_RANGE : first);
    for (uint64_t n = 0; rc == MDB_SUCCESS;) {
        walk_entry(w, sum, k.mv_data, k.mv_size, v.mv_data, v.mv_size);
        n++;
        if (n == w->limit)
            return;
        rc = mdb_cursor_get(r->cursor, &k, &v, next);
    }
    if (rc != MDB_NOTFOUND)
        check("cursor_get", rc);
}

const struct engine engine_lmdb = {
    .name = "lmdb",
    .settings = "NOSYNC and WRITEMAP, APPEND when loading in order, drain = "
                "mdb_env_sync, compaction = compact copy",
    .version = lmdb_version,
    .open = lmdb_open,
    .put = lmdb_put,
    .commit = lmdb_commit,
    .drain = lmdb_drain,
    .compact = lmdb_compact,
    .close = lmdb_close,
    .reader = lmdb_reader,
    .renew = lmdb_renew,
    .end_reader = lmdb_end_reader,
    .get = lmdb_get,
    .walk = lmdb_walk,
};

#endif
