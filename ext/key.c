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
 *
 * A part that others follow ends with a zero, and a zero inside it is written
 * as 00 FF: the byte behind an end is the class of the next part, less than
 * FF, so that the shorter value sorts first.  A descending part ends with two
 * zeros wherever it stands, and all its bytes are inverted.
 */
#include "key.h"

#include <math.h>
#include <string.h>

#define NUMBER_BYTES 10
/* Of a part that others follow: its end, and what a zero inside goes with. */
#define ZERO 0x00
#define ESCAPE 0xff
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

/*
 * A text as its collation compares it.  NOCASE folds ASCII letters and stops
 * at the first NUL byte, behind which only the whole length counts.
 */
static int
encode_nocase(struct bytes *out, struct moss_slice text)
{
    const uint8_t *nul = text.len == 0 ? NULL : memchr(text.bytes, 0, text.len);
    size_t n = nul == NULL ? text.len : (size_t)(nul - text.bytes);
    uint8_t tail[9] = { 0 };
    size_t start = out->n;
    int rc = bytes_append(out, text.bytes, n);

    for (size_t i = start; rc == SQLITE_OK && i < out->n; i++) {
        if (out->p[i] >= 'A' && out->p[i] <= 'Z')
            out->p[i] = (uint8_t)(out->p[i] + ('a' - 'A'));
    }
    for (size_t i = 0; i < 8; i++)
        tail[1 + i] = (uint8_t)((uint64_t)text.len >> (56 - 8 * i));
    if (rc == SQLITE_OK && nul != NULL)
        rc = bytes_append(out, tail, sizeof(tail));
    return rc;
}

static int
encode_text(struct bytes *out, struct moss_slice text, enum collation collation)
{
    if (collation == COLLATION_NOCASE)
        return encode_nocase(out, text);
    while (collation == COLLATION_RTRIM && text.len > 0 &&
           text.bytes[text.len - 1] == ' ')
        text.len--;
    return bytes_append(out, text.bytes, text.len);
}

static uint8_t
class_of(int type)
{
    switch (type) {
    case SQLITE_NULL:
        return KEY_NULL;
    case SQLITE_TEXT:
        return KEY_TEXT;
    case SQLITE_BLOB:
        return KEY_BLOB;
    default:
        return KEY_NUMBER;
    }
}

/* Class and payload, as they stand in an ascending part that is the last. */
static int
encode_plain(struct bytes *out, const struct datum *d, enum collation collation)
{
    uint8_t class = class_of(d->type);
    struct number n = { d->r, 0 };
    int rc;

    if (d->type == SQLITE_INTEGER)
        return encode_number(out, number_of_integer(d->i));
    if (d->type == SQLITE_FLOAT)
        return encode_number(out, n);
    rc = bytes_append(out, &class, 1);
    if (rc != SQLITE_OK || class == KEY_NULL)
        return rc;
    return d->type == SQLITE_TEXT
               ? encode_text(out, d->bytes, collation)
               : bytes_append(out, d->bytes.bytes, d->bytes.len);
}

/* Write the zeros of out from start on as ZERO ESCAPE. */
static int
escape(struct bytes *out, size_t start)
{
    static const uint8_t room[64];
    size_t zeros = 0, from = out->n, to;
    int rc = SQLITE_OK;

    for (size_t i = start; i < out->n; i++)
        zeros += out->p[i] == ZERO;
    to = out->n + zeros;
    while (rc == SQLITE_OK && out->n < to)
        rc = bytes_append(
            out, room, to - out->n < sizeof(room) ? to - out->n : sizeof(room));
    if (rc != SQLITE_OK)
        return rc;
    while (to > from) {
        if (out->p[--from] == ZERO)
            out->p[--to] = ESCAPE;
        out->p[--to] = out->p[from];
    }
    return SQLITE_OK;
}

int
key_encode(struct bytes *out, const struct datum *d,
           const struct key_part *part, bool last)
{
    static const uint8_t end[2] = { ZERO, ZERO };
    size_t start = out->n;
    int rc = encode_plain(out, d, part->collation);

    if (rc != SQLITE_OK || (last && !part->desc))
        return rc;
    rc = escape(out, start + 1);
    if (rc == SQLITE_OK)
        rc = bytes_append(out, end, part->desc ? 2 : 1);
    for (size_t i = start; rc == SQLITE_OK && part->desc && i < out->n; i++)
        out->p[i] = (uint8_t)~out->p[i];
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

/* The plain form of a part's bytes. */
static bool
decode_plain(struct moss_slice key, unsigned note, bool nullable,
             struct datum *out)
{
    struct moss_slice rest;

    memset(out, 0, sizeof(*out));
    if (key.len == 0)
        return false;
    rest = moss_slice(key.bytes + 1, key.len - 1);
    switch (key.bytes[0]) {
    case KEY_NULL:
        out->type = SQLITE_NULL;
        return nullable && rest.len == 0 && note == KEY_NOTE_NONE;
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

/* Take an escaped part off in, to its end mark; its plain form is out. */
static int
unescape(struct moss_slice *in, bool desc, struct bytes *out)
{
    uint8_t flip = desc ? 0xff : 0;
    size_t i = 0;
    int rc = SQLITE_OK;

    out->n = 0;
    while (rc == SQLITE_OK && i < in->len) {
        uint8_t b = in->bytes[i++] ^ flip;

        if (b == ZERO && out->n > 0) {
            uint8_t next = i < in->len ? in->bytes[i] ^ flip : ZERO;

            if (next != ESCAPE) {
                /* The end of a descending part is two bytes. */
                if (desc && (i == in->len || next != ZERO))
                    return SQLITE_CORRUPT;
                i += desc;
                *in = moss_slice(in->bytes + i, in->len - i);
                return SQLITE_OK;
            }
            i++;
        }
        rc = bytes_append(out, &b, 1);
    }
    return rc == SQLITE_OK ? SQLITE_CORRUPT : rc;
}

int
key_decode(struct moss_slice *in, unsigned note, const struct key_part *part,
           bool last, struct bytes *scratch, struct datum *out)
{
    struct moss_slice plain = *in;
    int rc;

    if (last && !part->desc) {
        *in = moss_slice(in->bytes + in->len, 0);
    } else {
        rc = unescape(in, part->desc, scratch);
        if (rc != SQLITE_OK)
            return rc;
        plain = moss_slice(scratch->p, scratch->n);
    }
    if (last && in->len > 0)
        return SQLITE_CORRUPT;
    return decode_plain(plain, note, part->nullable, out) ? SQLITE_OK
                                                          : SQLITE_CORRUPT;
}

bool
key_skip(struct moss_slice *in, const struct key_part *part)
{
    const uint8_t zero = part->desc ? 0xff : ZERO;
    const uint8_t escaped = part->desc ? 0 : ESCAPE;

    /* The first byte is the class, which is never the end. */
    for (size_t i = 1; i < in->len; i++) {
        bool more = i + 1 < in->len;

        if (in->bytes[i] != zero)
            continue;
        if (more && in->bytes[i + 1] == escaped) {
            i++;
            continue;
        }
        /* The end of a descending part is two bytes. */
        if (part->desc && (!more || in->bytes[i + 1] != zero))
            return false;
        i += part->desc ? 2 : 1;
        *in = moss_slice(in->bytes + i, in->len - i);
        return true;
    }
    return false;
}
