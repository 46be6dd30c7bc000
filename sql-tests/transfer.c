/*
 * Money moves between keys of two moss tables and an ordinary table, one
 * transaction each; readers check that every SELECT sums to the constant.
 *
 *   transfer [--seconds N] [--mode wal|rollback|both] [--writers N]
 *            [--readers N] [--visitors N]
 *
 * Besides the accounts a, b (moss) and c, the ordinary table ledger holds the
 * number of transfers and, in lg (moss), the same number, written by every
 * transfer: so a reader can tell of which moment each table's rows are.
 * A visitor opens a connection for one transfer, one query or a table that it
 * makes and drops again.  At the end visitors are alone for a while, so that
 * the store is opened and closed again and again.
 *
 * In rollback mode readers and writers meet SQLITE_BUSY and retry.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

enum { KEYS = 60, START = 1000, TABLES = 3, MAX_THREADS = 16 };

static const int64_t total = (int64_t)KEYS * START * TABLES;

struct shared {
    char path[600];
    bool wal;
    uint64_t end_ms;
    atomic_long commits;
    atomic_bool stop;
};

struct worker {
    pthread_t thread;
    struct shared *shared;
    unsigned index;
    struct rng rng;
    sqlite3 *db;
    long visits, transfers, rollbacks, selects, pairs, old_snapshots, busy,
        gone;
};

static bool
is_over(struct worker *w)
{
    if (now_ms() >= w->shared->end_ms)
        atomic_store(&w->shared->stop, true);
    return atomic_load(&w->shared->stop);
}

/* SQLITE_BUSY of any kind, counted; anything else that is no success ends. */
static bool
is_busy(struct worker *w, int rc, const char *sql)
{
    if (rc == SQLITE_OK)
        return false;
    if ((rc & 0xff) != SQLITE_BUSY)
        fail("%s\n  gave %d: %s", sql, rc, sqlite3_errmsg(w->db));
    w->busy++;
    return true;
}

static void
rollback(struct worker *w)
{
    int rc = SQLITE_OK;

    if (!sqlite3_get_autocommit(w->db))
        rc = db_run(w->db, "ROLLBACK");
    if (rc != SQLITE_OK)
        fail("ROLLBACK gave %d: %s", rc, sqlite3_errmsg(w->db));
}

/* -------------------------------------------------------------- writers */

/* Change one account by amount, in one of the ways SQL has for it. */
static int
change(struct worker *w, char table, unsigned key, int amount)
{
    static const char *const ways[] = {
        "UPDATE %c SET value = value + (%d) WHERE key = %u",
        "REPLACE INTO %c SELECT key, value + (%d) FROM %c WHERE key = %u",
        "UPDATE %c SET key = key + 10000, value = value + (%d)"
        " WHERE key = %u; UPDATE %c SET key = %u WHERE key = %u + 10000",
        "CREATE TEMP TABLE IF NOT EXISTS keep(v); DELETE FROM keep;"
        " INSERT INTO keep SELECT value FROM %c WHERE key = %u;"
        " DELETE FROM %c WHERE key = %u;"
        " INSERT INTO %c SELECT %u, v + (%d) FROM keep",
    };
    unsigned way = rng_below(&w->rng, 4);
    char *sql;

    if (way == 0)
        sql = sqlite3_mprintf(ways[0], table, amount, key);
    else if (way == 1)
        sql = sqlite3_mprintf(ways[1], table, amount, table, key);
    else if (way == 2)
        sql = sqlite3_mprintf(ways[2], table, amount, key, table, key, key);
    else
        sql = sqlite3_mprintf(ways[3], table, key, table, key, table, key,
                              amount);
    if (sql == NULL)
        return SQLITE_NOMEM;
    int rc = db_run(w->db, sql);
    sqlite3_free(sql);
    return rc;
}

/* The statements of a transfer; the first code that is not SQLITE_OK. */
static int
transfer(struct worker *w)
{
    char from = (char)('a' + rng_below(&w->rng, TABLES));
    char to = (char)('a' + rng_below(&w->rng, TABLES));
    int amount = 1 + (int)rng_below(&w->rng, 100);
    bool undo = rng_below(&w->rng, 5) == 0;
    int rc = db_run(w->db, rng_below(&w->rng, 3) ? "BEGIN IMMEDIATE" : "BEGIN");

    if (rc == SQLITE_OK)
        rc = change(w, from, rng_below(&w->rng, KEYS), -amount);
    if (rc == SQLITE_OK && undo)
        rc = db_run(w->db, "SAVEPOINT s; UPDATE a SET value = value + 1;"
                           "UPDATE c SET value = 0; ROLLBACK TO s; RELEASE s");
    if (rc == SQLITE_OK)
        rc = change(w, to, rng_below(&w->rng, KEYS), amount);
    if (rc == SQLITE_OK)
        rc = db_run(w->db, "UPDATE ledger SET n = n + 1;"
                           "UPDATE lg SET value = value + 1 WHERE key = 'n'");
    return rc;
}

/* COMMIT, again while readers hold it up. */
static int
commit(struct worker *w)
{
    int rc = db_run(w->db, "COMMIT");

    for (int i = 0;
         i < 20 && (rc & 0xff) == SQLITE_BUSY && !sqlite3_get_autocommit(w->db);
         i++) {
        w->busy++;
        rc = db_run(w->db, "COMMIT");
    }
    return rc;
}

/* One transfer, now and then one that never happened. */
static void
try_transfer(struct worker *w)
{
    int rc = transfer(w);
    bool wanted = rng_below(&w->rng, 10) != 0;

    if (rc == SQLITE_OK && wanted)
        rc = commit(w);
    if (!is_busy(w, rc, "a transfer") && wanted) {
        w->transfers++;
        atomic_fetch_add(&w->shared->commits, 1);
    } else {
        rollback(w);
        w->rollbacks++;
    }
}

static void *
run_writer(void *arg)
{
    struct worker *w = arg;

    while (!is_over(w))
        try_transfer(w);
    return NULL;
}

/* -------------------------------------------------------------- readers */

/* Each gives one row with one number. */
static const struct query {
    const char *sql;
    bool is_zero; /* 0 instead of the total */
} queries[] = {
    { "SELECT (SELECT sum(value) FROM a) + (SELECT sum(value) FROM b)"
      " + (SELECT sum(value) FROM c)",
      false },
    { "SELECT (SELECT sum(value) FROM c) + (SELECT sum(value) FROM b)"
      " + (SELECT sum(value) FROM a)",
      false },
    { "SELECT sum(value) FROM (SELECT value FROM a UNION ALL"
      " SELECT value FROM b UNION ALL SELECT value FROM c)",
      false },
    { "SELECT sum(value) FROM (SELECT * FROM (SELECT * FROM a ORDER BY key"
      " DESC) UNION ALL SELECT * FROM b WHERE key >= 0 UNION ALL"
      " SELECT * FROM c)",
      false },
    { "SELECT sum(a.value + b.value + c.value) FROM a JOIN b USING(key)"
      " JOIN c USING(key)",
      false },
    { "SELECT sum(a.value + b.value + c.value) FROM c CROSS JOIN b"
      " ON b.key = c.key CROSS JOIN a ON a.key = c.key",
      false },
    { "SELECT count(*) FROM a x JOIN a y ON x.key = y.key"
      " WHERE x.value <> y.value",
      true },
    { "SELECT (SELECT sum(value) FROM b) - (SELECT sum(value) FROM"
      " (SELECT value FROM b ORDER BY key DESC))",
      true },
    { "SELECT sum(x.value) - (SELECT sum(value) FROM a WHERE key >= 30)"
      " - (SELECT sum(value) FROM a WHERE key < 30) FROM a x",
      true },
    { "SELECT count(*) - 180 FROM (SELECT key FROM a UNION ALL"
      " SELECT key FROM b UNION ALL SELECT key FROM c)",
      true },
    { "SELECT (SELECT n FROM ledger) - (SELECT value FROM lg"
      " WHERE key = 'n')",
      true },
    { "SELECT (SELECT value FROM lg) - (SELECT n FROM ledger)", true },
};

enum { QUERIES = sizeof queries / sizeof *queries };

/* Run a query of one number; SQLITE_DONE without a row is fine. */
static int
number(struct worker *w, const char *sql, int64_t *out, bool *found)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(w->db, sql, -1, &st, NULL);

    *found = false;
    if (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
        *found = true;
        *out = sqlite3_column_int64(st, 0);
    }
    int end = sqlite3_finalize(st);
    return rc != SQLITE_OK ? rc : end;
}

static void
check_query(struct worker *w, const struct query *q)
{
    int64_t got = 0;
    bool found;
    int rc = number(w, q->sql, &got, &found);

    if (is_busy(w, rc, q->sql))
        return;
    w->selects++;
    if (found && got != (q->is_zero ? 0 : total))
        fail("reader %u: %s\n  gave %lld instead of %lld", w->index, q->sql,
             (long long)got, (long long)(q->is_zero ? 0 : total));
}

static const char all_rows[] =
    "SELECT 1, key, value FROM a UNION ALL SELECT 2, key, value FROM b"
    " UNION ALL SELECT 3, key, value FROM c UNION ALL SELECT 4, 0, n"
    " FROM ledger UNION ALL SELECT 5, 0, value FROM lg";

/* All rows as text, or NULL if the database was busy. */
static char *
read_all(struct worker *w)
{
    char *text = NULL;
    int rc = db_rows(w->db, all_rows, &text);

    if (!is_busy(w, rc, all_rows))
        return text;
    free(text);
    return NULL;
}

/* Two SELECTs in one transaction see the same. */
static void
check_pair(struct worker *w)
{
    if (is_busy(w, db_run(w->db, "BEGIN"), "BEGIN"))
        return;
    char *first = read_all(w);
    char *second = first != NULL ? read_all(w) : NULL;
    if (second != NULL && strcmp(first, second) != 0)
        fail("reader %u: two SELECTs of one transaction differ:\n%s----\n%s",
             w->index, first, second);
    w->pairs += second != NULL;
    free(first);
    free(second);
    rollback(w);
}

/*
 * A transaction that begins with the ordinary tables, lets many commits pass
 * and only then reads the moss tables.  WAL mode only: a rollback journal
 * would keep the commits waiting for this reader.
 */
static void
check_old(struct worker *w)
{
    int64_t n = 0, late = 0, sum_c = 0, sum = 0;
    bool found;
    const char *sql = "SELECT n FROM ledger";

    if (is_busy(w, db_run(w->db, "BEGIN"), "BEGIN"))
        return;
    bool begins_with_moss = rng_below(&w->rng, 2);
    char *first = begins_with_moss ? read_all(w) : NULL;
    int rc = number(w, sql, &n, &found);
    if (rc == SQLITE_OK)
        rc = number(w, "SELECT sum(value) FROM c", &sum_c, &found);
    long until = atomic_load(&w->shared->commits) + 20 +
                 (long)rng_below(&w->rng, rng_below(&w->rng, 8) ? 200 : 2500);
    while (atomic_load(&w->shared->commits) < until && !is_over(w))
        sched_yield();
    if (rc == SQLITE_OK)
        rc = number(w, sql = "SELECT value FROM lg", &late, &found);
    if (rc == SQLITE_OK)
        rc = number(w, sql = queries[0].sql, &sum, &found);
    if (rc == SQLITE_BUSY_SNAPSHOT) {
        w->gone++; /* the snapshot is too old: allowed, and said */
    } else if (!is_busy(w, rc, sql)) {
        if (n != late || sum != total)
            fail("reader %u: began at transfer %lld; %ld commits later moss"
                 " tables read as of %lld, sum %lld",
                 w->index, (long long)n, until, (long long)late,
                 (long long)sum);
        char *second = first != NULL ? read_all(w) : NULL;
        if (second != NULL && strcmp(first, second) != 0)
            fail("reader %u: an old transaction changed:\n%s----\n%s", w->index,
                 first, second);
        free(second);
        w->old_snapshots++;
    }
    free(first);
    rollback(w);
}

/* A cursor that is left standing while commits pass. */
static void
check_slow_cursor(struct worker *w)
{
    static const char sql[] = "SELECT value FROM a UNION ALL"
                              " SELECT value FROM b UNION ALL"
                              " SELECT value FROM c";
    sqlite3_stmt *st = NULL;
    int64_t sum = 0;
    int rc = sqlite3_prepare_v2(w->db, sql, -1, &st, NULL);

    while (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
        sum += sqlite3_column_int64(st, 0);
        long now = atomic_load(&w->shared->commits);
        for (int i = 0; i < 50 && w->shared->wal && !is_over(w) &&
                        atomic_load(&w->shared->commits) == now;
             i++)
            sched_yield();
    }
    int end = sqlite3_finalize(st);
    if (is_busy(w, rc != SQLITE_OK ? rc : end, sql))
        return;
    w->selects++;
    if (sum != total)
        fail("reader %u: a slow cursor over the union summed to %lld", w->index,
             (long long)sum);
}

static void *
run_reader(void *arg)
{
    struct worker *w = arg;

    while (!is_over(w)) {
        unsigned what = rng_below(&w->rng, 40);
        if (what == 0 && w->shared->wal && w->index % 2 == 0)
            check_old(w);
        else if (what <= 2)
            check_slow_cursor(w);
        else if (what <= 6)
            check_pair(w);
        else
            check_query(w, &queries[rng_below(&w->rng, QUERIES)]);
    }
    return NULL;
}

/* ------------------------------------------------------------- visitors */

static void
connect(struct worker *w)
{
    w->db = db_open(w->shared->path, NULL);
    sqlite3_busy_timeout(w->db, w->shared->wal ? 10000 : 100);
    /* For speed only; the database may be busy. */
    (void)db_run(w->db, w->shared->wal ? "PRAGMA synchronous=normal"
                                       : "PRAGMA synchronous=off");
}

/* A table of this visitor's own comes and goes. */
static void
make_and_drop(struct worker *w)
{
    char *name = sqlite3_mprintf("own%u", w->index);
    char *make = sqlite3_mprintf(create_sql(harness_plain), name);
    char *fill = sqlite3_mprintf("INSERT INTO %s SELECT * FROM a", name);
    char *drop = sqlite3_mprintf("DROP TABLE %s", name);
    int rc = db_run(w->db, make);

    if (!is_busy(w, rc, make)) {
        (void)is_busy(w, db_run(w->db, fill), fill);
        /* What cannot be dropped now must not be in the next visit's way. */
        for (rc = db_run(w->db, drop); is_busy(w, rc, drop);)
            rc = db_run(w->db, drop);
    }
    sqlite3_free(name);
    sqlite3_free(make);
    sqlite3_free(fill);
    sqlite3_free(drop);
}

static void *
run_visitor(void *arg)
{
    struct worker *w = arg;

    while (!is_over(w)) {
        connect(w);
        switch (rng_below(&w->rng, 4)) {
        case 0:
            make_and_drop(w);
            break;
        case 1:
            check_query(w, &queries[rng_below(&w->rng, QUERIES)]);
            break;
        default:
            try_transfer(w);
        }
        db_close(w->db);
        w->db = NULL;
        w->visits++;
    }
    return NULL;
}

/* ----------------------------------------------------------------- main */

static void
fill(const char *path, bool wal)
{
    sqlite3 *db = db_open(path, NULL);

    db_must(db, "PRAGMA journal_mode=%s", wal ? "wal" : "delete");
    make_table(db, "a");
    make_table(db, "b");
    make_table(db, "lg");
    db_must(db, "CREATE TABLE c(key PRIMARY KEY, value) WITHOUT ROWID;"
                "CREATE TABLE ledger(n);"
                "INSERT INTO ledger VALUES(0); INSERT INTO lg VALUES('n', 0)");
    for (int t = 0; t < TABLES; t++)
        db_must(db,
                "WITH i(k) AS (SELECT 0 UNION ALL SELECT k+1 FROM i"
                " WHERE k < %d) INSERT INTO %c SELECT k, %d FROM i",
                KEYS - 1, 'a' + t, START);
    db_close(db);
}

static void
start(struct worker *w, struct shared *s, unsigned index,
      void *(*run)(void *arg))
{
    memset(w, 0, sizeof *w);
    w->shared = s;
    w->index = index;
    w->rng = rng_of(harness_seed, index);
    if (run != run_visitor)
        connect(w);
    if (pthread_create(&w->thread, NULL, run, w) != 0)
        fail("pthread_create");
}

static void
join(struct worker *w, struct worker *sum)
{
    pthread_join(w->thread, NULL);
    if (w->db != NULL)
        db_close(w->db);
    sum->visits += w->visits;
    sum->transfers += w->transfers;
    sum->rollbacks += w->rollbacks;
    sum->selects += w->selects;
    sum->pairs += w->pairs;
    sum->old_snapshots += w->old_snapshots;
    sum->busy += w->busy;
    sum->gone += w->gone;
}

struct crew {
    unsigned writers, readers, visitors;
};

static void
run_crew(struct shared *s, const struct crew *crew, uint64_t ms,
         struct worker *sum)
{
    struct worker w[MAX_THREADS];
    unsigned n = 0;

    atomic_store(&s->stop, false);
    s->end_ms = now_ms() + ms;
    for (unsigned i = 0; i < crew->writers; i++, n++)
        start(&w[n], s, n, run_writer);
    for (unsigned i = 0; i < crew->readers; i++, n++)
        start(&w[n], s, n, run_reader);
    for (unsigned i = 0; i < crew->visitors; i++, n++)
        start(&w[n], s, n, run_visitor);
    for (unsigned i = 0; i < n; i++)
        join(&w[i], sum);
}

/* What was persisted, read by a new connection. */
static void
check_reopened(const struct shared *s, long transfers)
{
    sqlite3 *db = db_open(s->path, NULL);
    int64_t sum = db_int(db, "%s", queries[0].sql);
    int64_t moss = db_int(db, "SELECT value FROM lg");
    int64_t ordinary = db_int(db, "SELECT n FROM ledger");

    if (sum != total || moss != transfers || ordinary != transfers)
        fail("after reopening: %lld in all; of %ld transfers %lld in moss"
             " tables, %lld in ordinary ones",
             (long long)sum, transfers, (long long)moss, (long long)ordinary);
    db_close(db);
}

static void
run_mode(bool wal, long seconds, const struct crew *crew)
{
    struct crew alone = { .visitors = crew->visitors > 0 ? 3 : 0 };
    struct worker sum = { 0 };
    struct shared s = { .wal = wal };

    snprintf(s.path, sizeof s.path, "%s/%s.db", scratch_dir(),
             wal ? "wal" : "rollback");
    fill(s.path, wal);
    run_crew(&s, crew, (uint64_t)seconds * 1000, &sum);
    check_reopened(&s, sum.transfers);
    run_crew(&s, &alone, (uint64_t)seconds * 250, &sum);
    check_reopened(&s, sum.transfers);
    if (sum.transfers == 0 || sum.selects == 0 || sum.pairs == 0)
        fail("nothing was tested: %ld transfers, %ld selects, %ld pairs",
             sum.transfers, sum.selects, sum.pairs);
    printf("%-8s %ld s: %ld transfers, %ld rolled back, %ld selects,"
           " %ld pairs, %ld old snapshots (%ld too old), %ld visits,"
           " %ld busy\n",
           wal ? "wal" : "rollback", seconds, sum.transfers, sum.rollbacks,
           sum.selects, sum.pairs, sum.old_snapshots, sum.gone, sum.visits,
           sum.busy);
}

int
main(int argc, char **argv)
{
    harness_start(argc, argv,
                  "--seconds --mode --writers --readers --visitors");
    long seconds = option_number("--seconds", 3);
    const char *mode = option_text("--mode", "both");
    struct crew crew = {
        .writers = (unsigned)option_number("--writers", 2),
        .readers = (unsigned)option_number("--readers", 4),
        .visitors = (unsigned)option_number("--visitors", 1),
    };

    if (crew.writers < 1 || crew.readers < 1 ||
        crew.writers + crew.readers + crew.visitors > MAX_THREADS)
        fail("1 to %d threads", MAX_THREADS);
    if (strcmp(mode, "wal") != 0 && strcmp(mode, "rollback") != 0 &&
        strcmp(mode, "both") != 0)
        fail("--mode is wal, rollback or both");
    if (strcmp(mode, "rollback") != 0)
        run_mode(true, seconds, &crew);
    if (strcmp(mode, "wal") != 0)
        run_mode(false, seconds, &crew);
    printf("every SELECT summed to %lld\n", (long long)total);
    return 0;
}
