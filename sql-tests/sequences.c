/*
 * Sequences of transactions, savepoints and DDL on up to three connections,
 * each run twice: on moss tables and on ordinary ones.  Every statement must
 * give the same result code, message and rows on both sides, and so must all
 * tables at the end, after a reopen where there is a file.
 *
 *   sequences [--only NAME] [--mode wal|delete|memdb|memory] [--verbose]
 *
 * A script has a statement a line, after the connection's number:
 *   1 SQL          the same on both sides
 *   1~LOCKED SQL   the ordinary side succeeds; the moss side may answer so
 *   1? SQL         the same code on both sides, rows and message may differ
 *   1 make t       CREATE of a table with columns key and value
 *   1 close        close the connection; it is opened again when needed
 * $D in a script stands for one of several DDL statements in turn, $E for
 * COMMIT and ROLLBACK.  Tables t, u, v are of the side's kind, o is ordinary.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"
#include "sequences_scripts.h"

enum { CONNECTIONS = 3 };

/* The first ever tables of a database, made and undone; without t and u. */
static const struct script first_scripts[] = {
    { "first_create_undone_by_savepoint", ALL,
      "1 BEGIN\n"
      "1 SAVEPOINT s\n"
      "1 make t\n"
      "1 INSERT INTO t VALUES(1, 'x')\n"
      "1 ROLLBACK TO s\n"
      "1 INSERT INTO o VALUES(1, 'x')\n"
      "1 $E\n"
      "1 SELECT * FROM t\n"
      "1 make t\n"
      "1 INSERT INTO t VALUES(2, 'y')\n" },
    { "first_create_rolled_back", ALL,
      "1 BEGIN\n"
      "1 make t\n"
      "1 INSERT INTO t VALUES(1, 'x')\n"
      "1 ROLLBACK\n"
      "1 make t\n"
      "1 SELECT * FROM t\n"
      "1 INSERT INTO t VALUES(2, 'y')\n" },
    { "first_create_and_drop_in_one", ALL,
      "1 BEGIN\n"
      "1 make t\n"
      "1 INSERT INTO t VALUES(1, 'x')\n"
      "1 DROP TABLE t\n"
      "1 $E\n"
      "1 make t\n"
      "1 SELECT * FROM t\n" },
    { "first_create_by_two_connections", MANY,
      "1 BEGIN\n"
      "1 make t\n"
      "2 make u\n"
      "1 COMMIT\n"
      "2 make u\n"
      "2 INSERT INTO u VALUES(1, 'x')\n"
      "1 INSERT INTO t SELECT * FROM u\n"
      "2 SELECT * FROM t\n" },
    { "first_create_undone_after_busy_commit", FILES,
      "2 BEGIN\n"
      "2 SELECT * FROM o\n"
      "1 BEGIN\n"
      "1 SAVEPOINT s\n"
      "1 make t\n"
      "1 INSERT INTO t VALUES(1, 'x')\n"
      "1 COMMIT\n"
      "1 ROLLBACK TO s\n"
      "1 make t\n"
      "1 INSERT INTO t VALUES(2, 'y')\n"
      "2 COMMIT\n"
      "1 COMMIT\n"
      "1 close\n"
      "2 SELECT * FROM t\n" },
    { "first_create_undone_then_closed", FILES,
      "1 BEGIN\n"
      "1 make t\n"
      "1 close\n"
      "1 SELECT * FROM o\n"
      "1 close\n"
      "1 make t\n"
      "1 INSERT INTO t VALUES(1, 'x')\n" },
};

static const char *const ddl[] = {
    "CREATE TABLE x(y)",
    "CREATE INDEX oi ON o(b)",
    "ALTER TABLE o ADD COLUMN z",
    "make v",
    "ALTER TABLE u RENAME TO v",
    "ALTER TABLE t RENAME TO v",
    "CREATE VIEW w AS SELECT * FROM t",
    "DROP TABLE o",
    "PRAGMA user_version = 7",
    "ANALYZE o",
    "CREATE TEMP TABLE x(y)",
};

/* ---------------------------------------------------------------- sides */

struct side {
    bool plain;
    char path[600]; /* as it is opened */
    bool is_memory; /* gone with the last connection */
    const char *journal;
    sqlite3 *db[CONNECTIONS];
    char *result; /* of the last statement */
};

static sqlite3 *
connection(struct side *s, int i)
{
    if (s->db[i] == NULL) {
        bool wanted = harness_plain;
        harness_plain = s->plain;
        s->db[i] = db_open(s->path, NULL);
        harness_plain = wanted;
        sqlite3_busy_timeout(s->db[i], 0);
        /* For speed only; it may be locked out. */
        (void)db_run(s->db[i], "PRAGMA synchronous = off");
    }
    return s->db[i];
}

static void
close_side(struct side *s)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        if (s->db[i] != NULL)
            db_close(s->db[i]);
        s->db[i] = NULL;
    }
}

/* The statement as this side runs it; $F is its file.  To be freed. */
static char *
spell(const struct side *s, const char *sql)
{
    char *out = NULL;
    const char *file = strstr(sql, "$F");

    if (strncmp(sql, "make ", 5) == 0)
        text_append(&out, create_sql(s->plain), sql + 5);
    else if (file != NULL)
        text_append(&out, "%.*s%s%s", (int)(file - sql), sql, s->path,
                    file + 2);
    else
        text_append(&out, "%s", sql);
    return out;
}

/* Run a statement: its code, message and rows become s->result. */
static int
run_statement(struct side *s, int conn, const char *sql)
{
    char *rows = NULL;

    free(s->result);
    s->result = NULL;
    if (strcmp(sql, "close") == 0) {
        if (s->db[conn] != NULL)
            db_close(s->db[conn]);
        s->db[conn] = NULL;
        text_append(&s->result, "closed\n");
        return SQLITE_OK;
    }
    sqlite3 *db = connection(s, conn);
    char *spelled = spell(s, sql);
    int rc = db_rows(db, spelled, &rows);
    text_append(&s->result, "%d %s\n%s", rc,
                rc == SQLITE_OK ? "" : sqlite3_errmsg(db), rows ? rows : "");
    free(rows);
    free(spelled);
    return rc;
}

/* ------------------------------------------------------------------ run */

struct variant {
    const struct script *script;
    bool is_first;
    const char *mode;
    const char *ddl, *end; /* for $D and $E; NULL: has none */
};

_Noreturn static void
fail_variant(const struct variant *v, const char *sql, const struct side *moss,
             const struct side *plain)
{
    fail("%s (%s%s%s%s%s)\n  at: %s\nmoss:     %sordinary: %s", v->script->name,
         v->mode, v->ddl ? ", " : "", v->ddl ? v->ddl : "", v->end ? ", " : "",
         v->end ? v->end : "", sql, moss->result, plain->result);
}

static void
open_side(struct side *s, const struct variant *v, const char *name, bool plain)
{
    static int turn;

    memset(s, 0, sizeof *s);
    s->plain = plain;
    s->is_memory = v->mode[0] == 'm';
    if (strcmp(v->mode, "memory") == 0)
        snprintf(s->path, sizeof s->path, ":memory:");
    else if (strcmp(v->mode, "memdb") == 0)
        snprintf(s->path, sizeof s->path, "file:/side%d?vfs=memdb", turn++);
    else
        snprintf(s->path, sizeof s->path, "%s/run/%s.db", scratch_dir(), name);
    sqlite3 *db = connection(s, 0);
    if (!s->is_memory)
        db_must(db, "PRAGMA journal_mode = %s", v->mode);
    db_must(db, "CREATE TABLE o(key PRIMARY KEY, b);"
                "INSERT INTO o VALUES(1,'one'),(2,'two'),(3,'three')");
    if (v->is_first)
        return;
    for (int i = 0; i < 2; i++) {
        const char *table = i == 0 ? "t" : "u";
        db_must(db, create_sql(plain), table);
        db_must(db,
                "INSERT INTO %s VALUES(1,'one'),(2,'two'),(3,NULL),"
                "('text', 2.5)",
                table);
    }
}

/* 0-based connection of a line; *sql its statement, *may what follows 1. */
static int
parse_line(char *line, char **sql, char **may)
{
    *may = NULL;
    *sql = strchr(line, ' ');
    if (!isdigit((unsigned char)line[0]) || *sql == NULL)
        fail("bad line: %s", line);
    *(*sql)++ = '\0';
    if (line[1] == '~' || line[1] == '?')
        *may = line + 1;
    return line[0] - '1';
}

static void
run_line(const struct variant *v, char *line, struct side *moss,
         struct side *plain)
{
    char *sql, *may;
    int conn = parse_line(line, &sql, &may);

    if (strcmp(sql, "$D") == 0)
        sql = (char *)(uintptr_t)v->ddl;
    if (strcmp(sql, "$E") == 0)
        sql = (char *)(uintptr_t)v->end;
    int rc = run_statement(moss, conn, sql);
    int rc_plain = run_statement(plain, conn, sql);
    if (option_given("--verbose"))
        printf("  %d %s -> %s", conn + 1, sql, moss->result);
    if (may != NULL) {
        bool fine = *may == '?' ? rc == rc_plain
                                : rc_plain == SQLITE_OK &&
                                      (rc == SQLITE_OK || rc == SQLITE_LOCKED);
        if (!fine)
            fail_variant(v, sql, moss, plain);
    } else if (strcmp(moss->result, plain->result) != 0) {
        fail_variant(v, sql, moss, plain);
    }
}

/* All tables, as far as they are there, must be alike. */
static void
compare_end(const struct variant *v, struct side *moss, struct side *plain)
{
    static const char *const queries[] = {
        "SELECT * FROM main.t",   "SELECT * FROM main.u",
        "SELECT * FROM main.v",   "SELECT * FROM main.w",
        "SELECT * FROM main.o",   "SELECT value FROM t ORDER BY key DESC",
        "PRAGMA integrity_check",
    };

    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        run_statement(moss, 0, queries[i]);
        run_statement(plain, 0, queries[i]);
        if (strcmp(moss->result, plain->result) != 0)
            fail_variant(v, queries[i], moss, plain);
    }
}

static void
run_variant(const struct variant *v)
{
    struct side moss, plain;
    char *text = NULL, *save = NULL;

    make_empty_dir(path_of("%s/run", scratch_dir()));
    text_append(&text, "%s", v->script->text);
    open_side(&moss, v, "moss", harness_plain);
    open_side(&plain, v, "plain", true);
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save))
        run_line(v, line, &moss, &plain);
    run_statement(&moss, 0, "ROLLBACK");
    run_statement(&plain, 0, "ROLLBACK");
    compare_end(v, &moss, &plain);
    if (!moss.is_memory) {
        close_side(&moss);
        close_side(&plain);
        compare_end(v, &moss, &plain);
    }
    close_side(&moss);
    close_side(&plain);
    free(moss.result);
    free(plain.result);
    free(text);
}

/* Every mode, DDL statement and end of a script; how many that were. */
static long
run_script(const struct script *s, bool is_first)
{
    static const struct {
        const char *name;
        unsigned where;
    } modes[] = { { "wal", FILES | WAL },
                  { "delete", FILES | DELETE_MODE },
                  { "memdb", SHARED },
                  { "memory", PRIVATE } };
    bool has_ddl = strstr(s->text, "$D") != NULL;
    bool has_end = strstr(s->text, "$E") != NULL;
    const char *only = option_text("--mode", NULL);
    size_t n_ddl = has_ddl ? sizeof ddl / sizeof *ddl : 1;
    long runs = 0;

    for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
        if (!(s->where & modes[m].where) ||
            (only != NULL && strcmp(only, modes[m].name) != 0))
            continue;
        for (size_t i = 0; i < n_ddl * (has_end ? 2 : 1); i++) {
            struct variant v = { .script = s,
                                 .is_first = is_first,
                                 .mode = modes[m].name,
                                 .ddl = has_ddl ? ddl[i % n_ddl] : NULL,
                                 .end = !has_end    ? NULL
                                        : i < n_ddl ? "COMMIT"
                                                    : "ROLLBACK" };
            run_variant(&v);
            runs++;
        }
    }
    return runs;
}

int
main(int argc, char **argv)
{
    harness_start(argc, argv, "--only --mode --verbose");
    const char *only = option_text("--only", NULL);
    size_t n = sizeof scripts / sizeof *scripts;
    size_t n_first = sizeof first_scripts / sizeof *first_scripts;
    size_t done = 0;
    long runs = 0;

    for (size_t i = 0; i < n + n_first; i++) {
        const struct script *s = i < n ? &scripts[i] : &first_scripts[i - n];
        if (only != NULL && strcmp(only, s->name) != 0)
            continue;
        runs += run_script(s, i >= n);
        done++;
    }
    if (runs == 0)
        fail("no such sequence or mode");
    printf("%zu sequences, %ld variants: as ordinary tables\n", done, runs);
    return 0;
}
