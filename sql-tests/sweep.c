/*
 * What fails half-way through CREATE, a bulk insert, ROLLBACK TO, DROP or
 * COMMIT leaves the database as it was before the transaction, or as it is
 * after; a moss table and its ordinary twin alike; and nothing is leaked.
 *
 *     sweep [--seed N] [--every] [--only SCRIPT] [--fault FAULT] [--nth N]
 *
 * Each script runs again and again while the n-th allocation of SQLite's
 * allocator (the extension's is the same), the n-th of the library's, or the
 * n-th call of one kind on SQLite's or moss's files fails: n goes up until
 * nothing fails any more, by one with --every, else faster.  The fault is gone
 * before the state is looked at, on the same connection, then on a new one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/crash_vfs.h"
#include "support/disk.h"
#include "support/harness.h"

/* ---------------------------------------------------------------- memory */

/* Who fails: the n-th allocation from now, and with keep all after it. */
struct countdown {
    pthread_mutex_t mu; /* the library allocates in threads of its own */
    long left;          /* 0: none */
    bool keep, hit;
};

static struct countdown in_sqlite = { .mu = PTHREAD_MUTEX_INITIALIZER };
static struct countdown in_library = { .mu = PTHREAD_MUTEX_INITIALIZER };
static sqlite3_mem_methods real;

static bool
must_fail(struct countdown *c)
{
    bool fails;

    pthread_mutex_lock(&c->mu);
    fails = c->hit && c->keep;
    if (!fails && c->left > 0 && --c->left == 0)
        fails = c->hit = true;
    pthread_mutex_unlock(&c->mu);
    return fails;
}

static void
arm(struct countdown *c, long n, bool keep)
{
    pthread_mutex_lock(&c->mu);
    c->left = n;
    c->keep = keep;
    c->hit = false;
    pthread_mutex_unlock(&c->mu);
}

/* Stop failing; did it ever? */
static bool
disarm(struct countdown *c)
{
    bool hit;

    pthread_mutex_lock(&c->mu);
    hit = c->hit;
    c->left = 0;
    c->keep = c->hit = false;
    pthread_mutex_unlock(&c->mu);
    return hit;
}

static void *
failing_malloc(int n)
{
    return must_fail(&in_sqlite) ? NULL : real.xMalloc(n);
}

static void *
failing_realloc(void *p, int n)
{
    return must_fail(&in_sqlite) ? NULL : real.xRealloc(p, n);
}

static void *
library_alloc(void *ctx, size_t n)
{
    (void)ctx;
    return must_fail(&in_library) ? NULL : malloc(n);
}

static void *
library_realloc(void *ctx, void *p, size_t n)
{
    (void)ctx;
    return must_fail(&in_library) ? NULL : realloc(p, n);
}

static void
library_free(void *ctx, void *p)
{
    (void)ctx;
    free(p);
}

static void
install(void)
{
    static const struct moss_allocator allocator = { library_alloc,
                                                     library_realloc,
                                                     library_free, NULL };
    sqlite3_mem_methods failing;

    moss_set_allocator(&allocator);
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
    failing = real;
    failing.xMalloc = failing_malloc;
    failing.xRealloc = failing_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
    /* Every allocation goes through ours. */
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
}

/* --------------------------------------------------------------- scripts */

/* Columns of the tables m (moss) and o (ordinary), and of their followers. */
#define COLUMNS "a TEXT, b INTEGER, c, PRIMARY KEY(a, b DESC)"
/* n rows with values of size bytes. */
#define ROWS(n, size)                                                          \
    " WITH RECURSIVE s(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s"          \
    " LIMIT " #n ") SELECT 'r' || (x * 7919 & 1023), x, zeroblob(" #size ")"   \
    " FROM s"

/* The same with texts, which may be appended. */
#define TEXTS(n, size)                                                         \
    " WITH RECURSIVE s(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s"          \
    " LIMIT " #n ") SELECT 'r' || (x % 60), 1,"                                \
    " printf('%.*c', " #size ", 'x') FROM s WHERE true"

static const char setup[] =
    "CREATE VIRTUAL TABLE m USING moss(" COLUMNS ");"
    "CREATE TABLE o(" COLUMNS ") WITHOUT ROWID;"
    "INSERT INTO m VALUES('a', 1, 'one'), ('a', 2, 2.5), ('b', 1, x'00');"
    "INSERT INTO o SELECT * FROM m";

#define UNIQUES ", UNIQUE(b), UNIQUE(c, a)"
static const char indexed[] =
    "CREATE VIRTUAL TABLE m USING moss(" COLUMNS UNIQUES ", INDEX by_c(c, b));"
    "CREATE TABLE o(" COLUMNS UNIQUES ") WITHOUT ROWID;"
    "INSERT INTO m VALUES('a', 1, 'one'), ('a', 2, 2.5), ('b', 3, x'00'),"
    " ('c', 4, 'four');"
    "INSERT INTO o SELECT * FROM m";

/* A row that is inserted again has the text behind its own. */
static const char merging[] =
    "CREATE VIRTUAL TABLE m USING moss(a TEXT, b INTEGER, c TEXT MERGE append,"
    " PRIMARY KEY(a, b DESC));"
    "CREATE TABLE o(" COLUMNS ") WITHOUT ROWID;"
    "INSERT INTO m VALUES('a', 1, 'one'), ('a', 2, 'two'), ('r1', 1, NULL);"
    "INSERT INTO o SELECT * FROM m";
#define MERGE                                                                  \
    " ON CONFLICT DO UPDATE SET c = coalesce(c || excluded.c, c, excluded.c)"

/*
 * The statements of a script are one transaction.  Those with %s are said
 * for each side, with "m" or "o" for it.
 */
static const struct script {
    const char *name;
    const char *setup; /* NULL: an empty database */
    const char *statements[9];
    bool few_ways;
} scripts[] = {
    { "create-first",
      NULL,
      { "CREATE VIRTUAL TABLE m2 USING moss(" COLUMNS ")",
        "CREATE TABLE o2(" COLUMNS ") WITHOUT ROWID",
        "INSERT INTO %s2 VALUES('new', 1, 2)" },
      false },
    { "create",
      setup,
      { "CREATE VIRTUAL TABLE m2 USING moss(" COLUMNS ")",
        "CREATE TABLE o2(" COLUMNS ") WITHOUT ROWID",
        "INSERT INTO %s2 SELECT * FROM %s",
        "UPDATE %s SET c = 'made' WHERE a = 'a'" },
      false },
    { "bulk",
      setup,
      { "INSERT INTO %s" ROWS(700, 1000), "DELETE FROM %s WHERE b = 5",
        "UPDATE %s SET b = b + 1000 WHERE b < 4" },
      false },
    { "rollback-to",
      setup,
      { "INSERT INTO %s VALUES('c', 1, 'kept')", "SAVEPOINT s",
        "INSERT INTO %s" ROWS(40, 200), "DELETE FROM %s WHERE a = 'a'",
        "UPDATE %s SET a = 'z' WHERE a = 'b' AND b = 1", "ROLLBACK TO s",
        "REPLACE INTO %s VALUES('a', 2, 'again')", "RELEASE s" },
      false },
    { "drop",
      setup,
      { "INSERT INTO %s VALUES('c', 1, 'lost')", "DROP TABLE %s" },
      false },
    { "drop-and-write",
      "CREATE VIRTUAL TABLE m2 USING moss(" COLUMNS ");"
      "CREATE TABLE o2(" COLUMNS ") WITHOUT ROWID;"
      "CREATE VIRTUAL TABLE m USING moss(" COLUMNS ");"
      "CREATE TABLE o(" COLUMNS ") WITHOUT ROWID;"
      "INSERT INTO m" ROWS(20, 10) "; INSERT INTO o" ROWS(
          20,
          10) "; DROP TABLE m2; DROP TABLE o2", /* is swept with the next changes */
      { "DELETE FROM %s WHERE b > 3",
        "CREATE VIRTUAL TABLE m3 USING moss(" COLUMNS ")",
        "CREATE TABLE o3(" COLUMNS ") WITHOUT ROWID",
        "INSERT INTO %s3 SELECT * FROM %s", "DROP TABLE %s" },
      false },
    { "indexed",
      indexed,
      { "INSERT INTO %s VALUES('d', 5, 'five'), ('d', 6, NULL)",
        "REPLACE INTO %s VALUES('d', 5, 'one'), ('e', 3, 'one')", "SAVEPOINT s",
        "UPDATE %s SET b = b + 100, c = a || b", "DELETE FROM %s WHERE b > 104",
        "ROLLBACK TO s",
        "UPDATE OR IGNORE %s SET b = 1, c = 'moved' WHERE a >= 'b'",
        "UPDATE OR REPLACE %s SET b = 2 WHERE a = 'e'" },
      true },
    { "indexed-staged",
      indexed,
      { "DELETE FROM %s", "INSERT INTO %s" ROWS(35, 9500),
        "DELETE FROM %s WHERE b = 5",
        "UPDATE %s SET b = b + 1000 WHERE a = 'r1'" },
      true },
    { "merging",
      merging,
      { "INSERT INTO m VALUES('a', 2, '+'), ('n', 1, 'new'), ('a', 2, '+')",
        "INSERT INTO o VALUES('a', 2, '+'), ('n', 1, 'new'), ('a', 2, "
        "'+')" MERGE,
        "SAVEPOINT s", "INSERT INTO m VALUES('a', 1, 'undone')",
        "DELETE FROM m WHERE a = 'n'", "ROLLBACK TO s",
        "UPDATE %s SET c = c || '!' WHERE a = 'a'",
        "INSERT INTO m VALUES('a', 1, '?')",
        "INSERT INTO o VALUES('a', 1, '?')" MERGE },
      true },
    { "merging-staged",
      merging,
      { "INSERT INTO m" TEXTS(130, 5000),
        "INSERT INTO o" TEXTS(130, 5000) MERGE },
      true },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
enum { STATEMENTS = 9 };

/* ---------------------------------------------------------------- faults */

static const struct fault {
    const char *name;
    struct countdown *memory; /* or NULL: the disk */
    enum disk_layer layer;
    unsigned ops;
    int sys_errno;
    bool keep;
} faults[] = {
    { "memory-once", &in_sqlite, 0, 0, 0, false },
    { "memory", &in_sqlite, 0, 0, 0, true },
    { "library-memory-once", &in_library, 0, 0, 0, false },
    { "library-memory", &in_library, 0, 0, 0, true },
    { "moss-read-once", NULL, DISK_MOSS, DISK_READ, EIO, false },
    { "moss-once", NULL, DISK_MOSS, DISK_WRITE | DISK_SYNC | DISK_NAME, EIO,
      false },
    { "moss", NULL, DISK_MOSS, DISK_READ | DISK_WRITE | DISK_SYNC | DISK_NAME,
      EIO, true },
    { "moss-full", NULL, DISK_MOSS, DISK_WRITE | DISK_NAME, ENOSPC, true },
    { "sqlite-read-once", NULL, DISK_SQLITE, DISK_READ, EIO, false },
    { "sqlite-once", NULL, DISK_SQLITE, DISK_WRITE | DISK_SYNC | DISK_NAME, EIO,
      false },
    { "sqlite", NULL, DISK_SQLITE,
      DISK_READ | DISK_WRITE | DISK_SYNC | DISK_NAME, EIO, true },
    { "sqlite-full", NULL, DISK_SQLITE, DISK_WRITE | DISK_NAME, ENOSPC, true },
};

static void
begin_fault(const struct fault *f, long n)
{
    if (f->memory != NULL)
        arm(f->memory, n, f->keep);
    else
        disk_fail(f->layer, f->ops, n, f->sys_errno, f->keep);
}

static bool
end_fault(const struct fault *f)
{
    return f->memory != NULL ? disarm(f->memory) : disk_heal();
}

/* ------------------------------------------------------------------ runs */

struct run {
    const struct script *script;
    const struct fault *fault; /* NULL: none */
    const char *journal;
    bool in_memory;
    bool is_cold; /* the script opens the database and the store */
    sqlite3 *db;
    char *before, *after; /* states */
    sqlite3_int64 kept;   /* memory with nothing open */
    long errors;
};

static void
open_run(struct run *r)
{
    r->db = r->in_memory
                ? db_open(":memory:", NULL)
                : db_open(path_of("%s/run/t.db", scratch_dir()), "crash");
    sqlite3_busy_timeout(r->db, 100);
    db_must(r->db, "PRAGMA journal_mode = %s; PRAGMA synchronous = normal",
            r->journal);
}

/* The rows of all tables of a side, under the names they have without it. */
static char *
side_state(sqlite3 *db, char side)
{
    char *names =
        db_text(db,
                "SELECT group_concat(substr(name, 2), ' ') FROM (SELECT"
                " name FROM sqlite_schema WHERE type = 'table' AND name"
                " GLOB '%c' || '*' AND length(name) < 3 ORDER BY name)",
                side);
    char *state = NULL, *save = NULL;

    text_append(&state, "tables %s", names);
    for (const char *p = " 123"; *p != '\0'; p++) {
        char name[3] = { side, *p == ' ' ? '\0' : *p, '\0' };

        if (db_int(db, "SELECT count(*) FROM sqlite_schema WHERE name = '%s'",
                   name) == 0)
            continue;
        save = db_text(db, "SELECT a, b, c FROM %s ORDER BY a, b", name);
        text_append(&state, "-- %s\n%s", name + 1, save);
        free(save);
        if (side == 'm')
            db_must(db, "INSERT INTO %s(%s) VALUES('check')", name, name);
        /* Backwards, and by the key. */
        if (db_int(db,
                   "SELECT count(*) FROM %s AS x JOIN %s AS y ON x.a = y.a"
                   " AND x.b = y.b",
                   name, name) != db_int(db, "SELECT count(*) FROM %s", name))
            fail("%s is not what its keys say", name);
    }
    free(names);
    return state;
}

/* The state of both sides, which must be the same; to be freed. */
static char *
read_state(sqlite3 *db)
{
    char *moss = side_state(db, 'm'), *ordinary = side_state(db, 'o');

    if (strcmp(moss, ordinary) != 0)
        fail("the moss tables are\n%sthe ordinary ones\n%s", moss, ordinary);
    free(ordinary);
    return moss;
}

static int
run_statement(sqlite3 *db, const char *statement)
{
    int rc = SQLITE_OK;

    if (strstr(statement, "%s") == NULL)
        return db_run(db, statement);
    for (int side = 0; side < 2 && rc == SQLITE_OK; side++) {
        const char *name = side ? "o" : "m";
        char sql[600];

        /* The second name, if there is one. */
        snprintf(sql, sizeof sql, statement, name, name);
        rc = db_run(db, sql);
    }
    return rc;
}

/* The transaction; the code of what failed. */
static int
run_script(const struct run *r)
{
    const char *const *statements = r->script->statements;
    int rc = db_run(r->db, "BEGIN");

    for (int i = 0; rc == SQLITE_OK && i < STATEMENTS && statements[i]; i++)
        rc = run_statement(r->db, statements[i]);
    return rc == SQLITE_OK ? db_run(r->db, "COMMIT") : rc;
}

/* May the fault have given this? */
static void
check_code(struct run *r, int rc)
{
    int code = rc & 0xff;
    bool good;

    if (r->fault->memory != NULL)
        good = code == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM;
    else
        good = code == SQLITE_IOERR || code == SQLITE_FULL ||
               code == SQLITE_CANTOPEN;
    if (!good)
        fail("code %d: %s", rc, sqlite3_errmsg(r->db));
    r->errors++;
}

static void
check_state(struct run *r, int rc, const char *where)
{
    char *state = read_state(r->db);

    if (strcmp(state, r->after) != 0 &&
        (rc == SQLITE_OK || strcmp(state, r->before) != 0))
        fail("%s, after code %d, the tables are\n%snot\n%s%s%s", where, rc,
             state, rc == SQLITE_OK ? "" : r->before,
             rc == SQLITE_OK ? "" : "or\n", r->after);
    free(state);
}

static void
start_run(struct run *r)
{
    make_empty_dir(path_of("%s/run", scratch_dir()));
    open_run(r);
    if (r->script->setup != NULL)
        db_must(r->db, "%s", r->script->setup);
    if (r->is_cold) {
        db_close(r->db);
        open_run(r);
    }
}

/* Run the script with the n-th call failing; true if it came to that. */
static bool
run_once(struct run *r, long n)
{
    char doing[200];
    bool was_hit;
    int rc;

    snprintf(doing, sizeof doing, "%s, %s: --only %s --fault %s --nth %ld",
             r->journal, r->is_cold ? "cold" : "warm", r->script->name,
             r->fault->name, n);
    fail_while(doing);
    start_run(r);
    begin_fault(r->fault, n);
    rc = run_script(r);
    if (rc != SQLITE_OK)
        check_code(r, rc);
    /* With the fault still there, if it stays. */
    if (!sqlite3_get_autocommit(r->db))
        (void)db_run(r->db, "ROLLBACK");
    was_hit = end_fault(r->fault);
    if (rc != SQLITE_OK && !was_hit)
        fail("an error without a fault");
    if (!sqlite3_get_autocommit(r->db))
        db_must(r->db, "ROLLBACK");
    check_state(r, rc, "here");
    if (!r->in_memory) {
        db_close(r->db);
        open_run(r);
        check_state(r, rc, "opened again");
    }
    db_close(r->db);
    if (sqlite3_memory_used() != r->kept)
        fail("%lld bytes leaked", (long long)(sqlite3_memory_used() - r->kept));
    fail_while(NULL);
    return was_hit;
}

/* What there is before and after the script, when nothing fails. */
static void
run_first(struct run *r)
{
    start_run(r);
    r->before = read_state(r->db);
    if (run_script(r) != SQLITE_OK)
        fail("%s, without a fault: %s", r->script->name, sqlite3_errmsg(r->db));
    r->after = read_state(r->db);
    if (strcmp(r->before, r->after) == 0)
        fail("%s changes nothing", r->script->name);
    db_close(r->db);
    r->kept = sqlite3_memory_used();
}

/* The thread sanitizer makes calls dear, and faults are not its business. */
#ifdef __SANITIZE_THREAD__
enum { STEP_PART = 1, ALL_WAYS = false };
#else
enum { STEP_PART = 3, ALL_WAYS = true };
#endif

static long
run_fault(struct run *r)
{
    bool every = option_given("--every");
    long only = option_number("--nth", 0), tried = 0;
    long n = only > 0 ? only : 1;

    /* Background work makes counts vary: end when two in turn pass. */
    for (int quiet = 0; quiet < 2; tried++) {
        if (run_once(r, n))
            quiet = 0;
        else
            quiet++;
        if (only > 0)
            break;
        n += every ? 1 : 1 + (long)(harness_seed % 2) + n / STEP_PART;
    }
    return tried;
}

static long
run_script_with_faults(const struct script *script, const char *journal,
                       bool is_cold)
{
    const char *only = option_text("--fault", "");
    struct run r = { .script = script, .journal = journal };
    long tried = 0;

    r.is_cold = is_cold;
    r.in_memory = strcmp(journal, "memory") == 0;
    run_first(&r);
    for (size_t i = 0; i < COUNT(faults); i++) {
        if (strstr(faults[i].name, only) == NULL ||
            (r.in_memory && faults[i].memory == NULL))
            continue;
        r.fault = &faults[i];
        tried += run_fault(&r);
    }
    printf("%-16s %-8s %-4s %5ld runs, %5ld errors\n", script->name, journal,
           is_cold ? "cold" : "warm", tried, r.errors);
    free(r.before);
    free(r.after);
    return tried;
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *journal;
        bool is_cold;
        bool is_main; /* also of the scripts with few_ways */
    } ways[] = {
        { "wal", false, false },
        { "wal", true, true },
        { "delete", true, false },
        { "memory", false, true },
    };
    const char *only;
    long runs = 0;

    install();
    harness_start(argc, argv, "--every --only --fault --nth");
    only = option_text("--only", "");
    crash_vfs_register();
    moss_ext_set_os(crash_os());
    for (size_t i = 0; i < COUNT(scripts); i++) {
        if (strstr(scripts[i].name, only) == NULL)
            continue;
        for (size_t k = 0; k < COUNT(ways); k++)
            if (ways[k].is_main || (ALL_WAYS && !scripts[i].few_ways))
                runs += run_script_with_faults(&scripts[i], ways[k].journal,
                                               ways[k].is_cold);
    }
    if (runs == 0)
        fail("no such script or fault");
    printf("%ld runs with a fault, each all or nothing\n", runs);
    return 0;
}
