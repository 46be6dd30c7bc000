/*
 * Values and conditions.  Conditions go through every comparison that SQLite
 * may offer to xBestIndex, and as many that it may not, because a plan must
 * neither lose a row nor let one slip through.  None of them can fail at run
 * time: which rows a condition is evaluated for is the planner's business.
 */
#include "diff_gen.h"

#include <stdarg.h>
#include <string.h>

void
gen_emit(struct diff_gen *g, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    sqlite3_str_vappendf(g->out, format, ap);
    va_end(ap);
}

const char *
gen_pick(struct diff_gen *g, const char *const *texts)
{
    unsigned n = 0;

    while (texts[n] != NULL)
        n++;
    return texts[rng_below(&g->rng, n)];
}

bool
gen_chance(struct diff_gen *g, unsigned percent)
{
    return rng_percent(&g->rng, percent);
}

int
gen_between(struct diff_gen *g, int lo, int hi)
{
    return rng_between(&g->rng, lo, hi);
}

/* The next value of the step, to be filled in; its marker is written. */
static struct diff_value *
next_value(struct diff_gen *g)
{
    if (g->step->n_values == DIFF_MAX_VALUES)
        fail("a statement with too many values");
    gen_emit(g, DIFF_VALUE);
    return &g->step->values[g->step->n_values++];
}

/*
 * Behind the greatest possible rowid the next one is random, and an ordinary
 * table does not find the least one if it is sought as a real: neither is used
 * here, and the texts that they could come from are cut.
 */
static void
spare_rowids(struct diff_gen *g, struct diff_value *v)
{
    if (!diff_mode_has_rowid(g->mode))
        return;
    if (v->type == SQLITE_INTEGER && v->integer > INT64_MAX / 4)
        v->integer = INT64_MAX / 4;
    if (v->type == SQLITE_INTEGER && v->integer < INT64_MIN / 4)
        v->integer = INT64_MIN / 4;
    if (v->type == SQLITE_TEXT && v->n >= 19)
        v->n = 10;
}

/*
 * In a UTF-16 database SQLite 3.40 gives back '4' for '4.0' once it has
 * compared that text with a number: among typed columns no text looks so.
 */
static void
spare_texts(struct diff_gen *g, struct diff_value *v)
{
    if (g->mode->utf16 && g->mode->schema.n > 0 && v->type == SQLITE_TEXT &&
        v->n > 0 && (unsigned char)v->bytes[0] <= '9')
        v->bytes[0] = 'y';
}

void
gen_pool_value(struct diff_gen *g, int i)
{
    struct diff_value *v = next_value(g);

    diff_value_copy(&g->pool[i], v);
    spare_rowids(g, v);
    spare_texts(g, v);
}

static void
pool_value(struct diff_gen *g)
{
    gen_pool_value(g, gen_between(g, 0, DIFF_POOL - 1));
}

void
gen_value(struct diff_gen *g)
{
    struct diff_value *v;

    if (gen_chance(g, 40)) {
        pool_value(g);
        return;
    }
    v = next_value(g);
    diff_value_random(&g->rng, v);
    spare_rowids(g, v);
    spare_texts(g, v);
}

void
gen_key(struct diff_gen *g)
{
    unsigned kind = rng_below(&g->rng, 100);
    struct diff_value *v;

    if (kind < 75 && diff_mode_has_rowid(g->mode) && gen_chance(g, 75)) {
        diff_value_integer(gen_between(g, -8, 60), next_value(g));
        return;
    }
    if (kind < 75) {
        pool_value(g);
        return;
    }
    v = next_value(g);
    if (kind < 98)
        diff_value_random_key(&g->rng, v);
    else
        diff_value_random(&g->rng, v);
    spare_rowids(g, v);
    spare_texts(g, v);
}

void
gen_text(struct diff_gen *g, const char *text)
{
    diff_value_text(text, next_value(g));
}

void
gen_small(struct diff_gen *g)
{
    diff_value_integer(gen_between(g, -8, 30), next_value(g));
}

const char *
gen_moss_table(struct diff_gen *g)
{
    unsigned kind = rng_below(&g->rng, 100);

    if (g->mode->attached && kind < 25)
        return "aux.v";
    if (kind < 32)
        return "temp.w";
    return kind < 80 ? "t" : "u";
}

const char *
gen_read_table(struct diff_gen *g)
{
    const char *table = gen_moss_table(g);

    while (g->target != NULL && strcmp(table, g->target) == 0)
        table = gen_moss_table(g);
    return table;
}

const char *
gen_plain_table(struct diff_gen *g)
{
    return PICK(g, "o", "o", "p");
}

const char *
gen_comparison(struct diff_gen *g)
{
    return PICK(g, "=", "=", "==", "<", "<=", ">", ">=", "<", ">", "<>",
                "!=", "IS", "IS NOT", "IS NOT DISTINCT FROM");
}

static const char *
column(struct diff_gen *g, const struct diff_scope *s)
{
    return gen_chance(g, 75) ? s->key : s->value;
}

void
gen_order_by_key(struct diff_gen *g, const char *key)
{
    gen_emit(g, " ORDER BY %s%s", key, PICK(g, "", " ASC", " DESC", " DESC"));
}

static void
emit_list(struct diff_gen *g)
{
    int n = gen_between(g, 0, 5);

    gen_emit(g, "(");
    for (int i = 0; i < n; i++) {
        gen_emit(g, i ? ", " : "");
        if (gen_chance(g, 8))
            gen_emit(g, "NULL");
        else
            gen_key(g);
    }
    gen_emit(g, ")");
}

static void
emit_in(struct diff_gen *g, const struct diff_scope *s)
{
    gen_emit(g, "%s %s ", column(g, s), PICK(g, "IN", "IN", "IN", "NOT IN"));
    switch (gen_between(g, 0, 5)) {
    case 0:
        gen_emit(g, "(SELECT key FROM %s WHERE value < ", gen_read_table(g));
        gen_value(g);
        gen_emit(g, ")");
        break;
    case 1:
        gen_emit(g, "(SELECT %s FROM %s)",
                 PICK(g, "i", "r", "s", "n", "b", "x", "+x"),
                 gen_plain_table(g));
        break;
    case 2:
        gen_emit(g, "(SELECT value FROM %s)", gen_read_table(g));
        break;
    default:
        emit_list(g);
    }
}

static void
emit_like(struct diff_gen *g, const struct diff_scope *s)
{
    gen_emit(g, "%s %s", column(g, s), PICK(g, "", "", "NOT "));
    if (gen_chance(g, 50)) {
        gen_emit(g, "LIKE ");
        gen_text(g, PICK(g, "a%", "A%", "%b%", "a_", "5%", "%", "ab_", "",
                         "\xc3\xa9%", "a", "a%%b", "-%", "1%", "z%c"));
        if (gen_chance(g, 10))
            gen_emit(g, " ESCAPE '%%'");
    } else {
        gen_emit(g, "GLOB ");
        gen_text(g, PICK(g, "a*", "A*", "*b*", "a?", "5*", "*", "[ab]*", "",
                         "\xc3\xa9*", "a", "~*", "-*", "1*"));
    }
}

static void
emit_row_value(struct diff_gen *g, const struct diff_scope *s)
{
    gen_emit(g, "(%s, %s) ", s->key, s->value);
    if (gen_chance(g, 75)) {
        gen_emit(g, "%s (", PICK(g, "=", "<", "<=", ">", ">=", "<>", "IS"));
        gen_key(g);
        gen_emit(g, ", ");
        gen_value(g);
        gen_emit(g, ")");
    } else if (gen_chance(g, 50) && !g->mode->layout->unique) {
        /* With UNIQUE, an ordinary table of SQLite 3.40 finds NULLs in it. */
        gen_emit(g, "IN (SELECT key, value FROM %s)", gen_read_table(g));
    } else {
        gen_emit(g, "IN (VALUES (");
        gen_key(g);
        gen_emit(g, ", ");
        gen_value(g);
        gen_emit(g, "), (");
        gen_key(g);
        gen_emit(g, ", ");
        gen_value(g);
        gen_emit(g, "))");
    }
}

/*
 * No column equals a CAST to a number: the texts '0' and '0.0' of a key do, but
 * SQLite 3.40, also with its optimizer off, takes an ordinary table's PRIMARY
 * KEY for one row then and forgets ORDER BY.
 */
static void
emit_cast(struct diff_gen *g, const struct diff_scope *s)
{
    const char *type =
        g->mode->utf16 ? PICK(g, "INTEGER", "REAL", "NUMERIC")
                       : PICK(g, "INTEGER", "REAL", "NUMERIC", "TEXT", "BLOB");

    if (gen_chance(g, 50)) {
        gen_emit(g, "CAST(%s AS %s) %s ", column(g, s), type,
                 gen_comparison(g));
        gen_value(g);
    } else {
        bool numeric = strcmp(type, "TEXT") != 0 && strcmp(type, "BLOB") != 0;

        gen_emit(g, "%s %s CAST(", column(g, s),
                 numeric ? PICK(g, "<", "<=", ">", ">=", "<>", "IS NOT")
                         : gen_comparison(g));
        gen_value(g);
        gen_emit(g, " AS %s)", type);
    }
}

static void
emit_between(struct diff_gen *g, const char *term)
{
    gen_emit(g, "%s %sBETWEEN ", term, gen_chance(g, 15) ? "NOT " : "");
    gen_key(g);
    gen_emit(g, " AND ");
    gen_key(g);
}

static void
emit_comparison(struct diff_gen *g, const struct diff_scope *s)
{
    const char *c = column(g, s);

    switch (gen_between(g, 0, 7)) {
    case 0:
        gen_key(g);
        gen_emit(g, " %s %s", gen_comparison(g), c);
        break;
    case 1:
        gen_emit(g, "%s COLLATE %s %s ", c,
                 PICK(g, "NOCASE", "RTRIM", "BINARY"), gen_comparison(g));
        gen_key(g);
        break;
    case 2:
        gen_emit(g, "%s %s ", c, gen_comparison(g));
        gen_key(g);
        gen_emit(g, " COLLATE %s", PICK(g, "NOCASE", "RTRIM"));
        break;
    case 3:
        gen_emit(g, "%s %s +", c, gen_comparison(g));
        gen_key(g);
        break;
    default:
        gen_emit(g, "%s %s ", c, gen_comparison(g));
        gen_key(g);
    }
}

static void
emit_subquery(struct diff_gen *g, const struct diff_scope *s)
{
    switch (gen_between(g, 0, 3)) {
    case 0:
        gen_emit(g, "EXISTS (SELECT 1 FROM %s AS e WHERE e.key %s %s)",
                 gen_read_table(g), PICK(g, "=", "<", ">", "IS"), column(g, s));
        break;
    case 1:
        gen_emit(g, "NOT EXISTS (SELECT * FROM %s AS e WHERE e.%s = %s)",
                 gen_plain_table(g), PICK(g, "i", "s", "n", "x"), column(g, s));
        break;
    case 2:
        gen_emit(g, "%s %s (SELECT %s(key) FROM %s)", column(g, s),
                 gen_comparison(g), PICK(g, "min", "max"), gen_read_table(g));
        break;
    default:
        gen_emit(g, "%s %s (SELECT count(*) FROM %s AS e WHERE e.key < %s)",
                 s->key, PICK(g, "<", ">="), gen_read_table(g), s->key);
    }
}

static void
emit_simple(struct diff_gen *g, const struct diff_scope *s)
{
    unsigned kind = rng_below(&g->rng, 100);

    if (kind < 40) {
        emit_comparison(g, s);
    } else if (kind < 52) {
        emit_between(g, column(g, s));
    } else if (kind < 64) {
        emit_in(g, s);
    } else if (kind < 72) {
        emit_like(g, s);
    } else if (kind < 80) {
        emit_row_value(g, s);
    } else if (kind < 86) {
        emit_cast(g, s);
    } else if (kind < 91) {
        gen_emit(g, "%s %s", column(g, s),
                 PICK(g, "IS NULL", "NOTNULL", "IS NOT NULL"));
    } else if (kind < 95) {
        gen_emit(g, "typeof(%s) = '%s'", column(g, s),
                 PICK(g, "integer", "real", "text", "blob", "null"));
    } else if (kind < 98) {
        emit_subquery(g, s);
    } else {
        gen_emit(g, "%s", column(g, s));
    }
}

void
gen_predicate(struct diff_gen *g, const struct diff_scope *s, int depth)
{
    unsigned kind = rng_below(&g->rng, 100);

    if (depth <= 0 || kind < 55) {
        emit_simple(g, s);
    } else if (kind < 80) {
        gen_predicate(g, s, depth - 1);
        gen_emit(g, " AND ");
        gen_predicate(g, s, depth - 1);
    } else if (kind < 95) {
        gen_emit(g, "(");
        gen_predicate(g, s, depth - 1);
        gen_emit(g, " OR ");
        gen_predicate(g, s, depth - 1);
        gen_emit(g, ")");
    } else {
        gen_emit(g, "NOT (");
        gen_predicate(g, s, depth - 1);
        gen_emit(g, ")");
    }
}

void
gen_key_range(struct diff_gen *g, const char *key)
{
    /* Several texts come in another order where they are UTF-16. */
    switch (g->mode->utf16 ? 0 : gen_between(g, 0, 4)) {
    case 0:
        gen_emit(g, "%s = ", key);
        gen_key(g);
        break;
    case 1:
        gen_emit(g, "%s BETWEEN ", key);
        gen_key(g);
        gen_emit(g, " AND ");
        gen_key(g);
        break;
    case 2:
        gen_emit(g, "%s > ", key);
        gen_key(g);
        gen_emit(g, " AND %s <= ", key);
        gen_key(g);
        break;
    case 3:
        gen_emit(g, "%s %s ", key, PICK(g, "<", ">=", "<=", ">"));
        gen_key(g);
        break;
    default:
        gen_emit(g, "%s IN ", key);
        emit_list(g);
    }
}
