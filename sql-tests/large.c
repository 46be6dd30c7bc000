/*
 * Large transactions, whose changes are in a file of their own until they are
 * in the store: found again, lost, damaged, left over, and seen by readers of
 * older states.  A disk that does not sync keeps the persister from being
 * done with them.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/crash_vfs.h"
#include "support/disk.h"
#include "support/harness.h"

static char store[600];

static sqlite3 *
open_run(void)
{
    sqlite3 *db = db_open(path_of("%s/run/test.db", scratch_dir()), "crash");

    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, 0);
    db_must(db, "PRAGMA journal_mode=wal; PRAGMA synchronous=off");
    return db;
}

/* A database with an ordinary table and two moss tables. */
static sqlite3 *
begin_case(const char *name)
{
    sqlite3 *db;

    printf("%s\n", name);
    fail_while(name);
    make_empty_dir(path_of("%s/run", scratch_dir()));
    snprintf(store, sizeof store, "%s/run/test.db-moss", scratch_dir());
    db = open_run();
    db_must(db, "CREATE TABLE o(x)");
    make_table(db, "t");
    make_table(db, "u");
    db_must(db, "INSERT INTO t VALUES(0, 'old'),(1, 'old')");
    return db;
}

/* Opening a store syncs as well: that has to come first. */
static void
hold_persister(sqlite3 *db)
{
    db_must(db, "DELETE FROM t WHERE key = 'none'");
    disk_fail(DISK_MOSS, DISK_SYNC, 1, EIO, true);
}

static void
insert_large(sqlite3 *db, int first)
{
    db_must(db,
            "WITH c(i) AS (SELECT %d UNION ALL SELECT i+1 FROM c WHERE i < %d)"
            " REPLACE INTO t SELECT i, zeroblob(1000) FROM c;",
            first, first + 999);
}

/* The only staged file's path, in a static buffer; NULL: there is none. */
static const char *
staged_file(void)
{
    static char path[700];
    FILE *list =
        popen(path_of("ls -d %s/moss-staged-* 2>/dev/null", store), "r");
    size_t n;

    if (list == NULL)
        fail("ls: %s", strerror(errno));
    n = fread(path, 1, sizeof path - 1, list);
    (void)pclose(list);
    path[n] = '\0';
    if (n == 0)
        return NULL;
    if (strchr(path, '\n') != path + n - 1)
        fail("more than one staged file: %s", path);
    path[n - 1] = '\0';
    return path;
}

static void
must_be_staged(bool wanted)
{
    if ((staged_file() != NULL) != wanted)
        fail(wanted ? "nothing is staged" : "%s is still there", staged_file());
}

static void
expect_rows(sqlite3 *db, int64_t n)
{
    if (db_int(db, "SELECT count(*) FROM t") != n)
        fail("%lld rows instead of %lld",
             (long long)db_int(db, "SELECT count(*) FROM t"), (long long)n);
}

static void
expect_error(sqlite3 *db, const char *sql, int code, const char *text)
{
    int rc = db_run(db, sql);

    if (rc != code || strstr(sqlite3_errmsg(db), text) == NULL)
        fail("%s\n  gave %d: %s", sql, rc, sqlite3_errmsg(db));
}

/* Leave a database whose newest transaction is only staged. */
static void
leave_staged(const char *name)
{
    sqlite3 *db = begin_case(name);

    db_close(db);
    db = open_run();
    hold_persister(db);
    db_must(db, "BEGIN; INSERT INTO o VALUES(1)");
    insert_large(db, 1);
    db_must(db, "INSERT INTO u VALUES(1, 'u'); DELETE FROM t WHERE key = 0;"
                "COMMIT");
    expect_rows(db, 1000);
    db_close(db);
    disk_heal();
    must_be_staged(true);
}

static void
found_again(void)
{
    sqlite3 *db;

    leave_staged("found again by who reads, and by who writes");
    copy_tree(path_of("%s/run", scratch_dir()),
              path_of("%s/copy", scratch_dir()));
    db = open_run();
    expect_rows(db, 1000);
    db_expect(db, "SELECT * FROM u", "1|'u'\n");
    db_close(db);
    must_be_staged(false);
    copy_tree(path_of("%s/copy", scratch_dir()),
              path_of("%s/run", scratch_dir()));
    db = open_run();
    db_must(db, "DELETE FROM t WHERE key <= 10");
    expect_rows(db, 990);
    db_close(db);
    must_be_staged(false);
    db = open_run();
    expect_rows(db, 990);
    db_close(db);
}

/* Another connection, which replays the log and brings it to the store. */
static sqlite3 *other;
static bool other_ran;

/* Until the staged file is gone. */
static void
run_other(void)
{
    int rc;

    other_ran = true;
    other = db_open(path_of("%s/run/test.db", scratch_dir()), "crash");
    rc = db_run(other, "SELECT count(*) FROM t");
    while (rc == SQLITE_OK && staged_file() != NULL)
        (void)sched_yield();
    /* The first one may be at the recovery of SQLite's log. */
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        fail("the other connection: %s", sqlite3_errmsg(other));
}

static struct moss_os_ops racing_ops;
static struct moss_os racing_os = { &racing_ops };
static void (*before_staged)(void); /* before a staged file is opened, once */

static enum moss_status
racing_open(struct moss_os *os, const char *path, unsigned flags,
            struct moss_file **out)
{
    void (*run)(void) = before_staged;

    (void)os;
    if (run != NULL && strstr(path, "/moss-staged-") != NULL) {
        before_staged = NULL;
        run();
    }
    return crash_os()->ops->open(crash_os(), path, flags, out);
}

/* One statement, overtaken by the other connection; was it? */
static bool
overtaken(const char *sql, long nth)
{
    const char *dir = scratch_dir();
    bool ran;

    copy_tree(path_of("%s/copy", dir), path_of("%s/run", dir));
    sqlite3 *db = open_run();

    other = NULL;
    other_ran = false;
    if (nth == 0)
        before_staged = run_other;
    disk_before(DISK_SQLITE, DISK_READ, nth, run_other);
    db_must(db, "%s", sql);
    disk_before(0, 0, 0, NULL);
    before_staged = NULL;
    ran = other_ran;
    expect_rows(db, 1000);
    if (ran)
        db_close(other);
    db_close(db);
    db = open_run();
    expect_rows(db, 1000);
    db_close(db);
    return ran;
}

/* Two connections are the first, and both replay the log. */
static void
found_by_two(void)
{
    static const char *const statements[] = {
        "SELECT * FROM t", "UPDATE t SET value = 'new' WHERE key = 5"
    };

    leave_staged("found again by two at once");
    copy_tree(path_of("%s/run", scratch_dir()),
              path_of("%s/copy", scratch_dir()));
    racing_ops = *crash_os()->ops;
    racing_ops.open = racing_open;
    moss_ext_set_os(&racing_os);
    for (int i = 0; i < 2; i++) {
        long nth = 0;

        while (overtaken(statements[i], nth))
            nth++;
        if (nth < 5)
            fail("only %ld times overtaken", nth);
    }
    moss_ext_set_os(crash_os());
}

static void
flip_byte(const char *path)
{
    FILE *f = fopen(path, "r+b");
    int c;

    /* In the middle of the first segment's entries. */
    if (f == NULL || fseek(f, 4096 + 8000, SEEK_SET) != 0)
        fail("%s: %s", path, strerror(errno));
    c = fgetc(f);
    if (fseek(f, -1, SEEK_CUR) != 0 || fputc(c ^ 1, f) == EOF || fclose(f) != 0)
        fail("%s: %s", path, strerror(errno));
}

static void
damaged_or_lost(void)
{
    sqlite3 *db;
    char path[700];

    leave_staged("damaged and lost files");
    snprintf(path, sizeof path, "%s", staged_file());
    flip_byte(path);
    db = open_run();
    expect_error(db, "SELECT * FROM t", SQLITE_CORRUPT, path);
    expect_error(db, "INSERT INTO t VALUES(-1, 'new')", SQLITE_CORRUPT, path);
    db_close(db);
    must_be_staged(true);
    flip_byte(path);
    db = open_run();
    expect_rows(db, 1000);
    db_close(db);

    leave_staged("lost files");
    if (remove(staged_file()) != 0)
        fail("remove: %s", strerror(errno));
    db = open_run();
    expect_error(db, "SELECT * FROM t", SQLITE_CORRUPT, "has lost the file");
    expect_error(db, "INSERT INTO t VALUES(-1, 'new')", SQLITE_CORRUPT,
                 "has lost the file");
    db_close(db);
}

static void
older_database(void)
{
    const char *dir = scratch_dir();
    sqlite3 *db = begin_case("an older copy of the database");

    db_close(db);
    copy_file(path_of("%s/run/test.db", dir), path_of("%s/older.db", dir));
    db = open_run();
    hold_persister(db);
    insert_large(db, 1);
    db_close(db);
    disk_heal();
    must_be_staged(true);
    remove_tree(path_of("%s/run/test.db-wal", dir));
    copy_file(path_of("%s/older.db", dir), path_of("%s/run/test.db", dir));
    db = open_run();
    expect_rows(db, 2);
    must_be_staged(true);
    db_must(db, "INSERT INTO t VALUES(-1, 'new')");
    must_be_staged(false);
    insert_large(db, 1);
    expect_rows(db, 1002);
    db_close(db);
    must_be_staged(false);
    db = open_run();
    expect_rows(db, 1002);
    db_close(db);
}

/* What it had is gone, which must not go unnoticed. */
static void
older_store(void)
{
    const char *dir = scratch_dir();
    sqlite3 *db = begin_case("an older copy of the store");

    db_close(db);
    copy_tree(store, path_of("%s/older", dir));
    db = open_run();
    insert_large(db, 1);
    db_close(db);
    must_be_staged(false);
    copy_tree(path_of("%s/older", dir), store);
    db = open_run();
    expect_error(db, "SELECT * FROM t", SQLITE_CORRUPT, "");
    expect_error(db, "INSERT INTO t VALUES(-1, 'new')", SQLITE_CORRUPT, "");
    db_close(db);
}

/* The next writer sweeps what nobody names: not what is in no footer yet. */
static void
kept_while_needed(void)
{
    sqlite3 *db = begin_case("kept as long as no footer has it"), *reader;

    db_must(db, "PRAGMA journal_mode=delete");
    reader = db_open(path_of("%s/run/test.db", scratch_dir()), "crash");
    hold_persister(db);
    db_must(db, "BEGIN");
    insert_large(db, 1);
    db_must(db, "COMMIT");
    db_must(reader, "BEGIN; SELECT * FROM o");
    db_must(db, "BEGIN");
    insert_large(db, 3000);
    expect_error(db, "COMMIT", SQLITE_BUSY, "");
    db_must(db, "ROLLBACK");
    db_must(reader, "COMMIT");
    db_must(db, "INSERT INTO u VALUES(2, 'v')");
    must_be_staged(true); /* the one of the two that was committed */
    copy_tree(path_of("%s/run", scratch_dir()),
              path_of("%s/copy", scratch_dir()));
    db_close(reader);
    db_close(db);
    disk_heal();
    copy_tree(path_of("%s/copy", scratch_dir()),
              path_of("%s/run", scratch_dir()));
    db = open_run();
    expect_rows(db, 1001);
    db_expect(db, "SELECT * FROM u", "2|'v'\n");
    db_close(db);
    must_be_staged(false);
}

static void
rolled_back(void)
{
    sqlite3 *db = begin_case("refused, rolled back and tried again");
    sqlite3 *reader;

    db_must(db, "PRAGMA journal_mode=delete");
    reader = db_open(path_of("%s/run/test.db", scratch_dir()), "crash");
    hold_persister(db);
    db_must(reader, "BEGIN; SELECT * FROM o");
    db_int(reader, "SELECT count(*) FROM t");
    db_must(db, "BEGIN; SAVEPOINT a");
    insert_large(db, 1);
    expect_error(db, "COMMIT", SQLITE_BUSY, "");
    must_be_staged(true);
    /* Found by key, as the index was dropped for the COMMIT. */
    db_expect(db, "SELECT length(value) FROM t WHERE key = 500", "1000\n");
    db_must(db, "SAVEPOINT b; UPDATE t SET value = 'b' WHERE key = 500;"
                "INSERT INTO t VALUES(5000, 'b')");
    expect_error(db, "COMMIT", SQLITE_BUSY, "");
    must_be_staged(true);
    db_must(db, "ROLLBACK TO b; INSERT INTO t VALUES(6000, 'c')");
    db_must(reader, "COMMIT");
    db_must(db, "COMMIT");
    expect_rows(db, 1002);
    db_expect(db, "SELECT length(value) FROM t WHERE key = 500", "1000\n");
    db_expect(db, "SELECT value FROM t WHERE key >= 5000", "'c'\n");
    must_be_staged(true);
    disk_heal();
    db_close(reader);
    db_close(db);
    must_be_staged(false);

    db = begin_case("rolled back for good, after a small COMMIT as well");
    hold_persister(db);
    db_must(db, "PRAGMA journal_mode=delete");
    reader = db_open(path_of("%s/run/test.db", scratch_dir()), "crash");
    db_must(reader, "BEGIN; SELECT * FROM o");
    db_int(reader, "SELECT count(*) FROM t");
    db_must(db, "BEGIN; SAVEPOINT a");
    insert_large(db, 1);
    expect_error(db, "COMMIT", SQLITE_BUSY, "");
    db_must(db, "ROLLBACK TO a; INSERT INTO t VALUES(7000, 'd')");
    expect_error(db, "COMMIT", SQLITE_BUSY, "");
    must_be_staged(false);
    insert_large(db, 1);
    expect_error(db, "COMMIT", SQLITE_BUSY, "");
    db_must(db, "ROLLBACK");
    must_be_staged(true); /* until somebody may write */
    db_must(reader, "COMMIT");
    expect_rows(db, 2);
    db_must(db, "INSERT INTO t VALUES(7000, 'e')");
    must_be_staged(false);
    expect_rows(db, 3);
    disk_heal();
    db_close(reader);
    db_close(db);
}

/* A reader of a state that only the log and the staged file lead to. */
static void
old_reader(void)
{
    sqlite3 *db = begin_case("an old state, made from a staged transaction");
    sqlite3 *reader;

    db_close(db);
    db = open_run();
    hold_persister(db);
    db_must(db, "BEGIN; DROP TABLE u; CREATE VIRTUAL TABLE w USING moss");
    db_must(db, "INSERT INTO w VALUES(1, 'w')");
    insert_large(db, 1);
    db_must(db, "DELETE FROM t WHERE key = 0; COMMIT");
    reader = open_run();
    db_must(reader, "BEGIN; SELECT * FROM o");
    for (int i = 0; i < 1100; i++)
        db_must(db, "REPLACE INTO t VALUES(%d, 'later')", i);
    expect_rows(reader, 1000);
    db_expect(reader, "SELECT length(value) FROM t WHERE key = 7", "1000\n");
    db_expect(reader, "SELECT * FROM w", "1|'w'\n");
    db_must(reader, "COMMIT");
    expect_rows(reader, 1100);
    disk_heal();
    db_close(reader);
    db_close(db);
    db = open_run();
    expect_rows(db, 1100);
    db_close(db);
}

/* The dropped collections go with a staged transaction, too. */
static void
drop_beside(void)
{
    sqlite3 *db = begin_case("dropped and emptied tables beside it");
    char *path = db_text(db, "SELECT object FROM _moss_catalog"
                             " WHERE kind = 'table' AND name = 't'");

    insert_large(db, 1);
    db_must(db, "INSERT INTO u VALUES(1, 'old'),(2, 'old')");
    db_close(db);
    db = open_run();
    db_must(db, "DROP TABLE t");
    make_table(db, "t");
    db_must(db, "DELETE FROM u WHERE key = 7");
    disk_fail(DISK_MOSS, DISK_SYNC, 1, EIO, true);
    db_must(db, "BEGIN");
    insert_large(db, 1);
    db_must(db, "INSERT INTO u VALUES(3, 'lost');"
                "INSERT INTO u(u) VALUES('truncate');"
                "INSERT INTO u VALUES(2, 'new'); COMMIT");
    must_be_staged(true);
    db_expect(db, "SELECT kind FROM _moss_catalog WHERE kind = 'dropped'", "");
    db_close(db);
    disk_heal();
    db = open_run();
    expect_rows(db, 1000);
    db_expect(db, "SELECT * FROM u", "2|'new'\n");
    path[strlen(path) - 1] = '\0'; /* the line's end */
    expect_error(db,
                 path_of("CREATE VIRTUAL TABLE gone USING"
                         " moss(store='test.db-moss', codec=raw,"
                         " collection=%s)",
                         path),
                 SQLITE_CANTOPEN, "has no collection");
    free(path);
    db_close(db);
}

/* As if somebody did so once COMMIT has begun. */
static int
interrupt(unsigned kind, void *db, void *stmt, void *text)
{
    (void)kind;
    (void)stmt;
    if (strcmp(text, "COMMIT") == 0)
        sqlite3_interrupt(db);
    return 0;
}

static void
interrupted(void)
{
    sqlite3 *db = begin_case("interrupted");

    db_must(db, "BEGIN");
    insert_large(db, 1);
    (void)sqlite3_trace_v2(db, SQLITE_TRACE_STMT, interrupt, db);
    expect_error(db, "COMMIT", SQLITE_INTERRUPT, "");
    (void)sqlite3_trace_v2(db, 0, NULL, NULL);
    if (!sqlite3_get_autocommit(db))
        db_must(db, "ROLLBACK");
    must_be_staged(false);
    expect_rows(db, 2);
    insert_large(db, 1);
    expect_rows(db, 1001);
    db_close(db);
}

/* A second COMMIT finds operands by key again: there may be no memory for it. */
static void
no_memory_again(void)
{
    sqlite3 *db = begin_case("without memory for a second COMMIT");
    sqlite3 *reader;

    db_must(db, "PRAGMA journal_mode=delete;"
                "CREATE VIRTUAL TABLE m USING moss(k INTEGER PRIMARY KEY,"
                " n INTEGER MERGE sum, fill)");
    reader = db_open(path_of("%s/run/test.db", scratch_dir()), "crash");
    db_must(reader, "BEGIN; SELECT * FROM o");
    db_int(reader, "SELECT count(*) FROM t");
    db_must(db, "BEGIN; WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL"
                " SELECT n + 1 FROM i WHERE n < 20000)"
                " INSERT INTO m SELECT n, 1, zeroblob(40) FROM i;"
                "SAVEPOINT b; INSERT INTO m VALUES(7, 1, 'again')");
    expect_error(db, "COMMIT", SQLITE_BUSY, "");
    must_be_staged(true);
    db_must(db, "ROLLBACK TO b");
    db_must(reader, "COMMIT");
    sqlite3_hard_heap_limit64(sqlite3_memory_used() + 50000);
    expect_error(db, "COMMIT", SQLITE_NOMEM, "");
    sqlite3_hard_heap_limit64(0);
    db_expect(db, "SELECT count(*) FROM m", "0\n");
    db_close(reader);
    db_close(db);
}

static int
refuse_log(void *arg, int action, const char *name, const char *a,
           const char *b, const char *c)
{
    (void)arg;
    (void)a;
    (void)b;
    (void)c;
    return action == SQLITE_INSERT && name != NULL &&
                   strncmp(name, "_moss_log", 9) == 0
               ? SQLITE_DENY
               : SQLITE_OK;
}

/* SQLite does not undo what a failed statement of one row has done. */
static void
refused_room(void)
{
    sqlite3 *db = begin_case("a row for which the log may not grow");

    db_must(db, "BEGIN");
    (void)sqlite3_set_authorizer(db, refuse_log, NULL);
    expect_error(db, "INSERT INTO t VALUES(7, zeroblob(400000))", SQLITE_AUTH,
                 "");
    (void)sqlite3_set_authorizer(db, NULL, NULL);
    db_must(db, "COMMIT");
    expect_rows(db, 2);
    db_must(db, "INSERT INTO t VALUES(7, zeroblob(400000))");
    db_expect(db, "SELECT changes()", "1\n");
    expect_rows(db, 3);
    db_close(db);
}

int
main(int argc, char **argv)
{
    harness_start(argc, argv, "");
    crash_vfs_register();
    moss_ext_set_os(crash_os());
    found_again();
    found_by_two();
    damaged_or_lost();
    older_database();
    older_store();
    kept_while_needed();
    rolled_back();
    old_reader();
    drop_beside();
    interrupted();
    no_memory_again();
    refused_room();
    printf("large transactions came and went as they should\n");
    return 0;
}
