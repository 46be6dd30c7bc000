/*
 * Keys.  Text and blobs are a class byte and their own bytes: SQLite compares
 * them with memcmp, then by length, and so does moss.
 *
 * Numbers must sort by value, integers among reals, exactly.  A number is
 * written as the largest double that is not above it (its floor), turned into
 * an unsigned integer that sorts alike, then how far it lies above: 0 for
 * every real and for integers up to 2^53, at most 1023 for others.  No double
 * lies between an integer and its floor, so comparing floors first is right.
 * Of the 10 bytes the zeros at the end are left out, which keeps the order
 * and makes small integers short.
 */
#include "key.h"

#include <math.h>
#include <string.h>

#define NUMBER_BYTES 10
#define SIGN ((uint64_t)1 << 63)
#define INFINITE ((uint64_t)0x7ff << 52)

struct number {
    double floor;
    unsigned above;
};

static struct number
number_of_integer(int64_t i)
{
    uint64_t size = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    uint64_t mask = 0;
    struct number out;

    /* The bits below the 53 that a double holds. */
    while (size >> 53 != 0) {
        size >>= 1;
        mask = mask << 1 | 1;
    }
    out.above = (unsigned)((uint64_t)i & mask);
    out.floor = (double)(i - (int64_t)out.above);
    return out;
}

/* Unsigned integers that sort as the doubles do; -0.0 and 0.0 are one. */
static uint64_t
sortable(double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof(bits));
    return bits >= SIGN ? SIGN - (bits - SIGN) : SIGN + bits;
}

static bool
from_sortable(uint64_t v, double *out)
{
    uint64_t bits = v < SIGN ? SIGN - v : v - SIGN;

    if (bits > INFINITE)
        return false;
    if (v < SIGN)
        bits |= SIGN;
    memcpy(out, &bits, sizeof(bits));
    return true;
}

static bool
is_int64(double d)
{
    return d >= -9223372036854775808.0 && d < 9223372036854775808.0 &&
           d == floor(d);
}

static int
encode_number(struct bytes *out, struct number n)
{
    uint64_t v = sortable(n.floor);
    uint8_t buf[1 + NUMBER_BYTES];
    size_t len = sizeof(buf);

    buf[0] = KEY_NUMBER;
    for (size_t i = 0; i < 8; i++)
        buf[1 + i] = (uint8_t)(v >> (56 - 8 * i));
    buf[9] = (uint8_t)(n.above >> 8);
    buf[10] = (uint8_t)n.above;
    while (buf[len - 1] == 0)
        len--;
    return bytes_append(out, buf, len);
}

int
key_encode(struct bytes *out, const struct datum *d)
{
    uint8_t class = d->type == SQLITE_TEXT ? KEY_TEXT : KEY_BLOB;
    struct number n = { d->r, 0 };
    int rc;

    if (d->type == SQLITE_INTEGER)
        return encode_number(out, number_of_integer(d->i));
    if (d->type == SQLITE_FLOAT)
        return encode_number(out, n);
    rc = bytes_append(out, &class, 1);
    if (rc == SQLITE_OK)
        rc = bytes_append(out, d->bytes.bytes, d->bytes.len);
    return rc;
}

enum key_note
key_note(const struct datum *d)
{
    if (d->type != SQLITE_FLOAT)
        return KEY_NOTE_NONE;
    if (d->r == 0 && signbit(d->r))
        return KEY_NOTE_NEGATIVE_ZERO;
    return is_int64(d->r) ? KEY_NOTE_REAL : KEY_NOTE_NONE;
}

static bool
decode_integer(struct number n, struct datum *out)
{
    struct number again;

    /* The largest floor lies far enough below 2^63 for any n.above < 1024. */
    if (!is_int64(n.floor) || n.above > 1023)
        return false;
    out->type = SQLITE_INTEGER;
    out->i = (int64_t)n.floor + (int64_t)n.above;
    again = number_of_integer(out->i);
    return again.floor == n.floor && again.above == n.above;
}

static bool
decode_number(struct moss_slice digits, unsigned note, struct datum *out)
{
    uint8_t buf[NUMBER_BYTES] = { 0 };
    struct number n;
    uint64_t v = 0;

    if (digits.len == 0 || digits.len > NUMBER_BYTES ||
        digits.bytes[digits.len - 1] == 0)
        return false;
    memcpy(buf, digits.bytes, digits.len);
    for (size_t i = 0; i < 8; i++)
        v = v << 8 | buf[i];
    if (!from_sortable(v, &n.floor))
        return false;
    n.above = (unsigned)buf[8] << 8 | buf[9];

    if (note == KEY_NOTE_NONE && (n.above > 0 || is_int64(n.floor)))
        return decode_integer(n, out);
    out->type = SQLITE_FLOAT;
    out->r = note == KEY_NOTE_NEGATIVE_ZERO ? -n.floor : n.floor;
    return n.above == 0 && (unsigned)key_note(out) == note;
}

bool
key_decode(struct moss_slice key, unsigned note, struct datum *out)
{
    struct moss_slice rest;

    memset(out, 0, sizeof(*out));
    if (key.len == 0)
        return false;
    rest = moss_slice(key.bytes + 1, key.len - 1);
    switch (key.bytes[0]) {
    case KEY_NUMBER:
        return decode_number(rest, note, out);
    case KEY_TEXT:
        out->type = SQLITE_TEXT;
        break;
    case KEY_BLOB:
        out->type = SQLITE_BLOB;
        break;
    default:
        return false;
    }
    out->bytes = rest;
    return note == KEY_NOTE_NONE;
}
