/*
 * A table with MERGE columns beside an ordinary one, whose INSERT has an ON
 * CONFLICT clause that does the same: random statements, transactions and
 * savepoints, the connection closed in between; the rows must be the same.
 *
 *     merge [--seed N] [--statements N]
 *
 * The real numbers are multiples of 1/8 and not large, so that sums are exact.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

static const char moss_columns[] =
    "k TEXT COLLATE NOCASE, j INT, s INTEGER MERGE sum DEFAULT 3, t MERGE sum,"
    " lo COLLATE NOCASE MERGE min, hi REAL MERGE max,"
    " ap TEXT MERGE append NOT NULL DEFAULT '', la MERGE last DEFAULT 9, pl,"
    " PRIMARY KEY(k, j DESC)";
static const char columns[] =
    "k TEXT COLLATE NOCASE, j INT, s INTEGER DEFAULT 3, t, lo COLLATE NOCASE,"
    " hi REAL, ap TEXT NOT NULL DEFAULT '', la DEFAULT 9, pl,"
    " PRIMARY KEY(k, j DESC)";
static const char on_conflict[] =
    " ON CONFLICT DO UPDATE SET s = ifnull(s + excluded.s,"
    " ifnull(s, excluded.s)), t = ifnull(t + excluded.t,"
    " ifnull(t, excluded.t)),"
    " lo = CASE WHEN lo IS NULL OR excluded.lo < lo THEN"
    " ifnull(excluded.lo, lo) ELSE lo END,"
    " hi = CASE WHEN hi IS NULL OR excluded.hi > hi THEN"
    " ifnull(excluded.hi, hi) ELSE hi END,"
    " ap = ap || excluded.ap, la = excluded.la, pl = excluded.pl";

#define PICK(r, list) list[rng_below(r, sizeof(list) / sizeof(*(list)))]

static const char *
random_value(struct rng *r)
{
    static const char *const values[] = { "NULL", "'a'", "'B'", "''",  "x'61'",
                                          "x''",  "1",   "-2",  "2.5", "'zz'" };

    return PICK(r, values);
}

/* The values of one row. */
static void
random_row(struct rng *r, char **sql)
{
    static const char *const keys[] = { "'a'", "'A'", "'b'", "'c'", "3" };
    static const char *const texts[] = { "'x'", "'yy'", "''", "12" };
    static const char *const lasts[] = { "1", "'q'", "x'00'" };

    text_append(sql, "(%s, %u, ", PICK(r, keys), 1 + rng_below(r, 3));
    text_append(sql, "%d, ", (int)rng_below(r, 2000000) - 1000000);
    if (rng_below(r, 3) == 0)
        text_append(sql, "%d/8.0, ", (int)rng_below(r, 1000) - 500);
    else
        text_append(sql, "%s, ", rng_below(r, 4) == 0 ? "NULL" : "7");
    text_append(sql, "%s, ", random_value(r));
    text_append(sql, "%d, ", (int)rng_below(r, 100) - 50);
    text_append(sql, "%s, %s, ", PICK(r, texts), PICK(r, lasts));
    text_append(sql, "%s)", random_value(r));
}

/* The same for both; they end in the same way. */
static void
both(sqlite3 *db, const char *before, const char *after, const char *ordinary)
{
    char *moss = NULL, *plain = NULL;
    int changes, rc, other;

    text_append(&moss, "%s m %s", before, after);
    text_append(&plain, "%s o %s%s", before, after, ordinary);
    rc = db_run(db, moss);
    changes = sqlite3_changes(db);
    other = db_run(db, plain);
    if (rc != other)
        fail("%s\n  gave %d instead of %d: %s", moss, rc, other,
             sqlite3_errmsg(db));
    if (rc == SQLITE_OK && changes != sqlite3_changes(db))
        fail("%s\n  changed %d rows instead of %d", moss, changes,
             sqlite3_changes(db));
    free(moss);
    free(plain);
}

static void
insert(sqlite3 *db, struct rng *r)
{
    static const char *const verbs[] = { "REPLACE INTO",
                                         "INSERT OR IGNORE INTO" };
    char *rows = NULL;
    bool merge = rng_below(r, 8) > 0;

    text_append(&rows, "%s", "VALUES ");
    for (unsigned n = rng_below(r, 4); n > 0; n--) {
        random_row(r, &rows);
        text_append(&rows, "%s", ", ");
    }
    random_row(r, &rows);
    both(db, merge ? "INSERT INTO" : PICK(r, verbs), rows,
         merge ? on_conflict : "");
    free(rows);
}

static void
change(sqlite3 *db, struct rng *r)
{
    static const char *const sets[] = {
        "SET s = s + 1", "SET t = NULL",        "SET ap = ap || 'u'",
        "SET lo = 'm'",  "SET hi = 2, t = 1.5", "SET pl = j",
        "SET j = j + 1", "SET ap = NULL"
    };
    static const char *const wheres[] = { "k = 'a'", "j = 2",
                                          "k = 'b' AND j = 1", "k = 3" };
    char *sql = NULL;
    bool is_update = rng_below(r, 3) > 0;

    if (is_update)
        text_append(&sql, "%s ", PICK(r, sets));
    text_append(&sql, "WHERE %s", PICK(r, wheres));
    both(db, is_update ? "UPDATE" : "DELETE FROM", sql, "");
    free(sql);
}

static void
transaction(sqlite3 *db, struct rng *r)
{
    static const char *const ends[] = { "COMMIT", "ROLLBACK" };
    static const char *const points[] = { "SAVEPOINT a", "SAVEPOINT b",
                                          "ROLLBACK TO a", "ROLLBACK TO b",
                                          "RELEASE b" };

    if (sqlite3_get_autocommit(db))
        db_must(db, "BEGIN");
    else if (rng_below(r, 3) == 0)
        db_must(db, "%s", PICK(r, ends));
    else
        (void)db_run(db, PICK(r, points)); /* there may be none */
}

static void
compare(sqlite3 *db)
{
    static const char of[] = "SELECT k, j, s, t, lo, hi, ap, la, pl FROM";
    char *moss = db_text(db, "%s m ORDER BY k, j DESC", of);
    char *plain = db_text(db, "%s o ORDER BY k, j DESC", of);

    if (strcmp(moss, plain) != 0)
        fail("with MERGE columns\n%sordinary\n%s", moss, plain);
    free(moss);
    free(plain);
}

int
main(int argc, char **argv)
{
    const char *path;
    struct rng r;
    sqlite3 *db;
    long n;

    harness_start(argc, argv, "--statements");
    r = rng_of(harness_seed, 0);
    n = option_number("--statements", 10000);
    path = path_of("%s/m.db", scratch_dir());
    db = db_open(path, NULL);
    db_must(db, "PRAGMA journal_mode = wal; PRAGMA synchronous = off");
    db_must(db, "CREATE VIRTUAL TABLE m USING moss(%s)", moss_columns);
    db_must(db, "CREATE TABLE o(%s) WITHOUT ROWID", columns);
    for (long i = 0; i < n; i++) {
        unsigned kind = rng_below(&r, 100);

        if (kind < 60)
            insert(db, &r);
        else if (kind < 75)
            change(db, &r);
        else if (kind < 90)
            transaction(db, &r);
        else
            compare(db);
        if (i % 1000 == 999) {
            db_close(db);
            db = db_open(path_of("%s/m.db", scratch_dir()), NULL);
            compare(db);
        }
    }
    db_close(db);
    printf("%ld statements, the rows of an ordinary table\n", n);
    return 0;
}
