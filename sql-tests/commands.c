/*
 * What the shell cannot show of commands and functions: that commands stop
 * when they are interrupted and have done nothing or all then, what an
 * authorizer denies, what a database that is opened for reading allows, and
 * what becomes of a table without its index.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

enum { ROWS = 20000 };

static sqlite3 *
open_file(const char *name, int flags)
{
    sqlite3 *db;

    if (sqlite3_open_v2(path_of("%s/%s", scratch_dir(), name), &db, flags,
                        NULL) != SQLITE_OK)
        fail("open: %s", sqlite3_errmsg(db));
    sqlite3_extended_result_codes(db, 1);
    db_load(db);
    return db;
}

static sqlite3 *
make_database(const char *name)
{
    sqlite3 *db = open_file(name, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);

    db_must(db,
            "PRAGMA journal_mode = wal; BEGIN;"
            "CREATE VIRTUAL TABLE t USING moss;"
            "CREATE TABLE at(id);"
            "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1"
            " FROM c WHERE i < %d)"
            " INSERT INTO t SELECT i, 'row ' || i FROM c; COMMIT;"
            "INSERT INTO t(t) VALUES('flush');"
            "INSERT INTO at SELECT max(id) FROM moss_commits('t');"
            "UPDATE t SET value = 'new' WHERE key %% 2;"
            "INSERT INTO t(t) VALUES('flush')",
            ROWS);
    return db;
}

/* ------------------------------------------------------------ interrupts */

static long steps_left; /* until the progress handler interrupts */
static long steps;

static int
count_steps(void *arg)
{
    (void)arg;
    steps++;
    return steps_left > 0 && --steps_left == 0;
}

/* The statement's code, interrupted after so many steps (0: never). */
static int
run_interrupted(sqlite3 *db, const char *sql, long after)
{
    int rc;

    steps = 0;
    steps_left = after;
    sqlite3_progress_handler(db, 1, count_steps, NULL);
    rc = db_run(db, sql);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    return rc;
}

/*
 * Interrupt a command ever later, until it is done.  The statement around it
 * takes few_steps or less: what goes beyond is the command's own looking.
 */
static void
check_interrupts(sqlite3 *db, const char *sql, long few_steps)
{
    static const char count_new[] =
        "SELECT count(*) FROM t WHERE value = 'new'";
    long total, within = 0;
    int64_t committed;

    if (run_interrupted(db, sql, 0) != SQLITE_OK)
        fail("%s: %s", sql, sqlite3_errmsg(db));
    total = steps;
    if (total < few_steps + 20)
        fail("%s takes only %ld steps, not many more than %ld: it does not look"
             " for interrupts",
             sql, total, few_steps);
    committed = db_int(db, count_new);
    for (long n = 1; n <= total; n += 1 + total / 40) {
        int rc;

        db_must(db, "BEGIN; UPDATE t SET value = 'new' WHERE key %% 4 = 1");
        rc = run_interrupted(db, sql, n);
        if (rc == SQLITE_OK && n < few_steps + 10)
            fail("%s was not interrupted by step %ld of %ld", sql, n, total);
        if (rc == SQLITE_OK) {
            db_must(db, "ROLLBACK");
            break;
        }
        if (rc != SQLITE_INTERRUPT)
            fail("%s, step %ld: %d, %s", sql, n, rc, sqlite3_errmsg(db));
        /* SQLite rolls a transaction back when a change is interrupted. */
        if (!sqlite3_get_autocommit(db))
            db_must(db, "ROLLBACK");
        if (db_int(db, count_new) != committed)
            fail("%s, interrupted by step %ld, has changed rows", sql, n);
        within += n > few_steps;
    }
    if (within == 0)
        fail("%s was never interrupted at work", sql);
}

static void
test_interrupts(void)
{
    sqlite3 *db = make_database("interrupts.db");
    long few;

    db_must(db, "CREATE VIRTUAL TABLE temp.e USING moss");
    if (run_interrupted(db, "INSERT INTO e(e) VALUES('check')", 0) != SQLITE_OK)
        fail("check: %s", sqlite3_errmsg(db));
    few = steps;
    check_interrupts(db, "INSERT INTO t(t) VALUES('check')", few);
    check_interrupts(
        db, "INSERT INTO t(t, arg) SELECT 'revert', id FROM at LIMIT 1", few);
    db_must(db, "UPDATE t SET value = 'new' WHERE key %% 2");
    if (run_interrupted(db, "INSERT INTO t(t) VALUES('compact')", few + 2) !=
        SQLITE_INTERRUPT)
        fail("compact was not interrupted");
    db_must(db, "INSERT INTO t(t) VALUES('compact')");
    if (db_int(db, "SELECT count(*) FROM t WHERE value = 'new'") != ROWS / 2)
        fail("compact has changed rows");
    db_close(db);
}

/* ----------------------------------------------------------- authorizers */

static const char *denied;
static int denied_action;

static int
deny(void *arg, int action, const char *a, const char *b, const char *c,
     const char *d)
{
    (void)arg;
    (void)b;
    (void)c;
    (void)d;
    return action == denied_action &&
                   (denied == NULL || (a != NULL && strcmp(a, denied) == 0))
               ? SQLITE_DENY
               : SQLITE_OK;
}

static void
expect_denied(sqlite3 *db, int action, const char *what, const char *sql,
              int want)
{
    int rc;

    denied_action = action;
    denied = what;
    sqlite3_set_authorizer(db, deny, NULL);
    rc = db_run(db, sql);
    sqlite3_set_authorizer(db, NULL, NULL);
    if (rc != want)
        fail("%s under an authorizer: %d, not %d, %s", sql, rc, want,
             sqlite3_errmsg(db));
}

static void
test_authorizer(void)
{
    sqlite3 *db = make_database("authorizer.db");

    expect_denied(db, SQLITE_INSERT, "t", "INSERT INTO t(t) VALUES('flush')",
                  SQLITE_AUTH);
    expect_denied(db, SQLITE_READ, "t", "SELECT * FROM moss_stats('t')",
                  SQLITE_AUTH);
    expect_denied(db, SQLITE_READ, "moss_stats",
                  "SELECT * FROM moss_stats('t')", SQLITE_AUTH);
    /* Without these it works all the same. */
    expect_denied(db, SQLITE_PRAGMA, NULL,
                  "SELECT * FROM moss_commits('t', 'main')", SQLITE_OK);
    expect_denied(db, SQLITE_SELECT, NULL, "INSERT INTO t(t) VALUES('check')",
                  SQLITE_OK);
    db_close(db);
}

/* -------------------------------------------------------------- reading */

static void
expect_failure(sqlite3 *db, const char *sql, int want)
{
    int rc = db_run(db, sql);

    if (rc != want)
        fail("%s: %d, not %d, %s", sql, rc, want, sqlite3_errmsg(db));
}

static void
test_readonly(void)
{
    sqlite3 *db = make_database("readonly.db");
    int64_t half = db_int(db, "SELECT count(*) FROM t WHERE value = 'new'");

    db_close(db);
    db = open_file("readonly.db", SQLITE_OPEN_READONLY);
    if (db_int(db, "SELECT count(*) FROM t WHERE value = 'new'") != half ||
        db_int(db, "SELECT count(*) FROM t((SELECT id FROM at))"
                   " WHERE value = 'new'") != 0)
        fail("a database opened for reading has other rows");
    if (db_int(db, "SELECT sum(entries) FROM moss_segments('t')") < ROWS ||
        db_int(db, "SELECT count(*) FROM moss_commits('t')") < 2)
        fail("a database opened for reading tells something else");
    expect_failure(db, "INSERT INTO t(t) VALUES('flush')", SQLITE_READONLY);
    expect_failure(db, "INSERT INTO t(t) VALUES('truncate')", SQLITE_READONLY);
    db_close(db);
}

/* --------------------------------------------------------------- damage */

static void
must(enum moss_status st)
{
    if (st != MOSS_OK)
        fail("the library: %s", moss_status_name(st));
}

static struct moss_collection *
open_collection(const char *dir)
{
    struct moss_store *store;
    struct moss_lower *lower;
    struct moss_collection *c;

    must(moss_store_open(dir, NULL, &store, NULL));
    must(moss_store_lower(store, &lower));
    must(moss_collection_open(NULL, lower, &c));
    moss_store_close(store);
    return c;
}

static void
lose_child(const char *dir, const char *collection, const char *name)
{
    struct moss_collection *c = open_collection(dir);
    struct moss_batch *batch, *child;

    must(moss_batch_new(0, 0, &batch));
    must(moss_batch_child(batch, moss_str(collection), &child));
    must(moss_batch_del_child(child, moss_str(name)));
    must(moss_collection_execute(c, batch));
    moss_batch_free(batch);
    must(moss_collection_close(c, MOSS_FOREVER, NULL));
}

static uint64_t
count_entries(const char *dir, const char *collection)
{
    struct moss_collection *c = open_collection(dir);
    struct moss_snapshot *snap, *child;
    uint64_t entries, bytes;

    must(moss_collection_snapshot(c, &snap));
    must(moss_snapshot_child(snap, moss_str(collection), &child));
    must(moss_snapshot_estimate(child, NULL, NULL, &entries, &bytes));
    moss_snapshot_unref(child);
    moss_snapshot_unref(snap);
    must(moss_collection_close(c, MOSS_FOREVER, NULL));
    return entries;
}

/* A table that has lost an index is not emptied either. */
static void
test_lost_index(void)
{
    const char *dir = path_of("%s/lost.db-moss", scratch_dir());
    sqlite3 *db =
        open_file("lost.db", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    char store[600], *name;

    snprintf(store, sizeof store, "%s", dir);
    db_must(db, "CREATE VIRTUAL TABLE t USING moss(k PRIMARY KEY, v,"
                " INDEX by_v(v));"
                "CREATE VIRTUAL TABLE u USING moss;"
                "INSERT INTO t VALUES(1, 2), (3, 4)");
    name = db_text(db, "SELECT object FROM _moss_catalog WHERE name = 't'");
    db_close(db);
    /* It is a line, in quotes. */
    name[strlen(name) - 2] = '\0';
    lose_child(store, name + 1, "by_v");
    db = open_file("lost.db", SQLITE_OPEN_READWRITE);
    db_must(db, "BEGIN; INSERT INTO u VALUES(1, 1)");
    expect_failure(db, "INSERT INTO t(t) VALUES('truncate')", SQLITE_CANTOPEN);
    db_must(db, "COMMIT");
    db_close(db);
    if (count_entries(store, name + 1) != 2)
        fail("a truncate that failed has deleted rows");
    free(name);
}

int
main(int argc, char **argv)
{
    harness_start(argc, argv, "");
    if (harness_plain)
        fail("ordinary tables have no commands");
    test_interrupts();
    test_authorizer();
    test_readonly();
    test_lost_index();
    printf("interrupts, authorizers, reading: as they are to be\n");
    return 0;
}
