/*
 * Keys and rows against SQLite itself: random values of all types are put in
 * a table, and SQLite's ORDER BY and = say what the order and the equality of
 * their keys must be.  Every value must come back from key and row bytes as
 * it was, and damaged bytes must be refused or be the key of something else.
 *
 *     unit_key [--seed N] [--values N]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "support/harness.h"

struct value {
    sqlite3_value *held;
    struct datum d;
    struct bytes key, row;
};

static int64_t
random_integer(struct rng *r)
{
    /* Around a power of two, where doubles and integers part. */
    uint64_t v = (uint64_t)1 << rng_below(r, 64);

    v += rng_next(r) >> rng_below(r, 64) >> (62 - rng_below(r, 13));
    v -= rng_below(r, 3);
    return (int64_t)(rng_below(r, 2) ? v : 0 - v);
}

static double
random_real(struct rng *r)
{
    static const double edges[] = {
        0.0, -0.0, HUGE_VAL, -HUGE_VAL, 5e-324, 0.1
    };
    uint64_t bits = rng_next(r);
    double d;

    switch (rng_below(r, 4)) {
    case 0:
        memcpy(&d, &bits, sizeof(d)); /* a NaN becomes NULL */
        return d;
    case 1:
        return (double)random_integer(r);
    case 2:
        d = (double)random_integer(r);
        memcpy(&bits, &d, sizeof(d));
        bits += rng_below(r, 3) - 1;
        memcpy(&d, &bits, sizeof(d));
        return d;
    default:
        return edges[rng_below(r, 6)];
    }
}

/* Few different bytes, so that texts are prefixes of each other. */
static size_t
random_bytes(struct rng *r, uint8_t *out, bool text)
{
    static const uint8_t few[] = { 'a', 0, 0x7f, 'b', 0xff, 0x80 };
    size_t n = rng_below(r, 2) ? rng_below(r, 4) : rng_below(r, 300);

    for (size_t i = 0; i < n; i++)
        out[i] = few[rng_below(r, text ? 4 : 6)];
    return n;
}

static void
bind_random(sqlite3_stmt *stmt, struct rng *r)
{
    uint8_t buf[300];
    size_t n;

    switch (rng_below(r, 5)) {
    case 0:
        sqlite3_bind_int64(stmt, 1, (int64_t)rng_below(r, 300) - 100);
        break;
    case 1:
        sqlite3_bind_int64(stmt, 1, random_integer(r));
        break;
    case 2:
        sqlite3_bind_double(stmt, 1, random_real(r));
        break;
    case 3:
        n = random_bytes(r, buf, true);
        sqlite3_bind_text(stmt, 1, (char *)buf, (int)n, SQLITE_TRANSIENT);
        break;
    default:
        n = random_bytes(r, buf, false);
        sqlite3_bind_blob(stmt, 1, buf, (int)n, SQLITE_TRANSIENT);
    }
}

static void
fill(sqlite3 *db, struct rng *r, long n)
{
    sqlite3_stmt *stmt = NULL;

    db_must(db, "CREATE TABLE v(x); BEGIN");
    sqlite3_prepare_v2(db, "INSERT INTO v VALUES(?)", -1, &stmt, NULL);
    for (long i = 0; i < n; i++) {
        bind_random(stmt, r);
        if (sqlite3_step(stmt) != SQLITE_DONE)
            fail("insert: %s", sqlite3_errmsg(db));
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    db_must(db, "COMMIT; DELETE FROM v WHERE x IS NULL");
}

static bool
same_value(const struct datum *a, const struct datum *b)
{
    return a->type == b->type && a->i == b->i &&
           memcmp(&a->r, &b->r, sizeof(a->r)) == 0 &&
           a->bytes.len == b->bytes.len &&
           (a->bytes.len == 0 ||
            memcmp(a->bytes.bytes, b->bytes.bytes, a->bytes.len) == 0);
}

static struct moss_slice
slice_of(const struct bytes *b)
{
    return moss_slice(b->p, b->n);
}

/* A key of one column. */
static const struct key_part plain = { .collation = COLLATION_BINARY,
                                       .affinity = AFFINITY_BLOB };

static void
value_read(sqlite3_value *from, struct value *out)
{
    uint8_t note;

    memset(out, 0, sizeof(*out));
    out->held = sqlite3_value_dup(from);
    if (out->held == NULL || datum_read(out->held, &out->d) != SQLITE_OK ||
        key_encode(&out->key, &out->d, &plain, true) != SQLITE_OK)
        fail("out of memory");
    note = (uint8_t)key_note(&out->d);
    if (row_encode(&out->row, &note, 1, &out->d, 1) != SQLITE_OK)
        fail("out of memory");
}

static void
value_release(struct value *v)
{
    sqlite3_value_free(v->held);
    bytes_release(&v->key);
    bytes_release(&v->row);
}

/* Stepping over a column and taking it off are one. */
static void
check_skip(struct moss_slice columns, bool taken, struct moss_slice rest)
{
    const uint8_t *next = columns.bytes + columns.len;

    next = row_skip(columns.bytes, next);
    if (next != (taken ? rest.bytes : NULL))
        fail("a column of %zu bytes is not stepped over", columns.len);
}

static void
check_round_trip(const struct value *v, const char *quoted)
{
    struct moss_slice in = slice_of(&v->key), rest, columns;
    struct bytes scratch = { 0 };
    struct datum key, column;
    uint8_t note = 99;

    if (!row_notes(slice_of(&v->row), &note, 1, &rest) ||
        key_decode(&in, note, &plain, true, &scratch, &key) != SQLITE_OK ||
        !same_value(&key, &v->d))
        fail("the key of %s does not give it back", quoted);
    columns = rest;
    if (!row_take(&rest, &column))
        fail("the row of %s cannot be read", quoted);
    check_skip(columns, true, rest);
    if (!same_value(&column, &v->d))
        fail("the row of %s does not give it back", quoted);
    if (row_take(&rest, &column))
        fail("the row of %s has a second column", quoted);
    bytes_release(&scratch);
}

/* Keys are a bijection: what can be decoded encodes to the same bytes. */
static void
check_damaged_key(struct rng *r, const struct value *v)
{
    struct bytes bad = { 0 }, again = { 0 }, scratch = { 0 };
    unsigned note = rng_below(r, 5);
    struct moss_slice in;
    struct datum d;

    if (bytes_append(&bad, v->key.p, v->key.n) != SQLITE_OK)
        fail("out of memory");
    bad.p[rng_below(r, (unsigned)bad.n)] = (uint8_t)rng_next(r);
    if (rng_below(r, 2))
        bad.n = rng_below(r, (unsigned)bad.n + 1);
    in = slice_of(&bad);
    if (key_decode(&in, note, &plain, true, &scratch, &d) == SQLITE_OK) {
        if (key_encode(&again, &d, &plain, true) != SQLITE_OK)
            fail("out of memory");
        if (again.n != bad.n || memcmp(again.p, bad.p, bad.n) != 0 ||
            (unsigned)key_note(&d) != note)
            fail("a damaged key was decoded");
    }
    bytes_release(&bad);
    bytes_release(&again);
    bytes_release(&scratch);
}

/* A cut row must not be read as one: its only column misses bytes. */
static void
check_cut_row(struct rng *r, const struct value *v)
{
    size_t n = rng_below(r, (unsigned)v->row.n);
    uint8_t *copy = malloc(n == 0 ? 1 : n); /* so that asan sees its end */
    struct moss_slice rest, columns;
    struct datum d;
    uint8_t note;
    bool taken;

    if (copy == NULL)
        fail("out of memory");
    memcpy(copy, v->row.p, n);
    if (row_notes(moss_slice(copy, n), &note, 1, &rest) && row_take(&rest, &d))
        fail("a row cut to %zu of %zu bytes was read", n, v->row.n);
    if (n > 1) {
        copy[rng_below(r, (unsigned)n)] = (uint8_t)rng_next(r);
        if (row_notes(moss_slice(copy, n), &note, 1, &rest)) {
            columns = rest;
            taken = row_take(&rest, &d);
            check_skip(columns, taken, rest);
        }
    }
    free(copy);
}

/* a comes before b for SQLite, and is equal if it says so. */
static void
check_order(const struct value *a, const struct value *b, bool equal,
            const char *quoted)
{
    size_t n = a->key.n < b->key.n ? a->key.n : b->key.n;
    int c = memcmp(a->key.p, b->key.p, n);

    if (c == 0)
        c = (a->key.n > b->key.n) - (a->key.n < b->key.n);
    if (equal ? c != 0 : c >= 0)
        fail("the key of %s compares %d with the one before, equal: %d", quoted,
             c, equal);
}

static long
check_all(sqlite3 *db, struct rng *r)
{
    struct value last = { 0 };
    sqlite3_stmt *stmt = NULL;
    long n = 0;

    sqlite3_prepare_v2(db,
                       "SELECT x, x = lag(x) OVER (ORDER BY x), quote(x)"
                       " FROM v ORDER BY x",
                       -1, &stmt, NULL);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *quoted = (const char *)sqlite3_column_text(stmt, 2);
        struct value v;

        value_read(sqlite3_column_value(stmt, 0), &v);
        check_round_trip(&v, quoted);
        check_damaged_key(r, &v);
        check_cut_row(r, &v);
        if (n++ > 0)
            check_order(&last, &v, sqlite3_column_int(stmt, 1), quoted);
        value_release(&last);
        last = v;
    }
    value_release(&last);
    if (sqlite3_finalize(stmt) != SQLITE_OK)
        fail("select: %s", sqlite3_errmsg(db));
    return n;
}

int
main(int argc, char **argv)
{
    struct rng r;
    sqlite3 *db;
    long n;

    harness_start(argc, argv, "--values");
    r = rng_of(harness_seed, 0);
    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        fail("open");
    fill(db, &r, option_number("--values", 50000));
    n = check_all(db, &r);
    sqlite3_close(db);
    printf("%ld values keep SQLite's order\n", n);
    return n > 0 ? 0 : 1;
}
