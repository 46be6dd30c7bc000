/*
 * Planning: which constraints narrow a scan, in what order it gives the rows,
 * and how many there may be (xBestIndex).
 *
 * The first parts of the key narrow a scan as long as they are compared with
 * "=" or IN, and so does the next with anything else.  An index serves like
 * the key, whose parts follow its own.  Each of them gives a plan, and the
 * cheapest is taken (cost.c).
 *
 * The choice travels as text (plan_text.c).  What the terms mean in keys is in
 * admit.c.
 */
#include "plan.h"

#include <math.h>
#include <string.h>

#include "anew.h"

void
plan_begin(const struct schema *schema, int number, struct plan *out)
{
    memset(out, 0, sizeof(*out));
    out->parts = schema->key;
    out->n_parts = out->n_narrow = schema->n_key;
    if (number > 0) {
        out->index = &schema->indexes[number - 1];
        out->parts = out->index->parts;
        out->n_parts = out->index->n;
        /* The key is not in each entry of a UNIQUE index. */
        out->n_narrow = out->index->unique ? out->index->n_own : out->index->n;
    }
}

int
plan_part(const struct schema *schema, const struct plan *plan, int column)
{
    if (column < 0 && schema->has_rowid)
        column = schema->key[0].column;
    else if (column < 0 || column >= schema->n)
        return -1;
    for (int i = 0; i < plan->n_parts; i++) {
        if (plan->parts[i].column == column)
            return i;
    }
    return -1;
}

/* The operator of a constraint on a part that is nullable or not. */
static bool
plan_op_of(sqlite3_index_info *info, int i, bool nullable, enum plan_op *op)
{
    switch (info->aConstraint[i].op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
        *op = sqlite3_vtab_in(info, i, -1) ? PLAN_IN : PLAN_EQ;
        return true;
    case SQLITE_INDEX_CONSTRAINT_IS:
        *op = nullable ? PLAN_IS : PLAN_EQ; /* NULL IS NULL */
        return true;
    case SQLITE_INDEX_CONSTRAINT_ISNULL:
        *op = PLAN_NULL;
        return nullable;
    case SQLITE_INDEX_CONSTRAINT_ISNOTNULL:
        *op = PLAN_NOT_NULL;
        return nullable;
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
 * Is the part the same in all rows that the plan lets through?  Only if what
 * equals the value on the right is one key: not if affinity may make the texts
 * '15' and '15.0' of a part one number.
 */
static bool
is_fixed(const struct plan *plan, int part)
{
    const struct key_part *p = &plan->parts[part];

    /* Nor if an earlier part has made the same distinctions. */
    for (int i = 0; i < part; i++) {
        if (plan->parts[i].column == p->column &&
            (plan->parts[i].collation == p->collation ||
             plan->parts[i].collation == COLLATION_BINARY))
            return true;
    }
    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_term *term = &plan->terms[i];

        if (term->part != part || term->wide)
            continue;
        if (term->op == PLAN_NULL ||
            ((term->op == PLAN_EQ || term->op == PLAN_IS) &&
             (affinity_is_numeric(p->affinity) || term->literal)))
            return true;
    }
    return false;
}

/*
 * The term by which ORDER BY may pass over a part that is not fixed, or NULL.
 * The cursor sorts the rows itself where the value turns out to be several
 * keys.  (Which those are, the keys of a UNIQUE index do not tell.)
 */
static struct plan_term *
one_term(struct plan *plan, int part)
{
    if (plan->index != NULL && plan->index->unique)
        return NULL;
    for (size_t i = 0; i < plan->n; i++) {
        struct plan_term *term = &plan->terms[i];

        if (term->part == part && !term->wide &&
            (term->op == PLAN_EQ || term->op == PLAN_IS))
            return term;
    }
    return NULL;
}

/* Can a part be a text?  A rowid cannot. */
static bool
may_be_text(const struct vtab *v, const struct key_part *p)
{
    return !v->schema.has_rowid || p->column != v->schema.key[0].column;
}

/*
 * Does a part sort as SQLite sorts its column?  Not if the part has a
 * collation of its own, nor where BINARY compares the bytes of UTF-16.
 */
static bool
keeps_order(const struct vtab *v, const struct key_part *p)
{
    if (!may_be_text(v, p))
        return true;
    if (v->utf16 && p->collation == COLLATION_BINARY)
        return false;
    return p->column < 0 ||
           collation_find(v->schema.columns[p->column].collation) ==
               p->collation;
}

/* Is the column of a part in the ORDER BY list? */
static bool
is_listed(const struct vtab *v, const struct plan *plan,
          const sqlite3_index_info *info, int part)
{
    for (int i = 0; i < info->nOrderBy; i++) {
        int listed = plan_part(&v->schema, plan, info->aOrderBy[i].iColumn);

        if (listed >= 0 &&
            plan->parts[listed].column == plan->parts[part].column)
            return true;
    }
    return false;
}

/*
 * DISTINCT alone takes any order in which the rows that agree in its columns
 * stand together: those are the first parts, or all parts of the key.
 */
static bool
plan_distinct(const struct vtab *v, const struct plan *plan,
              const sqlite3_index_info *info)
{
    int first = 0, others = 0;
    bool ordered = true, key = true;

    for (int part = plan->n_parts - v->schema.n_key; part < plan->n_parts;
         part++)
        key = key && is_listed(v, plan, info, part);
    if (key)
        return true;
    for (; first < plan->n_parts && is_listed(v, plan, info, first); first++)
        ordered = ordered && keeps_order(v, &plan->parts[first]);
    for (int i = 0; i < info->nOrderBy; i++) {
        int part = plan_part(&v->schema, plan, info->aOrderBy[i].iColumn);

        others += part < 0 || part >= first;
    }
    return first > 0 && others == 0 && ordered;
}

/*
 * Do rows in the order of the parts do for ORDER BY, GROUP BY or DISTINCT?  A
 * key comes once, so that what follows the last of its parts in the list
 * orders nothing (unless a part was passed over that may be several keys).  GROUP BY is treated like ORDER BY: when both are there for
 * the same columns, SQLite relies on the order too, although it says that
 * grouping is enough.
 */
static bool
plan_order(const struct vtab *v, struct plan *plan, sqlite3_index_info *info,
           bool *reverse)
{
    int next = 0;
    bool known = false; /* which direction it is */
    struct plan_term *ones[PLAN_MAX_TERMS];
    int n_ones = 0;

    *reverse = false;
    if (info->nOrderBy == 0)
        return false;
    if (sqlite3_vtab_distinct(info) == 2)
        return plan_distinct(v, plan, info);
    for (int i = 0; i < info->nOrderBy; i++) {
        int part = plan_part(&v->schema, plan, info->aOrderBy[i].iColumn);
        bool flip;

        /* Keys that are passed over as one agree in the parts behind. */
        if (next == plan->n_parts && n_ones == 0)
            break;
        if (part >= 0 && is_fixed(plan, part))
            continue;
        while (next < plan->n_parts && next < part) {
            struct plan_term *one =
                is_fixed(plan, next) ? NULL : one_term(plan, next);

            if (one != NULL)
                ones[n_ones++] = one;
            else if (!is_fixed(plan, next))
                break;
            next++;
        }
        if (part != next || !keeps_order(v, &plan->parts[part]))
            return false;
        flip = (info->aOrderBy[i].desc != 0) != plan->parts[part].desc;
        if (known && flip != *reverse)
            return false;
        *reverse = flip;
        known = true;
        next++;
        while (next < plan->n_parts && is_fixed(plan, next))
            next++;
    }
    for (int i = 0; i < n_ones; i++)
        ones[i]->as_one = true;
    return true;
}

/*
 * Does a comparison see texts in another order than the part's keys have?  If
 * it is equality, what is equal byte for byte is so in any collation.
 */
static bool
is_wide(const struct vtab *v, sqlite3_index_info *info, int i,
        const struct key_part *part, enum plan_op op)
{
    enum collation here = part->collation;
    enum collation there = collation_find(sqlite3_vtab_collation(info, i));

    if (!plan_op_has_value(op) || !may_be_text(v, part) ||
        (there == COLLATION_BINARY && plan_op_is_equality(op)))
        return false;
    return there != here || (here == COLLATION_BINARY && v->utf16);
}

/* A plan, with what belongs to each of its terms. */
struct choice {
    struct plan plan;
    int number; /* of its index, from 1 on; 0: the key */
    int commit; /* the constraint that names a commit point, or -1 */
    sqlite3_value *values[PLAN_MAX_TERMS];
    int constraints[PLAN_MAX_TERMS]; /* of SQLite's list */
    bool covering; /* no column outside of the index is asked for */
    bool ordered;
    struct cost own, told;
};

/* Take the usable constraints on a part: equalities, or the others. */
static void
choose_terms(const struct vtab *v, sqlite3_index_info *info, int part,
             bool equalities, struct choice *out)
{
    struct plan *plan = &out->plan;
    const struct key_part *p = &plan->parts[part];

    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];
        struct plan_term *term = &plan->terms[plan->n];
        sqlite3_value *value;
        enum plan_op op;

        if (plan->n == PLAN_MAX_TERMS)
            return;
        if (!c->usable || !plan_op_of(info, i, p->nullable, &op) ||
            plan_part(&v->schema, plan, c->iColumn) != part ||
            plan_op_is_equality(op) != equalities)
            continue;
        value = literal_value(info, i);
        term->part = part;
        term->op = op;
        term->wide = is_wide(v, info, i, p, op);
        term->literal = plan_op_has_value(op) && value != NULL &&
                        sqlite3_value_type(value) == SQLITE_TEXT;
        out->constraints[plan->n] = i;
        out->values[plan->n++] = value;
    }
}

/*
 * Which commit point is to be read: it has to be known when the scan begins.
 * SQLITE_CONSTRAINT: this is no plan.  *out is the constraint, or -1.
 */
static int
find_commit(const struct vtab *v, const sqlite3_index_info *info, int *out)
{
    *out = -1;
    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];

        if (c->iColumn != v->schema.commit_column ||
            c->op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        if (!c->usable)
            return SQLITE_CONSTRAINT;
        if (*out < 0)
            *out = i; /* SQLite compares a second one */
    }
    return SQLITE_OK;
}

/* Take terms on one part after the other, as far as they narrow the scan. */
static void
choose(const struct vtab *v, sqlite3_index_info *info, struct choice *out)
{
    for (int part = 0; part < out->plan.n_narrow; part++) {
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

/* Are all columns that the statement uses in the index? */
static bool
covers(const struct schema *s, const struct index *ix,
       const sqlite3_index_info *info)
{
    /* The last bit stands for all columns from 63 on. */
    for (int i = 0; i < s->n; i++) {
        const struct place *place = &ix->places[i];

        if ((info->colUsed >> (i < 63 ? i : 63) & 1) != 0 && place->part < 0 &&
            place->stored < 0)
            return false;
    }
    return true;
}

/* The rows that LIMIT lets through; infinite without one. */
static double
limit_rows(sqlite3_index_info *info, bool all_terms)
{
    double rows = INFINITY;

    for (int i = 0; i < info->nConstraint; i++) {
        sqlite3_value *value;

        if (info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_LIMIT)
            continue;
        value = literal_value(info, i);
        rows = value == NULL ? 100 : (double)sqlite3_value_int64(value);
        if (rows < 0)
            rows = INFINITY;
    }
    /* What narrows nothing drops some of the rows that are visited. */
    return all_terms ? rows : 10 * rows;
}

bool
plan_is_single(const struct plan *plan)
{
    int n = plan->index == NULL   ? plan->n_parts
            : plan->index->unique ? plan->index->n_own
                                  : -1;

    for (int part = 0; part < n; part++) {
        bool found = false;

        for (size_t i = 0; i < plan->n && !found; i++)
            found = plan->terms[i].part == part &&
                    plan->terms[i].op == PLAN_EQ && !plan->terms[i].wide &&
                    (affinity_is_numeric(plan->parts[part].affinity) ||
                     plan->terms[i].literal || plan->terms[i].plain);
        if (!found)
            return false;
    }
    return n > 0;
}

/* Does every condition narrow the scan? */
static bool
uses_all(const sqlite3_index_info *info, const struct plan *plan)
{
    int conditions = 0;

    for (int i = 0; i < info->nConstraint; i++)
        conditions +=
            info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_LIMIT &&
            info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_OFFSET;
    return plan->n == (size_t)conditions;
}

/* Fill in what a plan for the key or for an index would be. */
static int
consider(struct vtab *v, sqlite3_index_info *info, int number, int commit,
         bool plain, struct choice *out)
{
    struct cost *own = &out->own;
    double limit;
    int rc;

    memset(out, 0, sizeof(*out));
    out->number = number;
    out->commit = commit;
    plan_begin(&v->schema, number, &out->plan);
    out->plan.past = commit >= 0;
    choose(v, info, out);
    for (size_t i = 0; i < out->plan.n; i++)
        out->plan.terms[i].plain =
            plain && plan_op_is_comparison(out->plan.terms[i].op);
    out->covering =
        out->plan.index == NULL || covers(&v->schema, out->plan.index, info);
    out->ordered = plan_order(v, &out->plan, info, &out->plan.reverse);
    if (!out->ordered)
        out->plan.reverse = false;
    rc = plan_cost(v, &out->plan, out->values, !out->covering, own, &out->told);
    if (rc != SQLITE_OK)
        return rc;
    limit = limit_rows(info, uses_all(info, &out->plan));
    if (info->nOrderBy > 0 && !out->ordered)
        own->cost += plan_sort_cost(own->rows);
    else if (limit < own->rows)
        own->cost *= fmax(limit, 1) / own->rows;
    return SQLITE_OK;
}

/*
 * An index without terms is scanned for its order only, or where it can do
 * instead of a key that serves nothing either.
 */
static bool
is_better(const struct choice *a, const struct choice *best)
{
    if (a->plan.n == 0 && !(a->ordered && !best->ordered))
        return false;
    return a->own.cost < best->own.cost;
}

/*
 * Do the ranges of the plan hold the rows that satisfy its terms, and no
 * others?  Then SQLite need not compare again.  What is a parameter on the
 * right has no affinity, and what is compared in the part's own collation is
 * compared as keys are.
 */
static bool
is_exact(const struct vtab *v, sqlite3_index_info *info, const struct choice *c)
{
    const struct plan *plan = &c->plan;

    if (v->utf16 || v->table.decl.codec != CODEC_TYPED || plan->past)
        return false;
    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_term *term = &plan->terms[i];
        const struct key_part *part = &plan->parts[term->part];
        enum collation there =
            collation_find(sqlite3_vtab_collation(info, c->constraints[i]));

        if (!term->plain || term->wide ||
            (may_be_text(v, part) && there != part->collation))
            return false;
    }
    return true;
}

static int
apply(const struct vtab *v, sqlite3_index_info *info, const struct choice *c)
{
    bool exact = is_exact(v, info, c);

    if (c->plan.past)
        info->aConstraintUsage[c->commit].argvIndex = 1;
    for (size_t i = 0; i < c->plan.n; i++) {
        int constraint = c->constraints[i];

        if (c->plan.terms[i].op == PLAN_IN)
            sqlite3_vtab_in(info, constraint, 1);
        info->aConstraintUsage[constraint].argvIndex =
            (int)i + 1 + c->plan.past;
        info->aConstraintUsage[constraint].omit = exact;
    }
    info->orderByConsumed = c->ordered;
    info->estimatedRows = (sqlite3_int64)c->told.rows;
    info->estimatedCost = c->told.cost;
    if (plan_is_single(&c->plan)) {
        /* Cursors on the past must be open when the row is changed. */
        if (!c->plan.past)
            info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
        info->estimatedRows = 1;
    }
    info->idxNum = c->number;
    info->idxStr = plan_text(&v->schema, &c->plan, c->covering);
    info->needToFreeIdxStr = 1;
    return info->idxStr == NULL && (c->number > 0 || c->plan.n > 0 ||
                                    c->plan.past || c->plan.reverse)
               ? SQLITE_NOMEM
               : SQLITE_OK;
}

int
plan_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    struct vtab *v = (struct vtab *)vtab;
    struct choice best, other;
    bool plain = anew_is_known(v);
    int commit, rc = find_commit(v, info, &commit);

    if (rc == SQLITE_OK)
        rc = consider(v, info, 0, commit, plain, &best);
    for (int i = 1; rc == SQLITE_OK && i <= v->schema.n_indexes; i++) {
        rc = consider(v, info, i, commit, plain, &other);
        if (rc == SQLITE_OK && is_better(&other, &best))
            best = other;
    }
    return rc == SQLITE_OK ? apply(v, info, &best) : rc;
}
