/*
 * What happens to a database file beside its store: copies, moves, restores,
 * backups, damage.  The rule behind all of them: rows that belong to this
 * database, or an error that names what is wrong; never an empty table, never
 * another history's rows.  DROP TABLE works in every case.
 *
 *   sequences_files [--only NAME] [--mode wal|delete]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/harness.h"

static const char *journal; /* "wal" or "delete" */

/* A path in the fresh directory of the running test. */
#define IN(name) path_of("%s/run/%s", scratch_dir(), name)

static sqlite3 *
open_named(const char *name)
{
    sqlite3 *db = db_open(IN(name), NULL);

    sqlite3_busy_timeout(db, 0);
    return db;
}

/* A new database with t (three rows) and the ordinary o (the same). */
static sqlite3 *
make_named(const char *name)
{
    sqlite3 *db = open_named(name);

    db_must(db, "PRAGMA journal_mode = %s", journal);
    db_must(db, "CREATE TABLE o(key PRIMARY KEY, value)");
    make_table(db, "t");
    db_must(db, "INSERT INTO o VALUES(1,'a'),(2,'b'),(3,'c');"
                "INSERT INTO t SELECT * FROM o");
    return db;
}

/* Both tables hold the same n rows. */
static void
expect_rows(sqlite3 *db, const char *what, int64_t n)
{
    char *moss = db_text(db, "SELECT * FROM t ORDER BY key");
    char *ordinary = db_text(db, "SELECT * FROM o ORDER BY key");

    if (strcmp(moss, ordinary) != 0)
        fail("%s: moss table\n%s  ordinary table\n%s", what, moss, ordinary);
    if (db_int(db, "SELECT count(*) FROM t") != n)
        fail("%s: %lld rows instead of %lld", what,
             (long long)db_int(db, "SELECT count(*) FROM t"), (long long)n);
    free(moss);
    free(ordinary);
}

/* One more row in both, in one transaction. */
static void
add_row(sqlite3 *db, int key)
{
    db_must(db,
            "BEGIN; INSERT INTO t VALUES(%d, 'n%d');"
            "INSERT INTO o VALUES(%d, 'n%d'); COMMIT",
            key, key, key, key);
}

/*
 * sql fails with code (primary; 0: one that is more than SQLITE_ERROR), and
 * the message contains text.
 */
static void
expect_error(sqlite3 *db, const char *sql, int code, const char *text)
{
    char *rows = NULL;
    int rc = db_rows(db, sql, &rows);
    char *message = NULL;

    text_append(&message, "%s", sqlite3_errmsg(db));
    if ((rc & 0xff) != code &&
        (code != 0 || rc == SQLITE_OK || (rc & 0xff) == SQLITE_ERROR))
        fail("%s\n  gave %d (%s), rows %s, instead of code %d", sql, rc,
             rc == SQLITE_OK ? "" : message, rows ? rows : "none", code);
    if (strstr(message, text) == NULL)
        fail("%s\n  gave %d with the message '%s', which does not name '%s'",
             sql, rc, message, text);
    if (sqlite3_get_autocommit(db) == 0)
        db_must(db, "ROLLBACK");
    free(message);
    free(rows);
}

/* DROP works, and the name is free for a new, empty table. */
static void
expect_new_start(sqlite3 *db)
{
    db_must(db, "DROP TABLE t");
    if (db_int(db, "SELECT count(*) FROM sqlite_schema WHERE name='t'") != 0)
        fail("the table is still there after DROP");
}

static void
copy_database(const char *from, const char *to)
{
    copy_file(IN(from), IN(to));
    if (file_exists(path_of("%s-wal", IN(from))))
        copy_file(path_of("%s-wal", IN(from)), path_of("%s-wal", IN(to)));
}

/* ---------------------------------------------- copies without the store */

/* A copy that has no store of its own beside it. */
static void
check_storeless(const char *name)
{
    sqlite3 *db = open_named(name);

    db_expect(db, "SELECT count(*) FROM o", "3\n");
    if (harness_plain) {
        expect_rows(db, name, 3);
    } else {
        expect_error(db, "SELECT * FROM t", SQLITE_CANTOPEN, "-moss");
        expect_error(db, "INSERT INTO t VALUES(9, 9)", SQLITE_CANTOPEN,
                     "-moss");
        expect_error(db, "SELECT * FROM t WHERE key = 1", SQLITE_CANTOPEN,
                     "-moss");
    }
    expect_new_start(db);
    db_close(db);
}

static void
vacuum_into(void)
{
    sqlite3 *db = make_named("a.db");

    db_must(db, "VACUUM INTO '%s'", IN("copy.db"));
    check_storeless("copy.db");
    expect_rows(db, "original", 3);
    add_row(db, 4);
    db_close(db);
    db = open_named("a.db");
    expect_rows(db, "original reopened", 4);
    db_close(db);
}

static void
backup(sqlite3 *from, sqlite3 *to, int pages, sqlite3 *writer)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    int key = 100;
    int rc = SQLITE_OK;

    if (b == NULL)
        fail("backup: %s", sqlite3_errmsg(to));
    while (rc == SQLITE_OK) {
        rc = sqlite3_backup_step(b, pages);
        if (rc == SQLITE_OK && writer != NULL && key < 103)
            add_row(writer, key++);
    }
    if (rc != SQLITE_DONE || sqlite3_backup_finish(b) != SQLITE_OK)
        fail("backup step: %d", rc);
}

static void
backup_of_a_live_database(void)
{
    sqlite3 *db = make_named("a.db");
    sqlite3 *copy = db_open(IN("copy.db"), NULL);

    backup(db, copy, 1, db);
    db_close(copy);
    int64_t rows = db_int(db, "SELECT count(*) FROM o");
    if (rows < 5)
        fail("nothing was written during the backup");
    expect_rows(db, "original", rows);
    copy = open_named("copy.db");
    if (db_int(copy, "SELECT count(*) FROM o") != rows)
        fail("the copy is not the original");
    if (!harness_plain)
        expect_error(copy, "SELECT * FROM t", SQLITE_CANTOPEN, "copy.db-moss");
    expect_new_start(copy);
    db_close(copy);
    db_close(db);
}

static void
serialize_and_deserialize(void)
{
    sqlite3 *db = make_named("a.db");
    sqlite3_int64 n = 0;
    sqlite3 *copy = db_open(":memory:", NULL);

    /* The bytes say WAL mode, which memory has not. */
    db_must(db, "PRAGMA journal_mode = delete");
    unsigned char *bytes = sqlite3_serialize(db, "main", &n, 0);
    if (bytes == NULL)
        fail("serialize");
    if (sqlite3_deserialize(copy, "main", bytes, n, n,
                            SQLITE_DESERIALIZE_FREEONCLOSE |
                                SQLITE_DESERIALIZE_RESIZEABLE) != SQLITE_OK)
        fail("deserialize: %s", sqlite3_errmsg(copy));
    db_expect(copy, "SELECT count(*) FROM o", "3\n");
    if (harness_plain)
        expect_rows(copy, "deserialized", 3);
    else
        expect_error(copy, "SELECT * FROM t", SQLITE_CANTOPEN, "");
    expect_new_start(copy);
    make_table(copy, "t");
    db_must(copy, "INSERT INTO t SELECT * FROM o");
    expect_rows(copy, "deserialized", 3);
    db_close(copy);
    expect_rows(db, "original", 3);
    add_row(db, 4);
    db_close(db);
}

static void
renamed_without_its_store(void)
{
    db_close(make_named("a.db"));
    if (rename(IN("a.db"), IN("b.db")) != 0)
        fail("rename: %s", strerror(errno));
    check_storeless("b.db");
}

/* ------------------------------------------------- copies with the store */

static void
moved_with_its_store(void)
{
    db_close(make_named("a.db"));
    make_empty_dir(IN("elsewhere"));
    if (rename(IN("a.db"), IN("elsewhere/a.db")) != 0)
        fail("rename: %s", strerror(errno));
    if (!harness_plain &&
        rename(IN("a.db-moss"), IN("elsewhere/a.db-moss")) != 0)
        fail("rename: %s", strerror(errno));
    for (int key = 4; key < 7; key++) {
        sqlite3 *db = open_named("elsewhere/a.db");
        expect_rows(db, "moved", key - 1);
        add_row(db, key);
        expect_rows(db, "moved and written", key);
        db_close(db);
    }
    if (file_exists(IN("a.db")) || file_exists(IN("a.db-moss")))
        fail("something was made at the old place");
}

/* cp -r of an idle database; both go on. */
static void
copied_while_idle(void)
{
    sqlite3 *db = make_named("a.db");

    db_close(db);
    copy_tree(IN(""), path_of("%s/copy", scratch_dir()));
    make_empty_dir(IN("copy"));
    copy_tree(path_of("%s/copy", scratch_dir()), IN("copy"));
    db = open_named("a.db");
    sqlite3 *copy = open_named("copy/a.db");
    expect_rows(copy, "copy", 3);
    add_row(db, 4);
    expect_rows(copy, "copy", 3);
    expect_rows(db, "original", 4);
    /* The original still stands where the store says its home is. */
    int rc = db_run(copy, "INSERT INTO t VALUES(5, 'copy')");
    if (rc == SQLITE_OK)
        db_must(copy, "INSERT INTO o VALUES(5, 'copy')");
    else if ((rc & 0xff) != SQLITE_READONLY ||
             strstr(sqlite3_errmsg(copy), "a.db") == NULL)
        fail("writing to the copy gave %d: %s", rc, sqlite3_errmsg(copy));
    expect_rows(copy, "copy", rc == SQLITE_OK ? 4 : 3);
    expect_rows(db, "original", 4);
    db_close(copy);
    db_close(db);
    remove_tree(path_of("%s/copy", scratch_dir()));
    db = open_named("a.db");
    expect_rows(db, "original reopened", 4);
    db_close(db);
}

/*
 * The database is put back to an older copy, the store is not: the marker is
 * behind the store.  The rows are the copy's, and life goes on from there.
 */
static void
restored_older_copy(void)
{
    for (int later = 1; later <= 3; later++) {
        make_empty_dir(IN(""));
        sqlite3 *db = make_named("a.db");
        db_close(db);
        copy_database("a.db", "old.db");
        for (int i = 0; i < later; i++) {
            db = open_named("a.db");
            add_row(db, 10 + i);
            add_row(db, 20 + i);
            db_must(db, "DELETE FROM t WHERE key = 1;"
                        "DELETE FROM o WHERE key = 1");
            db_close(db);
        }
        remove_tree(path_of("%s-wal", IN("a.db")));
        remove_tree(path_of("%s-shm", IN("a.db")));
        if (rename(IN("old.db"), IN("a.db")) != 0)
            fail("rename: %s", strerror(errno));
        for (int i = 0; i < 3; i++) {
            db = open_named("a.db");
            expect_rows(db, "restored", 3 + i);
            add_row(db, 30 + i);
            expect_rows(db, "restored and written", 4 + i);
            db_close(db);
        }
    }
}

/* The same by the backup API, onto connections that are open. */
static void
restored_onto_a_live_database(void)
{
    sqlite3 *db = make_named("a.db");
    sqlite3 *other = open_named("a.db");

    expect_rows(other, "before", 3);
    sqlite3 *old = db_open(IN("old.db"), NULL);
    backup(db, old, -1, NULL);
    add_row(db, 4);
    add_row(other, 5);
    expect_rows(db, "before", 5);
    db_close(old); /* SQLite locks both: a new one has no order yet */
    old = db_open(IN("old.db"), NULL);
    backup(old, db, -1, NULL);
    db_close(old);
    expect_rows(db, "restored", 3);
    expect_rows(other, "restored, other connection", 3);
    add_row(other, 6);
    expect_rows(db, "restored and written", 4);
    db_close(db);
    db_close(other);
    db = open_named("a.db");
    expect_rows(db, "reopened", 4);
    db_close(db);
}

/* Two histories of one database: the second restore finds the first's. */
static void
restored_twice(void)
{
    sqlite3 *db = make_named("a.db");

    db_close(db);
    copy_database("a.db", "old.db");
    for (int round = 0; round < 3; round++) {
        db = open_named("a.db");
        for (int i = 0; i < 4; i++)
            add_row(db, 100 * (round + 1) + i);
        expect_rows(db, "a history", 7);
        db_close(db);
        remove_tree(path_of("%s-wal", IN("a.db")));
        remove_tree(path_of("%s-shm", IN("a.db")));
        copy_database("old.db", "a.db");
        db = open_named("a.db");
        expect_rows(db, "back at the beginning", 3);
        db_close(db);
    }
}

/* A deleted database leaves its store; a new one of that name comes. */
static void
recreated_beside_an_old_store(void)
{
    db_close(make_named("a.db"));
    remove_tree(IN("a.db"));
    remove_tree(path_of("%s-wal", IN("a.db")));
    remove_tree(path_of("%s-shm", IN("a.db")));
    sqlite3 *db = open_named("a.db");
    int rc = db_run(db, path_of(create_sql(harness_plain), "t"));
    if (rc != SQLITE_OK) {
        if (strstr(sqlite3_errmsg(db), "a.db-moss") == NULL)
            fail("CREATE beside an old store gave %d: %s, which does not"
                 " name the store",
                 rc, sqlite3_errmsg(db));
        remove_tree(IN("a.db-moss"));
        make_table(db, "t");
    }
    db_expect(db, "SELECT count(*) FROM t", "0\n");
    db_must(db, "INSERT INTO t VALUES(7, 'new')");
    db_close(db);
    db = open_named("a.db");
    db_expect(db, "SELECT * FROM t", "7|'new'\n");
    db_close(db);
}

static void
reset_database(void)
{
    sqlite3 *db = make_named("a.db");

    sqlite3_db_config(db, SQLITE_DBCONFIG_RESET_DATABASE, 1, NULL);
    db_must(db, "VACUUM");
    sqlite3_db_config(db, SQLITE_DBCONFIG_RESET_DATABASE, 0, NULL);
    db_expect(db, "SELECT count(*) FROM sqlite_schema", "0\n");
    int rc = db_run(db, path_of(create_sql(harness_plain), "t"));
    if (rc != SQLITE_OK && strstr(sqlite3_errmsg(db), "a.db-moss") == NULL)
        fail("CREATE after a reset gave %d: %s", rc, sqlite3_errmsg(db));
    if (rc == SQLITE_OK)
        db_expect(db, "SELECT count(*) FROM t", "0\n");
    db_close(db);
}

static void
reached_through_a_link(void)
{
    sqlite3 *db = make_named("a.db");

    if (symlink(IN("a.db"), IN("link.db")) != 0)
        fail("symlink: %s", strerror(errno));
    sqlite3 *link = open_named("link.db");
    expect_rows(link, "link", 3);
    add_row(link, 4);
    expect_rows(db, "original", 4);
    add_row(db, 5);
    expect_rows(link, "link", 5);
    db_close(db);
    expect_rows(link, "link", 5);
    db_close(link);
}

/* --------------------------------------------------------------- damage */

static const char log_name[] = "_moss_log_";

/* Run sql_of_damage on the log or catalog, then look. */
static void
damage_log(const char *format, int code, const char *names)
{
    fail_while(format);
    make_empty_dir(IN(""));
    sqlite3 *db = make_named("a.db");
    char *log = db_text(db, "SELECT name FROM sqlite_schema"
                            " WHERE name GLOB '_moss_log_*'");

    log[strcspn(log, "\n") - 1] = '\0'; /* without the quotes */
    for (int reopened = 0; reopened < 2; reopened++) {
        if (reopened == 0)
            db_must(db, format, log + 1);
        /* An open connection knows its tables: it may go on, if rightly. */
        bool goes_on = reopened == 0 && strstr(format, "_catalog") != NULL;
        if (goes_on && db_run(db, "SELECT * FROM t") == SQLITE_OK)
            expect_rows(db, format, 3);
        else
            expect_error(db, "SELECT * FROM t", code, names);
        if (goes_on && db_run(db, "INSERT INTO t VALUES(9, 9)") == SQLITE_OK)
            db_expect(db, "SELECT value FROM t WHERE key = 9", "9\n");
        else
            expect_error(db, "INSERT INTO t VALUES(9, 9)", code, names);
        db_expect(db, "SELECT count(*) FROM o", "3\n");
        db_close(db);
        db = open_named("a.db");
    }
    expect_new_start(db);
    free(log);
    db_close(db);
    fail_while(NULL);
}

static void
log_damaged(void)
{
    if (harness_plain)
        return;
    damage_log("DROP TABLE %s", SQLITE_CORRUPT, log_name);
    damage_log("DELETE FROM %s", SQLITE_CORRUPT, log_name);
    damage_log("DELETE FROM %s WHERE rowid = 1", SQLITE_CORRUPT, log_name);
    damage_log("UPDATE %s SET d = zeroblob(length(d))", SQLITE_CORRUPT,
               log_name);
    damage_log("UPDATE %s SET d = 'text'", SQLITE_CORRUPT, log_name);
    damage_log("UPDATE %s SET d = randomblob(length(d)) WHERE rowid = 1",
               SQLITE_CORRUPT, log_name);
}

static void
catalog_damaged(void)
{
    if (harness_plain)
        return;
    damage_log("DROP TABLE _moss_catalog", 0, "_moss_catalog");
    damage_log("DELETE FROM _moss_catalog", 0, "_moss_catalog");
}

/* An index or a trigger on the log is no reason to lose a commit. */
static void
log_indexed(void)
{
    if (harness_plain)
        return;
    sqlite3 *db = make_named("a.db");
    char *log = db_text(db, "SELECT name FROM sqlite_schema"
                            " WHERE name GLOB '_moss_log_*'");
    log[strcspn(log, "\n") - 1] = '\0';
    db_must(db, "CREATE INDEX li ON %s(d)", log + 1);
    int rc = db_run(db, "INSERT INTO t VALUES(4, 'n4')");
    if (rc == SQLITE_OK)
        db_must(db, "INSERT INTO o VALUES(4, 'n4')");
    else if ((rc & 0xff) != SQLITE_CORRUPT ||
             strstr(sqlite3_errmsg(db), log_name) == NULL)
        fail("INSERT with an index on the log gave %d: %s", rc,
             sqlite3_errmsg(db));
    db_expect(db, "PRAGMA integrity_check", "'ok'\n");
    db_must(db, "DROP INDEX li");
    expect_rows(db, "index dropped", rc == SQLITE_OK ? 4 : 3);
    add_row(db, 5);
    db_close(db);
    db = open_named("a.db");
    expect_rows(db, "reopened", rc == SQLITE_OK ? 5 : 4);
    free(log);
    db_close(db);
}

static void
store_missing(void)
{
    if (harness_plain)
        return;
    db_close(make_named("a.db"));
    remove_tree(IN("a.db-moss"));
    check_storeless("a.db");
    if (file_exists(IN("a.db-moss")))
        fail("reading made the missing store");
}

/* The data file cut, emptied or overwritten. */
static void
data_file_damaged(void)
{
    if (harness_plain)
        return;
    for (int way = 0; way < 4; way++) {
        make_empty_dir(IN(""));
        db_close(make_named("a.db"));
        char *command = NULL;
        static const char *const ways[] = {
            "for f in '%s'/data-*; do : >\"$f\"; done",
            "for f in '%s'/data-*; do truncate -s 4096 \"$f\"; done",
            "for f in '%s'/data-*; do head -c 20000 /dev/urandom >\"$f\"; done",
            "rm '%s'/data-*",
        };
        text_append(&command, ways[way], IN("a.db-moss"));
        if (system(command) != 0)
            fail("%s", command);
        free(command);
        sqlite3 *db = open_named("a.db");
        char *rows = NULL;
        int rc = db_rows(db, "SELECT * FROM t", &rows);
        /* The log may still have everything: then the rows are right. */
        if (rc == SQLITE_OK)
            expect_rows(db, "damaged store", 3);
        else if ((rc & 0xff) != SQLITE_CORRUPT &&
                 (rc & 0xff) != SQLITE_CANTOPEN)
            fail("a damaged data file (way %d) gave %d: %s", way, rc,
                 sqlite3_errmsg(db));
        else if (strstr(sqlite3_errmsg(db), "a.db-moss") == NULL)
            fail("the message does not name the store: %s", sqlite3_errmsg(db));
        free(rows);
        expect_new_start(db);
        db_close(db);
    }
}

/* -------------------------------------------------------------- reading */

static void
read_only_database(void)
{
    sqlite3 *db = make_named("a.db");

    for (int open = 0; open < 2; open++) {
        sqlite3 *ro = db_open(path_of("file:%s?mode=ro", IN("a.db")), NULL);
        expect_rows(ro, "read-only", 3);
        expect_error(ro, "INSERT INTO t VALUES(9, 9)", SQLITE_READONLY, "");
        expect_error(ro, "DELETE FROM t", SQLITE_READONLY, "");
        expect_error(ro, path_of(create_sql(harness_plain), "v"),
                     SQLITE_READONLY, "");
        expect_error(ro, "DROP TABLE t", SQLITE_READONLY, "");
        expect_rows(ro, "read-only", 3);
        db_close(ro);
        if (open == 0)
            db_close(db);
    }
    db = open_named("a.db");
    expect_rows(db, "afterwards", 3);
    db_close(db);
}

/* A cursor left standing sees what was there when it was opened. */
static void
standing_cursor(void)
{
    sqlite3 *db = make_named("a.db");
    sqlite3 *other = open_named("a.db");
    sqlite3_stmt *st = NULL;
    const char *sql = "SELECT key FROM t ORDER BY key DESC";
    bool waits = strcmp(journal, "delete") == 0;
    int seen = 0;

    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        fail("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(st) == SQLITE_ROW) {
        if (sqlite3_column_int(st, 0) != 3 - seen)
            fail("row %d is %d", seen, sqlite3_column_int(st, 0));
        seen++;
        if (!waits)
            db_must(other,
                    "DELETE FROM t WHERE key = %d;"
                    "INSERT INTO t VALUES(%d, 'x')",
                    3 - seen, 100 + seen);
    }
    if (seen != 3 || sqlite3_reset(st) != SQLITE_OK)
        fail("%d rows: %s", seen, sqlite3_errmsg(db));
    /* Its own connection's commits, while it stands. */
    db_must(db, "DELETE FROM t; INSERT INTO t VALUES(1, 1),(2, 2),(3, 3)");
    for (seen = 0; sqlite3_step(st) == SQLITE_ROW; seen++)
        db_must(db, "BEGIN; INSERT INTO t VALUES(%d, 'x'); COMMIT", 10 + seen);
    if (seen != 3)
        fail("a cursor saw %d rows instead of 3", seen);
    sqlite3_finalize(st);
    db_close(other);
    db_close(db);
}

/* ----------------------------------------------------------------- main */

static const struct test {
    const char *name;
    void (*run)(void);
} tests[] = {
    { "vacuum_into", vacuum_into },
    { "backup_of_a_live_database", backup_of_a_live_database },
    { "serialize_and_deserialize", serialize_and_deserialize },
    { "renamed_without_its_store", renamed_without_its_store },
    { "moved_with_its_store", moved_with_its_store },
    { "copied_while_idle", copied_while_idle },
    { "restored_older_copy", restored_older_copy },
    { "restored_onto_a_live_database", restored_onto_a_live_database },
    { "restored_twice", restored_twice },
    { "recreated_beside_an_old_store", recreated_beside_an_old_store },
    { "reset_database", reset_database },
    { "reached_through_a_link", reached_through_a_link },
    { "log_damaged", log_damaged },
    { "catalog_damaged", catalog_damaged },
    { "log_indexed", log_indexed },
    { "store_missing", store_missing },
    { "data_file_damaged", data_file_damaged },
    { "read_only_database", read_only_database },
    { "standing_cursor", standing_cursor },
};

int
main(int argc, char **argv)
{
    harness_start(argc, argv, "--only --mode");
    const char *only = option_text("--only", NULL);
    const char *mode = option_text("--mode", NULL);
    long runs = 0;

    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        if (only != NULL && strcmp(only, tests[i].name) != 0)
            continue;
        for (int m = 0; m < 2; m++) {
            journal = m == 0 ? "wal" : "delete";
            if (mode != NULL && strcmp(mode, journal) != 0)
                continue;
            printf("%s, %s\n", tests[i].name, journal);
            make_empty_dir(IN(""));
            tests[i].run();
            runs++;
        }
    }
    if (runs == 0)
        fail("no such test or mode");
    printf("%ld tests: right rows or a clear error\n", runs);
    return 0;
}
