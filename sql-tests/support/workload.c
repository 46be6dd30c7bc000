/*
 * The crash programs' transactions: see workload.h.  A statement is written
 * with '@' where the prefix of a table's name goes and is run once for each
 * prefix.
 */
#include "workload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEYS = 120,
    DDL_PERIOD = 12, /* create at 3, rename at 6, drop at 10 of each */
    BIG_PERIOD = 9
};

/* Run sql once for each prefix that flags ask for. */
static int
run_twins(sqlite3 *db, unsigned flags, const char *sql)
{
    for (int twin = 0; twin < 2; twin++) {
        if (twin == 0 && (flags & WORKLOAD_MODEL))
            continue;
        char *copy = sqlite3_mprintf("%s", sql);
        if (copy == NULL)
            return SQLITE_NOMEM;
        for (char *p = strchr(copy, '@'); p != NULL; p = strchr(p, '@'))
            *p = twin == 0 ? 'm' : 'o';
        int rc = db_run(db, copy);
        sqlite3_free(copy);
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

static int
twins(sqlite3 *db, unsigned flags, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    char *sql = sqlite3_vmprintf(format, ap);
    va_end(ap);
    if (sql == NULL)
        return SQLITE_NOMEM;
    int rc = run_twins(db, flags, sql);
    sqlite3_free(sql);
    return rc;
}

/* Delete all rows of a table at once; DELETE FROM stands for it elsewhere. */
static int
truncate_twins(sqlite3 *db, unsigned flags, char table)
{
    char sql[80];
    int rc;

    if (harness_plain || (flags & WORKLOAD_MODEL))
        return twins(db, flags, "DELETE FROM @_%c", table);
    snprintf(sql, sizeof sql, "INSERT INTO m_%c(m_%c) VALUES('truncate')",
             table, table);
    rc = db_run(db, sql);
    snprintf(sql, sizeof sql, "DELETE FROM o_%c", table);
    return rc == SQLITE_OK ? db_run(db, sql) : rc;
}

static int
create_twins(sqlite3 *db, unsigned flags, const char *name)
{
    for (int twin = 0; twin < 2; twin++) {
        if (twin == 0 && (flags & WORKLOAD_MODEL))
            continue;
        bool plain = twin == 1 || harness_plain;
        bool indexed = !plain && (flags & WORKLOAD_INDEXED) != 0;
        char *full = sqlite3_mprintf("%c_%s", twin == 0 ? 'm' : 'o', name);
        char *sql = sqlite3_mprintf(
            indexed ? "CREATE VIRTUAL TABLE %s USING moss(key PRIMARY KEY,"
                      " value, INDEX by_value(value), INDEX i(value, key DESC))"
                    : create_sql(plain),
            full);
        int rc = sql != NULL ? db_run(db, sql) : SQLITE_NOMEM;
        sqlite3_free(sql);
        sqlite3_free(full);
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

int
workload_setup(sqlite3 *db, unsigned flags)
{
    int rc = db_run(db, "BEGIN; CREATE TABLE txn(n INTEGER PRIMARY KEY)");

    if (rc == SQLITE_OK)
        rc = create_twins(db, flags, "a");
    if (rc == SQLITE_OK)
        rc = create_twins(db, flags, "b");
    if (rc == SQLITE_OK)
        rc = db_run(db, "COMMIT");
    return rc;
}

/* A truncated table gets a row; mostly undone, so that tables grow. */
static int
truncate_change(sqlite3 *db, unsigned flags, struct rng *r, char table)
{
    bool undone = rng_below(r, 4) != 0;
    int rc = db_run(db, "SAVEPOINT s");

    if (rc == SQLITE_OK)
        rc = truncate_twins(db, flags, table);
    if (rc == SQLITE_OK)
        rc = twins(db, flags, "REPLACE INTO @_%c VALUES(%u, 'first')", table,
                   rng_below(r, KEYS));
    if (rc == SQLITE_OK && undone)
        rc = db_run(db, "ROLLBACK TO s");
    return rc == SQLITE_OK ? db_run(db, "RELEASE s") : rc;
}

/* One to three rows, a range, or a savepoint undone. */
static int
small_change(sqlite3 *db, unsigned flags, struct rng *r, int64_t n)
{
    char table = rng_below(r, 2) ? 'a' : 'b';
    unsigned key = rng_below(r, KEYS);

    switch (rng_below(r, 9)) {
    case 0:
        return twins(db, flags, "DELETE FROM @_%c WHERE key = %u", table, key);
    case 8:
        return truncate_change(db, flags, r, table);
    case 1:
        return twins(db, flags, "DELETE FROM @_%c WHERE key BETWEEN %u AND %u",
                     table, key, key + rng_below(r, 10));
    case 2:
        return twins(db, flags,
                     "UPDATE @_%c SET value = value || '+%lld'"
                     " WHERE key BETWEEN %u AND %u AND length(value) < 200",
                     table, n, key, key + 5);
    case 3:
        return twins(db, flags,
                     "SAVEPOINT s;"
                     " REPLACE INTO @_%c VALUES(%u, 'undone'),(%u, 'undone');"
                     " ROLLBACK TO s; RELEASE s",
                     table, key, key + 1);
    case 4:
        return twins(db, flags,
                     "SAVEPOINT s; REPLACE INTO @_%c VALUES('k%u', x'%06x');"
                     " SAVEPOINT t; DELETE FROM @_%c WHERE key >= 'k%u';"
                     " ROLLBACK TO t; RELEASE s",
                     table, key, rng_below(r, 0xffffff), table, key / 2);
    case 5:
        return twins(db, flags,
                     "REPLACE INTO @_%c SELECT key + 1000, value FROM @_%c"
                     " WHERE key BETWEEN %u AND %u",
                     table, table == 'a' ? 'b' : 'a', key, key + 20);
    default:
        return twins(db, flags,
                     "REPLACE INTO @_%c VALUES(%u, 'v%lld'),(%u, %u)", table,
                     key, n, rng_below(r, KEYS), rng_below(r, 1000000));
    }
}

/* Transaction n's DDL on the table of its period. */
static int
ddl_change(sqlite3 *db, unsigned flags, int64_t n)
{
    int64_t period = n / DDL_PERIOD;
    char name[32];

    snprintf(name, sizeof name, "e%" PRId64, period);
    switch (n % DDL_PERIOD) {
    case 3: {
        int rc = create_twins(db, flags, name);
        if (rc != SQLITE_OK)
            return rc;
        return twins(db, flags, "INSERT INTO @_%s VALUES(1, %lld),(2, 'two')",
                     name, n);
    }
    case 4:
    case 5:
        return twins(db, flags, "REPLACE INTO @_%s VALUES(%lld, 'more')", name,
                     n);
    case 6:
        return twins(db, flags,
                     "ALTER TABLE @_%s RENAME TO @_r%lld;"
                     "INSERT INTO @_r%lld VALUES('renamed', %lld)",
                     name, period, period, n);
    case 8: /* a table that comes and goes within the transaction */
        if (create_twins(db, flags, name) != SQLITE_OK)
            return sqlite3_extended_errcode(db);
        return twins(db, flags,
                     "INSERT INTO @_%s VALUES(1, 2); DROP TABLE @_%s", name,
                     name);
    case 10:
        return twins(db, flags, "DROP TABLE @_r%lld", period);
    default:
        return SQLITE_OK;
    }
}

/* So many rows of so many bytes, the same keys each time. */
static int
bulk_change(sqlite3 *db, unsigned flags, int64_t n, int rows, int bytes)
{
    return twins(db, flags,
                 "WITH c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c"
                 " WHERE i < %d)"
                 " REPLACE INTO @_a SELECT 'big' || i,"
                 " printf('%%lld.%%d.%%.*c', %lld, i, %d, 'x') FROM c",
                 rows, n, bytes);
}

int
workload_begin(sqlite3 *db, uint64_t seed, int64_t n, unsigned flags)
{
    struct rng r = rng_of(seed, (uint64_t)n);
    int changes = 1 + (int)rng_below(&r, 4);
    int rc = db_run(db, "BEGIN IMMEDIATE");

    if (rc == SQLITE_OK) {
        char *sql = sqlite3_mprintf("INSERT INTO txn VALUES(%lld)", n);
        rc = db_run(db, sql);
        sqlite3_free(sql);
    }
    for (int i = 0; i < changes && rc == SQLITE_OK; i++)
        rc = small_change(db, flags, &r, n);
    if (rc == SQLITE_OK && (flags & WORKLOAD_DDL))
        rc = ddl_change(db, flags, n);
    if (rc == SQLITE_OK && (flags & WORKLOAD_BIG) && n % BIG_PERIOD == 4)
        rc = bulk_change(db, flags, n, 700, 1000);
    if (rc == SQLITE_OK && (flags & WORKLOAD_WIDE))
        rc = bulk_change(db, flags, n, 20, 1500);
    return rc;
}

int64_t
workload_newest(sqlite3 *db)
{
    if (db_int(db, "SELECT count(*) FROM sqlite_schema WHERE name='txn'") == 0)
        return -1;
    return db_int(db, "SELECT ifnull(max(n), 0) FROM txn");
}

char *
workload_dump(sqlite3 *db, char prefix)
{
    char *out = NULL;
    char *names = db_text(db,
                          "SELECT name FROM sqlite_schema WHERE type='table'"
                          " AND name GLOB '%c_*' ORDER BY name",
                          prefix);
    char *save = NULL;

    text_append(&out, "%s", "");
    for (char *line = strtok_r(names, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        line[strlen(line) - 1] = '\0'; /* 'm_a' -> m_a */
        text_append(&out, "table %s\n", line + 3);
        char *sql = sqlite3_mprintf("SELECT * FROM %s ORDER BY key", line + 1);
        int rc = db_rows(db, sql, &out);
        if (rc != SQLITE_OK)
            fail("%s\n  gave %d: %s", sql, rc, sqlite3_errmsg(db));
        sqlite3_free(sql);
    }
    free(names);
    return out;
}

/* ---------------------------------------------------------------- model */

void
workload_model_init(struct workload_model *m, uint64_t seed, unsigned flags)
{
    m->seed = seed;
    m->flags = flags | WORKLOAD_MODEL;
    m->n = 0;
    m->window = 0;
    m->db = NULL;
    if (sqlite3_open(":memory:", &m->db) != SQLITE_OK ||
        workload_setup(m->db, m->flags) != SQLITE_OK)
        fail("model: %s", sqlite3_errmsg(m->db));
    m->states = malloc(sizeof *m->states);
    if (m->states == NULL)
        fail("out of memory");
    m->states[0] = workload_dump(m->db, 'o');
}

const char *
workload_model_state(struct workload_model *m, int64_t n)
{
    while (m->n < n) {
        char **grown =
            realloc(m->states, (size_t)(m->n + 2) * sizeof *m->states);
        if (grown == NULL)
            fail("out of memory");
        m->states = grown;
        if (workload_begin(m->db, m->seed, m->n + 1, m->flags) != SQLITE_OK ||
            db_run(m->db, "COMMIT") != SQLITE_OK)
            fail("model, transaction %" PRId64 ": %s", m->n + 1,
                 sqlite3_errmsg(m->db));
        m->n++;
        m->states[m->n] = workload_dump(m->db, 'o');
        if (m->window > 0 && m->n >= m->window) {
            free(m->states[m->n - m->window]);
            m->states[m->n - m->window] = NULL;
        }
    }
    if (m->states[n] == NULL)
        fail("state %" PRId64 " of the model is no longer kept", n);
    return m->states[n];
}

void
workload_model_release(struct workload_model *m)
{
    for (int64_t i = 0; i <= m->n; i++)
        free(m->states[i]);
    free(m->states);
    sqlite3_close(m->db);
}

/* ---------------------------------------------------------------- check */

/* Print the first line in which two dumps differ, and end. */
_Noreturn static void
fail_difference(const char *what, int64_t n, const char *side, const char *got,
                const char *want)
{
    const char *line = want;
    size_t i = 0;

    while (got[i] != '\0' && got[i] == want[i]) {
        if (want[i] == '\n')
            line = want + i + 1;
        i++;
    }
    const char *there = got + (line - want);
    fail("%s: at transaction %" PRId64 " the %s tables differ from the model"
         "\n  have: %.*s\n  want: %.*s",
         what, n, side, (int)strcspn(there, "\n"), there,
         (int)strcspn(line, "\n"), line);
}

void
workload_compare(struct workload_model *m, int64_t n, const char *ordinary,
                 const char *moss, const char *what)
{
    const char *want = workload_model_state(m, n);

    if (strcmp(ordinary, want) != 0)
        fail_difference(what, n, "ordinary", ordinary, want);
    if (strcmp(moss, want) != 0)
        fail_difference(what, n, "moss", moss, want);
}

/* Are the indexes what the rows are? */
static void
check_indexes(sqlite3 *db)
{
    char *names = db_text(db, "SELECT name FROM sqlite_schema"
                              " WHERE type = 'table' AND name GLOB 'm_*'");
    char *save = NULL;

    for (char *name = strtok_r(names, "'\n", &save); name != NULL;
         name = strtok_r(NULL, "'\n", &save))
        db_must(db, "INSERT INTO %s(%s) VALUES('check')", name, name);
    free(names);
}

int64_t
workload_check(sqlite3 *db, struct workload_model *m, int64_t low, int64_t high,
               const char *what)
{
    char *damage = db_text(db, "PRAGMA integrity_check");
    int64_t n = workload_newest(db);

    if (strcmp(damage, "'ok'\n") != 0)
        fail("%s: integrity_check says %s", what, damage);
    free(damage);
    if (n < 0 && low <= 0)
        return n;
    if (n < low || n > high)
        fail("%s: transaction %" PRId64 " is the newest there, expected"
             " %" PRId64 "..%" PRId64,
             what, n, low, high);
    if (db_int(db, "SELECT count(*) FROM txn") != n)
        fail("%s: transactions are missing before %" PRId64, what, n);
    char *ordinary = workload_dump(db, 'o');
    char *moss = workload_dump(db, 'm');
    workload_compare(m, n, ordinary, moss, what);
    free(ordinary);
    free(moss);
    if ((m->flags & WORKLOAD_INDEXED) && !harness_plain)
        check_indexes(db);
    return n;
}
