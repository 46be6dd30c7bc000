/*
 * What a plan costs: the rows that it visits are counted in the newest state
 * that is at hand, if SQL spells out what they are compared with, and guessed
 * if not.
 *
 * The unit is a third of a step of an iterator.  A seek takes about as many as
 * the entries have bits, and so does the lookup of the row that an index entry
 * names, or a row's share of sorting; scans are near the truth for what is in
 * memory.
 */
#include "plan.h"

#include <math.h>

/* What SQLite assumes of a table that was never analyzed. */
#define UNKNOWN_ENTRIES 1048576.0
/* And of an IN list or subquery. */
#define IN_ROWS 25.0
/* And of the rows that agree in the first parts of an index, or of a key. */
static const double agreeing[] = { 10, 9, 8, 7, 6, 5 };
#define N_AGREEING (int)(sizeof(agreeing) / sizeof(agreeing[0]))
/*
 * A small table may grow as long as the plan is in use: our choice takes it
 * for at least so large.
 */
#define LEAST_ENTRIES 1000.0

#define STEP 3.0
#define LOOKUP 0.8 /* of a seek: it needs no iterator */

/*
 * The entries to tell of, of so many that there are.  In a database that was
 * not analyzed SQLite takes every ordinary table for a large one; with our
 * true, smaller number beside that, joins would scan the moss table and search
 * the other.
 */
static double
told_entries(const struct vtab *v, double entries)
{
    bool analyzed;

    analyzed = sqlite3_table_column_metadata(v->db, v->table.schema,
                                             "sqlite_stat1", NULL, NULL, NULL,
                                             NULL, NULL, NULL) == SQLITE_OK;
    return analyzed ? entries : UNKNOWN_ENTRIES + entries;
}

/* The rows left by an equality on a part, not knowing the value. */
static double
guess_equality(const struct vtab *v, const struct plan *plan, int part,
               double rows)
{
    const struct index *ix = plan->index;
    int i = part < N_AGREEING ? part : N_AGREEING - 1;
    int n_own = ix == NULL ? v->schema.n_key : ix->n_own;

    if ((ix == NULL || ix->unique) && part == n_own - 1)
        return 1;
    return part < n_own ? fmin(rows, agreeing[i]) : fmax(1, rows / 10);
}

/* How many rows a plan visits of so many entries, not knowing the values. */
static double
guess_rows(const struct vtab *v, const struct plan *plan, double entries)
{
    double rows = entries, places = 1;
    int part = -1;

    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_term *term = &plan->terms[i];
        bool first = term->part != part;

        part = term->part;
        if (term->wide) {
            rows *= 0.9;
        } else if (plan_op_is_equality(term->op)) {
            if (first)
                rows = guess_equality(v, plan, part, rows);
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

/* Is it said what the term selects? */
static bool
is_spelled_out(const struct plan_term *term, const sqlite3_value *value)
{
    return term->op == PLAN_NULL || term->op == PLAN_NOT_NULL ||
           (value != NULL && term->op != PLAN_IN);
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
    struct ranges ranges = { 0 }, next = { 0 };
    int rc = SQLITE_OK;

    *known = snap != NULL;
    for (size_t i = 0; i < plan->n; i++)
        *known = *known && is_spelled_out(&plan->terms[i], values[i]);
    if (!*known)
        return SQLITE_OK;
    *rows = 0;
    rc = plan_ranges(v, plan, values, &ranges, &next);
    for (size_t i = 0; rc == SQLITE_OK && i < ranges.found.n; i++) {
        if (count_range(snap, &ranges, &ranges.found.v[i], rows) != MOSS_OK)
            *known = false;
    }
    ranges_release(&ranges);
    ranges_release(&next);
    return rc;
}

/* The newest state of what the plan scans, or NULL. */
static struct moss_snapshot *
peek(struct vtab *v, const struct plan *plan)
{
    if (plan->index == NULL)
        return table_peek(&v->table);
    return table_index_peek(&v->table, (int)(plan->index - v->schema.indexes));
}

static void
set_cost(const struct plan *plan, double entries, double rows, bool lookups,
         struct cost *out)
{
    double places = 1, seek = log2(entries + 2);

    for (size_t i = 0; i < plan->n; i++)
        places *= plan->terms[i].op == PLAN_IN ? IN_ROWS : 1;
    out->rows = fmax(rows, 1);
    out->cost =
        places * seek + out->rows * (STEP + (lookups ? LOOKUP * seek : 0));
}

int
plan_cost(struct vtab *v, const struct plan *plan, sqlite3_value **values,
          bool lookups, struct cost *own, struct cost *told)
{
    struct moss_snapshot *snap = peek(v, plan);
    double entries = 0, rows = 0, least, large;
    struct plan all = *plan;
    bool known;
    int rc;

    all.n = 0;
    rc = count_rows(v, snap, &all, values, &entries, &known);
    least = known ? fmax(entries, LEAST_ENTRIES) : UNKNOWN_ENTRIES;
    large = known ? told_entries(v, entries) : UNKNOWN_ENTRIES;
    if (rc == SQLITE_OK)
        rc = count_rows(v, snap, plan, values, &rows, &known);
    moss_snapshot_unref(snap);
    if (rc != SQLITE_OK)
        return rc;
    known = known && plan->n > 0;
    set_cost(plan, least, known ? rows : guess_rows(v, plan, least), lookups,
             own);
    set_cost(plan, large, known ? rows : guess_rows(v, plan, large), lookups,
             told);
    return SQLITE_OK;
}

double
plan_sort_cost(double rows)
{
    return rows * log2(rows + 2);
}
