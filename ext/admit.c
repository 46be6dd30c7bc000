/*
 * Which keys may satisfy the terms of a plan, given the values on the right.
 *
 * No row may be lost that SQLite's own comparison accepts.  A scan therefore
 * visits a superset, and SQLite checks every row again (omit is never set).
 * Two things make a superset wider than the comparison looks:
 *
 * Affinity.  The key column has none.  If the other side is an expression with
 * numeric affinity (a typed column of another table, CAST), SQLite compares a
 * text key that looks like a number as that number: '15' and ' 15.0' equal 15.
 * Neither xBestIndex nor xFilter is told the affinity.  So a number on the
 * right admits, beside the numbers, all texts that begin as a number may.  A
 * text on the right, unless it is a literal or a bound parameter, may come from
 * such a column too: one that looks like a number admits that number beside the
 * text, any other is above all texts that look like numbers.  Where no text key
 * begins like a number this costs a seek; where many do, it costs them all.
 * (What is not covered: an expression of numeric affinity that has text like
 * '15' as its value, which no ordinary column gives, against keys like '15.0'.)
 * TEXT affinity changes nothing: SQLite applies it to expressions, not to
 * columns.
 *
 * Order.  Under a collation other than BINARY, and for all comparisons but
 * equality in a UTF-16 database, a text on the right admits all texts.
 */
#include "plan.h"

#include <math.h>
#include <string.h>

#include "key.h"

/* The bounds of a value's key.  None is longer than a stored key can be. */
static int
value_bounds(enum codec codec, const struct datum *d, struct ranges *out,
             struct bound *at, struct bound *after)
{
    size_t off = out->keys.n;
    int rc = codec == CODEC_RAW
                 ? bytes_append(&out->keys, d->bytes.bytes, d->bytes.len)
                 : key_encode(&out->keys, d);
    bool too_long = out->keys.n - off > MOSS_MAX_KEY;

    if (rc != SQLITE_OK)
        return rc;
    if (too_long)
        out->keys.n = off + MOSS_MAX_KEY;
    rc = ranges_key_end(out, off, at, after);
    /* What is stored lies before both or behind both, and equals neither. */
    if (too_long)
        *at = *after;
    return rc;
}

/* The bound before all keys of a class, or those that go on with first. */
static int
class_bound(uint8_t class, uint8_t first, struct ranges *out, struct bound *at)
{
    const uint8_t prefix[2] = { class, first };
    size_t off = out->keys.n;
    struct bound after;
    int rc = bytes_append(&out->keys, prefix, first == 0 ? 1 : 2);

    return rc == SQLITE_OK ? ranges_key_end(out, off, at, &after) : rc;
}

/* Can a text that SQLite takes for a number begin with this byte? */
#define NUMERIC_FIRST 0x09
#define NUMERIC_LAST 0x39
static bool
may_begin_number(uint8_t byte)
{
    return byte >= NUMERIC_FIRST && byte <= NUMERIC_LAST;
}

static int
admit_numeric_texts(struct ranges *out)
{
    struct bound lo, hi;
    int rc = class_bound(KEY_TEXT, NUMERIC_FIRST, out, &lo);

    if (rc == SQLITE_OK)
        rc = class_bound(KEY_TEXT, NUMERIC_LAST + 1, out, &hi);
    return rc == SQLITE_OK ? ranges_admit(out, lo, hi) : rc;
}

/* Admit what op says of the value whose bounds are at and after. */
static int
admit_op(enum plan_op op, struct bound at, struct bound after,
         struct ranges *out)
{
    struct bound start = { 0, 0 };

    switch (op) {
    case PLAN_GE:
        return ranges_admit_from(out, at);
    case PLAN_GT:
        return ranges_admit_from(out, after);
    case PLAN_LE:
        return ranges_admit(out, start, after);
    case PLAN_LT:
        return ranges_admit(out, start, at);
    default:
        return ranges_admit(out, at, after);
    }
}

static int
admit_value(enum plan_op op, enum codec codec, const struct datum *d,
            struct ranges *out)
{
    struct bound at, after;
    int rc = value_bounds(codec, d, out, &at, &after);

    return rc == SQLITE_OK ? admit_op(op, at, after, out) : rc;
}

/* May value come from an expression with numeric affinity? */
static bool
may_have_affinity(const struct plan_term *term, sqlite3_value *value)
{
    return !term->literal && !sqlite3_value_frombind(value);
}

/* The number that a text stands for under numeric affinity, or NULL. */
static int
number_of_text(const struct datum *text, sqlite3_value *value,
               struct datum *out)
{
    sqlite3_value *copy;
    int rc;

    memset(out, 0, sizeof(*out));
    out->type = SQLITE_NULL;
    if (text->bytes.len == 0 || !may_begin_number(text->bytes.bytes[0]))
        return SQLITE_OK;
    /* A copy: the conversion would change what SQLite compares later. */
    copy = sqlite3_value_dup(value);
    if (copy == NULL)
        return SQLITE_NOMEM;
    (void)sqlite3_value_numeric_type(copy);
    rc = datum_read(copy, out);
    if (out->type == SQLITE_TEXT)
        out->type = SQLITE_NULL;
    sqlite3_value_free(copy);
    return rc;
}

/* Admit what else a text may equal or exceed under numeric affinity. */
static int
admit_affinity_of_text(enum plan_op op, const struct datum *text,
                       sqlite3_value *value, struct ranges *out)
{
    struct bound at, after, texts;
    struct datum number;
    int rc = number_of_text(text, value, &number);

    if (rc != SQLITE_OK)
        return rc;
    if (op == PLAN_LE || op == PLAN_LT)
        return number.type == SQLITE_NULL ? admit_numeric_texts(out)
                                          : SQLITE_OK;
    if (number.type == SQLITE_NULL)
        return SQLITE_OK;
    if (op == PLAN_EQ || op == PLAN_IN)
        return admit_value(PLAN_EQ, CODEC_TYPED, &number, out);
    rc = value_bounds(CODEC_TYPED, &number, out, &at, &after);
    if (rc == SQLITE_OK)
        rc = class_bound(KEY_TEXT, 0, out, &texts);
    return rc == SQLITE_OK ? ranges_admit(out, at, texts) : rc;
}

/*
 * A lower bound that ignores case may be one that SQLite made from LIKE, which
 * matches the text of a number, too.  It makes none where the pattern begins
 * as a number does, but forgets that an infinite one reads Inf or -Inf.  (So
 * it does with GLOB, on ordinary tables as well: there it loses the row.)
 */
static int
admit_infinity(enum plan_op op, const struct datum *text, struct ranges *out)
{
    const uint8_t *p = text->bytes.bytes;
    size_t n = text->bytes.len;
    struct datum number = { .type = SQLITE_FLOAT, .r = INFINITY };

    if (op != PLAN_GE || n == 0)
        return SQLITE_OK;
    if (*p == '-') {
        number.r = -number.r;
        p++;
        n--;
    }
    if (n > 0 && *p != 'i' && *p != 'I')
        return SQLITE_OK;
    return admit_value(PLAN_EQ, CODEC_TYPED, &number, out);
}

/* Admit for a text that stands anywhere among the texts. */
static int
admit_any_text(enum plan_op op, struct ranges *out)
{
    struct bound texts, blobs;
    int rc = class_bound(KEY_TEXT, 0, out, &texts);

    if (rc == SQLITE_OK)
        rc = class_bound(KEY_BLOB, 0, out, &blobs);
    if (rc != SQLITE_OK)
        return rc;
    if (op == PLAN_GT)
        op = PLAN_GE;
    else if (op == PLAN_LT)
        op = PLAN_LE;
    return admit_op(op, texts, blobs, out);
}

/* Admit the keys that may satisfy a term of a typed table for value. */
static int
admit_typed(const struct plan_term *term, sqlite3_value *value,
            struct ranges *out)
{
    struct datum d;
    int rc = datum_read(value, &d);

    if (rc != SQLITE_OK || d.type == SQLITE_NULL)
        return rc;
    if (d.type == SQLITE_TEXT) {
        if (may_have_affinity(term, value))
            rc = admit_affinity_of_text(term->op, &d, value, out);
        if (rc == SQLITE_OK && term->wide)
            rc = admit_infinity(term->op, &d, out);
        if (rc == SQLITE_OK && term->wide)
            return admit_any_text(term->op, out);
    } else if (d.type != SQLITE_BLOB) {
        if (term->op != PLAN_GE && term->op != PLAN_GT)
            rc = admit_numeric_texts(out);
    }
    return rc == SQLITE_OK ? admit_value(term->op, CODEC_TYPED, &d, out) : rc;
}

/*
 * The same of a raw table: its keys are blobs, which no affinity changes and
 * which are above all numbers and texts.
 */
static int
admit_raw(const struct plan_term *term, sqlite3_value *value,
          struct ranges *out)
{
    struct bound start = { 0, 0 };
    struct datum d;
    int rc = datum_read(value, &d);

    if (rc != SQLITE_OK || d.type == SQLITE_NULL)
        return rc;
    if (d.type == SQLITE_BLOB)
        return admit_value(term->op, CODEC_RAW, &d, out);
    if (term->op == PLAN_GE || term->op == PLAN_GT)
        return ranges_admit_from(out, start);
    return SQLITE_OK;
}

static int
admit(const struct plan_term *term, enum codec codec, sqlite3_value *value,
      struct ranges *out)
{
    return codec == CODEC_RAW ? admit_raw(term, value, out)
                              : admit_typed(term, value, out);
}

static int
plan_term_ranges(const struct plan_term *term, enum codec codec,
                 sqlite3_value *arg, struct ranges *out)
{
    sqlite3_value *value = NULL;
    int rc;

    ranges_term_begin(out);
    if (term->op != PLAN_IN) {
        rc = admit(term, codec, arg, out);
        return rc == SQLITE_OK ? ranges_term_end(out) : rc;
    }
    rc = sqlite3_vtab_in_first(arg, &value);
    while (rc == SQLITE_OK && value != NULL) {
        rc = admit(term, codec, value, out);
        if (rc == SQLITE_OK)
            rc = sqlite3_vtab_in_next(arg, &value);
    }
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        return rc;
    return ranges_term_end(out);
}

int
plan_ranges(const struct plan *plan, enum codec codec, sqlite3_value **argv,
            struct ranges *out)
{
    int rc = ranges_reset(out);

    for (size_t i = 0; rc == SQLITE_OK && i < plan->n; i++)
        rc = plan_term_ranges(&plan->terms[i], codec, argv[i], out);
    return rc;
}
