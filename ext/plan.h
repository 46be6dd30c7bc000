/* xBestIndex, and what its choice means to a scan. */
#ifndef MOSS_EXT_PLAN_H
#define MOSS_EXT_PLAN_H

#include "range.h"
#include "vtab.h"

enum plan_op { PLAN_EQ, PLAN_IN, PLAN_GE, PLAN_GT, PLAN_LE, PLAN_LT };

/* A constraint on a part of the key that a scan may use. */
struct plan_term {
    int part;
    enum plan_op op;
    bool wide;    /* texts compare in another order than their keys have */
    bool literal; /* the right-hand side is a text that SQL spells out */
};

#define PLAN_MAX_TERMS 16

/* Term i is about xFilter's argv[i], or [i + 1].  They are sorted by part. */
struct plan {
    size_t n;
    bool past; /* argv[0] is a commit point, and the terms' values follow */
    bool reverse;
    struct plan_term terms[PLAN_MAX_TERMS];
};

int plan_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info);

/* Read an idxStr that plan_best_index() wrote; SQLITE_ERROR otherwise. */
int
plan_parse(const struct schema *schema, const char *idx_str, struct plan *out);

/*
 * The ranges that hold every row that can satisfy the terms, given xFilter's
 * arguments.  They may hold others: SQLite checks each row.
 */
int plan_ranges(const struct vtab *v, const struct plan *plan,
                sqlite3_value **argv, struct ranges *out);

#endif
