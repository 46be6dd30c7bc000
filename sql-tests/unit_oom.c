/*
 * Every allocation that SQLite's allocator serves, the extension's own among
 * them, fails once: a script of statements on moss tables must then end in
 * SQLITE_NOMEM or in the right answer, never in another one, and leak
 * nothing.  A sweep ends with the first run in which no fault was hit.
 *
 *     unit_oom [--seed N] [--step N] [--only SCRIPT]
 *
 * Only every N-th allocation fails (default 15), which ones, says the seed; of
 * the changes of a table with indexes, in memory, every one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

/* The n-th allocation from now fails, and with keep all after it. */
static long countdown; /* 0: none */
static bool keep, hit;
static sqlite3_mem_methods real;
static sqlite3_int64 kept; /* what the process keeps, with nothing open */

static bool
must_fail(void)
{
    if (hit && keep)
        return true;
    if (countdown == 0 || --countdown > 0)
        return false;
    hit = true;
    return true;
}

static void *
failing_malloc(int n)
{
    return must_fail() ? NULL : real.xMalloc(n);
}

static void *
failing_realloc(void *p, int n)
{
    return must_fail() ? NULL : real.xRealloc(p, n);
}

static void
install(void)
{
    sqlite3_mem_methods failing;

    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
    failing = real;
    failing.xMalloc = failing_malloc;
    failing.xRealloc = failing_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
    /* Every allocation goes through ours. */
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
}

/* Statements and the rows of each; those without rows change something. */
struct step {
    const char *sql, *rows;
};

static const struct step setup[] = {
    { "PRAGMA synchronous = OFF", NULL },
    { "CREATE VIRTUAL TABLE t USING moss", NULL },
    { "CREATE VIRTUAL TABLE r USING moss(codec=raw)", NULL },
    { "CREATE TABLE o(i INTEGER, x)", NULL },
    { "INSERT INTO o VALUES(1, 'a'), (2, x'02'), (3, '3')", NULL },
    { "INSERT INTO t VALUES(1, 'one'), (2.5, NULL), ('a', 7), (x'02', 1.5)",
      NULL },
    { "INSERT INTO r VALUES(x'', x'00'), (x'02', x'')", NULL },
    { "CREATE VIRTUAL TABLE m USING moss(k PRIMARY KEY, n INT MERGE sum,"
      " a TEXT MERGE append DEFAULT '-')",
      NULL },
    { "INSERT INTO m VALUES(1, 1, 'x'), (1, 2, 'y')", NULL },
};

static const struct step reading[] = {
    { "SELECT * FROM t", "1|'one'\n2.5|NULL\n'a'|7\nx'02'|1.5\n" },
    { "SELECT key FROM t WHERE key > 1 AND key < 'b' ORDER BY key DESC",
      "'a'\n2.5\n" },
    { "SELECT key FROM t WHERE key IN (x'02', 'a', 3, '1') ORDER BY key",
      "'a'\nx'02'\n" },
    { "SELECT t.key FROM o JOIN t ON t.key = o.x", "'a'\nx'02'\n" },
    { "SELECT t.key FROM o JOIN t ON t.key = o.i", "1\n" },
    { "SELECT count(*) FROM t WHERE key LIKE 'A%'", "1\n" },
    { "SELECT count(*) FROM t WHERE key >= substr('15', 1)", "2\n" },
    { "SELECT key, value FROM r ORDER BY key DESC", "x'02'|x''\nx''|x'00'\n" },
    { "SELECT max(key) FROM r WHERE key < x'03'", "x'02'\n" },
    { "SELECT sum(entries) FROM moss_segments('t')", "4\n" },
    { "SELECT count(*) > 10 FROM moss_stats('t', 'main')", "1\n" },
    { "SELECT count(*) > 0 FROM moss_histograms('t')", "1\n" },
    { "SELECT count(*) > 1 FROM moss_collections('t')", "1\n" },
    { "SELECT count(*) >= 0 FROM moss_commits('t')", "1\n" },
    /* Not by json_valid(), which says 0 when it has no memory. */
    { "SELECT substr(moss_debug(), 1, 10)", "'{\"stores\":'\n" },
    { "INSERT INTO t(t, arg) VALUES('check', 1000)", NULL },
};

static const struct step writing[] = {
    { "BEGIN", NULL },
    { "INSERT INTO t VALUES(4, 'four'), (5, zeroblob(3))", NULL },
    { "SAVEPOINT s", NULL },
    { "UPDATE t SET key = key + 10 WHERE key < 3", NULL },
    { "DELETE FROM t WHERE key = 'a'", NULL },
    { "INSERT INTO t(t) VALUES('truncate')", NULL },
    { "INSERT INTO t VALUES(1, 'again')", NULL },
    { "ROLLBACK TO s", NULL },
    { "UPDATE t SET value = 'two' WHERE key = 2.5", NULL },
    { "REPLACE INTO t VALUES(1.0, 'real')", NULL },
    { "INSERT OR IGNORE INTO t VALUES(1, 'no'), (6, 'six')", NULL },
    { "DELETE FROM t WHERE key = x'02'", NULL },
    { "INSERT INTO m(k, n) VALUES(1, 4), (1, 8)", NULL },
    { "SELECT * FROM m", "1|15|'xy--'\n" },
    { "INSERT INTO m(m, arg) VALUES('columns', 'k PRIMARY KEY, n INT MERGE sum,"
      " a TEXT MERGE append DEFAULT ''-'', s MERGE sum DEFAULT 5')",
      NULL },
    { "INSERT INTO m(k, s) VALUES(1, 1)", NULL },
    { "SELECT * FROM m", "1|15|'xy---'|6\n" },
    { "COMMIT", NULL },
};

static const struct step indexed[] = {
    { "INSERT INTO y VALUES(1, 2)", NULL },
    { "BEGIN", NULL },
    { "INSERT INTO x VALUES(3, 'c', 30)", NULL },
    { "UPDATE x SET k = 4, a = 'd', b = 3 WHERE k = 1", NULL },
    { "REPLACE INTO x VALUES(2, 'c', 40)", NULL },
    { "SELECT k, a FROM x WHERE b > 0 ORDER BY b", "4|'d'\n2|'c'\n" },
    { "DELETE FROM x WHERE k = 4", NULL },
    { "SELECT k FROM x WHERE a = 'c'", "2\n" },
    { "COMMIT", NULL },
};

static const struct step indexed_setup[] = {
    { "CREATE VIRTUAL TABLE t USING moss", NULL },
    { "INSERT INTO t VALUES(1, 'one'), (2.5, NULL), ('a', 7), (x'02', 1.5)",
      NULL },
    { "CREATE VIRTUAL TABLE x USING moss(k PRIMARY KEY, a UNIQUE, b,"
      " INDEX i(b))",
      NULL },
    { "INSERT INTO x VALUES(1, 'a', 10), (2, 'b', 20)", NULL },
    /* Its first row is made where memory is short. */
    { "CREATE VIRTUAL TABLE y USING moss(k PRIMARY KEY, a, INDEX j(a))", NULL },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char before[] = "1|'one'\n2.5|NULL\n'a'|7\nx'02'|1.5\n";
static const char after[] =
    "1.0|'real'\n2.5|'two'\n4|'four'\n5|x'000000'\n6|'six'\n'a'|7\n";

static void
check_rows(const char *sql, const char *rows, const char *want)
{
    if (want != NULL && strcmp(rows == NULL ? "" : rows, want) != 0)
        fail("%s gave\n%snot\n%s", sql, rows == NULL ? "" : rows, want);
}

/* Run steps until one fails; SQLITE_OK or SQLITE_NOMEM. */
static int
run_steps(sqlite3 *db, const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *rows = NULL;
        int rc = db_rows(db, steps[i].sql, &rows);

        if (rc == SQLITE_OK)
            check_rows(steps[i].sql, rows, steps[i].rows);
        free(rows);
        if ((rc & 0xff) == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
            return SQLITE_NOMEM;
        if (rc != SQLITE_OK)
            fail("%s: %d, %s", steps[i].sql, rc, sqlite3_errmsg(db));
    }
    return SQLITE_OK;
}

static void
arm(long n, bool all)
{
    countdown = n;
    keep = all;
    hit = false;
}

/* What a failed script leaves is the state before it or the one after. */
static void
check_end(sqlite3 *db, int rc, long n)
{
    char *rows = NULL;

    arm(0, false);
    if (!sqlite3_get_autocommit(db))
        db_must(db, "ROLLBACK");
    if (db_rows(db, "SELECT * FROM t", &rows) != SQLITE_OK)
        fail("after allocation %ld: %s", n, sqlite3_errmsg(db));
    if (strcmp(rows, after) != 0 &&
        (rc == SQLITE_OK || strcmp(rows, before) != 0))
        fail("after allocation %ld, code %d, t is\n%s", n, rc, rows);
    free(rows);
}

enum script { SETUP, READING, WRITING, INDEXED };

/* A run without a fault, to see what the process keeps. */
static void
run_first(const char *file)
{
    sqlite3 *db;

    make_empty_dir(path_of("%s/db", scratch_dir()));
    db = db_open(file, NULL);
    if (run_steps(db, setup, COUNT(setup)) != SQLITE_OK ||
        run_steps(db, reading, COUNT(reading)) != SQLITE_OK)
        fail("out of memory without a fault");
    db_close(db);
    kept = sqlite3_memory_used();
}

/* Before or after, and the indexes like the rows. */
static void
check_indexed(sqlite3 *db, int rc)
{
    char *rows;

    if (!sqlite3_get_autocommit(db))
        db_must(db, "ROLLBACK");
    rows = db_text(db, "SELECT * FROM x");
    if (strcmp(rows, "2|'c'|40\n") != 0 &&
        (rc == SQLITE_OK || strcmp(rows, "1|'a'|10\n2|'b'|20\n") != 0))
        fail("after code %d, x is\n%s", rc, rows);
    free(rows);
    db_must(db, "INSERT INTO x(x) VALUES('check')");
}

/* One run with the n-th allocation failing; true if it came to that. */
static bool
run_once(enum script script, const char *file, long n, bool all)
{
    sqlite3 *db;
    bool was_hit;
    int rc;

    make_empty_dir(path_of("%s/db", scratch_dir()));
    db = db_open(file, NULL);
    if (script == SETUP)
        arm(n, all);
    rc = script == INDEXED ? run_steps(db, indexed_setup, COUNT(indexed_setup))
                           : run_steps(db, setup, COUNT(setup));
    if (script == READING) {
        arm(n, all);
        rc = run_steps(db, reading, COUNT(reading));
    } else if (script == WRITING) {
        arm(n, all);
        rc = run_steps(db, writing, COUNT(writing));
    } else if (script == INDEXED) {
        arm(n, all);
        rc = run_steps(db, indexed, COUNT(indexed));
    }
    was_hit = hit;
    if (script == WRITING)
        check_end(db, rc, n);
    arm(0, false);
    if (script == INDEXED)
        check_indexed(db, rc);
    if (rc != SQLITE_OK && !was_hit)
        fail("out of memory without a fault");
    db_close(db);
    if (sqlite3_memory_used() != kept)
        fail("allocation %ld of script %d: %lld bytes leaked", n, (int)script,
             (long long)(sqlite3_memory_used() - kept));
    return was_hit;
}

int
main(int argc, char **argv)
{
    static const char *const names[] = { "setup", "reading", "writing",
                                         "indexed" };
    const char *only;
    char file[600];
    long runs = 0, step;

    install();
    harness_start(argc, argv, "--step --only");
    only = option_text("--only", "");
    step = option_number("--step", 15);
    if (step < 1)
        fail("--step is at least 1");
    for (int in_memory = 0; in_memory < 2; in_memory++) {
        snprintf(file, sizeof(file), "%s",
                 in_memory ? ":memory:" : path_of("%s/db/t.db", scratch_dir()));
        run_first(file);
        for (enum script s = SETUP; s <= INDEXED; s++) {
            if ((s == INDEXED && !in_memory) || strstr(names[s], only) == NULL)
                continue;
            long by = s == INDEXED ? 1 : step;
            long n = 1 + (long)(harness_seed % (uint64_t)by);

            while (run_once(s, file, n, n % 3 == 0))
                n += by;
            printf("%s %s: %ld allocations\n", file, names[s], n - 1);
            runs += n / by;
        }
    }
    if (runs == 0)
        fail("no such script");
    printf("%ld runs out of memory, none wrong\n", runs);
    return 0;
}
