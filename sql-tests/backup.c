/*
 * moss_backup(): copies that are made while others write are one commit of
 * moss tables and ordinary tables alike; they live on their own, come back
 * over the original, and are there whole or not at all, whatever the disk and
 * the power do.
 *
 *   backup [--backups N] [--cuts N]
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "support/crash_vfs.h"
#include "support/disk.h"
#include "support/harness.h"

enum { ACCOUNTS = 50, MONEY = 100, WRITERS = 2 };

static const char *
in_run(const char *name)
{
    return path_of("%s/run/%s", scratch_dir(), name);
}

static sqlite3 *
open_file(const char *name)
{
    sqlite3 *db = db_open(in_run(name), "crash");

    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, 20000);
    return db;
}

/*
 * Money in an ordinary table, in the default store with an index, and in a
 * store of its own; beside them an async store.  How often an account had to
 * do with a transfer is in s, whose columns merge, and in the ordinary so.
 */
static sqlite3 *
begin_case(const char *name, const char *journal)
{
    sqlite3 *db;

    printf("%s, %s\n", name, journal);
    fail_while(name);
    make_empty_dir(path_of("%s/run", scratch_dir()));
    db = open_file("test.db");
    db_must(db,
            "PRAGMA journal_mode=%s; PRAGMA synchronous=normal;"
            "CREATE TABLE o(id INTEGER PRIMARY KEY, n);"
            "CREATE VIRTUAL TABLE m USING moss(id INTEGER PRIMARY KEY, n,"
            " pad, INDEX by_n(n));"
            "CREATE VIRTUAL TABLE s USING moss(id INTEGER PRIMARY KEY,"
            " n INT MERGE sum, marks TEXT MERGE append);"
            "CREATE TABLE so(id INTEGER PRIMARY KEY, n);"
            "CREATE VIRTUAL TABLE p USING moss(id INTEGER PRIMARY KEY, n,"
            " store='own', max_dirty_ops=1000000);"
            "CREATE VIRTUAL TABLE a USING moss(id INTEGER PRIMARY KEY,"
            " durability='async')",
            journal);
    for (int i = 0; i < ACCOUNTS; i++)
        db_must(db,
                "INSERT INTO o VALUES(%d, %d);"
                "INSERT INTO m(id, n) VALUES(%d, %d);"
                "INSERT INTO p VALUES(%d, %d); INSERT INTO a VALUES(%d)",
                i, MONEY, i, MONEY, i, MONEY, i);
    return db;
}

/* What there is is what there was: the sum, and every row. */
static void
check_money(sqlite3 *db)
{
    static const char sum[] = "SELECT (SELECT sum(n) FROM o)"
                              " + (SELECT sum(n) FROM m)"
                              " + (SELECT sum(n) FROM p)";
    int64_t n = db_int(db, sum);

    if (n != 3 * ACCOUNTS * MONEY)
        fail("the sum is %lld", (long long)n);
    if (db_int(db, "SELECT count(*) FROM a") != ACCOUNTS)
        fail("rows of the async table are missing");
    if (db_int(db, "SELECT count(*) FROM m JOIN o USING(id)"
                   " JOIN p USING(id)") != ACCOUNTS)
        fail("accounts are missing");
    if (sqlite3_get_autocommit(db))
        db_must(db, "INSERT INTO m(m) VALUES('check')");
    db_expect(db,
              "SELECT (SELECT sum(n) FROM m WHERE n > -99999)"
              " = (SELECT sum(n) FROM m)",
              "1\n");
    db_expect(db,
              "SELECT count(*) FROM s LEFT JOIN so USING(id)"
              " WHERE s.n IS NOT so.n OR length(s.marks) IS NOT so.n"
              " UNION ALL SELECT (SELECT count(*) FROM s)"
              " - (SELECT count(*) FROM so)",
              "0\n0\n");
    db_expect(db, "PRAGMA integrity_check", "'ok'\n");
    db_expect(db,
              "SELECT detail FROM _moss_catalog WHERE kind = 'store'"
              " ORDER BY store LIMIT 2",
              "'default,full'\n'attached,full,max_dirty_ops=1000000'\n");
}

/* Now and then so large that it is staged. */
static void
transfer(sqlite3 *db, struct rng *r)
{
    static const char tables[] = "omp";
    char from = tables[rng_below(r, 3)], to = tables[rng_below(r, 3)];
    unsigned a = rng_below(r, ACCOUNTS), b = rng_below(r, ACCOUNTS);

    db_must(db,
            "BEGIN IMMEDIATE; UPDATE %c SET n = n - 1 WHERE id = %u;"
            "UPDATE %c SET n = n + 1 WHERE id = %u;"
            "INSERT INTO s VALUES(%u, 1, '<'), (%u, 1, '>');"
            "INSERT INTO so VALUES(%u, 1), (%u, 1)"
            " ON CONFLICT DO UPDATE SET n = n + 1",
            from, a, to, b, a, b, a, b);
    if (rng_below(r, 30) == 0)
        db_must(db, "UPDATE m SET pad = zeroblob(12000)");
    db_must(db, "COMMIT");
}

static void
back_up(sqlite3 *db, const char *name)
{
    char *text = db_text(db, "SELECT moss_backup('%q')", in_run(name));

    if (strstr(text, name) == NULL)
        fail("the copy's name is %s", text);
    free(text);
}

static void
expect_error(sqlite3 *db, const char *sql, int code, const char *text)
{
    int rc = db_run(db, sql);

    if (rc != code || strstr(sqlite3_errmsg(db), text) == NULL)
        fail("%s\n  gave %d: %s", sql, rc, sqlite3_errmsg(db));
}

/* Names in the directory that hold `part`. */
static int
count_names(const char *part)
{
    DIR *dir = opendir(in_run(""));
    struct dirent *e;
    int n = 0;

    if (dir == NULL)
        fail("opendir: %s", strerror(errno));
    while ((e = readdir(dir)) != NULL)
        n += strstr(e->d_name, part) != NULL;
    (void)closedir(dir);
    return n;
}

static void
remove_copy(const char *name)
{
    static const char *const suffixes[] = { "",        "-moss",
                                            "-moss-2", "-moss-async",
                                            "-wal",    "-shm" };

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        remove_tree(path_of("%s%s", in_run(name), suffixes[i]));
}

/* ------------------------------------------------------ beside the writers */

static atomic_bool stop;
static atomic_long transfers;

static void *
write_on(void *arg)
{
    struct rng r = rng_of(harness_seed, (uint64_t)(uintptr_t)arg);
    sqlite3 *db = open_file("test.db");

    while (!atomic_load(&stop)) {
        transfer(db, &r);
        atomic_fetch_add(&transfers, 1);
    }
    db_close(db);
    return NULL;
}

static void
beside_writers(const char *journal, long backups)
{
    sqlite3 *db = begin_case("beside writers", journal);
    pthread_t writers[WRITERS];

    atomic_store(&stop, false);
    for (uintptr_t i = 0; i < WRITERS; i++)
        if (pthread_create(&writers[i], NULL, write_on, (void *)i) != 0)
            fail("no thread");
    for (long i = 0; i < backups; i++) {
        long before = atomic_load(&transfers);
        sqlite3 *copy;

        while (atomic_load(&transfers) < before + 5)
            sqlite3_sleep(1);
        back_up(db, "copy.db");
        copy = open_file("copy.db");
        check_money(copy);
        db_must(copy, "UPDATE m SET n = n + 1; UPDATE p SET n = n - 1;"
                      "INSERT INTO s SELECT id, 2, '++' FROM m;"
                      "INSERT INTO so SELECT id, 2 FROM o WHERE true"
                      " ON CONFLICT DO UPDATE SET n = n + 2");
        db_close(copy);
        copy = open_file("copy.db");
        check_money(copy);
        db_close(copy);
        remove_copy("copy.db");
    }
    atomic_store(&stop, true);
    for (int i = 0; i < WRITERS; i++)
        (void)pthread_join(writers[i], NULL);
    check_money(db);
    db_close(db);
    if (count_names("copy") > 0)
        fail("names of copies are left");
}

/* ----------------------------------------------------------------- others */

static void
restored(const char *journal)
{
    sqlite3 *db = begin_case("restored over the original", journal);
    struct rng r = rng_of(harness_seed, 5);

    for (int i = 0; i < 20; i++)
        transfer(db, &r);
    back_up(db, "copy.db");
    for (int i = 0; i < 20; i++)
        transfer(db, &r);
    db_must(db, "INSERT INTO m(id, n) VALUES(1000, 0);"
                "INSERT INTO s VALUES(1000, 7, 'no')");
    db_close(db);
    remove_copy("test.db");
    copy_file(in_run("copy.db"), in_run("test.db"));
    copy_tree(in_run("copy.db-moss"), in_run("test.db-moss"));
    copy_tree(in_run("copy.db-moss-async"), in_run("test.db-moss-async"));
    for (int i = 0; i < 2; i++) {
        db = open_file("test.db");
        check_money(db);
        if (i == 0)
            db_must(db, "UPDATE m SET n = n + 1; UPDATE o SET n = n - 1");
        db_close(db);
    }
    db = open_file("copy.db");
    check_money(db);
    db_close(db);
}

static void
refused(void)
{
    sqlite3 *db = begin_case("refused", "wal");
    char sql[900];
    int names = count_names("");

    snprintf(sql, sizeof sql, "SELECT moss_backup('%s')", in_run("test.db"));
    expect_error(db, sql, SQLITE_CANTOPEN, "is there already");
    make_empty_dir(in_run("copy.db-moss"));
    snprintf(sql, sizeof sql, "SELECT moss_backup('%s')", in_run("copy.db"));
    expect_error(db, sql, SQLITE_CANTOPEN, "copy.db-moss is there already");
    remove_copy("copy.db");
    expect_error(db, "SELECT moss_backup('x', 'none')", SQLITE_ERROR,
                 "no database none");
    expect_error(db, "SELECT moss_backup(NULL)", SQLITE_ERROR, "no name");
    expect_error(db, "SELECT moss_backup('')", SQLITE_ERROR, "no name");
    snprintf(sql, sizeof sql, "SELECT moss_backup('%s')",
             in_run("none/copy.db"));
    expect_error(db, sql, SQLITE_CANTOPEN, "none/copy.db");
    snprintf(sql, sizeof sql, "SELECT moss_backup('%s')", in_run("copy.db"));
    db_must(db, "BEGIN; UPDATE m SET n = 0");
    expect_error(db, sql, SQLITE_BUSY, "commit");
    db_must(db, "ROLLBACK");
    expect_error(db,
                 "CREATE VIEW v AS SELECT moss_backup('copy.db');"
                 "SELECT * FROM v",
                 SQLITE_ERROR, "unsafe use of moss_backup");
    if (count_names("") != names)
        fail("something is left behind");
    check_money(db);
    db_close(db);
}

/* A state that the connection sees, though there are newer ones. */
static void
older_state(void)
{
    sqlite3 *db = begin_case("an older state", "wal");
    sqlite3 *other = open_file("test.db"), *copy;

    db_must(db, "BEGIN");
    check_money(db);
    db_must(other, "UPDATE m SET n = 0; DELETE FROM p");
    back_up(db, "copy.db");
    db_must(db, "COMMIT");
    copy = open_file("copy.db");
    check_money(copy);
    db_close(copy);
    if (db_int(db, "SELECT count(*) FROM p") != 0)
        fail("the original is not as it was");
    db_close(other);
    db_close(db);
}

static void
from_memory(void)
{
    sqlite3 *db, *copy;

    printf("from memory, attached, and without moss tables\n");
    fail_while("from memory");
    make_empty_dir(path_of("%s/run", scratch_dir()));
    db = db_open(":memory:", NULL);
    db_must(db, "CREATE VIRTUAL TABLE m USING moss; CREATE TABLE o(x)");
    db_must(db, "INSERT INTO m VALUES(1, 'one'),('two', 2);"
                "INSERT INTO o VALUES(1)");
    back_up(db, "copy.db");
    db_must(db,
            "ATTACH '%s' AS aux; CREATE TABLE aux.x(y);"
            "CREATE VIRTUAL TABLE aux.n USING moss;"
            "INSERT INTO aux.n VALUES(1, 'aux')",
            in_run("aux.db"));
    free(db_text(db, "SELECT moss_backup('%q', 'aux')", in_run("copy2.db")));
    db_close(db);
    copy = open_file("copy.db");
    for (int i = 0; i < 2; i++) {
        db_expect(copy, "SELECT * FROM m", "1|'one'\n'two'|2\n");
        db_must(copy, "DELETE FROM m WHERE key = 9; REPLACE INTO m"
                      " VALUES(1, 'one')");
        db_close(copy);
        copy = open_file("copy.db");
    }
    db_close(copy);
    copy = open_file("copy2.db");
    db_expect(copy, "SELECT * FROM n", "1|'aux'\n");
    db_close(copy);
    db = open_file("plain.db");
    db_must(db, "CREATE TABLE x(y); INSERT INTO x VALUES(1)");
    back_up(db, "copy3.db");
    db_close(db);
    copy = open_file("copy3.db");
    db_expect(copy, "SELECT * FROM x", "1\n");
    db_close(copy);
    if (count_names("copy3") != 1)
        fail("a database without moss tables needs no store");
}

static int
interrupt(unsigned kind, void *db, void *stmt, void *text)
{
    (void)kind;
    (void)stmt;
    (void)text;
    sqlite3_interrupt(db);
    return 0;
}

static void
interrupted(void)
{
    sqlite3 *db = begin_case("interrupted", "wal");
    char sql[900];

    snprintf(sql, sizeof sql, "SELECT moss_backup('%s')", in_run("copy.db"));
    (void)sqlite3_trace_v2(db, SQLITE_TRACE_STMT, interrupt, db);
    if (db_run(db, sql) != SQLITE_INTERRUPT)
        fail("not interrupted: %s", sqlite3_errmsg(db));
    (void)sqlite3_trace_v2(db, 0, NULL, NULL);
    if (count_names("copy") > 0)
        fail("something is left behind");
    back_up(db, "copy.db");
    db_close(db);
}

/* ----------------------------------------------------------- a bad disk */

static void
bad_disk(void)
{
    sqlite3 *db = begin_case("on a bad disk", "wal");
    char sql[900];
    long errors = 0, nth = 1;

    snprintf(sql, sizeof sql, "SELECT moss_backup('%s')", in_run("copy.db"));
    for (bool tripped = true; tripped; nth += 1 + nth / 4) {
        int rc;

        disk_fail(DISK_SQLITE | DISK_MOSS, DISK_WRITE | DISK_SYNC | DISK_NAME,
                  nth, nth % 2 == 0 ? ENOSPC : EIO, false);
        rc = db_run(db, sql);
        if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_IOERR &&
            (rc & 0xff) != SQLITE_FULL && (rc & 0xff) != SQLITE_CANTOPEN)
            fail("at call %ld: %d, %s", nth, rc, sqlite3_errmsg(db));
        tripped = disk_heal();
        errors += rc != SQLITE_OK;
        if (rc == SQLITE_OK || file_exists(in_run("copy.db"))) {
            sqlite3 *copy = open_file("copy.db");

            check_money(copy);
            db_close(copy);
        } else if (count_names("copy") > 0 && nth > 1) {
            fail("at call %ld something is left behind", nth);
        }
        remove_copy("copy.db");
        check_money(db);
    }
    if (errors < 5)
        fail("only %ld failures", errors);
    db_close(db);
}

/* ------------------------------------------------------------ power cuts */

static void
check_cut(size_t at, uint64_t choice, bool done)
{
    char what[200];
    sqlite3 *db;

    snprintf(what, sizeof what, "cut at %zu, choice %llu", at,
             (unsigned long long)choice);
    fail_while(what);
    disk_rebuild(choice);
    if (file_exists(in_run("copy.db"))) {
        db = open_file("copy.db");
        check_money(db);
        db_close(db);
    } else if (done) {
        fail("the copy is gone");
    }
    db = open_file("test.db");
    check_money(db);
    db_close(db);
}

static void
power_cuts(long cuts)
{
    sqlite3 *db = begin_case("power cuts", "wal");
    struct rng r = rng_of(harness_seed, 6);
    size_t n;

    db_close(db);
    disk_record(path_of("%s/run", scratch_dir()));
    db = open_file("test.db");
    transfer(db, &r);
    back_up(db, "copy.db");
    disk_note(DISK_NOTE_ACKED, 1);
    db_close(db);
    disk_stop();
    n = disk_events();
    for (size_t i = 0; i <= n; i++) {
        struct disk_cut cut;

        disk_replay_to(i, &cut);
        if (cuts > 0 && rng_below(&r, (unsigned)n) >= (unsigned)cuts &&
            !(cut.at_sync && rng_below(&r, 4) == 0) && i != n)
            continue;
        check_cut(i, rng_below(&r, 3) == 0 ? 0 : 2 + rng_below(&r, 1 << 30),
                  cut.acked == 1);
    }
    disk_forget();
    fail_while(NULL);
    printf("%zu events\n", n);
}

int
main(int argc, char **argv)
{
    long backups;

    harness_start(argc, argv, "--backups --cuts");
    backups = option_number("--backups", 12);
    crash_vfs_register();
    moss_ext_set_os(crash_os());
    beside_writers("wal", backups);
    beside_writers("delete", (backups + 3) / 4);
    restored("wal");
    restored("delete");
    refused();
    older_state();
    from_memory();
    interrupted();
    bad_disk();
    power_cuts(option_number("--cuts", 25));
    printf("every copy was one commit\n");
    return 0;
}
