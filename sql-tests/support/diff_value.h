/* SQL values of the differential test: random ones, as literals and binds. */
#ifndef MOSS_SQLTEST_DIFF_VALUE_H
#define MOSS_SQLTEST_DIFF_VALUE_H

#include "harness.h"

/* lo <= result <= hi. */
static inline int
rng_between(struct rng *r, int lo, int hi)
{
    return lo + (int)rng_below(r, (unsigned)(hi - lo) + 1);
}

static inline bool
rng_percent(struct rng *r, unsigned percent)
{
    return rng_below(r, 100) < percent;
}

struct diff_value {
    int type; /* SQLITE_NULL, _INTEGER, _FLOAT, _TEXT or _BLOB */
    int64_t integer;
    double real;
    char *bytes; /* of text and blobs; owned */
    int n;
};

/* Fill *out with a value of a random type, with a liking for edge cases. */
void diff_value_random(struct rng *r, struct diff_value *out);
/* The same without NULL. */
void diff_value_random_key(struct rng *r, struct diff_value *out);
void diff_value_text(const char *text, struct diff_value *out);
void diff_value_integer(int64_t integer, struct diff_value *out);
void diff_value_copy(const struct diff_value *from, struct diff_value *out);
void diff_value_release(struct diff_value *v);

/* Append an SQL expression that has exactly this value (NaN excluded). */
void diff_value_literal(const struct diff_value *v, sqlite3_str *out);
int diff_value_bind(const struct diff_value *v, sqlite3_stmt *stmt, int index);

#endif
