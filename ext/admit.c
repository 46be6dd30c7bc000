/*
 * Which keys may satisfy the terms of a plan, given the values on the right.
 *
 * No row may be lost that SQLite's own comparison accepts.  A scan therefore
 * visits a superset, and SQLite checks every row again.  Only where all terms
 * are plain, and compare as their keys do, it does not: what is admitted for
 * those is exact.  Two things make a superset wider than the comparison looks:
 *
 * Affinity.  Before it compares, SQLite converts one side by the affinity of
 * the other, which neither xBestIndex nor xFilter is told.
 * - A part with numeric affinity: a text on the right is converted, always.
 *   The part's own values are what they are.
 * - A part with TEXT affinity: a number on the right becomes a text; or, if it
 *   comes from an expression with numeric affinity (a typed column of another
 *   table, CAST), the part's texts that look like numbers become numbers.
 * - A part without: a number on the right stays one; or, in the second case,
 *   '15' and ' 15.0' equal 15.  A text on the right that looks like a number
 *   may become one.
 * So where it is unsure, all texts are admitted that begin as a number may; a
 * text on the right, unless it is a literal or a bound parameter, is above all
 * texts that look like numbers.  Where no key begins like a number this costs
 * a seek; where many do, it costs them all.
 * (What is not covered: an expression of numeric affinity that has text like
 * '15' as its value, which no ordinary column gives, against keys like '15.0'.)
 *
 * Order.  Under a collation other than the part's, and for all comparisons but
 * equality in a UTF-16 database, a text on the right admits all texts.
 *
 * Descending.  The keys of a descending part are inverted: what is less comes
 * later.
 */
#include "plan.h"

#include <math.h>
#include <string.h>

#include "key.h"

/* The part of the key that is at hand. */
struct site {
    const struct key_part *part;
    bool last;
    bool raw;
    struct ranges *out;
};

/* The bounds of a value.  None is longer than a stored key can be. */
static int
value_bounds(const struct site *s, const struct datum *d, struct bound *at,
             struct bound *after)
{
    struct bytes *keys = &s->out->keys;
    size_t off = keys->n;
    int rc = s->raw ? bytes_append(keys, d->bytes.bytes, d->bytes.len)
                    : key_encode(keys, d, s->part, s->last);
    bool too_long = keys->n - off > MOSS_MAX_KEY;

    if (rc != SQLITE_OK)
        return rc;
    if (too_long)
        keys->n = off + MOSS_MAX_KEY;
    rc = ranges_key_end(s->out, off, s->last ? 0 : RANGES_ANY, at, after);
    /* What is stored lies before both or behind both, and equals neither. */
    if (too_long)
        *at = *after;
    return rc;
}

/* One bound: class, unless it is 0, then byte. */
static int
byte_bound(const struct site *s, uint8_t class, unsigned byte, struct bound *at)
{
    uint8_t flip = s->part->desc ? 0xff : 0;
    const uint8_t bytes[2] = { class ^ flip, (uint8_t)byte };
    size_t off = s->out->keys.n, skip = class == 0 ? 1 : 0;
    struct bound after;
    int rc = bytes_append(&s->out->keys, bytes + skip, 2 - skip);

    if (rc == SQLITE_OK)
        rc = ranges_key_end(s->out, off, 0, at, &after);
    return rc;
}

/* The keys of a class, if it is not 0, that go on with a byte in [from, to). */
static int
byte_interval(const struct site *s, uint8_t class, uint8_t from, uint8_t to,
              struct bound *lo, struct bound *hi)
{
    bool desc = s->part->desc;
    int rc = byte_bound(s, class, desc ? 256u - to : from, lo);

    return rc == SQLITE_OK ? byte_bound(s, class, desc ? 256u - from : to, hi)
                           : rc;
}

static int
class_interval(const struct site *s, enum key_class class, struct bound *lo,
               struct bound *hi)
{
    return byte_interval(s, 0, (uint8_t) class, (uint8_t)(class + 1), lo, hi);
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
admit_numeric_texts(const struct site *s)
{
    struct bound lo, hi;
    int rc = byte_interval(s, s->raw ? 0 : KEY_TEXT, NUMERIC_FIRST,
                           NUMERIC_LAST + 1, &lo, &hi);

    return rc == SQLITE_OK ? ranges_admit(s->out, lo, hi) : rc;
}

/* The comparison as the keys have it. */
static enum plan_op
op_of_keys(const struct site *s, enum plan_op op)
{
    if (!s->part->desc)
        return op;
    switch (op) {
    case PLAN_GE:
        return PLAN_LE;
    case PLAN_GT:
        return PLAN_LT;
    case PLAN_LE:
        return PLAN_GE;
    case PLAN_LT:
        return PLAN_GT;
    default:
        return op;
    }
}

/* Where the values that are not NULL begin and end; *open: with the keys. */
static int
value_ends(const struct site *s, struct bound *lo, struct bound *hi, bool *open)
{
    struct bound from = { 0, 0 }, to = { 0, 0 };
    int rc = SQLITE_OK;

    *open = !s->part->nullable || !s->part->desc;
    if (s->part->nullable)
        rc = class_interval(s, KEY_NULL, &from, &to);
    *lo = s->part->nullable && !s->part->desc ? to : (struct bound){ 0, 0 };
    *hi = from;
    return rc;
}

/* Admit what op says of what lies between the bounds at and after. */
static int
admit_op(const struct site *s, enum plan_op op, struct bound at,
         struct bound after)
{
    struct bound lo, hi;
    bool open;
    int rc = value_ends(s, &lo, &hi, &open);

    if (rc != SQLITE_OK)
        return rc;
    switch (op_of_keys(s, op)) {
    case PLAN_GE:
        return open ? ranges_admit_from(s->out, at)
                    : ranges_admit(s->out, at, hi);
    case PLAN_GT:
        return open ? ranges_admit_from(s->out, after)
                    : ranges_admit(s->out, after, hi);
    case PLAN_LE:
        return ranges_admit(s->out, lo, after);
    case PLAN_LT:
        return ranges_admit(s->out, lo, at);
    case PLAN_NOT_NULL:
        return open ? ranges_admit_from(s->out, lo)
                    : ranges_admit(s->out, lo, hi);
    default:
        return ranges_admit(s->out, at, after);
    }
}

static int
admit_value(const struct site *s, enum plan_op op, const struct datum *d)
{
    struct bound at, after;
    int rc = value_bounds(s, d, &at, &after);

    return rc == SQLITE_OK ? admit_op(s, op, at, after) : rc;
}

/* Admit for a text that stands anywhere among the texts. */
static int
admit_any_text(const struct site *s, enum plan_op op)
{
    struct bound lo, hi;
    int rc = class_interval(s, KEY_TEXT, &lo, &hi);

    if (rc != SQLITE_OK)
        return rc;
    if (op == PLAN_GT)
        op = PLAN_GE;
    else if (op == PLAN_LT)
        op = PLAN_LE;
    return admit_op(s, op, lo, hi);
}

/* May value come from an expression with numeric affinity? */
static bool
may_have_affinity(const struct plan_term *term, sqlite3_value *value)
{
    return !term->literal && !term->plain && !sqlite3_value_frombind(value);
}

/* Admit the numbers, and no others, that op says of number. */
static int
admit_numbers(const struct site *s, enum plan_op op, const struct datum *number)
{
    struct bound at, after, lo, hi;
    int rc = value_bounds(s, number, &at, &after);

    if (rc == SQLITE_OK)
        rc = class_interval(s, KEY_NUMBER, &lo, &hi);
    if (rc != SQLITE_OK)
        return rc;
    switch (op_of_keys(s, op)) {
    case PLAN_GE:
    case PLAN_GT:
        return ranges_admit(s->out, at, hi);
    case PLAN_LE:
    case PLAN_LT:
        return ranges_admit(s->out, lo, after);
    default:
        return ranges_admit(s->out, at, after);
    }
}

/* Admit what else a text may equal or exceed under numeric affinity. */
static int
admit_affinity_of_text(const struct site *s, enum plan_op op,
                       const struct datum *text, sqlite3_value *value)
{
    sqlite3_value *owned = NULL;
    struct datum number = *text;
    int rc = SQLITE_OK;

    if (text->bytes.len > 0 && may_begin_number(text->bytes.bytes[0]))
        rc = datum_convert(value, AFFINITY_NUMERIC, &number, &owned);
    if (rc == SQLITE_OK && (op == PLAN_LE || op == PLAN_LT)) {
        if (number.type == SQLITE_TEXT)
            rc = admit_numeric_texts(s);
    } else if (rc == SQLITE_OK && number.type != SQLITE_TEXT) {
        rc = admit_numbers(s, op, &number);
    }
    sqlite3_value_free(owned);
    return rc;
}

/*
 * A lower bound that ignores case may be one that SQLite made from LIKE, which
 * matches the text of a number, too.  It makes none where the pattern begins
 * as a number does, but forgets that an infinite one reads Inf or -Inf.  (So
 * it does with GLOB, on ordinary tables as well: there it loses the row.)
 */
static int
admit_infinity(const struct site *s, enum plan_op op, const struct datum *text)
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
    return admit_value(s, PLAN_EQ, &number);
}

static int
admit_text(const struct site *s, const struct plan_term *term,
           sqlite3_value *value, const struct datum *d)
{
    bool wide = term->wide;
    int rc = SQLITE_OK;

    if (may_have_affinity(term, value) &&
        !affinity_is_numeric(s->part->affinity))
        rc = admit_affinity_of_text(s, term->op, d, value);
    if (rc == SQLITE_OK && !term->plain &&
        (wide || s->part->collation != COLLATION_BINARY))
        rc = admit_infinity(s, term->op, d);
    if (rc != SQLITE_OK)
        return rc;
    return wide ? admit_any_text(s, term->op) : admit_value(s, term->op, d);
}

/* A number beside texts: as a text, or beside them as numbers. */
static int
admit_number_in_texts(const struct site *s, const struct plan_term *term,
                      sqlite3_value *value)
{
    enum plan_op op = term->op;
    sqlite3_value *owned;
    struct datum text;
    int rc;

    if (!term->plain && (op == PLAN_GE || op == PLAN_GT))
        return admit_any_text(s, PLAN_GE);
    rc = datum_convert(value, AFFINITY_TEXT, &text, &owned);
    if (rc == SQLITE_OK && !term->plain)
        rc = admit_numeric_texts(s);
    if (rc == SQLITE_OK)
        rc = term->wide ? admit_any_text(s, op) : admit_value(s, op, &text);
    sqlite3_value_free(owned);
    return rc;
}

static int
admit_number(const struct site *s, const struct plan_term *term,
             sqlite3_value *value, const struct datum *d)
{
    int rc = SQLITE_OK;

    if (s->part->affinity == AFFINITY_TEXT)
        return admit_number_in_texts(s, term, value);
    if (s->part->affinity == AFFINITY_BLOB && !term->plain &&
        term->op != PLAN_GE && term->op != PLAN_GT)
        rc = admit_numeric_texts(s);
    return rc == SQLITE_OK ? admit_value(s, term->op, d) : rc;
}

/* Admit NULL, or whatever is not. */
static int
admit_null(const struct site *s, enum plan_op op)
{
    struct datum null = { .type = SQLITE_NULL };

    return admit_value(s, op, &null);
}

/* Admit the keys that may satisfy a term of a typed table for value. */
static int
admit_typed(const struct site *s, const struct plan_term *term,
            sqlite3_value *value)
{
    bool numeric = affinity_is_numeric(s->part->affinity);
    sqlite3_value *owned;
    struct datum d;
    /* NUMERIC, whichever it is: a comparison rounds no integer to a real. */
    int rc = datum_convert(value, numeric ? AFFINITY_NUMERIC : AFFINITY_BLOB,
                           &d, &owned);

    if (rc == SQLITE_OK) {
        switch (d.type) {
        case SQLITE_NULL: /* nothing compares with NULL */
            if (term->op == PLAN_IS)
                rc = admit_value(s, PLAN_EQ, &d);
            break;
        case SQLITE_TEXT:
            rc = admit_text(s, term, value, &d);
            break;
        case SQLITE_BLOB:
            rc = admit_value(s, term->op, &d);
            break;
        default:
            rc = admit_number(s, term, value, &d);
        }
    }
    sqlite3_value_free(owned);
    return rc;
}

/* All keys of a raw table are less (or all are greater). */
static int
admit_all_if(const struct site *s, bool all)
{
    struct bound start = { 0, 0 };

    return all ? ranges_admit_from(s->out, start) : SQLITE_OK;
}

/*
 * The same of a raw table whose keys are texts.  Those that are not UTF-8 may
 * stand anywhere: SQLite sees replacements in a UTF-16 database.
 */
static int
admit_raw_text(const struct site *s, const struct plan_term *term,
               sqlite3_value *value, const struct datum *d)
{
    bool less = term->op == PLAN_LE || term->op == PLAN_LT;
    sqlite3_value *owned;
    struct datum text;
    int rc;

    if (d->type == SQLITE_BLOB)
        return admit_all_if(s, less);
    /* Numbers, and what else affinity may make one of the keys. */
    if (term->wide || (d->type != SQLITE_TEXT && term->op >= PLAN_GE))
        return admit_all_if(s, true);
    rc = datum_convert(value, AFFINITY_TEXT, &text, &owned);
    if (rc == SQLITE_OK &&
        (d->type != SQLITE_TEXT || may_have_affinity(term, value)))
        rc = admit_numeric_texts(s);
    if (rc == SQLITE_OK)
        rc = admit_value(s, term->op, &text);
    sqlite3_value_free(owned);
    return rc;
}

/*
 * Keys of a raw table that are blobs: no affinity changes them, and they are
 * above all numbers and texts.
 */
static int
admit_raw(const struct site *s, const struct plan_term *term,
          sqlite3_value *value)
{
    struct datum d;
    int rc = datum_read(value, &d);

    if (rc != SQLITE_OK || d.type == SQLITE_NULL)
        return rc;
    if (s->part->affinity == AFFINITY_TEXT)
        return admit_raw_text(s, term, value, &d);
    if (d.type == SQLITE_BLOB)
        return admit_value(s, term->op, &d);
    return admit_all_if(s, term->op == PLAN_GE || term->op == PLAN_GT);
}

static int
admit(const struct site *s, const struct plan_term *term, sqlite3_value *value)
{
    if (term->op == PLAN_NULL || term->op == PLAN_NOT_NULL)
        return admit_null(s, term->op);
    return s->raw ? admit_raw(s, term, value) : admit_typed(s, term, value);
}

static int
term_ranges(const struct site *s, const struct plan_term *term,
            sqlite3_value *arg)
{
    sqlite3_value *value = NULL;
    int rc;

    ranges_term_begin(s->out);
    if (term->op != PLAN_IN) {
        rc = admit(s, term, arg);
        return rc == SQLITE_OK ? ranges_term_end(s->out) : rc;
    }
    rc = sqlite3_vtab_in_first(arg, &value);
    while (rc == SQLITE_OK && value != NULL) {
        rc = admit(s, term, value);
        if (rc == SQLITE_OK)
            rc = sqlite3_vtab_in_next(arg, &value);
    }
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        return rc;
    return ranges_term_end(s->out);
}

/* What the terms about part say, which are those from *i on; moves *i. */
static int
part_ranges(const struct vtab *v, const struct plan *plan, int part, size_t *i,
            sqlite3_value **argv, struct ranges *out)
{
    struct site s = { &plan->parts[part], part == plan->n_parts - 1,
                      v->table.decl.codec == CODEC_RAW, out };
    int rc = ranges_reset(out);

    for (; rc == SQLITE_OK && *i < plan->n && plan->terms[*i].part == part;
         ++*i)
        rc = term_ranges(&s, &plan->terms[*i], argv[*i]);
    return rc;
}

/* More ranges than this are not made; then the last parts narrow nothing. */
#define MAX_RANGES 65536u

/*
 * A UNIQUE index has entries whose keys are its own parts alone, but for those
 * with a NULL, which "=" and IN leave out.
 */
static bool
is_whole(const struct plan *plan, int part)
{
    bool unique = plan->index != NULL && plan->index->unique;

    if (part != (unique ? plan->index->n_own : plan->n_parts) - 1)
        return false;
    for (size_t i = 0; unique && i < plan->n; i++) {
        if (plan->terms[i].op == PLAN_IS || plan->terms[i].op == PLAN_NULL)
            return false;
    }
    return true;
}

/* Does ORDER BY pass over a part, trusting that it is one value? */
static bool
is_as_one(const struct plan *plan, int part)
{
    for (size_t i = 0; i < plan->n; i++) {
        if (plan->terms[i].part == part && plan->terms[i].as_one)
            return true;
    }
    return false;
}

/* What was found about part: is it several values where one is wanted? */
static bool
is_mixed(const struct plan *plan, int part, const struct ranges *found)
{
    return is_as_one(plan, part) &&
           (found->found.n > 1 ||
            (found->found.n == 1 && !range_is_point(&found->found.v[0])));
}

/*
 * Is there one value to compare with, which equals one key at most: its own?
 * That is what most statements ask for.
 */
static bool
is_own_key(const struct vtab *v, const struct plan *plan, sqlite3_value **argv)
{
    const struct plan_term *term = &plan->terms[0];

    if (plan->n != 1 || plan->n_parts != 1 || plan->index != NULL ||
        term->op != PLAN_EQ || term->wide || v->table.decl.codec == CODEC_RAW)
        return false;
    switch (sqlite3_value_type(argv[0])) {
    case SQLITE_INTEGER:
        return affinity_is_numeric(plan->parts[0].affinity);
    case SQLITE_TEXT:
        return !affinity_is_numeric(plan->parts[0].affinity) &&
               !may_have_affinity(term, argv[0]);
    case SQLITE_BLOB:
        return true;
    default:
        return false;
    }
}

/* Such a value's range. */
static int
own_key_range(const struct plan *plan, sqlite3_value *value, struct ranges *out)
{
    struct site s = { &plan->parts[0], true, false, out };
    struct bound at, after;
    struct datum d;
    int rc = ranges_reset(out);

    if (rc == SQLITE_OK)
        rc = datum_read(value, &d);
    if (rc == SQLITE_OK)
        rc = value_bounds(&s, &d, &at, &after);
    if (rc != SQLITE_OK)
        return rc;
    ranges_only(out, at, after);
    out->whole = true;
    out->mixed = is_mixed(plan, 0, out);
    return SQLITE_OK;
}

int
plan_ranges(const struct vtab *v, const struct plan *plan, sqlite3_value **argv,
            struct ranges *out, struct ranges *next)
{
    int part = 0, rc;
    size_t i = 0;

    if (is_own_key(v, plan, argv))
        return own_key_range(plan, argv[0], out);
    rc = part_ranges(v, plan, part, &i, argv, out);
    out->mixed = is_mixed(plan, part, out);
    while (rc == SQLITE_OK && i < plan->n && out->found.n > 0 &&
           ranges_are_points(out)) {
        rc = part_ranges(v, plan, ++part, &i, argv, next);
        if (rc == SQLITE_OK && next->found.n > MAX_RANGES / out->found.n) {
            part--;
            break;
        }
        out->mixed = out->mixed || is_mixed(plan, part, next);
        if (rc == SQLITE_OK)
            rc = ranges_multiply(out, next);
    }
    out->whole = is_whole(plan, part);
    /* Those that nothing was found about. */
    while (++part < plan->n_parts)
        out->mixed = out->mixed || is_as_one(plan, part);
    return rc;
}
