/*
 * Planning: which constraints narrow a scan, in what order it gives the rows,
 * and how many there may be (xBestIndex).
 *
 * The first parts of the key narrow a scan as long as they are compared with
 * "=" or IN, and so does the next with anything else.  The choice travels in
 * idxStr as EXPLAIN QUERY PLAN shows it, for example
 * "sensor=? AND at<'?' DESC".  A '?' in quotes is a text literal; "(any text)"
 * behind a term says that texts compare in another order there than moss
 * keeps them in, so that a text narrows nothing.
 *
 * What the terms mean in keys is in admit.c.
 */
#include "plan.h"

#include <math.h>
#include <string.h>

/* What SQLite assumes of a table that was never analyzed. */
#define UNKNOWN_ENTRIES 1048576.0
/* And of an IN list or subquery. */
#define IN_ROWS 25.0

static const char *const op_text[] = {
    [PLAN_EQ] = "=", [PLAN_IN] = " IN ", [PLAN_GE] = ">=",
    [PLAN_GT] = ">", [PLAN_LE] = "<=",   [PLAN_LT] = "<",
};
/* In this order a text is recognised: the longer one first. */
static const enum plan_op op_order[] = { PLAN_IN, PLAN_GE, PLAN_LE,
                                         PLAN_GT, PLAN_LT, PLAN_EQ };

#define AND_TEXT " AND "
#define WIDE_TEXT " (any text)"
#define REVERSE_TEXT "DESC"
#define PAST_TEXT COMMIT_COLUMN_NAME "=?"

static bool
plan_op_of(sqlite3_index_info *info, int i, enum plan_op *op)
{
    switch (info->aConstraint[i].op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
        *op = sqlite3_vtab_in(info, i, -1) ? PLAN_IN : PLAN_EQ;
        return true;
    case SQLITE_INDEX_CONSTRAINT_IS:
        *op = PLAN_EQ; /* NULL IS NULL, but no key is NULL */
        return true;
    case SQLITE_INDEX_CONSTRAINT_GE:
        *op = PLAN_GE;
        return true;
    case SQLITE_INDEX_CONSTRAINT_GT:
        *op = PLAN_GT;
        return true;
    case SQLITE_INDEX_CONSTRAINT_LE:
        *op = PLAN_LE;
        return true;
    case SQLITE_INDEX_CONSTRAINT_LT:
        *op = PLAN_LT;
        return true;
    default:
        return false; /* LIMIT and OFFSET among them: their column is noise */
    }
}

/* The right-hand side if SQL spells it out, else NULL. */
static sqlite3_value *
literal_value(sqlite3_index_info *info, int i)
{
    sqlite3_value *value = NULL;

    if (sqlite3_vtab_rhs_value(info, i, &value) != SQLITE_OK)
        return NULL;
    return value;
}

/*
 * The entries to plan with, of so many that there are.  In a database that
 * was not analyzed SQLite takes every ordinary table for a large one; with
 * our true, smaller number beside that, joins would scan the moss table and
 * search the other.
 */
static double
plan_entries(const struct vtab *v, double entries)
{
    bool analyzed;

    analyzed = sqlite3_table_column_metadata(v->db, v->table.schema,
                                             "sqlite_stat1", NULL, NULL, NULL,
                                             NULL, NULL, NULL) == SQLITE_OK;
    return analyzed ? entries : UNKNOWN_ENTRIES + entries;
}

/*
 * How many rows a plan visits of so many entries, not knowing the values.  Of
 * a key of n parts, each that is given leaves the n-th root fewer.
 */
static double
guess_rows(const struct vtab *v, const struct plan *plan, double entries)
{
    double rows = entries, places = 1;
    double per_part = pow(entries, 1.0 / v->schema.n_key);
    int part = -1;

    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_term *term = &plan->terms[i];
        bool first = term->part != part;

        part = term->part;
        if (term->wide) {
            rows *= 0.9;
        } else if (term->op == PLAN_EQ || term->op == PLAN_IN) {
            if (first)
                rows /= per_part;
            if (first && term->op == PLAN_IN)
                places *= IN_ROWS;
        } else {
            rows = fmax(rows / 4, fmin(rows, 2));
        }
    }
    return fmin(fmax(rows, 1) * places, entries);
}

static enum moss_status
count_range(struct moss_snapshot *snap, const struct ranges *ranges,
            const struct range *range, double *rows)
{
    struct moss_slice lo = ranges_bytes(ranges, range->lo);
    struct moss_slice hi = ranges_bytes(ranges, range->hi);
    uint64_t entries, bytes;
    enum moss_status st =
        moss_snapshot_estimate(snap, lo.len > 0 ? &lo : NULL,
                               range->open ? NULL : &hi, &entries, &bytes);

    if (st == MOSS_OK)
        *rows += (double)entries;
    return st;
}

/*
 * Count what the values select, if SQL spells them all out; *known tells.
 * Counting that fails is no reason not to plan: reading will say so.
 */
static int
count_rows(const struct vtab *v, struct moss_snapshot *snap,
           const struct plan *plan, sqlite3_value **values, double *rows,
           bool *known)
{
    struct ranges ranges = { 0 };
    int rc = SQLITE_OK;

    *known = snap != NULL;
    for (size_t i = 0; i < plan->n; i++)
        *known = *known && values[i] != NULL && plan->terms[i].op != PLAN_IN;
    if (!*known)
        return SQLITE_OK;
    *rows = 0;
    rc = plan_ranges(v, plan, values, &ranges);
    for (size_t i = 0; rc == SQLITE_OK && i < ranges.found.n; i++) {
        if (count_range(snap, &ranges, &ranges.found.v[i], rows) != MOSS_OK)
            *known = false;
    }
    ranges_release(&ranges);
    return rc;
}

/* Set the costs of a plan. */
static int
plan_cost(struct vtab *v, const struct plan *plan, sqlite3_value **values,
          sqlite3_index_info *info)
{
    struct moss_snapshot *snap = table_peek(&v->table);
    double entries = 0, rows = 0, places = 1;
    struct plan all = { 0 };
    bool known;
    int rc = count_rows(v, snap, &all, values, &entries, &known);

    entries = known ? plan_entries(v, entries) : UNKNOWN_ENTRIES;
    if (rc == SQLITE_OK)
        rc = count_rows(v, snap, plan, values, &rows, &known);
    moss_snapshot_unref(snap);
    if (plan->n == 0)
        rows = entries;
    else if (!known)
        rows = guess_rows(v, plan, entries);
    for (size_t i = 0; i < plan->n; i++)
        places *= plan->terms[i].op == PLAN_IN ? IN_ROWS : 1;
    rows = fmax(rows, 1);
    info->estimatedRows = (sqlite3_int64)rows;
    info->estimatedCost = places * log2(entries + 2) + 3 * rows;
    return rc;
}

/*
 * Is the part the same in all rows that the plan lets through?  Only if what
 * equals the value on the right is one key: not if affinity may make the texts
 * '15' and '15.0' of a part one number.
 */
static bool
is_fixed(const struct vtab *v, const struct plan *plan, int part)
{
    enum affinity affinity = v->schema.key[part].affinity;

    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_term *term = &plan->terms[i];

        if (term->part == part && term->op == PLAN_EQ && !term->wide &&
            (affinity_is_numeric(affinity) || term->literal))
            return true;
    }
    return false;
}

/*
 * Does a part sort as SQLite sorts its column?  Not if the key has a collation
 * of its own, nor where BINARY compares the bytes of UTF-16.
 */
static bool
keeps_order(const struct vtab *v, int part)
{
    const struct key_part *p = &v->schema.key[part];

    if (v->utf16 && p->column >= 0 && p->collation == COLLATION_BINARY)
        return false;
    return p->column < 0 ||
           collation_find(v->schema.columns[p->column].collation) ==
               p->collation;
}

/*
 * DISTINCT alone takes any order in which the rows that agree in its columns
 * stand together: those are the first parts of the key, or all of them.
 */
static bool
plan_distinct(const struct vtab *v, sqlite3_index_info *info)
{
    int first = 0, others = 0;
    bool ordered = true;

    for (int part = 0; part < v->schema.n_key; part++) {
        bool found = false;

        for (int i = 0; i < info->nOrderBy; i++)
            found = found ||
                    schema_part(&v->schema, info->aOrderBy[i].iColumn) == part;
        if (found && first == part) {
            first++;
            ordered = ordered && keeps_order(v, part);
        }
    }
    for (int i = 0; i < info->nOrderBy; i++) {
        int part = schema_part(&v->schema, info->aOrderBy[i].iColumn);

        others += part < 0 || part >= first;
    }
    return first == v->schema.n_key || (first > 0 && others == 0 && ordered);
}

/*
 * Do rows in key order do for ORDER BY, GROUP BY or DISTINCT?  A key comes
 * once, so that what follows the last of its parts in the list orders nothing.
 * GROUP BY is treated like ORDER BY: when both are there for the same columns,
 * SQLite relies on the order too, although it says that grouping is enough.
 */
static bool
plan_order(const struct vtab *v, const struct plan *plan,
           sqlite3_index_info *info, bool *reverse)
{
    int next = 0;
    bool known = false; /* which direction it is */

    *reverse = false;
    if (info->nOrderBy == 0)
        return false;
    if (sqlite3_vtab_distinct(info) == 2)
        return plan_distinct(v, info);
    for (int i = 0; i < info->nOrderBy; i++) {
        int part = schema_part(&v->schema, info->aOrderBy[i].iColumn);
        bool flip;

        if (next == v->schema.n_key)
            break;
        if (part >= 0 && is_fixed(v, plan, part))
            continue;
        while (next < v->schema.n_key && next != part &&
               is_fixed(v, plan, next))
            next++;
        if (part != next || !keeps_order(v, part))
            return false;
        flip = (info->aOrderBy[i].desc != 0) != v->schema.key[part].desc;
        if (known && flip != *reverse)
            return false;
        *reverse = flip;
        known = true;
        next++;
        while (next < v->schema.n_key && is_fixed(v, plan, next))
            next++;
    }
    return true;
}

/* A part's name, as SQL would have it. */
static void
append_name(sqlite3_str *text, const struct vtab *v, int part)
{
    const char *name = schema_part_name(&v->schema, part), *p = name;
    struct token t = token_next(&p);

    if (t.kind == TOKEN_WORD && t.text == name && *p == '\0')
        sqlite3_str_appendall(text, name);
    else
        sqlite3_str_appendf(text, "\"%w\"", name);
}

static void
append_term(sqlite3_str *text, const struct vtab *v,
            const struct plan_term *term)
{
    if (sqlite3_str_length(text) > 0)
        sqlite3_str_appendall(text, AND_TEXT);
    append_name(text, v, term->part);
    sqlite3_str_appendall(text, op_text[term->op]);
    sqlite3_str_appendall(text, term->literal ? "'?'" : "?");
    if (term->wide)
        sqlite3_str_appendall(text, WIDE_TEXT);
}

/*
 * Does a comparison see texts in another order than the part's keys have?  If
 * it is equality, what is equal byte for byte is so in any collation.
 */
static bool
is_wide(const struct vtab *v, sqlite3_index_info *info, int i, int part,
        bool equality)
{
    enum collation here = v->schema.key[part].collation;
    enum collation there = collation_find(sqlite3_vtab_collation(info, i));

    if (there == COLLATION_BINARY && equality)
        return false;
    return there != here || (here == COLLATION_BINARY && v->utf16);
}

/* What is gathered for a plan. */
struct choice {
    struct plan plan;
    sqlite3_value *values[PLAN_MAX_TERMS];
    sqlite3_str *text;
};

/* Take the usable constraints on a part: equalities, or the others. */
static void
choose_terms(const struct vtab *v, sqlite3_index_info *info, int part,
             bool equalities, struct choice *out)
{
    struct plan *plan = &out->plan;

    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];
        struct plan_term *term = &plan->terms[plan->n];
        sqlite3_value *value;
        enum plan_op op;

        if (plan->n == PLAN_MAX_TERMS)
            return;
        if (!c->usable || !plan_op_of(info, i, &op) ||
            schema_part(&v->schema, c->iColumn) != part ||
            (op == PLAN_EQ || op == PLAN_IN) != equalities)
            continue;
        value = literal_value(info, i);
        term->part = part;
        term->op = op;
        term->wide = is_wide(v, info, i, part, equalities);
        term->literal =
            value != NULL && sqlite3_value_type(value) == SQLITE_TEXT;
        if (op == PLAN_IN)
            sqlite3_vtab_in(info, i, 1);
        append_term(out->text, v, term);
        out->values[plan->n++] = value;
        info->aConstraintUsage[i].argvIndex = (int)plan->n + plan->past;
    }
}

/*
 * Which commit point is to be read: it has to be known when the scan begins.
 * SQLITE_CONSTRAINT: this is no plan.
 */
static int
choose_commit(const struct vtab *v, sqlite3_index_info *info,
              struct choice *out)
{
    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];

        if (c->iColumn != v->schema.commit_column ||
            c->op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        if (!c->usable)
            return SQLITE_CONSTRAINT;
        if (out->plan.past)
            continue; /* SQLite compares the second one */
        out->plan.past = true;
        info->aConstraintUsage[i].argvIndex = 1;
        sqlite3_str_appendall(out->text, PAST_TEXT);
    }
    return SQLITE_OK;
}

/* Take terms on one part after the other, as far as they narrow the scan. */
static void
choose(const struct vtab *v, sqlite3_index_info *info, struct choice *out)
{
    for (int part = 0; part < v->schema.n_key; part++) {
        size_t before = out->plan.n;
        bool narrow = false;

        choose_terms(v, info, part, true, out);
        for (size_t i = before; i < out->plan.n; i++)
            narrow = narrow || !out->plan.terms[i].wide;
        choose_terms(v, info, part, false, out);
        if (!narrow)
            return;
    }
}

int
plan_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    struct vtab *v = (struct vtab *)vtab;
    struct choice c = { .text = sqlite3_str_new(NULL) };
    int rc = choose_commit(v, info, &c);

    if (rc != SQLITE_OK) {
        sqlite3_free(sqlite3_str_finish(c.text));
        return rc;
    }
    choose(v, info, &c);
    info->orderByConsumed = plan_order(v, &c.plan, info, &c.plan.reverse);
    if (!info->orderByConsumed)
        c.plan.reverse = false;
    if (c.plan.reverse)
        sqlite3_str_appendall(c.text, sqlite3_str_length(c.text) > 0
                                          ? " " REVERSE_TEXT
                                          : REVERSE_TEXT);
    rc = plan_cost(v, &c.plan, c.values, info);
    if (rc == SQLITE_OK)
        rc = sqlite3_str_errcode(c.text);
    if (rc != SQLITE_OK) {
        sqlite3_free(sqlite3_str_finish(c.text));
        return rc;
    }
    info->idxStr = sqlite3_str_finish(c.text); /* NULL if empty */
    info->needToFreeIdxStr = 1;
    return SQLITE_OK;
}

/* If text begins with word, step over it. */
static bool
skip(const char **text, const char *word)
{
    size_t n = strlen(word);

    if (strncmp(*text, word, n) != 0)
        return false;
    *text += n;
    return true;
}

/* The operator that text begins with; false if it does not. */
static bool
parse_op(const char **text, enum plan_op *op)
{
    for (size_t i = 0; i < sizeof(op_order) / sizeof(op_order[0]); i++) {
        if (skip(text, op_text[op_order[i]])) {
            *op = op_order[i];
            return true;
        }
    }
    return false;
}

/* A part's name and the operator behind it. */
static int
parse_part(const struct schema *schema, const char **text,
           struct plan_term *term, bool *found)
{
    const char *p = *text;
    struct token t = token_next(&p);
    char *name;

    *found = false;
    if (t.kind != TOKEN_WORD && t.kind != TOKEN_QUOTED)
        return SQLITE_OK;
    name = token_value(&t);
    if (name == NULL)
        return SQLITE_NOMEM;
    for (int part = 0; part < schema->n_key && !*found; part++) {
        term->part = part;
        *found = strcmp(name, schema_part_name(schema, part)) == 0;
    }
    sqlite3_free(name);
    *text = p;
    *found = *found && parse_op(text, &term->op);
    return SQLITE_OK;
}

static int
parse_term(const struct schema *schema, const char **text,
           struct plan_term *term)
{
    bool found;
    int rc = parse_part(schema, text, term, &found);

    if (rc != SQLITE_OK)
        return rc;
    if (!found)
        return SQLITE_ERROR;
    term->literal = skip(text, "'?'");
    if (!term->literal && !skip(text, "?"))
        return SQLITE_ERROR;
    term->wide = skip(text, WIDE_TEXT);
    return SQLITE_OK;
}

int
plan_parse(const struct schema *schema, const char *idx_str, struct plan *out)
{
    const char *text = idx_str == NULL ? "" : idx_str;
    int rc = SQLITE_OK;

    memset(out, 0, sizeof(*out));
    out->past = skip(&text, PAST_TEXT);
    if (out->past && *text == ' ' && !skip(&text, AND_TEXT))
        text++;
    if (strcmp(text, REVERSE_TEXT) == 0) {
        out->reverse = true;
        return SQLITE_OK;
    }
    while (rc == SQLITE_OK && *text != '\0') {
        if (out->n == PLAN_MAX_TERMS)
            return SQLITE_ERROR;
        rc = parse_term(schema, &text, &out->terms[out->n++]);
        if (rc == SQLITE_OK && strcmp(text, " " REVERSE_TEXT) == 0) {
            out->reverse = true;
            return SQLITE_OK;
        }
        if (rc == SQLITE_OK && *text != '\0' && !skip(&text, AND_TEXT))
            return SQLITE_ERROR;
    }
    return rc;
}
