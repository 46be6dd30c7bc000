/*
 * Statements that change rows.  Where a statement can meet a conflict, its
 * rows are visited in one order whatever the plan: VALUES, an ORDER BY with
 * a unique key, or a range of the key itself.
 */
#include "diff_gen.h"

static const struct diff_scope plain_scope = { "key", "value" };

/*
 * The table that the step changes.  Its conditions read others: in SQLite 3.40
 * an ordinary table shows them rows that are changed already, and counts some
 * twice.
 */
static const char *
target_table(struct diff_gen *g)
{
    g->target = gen_moss_table(g);
    return g->target;
}

/*
 * A rowid that is none is an error after which an ordinary table keeps the
 * statement's first rows, if the conflict clause made SQLite believe that
 * there is nothing to undo.
 */
static const char *
conflict_clause(struct diff_gen *g)
{
    if (diff_mode_has_rowid(g->mode))
        return PICK(g, "", "", "OR ABORT ");
    return PICK(g, "", "", "", "", "OR ABORT ", "OR FAIL ", "OR IGNORE ",
                "OR IGNORE ", "OR REPLACE ", "OR REPLACE ", "OR ROLLBACK ");
}

/*
 * That of an UPDATE of several rows.  A row that has replaced one still to
 * come is counted by an ordinary table alone.
 */
static const char *
update_clause(struct diff_gen *g)
{
    if (g->mode->layout->unique)
        return g->mode->layout->has_rowid
                   ? ""
                   : PICK(g, "", "", "OR ABORT ", "OR FAIL ", "OR IGNORE ",
                          "OR ROLLBACK ");
    return conflict_clause(g);
}

static void
emit_insert_head(struct diff_gen *g, const char *table, const char *columns)
{
    if (gen_chance(g, 12) && !diff_mode_has_rowid(g->mode))
        gen_emit(g, "REPLACE INTO %s%s ", table, columns);
    else
        gen_emit(g, "INSERT %sINTO %s%s ", conflict_clause(g), table, columns);
}

static void
write_insert_values(struct diff_gen *g)
{
    bool swapped = gen_chance(g, 15);
    int n = gen_chance(g, 50) ? 1 : gen_between(g, 2, 9);

    g->step->kind = n == 1 ? "INSERT row" : "INSERT rows";
    emit_insert_head(g, gen_moss_table(g),
                     swapped ? "(value, key)" : PICK(g, "", "(key, value)"));
    gen_emit(g, "VALUES ");
    for (int i = 0; i < n; i++) {
        gen_emit(g, i ? ", (" : "(");
        if (swapped)
            gen_value(g);
        else
            gen_key(g);
        gen_emit(g, ", ");
        if (swapped)
            gen_key(g);
        else
            gen_value(g);
        gen_emit(g, ")");
    }
}

static void
write_insert_select(struct diff_gen *g)
{
    const char *to = gen_moss_table(g);
    const char *from = gen_moss_table(g);

    g->step->kind = "INSERT SELECT";
    emit_insert_head(g, to, "");
    switch (gen_between(g, 0, 5)) {
    case 0:
        gen_emit(g, "SELECT key, value FROM %s WHERE ", from);
        gen_predicate(g, &plain_scope, 1);
        gen_emit(g, " ORDER BY key");
        break;
    case 1: /* numbers move by one, everything else becomes one */
        gen_emit(g, "SELECT key + 1, value FROM %s WHERE ", from);
        gen_key_range(g, "key");
        gen_emit(g, " ORDER BY key");
        break;
    case 2:
        gen_emit(g,
                 "SELECT value, key FROM %s WHERE value IS NOT NULL"
                 " ORDER BY key DESC",
                 from);
        break;
    case 3:
        gen_emit(g, "SELECT %s, x FROM %s ORDER BY id",
                 PICK(g, "i", "r", "s", "n", "b", "x"), gen_plain_table(g));
        break;
    case 4:
        gen_emit(g, "SELECT abs(key), value FROM %s ORDER BY key", from);
        break;
    default:
        gen_emit(g,
                 "WITH RECURSIVE c(x) AS (SELECT %d UNION ALL SELECT x + %d"
                 " FROM c LIMIT %d) SELECT x, %s FROM c",
                 gen_between(g, -50, 300), gen_between(g, 1, 3),
                 gen_between(g, 1, g->bulk ? 900 : 60),
                 PICK(g, "x * 2", "x / 2.0", "'v' || x", "NULL",
                      "zeroblob(x & 255)",
                      "replace(hex(zeroblob(900)),'0','y')"));
    }
}

static void
emit_new_value(struct diff_gen *g)
{
    switch (gen_between(g, 0, 6)) {
    case 0:
        gen_emit(g, "key");
        break;
    case 1:
        gen_emit(g, "value + 1");
        break;
    case 2:
        gen_emit(g, "abs(value)"); /* an error for the smallest integer */
        break;
    case 3:
        gen_emit(g, "(SELECT %s FROM %s)",
                 PICK(g, "count(*)", "max(i)", "min(s)", "max(x)"),
                 gen_plain_table(g));
        break;
    default:
        gen_value(g);
    }
}

static void
write_update_value(struct diff_gen *g)
{
    g->step->kind = "UPDATE value";
    if (gen_chance(g, 10) && !g->mode->layout->unique) {
        g->step->kind = "UPDATE FROM";
        /* One source row for each row of the table. */
        gen_emit(g,
                 "UPDATE %s AS a SET value = q.m FROM (SELECT i, max(id) AS m"
                 " FROM %s GROUP BY i) AS q WHERE a.key = q.i",
                 target_table(g), gen_plain_table(g));
        return;
    }
    if (gen_chance(g, 10)) {
        gen_emit(g, "UPDATE %s%s SET value = ", conflict_clause(g),
                 target_table(g));
        gen_value(g);
        gen_emit(g, " WHERE key = ");
        gen_key(g);
        return;
    }
    gen_emit(g, "UPDATE %s%s SET value = ", update_clause(g), target_table(g));
    emit_new_value(g);
    gen_emit(g, " WHERE ");
    if (gen_chance(g, 50) || g->mode->layout->unique)
        gen_key_range(g, "key");
    else
        gen_predicate(g, &plain_scope, 2);
}

/*
 * A key that is a function of the old one is not combined with OR REPLACE:
 * a row that replaced one still to come would be seen by its expressions.
 */
static void
write_update_key(struct diff_gen *g)
{
    g->step->kind = "UPDATE key";
    if (gen_chance(g, 45)) {
        gen_emit(g, "UPDATE %s%s SET key = ",
                 diff_mode_has_rowid(g->mode)
                     ? ""
                     : PICK(g, "", "", "OR ABORT ", "OR FAIL ", "OR IGNORE ",
                            "OR ROLLBACK "),
                 target_table(g));
        gen_emit(g, "%s%s WHERE ",
                 PICK(g, "key + 1", "key - 1", "-key", "value", "key * 1.0",
                      "key + 1000", "abs(key)", "key"),
                 PICK(g, "", "", ", value = key", ", value = 'moved'"));
        gen_key_range(g, "key");
        return;
    }
    if (gen_chance(g, 25)) {
        gen_emit(g, "UPDATE %s%s SET (key, value) = (", update_clause(g),
                 target_table(g));
        gen_key(g);
        gen_emit(g, ", ");
        gen_value(g);
        gen_emit(g, ") WHERE ");
    } else {
        gen_emit(g, "UPDATE %s%s SET key = ", update_clause(g),
                 target_table(g));
        gen_key(g);
        if (gen_chance(g, 40)) {
            gen_emit(g, ", value = ");
            gen_value(g);
        }
        gen_emit(g, " WHERE ");
    }
    gen_key_range(g, "key");
}

static void
write_delete(struct diff_gen *g)
{
    g->step->kind = "DELETE";
    gen_emit(g, "DELETE FROM %s", target_table(g));
    if (gen_chance(g, 3))
        return;
    gen_emit(g, " WHERE ");
    if (gen_chance(g, 60)) {
        gen_key_range(g, "key");
        if (gen_chance(g, 60)) {
            gen_emit(g, " AND ");
            gen_predicate(g, &plain_scope, 0);
        }
    } else {
        gen_predicate(g, &plain_scope, 1);
        gen_emit(g, " AND ");
        gen_predicate(g, &plain_scope, 0);
    }
}

/* All rows at once; changes() is that of a command there. */
static void
write_truncate(struct diff_gen *g)
{
    g->step->kind = "truncate";
    g->step->is_change = false;
    g->step->is_ddl = true;
    gen_emit(g, DIFF_TRUNCATE "%s", target_table(g));
}

void
gen_write_change(struct diff_gen *g)
{
    unsigned kind = rng_below(&g->rng, 102);

    g->step->compare = DIFF_BAG;
    g->step->is_change = true;
    if (kind < 48)
        write_insert_values(g);
    else if (kind < 60)
        write_insert_select(g);
    else if (kind < 72)
        write_update_value(g);
    else if (kind < 86)
        write_update_key(g);
    else if (kind < 100)
        write_delete(g);
    else
        write_truncate(g);
}

static void
copy_to_plain(struct diff_gen *g, const char *table)
{
    const char *key = "key", *value = "value";

    if (g->mode->schema.n > 0) {
        key = wide_part(g)->name;
        value = wide_column(g)->name;
    }
    gen_emit(g,
             "INSERT INTO %s(i, r, s, n, b, x) SELECT %s, %s, %s, %s, %s, %s"
             " FROM %s",
             table, key, key, key, key, key, value, gen_moss_table(g));
    if (g->mode->schema.n > 0)
        wide_order_by_key(g, "");
    else
        gen_emit(g, " ORDER BY key");
    gen_emit(g, " LIMIT 4");
}

void
gen_write_plain_change(struct diff_gen *g)
{
    const char *table = gen_plain_table(g);

    g->step->compare = DIFF_BAG;
    g->step->is_change = true;
    g->step->kind = "change, ordinary";
    switch (gen_between(g, 0, 5)) {
    case 0:
        gen_emit(g, "DELETE FROM %s WHERE id %% 3 = %d", table,
                 gen_between(g, 0, 2));
        break;
    case 1:
        gen_emit(g, "UPDATE %s SET %s = ", table,
                 PICK(g, "i", "r", "s", "n", "b", "x"));
        gen_key(g);
        gen_emit(g, " WHERE id %% 4 = %d", gen_between(g, 0, 3));
        break;
    case 2:
        copy_to_plain(g, table);
        break;
    default:
        gen_emit(g, "INSERT INTO %s(i, r, s, n, b, x) VALUES (", table);
        for (int i = 0; i < 6; i++) {
            gen_emit(g, i ? ", " : "");
            gen_value(g);
        }
        gen_emit(g, ")");
    }
}
