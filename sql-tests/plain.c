/*
 * Queries with parameters, again and again.  Those that can only compare
 * columns of one moss table with parameters are prepared anew, so that SQLite
 * leaves the comparison to the table, and no others are.  Each runs on a moss
 * table and on an ordinary one, with values of all types, inside a transaction
 * and outside; the rows must be the same all the time.  The keys are such that
 * affinity, collation, or the class of a value makes a difference.
 *
 *     plain [--seed N] [--runs N]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

struct trial {
    const char *columns;
    const char *sql; /* of the table %s */
    bool is_plain;   /* it is to be prepared anew */
};

#define TEXT_KEY "key TEXT PRIMARY KEY NOT NULL, value"
#define ANY_KEY "key PRIMARY KEY NOT NULL, value"
#define REAL_KEY "key REAL PRIMARY KEY NOT NULL, value"
#define INTEGER_KEY "key INTEGER PRIMARY KEY NOT NULL, value"
#define NUMERIC_KEY "key NUMERIC PRIMARY KEY NOT NULL, value"
#define NOCASE_KEY "key TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, value"
#define RTRIM_KEY "key COLLATE RTRIM PRIMARY KEY NOT NULL, value"
#define DESC_KEY "key TEXT NOT NULL, value, PRIMARY KEY(key DESC)"
#define OTHER_KEY "key TEXT NOT NULL, value, PRIMARY KEY(key COLLATE NOCASE)"
#define TWO_PARTS "key TEXT NOT NULL, value NOT NULL, PRIMARY KEY(key, value)"
#define DESC_PARTS                                                             \
    "key NOT NULL, value TEXT NOT NULL, PRIMARY KEY(key DESC, value DESC)"
#define INDEXED "key INTEGER PRIMARY KEY NOT NULL, value, INDEX i(value)"
#define UNIQUE_VALUE "key TEXT PRIMARY KEY NOT NULL, value TEXT UNIQUE"

#define WHERE_KEY(op) "SELECT * FROM %s WHERE key " op " ?"

static const struct trial trials[] = {
    { TEXT_KEY, WHERE_KEY("="), true },
    { TEXT_KEY, WHERE_KEY("<"), true },
    { TEXT_KEY, WHERE_KEY("<="), true },
    { TEXT_KEY, WHERE_KEY(">"), true },
    { TEXT_KEY, WHERE_KEY(">="), true },
    { TEXT_KEY, WHERE_KEY("=="), true },
    { TEXT_KEY, "SELECT * FROM %s WHERE key BETWEEN ?2 AND ?1", true },
    { TEXT_KEY, "SELECT count(*) FROM %s WHERE key >= ? AND key < ?;", true },
    { ANY_KEY, WHERE_KEY("="), true },
    { ANY_KEY, WHERE_KEY("<"), true },
    { ANY_KEY, WHERE_KEY("<="), true },
    { ANY_KEY, WHERE_KEY(">"), true },
    { ANY_KEY, WHERE_KEY(">="), true },
    { REAL_KEY, WHERE_KEY("="), true },
    { REAL_KEY, WHERE_KEY("<="), true },
    { REAL_KEY, WHERE_KEY(">"), true },
    { INTEGER_KEY, WHERE_KEY("="), true },
    { INTEGER_KEY, WHERE_KEY("<"), true },
    { INTEGER_KEY, WHERE_KEY(">="), true },
    { NUMERIC_KEY, WHERE_KEY("="), true },
    { NUMERIC_KEY, WHERE_KEY("<"), true },
    { NUMERIC_KEY, WHERE_KEY("<="), true },
    { NUMERIC_KEY, WHERE_KEY(">"), true },
    { NUMERIC_KEY, WHERE_KEY(">="), true },
    { NOCASE_KEY, WHERE_KEY("="), true },
    { NOCASE_KEY, WHERE_KEY("<"), true },
    { NOCASE_KEY, WHERE_KEY("<="), true },
    { NOCASE_KEY, WHERE_KEY(">"), true },
    { NOCASE_KEY, WHERE_KEY(">="), true },
    { RTRIM_KEY, WHERE_KEY("="), true },
    { RTRIM_KEY, WHERE_KEY("<"), true },
    { RTRIM_KEY, WHERE_KEY("<="), true },
    { RTRIM_KEY, WHERE_KEY(">"), true },
    { RTRIM_KEY, WHERE_KEY(">="), true },
    { DESC_KEY, WHERE_KEY("="), true },
    { DESC_KEY, WHERE_KEY("<"), true },
    { DESC_KEY, WHERE_KEY("<="), true },
    { DESC_KEY, WHERE_KEY(">"), true },
    { DESC_KEY, WHERE_KEY(">="), true },
    { TWO_PARTS, WHERE_KEY("="), true },
    { TWO_PARTS, WHERE_KEY("<="), true },
    { TWO_PARTS, WHERE_KEY(">"), true },
    { TWO_PARTS, "SELECT * FROM %s WHERE key = ? AND value = ?", true },
    { TWO_PARTS, "SELECT * FROM %s WHERE key = ? AND value <= ?", true },
    { TWO_PARTS, "SELECT * FROM %s WHERE value > ? AND key = ?", true },
    { TWO_PARTS, "SELECT * FROM %s WHERE value > ? AND key > ?", true },
    { DESC_PARTS, WHERE_KEY("<"), true },
    { DESC_PARTS, "SELECT * FROM %s WHERE key = ? AND value < ?", true },
    { DESC_PARTS, "SELECT * FROM %s WHERE key = ? AND value >= ?", true },
    { DESC_PARTS,
      "SELECT * FROM %s WHERE key = ? AND value BETWEEN ? AND ?"
      " ORDER BY value LIMIT 3",
      true },
    { INDEXED, "SELECT * FROM %s WHERE value = ?", true },
    { INDEXED, "SELECT * FROM %s WHERE value < ?", true },
    { INDEXED, "SELECT * FROM %s WHERE value >= ? AND key < ?", true },
    { INDEXED, "SELECT max(value) FROM %s WHERE value < ?", true },
    { UNIQUE_VALUE, "SELECT * FROM %s WHERE value = ?", true },
    { UNIQUE_VALUE, "SELECT * FROM %s WHERE value <= ?", true },
    { UNIQUE_VALUE, "SELECT * FROM %s WHERE value = ? AND key > ?", true },

    /* Whatever else it says of one table. */
    { TEXT_KEY,
      "select /* it */ distinct q.key, lower(\"value\") AS l FROM main.%s AS q"
      " where q.\"key\" >= :low AND [key] < $high GROUP BY 1, key"
      " ORDER BY q.key DESC, 2 LIMIT ?3 OFFSET 1 ;",
      true },
    { TEXT_KEY, "SELECT value FROM %s q WHERE key >= @k ORDER BY key LIMIT 2",
      true },
    { TEXT_KEY, "SELECT value FROM %s WHERE value = ? AND key < ? LIMIT 1, 2",
      true },
    { TEXT_KEY, "SELECT max(key), min(value) FROM %s WHERE key < ?", true },

    /* What is compared may have affinity, or another collation. */
    { TEXT_KEY, "SELECT * FROM %s WHERE key = CAST(? AS INTEGER)", false },
    { TEXT_KEY, "SELECT * FROM %s WHERE key >= CAST(? AS INTEGER)", false },
    { TEXT_KEY, "SELECT * FROM %s WHERE key = (?)", false },
    { TEXT_KEY, "SELECT * FROM %s WHERE key < +?", false },
    { TEXT_KEY, "SELECT * FROM %s WHERE key > ? || ''", false },
    { TEXT_KEY, "SELECT * FROM %s WHERE key = ? COLLATE NOCASE", false },
    { TEXT_KEY, "SELECT * FROM %s WHERE key = ?1COLLATE NOCASE", false },
    { TEXT_KEY, "SELECT * FROM %s WHERE key COLLATE NOCASE > ?", false },
    { TEXT_KEY, "SELECT * FROM %s WHERE key < ? AND key < value", false },
    { ANY_KEY, "SELECT * FROM %s WHERE key = CAST(? AS INTEGER)", false },
    { ANY_KEY, "SELECT * FROM %s WHERE key < CAST(? AS INTEGER)", false },
    { OTHER_KEY, WHERE_KEY(">"), false },
    { OTHER_KEY, WHERE_KEY("="), true }, /* several texts are one key */
    /* A condition behind another word than WHERE, or of another meaning. */
    { TEXT_KEY,
      "SELECT key, count(*) FROM %s WHERE key > ? GROUP BY key"
      " HAVING key = CAST(? AS INTEGER)",
      false },
    { TEXT_KEY, "SELECT * FROM %s WHERE key > ? OR value = ?", false },
    { TEXT_KEY, "SELECT * FROM %s WHERE key >= ? IS NOT NULL", false },
    { TEXT_KEY, "SELECT * FROM %s WHERE NOT key > ?", false },
    { TEXT_KEY, "SELECT * FROM %s WHERE key >= ? AND key LIKE 'a%%'", false },
    { TEXT_KEY, "SELECT * FROM %s WHERE key > ? AND key IN (?, ?)", false },
    { TEXT_KEY, "SELECT +value AS low FROM %s WHERE low >= ? AND key > ?",
      false },
    { TEXT_KEY, "SELECT 1 IS DISTINCT FROM key FROM %s WHERE key > ?", false },
    /* More than this table. */
    { TEXT_KEY, "SELECT * FROM %s, other WHERE key > ?", false },
    { TEXT_KEY, "SELECT * FROM %s JOIN other ON key = n WHERE key > ?", false },
    { TEXT_KEY, "SELECT (SELECT max(n) FROM other) FROM %s WHERE key > ?",
      false },
    { TEXT_KEY, "SELECT value IN other FROM %s WHERE key > ?", false },
    { TEXT_KEY,
      "SELECT key FROM %s WHERE key > ? UNION ALL SELECT n FROM other", false },
    { TEXT_KEY, "WITH c(n) AS (VALUES(1)) SELECT * FROM %s WHERE key > ?",
      false },
};

/* As literals, for what is stored; each is bound as well. */
static const char *const values[] = {
    "'15'",
    "'15.0'",
    "' 15'",
    "'1.5e1'",
    "15",
    "15.0",
    "'a'",
    "'A'",
    "'b'",
    "x'61'",
    "x'3135'",
    "0",
    "-1",
    "'9'",
    "'0x0f'",
    "''",
    "x''",
    "1e300",
    "'+15'",
    "16",
    "9e999",
    "-9e999",
    "'Inf'",
    "'inf'",
    "'a '",
    "'a  '",
    "'aB'",
    "'ab'",
    "x'00'",
    "x'ff'",
    "15.5",
    "'15.5'",
    "-0.0",
    "'-0.0'",
    "'a.'",
    "'a' || char(0) || 'b'",
    "'A' || char(0)",
    "char(0)",
    "x'6100'",
    "9007199254740993",
    "9007199254740992.0",
    "'9223372036854775808'",
    "9223372036854775807",
    "'1e999'",
    "'.5'",
    "0.5",
    "'abc'",
    "'z'",
    "CAST(x'ff' AS TEXT)",
    "CAST(x'61ff' AS TEXT)",
    "char(0xffff)",
    "char(0x10000)",
    "'é'",
    "'É'",
    "' '",
    "NULL",
};
enum { VALUES = sizeof(values) / sizeof(values[0]) };

/* Bind a value that is none of the table's at times. */
static int
bind_one(struct rng *rng, sqlite3_stmt *a, int i, sqlite3_value *value)
{
    static char long_text[70000];

    switch (rng_below(rng, 24)) {
    case 0:
        return sqlite3_bind_null(a, i);
    case 1:
        return sqlite3_bind_zeroblob(a, i, 3);
    case 2:
        return sqlite3_bind_double(a, i, NAN);
    case 3:
        memset(long_text, 'a', sizeof(long_text));
        return sqlite3_bind_text(a, i, long_text, sizeof(long_text),
                                 SQLITE_STATIC);
    default:
        return sqlite3_bind_value(a, i, value);
    }
}

/* The same values for both statements. */
static void
bind(sqlite3 *db, struct rng *rng, sqlite3_stmt *a, sqlite3_stmt *b)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(a); i++) {
        sqlite3_stmt *value =
            db_prepared(db, "SELECT %s", values[rng_below(rng, VALUES)]);
        struct rng same = *rng;

        if (sqlite3_step(value) != SQLITE_ROW ||
            bind_one(rng, a, i, sqlite3_column_value(value, 0)) != SQLITE_OK ||
            bind_one(&same, b, i, sqlite3_column_value(value, 0)) != SQLITE_OK)
            fail("bind: %s", sqlite3_errmsg(db));
        sqlite3_finalize(value);
    }
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One value, so that any two can be told apart. */
static void
append_value(char **text, sqlite3_stmt *stmt, int i)
{
    const unsigned char *p = sqlite3_column_blob(stmt, i);
    int type = sqlite3_column_type(stmt, i);

    text_append(text, "%d:", type);
    if (type == SQLITE_INTEGER)
        text_append(text, "%lld", sqlite3_column_int64(stmt, i));
    else if (type == SQLITE_FLOAT)
        text_append(text, "%.17g", sqlite3_column_double(stmt, i));
    for (int k = 0; type >= SQLITE_TEXT && k < sqlite3_column_bytes(stmt, i);
         k++)
        text_append(text, "%02x", p[k]);
    text_append(text, "|");
}

enum { MOST_ROWS = 4 * VALUES };

/* The rows of a run, sorted, as one text. */
static char *
rows_of(sqlite3 *db, sqlite3_stmt *stmt)
{
    char *rows[MOST_ROWS], *all = NULL;
    int n = 0, rc;

    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && n < MOST_ROWS) {
        rows[n] = NULL;
        for (int i = 0; i < sqlite3_column_count(stmt); i++)
            append_value(&rows[n], stmt, i);
        n++;
    }
    if (rc != SQLITE_DONE && sqlite3_reset(stmt) != SQLITE_MISMATCH)
        fail("%s: %s", sqlite3_sql(stmt), sqlite3_errmsg(db));
    (void)sqlite3_reset(stmt);
    text_append(&all, "%d\n", rc);
    qsort(rows, (size_t)n, sizeof(rows[0]), by_text);
    for (int i = 0; i < n; i++) {
        text_append(&all, "%s\n", rows[i]);
        free(rows[i]);
    }
    return all;
}

/* The ordinary table of the same columns. */
static void
create_ordinary(sqlite3 *db, const char *columns)
{
    bool indexed = strcmp(columns, INDEXED) == 0;

    db_must(db, "CREATE TABLE o(%s)%s", indexed ? INTEGER_KEY : columns,
            indexed || strcmp(columns, INTEGER_KEY) == 0 ? ""
                                                         : " WITHOUT ROWID");
}

static void
try(sqlite3 *db, struct rng *rng, const struct trial *t, long runs)
{
    sqlite3_stmt *moss, *ordinary;
    bool again;

    db_must(db, "BEGIN");
    create_ordinary(db, t->columns);
    if (harness_plain)
        db_must(db, "CREATE VIEW t AS SELECT * FROM o");
    else
        db_must(db, "CREATE VIRTUAL TABLE t USING moss(%s)", t->columns);
    db_fill(db, "o", values, VALUES);
    if (!harness_plain)
        db_fill(db, "t", values, VALUES);
    db_must(db, "COMMIT");
    moss = db_prepared(db, t->sql, "t");
    ordinary = db_prepared(db, t->sql, "o");
    for (long i = 0; i < runs; i++) {
        char *rows, *expected;

        if (i == runs / 2)
            db_must(db, "BEGIN");
        bind(db, rng, moss, ordinary);
        rows = rows_of(db, moss);
        expected = rows_of(db, ordinary);
        if (strcmp(rows, expected) != 0)
            fail("%s of (%s), run %ld:\n%s instead of\n%s", t->sql, t->columns,
                 i, rows, expected);
        free(rows);
        free(expected);
    }
    again = stmt_prepares(moss) > 1;
    if (again != t->is_plain && !harness_plain)
        fail("%s of (%s): prepared anew: %d", t->sql, t->columns, again);
    sqlite3_finalize(moss);
    sqlite3_finalize(ordinary);
    db_must(db, "COMMIT");
    db_must(db, harness_plain ? "DROP VIEW t" : "DROP TABLE t");
    db_must(db, "DROP TABLE o");
}

/* ------------------------------------------------- statements of their own */

enum { ROWS = 1000, MANY_RUNS = 150 };

static void
make_filled(sqlite3 *db, const char *name)
{
    make_table(db, name);
    db_must(db,
            "INSERT INTO %s WITH RECURSIVE s(x) AS (SELECT 1 UNION ALL SELECT"
            " x + 1 FROM s LIMIT %d) SELECT printf('%%04d', x), x FROM s",
            name, ROWS);
}

static void
must_run(sqlite3 *db, sqlite3_stmt *stmt)
{
    if (stmt_run(stmt) != SQLITE_OK)
        fail("%s: %s", sqlite3_sql(stmt), sqlite3_errmsg(db));
}

static void
run_often(sqlite3 *db, sqlite3_stmt *stmt)
{
    for (int i = 0; i < MANY_RUNS; i++)
        must_run(db, stmt);
}

static void
must_be_prepared_anew(sqlite3_stmt *stmt)
{
    if (stmt_prepares(stmt) != 2)
        fail("%s: prepared anew %d times", sqlite3_sql(stmt),
             stmt_prepares(stmt));
}

/* SQLite takes fewer steps for a row that it does not compare again. */
static void
try_steps(sqlite3 *db)
{
    sqlite3_stmt *stmt;
    int first, last;

    make_filled(db, "steps");
    stmt = db_prepared(db,
                       "SELECT count(*) FROM steps WHERE key >= ? AND key < ?");
    if (sqlite3_bind_text(stmt, 1, "0", -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_text(stmt, 2, "a", -1, SQLITE_STATIC) != SQLITE_OK)
        fail("bind: %s", sqlite3_errmsg(db));
    must_run(db, stmt);
    first = sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
    for (int i = 0; i < MANY_RUNS; i++) {
        (void)sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
        must_run(db, stmt);
    }
    last = sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
    if (first < 5 * ROWS || last > 3 * ROWS)
        fail("%d steps at first, then %d", first, last);
    must_be_prepared_anew(stmt);
    sqlite3_finalize(stmt);
}

/* A view that hides the table: what its rows are compared with is hidden too. */
static void
try_hidden(sqlite3 *db)
{
    sqlite3_stmt *stmt;

    make_table(db, "hidden");
    db_must(db,
            "INSERT INTO hidden VALUES('15', 0), ('15.0', 0), ('15.00', 0)");
    db_must(db, "CREATE TEMP VIEW hidden AS SELECT key, value FROM main.hidden"
                " WHERE key <= 15 + 0 AND value = 0");
    stmt = db_prepared(db, "SELECT value FROM hidden WHERE key > ?");
    run_often(db, stmt);
    if (stmt_prepares(stmt) > 0)
        fail("a view was taken for the table");
    sqlite3_finalize(stmt);
    db_must(db, "DROP VIEW temp.hidden");
}

/* While another statement stands half-way, nothing is stopped. */
static void
try_half_way(sqlite3 *db)
{
    sqlite3_stmt *stmt, *other;

    make_filled(db, "half");
    make_filled(db, "half_too");
    other = db_prepared(db, "SELECT key FROM half_too ORDER BY key");
    stmt = db_prepared(db, "SELECT value FROM half WHERE key >= ?");
    if (sqlite3_step(other) != SQLITE_ROW)
        fail("half-way: %s", sqlite3_errmsg(db));
    run_often(db, stmt);
    if (stmt_prepares(stmt) > 0)
        fail("stopped although another statement stands half-way");
    for (int i = 1; i < ROWS; i++) {
        if (sqlite3_step(other) != SQLITE_ROW)
            fail("half-way: %s", sqlite3_errmsg(db));
    }
    if (sqlite3_step(other) != SQLITE_DONE)
        fail("half-way: too many rows");
    must_run(db, other);
    run_often(db, stmt);
    must_be_prepared_anew(stmt);
    sqlite3_finalize(stmt);
    sqlite3_finalize(other);
}

static void
count_call(void *count)
{
    ++*(int *)count;
}

/* No hook of the application hears of it, and changes stay where they are. */
static void
try_hooks(sqlite3 *db)
{
    sqlite3_stmt *stmt;
    int rollbacks = 0;

    make_filled(db, "hooks");
    stmt = db_prepared(db, "SELECT value FROM hooks WHERE key = ?");
    (void)sqlite3_rollback_hook(db, count_call, &rollbacks);
    run_often(db, stmt);
    if (rollbacks > 0 || stmt_prepares(stmt) != 2)
        fail("%d rollbacks, prepared anew %d times", rollbacks,
             stmt_prepares(stmt));
    sqlite3_finalize(stmt);

    stmt = db_prepared(db, "SELECT value FROM hooks WHERE key <= ?");
    db_must(db, "BEGIN; INSERT INTO hooks VALUES('new', 1)");
    run_often(db, stmt);
    db_must(db, "COMMIT");
    if (rollbacks > 0 || stmt_prepares(stmt) != 2 ||
        db_int(db, "SELECT count(*) FROM hooks WHERE key = 'new'") != 1)
        fail("in a transaction: %d rollbacks, prepared anew %d times",
             rollbacks, stmt_prepares(stmt));
    (void)sqlite3_rollback_hook(db, NULL, NULL);
    sqlite3_finalize(stmt);
}

/*
 * The old sqlite3_prepare() prepares nothing anew: that is tried once, and what
 * the application prepares then is not taken for the statement.
 */
static void
try_old_interface(sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL, *other;
    int stopped = 0;

    make_table(db, "old");
    db_must(db, "INSERT INTO old VALUES('15', 0), ('15.0', 0), ('a', 0)");
    if (sqlite3_prepare(db, "SELECT value FROM old WHERE key >= ?", -1, &stmt,
                        NULL) != SQLITE_OK)
        fail("prepare: %s", sqlite3_errmsg(db));
    for (int i = 0; i < 3 * MANY_RUNS; i++) {
        int rc = stmt_run(stmt);

        if (rc != SQLITE_OK && rc != SQLITE_SCHEMA)
            fail("old interface: %s", sqlite3_errmsg(db));
        stopped += rc == SQLITE_SCHEMA;
        if (rc != SQLITE_SCHEMA)
            continue;
        other = db_prepared(
            db, "SELECT count(*) FROM old WHERE key = CAST(? AS INTEGER)");
        if (sqlite3_bind_int(other, 1, 15) != SQLITE_OK ||
            sqlite3_step(other) != SQLITE_ROW ||
            sqlite3_column_int(other, 0) != 2)
            fail("old interface: another statement was taken for this one");
        sqlite3_finalize(other);
    }
    if (stopped != 1 && !harness_plain)
        fail("old interface: stopped %d times", stopped);
    sqlite3_finalize(stmt);
}

/* A text that is longer than any key equals none, and stands where it should. */
static void
try_long(sqlite3 *db)
{
    static const char *const ops[] = { "<", "<=", "=", ">=", ">" };
    static const int found[] = { 1, 1, 0, 1, 1 };
    int n = 1 << 24;
    char *text = malloc((size_t)n + 1);

    if (text == NULL)
        fail("no memory");
    memset(text, 'b', (size_t)n);
    make_table(db, "long");
    db_must(db, "INSERT INTO long VALUES('a', 0), ('c', 0)");
    for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++) {
        sqlite3_stmt *stmt =
            db_prepared(db, "SELECT count(*) FROM long WHERE key %s ?", ops[k]);

        for (int i = 0; i < MANY_RUNS; i++) {
            int len = i == MANY_RUNS - 1 ? n : 1;

            if (sqlite3_bind_text(stmt, 1, text, len, SQLITE_STATIC) !=
                    SQLITE_OK ||
                sqlite3_step(stmt) != SQLITE_ROW ||
                sqlite3_column_int(stmt, 0) != found[k])
                fail("%s of a text of %d bytes: %d rows", ops[k], len,
                     sqlite3_column_int(stmt, 0));
            (void)sqlite3_reset(stmt);
        }
        must_be_prepared_anew(stmt);
        sqlite3_finalize(stmt);
    }
    free(text);
}

/* The plan goes with the schema that it was made for. */
static void
try_schema_change(sqlite3 *db)
{
    sqlite3_stmt *stmt;

    make_table(db, "changed");
    db_must(db, "INSERT INTO changed VALUES('15', 0), ('15.0', 0)");
    stmt = db_prepared(db, "SELECT count(*) FROM changed WHERE key = ?");
    if (sqlite3_bind_int(stmt, 1, 15) != SQLITE_OK)
        fail("bind: %s", sqlite3_errmsg(db));
    run_often(db, stmt);
    must_be_prepared_anew(stmt);
    db_must(db, "CREATE TEMP VIEW changed AS SELECT"
                " CAST(key AS INTEGER) AS key, value FROM main.changed");
    for (int i = 0; i < MANY_RUNS; i++) {
        if (sqlite3_step(stmt) != SQLITE_ROW ||
            sqlite3_column_int(stmt, 0) != 2)
            fail("the view's rows: %d", sqlite3_column_int(stmt, 0));
        (void)sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    db_must(db, "DROP VIEW temp.changed");
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
        try(db, &rng, &trials[i], option_number("--runs", 200));
    if (!harness_plain) {
        try_steps(db);
        try_hidden(db);
        try_half_way(db);
        try_hooks(db);
        try_old_interface(db);
        try_long(db);
        try_schema_change(db);
    }
    db_close(db);
    printf("%zu queries gave what they give on ordinary tables\n", n);
    return 0;
}
