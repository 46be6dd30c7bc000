/*
 * Tables, transactions, savepoints, pragmas, and statements that are wrong.
 */
#include "diff_gen.h"

#include <string.h>

static void
create_plain(struct diff_gen *g, const char *table)
{
    gen_emit(g,
             "CREATE TABLE %s%s(id INTEGER PRIMARY KEY, i INTEGER, r REAL,"
             " s TEXT, n NUMERIC, b BLOB, x)",
             PICK(g, "", "", "IF NOT EXISTS "), table);
}

void
gen_write_create(struct diff_gen *g, const char *table)
{
    g->step->compare = DIFF_BAG;
    g->step->is_ddl = true;
    if (strcmp(table, "o") == 0 || strcmp(table, "p") == 0) {
        g->step->kind = "CREATE TABLE, ordinary";
        create_plain(g, table);
    } else if (strcmp(table, "v1") == 0) {
        g->step->kind = "CREATE VIEW";
        if (g->mode->schema.n > 0)
            gen_emit(g, "CREATE VIEW v1 AS SELECT * FROM %s",
                     PICK(g, "t", "u"));
        else
            gen_emit(g, "CREATE VIEW v1 AS SELECT key, value FROM %s%s",
                     PICK(g, "t", "u"), PICK(g, "", " WHERE key > 2"));
    } else {
        g->step->kind = "CREATE";
        gen_emit(g, "CREATE " DIFF_TABLE " %s%s " DIFF_LAYOUT,
                 PICK(g, "", "", "IF NOT EXISTS "), table);
    }
}

static void
write_rename(struct diff_gen *g)
{
    static const char *const names[][2] = {
        { "t", "u" },  { "u", "t" },  { "t", "t2" },
        { "t2", "t" }, { "t2", "u" }, { "temp.w", "w2" },
        { "w2", "w" }, { "t", "v1" }, { "t", "T" },
    };
    unsigned i = rng_below(&g->rng, sizeof names / sizeof names[0]);

    /* There triggers are made on v1, and a table has none. */
    if (g->mode->schema.n > 0 && strcmp(names[i][1], "v1") == 0)
        i++;
    g->step->kind = "ALTER RENAME";
    gen_emit(g, "ALTER TABLE %s RENAME TO %s", names[i][0], names[i][1]);
}

static void
write_trigger(struct diff_gen *g)
{
    if (g->mode->schema.n > 0 && gen_chance(g, 60)) {
        gen_wide_trigger(g);
        return;
    }
    g->step->kind = "CREATE TRIGGER on ordinary";
    gen_emit(g, "CREATE TRIGGER IF NOT EXISTS r1 AFTER %s ON o BEGIN ",
             PICK(g, "INSERT", "DELETE", "UPDATE"));
    if (g->mode->schema.n > 0) {
        const struct diff_schema *s = &g->mode->schema;
        const char *k = s->columns[s->n_parts > 0 ? s->parts[0] : 0].name;
        bool has_default = false;

        for (int i = 0; i < s->n; i++)
            has_default = has_default || s->columns[i].has_default;
        if (has_default || gen_chance(g, 50))
            gen_emit(g, "DELETE FROM t WHERE %s = %d; END", k,
                     gen_between(g, 0, 3));
        else
            gen_emit(g, "INSERT OR REPLACE INTO t SELECT * FROM u; END");
        return;
    }
    gen_emit(g, "%s; END",
             PICK(g, "INSERT OR REPLACE INTO t VALUES (1, 'trigger')",
                  "DELETE FROM t WHERE key = 2",
                  "UPDATE t SET value = 'trigger' WHERE key < 3",
                  "INSERT INTO t VALUES (1, 'trigger')"));
}

static void
create_plain_as(struct diff_gen *g)
{
    const char *key = "key", *value = "value";

    if (g->mode->schema.n > 0) {
        key = wide_part(g)->name;
        value = wide_column(g)->name;
    }
    g->step->kind = "CREATE TABLE AS";
    gen_emit(g,
             "CREATE TABLE p AS SELECT 1 AS id, %s AS i, %s AS r, %s AS s,"
             " %s AS n, %s AS b, %s AS x FROM %s",
             key, key, key, key, key, value, gen_moss_table(g));
}

void
gen_write_ddl(struct diff_gen *g)
{
    unsigned kind = rng_below(&g->rng, 100);

    g->step->compare = DIFF_BAG;
    g->step->is_ddl = true;
    if (kind < 22) {
        gen_write_create(g, gen_chance(g, 60) ? gen_moss_table(g)
                                              : PICK(g, "t", "u"));
    } else if (kind < 40) {
        g->step->kind = "DROP";
        gen_emit(g, "DROP TABLE %s%s", PICK(g, "", "", "IF EXISTS "),
                 gen_moss_table(g));
    } else if (kind < 56) {
        write_rename(g);
    } else if (kind < 62) {
        g->step->kind = "DROP TABLE, ordinary";
        gen_emit(g, "DROP TABLE %s", gen_plain_table(g));
    } else if (kind < 68) {
        gen_write_create(g, PICK(g, "o", "p"));
    } else if (kind < 72) {
        g->step->kind = "CREATE INDEX, ordinary";
        gen_emit(g, "CREATE INDEX IF NOT EXISTS o_%s ON o(%s)",
                 PICK(g, "i", "s", "x"), PICK(g, "i", "s", "x"));
    } else if (kind < 76) {
        gen_write_create(g, "v1");
    } else if (kind < 79) {
        g->step->kind = "DROP VIEW";
        gen_emit(g, "DROP VIEW %s", PICK(g, "v1", "v1", "t"));
    } else if (kind < 83) {
        write_trigger(g);
    } else if (kind < 86) {
        g->step->kind = "DROP TRIGGER";
        gen_emit(g, "DROP TRIGGER %s", PICK(g, "r1", "r1", "r2", "r3"));
    } else if (kind < 89) {
        create_plain_as(g);
    } else if (kind < 91) {
        g->step->kind = "VACUUM";
        /* It numbers the rows of an ordinary table anew. */
        gen_emit(g, g->mode->schema.n > 0 && g->mode->schema.has_rowid &&
                            g->mode->schema.n_parts == 0
                        ? "VACUUM nosuch"
                        : "VACUUM");
    } else if (kind < 93) {
        g->step->kind = "ANALYZE";
        gen_emit(g, "ANALYZE");
    } else if (kind < 95) {
        g->step->kind = "PRAGMA";
        g->step->compare = DIFF_CODE;
        gen_emit(g, "PRAGMA %s",
                 PICK(g, "wal_checkpoint", "wal_checkpoint(TRUNCATE)",
                      "incremental_vacuum"));
    } else {
        g->step->kind = "PRAGMA";
        /*
         * SQLite 3.40 finds NULLs in REAL NOT NULL where there are none; an
         * INTEGER PRIMARY KEY is declared to it with NOT NULL.
         */
        if (g->mode->schema.n > 0)
            g->step->compare = DIFF_CODE;
        gen_emit(g, "PRAGMA %s",
                 PICK(g, "integrity_check", "quick_check",
                      g->mode->schema.n > 0 || diff_mode_has_rowid(g->mode)
                          ? "user_version"
                          : "table_info(t)",
                      "table_list(nosuch)", "user_version", "user_version = 3",
                      "foreign_key_check", "encoding",
                      "case_sensitive_like = 1", "case_sensitive_like = 0",
                      "automatic_index = 0", "automatic_index = 1"));
    }
}

/* Mostly the name of a savepoint that is open. */
static void
emit_savepoint(struct diff_gen *g)
{
    const char *stack = g->savepoints[g->step->conn];
    int n = (int)strlen(stack);

    if (n > 0 && gen_chance(g, 90))
        gen_emit(g, "s%c", stack[gen_between(g, 0, n - 1)]);
    else
        gen_emit(g, "s%d", gen_between(g, 0, 3));
}

void
gen_write_transaction(struct diff_gen *g)
{
    bool open = g->in_transaction[g->step->conn];
    unsigned kind = rng_below(&g->rng, 100);

    g->step->compare = DIFF_BAG;
    if (!open && kind < 60) {
        g->step->kind = "BEGIN";
        gen_emit(g, "BEGIN%s",
                 PICK(g, "", "", " DEFERRED", " IMMEDIATE", " IMMEDIATE",
                      " EXCLUSIVE"));
    } else if (open && kind < 22) {
        g->step->kind = "COMMIT";
        gen_emit(g, "%s", PICK(g, "COMMIT", "COMMIT", "END"));
    } else if (open && kind < 30) {
        g->step->kind = "ROLLBACK";
        gen_emit(g, "ROLLBACK");
    } else if (kind < 66 || (!open && kind < 92)) {
        g->step->kind = "SAVEPOINT";
        gen_emit(g, "SAVEPOINT s%d", gen_between(g, 0, 3));
    } else if (kind < 79) {
        g->step->kind = "RELEASE";
        gen_emit(g, "RELEASE ");
        emit_savepoint(g);
    } else if (kind < 97) {
        g->step->kind = "ROLLBACK TO";
        gen_emit(g, "ROLLBACK TO ");
        emit_savepoint(g);
    } else {
        g->step->kind = "transaction mistake";
        gen_emit(g, "%s", PICK(g, "BEGIN", "COMMIT", "ROLLBACK"));
    }
}

void
gen_write_mistake(struct diff_gen *g)
{
    g->step->compare = DIFF_BAG;
    g->step->kind = "mistake";
    if (g->mode->schema.n > 0) { /* no NULL for a DEFAULT */
        gen_emit(g, "%s",
                 PICK(g, "SELECT nope FROM t", "INSERT INTO t(nope) VALUES (1)",
                      "UPDATE t SET nope = 1", "DELETE FROM t WHERE nope",
                      "SELECT * FROM nosuch", "UPDATE t SET k1 = NULL",
                      "UPDATE OR IGNORE t SET k2 = NULL",
                      "UPDATE OR REPLACE u SET k3 = NULL",
                      "INSERT INTO t(c1) VALUES ('a')",
                      "SELECT t.rowid = 0 FROM t", "SELEC 1",
                      "SELECT k1 FROM t UNION SELECT k1, k2 FROM u",
                      "DROP TABLE nosuch", "ALTER TABLE nosuch RENAME TO t",
                      "SELECT abs(-9223372036854775808) FROM t",
                      "INSERT INTO t VALUES (1, 2, 3, 4, 5, 6, 7)"));
        return;
    }
    gen_emit(
        g, "%s",
        PICK(g, "SELECT nope FROM t", "INSERT INTO t VALUES (1)",
             "INSERT INTO t VALUES (1, 2, 3)", "INSERT INTO t(nope) VALUES (1)",
             "UPDATE t SET nope = 1", "DELETE FROM t WHERE nope",
             "SELECT * FROM nosuch", "INSERT INTO t DEFAULT VALUES",
             "INSERT INTO t(value) VALUES (1)",
             "INSERT INTO t(key) VALUES"
             " (NULL)",
             "UPDATE t SET key = NULL", "SELECT rowid AS r FROM t", "SELEC 1",
             "SELECT key FROM t UNION SELECT key, value FROM u",
             "INSERT INTO t SELECT key FROM u", "DROP TABLE nosuch",
             "ALTER TABLE nosuch RENAME TO t", "SELECT abs(1, 2) FROM t",
             "UPDATE OR IGNORE t SET key = NULL",
             "INSERT OR IGNORE INTO t VALUES (NULL, 1), (77, 2)",
             "INSERT OR REPLACE INTO t VALUES (NULL, 1)",
             "INSERT OR FAIL INTO t VALUES (78, 1), (NULL, 2)",
             "SELECT sum(key) FROM t WHERE typeof(key) = 'integer'",
             "SELECT abs(-9223372036854775808) FROM t",
             "INSERT INTO t SELECT 90 + id, abs(-9223372036854775807 - (id >"
             " 1)) FROM o"));
}

static const struct {
    const char *text;
    const char *values; /* k: a key, v: a value, s: a small integer */
    bool is_change;
    bool ordered;
} templates[] = {
    { "SELECT value FROM t WHERE key = ?", "k", false, true },
    { "SELECT key, value FROM t WHERE key >= ? AND key < ? ORDER BY key", "kk",
      false, true },
    { "SELECT * FROM t WHERE key > ? ORDER BY key DESC LIMIT 5", "k", false,
      true },
    { "SELECT * FROM t WHERE key <= ? ORDER BY key DESC", "k", false, true },
    { "INSERT INTO t VALUES (?, ?)", "kv", true, true },
    { "INSERT OR REPLACE INTO t VALUES (?, ?)", "kv", true, true },
    { "INSERT OR IGNORE INTO t VALUES (?, ?)", "kv", true, true },
    { "UPDATE t SET value = ? WHERE key = ?", "vk", true, true },
    { "UPDATE t SET key = ? WHERE key = ?", "kk", true, true },
    { "DELETE FROM t WHERE key = ?", "k", true, true },
    { "DELETE FROM t WHERE key BETWEEN ? AND ?", "ss", true, true },
    { "SELECT count(*), min(key), max(key) FROM t", "", false, true },
    { "SELECT * FROM t WHERE key IN (?, ?, ?) ORDER BY key", "kkk", false,
      true },
    { "SELECT key FROM t WHERE key LIKE ? ORDER BY key", "k", false, true },
    { "SELECT a.key, b.value FROM t AS a JOIN u AS b ON a.key = b.key", "",
      false, false },
    { "SELECT * FROM t WHERE key IS ?", "v", false, true },
    { "SELECT * FROM t WHERE key = ? OR key > ?", "vk", false, false },
    { "SELECT max(key) FROM t WHERE key < ?", "k", false, true },
    { "SELECT o.id, t.value FROM o JOIN t ON t.key = o.s", "", false, false },
    { "SELECT key FROM t ORDER BY key LIMIT ? OFFSET ?", "ss", false, true },
};

void
gen_write_template(struct diff_gen *g)
{
    int n = (int)(sizeof templates / sizeof templates[0]);
    int i = gen_between(g, 0, n - 1);

    g->step->action = DIFF_TEMPLATE;
    g->step->slot = i;
    g->step->bound = true;
    g->step->kind = "prepared statement";
    g->step->is_change = templates[i].is_change;
    g->step->compare = templates[i].ordered ? DIFF_ORDERED : DIFF_BAG;
    const char *kind = templates[i].values;
    for (const char *p = templates[i].text; *p; p++) {
        if (*p != '?')
            gen_emit(g, "%c", *p);
        else if (*kind == 'k')
            gen_key(g), kind++;
        else if (*kind == 'v')
            gen_value(g), kind++;
        else
            gen_small(g), kind++;
    }
}
