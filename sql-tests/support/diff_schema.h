/*
 * Random tables for the differential test: one to six columns of any type
 * with collations, NOT NULL and DEFAULT, and a key of some of them, or none.
 * Columns of the key are k1, k2, ... in its order, the others c1, c2, ...;
 * they stand in a random order in the declaration.
 */
#ifndef SQL_TESTS_DIFF_SCHEMA_H
#define SQL_TESTS_DIFF_SCHEMA_H

#include "diff_value.h"

enum { DIFF_COLUMNS = 6, DIFF_PARTS = 3 };

struct diff_column {
    char name[4];
    int part; /* of the key, or -1 */
    bool not_null;
    bool has_default;
    bool has_affinity; /* any but BLOB */
    bool is_plain;     /* compares as BINARY */
    bool is_rowid;     /* INTEGER PRIMARY KEY */
    /* Values that are equal look alike: neither 1 and 1.0 nor 'a' and 'A'. */
    bool is_exact;
};

struct diff_schema {
    struct diff_column columns[DIFF_COLUMNS];
    int n; /* 0: not one of these tables */
    int parts[DIFF_PARTS];
    int n_parts;     /* 0: the rowid, which is no column, is the key */
    bool recollated; /* a part has not the collation of its column */
    bool has_rowid;
    char text[640];    /* the columns, as CREATE TABLE has them */
    char indexes[200]; /* of the moss table, ", INDEX i1(c1), ...", or "" */
};

void diff_schema_random(struct rng *r, struct diff_schema *out);
/* A few words on its key; a literal. */
const char *diff_schema_kind(const struct diff_schema *s);

#endif
