/*
 * How many rows a plan visits, whatever it says of itself: SQLite's machine
 * counts its steps, of which a row that the module gives takes several.  What
 * is searched must stay near what it finds; what cannot be searched has to go
 * through the whole table, so that no row is missed and the count is known to
 * tell the two apart.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

/*
 * A statement's own steps; then a row takes MOST_STEPS at most, with all that
 * is looked at in it, and LEAST_STEPS at least.
 */
enum { FIRST_STEPS = 150, MOST_STEPS = 25, LEAST_STEPS = 2, ROWS = 4000 };

#define SERIES(n)                                                              \
    " WITH RECURSIVE s(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s"          \
    " LIMIT " #n ")"

/* r has 40 texts a with 100 numbers b each; o is an ordinary table. */
static const char setup[] =
    "CREATE VIRTUAL TABLE k USING moss(id INTEGER PRIMARY KEY, v, w, x,"
    " INDEX by_v(v), INDEX by_w(w DESC, v));"
    "CREATE VIRTUAL TABLE r USING moss(a TEXT, b INTEGER, c, d,"
    " PRIMARY KEY(a, b DESC, c));"
    "CREATE VIRTUAL TABLE nc USING moss(k TEXT COLLATE NOCASE PRIMARY KEY);"
    "CREATE TABLE o(i INTEGER, j INTEGER, s TEXT);"
    "INSERT INTO k" SERIES(
        4000) " SELECT x, x * 7 % 4000, x % 400, x FROM s;"
              "INSERT INTO r" SERIES(
                  4000) " SELECT printf('a%02d', x / 100 % 40), x % 100, x, x "
                        "FROM s;"
                        "INSERT INTO nc" SERIES(
                            4000) " SELECT printf('Key %05d', x) FROM s;"
                                  "INSERT INTO o" SERIES(
                                      10) " SELECT x * 3, x, printf('a%02d', "
                                          "x) FROM s";

/* Visited: at most so many rows, or the whole table. */
enum { ALL = -1 };
static const struct query {
    int rows;
    const char *sql;
} queries[] = {
    /* The key: one value, a list, a range, parts of it. */
    { 1, "SELECT * FROM k WHERE id = 77" },
    { 1, "SELECT * FROM k WHERE id IS 77" },
    { 1, "SELECT * FROM k WHERE rowid = 77 AND v > 0" },
    { 3, "SELECT * FROM k WHERE id IN (5, 77, 999999, NULL, 3000)" },
    { 10, "SELECT * FROM k WHERE id IN (SELECT i FROM o)" },
    { 50, "SELECT * FROM k WHERE id BETWEEN 100 AND 149" },
    { 10, "SELECT * FROM k WHERE id > 3990" },
    { 0, "SELECT * FROM k WHERE id > 3990 AND id < 100" },
    { 0, "SELECT * FROM k WHERE id = NULL" },
    { 1, "SELECT * FROM r WHERE a = 'a07' AND b = 5" },
    { 4, "SELECT * FROM r WHERE a = 'a07' AND b > 95" },
    { 4, "SELECT * FROM r WHERE a IN ('a01', 'a02') AND b IN (7, 8)" },
    { 100, "SELECT * FROM r WHERE a = 'a07' AND c = 750" },
    { 100, "SELECT * FROM r WHERE a >= 'a39'" },
    /* Row values: SQLite gives the first column of a comparison alone. */
    { 1, "SELECT * FROM r WHERE (a, b) = ('a07', 5)" },
    { 200, "SELECT * FROM r WHERE (a, b) > ('a38', 5)" },
    /* OR: a search for each side. */
    { 2, "SELECT * FROM k WHERE id = 5 OR id = 9" },
    { 12, "SELECT * FROM k WHERE id > 3990 OR v = 14" },
    { 2,
      "SELECT * FROM r WHERE (a = 'a01' AND b = 1) OR (a = 'a02' AND b = 2)" },
    /* Texts that begin alike. */
    { 10, "SELECT * FROM nc WHERE k LIKE 'kEY 0010%'" },
    { 100, "SELECT * FROM r WHERE a GLOB 'a07*'" },
    { 1, "SELECT * FROM nc WHERE k = 'KEY 00100'" },
    /* The ends, without going there. */
    { 1, "SELECT min(id) FROM k" },
    { 1, "SELECT max(id) FROM k" },
    { 1, "SELECT max(a) FROM r" },
    { 1, "SELECT max(b) FROM r WHERE a = 'a07'" },
    { 1, "SELECT min(b) FROM r WHERE a = 'a07'" },
    { 2, "SELECT v FROM k WHERE v IS NOT NULL ORDER BY v LIMIT 1" },
    { 2, "SELECT max(v) FROM k" },
    { 2, "SELECT max(w) FROM k" },
    /* An order that is there, until LIMIT. */
    { 5, "SELECT * FROM k ORDER BY id LIMIT 5" },
    { 5, "SELECT * FROM k ORDER BY id DESC LIMIT 5" },
    { 9, "SELECT * FROM k ORDER BY id LIMIT 5 OFFSET 4" },
    { 5, "SELECT * FROM r ORDER BY a DESC, b, c DESC LIMIT 5" },
    { 5, "SELECT * FROM r WHERE a = 'a07' ORDER BY b DESC LIMIT 5" },
    { 5, "SELECT * FROM k ORDER BY v LIMIT 5" },
    { 5, "SELECT * FROM k ORDER BY w DESC, v LIMIT 5" },
    { 5, "SELECT * FROM k ORDER BY w, v DESC LIMIT 5" },
    { 5, "SELECT * FROM k WHERE w = 9 ORDER BY v LIMIT 5" },
    { 201, "SELECT a, count(*) FROM r GROUP BY a LIMIT 2" },
    { 3, "SELECT b, count(*) FROM r WHERE a = 'a07' GROUP BY b LIMIT 2" },
    { 3, "SELECT DISTINCT id FROM k ORDER BY id LIMIT 3" },
    { 21, "SELECT w, count(*) FROM k GROUP BY w ORDER BY w DESC LIMIT 2" },
    /* Indexes. */
    { 1, "SELECT id FROM k WHERE v = 14" },
    { 1, "SELECT x FROM k WHERE v = 14" },
    { 10, "SELECT x FROM k WHERE w = 9" },
    { 3, "SELECT id FROM k WHERE v IN (7, 14, 21)" },
    { 20, "SELECT id FROM k WHERE v BETWEEN 100 AND 119" },
    { 20, "SELECT id FROM k WHERE w IN (3, 4) AND v > 0" },
    /* Joins: the moss table is looked up for each row of the other. */
    { 20, "SELECT * FROM o JOIN k ON k.id = o.i" },
    { 20, "SELECT * FROM k JOIN o ON k.id = o.i" },
    { 20, "SELECT * FROM o LEFT JOIN k ON k.id = o.i" },
    { 20, "SELECT * FROM o JOIN r ON r.a = o.s AND r.b = o.j" },
    { 20, "SELECT k.id FROM o JOIN k ON k.v = o.i" },
    { 20, "SELECT * FROM o CROSS JOIN k ON k.v = o.i" },
    { 20, "SELECT (SELECT v FROM k WHERE id = o.i) FROM o" },
    { 20, "SELECT * FROM o WHERE EXISTS (SELECT 1 FROM k WHERE id = o.i)" },
    { 20, "SELECT * FROM o WHERE i IN (SELECT id FROM k WHERE id < 9)" },
    { 30,
      "SELECT * FROM o JOIN k AS x ON x.id = o.i JOIN k AS y ON y.id = x.w" },
    { 8, "SELECT * FROM k AS x JOIN k AS y ON y.id = x.v WHERE x.id < 5" },
    /* Changes. */
    { 1, "UPDATE k SET x = 0 WHERE id = 77" },
    { 10, "UPDATE k SET x = 1 WHERE w = 9" },
    { 4, "DELETE FROM r WHERE a = 'a07' AND b > 95" },
    { 1, "DELETE FROM k WHERE v = 14" },

    /* What must not be searched for. */
    { ALL, "SELECT * FROM k WHERE +id = 77" },
    { ALL, "SELECT * FROM k WHERE id + 0 = 77" },
    { ALL, "SELECT * FROM k WHERE id IS NOT 77" },
    { ALL, "SELECT * FROM k WHERE id NOT IN (5, 77)" },
    { ALL, "SELECT * FROM k WHERE x = 5" },
    { ALL, "SELECT * FROM k WHERE id = 5 OR x = 5" },
    { ALL, "SELECT * FROM r WHERE b = 5" },
    { ALL, "SELECT * FROM r WHERE a > 'b' COLLATE NOCASE" },
    { ALL, "SELECT * FROM nc WHERE k GLOB 'Key 0010*'" },
    { ALL, "SELECT * FROM nc WHERE k LIKE '%100'" },
    { ALL, "SELECT * FROM nc WHERE k = 'Key 00100' COLLATE RTRIM" },
    { ALL, "SELECT * FROM k ORDER BY x LIMIT 5" },
    { ALL, "SELECT * FROM r ORDER BY a, b LIMIT 5" },
    { ALL, "SELECT max(x) FROM k" },
    /* SQLite offers no order of what may be NULL for min(). */
    { ALL, "SELECT min(v) FROM k" },
    { ALL, "SELECT * FROM k LIMIT 5 OFFSET 4000" },
};

static long
steps_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    long steps;
    int rc;

    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail("%s\n  gave %s", sql, sqlite3_errmsg(db));
    do
        rc = sqlite3_step(stmt);
    while (rc == SQLITE_ROW);
    if (rc != SQLITE_DONE)
        fail("%s\n  gave %s", sql, sqlite3_errmsg(db));
    steps = sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 0);
    sqlite3_finalize(stmt);
    return steps;
}

/* Does it visit what it should? */
static bool
is_right(sqlite3 *db, const struct query *q)
{
    long steps;

    db_must(db, "BEGIN");
    steps = steps_of(db, q->sql);
    db_must(db, "ROLLBACK");
    if (q->rows == ALL ? steps >= LEAST_STEPS * ROWS
                       : steps <= FIRST_STEPS + q->rows * MOST_STEPS)
        return true;
    printf("%s\n  has taken %ld steps, too %s\n", q->sql, steps,
           q->rows == ALL ? "few" : "many");
    return false;
}

int
main(int argc, char **argv)
{
    const size_t n = sizeof queries / sizeof *queries;
    int wrong = 0;
    sqlite3 *db;

    harness_start(argc, argv, "");
    db = db_open(":memory:", NULL);
    db_must(db, "%s", setup);
    for (size_t i = 0; i < n; i++)
        wrong += !is_right(db, &queries[i]);
    db_close(db);
    if (wrong > 0)
        fail("%d plans visit too many rows, or too few", wrong);
    printf("%zu plans visit what they should\n", n);
    return 0;
}
