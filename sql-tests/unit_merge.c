/*
 * Rows that are merged: it must not matter in how many steps operands are
 * applied, as readers and background threads choose those as they like.  Random
 * operands of random columns are applied one by one, each to the row that the
 * one before it gave, and in random groups, which the library makes one operand
 * of; both must give the same bytes.  Sums of integers are those of a model.
 *
 *     unit_merge [--seed N] [--rounds N]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"
#include "support/harness.h"

enum { MAX_COLUMNS = 5, MAX_OPERANDS = 12 };

/* A table: its columns, some of which came later. */
struct shape {
    struct column columns[MAX_COLUMNS];
    int n;
    size_t parts;
};

struct operand {
    struct bytes bytes;
    int n; /* columns that the table had */
};

static const enum merge_rule rules[] = { MERGE_NONE, MERGE_LAST, MERGE_SUM,
                                         MERGE_MIN,  MERGE_MAX,  MERGE_APPEND,
                                         MERGE_SUM };

static void
check(enum moss_status st, const char *what)
{
    if (st != MOSS_OK)
        fail("%s: %s", what, moss_status_name(st));
}

static int64_t
random_integer(struct rng *r)
{
    return (int64_t)(rng_next(r) >> rng_below(r, 64)) *
           (rng_below(r, 2) ? 1 : -1);
}

static void
random_number(struct rng *r, struct datum *d)
{
    d->type = rng_below(r, 3) > 0 ? SQLITE_INTEGER : SQLITE_FLOAT;
    d->i = random_integer(r);
    d->r = (double)random_integer(r) / 3;
}

static void
random_datum(struct rng *r, enum merge_rule rule, struct datum *d)
{
    static const char *const texts[] = { "", "a", "A", "b ", "b", "\303\244" };
    const char *text = texts[rng_below(r, 6)];
    unsigned kind = rng_below(r, 8);

    memset(d, 0, sizeof(*d));
    d->type = SQLITE_NULL;
    if (kind == 0)
        return;
    if (rule == MERGE_SUM || (rule != MERGE_APPEND && kind < 4)) {
        random_number(r, d);
        return;
    }
    d->type = kind < 7 ? SQLITE_TEXT : SQLITE_BLOB;
    d->bytes = moss_str(text);
}

/* DEFAULT 7 or 'd' of a column that came later. */
static sqlite3_value *
fallback_of(sqlite3 *db, enum merge_rule rule)
{
    const char *sql = rule == MERGE_APPEND ? "SELECT 'd'" : "SELECT 7";
    sqlite3_stmt *stmt;
    sqlite3_value *value = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_value_dup(sqlite3_column_value(stmt, 0));
    sqlite3_finalize(stmt);
    if (value == NULL)
        fail("%s", sqlite3_errmsg(db));
    return value;
}

static void
random_shape(struct rng *r, sqlite3 *db, struct shape *s)
{
    static char *const collations[] = { "BINARY", "NOCASE", "RTRIM" };

    memset(s, 0, sizeof(*s));
    s->n = 1 + (int)rng_below(r, MAX_COLUMNS);
    s->parts = 1 + rng_below(r, 3);
    for (int i = 0; i < s->n; i++) {
        struct column *c = &s->columns[i];

        c->merge = rules[rng_below(r, 7)];
        c->collation = collations[rng_below(r, 3)];
        c->part = -1;
        if (i > 0 && rng_below(r, 2))
            c->fallback = fallback_of(db, c->merge);
    }
    /* A column of the key whose text stands in the record. */
    if (rng_below(r, 4) == 0) {
        s->columns[0].part = 0;
        s->columns[0].merge = MERGE_NONE;
    }
}

static void
random_notes(struct rng *r, uint8_t *notes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        notes[i] = (uint8_t)rng_below(r, 3);
}

static void
random_operand(struct rng *r, const struct shape *s, int n, struct operand *out)
{
    uint8_t notes[3];
    int rc;

    memset(out, 0, sizeof(*out));
    out->n = n;
    random_notes(r, notes, s->parts);
    rc = merge_begin(&out->bytes, notes, s->parts);
    for (int i = 0; i < n && rc == SQLITE_OK; i++) {
        struct datum d;

        random_datum(r, s->columns[i].merge, &d);
        rc = merge_append(&out->bytes, &s->columns[i], &d);
    }
    if (rc != SQLITE_OK)
        fail("merge_append: %d", rc);
}

static void
random_row(struct rng *r, const struct shape *s, int n, struct bytes *out)
{
    struct datum columns[MAX_COLUMNS];
    uint8_t notes[3];

    random_notes(r, notes, s->parts);
    for (int i = 0; i < n; i++)
        random_datum(r, s->columns[i].merge, &columns[i]);
    if (row_encode(out, notes, s->parts, columns, (size_t)n) != SQLITE_OK)
        fail("row_encode");
}

/* ---------------------------------------------------------------- applying */

static const uint8_t key_bytes[] = { 'k' };

static struct moss_slice
slice_of(const struct bytes *b)
{
    return moss_slice(b->p, b->n);
}

/* Lay the operands [from, to) over *snap, in one batch. */
static void
lay(struct moss_snapshot **snap, const struct operand *ops, int from, int to)
{
    struct moss_slice key = moss_slice(key_bytes, sizeof(key_bytes));
    struct moss_snapshot *next;
    struct moss_batch *batch;

    check(moss_batch_new(0, 0, &batch), "moss_batch_new");
    for (int i = from; i < to; i++)
        check(moss_batch_merge(batch, key, slice_of(&ops[i].bytes)), "merge");
    check(moss_snapshot_overlay(*snap, batch, 0, (size_t)(to - from), &next),
          "moss_snapshot_overlay");
    moss_batch_free(batch);
    moss_snapshot_unref(*snap);
    *snap = next;
}

/* A snapshot with row, unless that is NULL. */
static struct moss_snapshot *
begin(const struct bytes *row)
{
    struct moss_slice key = moss_slice(key_bytes, sizeof(key_bytes));
    struct moss_snapshot *snap, *next;
    struct moss_batch *batch;

    check(moss_snapshot_empty(&merge_rows, &snap), "moss_snapshot_empty");
    if (row == NULL)
        return snap;
    check(moss_batch_new(0, 0, &batch), "moss_batch_new");
    check(moss_batch_set(batch, key, slice_of(row)), "moss_batch_set");
    check(moss_snapshot_overlay(snap, batch, 0, 1, &next), "overlay");
    moss_batch_free(batch);
    moss_snapshot_unref(snap);
    return next;
}

/* What snap has, which is let go. */
static void
end(struct moss_snapshot *snap, struct bytes *out)
{
    struct moss_slice key = moss_slice(key_bytes, sizeof(key_bytes));
    struct moss_value value;

    check(moss_snapshot_get(snap, key, &value), "moss_snapshot_get");
    out->n = 0;
    if (bytes_append(out, value.bytes.bytes, value.bytes.len) != SQLITE_OK)
        fail("no memory");
    moss_value_release(&value);
    moss_snapshot_unref(snap);
}

static void
one_by_one(const struct bytes *row, const struct operand *ops, int n,
           struct bytes *out)
{
    for (int i = 0; i < n; i++) {
        struct moss_snapshot *snap = begin(i > 0 ? out : row);

        lay(&snap, ops, i, i + 1);
        end(snap, out);
    }
}

static void
in_groups(struct rng *r, const struct bytes *row, const struct operand *ops,
          int n, struct bytes *out)
{
    struct moss_snapshot *snap = begin(row);
    int from = 0;

    while (from < n) {
        int to = from + 1 + (int)rng_below(r, (unsigned)(n - from));

        lay(&snap, ops, from, to);
        from = to;
    }
    end(snap, out);
}

/* ------------------------------------------------------------------ checks */

static void
report(const char *name, const struct bytes *b)
{
    printf("%s:", name);
    for (size_t i = 0; i < b->n; i++)
        printf(" %02x", b->p[i]);
    printf("\n");
}

static void
compare_ways(struct rng *r, const struct bytes *row, const struct operand *ops,
             int n)
{
    struct bytes want = { 0 }, got = { 0 };

    one_by_one(row, ops, n, &want);
    for (int i = 0; i < 4; i++) {
        in_groups(r, row, ops, n, &got);
        if (got.n == want.n && memcmp(got.p, want.p, got.n) == 0)
            continue;
        if (row != NULL)
            report("row", row);
        for (int k = 0; k < n; k++)
            report("operand", &ops[k].bytes);
        report("one by one", &want);
        report("in groups", &got);
        fail("the ways to apply operands differ");
    }
    bytes_release(&want);
    bytes_release(&got);
}

static void
random_round(struct rng *r, sqlite3 *db)
{
    struct operand ops[MAX_OPERANDS];
    struct bytes row = { 0 };
    struct shape s;
    int n = 1 + (int)rng_below(r, MAX_OPERANDS);
    bool has_row = rng_below(r, 2) != 0;

    random_shape(r, db, &s);
    /* Columns are appended while operands come. */
    int columns = 1 + (int)rng_below(r, (unsigned)s.n);

    if (has_row)
        random_row(r, &s, columns, &row);
    for (int i = 0; i < n; i++) {
        columns += (int)rng_below(r, (unsigned)(s.n - columns + 1));
        random_operand(r, &s, columns, &ops[i]);
    }
    compare_ways(r, has_row ? &row : NULL, ops, n);
    for (int i = 0; i < n; i++)
        bytes_release(&ops[i].bytes);
    bytes_release(&row);
    for (int i = 0; i < s.n; i++)
        sqlite3_value_free(s.columns[i].fallback);
}

/* The sum of integers near the limits, which 128 bits hold. */
static void
sum_round(struct rng *r)
{
    struct column c = { .merge = MERGE_SUM, .part = -1, .collation = "BINARY" };
    const struct operand none = { 0 };
    struct bytes out = { 0 };
    struct moss_slice rest;
    struct datum d;
    uint8_t note = 0;
    __extension__ __int128 sum = 0;
    struct operand op = none;

    for (int i = 0, n = 1 + (int)rng_below(r, 20); i < n; i++) {
        struct moss_snapshot *snap = begin(i > 0 ? &out : NULL);

        d = (struct datum){ .type = SQLITE_INTEGER };
        d.i = random_integer(r);
        d.i = rng_below(r, 4) == 0 ? INT64_MIN : d.i;
        sum += d.i;
        op.bytes.n = 0;
        if (merge_begin(&op.bytes, &note, 1) != SQLITE_OK ||
            merge_append(&op.bytes, &c, &d) != SQLITE_OK)
            fail("no memory");
        lay(&snap, &op, 0, 1);
        end(snap, &out);
    }
    if (!row_notes(slice_of(&out), &note, 1, &rest) || !row_take(&rest, &d))
        fail("the sum is no row");
    bool fits = sum >= INT64_MIN && sum <= INT64_MAX;

    /* The last bit may be rounded otherwise. */
    if (fits ? d.type != SQLITE_INTEGER || d.i != (int64_t)sum
             : d.type != SQLITE_FLOAT ||
                   fabs(d.r - (double)sum) > fabs(d.r) * 0x1p-52)
        fail("the sum of integers is %lld, %g", (long long)d.i, d.r);
    bytes_release(&op.bytes);
    bytes_release(&out);
}

int
main(int argc, char **argv)
{
    struct rng r;
    sqlite3 *db;
    long rounds;

    harness_start(argc, argv, "--rounds");
    r = rng_of(harness_seed, 0);
    rounds = option_number("--rounds", 20000);
    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        fail("open");
    for (long i = 0; i < rounds; i++) {
        random_round(&r, db);
        sum_round(&r);
    }
    sqlite3_close(db);
    printf("%ld rounds of operands, the same in any groups\n", rounds);
    return 0;
}
