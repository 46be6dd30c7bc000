/*
 * A writer and a reader for the one JSON text that Go's encoder makes of a
 * value: no spaces, fields in order, numbers in their shortest form, and in
 * strings the escapes that keep them safe inside HTML and JavaScript.
 *
 * The reader is told what has to come next and accepts nothing else.  So a
 * footer of Go moss that reads well is the very text that Go writes, and
 * names that differ in case, repeated names, numbers too large for a double
 * and nested nonsense need no rules of their own.  A general parser would
 * take more than Go writes, and would allocate outside of our allocator.
 *
 * No state of its own; any thread.
 */
#include "store/json.h"

#include <stdio.h>

static const char hex_digits[] = "0123456789abcdef";

enum moss_status
json_put(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

enum moss_status
json_put_uint(struct buf *b, uint64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)v);

    return buf_append(b, text, (size_t)n);
}

enum moss_status
json_put_hex(struct buf *b, uint64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "\"%016llx\"", (unsigned long long)v);

    return buf_append(b, text, (size_t)n);
}

/*
 * The length of the UTF-8 sequence at p, n bytes there, or 0 if it is none;
 * *rune is the code point.  Surrogates and overlong forms are none.
 */
static size_t
utf8_decode(const uint8_t *p, size_t n, uint32_t *rune)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t len = p[0] < 0x80   ? 1
                 : p[0] < 0xc0 ? 0
                 : p[0] < 0xe0 ? 2
                 : p[0] < 0xf0 ? 3
                 : p[0] < 0xf8 ? 4
                               : 0;
    uint32_t v;

    if (len == 0 || len > n)
        return 0;
    v = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (p[i] & 0x3fu);
    }
    if (v < smallest[len] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
        return 0;
    *rune = v;
    return len;
}

/* Must Go write this code point as an escape? */
static bool
is_escaped(uint32_t rune)
{
    return rune < 0x20 || rune == '"' || rune == '\\' || rune == '<' ||
           rune == '>' || rune == '&' || rune == 0x2028 || rune == 0x2029;
}

static enum moss_status
put_escape(struct buf *b, uint32_t rune)
{
    static const char names[] = "\"\"\\\\\nn\rr\tt";
    char text[7] = "\\u";

    for (size_t i = 0; i + 1 < sizeof names; i += 2) {
        if (rune == (uint8_t)names[i]) {
            text[1] = names[i + 1];
            return buf_append(b, text, 2);
        }
    }
    for (int i = 0; i < 4; i++)
        text[2 + i] = hex_digits[rune >> (12 - 4 * i) & 0xf];
    return buf_append(b, text, 6);
}

enum moss_status
json_put_string(struct buf *b, struct moss_slice s)
{
    enum moss_status st = json_put(b, "\"");

    for (size_t i = 0; i < s.len && st == MOSS_OK;) {
        uint32_t rune = 0;
        size_t len = utf8_decode(s.bytes + i, s.len - i, &rune);

        if (len == 0) {
            st = json_put(b, "\\ufffd");
            len = 1;
        } else if (is_escaped(rune)) {
            st = put_escape(b, rune);
        } else {
            st = buf_append(b, s.bytes + i, len);
        }
        i += len;
    }
    return st < 0 ? st : json_put(b, "\"");
}

bool
json_skip(struct json_reader *r, const char *text)
{
    size_t n = strlen(text);

    if ((size_t)(r->end - r->p) < n || memcmp(r->p, text, n) != 0)
        return false;
    r->p += n;
    return true;
}

bool
json_get_uint(struct json_reader *r, uint64_t *v)
{
    const uint8_t *p = r->p;
    uint64_t sum = 0;

    if (p == r->end || *p < '0' || *p > '9')
        return false;
    if (*p == '0') {
        p++;
    } else {
        for (; p < r->end && *p >= '0' && *p <= '9'; p++) {
            uint64_t digit = (uint64_t)(*p - '0');

            if (sum > (UINT64_MAX - digit) / 10)
                return false;
            sum = sum * 10 + digit;
        }
    }
    *v = sum;
    r->p = p;
    return true;
}

/* Exactly n lower-case hexadecimal digits. */
static bool
get_digits(struct json_reader *r, size_t n, uint64_t *v)
{
    uint64_t sum = 0;

    if ((size_t)(r->end - r->p) < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *digit = r->p[i] == 0 ? NULL : strchr(hex_digits, r->p[i]);

        if (digit == NULL)
            return false;
        sum = sum << 4 | (uint64_t)(digit - hex_digits);
    }
    *v = sum;
    r->p += n;
    return true;
}

bool
json_get_hex(struct json_reader *r, uint64_t *v)
{
    return json_skip(r, "\"") && get_digits(r, 16, v) && json_skip(r, "\"");
}

/*
 * What follows a backslash.  Newer encoders write \b and \f, older ones
 * \u0008 and \u000c: both are Go's.
 */
static bool
get_escape(struct json_reader *r, uint32_t *rune)
{
    static const char names[] = "\"\"\\\\\nn\rr\tt\bb\ff";
    uint64_t v;

    if (r->p == r->end)
        return false;
    for (size_t i = 0; i + 1 < sizeof names; i += 2) {
        if (*r->p == (uint8_t)names[i + 1]) {
            *rune = (uint8_t)names[i];
            r->p++;
            return true;
        }
    }
    if (!json_skip(r, "u") || !get_digits(r, 4, &v))
        return false;
    *rune = (uint32_t)v;
    return *rune == 0xfffd ||
           (is_escaped(*rune) && *rune != '"' && *rune != '\\' &&
            *rune != '\n' && *rune != '\r' && *rune != '\t');
}

static enum moss_status
append_rune(struct buf *out, uint32_t rune)
{
    uint8_t utf8[3] = { (uint8_t)rune };

    if (rune < 0x80)
        return buf_append(out, utf8, 1);
    /* Of the escapes only U+2028, U+2029 and U+FFFD come here. */
    utf8[0] = (uint8_t)(0xe0 | rune >> 12);
    utf8[1] = (uint8_t)(0x80 | (rune >> 6 & 0x3f));
    utf8[2] = (uint8_t)(0x80 | (rune & 0x3f));
    return buf_append(out, utf8, 3);
}

enum moss_status
json_get_string(struct json_reader *r, struct buf *out, bool *replaced)
{
    enum moss_status st = MOSS_OK;

    if (!json_skip(r, "\""))
        return MOSS_CORRUPT;
    while (st == MOSS_OK && !json_skip(r, "\"")) {
        uint32_t rune = 0;
        size_t len;

        if (json_skip(r, "\\")) {
            if (!get_escape(r, &rune))
                return MOSS_CORRUPT;
            if (rune == 0xfffd)
                *replaced = true;
            st = append_rune(out, rune);
            continue;
        }
        if (r->p == r->end)
            return MOSS_CORRUPT;
        len = utf8_decode(r->p, (size_t)(r->end - r->p), &rune);
        if (len == 0 || is_escaped(rune))
            return MOSS_CORRUPT;
        st = buf_append(out, r->p, len);
        r->p += len;
    }
    return st;
}
