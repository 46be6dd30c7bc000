/*
 * Chooses what the next step is.  The generator looks at the outcome of each
 * step on the reference side (is a transaction open, which table was
 * missing), so that most statements meet tables that exist and transactions
 * end; it never asks the databases itself, which would disturb their locks.
 */
#include "diff_gen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
diff_gen_init(struct diff_gen *g, struct rng rng, const struct diff_mode *mode)
{
    memset(g, 0, sizeof *g);
    g->rng = rng;
    g->mode = mode;
    g->reader = -1;
    g->bulk = gen_chance(g, 12);
    for (int i = 0; i < DIFF_POOL; i++)
        diff_value_random_key(&g->rng, &g->pool[i]);
}

void
diff_gen_release(struct diff_gen *g)
{
    for (int i = 0; i < DIFF_POOL; i++)
        diff_value_release(&g->pool[i]);
    for (int i = 0; i < DIFF_KEPT; i++)
        diff_step_release(&g->kept[i]);
}

static char *
copy_text(const char *text, int n)
{
    char *copy = sqlite3_mprintf("%.*s", n, text);

    if (copy == NULL)
        abort();
    return copy;
}

/* Another value for one that a kept statement had: of a rowid another one. */
static void
vary(struct diff_gen *g, const struct diff_value *old, struct diff_value *out)
{
    if (gen_chance(g, 40))
        diff_value_copy(old, out);
    else if (old->type == SQLITE_INTEGER)
        diff_value_integer(gen_between(g, -8, 30), out);
    else
        diff_value_copy(&g->pool[gen_between(g, 0, DIFF_POOL - 1)], out);
}

/* Run a statement on a wide table that is kept prepared. */
static void
write_kept(struct diff_gen *g, int slot)
{
    struct diff_step *kept = &g->kept[slot], *step = g->step;

    step->action = DIFF_TEMPLATE;
    step->slot = DIFF_SLOTS - 1 - slot;
    step->bound = true;
    step->kind = kept->kind;
    step->compare = kept->compare;
    step->is_change = kept->is_change;
    sqlite3_str_appendall(g->out, kept->text);
    for (int i = 0; i < kept->n_values; i++)
        vary(g, &kept->values[i], &step->values[i]);
    step->n_values = kept->n_values;
}

/* Is the statement just written one to be run again?  Not EXPLAIN. */
static void
keep(struct diff_gen *g)
{
    struct diff_step *kept = &g->kept[gen_between(g, 0, DIFF_KEPT - 1)];
    const char *text = sqlite3_str_value(g->out);

    if (!gen_chance(g, 15) || g->step->n_values == 0 || text[0] == 'E')
        return;
    diff_step_release(kept);
    *kept = *g->step;
    kept->text = copy_text(text, sqlite3_str_length(g->out));
    kept->values = calloc(DIFF_MAX_VALUES, sizeof *kept->values);
    if (kept->values == NULL)
        abort();
    for (int i = 0; i < kept->n_values; i++)
        diff_value_copy(&g->step->values[i], &kept->values[i]);
}

/*
 * Read some rows and leave the statement open while the other connection
 * goes on: it must go on reading what it began with.
 */
static void
write_open_read(struct diff_gen *g)
{
    g->step->action = DIFF_OPEN_READ;
    g->step->compare = DIFF_ORDERED;
    g->step->kind = "read left open";
    g->step->slot = gen_between(g, 0, 5);
    if (g->mode->schema.n > 0) {
        gen_emit(g, "SELECT * FROM %s", PICK(g, "t", "u"));
        if (gen_chance(g, 50)) {
            gen_emit(g, " WHERE ");
            wide_key_range(g, "");
        }
        wide_order_by_key(g, "");
    } else {
        gen_emit(g, "SELECT key, value FROM %s", PICK(g, "t", "u"));
        if (gen_chance(g, 50)) {
            gen_emit(g, " WHERE ");
            gen_key_range(g, "key");
        }
        gen_order_by_key(g, "key");
    }
    g->reader = g->step->conn;
    g->reader_left = gen_between(g, 1, 12);
}

static void
write_query(struct diff_gen *g)
{
    if (g->mode->schema.n == 0) {
        gen_write_query(g);
        return;
    }
    gen_wide_query(g);
    keep(g);
}

static void
write_change(struct diff_gen *g)
{
    if (g->mode->schema.n == 0) {
        gen_write_change(g);
        return;
    }
    gen_wide_change(g);
    keep(g);
}

static void
write_template(struct diff_gen *g)
{
    int slot = gen_between(g, 0, DIFF_KEPT - 1);

    if (g->mode->schema.n == 0)
        gen_write_template(g);
    else if (g->kept[slot].text != NULL)
        write_kept(g, slot);
    else
        write_query(g);
}

static void
write_any(struct diff_gen *g)
{
    unsigned kind = rng_below(&g->rng, 1000);
    bool open = g->in_transaction[g->step->conn];

    if (kind < 400) {
        write_query(g);
    } else if (kind < 720) {
        write_change(g);
    } else if (kind < 770) {
        write_template(g);
    } else if (kind < 810) {
        gen_write_plain_change(g);
    } else if (kind < 850) {
        gen_write_ddl(g);
    } else if (kind < 862) {
        gen_write_mistake(g);
    } else if (kind < 870 && g->mode->n_conns > 1 && g->reader < 0) {
        write_open_read(g);
    } else if (kind < 874 && !open) {
        g->step->kind = "reopen";
        g->step->action = gen_chance(g, 50) ? DIFF_REOPEN : DIFF_RECONNECT;
    } else if (kind < 876) {
        g->step->kind = "reopen"; /* a transaction may be cut off */
        g->step->action = gen_chance(g, 50) ? DIFF_REOPEN : DIFF_RECONNECT;
    } else {
        gen_write_transaction(g);
    }
}

/* An episode begins with tables that have some rows. */
static const char *const first_tables[] = {
    "t", "u", "o", "p", "v1", "temp.w"
};
enum { FIRST_TABLES = 6, FIRST_STEPS = 24 };

static void
write_first(struct diff_gen *g)
{
    if (g->n_steps < FIRST_TABLES)
        gen_write_create(g, first_tables[g->n_steps]);
    else if (g->n_steps == FIRST_TABLES && g->mode->attached)
        gen_write_create(g, "aux.v");
    else if (g->n_steps % 4 == 0)
        gen_write_plain_change(g);
    else
        write_change(g);
}

static int
choose_conn(struct diff_gen *g)
{
    if (g->reader >= 0)
        return 1 - g->reader;
    if (gen_chance(g, 15))
        return gen_between(g, 0, g->mode->n_conns - 1);
    return g->conn;
}

/*
 * Reopening all would end the open statement, and a connection cannot be
 * reopened alone where ATTACH might meet a lock of the other one.
 */
static void
fit_reopen(struct diff_gen *g)
{
    bool alone = g->reader < 0 && !g->in_transaction[1 - g->step->conn];

    if (g->reader >= 0 && g->step->action == DIFF_REOPEN)
        g->step->action = DIFF_RECONNECT;
    if (g->step->action == DIFF_RECONNECT && g->mode->attached && !alone) {
        g->step->action = DIFF_SQL;
        gen_emit(g, "SELECT 1");
    }
}

void
diff_gen_next(struct diff_gen *g, struct diff_step *out)
{
    memset(out, 0, sizeof *out);
    g->step = out;
    g->target = NULL;
    g->out = sqlite3_str_new(NULL);
    out->values = calloc(DIFF_MAX_VALUES, sizeof *out->values);
    if (out->values == NULL)
        abort();
    out->conn = choose_conn(g);
    out->bound = gen_chance(g, 30);
    if (g->reader >= 0 && g->reader_left-- == 0) {
        out->conn = g->reader;
        out->action = DIFF_END_READ;
        out->compare = DIFF_ORDERED;
        out->kind = "end of open read";
        g->reader = -1;
    } else if (g->missing[0] != '\0' && gen_chance(g, 60)) {
        gen_write_create(g, g->missing);
        g->missing[0] = '\0';
    } else if (g->n_steps < FIRST_STEPS) {
        write_first(g);
    } else {
        write_any(g);
    }
    g->n_steps++;
    g->conn = out->conn;
    fit_reopen(g);
    if (sqlite3_str_length(g->out) > 0)
        out->text = sqlite3_str_finish(g->out);
    else
        sqlite3_free(sqlite3_str_finish(g->out));
}

/* Follow the savepoints "SAVEPOINT s1" and so on; a name may come twice. */
static void
note_savepoint(char *stack, size_t size, const struct diff_step *step)
{
    char digit = step->text[strlen(step->text) - 1];
    size_t n = strlen(stack);
    char *at = strrchr(stack, digit);

    if (strcmp(step->kind, "SAVEPOINT") == 0 && n + 1 < size) {
        stack[n] = digit;
        stack[n + 1] = '\0';
    } else if (strcmp(step->kind, "RELEASE") == 0 && at != NULL) {
        *at = '\0';
    } else if (strcmp(step->kind, "ROLLBACK TO") == 0 && at != NULL) {
        at[1] = '\0';
    }
}

void
diff_gen_note(struct diff_gen *g, const struct diff_step *step,
              const struct diff_outcome *outcome)
{
    static const char prefix[] = "no such table: ";
    static const char *const tables[] = { "t", "u", "temp.w", "aux.v",
                                          "o", "p", "v1" };
    const char *name = outcome->message;

    if (step->action == DIFF_REOPEN)
        memset(g->in_transaction, 0, sizeof g->in_transaction);
    if (step->action == DIFF_REOPEN || step->action == DIFF_RECONNECT)
        snprintf(g->missing, sizeof g->missing, "temp.w");
    if (outcome->autocommit)
        g->savepoints[step->conn][0] = '\0';
    else if (outcome->rc == SQLITE_OK && step->text != NULL)
        note_savepoint(g->savepoints[step->conn],
                       sizeof g->savepoints[step->conn], step);
    g->in_transaction[step->conn] = !outcome->autocommit;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return;
    name += sizeof prefix - 1;
    if (strncmp(name, "main.", 5) == 0)
        name += 5;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (strcmp(name, tables[i]) == 0)
            snprintf(g->missing, sizeof g->missing, "%s", name);
}

/* ----------------------------------------------------------------- modes */

static void
choose_journal(struct rng *r, struct diff_mode *mode, const char **journal)
{
    static const char *const rollback[] = { "delete", "truncate", "persist" };

    *journal = rng_percent(r, 60) ? "wal" : rollback[rng_below(r, 3)];
    mode->n_conns = rng_percent(r, 60) ? 2 : 1;
    mode->attached = rng_percent(r, 20);
    if (mode->n_conns == 1)
        mode->async = rng_percent(r, 20);
}

/*
 * Keys of one column: "ORDER BY key" is a total order.  No index begins with
 * the key, which is to serve where rows must be changed in its order.
 */
static const struct diff_layout layouts[] = {
    { .columns = NULL },
    { .columns = "key PRIMARY KEY, value" },
    { .columns = "key TEXT PRIMARY KEY, value" },
    { .columns = "key TEXT PRIMARY KEY COLLATE NOCASE, value INTEGER" },
    { .columns = "key TEXT COLLATE RTRIM PRIMARY KEY, value TEXT" },
    { .columns = "key INTEGER PRIMARY KEY, value", .has_rowid = true },
    { .columns = "key INTEGER PRIMARY KEY, value TEXT NOT NULL",
      .has_rowid = true },
    { .columns = "key INT PRIMARY KEY, value REAL" },
    { .columns = "key REAL PRIMARY KEY, value NUMERIC NOT NULL" },
    { .columns = "key NUMERIC PRIMARY KEY, value BLOB" },
    { .columns =
          "key COLLATE NOCASE, value COLLATE NOCASE, PRIMARY KEY(key DESC)" },
    { .columns = "key, value TEXT, PRIMARY KEY(key DESC)" },
    { .columns = "key TEXT, value, PRIMARY KEY(key COLLATE NOCASE DESC)" },
    { .columns = "key COLLATE RTRIM PRIMARY KEY DESC, value" },
    { .columns = "key PRIMARY KEY, value",
      .indexes = ", INDEX by_value(value)" },
    { .columns = "key PRIMARY KEY, value COLLATE NOCASE",
      .indexes = ", INDEX by_value(value DESC), INDEX both(value, key DESC)" },
    { .columns = "key TEXT PRIMARY KEY COLLATE NOCASE, value TEXT",
      .indexes = ", INDEX by_value(value COLLATE RTRIM),"
                 " INDEX i(value, key COLLATE BINARY DESC)" },
    { .columns = "key INTEGER PRIMARY KEY, value",
      .has_rowid = true,
      .indexes = ", INDEX by_value(value)" },
    { .columns = "key INT PRIMARY KEY, value REAL NOT NULL",
      .indexes = ", INDEX by_value(value DESC)" },
    { .columns = "key, value INTEGER, PRIMARY KEY(key DESC)",
      .indexes = ", INDEX by_value(value, key)" },
    { .columns = "key PRIMARY KEY, value UNIQUE", .unique = true },
    { .columns = "key TEXT PRIMARY KEY, value TEXT COLLATE NOCASE UNIQUE",
      .indexes = ", INDEX i(value COLLATE BINARY DESC)",
      .unique = true },
    /* Not DESC: SQLite 3.40 overlooks NULLs in such an index for NOT IN. */
    { .columns = "key, value NUMERIC, UNIQUE(value), PRIMARY KEY(key)",
      .unique = true },
    { .columns = "key INTEGER PRIMARY KEY, value UNIQUE,"
                 " UNIQUE(value COLLATE NOCASE, key)",
      .has_rowid = true,
      .unique = true },
    { .columns = "key COLLATE RTRIM PRIMARY KEY DESC, value,"
                 " UNIQUE(value, key), UNIQUE(value COLLATE RTRIM)",
      .indexes = ", INDEX i(value COLLATE NOCASE, key)",
      .unique = true },
};

/*
 * Cache spill is off: how much a transaction writes before it locks readers
 * out is not the same on both sides.
 */
void
diff_mode_random(struct rng *r, struct diff_mode *mode)
{
    static const int pages[] = { 512, 1024, 4096, 4096, 4096, 65536 };
    const char *journal = "memory", *columns, *indexes;
    int page = pages[rng_below(r, 6)];
    unsigned kind = rng_below(r, 100);
    const char *sync = rng_percent(r, 85) ? "off" : "normal";

    memset(mode, 0, sizeof *mode);
    mode->n_conns = 1;
    mode->utf16 = rng_percent(r, 12);
    mode->layout = &layouts[0];
    /*
     * Not in UTF-16: there SQLite 3.40 gives back '4' for '4.0' once it has
     * compared that text with a number.
     */
    if (!mode->utf16 && rng_percent(r, 75))
        mode->layout =
            &layouts[rng_below(r, sizeof layouts / sizeof layouts[0])];
    if (rng_percent(r, 60))
        diff_schema_random(r, &mode->schema);
    if (kind < 12) {
        mode->in_memory = true;
    } else if (kind < 20) {
        mode->memdb = true;
        mode->n_conns = rng_between(r, 1, 2);
    } else {
        choose_journal(r, mode, &journal);
    }
    columns = mode->schema.n > 0              ? diff_schema_kind(&mode->schema)
              : mode->layout->columns == NULL ? ""
                                              : mode->layout->columns;
    indexes = mode->schema.n == 0               ? mode->layout->indexes
              : mode->schema.indexes[0] != '\0' ? ", indexes"
                                                : "";
    snprintf(mode->name, sizeof mode->name, "%s, %d connection%s%s%s%s%s%s%s",
             mode->in_memory ? ":memory:"
             : mode->memdb   ? "memdb"
                             : journal,
             mode->n_conns, mode->n_conns > 1 ? "s" : "",
             mode->utf16 ? ", UTF-16" : "", mode->attached ? ", attached" : "",
             mode->async ? ", async" : "", *columns != '\0' ? ", " : "",
             columns, indexes == NULL ? "" : indexes);
    snprintf(mode->setup, sizeof mode->setup,
             "PRAGMA encoding = '%s'; PRAGMA page_size = %d;"
             " PRAGMA cache_spill = off; PRAGMA journal_mode = %s;"
             " PRAGMA synchronous = %s",
             mode->utf16 ? "UTF-16le" : "UTF-8", page, journal, sync);
}
