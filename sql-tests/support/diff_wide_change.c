/*
 * Statements that change tables of a random schema.  As in diff_change.c,
 * where a statement can meet a conflict its rows are visited in one order.
 */
#include "diff_gen.h"

#include <string.h>

static const struct diff_schema *
schema_of(struct diff_gen *g)
{
    return &g->mode->schema;
}

static const char *
target_table(struct diff_gen *g)
{
    g->target = gen_moss_table(g);
    return g->target;
}

/*
 * safe: no value can be a rowid that is none.  That is an error after which
 * an ordinary table keeps the statement's first rows, if the conflict clause
 * made SQLite believe that there is nothing to undo.
 */
static const char *
conflict_clause(struct diff_gen *g, bool safe)
{
    if (schema_of(g)->has_rowid && schema_of(g)->n_parts > 0 && !safe)
        return PICK(g, "", "", "OR ABORT ");
    return PICK(g, "", "", "", "", "OR ABORT ", "OR FAIL ", "OR IGNORE ",
                "OR IGNORE ", "OR REPLACE ", "OR REPLACE ", "OR ROLLBACK ");
}

/*
 * For UPDATEs that make keys alike.  A row that was replaced before its turn
 * comes is another one then: with a key 1 for 1.0, which shows.
 */
static const char *
key_clause(struct diff_gen *g)
{
    const struct diff_schema *s = schema_of(g);

    for (int i = 0; i < s->n_parts; i++)
        if (s->n_parts > 1 && !s->columns[s->parts[i]].is_exact)
            return PICK(g, "", "", "OR ABORT ", "OR FAIL ", "OR IGNORE ",
                        "OR ROLLBACK ");
    return conflict_clause(g, true);
}

/* A new value of the column; a DEFAULT is not overruled with NULL. */
static void
emit_new(struct diff_gen *g, const struct diff_column *c)
{
    if (c->is_rowid)
        gen_small(g);
    else if (c->has_default)
        gen_pool_value(g, gen_between(g, 0, DIFF_POOL - 1));
    else
        wide_value(g, c);
}

/* Can a row be left out?  That its RETURNING is wanted SQLite forgets then. */
static bool
emit_insert_head(struct diff_gen *g)
{
    const char *clause = conflict_clause(g, true);

    gen_emit(g, "INSERT %sINTO %s", clause, target_table(g));
    return strcmp(clause, "OR IGNORE ") == 0;
}

/* The columns of an INSERT: those that can be are left out at times. */
struct columns {
    const struct diff_column *c[DIFF_COLUMNS];
    int n;
    bool has_key; /* all parts of it */
};

static void
choose_columns(struct diff_gen *g, struct columns *out)
{
    const struct diff_schema *s = schema_of(g);
    int turn = gen_chance(g, 20) ? 1 : 0;

    out->n = 0;
    out->has_key = true;
    for (int i = 0; i < s->n; i++) {
        const struct diff_column *c = &s->columns[(i + turn) % s->n];
        unsigned left_out = c->is_rowid || c->has_default ? 35
                            : c->part >= 0 || c->not_null ? 1
                                                          : 10;

        if (gen_chance(g, left_out))
            out->has_key = out->has_key && c->part < 0;
        else
            out->c[out->n++] = c;
    }
    if (out->n == 0)
        out->c[out->n++] = &s->columns[0];
}

static void
emit_names(struct diff_gen *g, const struct columns *columns)
{
    for (int i = 0; i < columns->n; i++)
        gen_emit(g, "%s%s", i ? ", " : "(", columns->c[i]->name);
    gen_emit(g, ")");
}

/* Not of a rowid that SQLite picks, nor of a column that was left out. */
static void
emit_returning(struct diff_gen *g, const struct columns *columns)
{
    gen_emit(g, " RETURNING %s", columns->c[0]->name);
    if (gen_chance(g, 50))
        gen_emit(g, ", typeof(%s)", columns->c[columns->n - 1]->name);
}

static void
write_insert_values(struct diff_gen *g)
{
    int n = gen_chance(g, 50) ? 1 : gen_between(g, 2, 8);
    struct columns columns;
    bool ignores;

    g->step->kind = n == 1 ? "INSERT row" : "INSERT rows";
    choose_columns(g, &columns);
    ignores = emit_insert_head(g);
    emit_names(g, &columns);
    gen_emit(g, " VALUES ");
    for (int row = 0; row < n; row++) {
        for (int i = 0; i < columns.n; i++) {
            gen_emit(g, i ? ", " : row ? ", (" : "(");
            emit_new(g, columns.c[i]);
        }
        gen_emit(g, ")");
    }
    if (!ignores && columns.has_key && gen_chance(g, 12))
        emit_returning(g, &columns);
}

/* What INSERT takes for a column from a table of the same schema. */
static void
emit_source(struct diff_gen *g, const struct diff_column *c)
{
    if (c->is_rowid)
        gen_emit(g, "%s%s", c->name, PICK(g, "", "", " + 1", " + 40", " - 7"));
    else if (c->has_default)
        gen_emit(g, "coalesce(%s, 'none')", c->name);
    else if (c->part >= 0)
        gen_emit(g, "%s%s", c->name,
                 PICK(g, "", "", "", " + 1", " * 1.0",
                      /* In UTF-16 a blob may become no text at all. */
                      g->mode->utf16 ? "" : " || 'x'"));
    else
        gen_emit(g, "%s", gen_chance(g, 80) ? c->name : wide_column(g)->name);
}

static void
emit_plain_source(struct diff_gen *g, const struct diff_column *c)
{
    const char *from = PICK(g, "i", "r", "s", "n", "b", "x", "id");

    if (c->is_rowid)
        gen_emit(g, "id");
    else if (c->has_default)
        gen_emit(g, "coalesce(%s, 'none')", from);
    else
        gen_emit(g, "%s", from);
}

static void
emit_series(struct diff_gen *g, const struct diff_column *c)
{
    if (c->is_rowid)
        gen_emit(g, "x");
    else if (c->part > 0)
        gen_emit(g, "%s", PICK(g, "x", "x % 7", "x / 2.0", "'v' || x"));
    else if (c->part == 0)
        gen_emit(g, "%s", PICK(g, "x", "x % 3", "x / 8", "'v' || (x & 3)"));
    else
        gen_emit(g, "%s",
                 PICK(g, "x * 2", "x / 2.0", "'v' || x", "x % 5",
                      "zeroblob(x & 255)", "0"));
}

static void
write_insert_select(struct diff_gen *g)
{
    struct columns columns;
    int kind = gen_between(g, 0, 3);

    g->step->kind = "INSERT SELECT";
    choose_columns(g, &columns);
    (void)emit_insert_head(g);
    emit_names(g, &columns);
    if (kind == 0)
        gen_emit(g,
                 " WITH RECURSIVE c(x) AS (SELECT %d UNION ALL SELECT x + %d"
                 " FROM c LIMIT %d)",
                 gen_between(g, -50, 300), gen_between(g, 1, 3),
                 gen_between(g, 1, g->bulk ? 900 : 60));
    for (int i = 0; i < columns.n; i++) {
        gen_emit(g, i ? ", " : " SELECT ");
        if (kind == 0)
            emit_series(g, columns.c[i]);
        else if (kind == 1)
            emit_plain_source(g, columns.c[i]);
        else
            emit_source(g, columns.c[i]);
    }
    if (kind == 0) {
        gen_emit(g, " FROM c");
    } else if (kind == 1) {
        gen_emit(g, " FROM %s ORDER BY id", gen_plain_table(g));
    } else { /* often the table itself */
        gen_emit(g, " FROM %s WHERE ", gen_moss_table(g));
        wide_predicate(g, "", 1);
        wide_order_by_key(g, "");
        gen_emit(g, " LIMIT 300"); /* or it doubles each time */
    }
}

static void
emit_set_value(struct diff_gen *g, const struct diff_column *c)
{
    switch (gen_between(g, 0, 7)) {
    case 0:
        gen_emit(g, "%s", wide_column(g)->name);
        break;
    case 1:
        gen_emit(g, "%s + 1", c->name);
        break;
    case 2:
        gen_emit(g, "abs(%s)", c->name); /* an error for the smallest one */
        break;
    case 3:
        gen_emit(g, "(SELECT %s FROM %s)",
                 PICK(g, "count(*)", "max(i)", "min(s)", "max(x)"),
                 gen_plain_table(g));
        break;
    case 4:
        gen_emit(g, "CASE WHEN %s < %s THEN %s ELSE 'case' END",
                 wide_column(g)->name, wide_column(g)->name, c->name);
        break;
    case 5:
        gen_emit(g, "NULL");
        break;
    default:
        wide_value(g, c);
    }
}

/* A column that is no part of the key, if there is one. */
static const struct diff_column *
other_column(struct diff_gen *g)
{
    const struct diff_schema *s = schema_of(g);
    int first = gen_between(g, 0, s->n - 1);

    for (int i = 0; i < s->n; i++)
        if (s->columns[(first + i) % s->n].part < 0)
            return &s->columns[(first + i) % s->n];
    return NULL;
}

static void
write_update_value(struct diff_gen *g, const struct diff_column *c)
{
    const char *clause = conflict_clause(g, true);

    g->step->kind = "UPDATE value";
    if (gen_chance(g, 10)) {
        g->step->kind = "UPDATE FROM";
        /* One source row for each row of the table. */
        gen_emit(g,
                 "UPDATE %s AS a SET %s = q.m FROM (SELECT i, max(id) AS m"
                 " FROM %s GROUP BY i) AS q WHERE a.%s = q.i",
                 target_table(g), c->name, gen_plain_table(g),
                 wide_part(g)->name);
        return;
    }
    gen_emit(g, "UPDATE %s%s SET %s = ", clause, target_table(g), c->name);
    emit_set_value(g, c);
    if (gen_chance(g, 30)) {
        const struct diff_column *d = other_column(g);

        if (d != c) {
            gen_emit(g, ", %s = ", d->name);
            emit_set_value(g, d);
        }
    }
    gen_emit(g, " WHERE ");
    /* A NULL may be refused: the rows before it stay after OR FAIL. */
    if (gen_chance(g, 50) || *clause != '\0')
        wide_key_range(g, "");
    else
        wide_predicate(g, "", 2);
}

/*
 * A key that is a function of the old one is not combined with OR REPLACE:
 * a row that replaced one still to come would be seen by its expressions.
 */
static void
write_update_key(struct diff_gen *g)
{
    const struct diff_schema *s = schema_of(g);
    const struct diff_column *c = wide_part(g), *other = other_column(g);

    g->step->kind = "UPDATE key";
    if (gen_chance(g, 45)) {
        gen_emit(g, "UPDATE %s%s SET ",
                 s->has_rowid ? ""
                              : PICK(g, "", "", "OR ABORT ", "OR FAIL ",
                                     "OR IGNORE ", "OR ROLLBACK "),
                 target_table(g));
        gen_emit(g, "%s = ", c->name);
        if (gen_chance(g, 30) && !c->is_rowid)
            gen_emit(g, "%s", wide_column(g)->name);
        else
            gen_emit(g, "%s%s", c->name,
                     PICK(g, " + 1", " - 1", " * -1", " + 1000", " * 1",
                          c->is_rowid || g->mode->utf16 ? "" : " || 'z'"));
        if (other != NULL && gen_chance(g, 40))
            gen_emit(g, ", %s = %s", other->name, PICK(g, c->name, "'moved'"));
    } else if (gen_chance(g, 30) && s->n_parts > 1) {
        gen_emit(g, "UPDATE %s%s SET (", key_clause(g), target_table(g));
        for (int i = 0; i < s->n_parts; i++)
            gen_emit(g, "%s%s", i ? ", " : "", s->columns[s->parts[i]].name);
        for (int i = 0; i < s->n_parts; i++) {
            gen_emit(g, i ? ", " : ") = (");
            emit_new(g, &s->columns[s->parts[i]]);
        }
        gen_emit(g, ")");
    } else {
        gen_emit(g, "UPDATE %s%s SET %s = ", key_clause(g), target_table(g),
                 c->name);
        emit_new(g, c);
        if (other != NULL && gen_chance(g, 40)) {
            gen_emit(g, ", %s = ", other->name);
            wide_value(g, other);
        }
    }
    gen_emit(g, " WHERE ");
    wide_key_range(g, "");
}

static void
write_delete(struct diff_gen *g)
{
    g->step->kind = "DELETE";
    gen_emit(g, "DELETE FROM %s", target_table(g));
    if (gen_chance(g, 2))
        return;
    gen_emit(g, " WHERE ");
    if (gen_chance(g, 50)) {
        wide_key_range(g, "");
        if (gen_chance(g, 60)) {
            gen_emit(g, " AND ");
            wide_predicate(g, "", 0);
        }
    } else {
        wide_predicate(g, "", 1);
        gen_emit(g, " AND ");
        wide_predicate(g, "", 0);
    }
}

void
gen_wide_change(struct diff_gen *g)
{
    unsigned kind = rng_below(&g->rng, 100);
    const struct diff_column *other = other_column(g);

    g->step->compare = DIFF_BAG;
    g->step->is_change = true;
    if (kind < 4)
        gen_wide_nested_change(g);
    else if (kind < 44)
        write_insert_values(g);
    else if (kind < 60)
        write_insert_select(g);
    else if (kind < 74 && other != NULL)
        write_update_value(g, other);
    else if (kind < 87 && schema_of(g)->n_parts > 0)
        write_update_key(g);
    else
        write_delete(g);
}
