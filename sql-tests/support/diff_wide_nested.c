/*
 * Statements on tables of a random schema in which tables stand in other
 * places: correlated EXISTS, USING, WITH before a change, windows with frames,
 * aggregates with FILTER, views that triggers write through.  As in
 * diff_wide_query.c, what depends on the order of equal rows is not asked for.
 */
#include "diff_gen.h"

static const struct diff_schema *
schema_of(struct diff_gen *g)
{
    return &g->mode->schema;
}

static const char *
key_name(struct diff_gen *g)
{
    const struct diff_schema *s = schema_of(g);

    return s->n_parts > 0 ? s->columns[s->parts[0]].name : "rowid";
}

/* "b.k1 = a.k1 AND b.c1 > a.k2" */
static void
emit_correlation(struct diff_gen *g, const char *b, const char *a)
{
    const struct diff_schema *s = schema_of(g);
    int n = s->n_parts > 0 ? gen_between(g, 0, s->n_parts) : 0;

    for (int i = 0; i < n; i++) {
        const char *k = s->columns[s->parts[i]].name;

        gen_emit(g, "%s%s.%s = %s.%s", i ? " AND " : "", b, k, a, k);
    }
    if (n == 0 || gen_chance(g, 30))
        gen_emit(g, "%s%s.%s %s %s.%s", n > 0 ? " AND " : "", b,
                 wide_column(g)->name, PICK(g, "=", "IS", "<", ">="), a,
                 wide_column(g)->name);
}

static void
emit_exists(struct diff_gen *g, const char *from)
{
    gen_emit(g, "%sEXISTS (SELECT 1 FROM %s AS e WHERE ", PICK(g, "", "NOT "),
             from);
    emit_correlation(g, "e", "a");
    if (gen_chance(g, 30)) {
        gen_emit(g, " AND ");
        wide_predicate(g, "e.", 0);
    }
    gen_emit(g, ")");
}

static void
write_exists(struct diff_gen *g)
{
    g->step->kind = "SELECT EXISTS";
    gen_emit(g, "SELECT * FROM %s AS a WHERE ", gen_moss_table(g));
    if (gen_chance(g, 50)) {
        wide_predicate(g, "a.", 1);
        gen_emit(g, " AND ");
    }
    emit_exists(g, gen_chance(g, 80) ? gen_moss_table(g) : "v1");
}

static void
write_using(struct diff_gen *g)
{
    g->step->kind = "SELECT USING";
    gen_emit(g, "SELECT a.%s, b.%s FROM %s AS a %s %s AS b USING (%s",
             wide_column(g)->name, wide_column(g)->name, gen_moss_table(g),
             PICK(g, "JOIN", "LEFT JOIN", "CROSS JOIN"), gen_moss_table(g),
             wide_part(g)->name);
    gen_emit(g, ")");
    if (gen_chance(g, 60)) {
        gen_emit(g, " WHERE ");
        wide_predicate(g, PICK(g, "a.", "b."), 1);
    }
}

/* In the order of the whole key each row has its place. */
static void
write_frame(struct diff_gen *g)
{
    const char *c = wide_column(g)->name;

    g->step->kind = "SELECT window, frame";
    gen_emit(g, "SELECT %s, ", wide_column(g)->name);
    switch (gen_between(g, 0, 4)) {
    case 0:
        gen_emit(g, "row_number()");
        break;
    case 1:
        gen_emit(g, "%s(%s, %d)", PICK(g, "lag", "lead"), c,
                 gen_between(g, 0, 3));
        break;
    case 2:
        gen_emit(g, "ntile(%d)", gen_between(g, 1, 5));
        break;
    case 3:
        gen_emit(g, "%s(%s)", PICK(g, "first_value", "last_value"), c);
        break;
    default:
        gen_emit(g, "count(%s) FILTER (WHERE typeof(%s) <> 'text')", c, c);
    }
    gen_emit(g, " OVER (");
    wide_order_by_key(g, "");
    if (gen_chance(g, 50))
        gen_emit(g, " ROWS BETWEEN %d PRECEDING AND %d FOLLOWING",
                 gen_between(g, 0, 3), gen_between(g, 0, 3));
    gen_emit(g, ") FROM %s WHERE ", gen_moss_table(g));
    wide_predicate(g, "", 1);
}

static void
write_filter(struct diff_gen *g)
{
    g->step->kind = "SELECT FILTER";
    gen_emit(g, "SELECT count(*) FILTER (WHERE ");
    wide_predicate(g, "", 0);
    gen_emit(g, "), sum(%s IS NOT NULL), count(*) FROM %s WHERE ",
             wide_column(g)->name, gen_moss_table(g));
    wide_predicate(g, "", 1);
}

/* The texts of an ordered subquery, one behind the other. */
static void
write_concat(struct diff_gen *g)
{
    const char *c = wide_column(g)->name;

    g->step->kind = "SELECT group_concat";
    gen_emit(g,
             "SELECT length(x), x FROM (SELECT group_concat(quote(%s), '|')"
             " AS x FROM (SELECT %s FROM %s WHERE ",
             c, c, gen_moss_table(g));
    wide_key_range(g, "");
    wide_order_by_key(g, "");
    gen_emit(g, "))");
}

void
gen_wide_nested_query(struct diff_gen *g)
{
    static void (*const writers[])(struct diff_gen *) = {
        write_exists, write_using, write_frame, write_filter, write_concat,
    };

    writers[rng_below(&g->rng, sizeof writers / sizeof writers[0])](g);
}

/* ---------------------------------------------------------------- changes */

static const char *
target_table(struct diff_gen *g)
{
    g->target = gen_moss_table(g);
    return g->target;
}

static void
write_delete_by(struct diff_gen *g)
{
    const char *target = target_table(g), *from = gen_read_table(g);

    g->step->kind = "DELETE by another table";
    if (gen_chance(g, 40)) {
        gen_emit(g, "WITH q AS (SELECT %s AS x FROM %s WHERE ", key_name(g),
                 from);
        wide_predicate(g, "", 0);
        gen_emit(g, ") DELETE FROM %s WHERE %s %s (SELECT x FROM q)", target,
                 key_name(g), PICK(g, "IN", "IN", "NOT IN"));
        return;
    }
    gen_emit(g, "DELETE FROM %s AS a WHERE ", target);
    emit_exists(g, from);
}

/* A column outside of the key gets a count. */
static void
write_update_by(struct diff_gen *g, const struct diff_column *c)
{
    const char *target = target_table(g), *from = gen_read_table(g);

    g->step->kind = "UPDATE by another table";
    gen_emit(g, "UPDATE %s AS a SET %s = (SELECT count(*) FROM %s AS e WHERE ",
             target, c->name, from);
    emit_correlation(g, "e", "a");
    gen_emit(g, ")");
    if (gen_chance(g, 60)) {
        gen_emit(g, " WHERE ");
        wide_predicate(g, "a.", 1);
    }
}

/* Through a view, which has a trigger at times: see gen_wide_trigger(). */
static void
write_view_change(struct diff_gen *g)
{
    const struct diff_schema *s = schema_of(g);

    g->step->kind = "change through a view";
    if (gen_chance(g, 40)) {
        gen_emit(g, "DELETE FROM v1 WHERE ");
        wide_predicate(g, "", 1);
        return;
    }
    gen_emit(g, "INSERT INTO v1 VALUES (");
    for (int i = 0; i < s->n; i++) {
        gen_emit(g, i ? ", " : "");
        if (s->columns[i].is_rowid)
            gen_small(g);
        else
            wide_value(g, &s->columns[i]);
    }
    gen_emit(g, ")");
}

void
gen_wide_nested_change(struct diff_gen *g)
{
    const struct diff_schema *s = schema_of(g);
    unsigned kind = rng_below(&g->rng, 3);
    const struct diff_column *other = NULL;

    for (int i = 0; i < s->n && other == NULL; i++)
        if (s->columns[i].part < 0)
            other = &s->columns[i];
    if (kind == 0 && other != NULL)
        write_update_by(g, other);
    else if (kind == 1)
        write_delete_by(g);
    else
        write_view_change(g);
}

/* A trigger that writes to t what is inserted into the view, or deletes it. */
void
gen_wide_trigger(struct diff_gen *g)
{
    const struct diff_schema *s = schema_of(g);

    g->step->kind = "CREATE TRIGGER on a view";
    if (s->n_parts > 0 && gen_chance(g, 40)) {
        gen_emit(g,
                 "CREATE TRIGGER IF NOT EXISTS r2 INSTEAD OF DELETE ON v1"
                 " BEGIN DELETE FROM t WHERE %s IS OLD.%s; END",
                 key_name(g), key_name(g));
        return;
    }
    gen_emit(g, "CREATE TRIGGER IF NOT EXISTS r3 INSTEAD OF INSERT ON v1"
                " BEGIN INSERT OR REPLACE INTO t(");
    for (int i = 0; i < s->n; i++)
        gen_emit(g, "%s%s", i ? ", " : "", s->columns[i].name);
    gen_emit(g, ") VALUES (");
    for (int i = 0; i < s->n; i++)
        gen_emit(g,
                 s->columns[i].has_default ? "%scoalesce(NEW.%s, 'none')"
                                           : "%sNEW.%s",
                 i ? ", " : "", s->columns[i].name);
    gen_emit(g, "); END");
}
