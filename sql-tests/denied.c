/*
 * An authorizer that refuses what the module itself asks of SQLite, at each
 * place where it asks: the statement fails or goes on without, and what failed
 * has changed nothing, though the transaction around it goes on.  (Where
 * memory is short or a file fails, SQLite rolls all of it back: see sweep.c.)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

/* The next calls of the authorizer: the one that is refused, and all later. */
struct refusal {
    long left; /* 0: none is refused */
    bool keep, hit;
};

static int
refuse(void *arg, int action, const char *a, const char *b, const char *schema,
       const char *trigger)
{
    struct refusal *r = arg;

    (void)action;
    (void)a;
    (void)b;
    (void)schema;
    (void)trigger;
    if (r->hit && r->keep)
        return SQLITE_DENY;
    if (r->left == 0 || --r->left > 0)
        return SQLITE_OK;
    r->hit = true;
    return SQLITE_DENY;
}

#define ROWS(first, n, text)                                                   \
    " WITH RECURSIVE s(x) AS (SELECT " first " UNION ALL SELECT x + 1 FROM s"  \
    " LIMIT " #n ") SELECT x, x + 1000, " text ", zeroblob(1000) FROM s"

/*
 * t has indexes, s is the sum of what is inserted.  Revert has to bring back
 * what 290 rows were at the commit point past.  No transaction is large here:
 * the log is to grow in those that are tried.
 */
static void
set_up(sqlite3 *db)
{
    db_must(db, "CREATE VIRTUAL TABLE t USING moss(k INT PRIMARY KEY,"
                " a UNIQUE, b TEXT, c, INDEX by_b(b));"
                "CREATE VIRTUAL TABLE s USING moss(k INT PRIMARY KEY,"
                " n INT MERGE sum);"
                "INSERT INTO s VALUES (1, 1), (2, 2)");
    for (int k = 1; k <= 290; k += 10)
        db_must(db,
                "INSERT INTO t" ROWS(
                    "%d", 10, "'old' || x") ";"
                                            "INSERT INTO t(t) VALUES ('flush')",
                k);
    db_must(db, "CREATE TABLE past AS SELECT max(id) AS id"
                " FROM moss_commits('t')");
    for (int k = 1; k <= 290; k += 10)
        db_must(db,
                "UPDATE t SET b = 'new' || k, c = zeroblob(900)"
                " WHERE k BETWEEN %d AND %d + 9;"
                "INSERT INTO t(t) VALUES ('flush')",
                k, k);
    db_must(db, "DELETE FROM t WHERE k %% 50 = 0;"
                "INSERT INTO t VALUES (700, 7, 'x', 'y');"
                "INSERT INTO t(t) VALUES ('flush')");
    db_expect(db, "SELECT count(*) FROM _moss_log_1", "65\n");
}

/* So many changes come first: there is a look at the log every 256. */
static const int changes_before[] = { 0, 252, 253, 254, 255 };
enum { CHANGES_BEFORE = 5 };

/* Those of one row, for which SQLite has no savepoint, try all of these. */
static const struct statement {
    const char *sql;
    bool one_row;
} statements[] = {
    { "INSERT INTO t(t, arg) VALUES ('revert', (SELECT id FROM past))", false },
    { "INSERT INTO t(t) VALUES ('truncate')", false },
    { "INSERT INTO t" ROWS("2000", 300, "'more'"), false },
    { "UPDATE t SET k = k + 10000, a = a + 10000", false },
    { "DELETE FROM t WHERE k < 500", false },
    { "INSERT INTO t VALUES (800, 8, 'one', zeroblob(300000))", true },
    { "UPDATE t SET k = 801, a = 9, b = 'z', c = zeroblob(300000) WHERE k = 3",
      true },
    { "INSERT OR REPLACE INTO t VALUES (3, 1005, 'one', zeroblob(300000))",
      true },
    { "UPDATE OR REPLACE t SET k = 9, c = zeroblob(300000) WHERE k = 3", true },
    { "INSERT INTO s SELECT k, 3 FROM t", false },
};

static sqlite3 *
open_run(void)
{
    sqlite3 *db = db_open(path_of("%s/run/test.db", scratch_dir()), NULL);

    sqlite3_extended_result_codes(db, 1);
    db_must(db, "PRAGMA journal_mode = wal; PRAGMA synchronous = off");
    return db;
}

/* All rows, by key and by each index, which must agree. */
static char *
read_state(sqlite3 *db)
{
    db_must(db, "INSERT INTO t(t) VALUES ('check');"
                "INSERT INTO s(s) VALUES ('check')");
    return db_text(db, "SELECT 'k', k, a, b, c FROM t UNION ALL"
                       " SELECT 's', k, n, NULL, NULL FROM s UNION ALL"
                       " SELECT 'a', count(*), sum(k), NULL, NULL FROM t"
                       " WHERE a > 0 UNION ALL"
                       " SELECT 'b', count(*), sum(k), NULL, NULL FROM t"
                       " WHERE b > ''");
}

static void
must_be(sqlite3 *db, const char *want, const char *what)
{
    char *state = read_state(db);

    if (strcmp(state, want) != 0)
        fail("%s: the tables are\n%.3000s\nnot\n%.3000s", what, state, want);
    free(state);
}

static void
begin(sqlite3 *db, int before)
{
    db_must(db, "BEGIN");
    if (before > 0)
        db_must(db,
                "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1"
                " FROM c LIMIT %d) INSERT INTO s SELECT x + 5000, 1 FROM c",
                before);
}

/* Refuse one call after the other, until the statement is through. */
static long
refuse_each(sqlite3 *db, const char *sql, int before, bool keep)
{
    struct refusal r = { .hit = true };
    char *old, *new;
    long n = 0, failed = 0;

    begin(db, before);
    old = read_state(db);
    db_must(db, "%s", sql);
    new = read_state(db);
    db_must(db, "ROLLBACK");
    while (r.hit) {
        char doing[300];
        int rc;

        snprintf(doing, sizeof doing, "%.150s, %d changes before, call %ld%s",
                 sql, before, ++n, keep ? " and all later" : "");
        fail_while(doing);
        begin(db, before);
        r = (struct refusal){ .left = n, .keep = keep };
        sqlite3_set_authorizer(db, refuse, &r);
        rc = db_run(db, sql);
        sqlite3_set_authorizer(db, NULL, NULL);
        if (rc != SQLITE_OK && !r.hit)
            fail("%d: %s", rc, sqlite3_errmsg(db));
        failed += rc != SQLITE_OK;
        if (sqlite3_get_autocommit(db))
            fail("code %d has ended the transaction", rc);
        must_be(db, rc == SQLITE_OK ? new : old,
                rc == SQLITE_OK ? "done" : "after the error");
        db_must(db, "ROLLBACK");
    }
    free(old);
    free(new);
    return failed;
}

/* COMMIT is there or not; on another connection and after a reopen alike. */
static long
refuse_commit(sqlite3 **db)
{
    struct refusal r = { .hit = true };
    long failed = 0;

    for (long n = 1; r.hit; n++) {
        char doing[100], *old = read_state(*db), *new;
        int rc;

        snprintf(doing, sizeof doing, "COMMIT, call %ld", n);
        fail_while(doing);
        begin(*db, 1);
        db_must(*db, "INSERT INTO t VALUES (%ld, %ld, 'c', zeroblob(300000))",
                n + 20000, n + 20000);
        new = read_state(*db);
        r = (struct refusal){ .left = n };
        sqlite3_set_authorizer(*db, refuse, &r);
        rc = db_run(*db, "COMMIT");
        sqlite3_set_authorizer(*db, NULL, NULL);
        failed += rc != SQLITE_OK;
        if (rc != SQLITE_OK && !sqlite3_get_autocommit(*db))
            db_must(*db, "ROLLBACK");
        must_be(*db, rc == SQLITE_OK ? new : old, "here");
        db_close(*db);
        *db = open_run();
        must_be(*db, rc == SQLITE_OK ? new : old, "opened again");
        free(old);
        free(new);
    }
    return failed;
}

int
main(int argc, char **argv)
{
    const size_t n = sizeof statements / sizeof *statements;
    long failed = 0;
    sqlite3 *db;

    harness_start(argc, argv, "");
    if (harness_plain)
        fail("there is nothing to refuse on ordinary tables");
    make_empty_dir(path_of("%s/run", scratch_dir()));
    db = open_run();
    set_up(db);
    for (size_t i = 0; i < n; i++) {
        long here = 0;

        for (int k = 0; k < CHANGES_BEFORE; k++)
            if (k == 0 || k == 3 || statements[i].one_row)
                here += refuse_each(db, statements[i].sql, changes_before[k],
                                    k == 3);
        printf("%5ld errors: %.60s\n", here, statements[i].sql);
        failed += here;
    }
    failed += refuse_commit(&db);
    fail_while(NULL);
    db_close(db);
    printf("%ld refusals, nothing half done\n", failed);
    return 0;
}
