/*
 * UPDATE and DELETE by key, again and again in one transaction: those that can
 * only be about one row are prepared anew, to be run in one pass, and no
 * others are.  (Nor is a row that was looked up taken for the one of now.)
 * Each is run on a moss table and on an ordinary one, with values
 * of all types; the rows and changes() must be the same all the time.  The
 * keys are such that affinity makes a difference: '15', '15.0', ' 15' and 15.
 *
 *     onepass [--seed N] [--runs N]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

struct trial {
    const char *columns;
    const char *sql;  /* of the table %s */
    bool is_one_pass; /* it is to be prepared anew */
};

#define TEXT_KEY "key TEXT PRIMARY KEY NOT NULL, value"
#define UNIQUE_VALUE "key TEXT PRIMARY KEY NOT NULL, value UNIQUE"
#define BLOB_KEY "key BLOB PRIMARY KEY NOT NULL, value"
#define NOCASE_KEY "key TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, value"
#define TWO_PARTS "key TEXT NOT NULL, value NOT NULL, PRIMARY KEY(key, value)"
#define INTEGER_KEY "key INTEGER PRIMARY KEY NOT NULL, value"

static const struct trial trials[] = {
    { TEXT_KEY, "UPDATE %s SET value = ? WHERE key = ?", true },
    { TEXT_KEY, "DELETE FROM %s WHERE key = ?", true },
    { TEXT_KEY, "delete /* one */ from main.%s where \"key\" = ?1 ;", true },
    { TEXT_KEY, "UPDATE OR IGNORE %s SET key = ? WHERE key = :k", true },
    { TEXT_KEY, "UPDATE OR REPLACE %s SET key = @n WHERE key = $k", true },
    { TEXT_KEY, "UPDATE %s SET value = ? WHERE key = ? AND value = ?", true },
    { BLOB_KEY, "UPDATE %s SET value = ? WHERE key = ?", true },
    { BLOB_KEY, "DELETE FROM %s WHERE key = ?", true },
    { NOCASE_KEY, "UPDATE %s SET value = ? WHERE key = ?", true },
    { NOCASE_KEY, "DELETE FROM %s WHERE key = ?", true },
    { TWO_PARTS, "DELETE FROM %s WHERE key = ? AND value = ?", true },
    { TWO_PARTS, "DELETE FROM %s WHERE key = ?", false },
    /* In one pass as they are. */
    { INTEGER_KEY, "DELETE FROM %s WHERE key = ?", false },
    { TEXT_KEY, "DELETE FROM %s WHERE key = '15'", false },
    /* What is compared may have affinity. */
    { TEXT_KEY, "DELETE FROM %s WHERE key = CAST(? AS INTEGER)", false },
    { TEXT_KEY, "DELETE FROM %s WHERE key = (?)", false },
    { TEXT_KEY, "DELETE FROM %s WHERE key = +?", false },
    { TEXT_KEY, "DELETE FROM %s WHERE key = ? || ''", false },
    { TEXT_KEY, "DELETE FROM %s WHERE key = value", false },
    { BLOB_KEY, "DELETE FROM %s WHERE key = CAST(? AS INTEGER)", false },
    /* The last row that is looked up is gone when its turn comes. */
    { UNIQUE_VALUE,
      "UPDATE OR REPLACE %s SET value = 0 WHERE key IN ('a', 'b')", false },
    /* Not only equalities, or not only this table. */
    { TEXT_KEY, "DELETE FROM %s WHERE key = ? OR value = ?", false },
    { TEXT_KEY, "DELETE FROM %s WHERE key >= ?", false },
    { TEXT_KEY, "DELETE FROM %s WHERE NOT key = ?", false },
    { TEXT_KEY, "UPDATE %s SET value = (SELECT ?) WHERE key = ?", false },
    { TEXT_KEY, "UPDATE %s SET value = abs(?) WHERE key = ?", false },
    { TEXT_KEY, "UPDATE %s SET value = ? IN other WHERE key = ?", false },
    { TEXT_KEY, "UPDATE %s SET value = n FROM other WHERE key = ?", false },
};

static const char *const values[] = {
    "'15'",   "'15.0'", "' 15'", "'1.5e1'", "15",    "15.0", "'a'",
    "'A'",    "'b'",    "x'61'", "x'3135'", "0",     "-1",   "'9'",
    "'0x0f'", "''",     "x''",   "1e300",   "'+15'", "16",
};
enum { VALUES = sizeof(values) / sizeof(values[0]) };

/* The same values for both statements; NULL at times. */
static void
bind(sqlite3 *db, struct rng *rng, sqlite3_stmt *a, sqlite3_stmt *b)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(a); i++) {
        unsigned n = rng_below(rng, VALUES + 1);
        sqlite3_stmt *value =
            db_prepared(db, "SELECT %s", n == VALUES ? "NULL" : values[n]);

        if (sqlite3_step(value) != SQLITE_ROW ||
            sqlite3_bind_value(a, i, sqlite3_column_value(value, 0)) !=
                SQLITE_OK ||
            sqlite3_bind_value(b, i, sqlite3_column_value(value, 0)) !=
                SQLITE_OK)
            fail("bind: %s", sqlite3_errmsg(db));
        sqlite3_finalize(value);
    }
}

static void
compare(sqlite3 *db, const struct trial *t)
{
    const char *rows = "SELECT quote(key), quote(value) FROM %s"
                       " ORDER BY typeof(key), key, quote(value)";
    char *moss = db_text(db, rows, "t"), *ordinary = db_text(db, rows, "o");

    if (strcmp(moss, ordinary) != 0)
        fail("%s:\n%s instead of\n%s", t->sql, moss, ordinary);
    free(moss);
    free(ordinary);
}

static void
try(sqlite3 *db, struct rng *rng, const struct trial *t, long runs)
{
    sqlite3_stmt *moss, *ordinary;
    bool again;

    db_must(db, "CREATE TABLE o(%s)%s", t->columns,
            strcmp(t->columns, INTEGER_KEY) == 0 ? "" : " WITHOUT ROWID");
    db_must(db,
            harness_plain ? "CREATE TABLE t(%s)"
                          : "CREATE VIRTUAL TABLE t USING moss(%s)",
            t->columns);
    moss = db_prepared(db, t->sql, "t");
    ordinary = db_prepared(db, t->sql, "o");
    db_must(db, "BEGIN");
    for (long i = 0; i < runs; i++) {
        int rc, expected;

        db_fill(db, "t", values, VALUES);
        db_fill(db, "o", values, VALUES);
        bind(db, rng, moss, ordinary);
        rc = stmt_run(moss);
        if (rc == SQLITE_OK)
            rc = -sqlite3_changes(db);
        expected = stmt_run(ordinary);
        if (expected == SQLITE_OK)
            expected = -sqlite3_changes(db);
        /* Of a virtual table, changes() counts a row that was gone as well. */
        if (rc != expected &&
            !(rc < 0 && strcmp(t->columns, UNIQUE_VALUE) == 0))
            fail("%s: %d instead of %d", t->sql, rc, expected);
        compare(db, t);
    }
    again = stmt_prepares(moss) > 0;
    if (again != t->is_one_pass && !harness_plain)
        fail("%s: prepared anew: %d", t->sql, again);
    sqlite3_finalize(moss);
    sqlite3_finalize(ordinary);
    db_must(db, "COMMIT");
    db_must(db, "DROP TABLE t");
    db_must(db, "DROP TABLE o");
}

/* A view that hides the table: what its rows are compared with is hidden too. */
static void
try_hidden(sqlite3 *db)
{
    sqlite3_stmt *stmt;

    make_table(db, "hidden");
    db_must(db, "INSERT INTO hidden VALUES('15', 0), ('15.0', 0)");
    db_must(db, "CREATE TEMP VIEW hidden AS SELECT"
                " CAST(key AS INTEGER) AS key, value FROM main.hidden");
    db_must(db, "CREATE TEMP TRIGGER tr INSTEAD OF UPDATE ON hidden BEGIN"
                " INSERT INTO seen VALUES(NEW.key); END");
    db_must(db, "CREATE TEMP TABLE seen(key)");
    stmt = db_prepared(db, "UPDATE hidden SET value = ? WHERE key = ?");
    db_must(db, "BEGIN");
    for (int i = 0; i < 80; i++) {
        if (sqlite3_bind_int(stmt, 2, 15) != SQLITE_OK ||
            stmt_run(stmt) != SQLITE_OK)
            fail("hidden: %s", sqlite3_errmsg(db));
    }
    if (stmt_prepares(stmt) > 0 ||
        db_int(db, "SELECT count(*) FROM seen") != 160)
        fail("a view was taken for the table");
    sqlite3_finalize(stmt);
    db_must(db, "COMMIT");
}

/* The old sqlite3_prepare() prepares nothing anew: that is tried once. */
static void
try_old_interface(sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    int stopped = 0;

    make_table(db, "old");
    db_must(db, "INSERT INTO old VALUES('a', 0)");
    if (sqlite3_prepare(db, "UPDATE old SET value = value + 1 WHERE key = ?",
                        -1, &stmt, NULL) != SQLITE_OK)
        fail("prepare: %s", sqlite3_errmsg(db));
    db_must(db, "BEGIN");
    for (int i = 0; i < 200; i++) {
        int rc = sqlite3_bind_text(stmt, 1, "a", -1, SQLITE_STATIC);

        if (rc == SQLITE_OK)
            rc = stmt_run(stmt);
        if (rc != SQLITE_OK && rc != SQLITE_SCHEMA)
            fail("old interface: %s", sqlite3_errmsg(db));
        stopped += rc == SQLITE_SCHEMA;
    }
    sqlite3_finalize(stmt);
    db_must(db, "COMMIT");
    if (stopped > 1 || db_int(db, "SELECT value FROM old") != 200 - stopped)
        fail("old interface: stopped %d times", stopped);
}

int
main(int argc, char **argv)
{
    size_t n = sizeof(trials) / sizeof(trials[0]);
    struct rng rng;
    sqlite3 *db;

    harness_start(argc, argv, "--runs");
    rng = rng_of(harness_seed, 0);
    db = db_open(path_of("%s/test.db", scratch_dir()), NULL);
    db_must(db, "CREATE TABLE other(n)");
    for (size_t i = 0; i < n; i++)
        try(db, &rng, &trials[i], option_number("--runs", 40));
    try_hidden(db);
    try_old_interface(db);
    db_close(db);
    printf("%zu statements did what they do to ordinary tables\n", n);
    return 0;
}
