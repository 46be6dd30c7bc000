/*
 * Conditions on tables of a random schema.  As in diff_expr.c, none of them
 * can fail at run time.
 */
#include "diff_gen.h"

/* The values that a part of the key mostly has: few, so that they repeat. */
enum { PART_VALUES = 8 };

static const struct diff_schema *
schema_of(struct diff_gen *g)
{
    return &g->mode->schema;
}

const struct diff_column *
wide_part(struct diff_gen *g)
{
    const struct diff_schema *s = schema_of(g);

    if (s->n_parts == 0)
        return &s->columns[gen_between(g, 0, s->n - 1)];
    if (gen_chance(g, 50))
        return &s->columns[s->parts[0]];
    return &s->columns[s->parts[gen_between(g, 0, s->n_parts - 1)]];
}

const struct diff_column *
wide_column(struct diff_gen *g)
{
    const struct diff_schema *s = schema_of(g);

    return gen_chance(g, 65) ? wide_part(g)
                             : &s->columns[gen_between(g, 0, s->n - 1)];
}

void
wide_value(struct diff_gen *g, const struct diff_column *c)
{
    if (c->is_rowid && gen_chance(g, 85))
        gen_small(g);
    else if (c->part < 0 && gen_chance(g, 70))
        gen_value(g);
    else if (gen_chance(g, 85))
        gen_pool_value(g, (c->part < 0 ? 0 : c->part) * PART_VALUES +
                              gen_between(g, 0, PART_VALUES - 1));
    else
        gen_key(g);
}

void
wide_order_by_key(struct diff_gen *g, const char *alias)
{
    const struct diff_schema *s = schema_of(g);
    bool same = gen_chance(g, 70), first = gen_chance(g, 50);

    gen_emit(g, " ORDER BY ");
    if (s->n_parts == 0)
        gen_emit(g, "%srowid%s", alias, first ? " DESC" : "");
    for (int i = 0; i < s->n_parts; i++) {
        bool desc = same ? first : gen_chance(g, 50);

        gen_emit(g, "%s%s%s%s", i ? ", " : "", alias,
                 s->columns[s->parts[i]].name, desc ? " DESC" : "");
    }
    for (int i = 0; s->recollated && i < s->n_parts; i++)
        gen_emit(g, ", %s%s COLLATE BINARY", alias,
                 s->columns[s->parts[i]].name);
}

void
wide_equal_parts(struct diff_gen *g, const char *alias, int n)
{
    const struct diff_schema *s = schema_of(g);

    if (s->n_parts == 0 && n > 0) {
        gen_emit(g, "%srowid = ", alias);
        gen_small(g);
    }
    for (int i = 0; i < n && i < s->n_parts; i++) {
        const struct diff_column *c = &s->columns[s->parts[i]];

        gen_emit(g, "%s%s%s = ", i ? " AND " : "", alias, c->name);
        wide_value(g, c);
    }
}

/* A range of one column or, with c NULL, of the rowid. */
static void
emit_range(struct diff_gen *g, const char *alias, const struct diff_column *c)
{
    const char *name = c == NULL ? "rowid" : c->name;
    static const struct diff_column rowid = { .is_rowid = true, .part = 0 };

    if (c == NULL)
        c = &rowid;
    switch (gen_between(g, 0, 3)) {
    case 0:
        gen_emit(g, "%s%s BETWEEN ", alias, name);
        wide_value(g, c);
        gen_emit(g, " AND ");
        wide_value(g, c);
        break;
    case 1:
        gen_emit(g, "%s%s > ", alias, name);
        wide_value(g, c);
        gen_emit(g, " AND %s%s <= ", alias, name);
        wide_value(g, c);
        break;
    default:
        gen_emit(g, "%s%s %s ", alias, name, PICK(g, "<", ">=", "<=", ">"));
        wide_value(g, c);
    }
}

void
wide_key_range(struct diff_gen *g, const char *alias)
{
    const struct diff_schema *s = schema_of(g);
    int n = s->n_parts;

    if (n == 0) {
        emit_range(g, alias, NULL);
        return;
    }
    /* Several texts come in another order where they are UTF-16. */
    if (!g->mode->utf16 || s->has_rowid)
        n = gen_between(g, 0, n);
    wide_equal_parts(g, alias, n);
    if (n == s->n_parts)
        return;
    gen_emit(g, n > 0 ? " AND " : "");
    emit_range(g, alias, &s->columns[s->parts[n]]);
}

static void
emit_list(struct diff_gen *g, const struct diff_column *c)
{
    int n = gen_between(g, 0, 5);

    gen_emit(g, "(");
    for (int i = 0; i < n; i++) {
        gen_emit(g, i ? ", " : "");
        if (gen_chance(g, 8))
            gen_emit(g, "NULL");
        else
            wide_value(g, c);
    }
    gen_emit(g, ")");
}

static void
emit_in(struct diff_gen *g, const char *alias)
{
    const struct diff_column *c = wide_column(g);

    gen_emit(g, "%s%s %s ", alias, c->name, PICK(g, "IN", "IN", "NOT IN"));
    switch (gen_between(g, 0, 5)) {
    case 0:
        gen_emit(g, "(SELECT %s FROM %s WHERE %s < ", wide_column(g)->name,
                 gen_read_table(g), wide_column(g)->name);
        gen_value(g);
        gen_emit(g, ")");
        break;
    case 1:
        gen_emit(g, "(SELECT %s FROM %s)",
                 PICK(g, "i", "r", "s", "n", "b", "x", "+x"),
                 gen_plain_table(g));
        break;
    default:
        emit_list(g, c);
    }
}

static void
emit_like(struct diff_gen *g, const char *alias)
{
    gen_emit(g, "%s%s %s", alias, wide_column(g)->name,
             PICK(g, "", "", "NOT "));
    if (gen_chance(g, 50)) {
        gen_emit(g, "LIKE ");
        gen_text(g, PICK(g, "a%", "A%", "%b%", "a_", "5%", "%", "ab_", "",
                         "\xc3\xa9%", "a", "a%%b", "-%", "1%", "z%c"));
    } else {
        gen_emit(g, "GLOB ");
        gen_text(g, PICK(g, "a*", "A*", "*b*", "a?", "5*", "*", "[ab]*", "",
                         "\xc3\xa9*", "a", "~*", "-*", "1*"));
    }
}

static void
emit_comparison(struct diff_gen *g, const char *alias)
{
    const struct diff_column *c = wide_column(g);

    switch (gen_between(g, 0, 8)) {
    case 0:
        wide_value(g, c);
        gen_emit(g, " %s %s%s", gen_comparison(g), alias, c->name);
        break;
    case 1:
        gen_emit(g, "%s%s COLLATE %s %s ", alias, c->name,
                 PICK(g, "NOCASE", "RTRIM", "BINARY"), gen_comparison(g));
        wide_value(g, c);
        break;
    case 2:
        gen_emit(g, "%s%s %s ", alias, c->name, gen_comparison(g));
        wide_value(g, c);
        gen_emit(g, " COLLATE %s", PICK(g, "NOCASE", "RTRIM"));
        break;
    case 3:
        gen_emit(g, "%s%s %s %s", alias, c->name, gen_comparison(g),
                 PICK(g, "+", ""));
        wide_value(g, c);
        break;
    case 4:
        gen_emit(g, "%s%s %s %s%s", alias, c->name, gen_comparison(g), alias,
                 wide_column(g)->name);
        break;
    default:
        gen_emit(g, "%s%s %s ", alias, c->name, gen_comparison(g));
        wide_value(g, c);
    }
}

/*
 * The columns of a row value, mostly the first parts in order.  None twice:
 * there SQLite 3.40 errs on ordinary tables.
 */
static int
choose_row_value(struct diff_gen *g, const struct diff_column **c)
{
    const struct diff_schema *s = schema_of(g);
    int wanted = gen_between(g, 2, DIFF_PARTS), n = 0;

    for (int i = 0; i < wanted; i++) {
        bool again = false;

        c[n] = i < s->n_parts && gen_chance(g, 85) ? &s->columns[s->parts[i]]
                                                   : wide_column(g);
        for (int k = 0; k < n; k++)
            again = again || c[k] == c[n];
        n += !again;
    }
    return n;
}

/*
 * A subquery has the same columns, and LIMIT.  SQLite 3.40 errs otherwise: it
 * compares a virtual table's columns with a row value's under their own
 * affinity alone, whatever the other column's is; and if it looks the row up
 * in an ordinary table's index, whose columns come in another order, it gives
 * each value the affinity of another.
 */
static void
emit_row_value(struct diff_gen *g, const char *alias)
{
    const struct diff_column *c[DIFF_PARTS];
    int n = choose_row_value(g, c);
    int kind = gen_between(g, 0, 3);

    if (n < 2) {
        emit_comparison(g, alias);
        return;
    }
    for (int i = 0; i < n; i++)
        gen_emit(g, "%s%s%s", i ? ", " : "(", alias, c[i]->name);
    if (kind == 0) {
        gen_emit(g, ") %sIN (SELECT ", PICK(g, "", "", "NOT "));
        for (int i = 0; i < n; i++)
            gen_emit(g, "%s%s", i ? ", " : "", c[i]->name);
        gen_emit(g, " FROM %s LIMIT -1)", gen_read_table(g));
        return;
    }
    gen_emit(g, ") %s ",
             kind == 1 ? "IN" : PICK(g, "=", "<", "<=", ">", ">=", "<>", "IS"));
    gen_emit(g, kind == 1 ? "(VALUES " : "");
    for (int row = 0; row <= (kind == 1); row++) {
        for (int i = 0; i < n; i++) {
            gen_emit(g, i ? ", " : row ? ", (" : "(");
            wide_value(g, c[i]);
        }
        gen_emit(g, ")");
    }
    gen_emit(g, kind == 1 ? ")" : "");
}

static void
emit_cast(struct diff_gen *g, const char *alias)
{
    const struct diff_column *c = wide_column(g);
    const char *type =
        g->mode->utf16 ? PICK(g, "INTEGER", "REAL", "NUMERIC")
                       : PICK(g, "INTEGER", "REAL", "NUMERIC", "TEXT", "BLOB");

    if (gen_chance(g, 50)) {
        gen_emit(g, "CAST(%s%s AS %s) %s ", alias, c->name, type,
                 gen_comparison(g));
        wide_value(g, c);
    } else {
        gen_emit(g, "%s%s %s CAST(", alias, c->name, gen_comparison(g));
        wide_value(g, c);
        gen_emit(g, " AS %s)", type);
    }
}

static void
emit_case(struct diff_gen *g, const char *alias)
{
    const struct diff_column *c = wide_column(g);

    if (gen_chance(g, 50)) {
        gen_emit(g, "CASE %s%s WHEN ", alias, c->name);
        wide_value(g, c);
        gen_emit(g, " THEN 1 WHEN ");
        wide_value(g, c);
        gen_emit(g, " THEN 0 ELSE %s%s END", alias, wide_column(g)->name);
    } else {
        gen_emit(g, "%s%s %s CASE WHEN ", alias, c->name, gen_comparison(g));
        emit_comparison(g, alias);
        gen_emit(g, " THEN %s%s ELSE ", alias, wide_column(g)->name);
        wide_value(g, c);
        gen_emit(g, " END");
    }
}

static void
emit_subquery(struct diff_gen *g, const char *alias)
{
    const struct diff_column *c = wide_column(g);

    switch (gen_between(g, 0, 4)) {
    case 0:
        gen_emit(g, "EXISTS (SELECT 1 FROM %s AS e WHERE e.%s %s %s%s)",
                 gen_read_table(g), c->name, PICK(g, "=", "<", ">", "IS"),
                 alias, wide_column(g)->name);
        break;
    case 1:
        gen_emit(g, "NOT EXISTS (SELECT * FROM %s AS e WHERE e.%s = %s%s)",
                 gen_plain_table(g), PICK(g, "i", "s", "n", "x"), alias,
                 c->name);
        break;
    case 2:
        gen_emit(g, "%s%s %s (SELECT %s(%s) FROM %s)", alias, c->name,
                 gen_comparison(g), PICK(g, "min", "max"), wide_column(g)->name,
                 gen_read_table(g));
        break;
    case 3:
        gen_emit(g, "%s%s %s (SELECT %s(e.%s) FROM %s AS e WHERE e.%s = %s%s)",
                 alias, c->name, gen_comparison(g), PICK(g, "min", "max"),
                 wide_part(g)->name, gen_read_table(g), wide_part(g)->name,
                 alias, wide_column(g)->name);
        break;
    default:
        gen_emit(g, "%s%s %s (SELECT count(*) FROM %s AS e WHERE e.%s < %s%s)",
                 alias, c->name, PICK(g, "<", ">="), gen_read_table(g), c->name,
                 alias, c->name);
    }
}

/* What the planner is made for: the first parts equal, the next in a range. */
static void
emit_prefix(struct diff_gen *g, const char *alias)
{
    const struct diff_schema *s = schema_of(g);
    int n = gen_between(g, 0, s->n_parts);

    wide_equal_parts(g, alias, n);
    if (n > 0)
        gen_emit(g, " AND ");
    if (n == s->n_parts) {
        emit_comparison(g, alias);
    } else if (gen_chance(g, 30)) {
        gen_emit(g, "%s%s IN ", alias, s->columns[s->parts[n]].name);
        emit_list(g, &s->columns[s->parts[n]]);
    } else {
        emit_range(g, alias, &s->columns[s->parts[n]]);
    }
}

static void
emit_simple(struct diff_gen *g, const char *alias)
{
    unsigned kind = rng_below(&g->rng, 100);

    if (kind < 26) {
        emit_prefix(g, alias);
    } else if (kind < 48) {
        emit_comparison(g, alias);
    } else if (kind < 58) {
        emit_range(g, alias, wide_column(g));
    } else if (kind < 68) {
        emit_in(g, alias);
    } else if (kind < 75) {
        emit_like(g, alias);
    } else if (kind < 83) {
        emit_row_value(g, alias);
    } else if (kind < 87) {
        emit_cast(g, alias);
    } else if (kind < 90) {
        gen_emit(g, "%s%s %s", alias, wide_column(g)->name,
                 PICK(g, "IS NULL", "NOTNULL", "IS NOT NULL"));
    } else if (kind < 92) {
        gen_emit(g, "typeof(%s%s) = '%s'", alias, wide_column(g)->name,
                 PICK(g, "integer", "real", "text", "blob", "null"));
    } else if (kind < 95) {
        emit_case(g, alias);
    } else if (kind < 96) {
        gen_emit(g, "%s%s", alias, wide_column(g)->name);
    } else {
        emit_subquery(g, alias);
    }
}

void
wide_predicate(struct diff_gen *g, const char *alias, int depth)
{
    unsigned kind = rng_below(&g->rng, 100);

    if (depth <= 0 || kind < 55) {
        emit_simple(g, alias);
    } else if (kind < 78) {
        wide_predicate(g, alias, depth - 1);
        gen_emit(g, " AND ");
        wide_predicate(g, alias, depth - 1);
    } else if (kind < 95) {
        gen_emit(g, "(");
        wide_predicate(g, alias, depth - 1);
        gen_emit(g, " OR ");
        wide_predicate(g, alias, depth - 1);
        gen_emit(g, ")");
    } else {
        gen_emit(g, "NOT (");
        wide_predicate(g, alias, depth - 1);
        gen_emit(g, ")");
    }
}
