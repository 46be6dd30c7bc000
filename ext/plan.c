/*
 * Planning: which constraints narrow a scan, in what order it gives the rows,
 * and how many there may be (xBestIndex).
 *
 * The choice travels in idxStr as EXPLAIN QUERY PLAN shows it, for example
 * "key>=? AND key<'?' DESC".  A '?' in quotes is a text literal; "(any text)"
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

#define KEY_TEXT_NAME "key"
#define AND_TEXT " AND "
#define WIDE_TEXT " (any text)"
#define REVERSE_TEXT "DESC"

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

/* How many rows a plan visits of so many entries, not knowing the values. */
static double
guess_rows(const struct plan *plan, double entries)
{
    double rows = entries;

    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_term *term = &plan->terms[i];

        if (term->wide)
            rows = fmin(rows, entries * 0.9);
        else if (term->op == PLAN_EQ)
            rows = fmin(rows, 1);
        else if (term->op == PLAN_IN)
            rows = fmin(rows, IN_ROWS);
        else
            rows = fmax(rows / 4, fmin(rows, 2));
    }
    return rows;
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
    rc = plan_ranges(plan, v->table.decl.codec, values, &ranges);
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
        rows = guess_rows(plan, entries);
    for (size_t i = 0; i < plan->n; i++)
        places = plan->terms[i].op == PLAN_IN ? IN_ROWS : places;
    rows = fmax(rows, 1);
    info->estimatedRows = (sqlite3_int64)rows;
    info->estimatedCost = places * log2(entries + 2) + 3 * rows;
    return rc;
}

/*
 * Do rows in key order do for ORDER BY, GROUP BY or DISTINCT?  A key comes
 * once, so that what follows it in the list orders nothing.  GROUP BY is
 * treated like ORDER BY: when both are there for the same columns, SQLite
 * relies on the order too, although it says that grouping is enough.
 */
static bool
plan_order(const struct vtab *v, sqlite3_index_info *info, bool *reverse)
{
    bool distinct_only = sqlite3_vtab_distinct(info) == 2;

    *reverse = false;
    for (int i = 0; distinct_only && i < info->nOrderBy; i++) {
        if (info->aOrderBy[i].iColumn == COLUMN_KEY)
            return true;
    }
    if (info->nOrderBy == 0 || info->aOrderBy[0].iColumn != COLUMN_KEY ||
        v->utf16)
        return false;
    *reverse = info->aOrderBy[0].desc;
    return true;
}

static void
append_term(sqlite3_str *text, const struct plan_term *term)
{
    if (sqlite3_str_length(text) > 0)
        sqlite3_str_appendall(text, AND_TEXT);
    sqlite3_str_appendall(text, KEY_TEXT_NAME);
    sqlite3_str_appendall(text, op_text[term->op]);
    sqlite3_str_appendall(text, term->literal ? "'?'" : "?");
    if (term->wide)
        sqlite3_str_appendall(text, WIDE_TEXT);
}

static bool
is_binary(sqlite3_index_info *info, int i)
{
    const char *name = sqlite3_vtab_collation(info, i);

    return name != NULL && sqlite3_stricmp(name, "BINARY") == 0;
}

/* Take the usable constraints on the key: equalities, or the others. */
static void
choose_terms(const struct vtab *v, sqlite3_index_info *info, bool equalities,
             struct plan *plan, sqlite3_value **values, sqlite3_str *text)
{
    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];
        struct plan_term *term = &plan->terms[plan->n];
        enum plan_op op;

        if (plan->n == PLAN_MAX_TERMS)
            return;
        if (!c->usable || !plan_op_of(info, i, &op) || c->iColumn != COLUMN_KEY)
            continue;
        if ((op == PLAN_EQ || op == PLAN_IN) != equalities)
            continue;
        term->op = op;
        term->wide = !is_binary(info, i) || (v->utf16 && !equalities);
        values[plan->n] = literal_value(info, i);
        term->literal = values[plan->n] != NULL &&
                        sqlite3_value_type(values[plan->n]) == SQLITE_TEXT;
        if (op == PLAN_IN)
            sqlite3_vtab_in(info, i, 1);
        append_term(text, term);
        plan->n++;
        info->aConstraintUsage[i].argvIndex = (int)plan->n;
    }
}

int
plan_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    struct vtab *v = (struct vtab *)vtab;
    sqlite3_value *values[PLAN_MAX_TERMS] = { NULL };
    sqlite3_str *text = sqlite3_str_new(NULL);
    struct plan plan = { 0 };
    int rc;

    choose_terms(v, info, true, &plan, values, text);
    choose_terms(v, info, false, &plan, values, text);
    info->orderByConsumed = plan_order(v, info, &plan.reverse);
    if (plan.reverse)
        sqlite3_str_appendall(text,
                              plan.n > 0 ? " " REVERSE_TEXT : REVERSE_TEXT);
    rc = plan_cost(v, &plan, values, info);
    if (rc == SQLITE_OK)
        rc = sqlite3_str_errcode(text);
    if (rc != SQLITE_OK) {
        sqlite3_free(sqlite3_str_finish(text));
        return rc;
    }
    info->idxStr = sqlite3_str_finish(text); /* NULL if empty */
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

static bool
parse_term(const char **text, struct plan_term *term)
{
    size_t i = 0, n_ops = sizeof(op_order) / sizeof(op_order[0]);

    if (!skip(text, KEY_TEXT_NAME))
        return false;
    while (i < n_ops && !skip(text, op_text[op_order[i]]))
        i++;
    if (i == n_ops)
        return false;
    term->op = op_order[i];
    term->literal = skip(text, "'?'");
    if (!term->literal && !skip(text, "?"))
        return false;
    term->wide = skip(text, WIDE_TEXT);
    return true;
}

int
plan_parse(const char *idx_str, struct plan *out)
{
    const char *text = idx_str == NULL ? "" : idx_str;

    memset(out, 0, sizeof(*out));
    if (strcmp(text, REVERSE_TEXT) == 0) {
        out->reverse = true;
        return SQLITE_OK;
    }
    while (*text != '\0') {
        if (out->n == PLAN_MAX_TERMS || !parse_term(&text, &out->terms[out->n]))
            return SQLITE_ERROR;
        out->n++;
        if (strcmp(text, " " REVERSE_TEXT) == 0) {
            out->reverse = true;
            return SQLITE_OK;
        }
        if (*text != '\0' && !skip(&text, AND_TEXT))
            return SQLITE_ERROR;
    }
    return SQLITE_OK;
}
