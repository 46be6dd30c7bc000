/* xBestIndex, and what its choice means to a scan. */
#ifndef MOSS_EXT_PLAN_H
#define MOSS_EXT_PLAN_H

#include "range.h"
#include "vtab.h"

enum plan_op {
    PLAN_EQ,
    PLAN_IN,
    PLAN_IS,   /* only where a part may be NULL, as the next */
    PLAN_NULL, /* IS NULL; the value does not matter */
    PLAN_NOT_NULL,
    PLAN_GE,
    PLAN_GT,
    PLAN_LE,
    PLAN_LT
};

/* Do the terms with op leave a part one value, or a list of some? */
static inline bool
plan_op_is_equality(enum plan_op op)
{
    return op <= PLAN_NULL;
}

static inline bool
plan_op_has_value(enum plan_op op)
{
    return op != PLAN_NULL && op != PLAN_NOT_NULL;
}

/* Is it "=", "<", "<=", ">" or ">="? */
static inline bool
plan_op_is_comparison(enum plan_op op)
{
    return op == PLAN_EQ || op >= PLAN_GE;
}

/* A constraint on a part of the key that a scan may use. */
struct plan_term {
    int part;
    enum plan_op op;
    bool wide;    /* texts compare in another order than their keys have */
    bool literal; /* the right-hand side is a text that SQL spells out */
    bool plain;   /* it is a parameter: the keys admitted are exact */
    bool as_one;  /* ORDER BY passes over the part, as if it were one value */
};

#define PLAN_MAX_TERMS 16

/* Term i is about xFilter's argv[i], or [i + 1].  They are sorted by part. */
struct plan {
    const struct index *index;    /* NULL: rows by their key */
    const struct key_part *parts; /* rows come in their order */
    int n_parts;
    int n_narrow; /* so many may have terms */
    size_t n;
    bool past; /* argv[0] is a commit point, and the terms' values follow */
    bool reverse;
    struct plan_term terms[PLAN_MAX_TERMS];
};

int plan_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info);

/*
 * A plan without terms for the key (number 0), or for index number - 1.
 * idxNum is that number.
 */
void plan_begin(const struct schema *schema, int number, struct plan *out);
/* The part that SQLite's column number (-1: rowid) is first, or -1. */
int plan_part(const struct schema *schema, const struct plan *plan, int column);

/*
 * A plan as idxStr, sqlite3_malloc'd; NULL without memory, or if there is
 * nothing to say.
 */
char *plan_text(const struct schema *s, const struct plan *plan, bool covering);
/* What plan_best_index() chose; SQLITE_ERROR if it cannot have been that. */
int plan_parse(const struct schema *schema, int idx_num, const char *idx_str,
               struct plan *out);

/*
 * Is it one row at most?  Then UPDATE and DELETE change it as it is found.  A
 * wrong promise would lose rows.
 */
bool plan_is_single(const struct plan *plan);

/* cost.c: what a plan costs, in steps of an iterator, and its rows. */
struct cost {
    double rows, cost;
};
/*
 * values: the right-hand sides, each NULL unless SQL spells it out.  lookups:
 * each entry of an index needs its row.  *own is for the choice between our
 * plans, *told is for SQLite.  SQLITE_OK or SQLITE_NOMEM.
 */
int plan_cost(struct vtab *v, const struct plan *plan, sqlite3_value **values,
              bool lookups, struct cost *own, struct cost *told);
/* What sorting so many rows costs. */
double plan_sort_cost(double rows);

/*
 * The ranges that hold every row that can satisfy the terms, given xFilter's
 * arguments.  They may hold others, as SQLite checks each row, unless all terms
 * are exact (see plan.c).  next is memory to work with.
 */
int plan_ranges(const struct vtab *v, const struct plan *plan,
                sqlite3_value **argv, struct ranges *out, struct ranges *next);

#endif
