/*
 * LMDB: a copy-on-write B+tree in a memory map, written without syncs until
 * drain().
 */
#include "bench.h"

#ifdef HAVE_LMDB

#include <lmdb.h>
#include <stdlib.h>

struct lmdb {
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *txn; /* of the batch, or of all gets */
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
lmdb_open(const char *dir)
{
    struct lmdb *e = calloc(1, sizeof(*e));
    MDB_txn *txn = NULL;

    if (e == NULL)
        bench_fail("lmdb", "open", "out of memory");
    check("env_create", mdb_env_create(&e->env));
    check("set_mapsize", mdb_env_set_mapsize(e->env, (size_t)64 << 30));
    check("env_open", mdb_env_open(e->env, dir, MDB_NOSYNC, 0644));
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
    check("put", mdb_put(e->txn, e->dbi, &k, &v, 0));
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
lmdb_close(void *engine)
{
    struct lmdb *e = engine;

    mdb_txn_abort(e->txn);
    mdb_env_close(e->env);
    free(e);
}

static void
lmdb_scan(void *engine, struct data_sum *sum)
{
    struct lmdb *e = engine;
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val k, v;

    check("txn_begin", mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn));
    check("cursor_open", mdb_cursor_open(txn, e->dbi, &cursor));
    int rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (rc == MDB_SUCCESS) {
        data_sum_add(sum, k.mv_data, k.mv_size, v.mv_data, v.mv_size);
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    if (rc != MDB_NOTFOUND)
        check("cursor_get", rc);
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
}

static void
lmdb_begin_gets(void *engine)
{
    struct lmdb *e = engine;

    check("txn_begin", mdb_txn_begin(e->env, NULL, MDB_RDONLY, &e->txn));
}

static void
lmdb_get(void *engine, const void *key, size_t key_len, struct data_sum *sum)
{
    struct lmdb *e = engine;
    MDB_val k = { key_len, (void *)(uintptr_t)key };
    MDB_val v;

    check("get", mdb_get(e->txn, e->dbi, &k, &v));
    data_sum_add(sum, key, key_len, v.mv_data, v.mv_size);
}

const struct engine engine_lmdb = {
    .name = "lmdb",
    .settings = "NOSYNC, drain = mdb_env_sync, all gets in one read "
                "transaction",
    .version = lmdb_version,
    .open = lmdb_open,
    .put = lmdb_put,
    .commit = lmdb_commit,
    .drain = lmdb_drain,
    .close = lmdb_close,
    .scan = lmdb_scan,
    .begin_gets = lmdb_begin_gets,
    .get = lmdb_get,
};

#endif
