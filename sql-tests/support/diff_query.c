/*
 * SELECT statements.  A query is compared in order when its ORDER BY ends in
 * a key, which is unique; otherwise as a bag.
 */
#include "diff_gen.h"

static const struct diff_scope plain_scope = { "key", "value" };
static const struct diff_scope a_scope = { "a.key", "a.value" };
static const struct diff_scope b_scope = { "b.key", "b.value" };

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
emit_where(struct diff_gen *g, const struct diff_scope *s)
{
    if (gen_chance(g, 85)) {
        gen_emit(g, " WHERE ");
        gen_predicate(g, s, 2);
    }
}

static void
write_rows(struct diff_gen *g)
{
    g->step->kind = "SELECT rows";
    gen_emit(g, "SELECT %s FROM %s",
             PICK(g, "*", "key, value", "value", "key", "value, key",
                  "key, typeof(key), typeof(value)", "key + 0, value || ''",
                  "DISTINCT key", "count(*) OVER (), key"),
             gen_moss_table(g));
    emit_where(g, &plain_scope);
    if (gen_chance(g, 50))
        return;
    ordered(g);
    if (gen_chance(g, 70))
        gen_order_by_key(g, "key");
    else
        gen_emit(g, " ORDER BY %s",
                 PICK(g, "value, key", "value DESC, key",
                      "key COLLATE NOCASE, key", "typeof(key), key DESC",
                      "key ASC, value", "-key, key", "key DESC NULLS LAST",
                      "length(key), key"));
    if (gen_chance(g, 40))
        emit_limit(g);
}

static void
write_aggregate(struct diff_gen *g)
{
    g->step->kind = "SELECT aggregate";
    if (gen_chance(g, 15)) {
        /* These depend on the order, so no OR and, in UTF-16, one row. */
        gen_emit(g, "SELECT %s FROM %s WHERE ",
                 PICK(g, "total(key)", "group_concat(quote(key))"),
                 gen_moss_table(g));
        gen_key_range(g, "key");
        return;
    }
    gen_emit(g, "SELECT %s FROM %s",
             PICK(g, "count(*)", "min(key)", "max(key)", "min(key), max(key)",
                  "max(key), value", "count(value), min(value), max(value)",
                  "min(key), value", "count(DISTINCT typeof(value))",
                  "sum(typeof(key) = 'text'), avg(key IS NULL)",
                  "max(key) + 1, min(key) - 1"),
             gen_moss_table(g));
    emit_where(g, &plain_scope);
}

static void
write_group(struct diff_gen *g)
{
    g->step->kind = "SELECT group";
    switch (gen_between(g, 0, 4)) {
    case 0:
        gen_emit(g, "SELECT typeof(value), count(*), min(key) FROM %s",
                 gen_moss_table(g));
        emit_where(g, &plain_scope);
        gen_emit(g, " GROUP BY typeof(value)%s",
                 PICK(g, "", " HAVING count(*) > 1", " ORDER BY 1"));
        break;
    case 1:
        gen_emit(g, "SELECT key, count(*), max(value) FROM %s",
                 gen_moss_table(g));
        emit_where(g, &plain_scope);
        gen_emit(g, " GROUP BY key");
        if (gen_chance(g, 50)) {
            ordered(g);
            gen_order_by_key(g, "key");
        }
        break;
    case 2:
        gen_emit(g,
                 "SELECT DISTINCT typeof(value), value COLLATE BINARY FROM %s",
                 gen_moss_table(g));
        emit_where(g, &plain_scope);
        break;
    case 3:
        gen_emit(g, "SELECT DISTINCT key, value FROM %s", gen_moss_table(g));
        emit_where(g, &plain_scope);
        ordered(g);
        gen_order_by_key(g, "key");
        break;
    default:
        gen_emit(g,
                 "SELECT typeof(value), value COLLATE BINARY, count(*) FROM %s",
                 gen_moss_table(g));
        gen_emit(g, " GROUP BY 1, 2 ORDER BY 1, 2, 3");
    }
}

static void
write_self_join(struct diff_gen *g)
{
    g->step->kind = "SELECT self-join";
    if (g->bulk)
        gen_emit(g, "SELECT count(*), min(a.key), max(b.key)");
    else
        gen_emit(g, "SELECT a.key, b.key, a.value");
    gen_emit(g, " FROM %s AS a %s %s AS b", gen_moss_table(g),
             PICK(g, "JOIN", "LEFT JOIN", "CROSS JOIN", ","),
             gen_moss_table(g));
    /* A join by commas has no ON; WHERE says the same for the others. */
    gen_emit(g, " WHERE %s",
             PICK(g, "a.key = b.key", "b.key = a.value", "a.key < b.key",
                  "a.key = b.value AND b.key > a.key", "a.value = b.value",
                  "b.key BETWEEN a.key AND a.value", "a.key IS b.value",
                  "a.key IN (b.key, b.value)", "+a.key = b.key",
                  "a.key = b.key COLLATE NOCASE", "b.key >= a.value",
                  "(a.key = b.key OR a.key = b.value)"));
    if (gen_chance(g, 70)) {
        gen_emit(g, " AND ");
        gen_predicate(g, gen_chance(g, 50) ? &a_scope : &b_scope, 1);
    }
    if (!g->bulk && gen_chance(g, 40)) {
        ordered(g);
        gen_emit(g, " ORDER BY a.key%s, b.key%s", PICK(g, "", " DESC"),
                 PICK(g, "", " DESC"));
    }
}

static void
write_typed_join(struct diff_gen *g)
{
    const char *table = gen_moss_table(g);
    const char *plain = gen_plain_table(g);
    const char *join = PICK(g, "JOIN", "LEFT JOIN", "CROSS JOIN");
    const char *c = PICK(g, "i", "r", "s", "n", "b", "x");
    const char *op = PICK(g, "=", "=", "=", "<", ">=", "IS", ">", "<=");

    g->step->kind = "SELECT join, ordinary";
    gen_emit(g, "SELECT a.key, a.value, o.id, o.%s FROM ", c);
    if (gen_chance(g, 50))
        gen_emit(g, "%s AS a %s %s AS o", table, join, plain);
    else
        gen_emit(g, "%s AS o %s %s AS a", plain, join, table);
    switch (gen_between(g, 0, 3)) {
    case 0:
        gen_emit(g, " ON o.%s %s a.key", c, op);
        break;
    case 1:
        gen_emit(g, " ON a.key %s o.%s AND a.value %s o.x", op, c, op);
        break;
    case 2:
        gen_emit(g, " ON a.key %s o.%s COLLATE NOCASE", op, c);
        break;
    default:
        gen_emit(g, " ON a.key %s o.%s", op, c);
    }
    if (gen_chance(g, 40)) {
        gen_emit(g, " WHERE ");
        gen_predicate(g, &a_scope, 1);
    }
    if (gen_chance(g, 40)) {
        ordered(g);
        gen_emit(g, " ORDER BY a.key%s, o.id", PICK(g, "", " DESC"));
    }
}

static void
write_correlated(struct diff_gen *g)
{
    g->step->kind = "SELECT correlated";
    gen_emit(g, "SELECT a.key, (SELECT %s FROM %s AS b WHERE b.key %s a.%s%s)",
             PICK(g, "max(b.key)", "min(b.key)", "count(*)", "count(b.value)"),
             gen_moss_table(g), PICK(g, "<", ">", "=", "<=", ">=", "IS"),
             PICK(g, "key", "value"),
             PICK(g, "", "", " AND b.value IS NOT NULL", " AND b.key > 3"));
    gen_emit(g, " FROM %s AS a", gen_moss_table(g));
    emit_where(g, &a_scope);
}

static void
write_compound(struct diff_gen *g)
{
    g->step->kind = "SELECT compound";
    if (gen_chance(g, 30)) {
        gen_emit(g,
                 "SELECT count(*) FROM (SELECT key FROM %s UNION ALL"
                 " SELECT key FROM %s LIMIT %d OFFSET %d)",
                 gen_moss_table(g), gen_moss_table(g), gen_between(g, 0, 40),
                 gen_between(g, 0, 30));
        return;
    }
    /* A second column that tells the tables apart makes the order total. */
    bool by_order = gen_chance(g, 50);
    gen_emit(g, "SELECT key, 1 FROM %s", gen_moss_table(g));
    emit_where(g, &plain_scope);
    gen_emit(g, " %s SELECT key, %d FROM %s",
             PICK(g, "UNION", "UNION ALL", "EXCEPT", "INTERSECT"),
             by_order ? 2 : 1, gen_moss_table(g));
    emit_where(g, &plain_scope);
    if (by_order) {
        ordered(g);
        gen_emit(g, " ORDER BY 1%s, 2", PICK(g, "", " DESC"));
        if (gen_chance(g, 40))
            emit_limit(g);
    }
}

static void
write_cte(struct diff_gen *g)
{
    g->step->kind = "SELECT CTE";
    switch (gen_between(g, 0, 2)) {
    case 0:
        gen_emit(g, "WITH q AS %s(SELECT key, value FROM %s",
                 PICK(g, "", "MATERIALIZED ", "NOT MATERIALIZED "),
                 gen_moss_table(g));
        emit_where(g, &plain_scope);
        gen_emit(g, ") SELECT a.key, b.value FROM q AS a JOIN q AS b"
                    " ON a.key = b.key WHERE ");
        gen_predicate(g, &a_scope, 1);
        break;
    case 1: /* walk the keys one by one */
        gen_emit(g,
                 "WITH RECURSIVE w(k, n) AS (SELECT min(key), 1 FROM %s UNION"
                 " ALL SELECT (SELECT min(key) FROM %s WHERE key > k), n + 1"
                 " FROM w WHERE k IS NOT NULL AND n < 30) SELECT * FROM w",
                 gen_moss_table(g), gen_moss_table(g));
        break;
    default:
        gen_emit(g,
                 "WITH RECURSIVE c(x) AS (SELECT %d UNION ALL SELECT x + 1"
                 " FROM c WHERE x < %d) SELECT x, key, value FROM c LEFT JOIN"
                 " %s ON key = x%s",
                 gen_between(g, -8, 5), gen_between(g, 6, 30),
                 gen_moss_table(g), PICK(g, "", " + 0.5", " * 1.0", " || ''"));
    }
}

static void
write_window(struct diff_gen *g)
{
    g->step->kind = "SELECT window";
    gen_emit(
        g, "SELECT key, %s FROM %s",
        PICK(g, "row_number() OVER (ORDER BY key)",
             "rank() OVER (PARTITION BY typeof(value) ORDER BY key DESC)",
             "lag(key) OVER (ORDER BY key), lead(value) OVER (ORDER BY key)",
             "first_value(key) OVER (PARTITION BY typeof(key) ORDER BY key)",
             "count(*) OVER (ORDER BY key ROWS 2 PRECEDING)",
             "count(*) OVER (ORDER BY key RANGE BETWEEN 3 PRECEDING AND 3"
             " FOLLOWING)",
             "ntile(3) OVER (ORDER BY key DESC)"),
        gen_moss_table(g));
    emit_where(g, &plain_scope);
}

static void
write_nested(struct diff_gen *g)
{
    g->step->kind = "SELECT nested";
    gen_emit(g, "SELECT * FROM (SELECT key, value FROM %s", gen_moss_table(g));
    emit_where(g, &plain_scope);
    gen_order_by_key(g, "key");
    gen_emit(g, " LIMIT %d OFFSET %d) WHERE ", gen_between(g, 0, 20),
             gen_between(g, 0, 5));
    gen_predicate(g, &plain_scope, 1);
}

static void
write_view(struct diff_gen *g)
{
    g->step->kind = "SELECT view";
    gen_emit(g, "SELECT * FROM v1");
    emit_where(g, &plain_scope);
}

void
gen_write_query(struct diff_gen *g)
{
    static void (*const writers[])(struct diff_gen *) = {
        write_aggregate,  write_aggregate,  write_group,      write_group,
        write_self_join,  write_self_join,  write_typed_join, write_typed_join,
        write_typed_join, write_correlated, write_compound,   write_cte,
        write_window,     write_nested,     write_view,
    };
    unsigned n = sizeof writers / sizeof writers[0];

    g->step->compare = DIFF_BAG;
    if (gen_chance(g, 8))
        gen_emit(g, "EXPLAIN QUERY PLAN ");
    if (gen_chance(g, 45))
        write_rows(g);
    else
        writers[rng_below(&g->rng, n)](g);
}
