/*
 * What is measured, each on a table (key TEXT, value BLOB) of random keys in
 * random order.  The work checks what it reads: a value begins with the number
 * of its key and a version, so sums over values are known.
 */
#include "bench_sql.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The extension's entry point; the archive of it is linked in. */
int sqlite3_moss_init(sqlite3 *db, char **err, const void *api);

/* Orders of keys that have nothing to do with each other. */
enum { SALT_INSERT = 1, SALT_POINT, SALT_RANGE, SALT_LIMIT, SALT_CHANGE };

const char *const kind_names[N_KINDS] = { "moss", "moss async", "ordinary",
                                          "do-nothing" };

struct work {
    const struct options *o;
    enum kind kind;
    uint64_t rows;    /* of the bulk */
    uint64_t commits; /* rows of single commits, between those of the bulk */
    sqlite3 *db;
    double *result;
};

static void
check(struct work *w, const char *doing, int rc)
{
    char what[200];

    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE)
        return;
    (void)snprintf(what, sizeof(what), "%s: %s", kind_names[w->kind], doing);
    bench_fail(what, sqlite3_errmsg(w->db));
}

static void
wrong(struct work *w, const char *doing)
{
    char what[200];

    (void)snprintf(what, sizeof(what), "%s: %s", kind_names[w->kind], doing);
    bench_fail(what, "not what was written");
}

static void
exec(struct work *w, const char *sql)
{
    check(w, sql, sqlite3_exec(w->db, sql, NULL, NULL, NULL));
}

static sqlite3_stmt *
prepare(struct work *w, const char *sql)
{
    sqlite3_stmt *stmt = NULL;

    check(w, sql,
          sqlite3_prepare_v3(w->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt,
                             NULL));
    return stmt;
}

/* Reads may be measured by what this thread computes. */
static clockid_t clock_id = CLOCK_MONOTONIC;

static double
now(void)
{
    struct timespec t;

    clock_gettime(clock_id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/*
 * Single commits write keys of their own: the last letter is 'z', which no
 * other key has.
 */
static void
bind_key(struct work *w, sqlite3_stmt *stmt, int arg, uint64_t i, bool is_extra)
{
    char key[KEY_LEN];

    key_text(i, w->rows, key);
    if (is_extra)
        key[KEY_LEN - 1] = 'z';
    check(w, "bind",
          sqlite3_bind_text(stmt, arg, key, KEY_LEN, SQLITE_TRANSIENT));
}

static void
bind_value(struct work *w, sqlite3_stmt *stmt, int arg, uint64_t i,
           uint64_t version)
{
    char value[VALUE_LEN];

    memset(value, 'v', sizeof(value));
    memcpy(value, &i, sizeof(i));
    memcpy(value + sizeof(i), &version, sizeof(version));
    check(w, "bind",
          sqlite3_bind_blob(stmt, arg, value, VALUE_LEN, SQLITE_TRANSIENT));
}

/* A statement that changes one row. */
static void
change(struct work *w, sqlite3_stmt *stmt)
{
    check(w, sqlite3_sql(stmt), sqlite3_step(stmt));
    check(w, sqlite3_sql(stmt), sqlite3_reset(stmt));
    if (sqlite3_changes(w->db) != 1)
        wrong(w, sqlite3_sql(stmt));
}

/* The one integer that stmt gives; it is ready to be run again. */
static uint64_t
integer(struct work *w, sqlite3_stmt *stmt)
{
    uint64_t n;

    if (sqlite3_step(stmt) != SQLITE_ROW) {
        check(w, sqlite3_sql(stmt), sqlite3_reset(stmt));
        wrong(w, sqlite3_sql(stmt));
    }
    n = (uint64_t)sqlite3_column_int64(stmt, 0);
    check(w, sqlite3_sql(stmt), sqlite3_reset(stmt));
    return n;
}

/* ---------------------------------------------------------------- writing */

/*
 * n changes in transactions of o->batch rows: one(w, stmt, i) for each i below
 * n.  The result is changes per second.
 */
static double
in_batches(struct work *w, const char *sql, uint64_t n,
           void (*one)(struct work *w, sqlite3_stmt *stmt, uint64_t i))
{
    sqlite3_stmt *stmt = prepare(w, sql);
    double start = now();

    for (uint64_t i = 0; i < n; i++) {
        if (i % w->o->batch == 0)
            exec(w, "BEGIN");
        one(w, stmt, i);
        if ((i + 1) % w->o->batch == 0 || i + 1 == n)
            exec(w, "COMMIT");
    }
    start = now() - start;
    sqlite3_finalize(stmt);
    return (double)n / start;
}

static void
insert_one(struct work *w, sqlite3_stmt *stmt, uint64_t i)
{
    uint64_t key = key_shuffle(i, w->rows, SALT_INSERT);

    bind_key(w, stmt, 1, key, false);
    bind_value(w, stmt, 2, key, 0);
    change(w, stmt);
}

static void
update_one(struct work *w, sqlite3_stmt *stmt, uint64_t i)
{
    uint64_t key = key_shuffle(i, w->rows, SALT_CHANGE);

    bind_value(w, stmt, 1, key, 1);
    bind_key(w, stmt, 2, key, false);
    change(w, stmt);
}

static void
delete_one(struct work *w, sqlite3_stmt *stmt, uint64_t i)
{
    bind_key(w, stmt, 1, key_shuffle(i, w->rows, SALT_CHANGE), false);
    change(w, stmt);
}

/* Transactions of one row, per second. */
static double
commits(struct work *w, const char *synchronous)
{
    sqlite3_stmt *stmt = prepare(w, "INSERT INTO t VALUES(?, ?)");
    uint64_t n = w->o->commits;
    double start;

    exec(w, synchronous);
    start = now();
    for (uint64_t i = w->commits; i < w->commits + n; i++) {
        uint64_t key = key_shuffle(i, w->rows, SALT_CHANGE);

        bind_key(w, stmt, 1, key, true);
        bind_value(w, stmt, 2, key, 0);
        change(w, stmt);
    }
    start = now() - start;
    w->commits += n;
    sqlite3_finalize(stmt);
    exec(w, "PRAGMA synchronous = off");
    return (double)n / start;
}

/* ---------------------------------------------------------------- reading */

/* Reads of one row, per second. */
static double
points(struct work *w)
{
    sqlite3_stmt *stmt = prepare(w, "SELECT value FROM t WHERE key = ?");
    uint64_t n = w->o->reads;
    double start = now();

    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = key_shuffle(i % w->rows, w->rows, SALT_POINT), found;

        bind_key(w, stmt, 1, key, false);
        check(w, "read", sqlite3_step(stmt));
        if (sqlite3_column_bytes(stmt, 0) != VALUE_LEN)
            wrong(w, "point read");
        memcpy(&found, sqlite3_column_blob(stmt, 0), sizeof(found));
        if (found != key && w->kind != BLANK)
            wrong(w, "point read");
        check(w, "read", sqlite3_reset(stmt));
    }
    start = now() - start;
    sqlite3_finalize(stmt);
    return (double)n / start;
}

static double
points_in_txn(struct work *w)
{
    double rate;

    exec(w, "BEGIN");
    rate = points(w);
    exec(w, "COMMIT");
    return rate;
}

/* Rows per second of a sum over all of them. */
static double
sum(struct work *w)
{
    sqlite3_stmt *stmt = prepare(w, "SELECT sum(length(value)) FROM t");
    uint64_t rows = w->rows + (w->kind == BLANK ? 0 : w->commits);
    double start = now();

    if (integer(w, stmt) != rows * VALUE_LEN)
        wrong(w, "sum");
    start = now() - start;
    sqlite3_finalize(stmt);
    return (double)rows / start;
}

/* Rows per second, counted in ranges. */
static double
counts(struct work *w)
{
    sqlite3_stmt *stmt =
        prepare(w, "SELECT count(*) FROM t WHERE key >= ? AND key < ?");
    uint64_t n = w->rows / RANGE_ROWS, all = 0;
    double start = now();

    if (n > w->o->reads / 100)
        n = w->o->reads / 100;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t first = key_shuffle(i, w->rows - RANGE_ROWS, SALT_RANGE);
        uint64_t found;

        bind_key(w, stmt, 1, first, false);
        bind_key(w, stmt, 2, first + RANGE_ROWS, false);
        found = integer(w, stmt);
        if (found < RANGE_ROWS || found > RANGE_ROWS + w->commits)
            wrong(w, "count in a range");
        all += found;
    }
    start = now() - start;
    sqlite3_finalize(stmt);
    return (double)all / start;
}

/* Statements per second. */
static double
limits(struct work *w)
{
    sqlite3_stmt *stmt = prepare(
        w, "SELECT key, value FROM t WHERE key >= ? ORDER BY key LIMIT 100");
    uint64_t n = w->o->reads / 10;
    double start = now();

    for (uint64_t i = 0; i < n; i++) {
        uint64_t first = key_shuffle(i % (w->rows - LIMIT_ROWS),
                                     w->rows - LIMIT_ROWS, SALT_LIMIT);
        uint64_t rows = 0;
        int rc;

        bind_key(w, stmt, 1, first, false);
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
            rows += sqlite3_column_bytes(stmt, 0) == KEY_LEN &&
                    sqlite3_column_bytes(stmt, 1) == VALUE_LEN;
        check(w, "limit", rc);
        check(w, "limit", sqlite3_reset(stmt));
        if (rows != LIMIT_ROWS)
            wrong(w, "limit");
    }
    start = now() - start;
    sqlite3_finalize(stmt);
    return (double)n / start;
}

/* --------------------------------------------------------------- all of it */

static void
open_database(struct work *w, const char *path)
{
    char pragma[64];

    check(w, "open", sqlite3_open(path, &w->db));
    check(w, "the extension", sqlite3_moss_init(w->db, NULL, NULL));
    check(w, "the do-nothing module", blank_register(w->db));
    (void)snprintf(pragma, sizeof(pragma), "PRAGMA cache_size = -%llu",
                   (unsigned long long)w->o->cache_mib * 1024);
    exec(w, pragma);
    exec(w, "PRAGMA journal_mode = wal");
    exec(w, "PRAGMA synchronous = off");
}

static void
create(struct work *w)
{
    char blank[64];

    (void)snprintf(blank, sizeof(blank),
                   "CREATE VIRTUAL TABLE t USING blank(%llu)",
                   (unsigned long long)w->rows);
    const char *const sql[N_KINDS] = {
        [MOSS] = "CREATE VIRTUAL TABLE t USING moss("
                 "key TEXT PRIMARY KEY, value BLOB)",
        [MOSS_ASYNC] = "CREATE VIRTUAL TABLE t USING moss("
                       "key TEXT PRIMARY KEY, value BLOB, durability='async')",
        [ORDINARY] = "CREATE TABLE t(key TEXT PRIMARY KEY NOT NULL, value BLOB)"
                     " WITHOUT ROWID",
        [BLANK] = blank,
    };
    exec(w, sql[w->kind]);
}

static double
close_database(struct work *w)
{
    double start = now();

    check(w, "close", sqlite3_close(w->db));
    w->db = NULL;
    return now() - start;
}

/* Seconds until the first row. */
static double
reopen(struct work *w, const char *path)
{
    sqlite3_stmt *stmt;
    double start = now();

    open_database(w, path);
    stmt = prepare(w, "SELECT length(key) FROM t ORDER BY key LIMIT 1");
    if (integer(w, stmt) != KEY_LEN)
        wrong(w, "first row");
    start = now() - start;
    sqlite3_finalize(stmt);
    return start;
}

static void
reads(struct work *w)
{
    clock_id = w->o->cpu_clock ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    w->result[POINTS] = points(w);
    w->result[POINTS_IN_TXN] = points_in_txn(w);
    w->result[SUM] = sum(w);
    w->result[COUNTS] = counts(w);
    w->result[LIMITS] = limits(w);
    clock_id = CLOCK_MONOTONIC;
}

/* What is left after the changes: versions are 0 or 1, and rows as counted. */
static void
verify_changes(struct work *w, uint64_t changes)
{
    sqlite3_stmt *count = prepare(w, "SELECT count(*) FROM t");
    sqlite3_stmt *changed = prepare(
        w, "SELECT count(*) FROM t WHERE hex(substr(value, 9, 1)) = '01'");

    if (integer(w, count) != w->rows + w->commits - changes ||
        integer(w, changed) != changes)
        wrong(w, "updates and deletes");
    sqlite3_finalize(count);
    sqlite3_finalize(changed);
}

static void
delete_other(struct work *w, sqlite3_stmt *stmt, uint64_t i)
{
    delete_one(w, stmt, w->rows - 1 - i);
}

void
work_run(const struct options *o, enum kind kind, uint64_t rows,
         const char *dir, double result[N_MEASURES])
{
    struct work w = { .o = o, .kind = kind, .rows = rows, .result = result };
    uint64_t n = o->changes < rows / 2 ? o->changes : rows / 2;
    char path[4096];

    for (int m = 0; m < N_MEASURES; m++)
        result[m] = NAN;
    if (snprintf(path, sizeof(path), "%s/bench.db", dir) >= (int)sizeof(path))
        bench_fail(dir, "path too long");
    open_database(&w, path);
    create(&w);
    if (kind != BLANK) {
        result[INSERTS] =
            in_batches(&w, "INSERT INTO t VALUES(?, ?)", rows, insert_one);
        result[COMMITS_OFF] = commits(&w, "PRAGMA synchronous = off");
        result[COMMITS_FULL] = commits(&w, "PRAGMA synchronous = full");
        result[CLOSE] = close_database(&w);
        result[REOPEN] = reopen(&w, path);
    }
    reads(&w);
    if (kind != BLANK) {
        result[UPDATES] = in_batches(&w, "UPDATE t SET value = ? WHERE key = ?",
                                     n, update_one);
        result[DELETES] =
            in_batches(&w, "DELETE FROM t WHERE key = ?", n, delete_other);
        verify_changes(&w, n);
        result[CLOSE_AGAIN] = close_database(&w);
    } else {
        (void)close_database(&w);
    }
}
