/*
 * An ordinary SQLite table without rowid: what a program would use if it did
 * not use moss.
 */
#include "bench.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

struct lite {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *put, *get;
    bool in_batch;
};

static void
check(struct lite *e, const char *doing, int rc)
{
    if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
        bench_fail("sqlite", doing, sqlite3_errmsg(e->db));
}

static void
exec(struct lite *e, const char *sql)
{
    check(e, sql, sqlite3_exec(e->db, sql, NULL, NULL, NULL));
}

static sqlite3_stmt *
prepare(struct lite *e, const char *sql)
{
    sqlite3_stmt *stmt = NULL;

    check(e, sql, sqlite3_prepare_v2(e->db, sql, -1, &stmt, NULL));
    return stmt;
}

static void
step(struct lite *e, sqlite3_stmt *stmt)
{
    check(e, sqlite3_sql(stmt), sqlite3_step(stmt));
    check(e, sqlite3_sql(stmt), sqlite3_reset(stmt));
}

static const char *
lite_version(void)
{
    static char text[32];

    snprintf(text, sizeof(text), "SQLite %s", sqlite3_libversion());
    return text;
}

static void *
lite_open(const char *dir)
{
    struct lite *e = calloc(1, sizeof(*e));
    char path[4096];

    if (e == NULL)
        bench_fail("sqlite", "open", "out of memory");
    snprintf(path, sizeof(path), "%s/bench.db", dir);
    check(e, "open", sqlite3_open(path, &e->db));
    exec(e, "PRAGMA journal_mode = wal");
    exec(e, "PRAGMA synchronous = off");
    exec(e, "PRAGMA cache_size = -262144");
    exec(e, "PRAGMA wal_autocheckpoint = 16384");
    exec(e, "CREATE TABLE IF NOT EXISTS t(key BLOB PRIMARY KEY, value BLOB)"
            " WITHOUT ROWID");
    e->begin = prepare(e, "BEGIN");
    e->commit = prepare(e, "COMMIT");
    e->put = prepare(e, "INSERT OR REPLACE INTO t VALUES(?, ?)");
    e->get = prepare(e, "SELECT value FROM t WHERE key = ?");
    return e;
}

static void
lite_put(void *engine, const void *key, size_t key_len, const void *value,
         size_t value_len)
{
    struct lite *e = engine;

    if (!e->in_batch)
        step(e, e->begin);
    e->in_batch = true;
    check(e, "bind",
          sqlite3_bind_blob(e->put, 1, key, (int)key_len, SQLITE_STATIC));
    check(e, "bind",
          sqlite3_bind_blob(e->put, 2, value, (int)value_len, SQLITE_STATIC));
    step(e, e->put);
}

static void
lite_commit(void *engine)
{
    struct lite *e = engine;

    step(e, e->commit);
    e->in_batch = false;
}

/* With "full" a checkpoint syncs the log, and all the database after it. */
static void
lite_drain(void *engine)
{
    struct lite *e = engine;

    exec(e, "PRAGMA synchronous = full");
    exec(e, "PRAGMA wal_checkpoint(truncate)");
    exec(e, "PRAGMA synchronous = off");
}

static void
lite_close(void *engine)
{
    struct lite *e = engine;

    sqlite3_finalize(e->begin);
    sqlite3_finalize(e->commit);
    sqlite3_finalize(e->put);
    sqlite3_finalize(e->get);
    check(e, "close", sqlite3_close(e->db));
    free(e);
}

static void
lite_scan(void *engine, struct data_sum *sum)
{
    struct lite *e = engine;
    sqlite3_stmt *all = prepare(e, "SELECT key, value FROM t ORDER BY key");
    int rc = sqlite3_step(all);

    while (rc == SQLITE_ROW) {
        const void *k = sqlite3_column_blob(all, 0);
        size_t kn = (size_t)sqlite3_column_bytes(all, 0);
        const void *v = sqlite3_column_blob(all, 1);
        size_t vn = (size_t)sqlite3_column_bytes(all, 1);
        data_sum_add(sum, k, kn, v, vn);
        rc = sqlite3_step(all);
    }
    check(e, "scan", rc);
    sqlite3_finalize(all);
}

static void
lite_begin_gets(void *engine)
{
    struct lite *e = engine;

    step(e, e->begin);
}

static void
lite_get(void *engine, const void *key, size_t key_len, struct data_sum *sum)
{
    struct lite *e = engine;

    check(e, "bind",
          sqlite3_bind_blob(e->get, 1, key, (int)key_len, SQLITE_STATIC));
    int rc = sqlite3_step(e->get);
    check(e, "get", rc);
    if (rc != SQLITE_ROW)
        bench_fail("sqlite", "get", "key not found");
    data_sum_add(sum, key, key_len, sqlite3_column_blob(e->get, 0),
                 (size_t)sqlite3_column_bytes(e->get, 0));
    check(e, "get", sqlite3_reset(e->get));
}

const struct engine engine_sqlite = {
    .name = "sqlite",
    .settings = "ordinary table WITHOUT ROWID, one transaction a batch, WAL, "
                "synchronous off, drain = synced checkpoint, checkpoint every "
                "16384 pages, cache 256 MiB, all gets in one transaction",
    .version = lite_version,
    .open = lite_open,
    .put = lite_put,
    .commit = lite_commit,
    .drain = lite_drain,
    .close = lite_close,
    .scan = lite_scan,
    .begin_gets = lite_begin_gets,
    .get = lite_get,
};
