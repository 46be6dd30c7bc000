/*
 * Traps of SQLite's virtual-table interface that only a program can step in:
 * functions that the application replaced, an authorizer, results kept past
 * their cursor, a connection that is closed, trusted schemas, a function that
 * changes the state of things.  TRAPS.md lists them all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

static const char *
new_database(void)
{
    make_empty_dir(path_of("%s/run", scratch_dir()));
    return path_of("%s/run/test.db", scratch_dir());
}

/* ------------------------------------------------- functions of others */

/* "text LIKE pattern" that is true if text ends as pattern begins. */
static void
own_like(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    const char *pattern = (const char *)sqlite3_value_text(argv[0]);
    const char *text = (const char *)sqlite3_value_text(argv[1]);
    size_t n = text == NULL ? 0 : strlen(text);

    (void)argc;
    sqlite3_result_int(ctx,
                       n > 0 && pattern != NULL && text[n - 1] == pattern[0]);
}

/* A LIKE of the application's own decides which rows there are. */
static void
like_is_replaced(void)
{
    sqlite3 *db = db_open(new_database(), NULL);

    db_must(db, "CREATE VIRTUAL TABLE t USING moss(k TEXT PRIMARY KEY, v);"
                "INSERT INTO t VALUES('a', 1), ('xa', 2), ('ax', 3)");
    db_expect(db, "SELECT k FROM t WHERE k LIKE 'a'", "'a'\n");
    sqlite3_create_function(db, "like", 2, SQLITE_UTF8, NULL, own_like, NULL,
                            NULL);
    sqlite3_create_function(db, "glob", 2, SQLITE_UTF8, NULL, own_like, NULL,
                            NULL);
    db_expect(db, "SELECT k FROM t WHERE k LIKE 'a'", "'a'\n'xa'\n");
    db_expect(db, "SELECT k FROM t WHERE k GLOB 'a*'", "'a'\n'xa'\n");
    db_close(db);
}

/* ------------------------------------------------------------- results */

/* Values stay when the cursor that gave them is at another row, or closed. */
static void
results_outlive_their_cursor(void)
{
    sqlite3 *db = db_open(new_database(), NULL);

    db_must(db, "CREATE VIRTUAL TABLE t USING moss(k TEXT PRIMARY KEY, v);"
                "INSERT INTO t VALUES('first key', 'first value that is long'),"
                " ('second key', 'second value, long, too'),"
                " ('third key', 'third value of such a length')");
    for (int i = 0; i < 3; i++) {
        db_expect(db,
                  "SELECT (SELECT v FROM t WHERE k = 'first key'),"
                  " (SELECT v FROM t WHERE k = 'second key'),"
                  " (SELECT v FROM t ORDER BY k DESC LIMIT 1)",
                  "'first value that is long'|'second value, long, too'|"
                  "'third value of such a length'\n");
        db_expect(db,
                  "SELECT max(k), v, lag(v) OVER (ORDER BY k) FROM t GROUP BY"
                  " v ORDER BY v",
                  "'first key'|'first value that is long'|NULL\n"
                  "'second key'|'second value, long, too'|"
                  "'first value that is long'\n"
                  "'third key'|'third value of such a length'|"
                  "'second value, long, too'\n");
        /* In rows just written, in the log's, then in the store's. */
        if (i == 0)
            db_must(db, "BEGIN; UPDATE t SET v = v");
        if (i == 1)
            db_must(db, "COMMIT");
    }
    db_close(db);
}

/* ---------------------------------------------------------- authorizer */

static int
deny_pragmas(void *arg, int action, const char *a, const char *b,
             const char *schema, const char *trigger)
{
    (void)arg;
    (void)a;
    (void)b;
    (void)schema;
    (void)trigger;
    return action == SQLITE_PRAGMA ? SQLITE_DENY : SQLITE_OK;
}

/* What an application forbids its users we may have to ask for: not here. */
static void
authorizer_denies_pragmas(void)
{
    const char *file = new_database();
    sqlite3 *db = db_open(file, NULL);

    db_must(db,
            "CREATE VIRTUAL TABLE t USING moss; INSERT INTO t VALUES(1, 2)");
    db_close(db);
    db = db_open(file, NULL);
    sqlite3_set_authorizer(db, deny_pragmas, NULL);
    db_must(db, "CREATE VIRTUAL TABLE u USING moss(a TEXT, b, PRIMARY KEY(a))");
    db_must(db,
            "BEGIN; INSERT INTO t VALUES(3, 4); INSERT INTO u VALUES('x', 5);"
            "COMMIT; DROP TABLE u");
    db_expect(db, "SELECT * FROM t", "1|2\n3|4\n");
    db_close(db);
}

/* ---------------------------------------------------------- connections */

/* Nothing of ours keeps a connection from closing, in whatever state. */
static void
connection_closes(void)
{
    static const char *const before[] = {
        "SELECT 1",
        "SELECT * FROM t",
        "INSERT INTO t VALUES(7, 8)",
        "BEGIN; INSERT INTO t VALUES(9, 10)",
        "BEGIN; INSERT INTO t VALUES(9, 10); SAVEPOINT s; DELETE FROM t",
        "BEGIN; CREATE VIRTUAL TABLE u USING moss; INSERT INTO u VALUES(1, 1)",
        "DROP TABLE t",
    };
    const char *file = new_database();
    sqlite3 *db = db_open(file, NULL);

    db_must(db,
            "CREATE VIRTUAL TABLE t USING moss; INSERT INTO t VALUES(1, 2)");
    db_close(db);
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        db = db_open(file, NULL);
        db_must(db, "%s", before[i]);
        if (sqlite3_close(db) != SQLITE_OK)
            fail("after \"%s\": sqlite3_close: %s", before[i],
                 sqlite3_errmsg(db));
    }
    db = db_open(file, NULL);
    db_expect(db, "SELECT count(*) FROM sqlite_schema WHERE name = 't'", "0\n");
    db_close(db);
}

/* Ours leave it alone: nested SQL of CREATE, DDL, a log that grows. */
static void
last_insert_rowid_stays(void)
{
    sqlite3 *db = db_open(new_database(), NULL);

    db_must(db, "CREATE TABLE o(x); INSERT INTO o(rowid, x) VALUES(4711, 1)");
    db_must(db, "CREATE VIRTUAL TABLE t USING moss;"
                "INSERT INTO t VALUES(1, 2), (3, 4); ALTER TABLE t RENAME TO u;"
                "BEGIN; INSERT INTO u VALUES(5, zeroblob(300000)); COMMIT;"
                "DELETE FROM u; DROP TABLE u");
    if (sqlite3_last_insert_rowid(db) != 4711)
        fail("last_insert_rowid() is %lld",
             (long long)sqlite3_last_insert_rowid(db));
    db_close(db);
}

/* ---------------------------------------------------------- other schemas */

/* A schema that somebody else made cannot have a view open a path. */
static void
paths_are_not_for_views(void)
{
    sqlite3 *db = db_open(new_database(), NULL);
    int rc;

    db_must(db,
            "CREATE VIRTUAL TABLE t USING moss(store='%s/run/elsewhere');"
            "INSERT INTO t VALUES(1, 2); CREATE VIEW w AS SELECT * FROM t",
            scratch_dir());
    db_expect(db, "SELECT * FROM t", "1|2\n");
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    rc = db_run(db, "SELECT * FROM w");
    if (rc != SQLITE_ERROR ||
        strcmp(sqlite3_errmsg(db), "unsafe use of virtual table \"t\"") != 0)
        fail("a view reads a path: %d, %s", rc, sqlite3_errmsg(db));
    db_close(db);
}

/* ------------------------------------------------------------ many columns */

/* More terms than SQLite lets be omitted, and than a plan takes. */
static void
many_terms_lose_nothing(void)
{
    sqlite3 *db = db_open(new_database(), NULL);
    char *sql = NULL;

    db_must(db, "CREATE VIRTUAL TABLE t USING moss(k INTEGER PRIMARY KEY, v)");
    for (int i = 0; i < 100; i++)
        db_must(db, "INSERT INTO t VALUES(%d, %d)", i, i % 7);
    text_append(&sql, "SELECT count(*) FROM t WHERE k >= 0");
    for (int i = 1; i <= 40; i++)
        text_append(&sql, " AND k > %d AND k < %d", i, 100 - i);
    db_expect(db, sql, "19\n");
    free(sql);
    db_close(db);
}

/* A table keeps memory for its next cursor, but not that of a great list. */
static void
great_lists_leave_nothing(void)
{
    sqlite3 *db = db_open(new_database(), NULL);
    const char *sql = "WITH RECURSIVE n(i) AS"
                      " (VALUES(%d) UNION ALL SELECT i + 1 FROM n LIMIT 50000)"
                      " SELECT count(*) FROM t WHERE k IN (SELECT i FROM n)";
    sqlite3_int64 before;

    db_must(db, "CREATE VIRTUAL TABLE t USING moss(k INTEGER PRIMARY KEY, v);"
                "INSERT INTO t VALUES(1, 2), (60000, 3)");
    if (db_int(db, "SELECT count(*) FROM t WHERE k IN (1, 2)") != 1)
        fail("a short list");
    before = sqlite3_memory_used();
    if (db_int(db, sql, 0) != 1 || db_int(db, sql, 20000) != 1)
        fail("a long list");
    if (sqlite3_memory_used() > before + (1 << 20))
        fail("%lld bytes stay in use",
             (long long)(sqlite3_memory_used() - before));
    db_close(db);
}

/* ------------------------------------------------------ amid a statement */

/* CREATE of another database's table, whose home is test.db at first. */
static char *attached;

/*
 * "Another database adopts the store, changes the row and goes": amid a
 * statement of a guest, which becomes the home by that.
 */
static void
home_moves(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    const char *file = path_of("%s/run/third.db", scratch_dir());
    sqlite3 *db = db_open(file, NULL);

    (void)argc;
    (void)argv;
    db_must(db, "%s", attached);
    db_must(db, "INSERT INTO t(t) VALUES('adopt')");
    db_must(db, "UPDATE t SET value = x'22' WHERE key = x'01'");
    db_must(db, "INSERT INTO t(t) VALUES('flush')");
    db_close(db);
    if (remove(file) != 0)
        fail("cannot remove %s", file);
    sqlite3_result_blob(ctx, "\2", 1, SQLITE_STATIC);
}

/* The row that a statement has found is not changed once it is another one. */
static void
home_comes_amid_a_statement(void)
{
    sqlite3 *home = db_open(new_database(), NULL);
    sqlite3 *guest;

    db_must(home, "CREATE VIRTUAL TABLE t USING moss(codec=raw);"
                  "INSERT INTO t VALUES(x'01', x'11')");
    db_must(home, "INSERT INTO t(t) VALUES('flush')");
    attached = NULL;
    text_append(&attached,
                "CREATE VIRTUAL TABLE t USING moss(store='test.db-moss',"
                " codec=raw, collection=");
    if (db_rows(home, "SELECT object FROM _moss_catalog WHERE kind = 'table'",
                &attached) != SQLITE_OK)
        fail("%s", sqlite3_errmsg(home));
    text_append(&attached, ")");
    db_close(home);
    guest = db_open(path_of("%s/run/guest.db", scratch_dir()), NULL);
    db_must(guest, "%s", attached);
    sqlite3_create_function(guest, "home_moves", 0, SQLITE_UTF8, NULL,
                            home_moves, NULL, NULL);
    db_must(guest, "UPDATE t SET key = home_moves() WHERE key = x'01'");
    db_expect(guest, "SELECT hex(key), hex(value) FROM t", "'02'|'22'\n");
    db_close(guest);
    free(attached);
}

/* ------------------------------------------------------ copies in memory */

/* Both have the same store in memory; only the first to write goes on. */
static void
copies_in_memory_have_one_writer(void)
{
    sqlite3 *db = db_open(":memory:", NULL);
    sqlite3 *copy = db_open(":memory:", NULL);

    db_must(db, "CREATE VIRTUAL TABLE t USING moss;"
                "INSERT INTO t VALUES(1, 'both')");
    sqlite3_backup *b = sqlite3_backup_init(copy, "main", db, "main");
    if (b == NULL || sqlite3_backup_step(b, -1) != SQLITE_DONE ||
        sqlite3_backup_finish(b) != SQLITE_OK)
        fail("backup: %s", sqlite3_errmsg(copy));
    db_must(copy, "INSERT INTO t VALUES(2, 'copy')");
    db_expect(db, "SELECT * FROM t", "1|'both'\n");
    if (sqlite3_exec(db, "INSERT INTO t VALUES(3, 'original')", NULL, NULL,
                     NULL) != SQLITE_READONLY ||
        strstr(sqlite3_errmsg(db), "only one of them can") == NULL)
        fail("the original writes: %s", sqlite3_errmsg(db));
    db_expect(db, "SELECT * FROM t", "1|'both'\n");
    db_close(db);
    db_must(copy, "INSERT INTO t VALUES(3, 'copy')");
    db_expect(copy, "SELECT * FROM t", "1|'both'\n2|'copy'\n3|'copy'\n");
    db_close(copy);
}

/* -------------------------------------------------------- loaded again */

/*
 * Loading the module again does nothing, also in a transaction; when it is
 * dropped, what there is of its tables and functions stays sound.
 */
static void
loaded_again_and_dropped(void)
{
    sqlite3 *db = db_open(new_database(), NULL);
    sqlite3_stmt *reading;

    db_must(db, "CREATE VIRTUAL TABLE t USING moss; CREATE TABLE o(a);"
                "INSERT INTO t VALUES(1, 1), (2, 2); BEGIN;"
                "INSERT INTO t VALUES(3, 3)");
    if (sqlite3_moss_init(db, NULL, NULL) != SQLITE_OK)
        fail("load again: %s", sqlite3_errmsg(db));
    /* A change of the schema makes a second object for the table. */
    db_must(db, "ALTER TABLE o RENAME TO p; INSERT INTO t VALUES(4, 4);"
                "UPDATE t SET value = 5 WHERE key = 3; COMMIT");
    db_expect(db, "SELECT * FROM t", "1|1\n2|2\n3|5\n4|4\n");
    if (sqlite3_prepare_v2(db, "SELECT key FROM t", -1, &reading, NULL) !=
            SQLITE_OK ||
        sqlite3_step(reading) != SQLITE_ROW ||
        sqlite3_drop_modules(db, NULL) != SQLITE_OK ||
        sqlite3_step(reading) != SQLITE_ROW)
        fail("drop the module: %s", sqlite3_errmsg(db));
    sqlite3_finalize(reading);
    if (sqlite3_moss_init(db, NULL, NULL) != SQLITE_OK)
        fail("load after dropping: %s", sqlite3_errmsg(db));
    db_expect(db, "SELECT * FROM t", "1|1\n2|2\n3|5\n4|4\n");
    db_close(db);
}

/* ---------------------------------------------------------------- moved */

/* Nothing goes to a store that the next connection would not find. */
static void
a_store_is_moved_away(void)
{
    sqlite3 *db = db_open(new_database(), NULL);
    const char *dir = path_of("%s/run/test.db-moss", scratch_dir());
    const char *aside = path_of("%s/run/aside", scratch_dir());

    db_must(db, "CREATE VIRTUAL TABLE t USING moss;"
                "INSERT INTO t VALUES(1, 'there')");
    db_must(db, "INSERT INTO t(t) VALUES('flush')");
    if (rename(dir, aside) != 0)
        fail("cannot rename %s", dir);
    /* It is in the log for the time being. */
    db_must(db, "INSERT INTO t VALUES(2, 'moved')");
    if (db_run(db, "INSERT INTO t(t) VALUES('flush')") != SQLITE_CANTOPEN ||
        strstr(sqlite3_errmsg(db), "moved or removed") == NULL)
        fail("flush: %s", sqlite3_errmsg(db));
    if (rename(aside, dir) != 0)
        fail("cannot rename %s", aside);
    db_must(db, "INSERT INTO t(t) VALUES('flush')");
    db_close(db);
    db = db_open(path_of("%s/run/test.db", scratch_dir()), NULL);
    db_expect(db, "SELECT * FROM t", "1|'there'\n2|'moved'\n");
    db_close(db);
}

int
main(int argc, char **argv)
{
    static void (*const tests[])(void) = {
        like_is_replaced,
        results_outlive_their_cursor,
        connection_closes,
        authorizer_denies_pragmas,
        last_insert_rowid_stays,
        paths_are_not_for_views,
        many_terms_lose_nothing,
        great_lists_leave_nothing,
        home_comes_amid_a_statement,
        copies_in_memory_have_one_writer,
        loaded_again_and_dropped,
        a_store_is_moved_away,
    };

    harness_start(argc, argv, "");
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tests[i]();
    printf("%zu traps, none stepped in\n", sizeof tests / sizeof tests[0]);
    return 0;
}
