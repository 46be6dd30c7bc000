/*
 * Cursors that stay open while their connection changes the table, goes back
 * to savepoints, commits and rolls back: each goes on to give the rows as they
 * were when it was opened.  Some look keys up one by one, in the table or in
 * an index, and some read a range; what they give is compared with a copy of
 * the model that was taken when they began.
 *
 *     open_cursors [--seed N] [--steps N]
 */
#include <stdio.h>
#include <string.h>

#include "support/harness.h"

enum { KEYS = 24, VALUES = 8, READERS = 4, DEPTH = 4 };

/* The value under each key, or NONE. */
struct model {
    int value[KEYS];
};
#define NONE (-1)

struct reader {
    sqlite3_stmt *stmt;
    struct model model; /* of the moment it began */
    int next;           /* keys below this are done */
    bool open;
};

struct world {
    sqlite3 *db;
    struct rng rng;
    struct reader readers[READERS];
    struct model now, begun; /* begun: when the transaction began */
    struct model saved[DEPTH];
    int depth;
    bool in_transaction;
    long rows; /* that were compared */
};

static const char *const queries[] = {
    ("SELECT key, value FROM t WHERE key IN"
     " (0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23)"),
    "SELECT key, value FROM t ORDER BY key",
    "SELECT key, value, other FROM t WHERE key >= 0 AND key < 24 ORDER BY key",
    "SELECT u.key, u.value FROM numbers n, t u WHERE u.key = n.n ORDER BY n.n",
};

static void
exec(struct world *w, const char *sql)
{
    if (sqlite3_exec(w->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail("%s: %s", sql, sqlite3_errmsg(w->db));
}

static void
reader_end(struct reader *r)
{
    (void)sqlite3_reset(r->stmt);
    r->open = false;
}

/* One row more: the next one of the model, or none if it has no more. */
static void
reader_step(struct world *w, struct reader *r)
{
    int rc = sqlite3_step(r->stmt);

    while (r->next < KEYS && r->model.value[r->next] == NONE)
        r->next++;
    if (rc == SQLITE_DONE && r->next == KEYS) {
        reader_end(r);
        return;
    }
    if (rc != SQLITE_ROW)
        fail("%s: %s at key %d", sqlite3_sql(r->stmt), sqlite3_errmsg(w->db),
             r->next);
    if (r->next == KEYS || sqlite3_column_int(r->stmt, 0) != r->next ||
        sqlite3_column_int(r->stmt, 1) != r->model.value[r->next])
        fail("%s: gave %d = %d where %d should come", sqlite3_sql(r->stmt),
             sqlite3_column_int(r->stmt, 0), sqlite3_column_int(r->stmt, 1),
             r->next);
    r->next++;
    w->rows++;
}

static void
reader_go_on(struct world *w, struct reader *r)
{
    if (!r->open) {
        r->model = w->now;
        r->next = 0;
        r->open = true;
    }
    for (unsigned n = 1 + rng_below(&w->rng, 6); n > 0 && r->open; n--)
        reader_step(w, r);
}

static void
change(struct world *w)
{
    int key = (int)rng_below(&w->rng, KEYS);
    int value = (int)rng_below(&w->rng, VALUES);
    const char *sql = "";

    switch (rng_below(&w->rng, 8)) {
    case 0:
        sql = "INSERT INTO t(t) VALUES('truncate')";
        if (rng_below(&w->rng, 4) > 0)
            return;
        for (int i = 0; i < KEYS; i++)
            w->now.value[i] = NONE;
        break;
    case 1:
    case 2:
        sql = path_of("DELETE FROM t WHERE key = %d", key);
        w->now.value[key] = NONE;
        break;
    case 3:
        sql = path_of("UPDATE t SET value = %d WHERE key >= %d", value, key);
        for (int i = key; i < KEYS; i++)
            w->now.value[i] = w->now.value[i] == NONE ? NONE : value;
        break;
    case 4:
        sql = path_of("UPDATE t SET value = %d WHERE key = %d", value, key);
        w->now.value[key] = w->now.value[key] == NONE ? NONE : value;
        break;
    default:
        sql = path_of("REPLACE INTO t(key, value) VALUES(%d, %d)", key, value);
        w->now.value[key] = value;
    }
    exec(w, sql);
}

static void
transact(struct world *w)
{
    unsigned what = rng_below(&w->rng, 6);

    if (!w->in_transaction) {
        exec(w, "BEGIN");
        w->begun = w->now;
        w->in_transaction = true;
        w->depth = 0;
    } else if (what < 2 && w->depth < DEPTH) {
        w->saved[w->depth] = w->now;
        exec(w, path_of("SAVEPOINT s%d", w->depth++));
    } else if (what < 4 && w->depth > 0) {
        w->depth = 1 + (int)rng_below(&w->rng, (unsigned)w->depth);
        exec(w, path_of("ROLLBACK TO s%d", w->depth - 1));
        w->now = w->saved[w->depth - 1];
    } else if (what == 4) {
        exec(w, "COMMIT");
        w->in_transaction = false;
    } else if (what == 5) {
        exec(w, "ROLLBACK");
        w->now = w->begun;
        w->in_transaction = false;
    }
}

/*
 * numbers is in another database, so that a rollback here does not end the
 * readers that use it.
 */
static void
open_world(struct world *w)
{
    w->db = db_open(path_of("%s/test.db", scratch_dir()), NULL);
    exec(w, "PRAGMA journal_mode = wal");
    exec(w, "CREATE VIRTUAL TABLE t USING moss(key INTEGER PRIMARY KEY,"
            " value INTEGER, other, INDEX v(value))");
    exec(w, "CREATE VIRTUAL TABLE numbers USING moss(n INTEGER PRIMARY KEY)");
    for (int i = 0; i < KEYS; i++) {
        exec(w, path_of("INSERT INTO numbers VALUES(%d)", i));
        w->now.value[i] = NONE;
    }
    for (int i = 0; i < READERS; i++) {
        if (sqlite3_prepare_v2(w->db, queries[i], -1, &w->readers[i].stmt,
                               NULL) != SQLITE_OK)
            fail("%s: %s", queries[i], sqlite3_errmsg(w->db));
    }
}

/*
 * A SELECT that reads the past, begun while another statement stood half-way
 * which is finalized then: a change of a row that it gave is nobody's past.
 */
static void
try_past(struct world *w)
{
    sqlite3_stmt *half, *change, *past;

    if (harness_plain)
        return;
    exec(w, "CREATE TABLE ordinary(n)");
    exec(w, "CREATE VIRTUAL TABLE old USING moss(key PRIMARY KEY, value)");
    exec(w, "INSERT INTO old VALUES('a', 1)");
    exec(w, "INSERT INTO old(old) VALUES('flush')");
    change = db_prepared(w->db, "UPDATE old SET value = 2 WHERE key = 'a'");
    half =
        db_prepared(w->db, "INSERT INTO ordinary VALUES(1), (2) RETURNING n");
    if (sqlite3_step(half) != SQLITE_ROW)
        fail("RETURNING: %s", sqlite3_errmsg(w->db));
    past = db_prepared(w->db, "SELECT p.key FROM old AS n CROSS JOIN old AS p"
                              " WHERE p.key = n.key AND p.moss_commit ="
                              " (SELECT max(id) FROM moss_commits('old'))");
    if (sqlite3_step(past) != SQLITE_ROW)
        fail("the past: %s", sqlite3_errmsg(w->db));
    sqlite3_finalize(half);
    if (sqlite3_step(change) != SQLITE_DONE)
        fail("a change beside the past: %s", sqlite3_errmsg(w->db));
    sqlite3_finalize(change);
    sqlite3_finalize(past);
    if (db_int(w->db, "SELECT value FROM old") != 2)
        fail("a change beside the past was lost");
}

int
main(int argc, char **argv)
{
    static struct world w;
    long steps;

    harness_start(argc, argv, "--steps");
    steps = option_number("--steps", 20000);
    w.rng = rng_of(harness_seed, 0);
    open_world(&w);
    for (long i = 0; i < steps; i++) {
        unsigned what = rng_below(&w.rng, 10);

        if (what < 4)
            change(&w);
        else if (what < 6)
            transact(&w);
        else
            reader_go_on(&w, &w.readers[rng_below(&w.rng, READERS)]);
    }
    for (int i = 0; i < READERS; i++)
        sqlite3_finalize(w.readers[i].stmt);
    if (!sqlite3_get_autocommit(w.db))
        exec(&w, "COMMIT");
    try_past(&w);
    db_close(w.db);
    printf("%ld rows were those of the moment their cursor began\n", w.rows);
    return 0;
}
