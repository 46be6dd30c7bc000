/*
 * SELECT statements on tables of a random schema.  A query is compared in
 * order when its ORDER BY ends in the whole key, otherwise as a bag; and what
 * depends on which of several equal values is met first (1 or 1.0, 'a' or
 * 'A') is not asked for.
 */
#include "diff_gen.h"

#include <stdio.h>

static void
ordered(struct diff_gen *g)
{
    g->step->compare = DIFF_ORDERED;
}

static void
emit_limit(struct diff_gen *g)
{
    gen_emit(g, " LIMIT %d", gen_between(g, -1, 12));
    if (gen_chance(g, 50))
        gen_emit(g, " OFFSET %d", gen_between(g, 0, 6));
}

static void
emit_where(struct diff_gen *g, const char *alias)
{
    if (gen_chance(g, 85)) {
        gen_emit(g, " WHERE ");
        wide_predicate(g, alias, 2);
    }
}

static const struct diff_schema *
schema_of(struct diff_gen *g)
{
    return &g->mode->schema;
}

/* "a.k1, b.c2 + 1": some columns. */
static void
emit_columns(struct diff_gen *g, const char *alias)
{
    const char *c = wide_column(g)->name, *d = wide_column(g)->name;

    switch (gen_between(g, 0, 5)) {
    case 0:
        gen_emit(g, "%s%s", alias, c);
        break;
    case 1:
        gen_emit(g, "%s%s, typeof(%s%s), %s%s", alias, c, alias, c, alias, d);
        break;
    case 2:
        gen_emit(g, "%s%s + 0, %s%s || ''", alias, c, alias, d);
        break;
    case 3:
        gen_emit(g, "CASE WHEN %s%s < %s%s THEN %s%s ELSE 'no' END", alias, c,
                 alias, d, alias, c);
        break;
    default:
        gen_emit(g, "%s%s, %s%s", alias, c, alias, d);
    }
}

static void
write_rows(struct diff_gen *g)
{
    g->step->kind = "SELECT rows";
    gen_emit(g, "SELECT ");
    if (gen_chance(g, 40))
        gen_emit(g, "%s",
                 schema_of(g)->has_rowid ? PICK(g, "*", "rowid AS id, *")
                                         : "*");
    else
        emit_columns(g, "");
    gen_emit(g, " FROM %s", gen_moss_table(g));
    emit_where(g, "");
    if (gen_chance(g, 45))
        return;
    ordered(g);
    wide_order_by_key(g, "");
    if (gen_chance(g, 40))
        emit_limit(g);
}

/* An order by some columns only: whether it is kept, a window tells. */
static void
write_prefix_order(struct diff_gen *g)
{
    const struct diff_schema *s = schema_of(g);
    const char *by = wide_part(g)->name;

    g->step->kind = "SELECT in order of a part";
    gen_emit(g, "SELECT ");
    emit_columns(g, "");
    gen_emit(g, " FROM %s WHERE ", gen_moss_table(g));
    if (s->n_parts > 1 && gen_chance(g, 70)) {
        wide_equal_parts(g, "", gen_between(g, 1, s->n_parts - 1));
        by = s->columns[s->parts[gen_between(g, 0, s->n_parts - 1)]].name;
    } else {
        wide_predicate(g, "", 1);
    }
    gen_emit(g, " ORDER BY %s%s", by, PICK(g, "", " DESC", " NULLS LAST"));
    if (s->n_parts > 0 && gen_chance(g, 50)) {
        ordered(g);
        for (int i = 0; i < s->n_parts; i++)
            gen_emit(g, ", %s%s", s->columns[s->parts[i]].name,
                     s->recollated ? " COLLATE BINARY" : "");
        if (s->recollated)
            g->step->compare = DIFF_BAG; /* equal numbers, texts */
        if (!s->recollated && gen_chance(g, 40))
            emit_limit(g);
    }
}

static void
write_aggregate(struct diff_gen *g)
{
    const struct diff_column *c = wide_part(g);
    const struct diff_column *d = wide_column(g);

    g->step->kind = "SELECT aggregate";
    gen_emit(g, "SELECT ");
    switch (gen_between(g, 0, 4)) {
    case 0:
        gen_emit(g, "count(*)");
        break;
    case 1:
        if (c->is_exact)
            gen_emit(g, "%s(%s)", PICK(g, "min", "max"), c->name);
        else /* what is equal to it may look otherwise */
            gen_emit(g, "typeof(%s(%s)) = 'text'", PICK(g, "min", "max"),
                     c->name);
        break;
    case 2:
        gen_emit(g, "count(%s), count(DISTINCT %s)", d->name, c->name);
        break;
    case 3:
        gen_emit(g, "sum(typeof(%s) = 'text'), avg(%s IS NULL)", c->name,
                 d->name);
        break;
    default:
        gen_emit(g, "%s", c->is_exact ? "" : "typeof(");
        gen_emit(g, "%s(%s)", PICK(g, "min", "max"), c->name);
        gen_emit(g, "%s", c->is_exact ? "" : ") = 'blob'");
    }
    gen_emit(g, " FROM %s", gen_moss_table(g));
    if (gen_chance(g, 30) && schema_of(g)->n_parts > 1) {
        gen_emit(g, " WHERE ");
        wide_equal_parts(g, "", gen_between(g, 1, schema_of(g)->n_parts - 1));
    } else {
        emit_where(g, "");
    }
}

/* The first columns of the key, or any: what to group by. */
static int
choose_group(struct diff_gen *g, const struct diff_column **c)
{
    const struct diff_schema *s = schema_of(g);
    int n = gen_between(g, 1, DIFF_PARTS);
    int turn = gen_chance(g, 25) ? 1 : 0;

    for (int i = 0; i < n; i++)
        c[i] = i < s->n_parts && gen_chance(g, 85)
                   ? &s->columns[s->parts[(i + turn) % s->n_parts]]
                   : wide_column(g);
    return n;
}

static void
emit_names(struct diff_gen *g, const struct diff_column **c, int n)
{
    for (int i = 0; i < n; i++)
        gen_emit(g, "%s%s", i ? ", " : "", c[i]->name);
}

/* The columns as values of which one stands for all that are equal to it. */
static bool
emit_exact(struct diff_gen *g, const struct diff_column **c, int n)
{
    bool any = false;

    for (int i = 0; i < n; i++) {
        if (!c[i]->is_exact)
            continue;
        gen_emit(g, "%s%s", any ? ", " : "", c[i]->name);
        any = true;
    }
    return any;
}

static void
write_group(struct diff_gen *g)
{
    const struct diff_column *c[DIFF_PARTS];
    int n = choose_group(g, c);
    bool by_order = gen_chance(g, 50);

    g->step->kind = "SELECT group";
    gen_emit(g, "SELECT ");
    gen_emit(g, "%scount(*), count(DISTINCT %s)",
             emit_exact(g, c, n) ? ", " : "", wide_column(g)->name);
    gen_emit(g, " FROM %s", gen_moss_table(g));
    emit_where(g, "");
    gen_emit(g, " GROUP BY ");
    emit_names(g, c, n);
    gen_emit(g, "%s", PICK(g, "", "", " HAVING count(*) > 1"));
    if (!by_order)
        return;
    /* Groups are told apart by all of its columns: the order is total. */
    ordered(g);
    gen_emit(g, " ORDER BY ");
    for (int i = 0; i < n; i++)
        gen_emit(g, "%s%s%s", i ? ", " : "", c[i]->name, PICK(g, "", " DESC"));
}

static void
write_distinct(struct diff_gen *g)
{
    const struct diff_column *c[DIFF_PARTS];
    int n = choose_group(g, c);
    bool exact = true;

    g->step->kind = "SELECT DISTINCT";
    for (int i = 0; i < n; i++)
        exact = exact && c[i]->is_exact;
    gen_emit(g, exact ? "SELECT DISTINCT "
                      : "SELECT count(*) FROM (SELECT"
                        " DISTINCT ");
    emit_names(g, c, n);
    gen_emit(g, " FROM %s", gen_moss_table(g));
    emit_where(g, "");
    if (!exact) {
        gen_emit(g, ")");
    } else if (gen_chance(g, 50)) {
        ordered(g);
        gen_emit(g, " ORDER BY ");
        for (int i = 0; i < n; i++)
            gen_emit(g, "%s%s%s", i ? ", " : "", c[i]->name,
                     PICK(g, "", " DESC"));
        if (gen_chance(g, 40))
            emit_limit(g);
    }
}

/* "a.k1 = b.k1 AND a.k2 < b.c1" or the like. */
static void
emit_on(struct diff_gen *g, const char *a, const char *b)
{
    const struct diff_schema *s = schema_of(g);
    int n = s->n_parts > 0 ? gen_between(g, 0, s->n_parts) : 0;

    for (int i = 0; i < n; i++) {
        const char *k = s->columns[s->parts[i]].name;

        gen_emit(g, "%s%s%s = %s%s", i ? " AND " : "", a, k, b,
                 gen_chance(g, 70) ? k : wide_column(g)->name);
    }
    if (n == 0 || gen_chance(g, 40))
        gen_emit(g, "%s%s%s %s %s%s%s", n > 0 ? " AND " : "", a,
                 wide_column(g)->name,
                 PICK(g, "=", "=", "<", ">=", "IS", ">", "<="), b,
                 wide_column(g)->name, PICK(g, "", "", "", " COLLATE NOCASE"));
}

static const char *
join_word(struct diff_gen *g)
{
    bool both = sqlite3_libversion_number() >= 3039000 && gen_chance(g, 15);

    return both ? PICK(g, "RIGHT JOIN", "FULL JOIN")
                : PICK(g, "JOIN", "JOIN", "LEFT JOIN", "CROSS JOIN");
}

static void
emit_pair_columns(struct diff_gen *g)
{
    if (g->bulk || gen_chance(g, 20)) {
        gen_emit(g, "SELECT count(*), count(a.%s), count(b.%s)",
                 wide_column(g)->name, wide_column(g)->name);
        return;
    }
    gen_emit(g, "SELECT ");
    emit_columns(g, "a.");
    gen_emit(g, ", ");
    emit_columns(g, "b.");
}

static void
write_self_join(struct diff_gen *g)
{
    bool three = !g->bulk && gen_chance(g, 25); /* a thousand rows, cubed */

    g->step->kind = three ? "SELECT join of 3" : "SELECT self-join";
    emit_pair_columns(g);
    gen_emit(g, " FROM %s AS a %s %s AS b ON ", gen_moss_table(g), join_word(g),
             gen_moss_table(g));
    emit_on(g, "b.", "a.");
    if (three && gen_chance(g, 50)) {
        gen_emit(g, " %s %s AS c ON ", PICK(g, "JOIN", "LEFT JOIN"),
                 gen_moss_table(g));
        emit_on(g, "c.", PICK(g, "a.", "b."));
    } else if (three) {
        gen_emit(g, " %s %s AS o ON o.%s = %s%s", PICK(g, "JOIN", "LEFT JOIN"),
                 gen_plain_table(g), PICK(g, "i", "r", "s", "n", "b", "x"),
                 PICK(g, "a.", "b."), wide_column(g)->name);
    }
    if (gen_chance(g, 60)) {
        gen_emit(g, " WHERE ");
        wide_predicate(g, PICK(g, "a.", "b."), 1);
    }
}

static void
write_typed_join(struct diff_gen *g)
{
    const struct diff_schema *s = schema_of(g);
    const char *table = gen_moss_table(g);
    const char *plain = gen_plain_table(g);
    const char *join = join_word(g);
    int n = gen_between(g, 1, s->n_parts > 1 ? s->n_parts : 1);

    g->step->kind = "SELECT join, ordinary";
    gen_emit(g, "SELECT ");
    emit_columns(g, "a.");
    gen_emit(g, ", o.id FROM ");
    if (gen_chance(g, 50))
        gen_emit(g, "%s AS a %s %s AS o ON ", table, join, plain);
    else
        gen_emit(g, "%s AS o %s %s AS a ON ", plain, join, table);
    for (int i = 0; i < n; i++) {
        const struct diff_column *c =
            i < s->n_parts ? &s->columns[s->parts[i]] : wide_column(g);
        const char *o = PICK(g, "i", "r", "s", "n", "b", "x", "x");
        const char *op = i + 1 < n ? "=" : PICK(g, "=", "=", "<", ">=", "IS");

        gen_emit(g, i ? " AND " : "");
        if (gen_chance(g, 50))
            gen_emit(g, "a.%s %s o.%s", c->name, op, o);
        else
            gen_emit(g, "o.%s %s a.%s%s", o, op, c->name,
                     PICK(g, "", "", "", " COLLATE NOCASE"));
    }
    if (gen_chance(g, 40)) {
        gen_emit(g, " WHERE ");
        wide_predicate(g, "a.", 1);
    }
}

static void
write_correlated(struct diff_gen *g)
{
    const struct diff_column *c = wide_part(g);
    bool exact = c->is_exact;

    g->step->kind = "SELECT correlated";
    gen_emit(g, "SELECT a.%s, (SELECT %s(b.%s) FROM %s AS b WHERE ", c->name,
             exact ? PICK(g, "max", "min", "count") : "count", c->name,
             gen_moss_table(g));
    emit_on(g, "b.", "a.");
    gen_emit(g, ") FROM %s AS a", gen_moss_table(g));
    emit_where(g, "a.");
}

static void
write_compound(struct diff_gen *g)
{
    const struct diff_column *c = wide_column(g);
    bool exact = c->is_exact;

    g->step->kind = "SELECT compound";
    if (!exact || gen_chance(g, 30)) {
        gen_emit(g, "SELECT count(*) FROM (SELECT %s FROM %s", c->name,
                 gen_moss_table(g));
        emit_where(g, "");
        gen_emit(g, " UNION ALL SELECT %s FROM %s", wide_column(g)->name,
                 gen_moss_table(g));
        emit_where(g, "");
        gen_emit(g, " LIMIT %d OFFSET %d)", gen_between(g, 0, 40),
                 gen_between(g, 0, 30));
        return;
    }
    gen_emit(g, "SELECT %s FROM %s", c->name, gen_moss_table(g));
    emit_where(g, "");
    gen_emit(g, " %s SELECT %s FROM %s",
             PICK(g, "UNION", "UNION ALL", "EXCEPT", "INTERSECT"), c->name,
             gen_moss_table(g));
    emit_where(g, "");
    if (gen_chance(g, 50)) {
        ordered(g);
        gen_emit(g, " ORDER BY 1%s", PICK(g, "", " DESC"));
        if (gen_chance(g, 40))
            emit_limit(g);
    }
}

static void
write_cte(struct diff_gen *g)
{
    const struct diff_column *c = wide_part(g);

    g->step->kind = "SELECT CTE";
    if (c->is_exact && gen_chance(g, 40)) { /* walk the values one by one */
        gen_emit(g,
                 "WITH RECURSIVE w(k, n) AS (SELECT min(%s), 1 FROM %s UNION"
                 " ALL SELECT (SELECT min(%s) FROM %s WHERE %s > k), n + 1"
                 " FROM w WHERE k IS NOT NULL AND n < 30) SELECT * FROM w",
                 c->name, gen_moss_table(g), c->name, gen_moss_table(g),
                 c->name);
        return;
    }
    gen_emit(g, "WITH q AS %s(SELECT * FROM %s",
             PICK(g, "", "MATERIALIZED ", "NOT MATERIALIZED "),
             gen_moss_table(g));
    emit_where(g, "");
    gen_emit(g, ") SELECT a.%s, b.%s FROM q AS a JOIN q AS b ON ",
             wide_column(g)->name, wide_column(g)->name);
    emit_on(g, "a.", "b.");
    gen_emit(g, " WHERE ");
    wide_predicate(g, "a.", 1);
}

/* Only what equal rows have in common: ranks and counts of peers. */
static void
write_window(struct diff_gen *g)
{
    const char *by = wide_part(g)->name;

    g->step->kind = "SELECT window";
    gen_emit(g, "SELECT %s, ", wide_column(g)->name);
    if (gen_chance(g, 50))
        gen_emit(g, "%s OVER (ORDER BY %s%s)",
                 PICK(g, "rank()", "dense_rank()", "count(*)"), by,
                 PICK(g, "", " DESC"));
    else
        gen_emit(g, "rank() OVER (PARTITION BY %s ORDER BY %s%s)", by,
                 wide_part(g)->name, PICK(g, "", " DESC"));
    gen_emit(g, " FROM %s", gen_moss_table(g));
    emit_where(g, "");
}

static void
write_nested(struct diff_gen *g)
{
    g->step->kind = "SELECT nested";
    gen_emit(g, "SELECT * FROM (SELECT * FROM %s", gen_moss_table(g));
    emit_where(g, "");
    wide_order_by_key(g, "");
    gen_emit(g, " LIMIT %d OFFSET %d) WHERE ", gen_between(g, 0, 20),
             gen_between(g, 0, 5));
    wide_predicate(g, "", 1);
}

static void
write_view(struct diff_gen *g)
{
    g->step->kind = "SELECT view";
    gen_emit(g, "SELECT * FROM v1");
    emit_where(g, "");
}

void
gen_wide_query(struct diff_gen *g)
{
    static void (*const writers[])(struct diff_gen *) = {
        write_aggregate,       write_aggregate,
        write_group,           write_group,
        write_distinct,        write_self_join,
        write_self_join,       write_self_join,
        write_typed_join,      write_typed_join,
        write_typed_join,      write_correlated,
        write_compound,        write_cte,
        write_window,          write_nested,
        write_prefix_order,    write_prefix_order,
        write_prefix_order,    write_view,
        gen_wide_nested_query, gen_wide_nested_query,
        gen_wide_nested_query, gen_wide_nested_query,
    };
    unsigned n = sizeof writers / sizeof writers[0];

    g->step->compare = DIFF_BAG;
    if (gen_chance(g, 8))
        gen_emit(g, "EXPLAIN QUERY PLAN ");
    if (gen_chance(g, 40))
        write_rows(g);
    else
        writers[rng_below(&g->rng, n)](g);
}
