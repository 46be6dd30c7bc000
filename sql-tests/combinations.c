/*
 * Features that meet: changing rows while past commits are read; MERGE columns
 * and indexes in transactions so large that a file of their own has them, with
 * savepoints, truncate, revert, and a copy of the files as a kill leaves them.
 * The same statements on an ordinary table say what the rows are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/crash_vfs.h"
#include "support/disk.h"
#include "support/harness.h"

static sqlite3 *
open_in(const char *dir)
{
    sqlite3 *db =
        db_open(path_of("%s/%s/test.db", scratch_dir(), dir), "crash");

    sqlite3_extended_result_codes(db, 1);
    db_must(db, "PRAGMA journal_mode = wal; PRAGMA synchronous = off");
    return db;
}

static sqlite3 *
begin_case(const char *name)
{
    printf("%s\n", name);
    fail_while(name);
    make_empty_dir(path_of("%s/run", scratch_dir()));
    return open_in("run");
}

/* ------------------------------------------------------------------ past */

static void
must_refuse(sqlite3 *db, const char *sql)
{
    char *before = db_text(db, "SELECT * FROM t UNION ALL SELECT * FROM u");
    int rc = db_run(db, sql);
    char *after;

    if (rc != SQLITE_READONLY)
        fail("%s\n  gave %d: %s", sql, rc, sqlite3_errmsg(db));
    after = db_text(db, "SELECT * FROM t UNION ALL SELECT * FROM u");
    if (strcmp(before, after) != 0)
        fail("%s\n  changed\n%sto\n%s", sql, before, after);
    free(before);
    free(after);
}

static void
refuse_all(sqlite3 *db)
{
    static const char *const wrong[] = {
        "DELETE FROM t WHERE moss_commit = (SELECT id FROM at)",
        "DELETE FROM t WHERE moss_commit = (SELECT id FROM at) AND a = 1",
        "DELETE FROM t WHERE moss_commit IN (SELECT id FROM at) AND a < 9",
        "DELETE FROM t WHERE moss_commit = (SELECT id FROM at)"
        " AND a IN (SELECT a FROM t)",
        "DELETE FROM t WHERE moss_commit = (SELECT id FROM at) AND b = 'x'",
        "DELETE FROM u WHERE moss_commit = (SELECT id FROM at)",
        "DELETE FROM u WHERE moss_commit = (SELECT id FROM at) AND a = 'p'",
        "UPDATE u SET b = 'bad', moss_commit = NULL"
        " WHERE moss_commit = (SELECT id FROM at)",
        "UPDATE t SET b = 'bad', moss_commit = NULL"
        " WHERE a = 1 AND moss_commit = (SELECT id FROM at)",
        "INSERT INTO o SELECT b FROM t",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        must_refuse(db, wrong[i]);
}

/* Today's rows, chosen by what the past has. */
static void
allow_all(sqlite3 *db)
{
    db_must(db, "SAVEPOINT s;"
                "DELETE FROM u WHERE a IN"
                " (SELECT a FROM u((SELECT id FROM at)) WHERE a = 'p')");
    db_expect(db, "SELECT a FROM u", "'q'\n");
    db_must(db, "DELETE FROM u WHERE a = 'q' AND EXISTS (SELECT 1 FROM"
                " u((SELECT id FROM at)) AS p WHERE p.a = u.a)");
    db_expect(db, "SELECT a FROM u", "");
    db_must(db, "ROLLBACK TO s;"
                "DELETE FROM u WHERE a NOT IN"
                " (SELECT a FROM u((SELECT id FROM at)));"
                "UPDATE u SET b = p.b FROM u((SELECT id FROM at)) AS p"
                " WHERE p.a = u.a");
    db_expect(db, "SELECT * FROM u", "'p'|'x'\n'q'|'y'\n");
    db_must(db, "ROLLBACK TO s; RELEASE s");
}

static void
past_rows(void)
{
    static const char *const readers[] = {
        "SELECT * FROM t, u",
        "SELECT t.rowid, u.a FROM t, u",
        ("SELECT t.rowid, u.a FROM t((SELECT id FROM at)) AS t,"
         " u((SELECT id FROM at)) AS u"),
    };
    sqlite3 *db = begin_case("the past is only read, whoever reads it, too");

    db_must(db, "CREATE VIRTUAL TABLE t USING moss(a INTEGER PRIMARY KEY, b,"
                " INDEX i(b));"
                "CREATE VIRTUAL TABLE u USING moss(a TEXT PRIMARY KEY, b);"
                "INSERT INTO t VALUES(1, 'x'), (2, 'y');"
                "INSERT INTO u VALUES('p', 'x'), ('q', 'y');"
                "INSERT INTO t(t) VALUES('flush');"
                "CREATE TABLE at AS SELECT max(id) AS id"
                " FROM moss_commits('t');"
                "UPDATE t SET b = 'now'; UPDATE u SET b = 'now';"
                "CREATE TABLE o(x); CREATE TRIGGER tr AFTER INSERT ON o BEGIN"
                " DELETE FROM t WHERE moss_commit = (SELECT id FROM at); END");
    refuse_all(db);
    allow_all(db);
    for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++) {
        sqlite3_stmt *reader;

        if (sqlite3_prepare_v2(db, readers[i], -1, &reader, NULL) !=
                SQLITE_OK ||
            sqlite3_step(reader) != SQLITE_ROW)
            fail("%s: %s", readers[i], sqlite3_errmsg(db));
        refuse_all(db);
        allow_all(db);
        db_must(db, "SAVEPOINT s; DELETE FROM t WHERE a = 1;"
                    "DELETE FROM u WHERE b = 'now'");
        db_expect(db, "SELECT a FROM t", "2\n");
        db_expect(db, "SELECT a FROM u", "");
        sqlite3_finalize(reader);
        db_must(db, "ROLLBACK TO s; RELEASE s");
    }
    db_must(db, "INSERT INTO t(t) VALUES('check')");
    db_close(db);
}

/* ----------------------------------------------------------------- large */

struct twins {
    const char *name;
    const char *create;   /* the moss table m */
    const char *ordinary; /* and its twin o */
    const char *conflict; /* what INSERT does in o where a row is */
    int width;            /* of each row */
};

static void
must_be_staged(bool wanted)
{
    const char *ls = path_of("ls %s/run/test.db-moss/moss-staged-* 2>/dev/null"
                             " >/dev/null",
                             scratch_dir());

    if ((system(ls) == 0) != wanted)
        fail(wanted ? "nothing is staged" : "something is staged");
}

/* On both; the verb and the table's name come before rest. */
static void
both(sqlite3 *db, const struct twins *w, const char *verb, const char *rest,
     bool insert)
{
    db_must(db, "%s m %s", verb, rest);
    db_must(db, "%s o %s%s", verb, rest, insert ? w->conflict : "");
}

/* n rows of keys from first on, repeated. */
static void
insert(sqlite3 *db, const struct twins *w, int first, int n, int keys)
{
    char rest[400];

    snprintf(rest, sizeof rest,
             "SELECT %d + i %% %d, 'n' || (%d + i %% %d), %d + i / %d,"
             " printf('%%0*d', %d, i) FROM c WHERE i < %d",
             first, keys, first, keys, first, keys, w->width, n);
    both(db, w, "INSERT INTO", rest, true);
}

static void
compare(sqlite3 *db)
{
    static const char select[] = "SELECT * FROM %s ORDER BY k";
    char *m = db_text(db, select, "m"), *o = db_text(db, select, "o");

    if (strcmp(m, o) != 0)
        fail("other rows than an ordinary table:\n%.600s\nnot\n%.600s", m, o);
    free(m);
    free(o);
    m = db_text(db, "SELECT k, n FROM m WHERE n > 'n5' ORDER BY n");
    o = db_text(db, "SELECT k, n FROM o WHERE n > 'n5' ORDER BY n");
    if (strcmp(m, o) != 0)
        fail("other rows by n:\n%.600s\nnot\n%.600s", m, o);
    free(m);
    free(o);
}

static void
change(sqlite3 *db, const struct twins *w)
{
    int keys = w->conflict[0] == '\0' ? 900 : 90;

    db_must(db, "BEGIN");
    insert(db, w, 1000, 900, keys);
    compare(db);
    both(db, w, "DELETE FROM", "WHERE k % 7 = 0", false);
    db_must(db, "SAVEPOINT a");
    both(db, w, "UPDATE", "SET s = s + 1000 WHERE k % 5 = 0", false);
    if (w->conflict[0] != '\0')
        insert(db, w, 1000, 500, 50);
    compare(db);
    db_must(db, "SAVEPOINT b");
    both(db, w, "DELETE FROM", "WHERE k % 3 = 0", false);
    insert(db, w, 5000, 800, keys);
    compare(db);
    db_must(db, "ROLLBACK TO b");
    compare(db);
    both(db, w, "REPLACE INTO", "VALUES(1003, 'n1003', 5, 'r')", false);
    if (w->conflict[0] != '\0')
        both(db, w, "INSERT INTO", "VALUES(1003, 'n1003', 6, 't')", true);
    both(db, w, "DELETE FROM", "WHERE k = 1004", false);
    both(db, w, "INSERT INTO", "VALUES(1004, 'n1004', 7, 'u')", true);
    insert(db, w, 3000, 40, 40);
    compare(db);
    db_must(db, "COMMIT");
    compare(db);
}

/* Empty m in a large transaction, put rows in, and go back to the past. */
static void
empty(sqlite3 *db, const struct twins *w)
{
    db_must(db, "INSERT INTO m(m) VALUES('flush');"
                "CREATE TABLE at AS SELECT max(id) AS id"
                " FROM moss_commits('m');"
                "CREATE TABLE was AS SELECT * FROM o;"
                "BEGIN; SAVEPOINT a; INSERT INTO m(m) VALUES('truncate');"
                "DELETE FROM o");
    insert(db, w, 1, 900, 900);
    compare(db);
    db_must(db, "ROLLBACK TO a");
    compare(db);
    insert(db, w, 7000, 800, 800);
    db_must(db, "INSERT INTO m(m) VALUES('truncate'); DELETE FROM o");
    insert(db, w, 1000, 900, 900);
    db_must(db, "COMMIT");
    compare(db);
    db_must(db, "BEGIN; INSERT INTO m(m, arg) SELECT 'revert', id FROM at;"
                "DELETE FROM o; INSERT INTO o SELECT * FROM was");
    compare(db);
    insert(db, w, 9000, 3, 3);
    db_must(db, "COMMIT; INSERT INTO m(m) VALUES('check');"
                "DELETE FROM o; INSERT INTO o SELECT * FROM"
                " m((SELECT id FROM at))");
    db_expect(db,
              "SELECT count(*) FROM (SELECT * FROM o EXCEPT"
              " SELECT * FROM was)",
              "0\n");
    db_must(db, "DELETE FROM o; INSERT INTO o SELECT * FROM was");
    both(db, w, "DELETE FROM", "WHERE k >= 9000", false);
    compare(db);
}

static void
large(const struct twins *w)
{
    sqlite3 *db = begin_case(w->name);

    db_must(db,
            "CREATE VIRTUAL TABLE m USING moss(%s); CREATE TABLE o(%s);"
            "CREATE VIEW c AS WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL"
            " SELECT i + 1 FROM c WHERE i < 999) SELECT i FROM c",
            w->create, w->ordinary);
    insert(db, w, 100, 20, 20);
    db_close(db);
    db = open_in("run");
    db_must(db, "DELETE FROM m WHERE k < 0");
    disk_fail(DISK_MOSS, DISK_SYNC, 1, EIO, true);
    change(db, w);
    must_be_staged(w->width > 500);
    copy_tree(path_of("%s/run", scratch_dir()),
              path_of("%s/copy", scratch_dir()));
    disk_heal();
    for (int i = 0; i < 2; i++) {
        sqlite3 *copy = open_in("copy");

        compare(copy);
        db_must(copy, "INSERT INTO m(m) VALUES('check')");
        insert(copy, w, 6000, 2, 2);
        both(copy, w, "DELETE FROM", "WHERE k >= 6000", false);
        db_must(copy, "INSERT INTO m(m) VALUES('flush')");
        compare(copy);
        db_close(copy);
    }
    empty(db, w);
    db_close(db);
    db = open_in("run");
    compare(db);
    db_must(db, "INSERT INTO m(m) VALUES('check')");
    db_close(db);
}

#define MERGES                                                                 \
    " ON CONFLICT DO UPDATE SET s = s + excluded.s,"                           \
    " n = excluded.n, v = v || excluded.v"
#define MERGE_COLUMNS                                                          \
    "k INTEGER PRIMARY KEY, n MERGE last, s INTEGER MERGE sum, v TEXT"         \
    " MERGE append"
#define PLAIN_COLUMNS "k INTEGER PRIMARY KEY, n, s INTEGER, v TEXT"
#define INDEXES "k INTEGER PRIMARY KEY, n UNIQUE, s INTEGER, v TEXT, INDEX i(s)"

static const struct twins all_twins[] = {
    { "merges, a large transaction", MERGE_COLUMNS, PLAIN_COLUMNS, MERGES,
      1000 },
    { "merges, a small transaction", MERGE_COLUMNS, PLAIN_COLUMNS, MERGES, 10 },
    { "indexes, a large transaction", INDEXES, PLAIN_COLUMNS, "", 1000 },
    { "indexes, a small transaction", INDEXES, PLAIN_COLUMNS, "", 10 },
};

int
main(int argc, char **argv)
{
    harness_start(argc, argv, "");
    if (harness_plain)
        fail("ordinary tables have neither a past nor MERGE columns");
    crash_vfs_register();
    moss_ext_set_os(crash_os());
    past_rows();
    for (size_t i = 0; i < sizeof(all_twins) / sizeof(*all_twins); i++)
        large(&all_twins[i]);
    printf("what meets leaves the rows that it should\n");
    return 0;
}
