/*
 * An ordinary SQLite table without rowid: what a program would use if it did
 * not use moss.
 */
#include "bench.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { LITE_MAX_PATH = 4200 };

struct lite {
    const char *dir;
    uint64_t cache;
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *put;
    bool in_batch;
};

static void
check(sqlite3 *db, const char *doing, int rc)
{
    if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
        bench_fail("sqlite", doing, sqlite3_errmsg(db));
}

static void
exec(sqlite3 *db, const char *sql)
{
    check(db, sql, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static sqlite3_stmt *
prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;

    check(db, sql, sqlite3_prepare_v2(db, sql, -1, &stmt, NULL));
    return stmt;
}

static void
step(sqlite3 *db, sqlite3_stmt *stmt)
{
    check(db, sqlite3_sql(stmt), sqlite3_step(stmt));
    check(db, sqlite3_sql(stmt), sqlite3_reset(stmt));
}

static void
bind(sqlite3 *db, sqlite3_stmt *stmt, int i, const void *bytes, size_t n)
{
    check(db, "bind", sqlite3_bind_blob(stmt, i, bytes, (int)n, SQLITE_STATIC));
}

/* A connection with all the settings; each thread has its own. */
static sqlite3 *
connect_to(const struct lite *e)
{
    char text[LITE_MAX_PATH];
    sqlite3 *db = NULL;

    snprintf(text, sizeof(text), "%s/bench.db", e->dir);
    check(db, "open", sqlite3_open(text, &db));
    check(db, "busy_timeout", sqlite3_busy_timeout(db, 60000));
    exec(db, "PRAGMA journal_mode = wal");
    exec(db, "PRAGMA synchronous = off");
    exec(db, "PRAGMA wal_autocheckpoint = 16384");
    snprintf(text, sizeof(text), "PRAGMA cache_size = -%llu",
             (unsigned long long)e->cache / 1024);
    exec(db, text);
    return db;
}

static const char *
lite_version(void)
{
    static char text[32];

    snprintf(text, sizeof(text), "SQLite %s", sqlite3_libversion());
    return text;
}

static void *
lite_open(const char *dir, const struct setting *s)
{
    struct lite *e = bench_alloc(1, sizeof(*e));

    e->dir = dir;
    e->cache = setting_cache(s);
    e->db = connect_to(e);
    exec(e->db, "CREATE TABLE IF NOT EXISTS t(key BLOB PRIMARY KEY, "
                "value BLOB) WITHOUT ROWID");
    e->begin = prepare(e->db, "BEGIN");
    e->commit = prepare(e->db, "COMMIT");
    e->put = prepare(e->db, "INSERT OR REPLACE INTO t VALUES(?, ?)");
    return e;
}

static void
lite_put(void *engine, const void *key, size_t key_len, const void *value,
         size_t value_len)
{
    struct lite *e = engine;

    if (!e->in_batch)
        step(e->db, e->begin);
    e->in_batch = true;
    bind(e->db, e->put, 1, key, key_len);
    bind(e->db, e->put, 2, value, value_len);
    step(e->db, e->put);
}

static void
lite_commit(void *engine)
{
    struct lite *e = engine;

    step(e->db, e->commit);
    e->in_batch = false;
}

/* With "full" a checkpoint syncs the log, and all the database after it. */
static void
lite_drain(void *engine)
{
    struct lite *e = engine;

    exec(e->db, "PRAGMA synchronous = full");
    exec(e->db, "PRAGMA wal_checkpoint(truncate)");
    exec(e->db, "PRAGMA synchronous = off");
}

static void
lite_compact(void *engine)
{
    struct lite *e = engine;

    exec(e->db, "VACUUM");
    lite_drain(e);
}

static void
lite_close(void *engine)
{
    struct lite *e = engine;

    sqlite3_finalize(e->begin);
    sqlite3_finalize(e->commit);
    sqlite3_finalize(e->put);
    check(e->db, "close", sqlite3_close(e->db));
    free(e);
}

/* A connection in a read transaction, and the last get's row. */
struct reader {
    sqlite3 *db;
    sqlite3_stmt *begin, *end, *get;
    sqlite3_stmt *up, *up_from, *down;
};

static void *
lite_reader(void *engine)
{
    struct lite *e = engine;
    struct reader *r = bench_alloc(1, sizeof(*r));

    r->db = connect_to(e);
    r->begin = prepare(r->db, "BEGIN");
    r->end = prepare(r->db, "COMMIT");
    r->get = prepare(r->db, "SELECT value FROM t WHERE key = ?");
    r->up = prepare(r->db, "SELECT key, value FROM t ORDER BY key");
    r->up_from = prepare(r->db, "SELECT key, value FROM t WHERE key >= ?"
                                " ORDER BY key");
    r->down = prepare(r->db, "SELECT key, value FROM t ORDER BY key DESC");
    step(r->db, r->begin);
    return r;
}

static void
lite_renew(void *reader)
{
    struct reader *r = reader;

    check(r->db, "get", sqlite3_reset(r->get));
    step(r->db, r->end);
    step(r->db, r->begin);
}

static void
lite_end_reader(void *reader)
{
    struct reader *r = reader;

    check(r->db, "get", sqlite3_reset(r->get));
    step(r->db, r->end);
    sqlite3_finalize(r->begin);
    sqlite3_finalize(r->end);
    sqlite3_finalize(r->get);
    sqlite3_finalize(r->up);
    sqlite3_finalize(r->up_from);
    sqlite3_finalize(r->down);
    check(r->db, "close", sqlite3_close(r->db));
    free(r);
}

static bool
lite_get(void *reader, const void *key, size_t key_len, struct found *value)
{
    struct reader *r = reader;

    check(r->db, "get", sqlite3_reset(r->get));
    bind(r->db, r->get, 1, key, key_len);
    int rc = sqlite3_step(r->get);
    check(r->db, "get", rc);
    if (rc != SQLITE_ROW)
        return false;
    value->bytes = sqlite3_column_blob(r->get, 0);
    value->len = (size_t)sqlite3_column_bytes(r->get, 0);
    return true;
}

static void
lite_walk(void *reader, const struct walk *w, struct data_sum *sum)
{
    struct reader *r = reader;
    sqlite3_stmt *all = w->backwards ? r->down : r->up;

    if (w->from != NULL) {
        all = r->up_from;
        bind(r->db, all, 1, w->from, w->from_len);
    }
    int rc = sqlite3_step(all);
    for (uint64_t n = 0; rc == SQLITE_ROW;) {
        const void *k = sqlite3_column_blob(all, 0);
        size_t kn = (size_t)sqlite3_column_bytes(all, 0);
        const void *v = sqlite3_column_blob(all, 1);
        size_t vn = (size_t)sqlite3_column_bytes(all, 1);
        walk_entry(w, sum, k, kn, v, vn);
        n++;
        if (n == w->limit)
            break;
        rc = sqlite3_step(all);
    }
    check(r->db, "walk", rc);
    check(r->db, "walk", sqlite3_reset(all));
}

const struct engine engine_sqlite = {
    .name = "sqlite",
    .settings = "ordinary table WITHOUT ROWID, one transaction a batch, WAL, "
                "synchronous off, drain = synced checkpoint, checkpoint every "
                "16384 pages, a cache for all the data (at most 6 GiB) in "
                "each connection, compaction = VACUUM",
    .version = lite_version,
    .open = lite_open,
    .put = lite_put,
    .commit = lite_commit,
    .drain = lite_drain,
    .compact = lite_compact,
    .close = lite_close,
    .reader = lite_reader,
    .renew = lite_renew,
    .end_reader = lite_end_reader,
    .get = lite_get,
    .walk = lite_walk,
};
