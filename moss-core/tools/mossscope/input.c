/*
 * A JSON reader that keeps nothing but what its caller asks for, so that
 * inputs may be of any length.
 */
#include "input.h"

#include <inttypes.h>

/* How deep a value may be that is passed over. */
#define SKIP_DEPTH 64

void
input_init(struct input *in, FILE *f, const char *name)
{
    in->f = f;
    in->name = name;
    in->line = 1;
    in->failed = false;
    in->at = in->filled = 0;
}

bool
input_fill(struct input *in)
{
    in->at = 0;
    in->filled = fread(in->buffer, 1, sizeof in->buffer, in->f);
    return in->filled > 0;
}

bool
input_wrong(struct input *in, const char *what)
{
    if (!in->failed)
        (void)scope_complain("%s, line %" PRIu64 ": %s", in->name, in->line,
                             ferror(in->f) != 0 ? "cannot be read" : what);
    in->failed = true;
    return false;
}

int
input_peek_word(struct input *in)
{
    int c = input_peek(in);

    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        (void)input_get(in);
        c = input_peek(in);
    }
    return c;
}

bool
input_take(struct input *in, char c)
{
    if (input_peek_word(in) != c)
        return false;
    (void)input_get(in);
    return true;
}

/* ------------------------------------------------------------------ */
/* Strings                                                            */
/* ------------------------------------------------------------------ */

static bool
put(struct input *in, struct buf *out, uint8_t c, size_t *left)
{
    if (*left == 0)
        return input_wrong(in, "too long");
    --*left;
    if (out != NULL)
        scope_must(buf_append(out, &c, 1));
    return true;
}

static bool
put_char(struct input *in, struct buf *out, uint32_t c, size_t *left)
{
    if (c < 0x80)
        return put(in, out, (uint8_t)c, left);
    if (c < 0x800)
        return put(in, out, (uint8_t)(0xc0 | c >> 6), left) &&
               put(in, out, (uint8_t)(0x80 | (c & 0x3f)), left);
    if (c < 0x10000)
        return put(in, out, (uint8_t)(0xe0 | c >> 12), left) &&
               put(in, out, (uint8_t)(0x80 | (c >> 6 & 0x3f)), left) &&
               put(in, out, (uint8_t)(0x80 | (c & 0x3f)), left);
    return put(in, out, (uint8_t)(0xf0 | c >> 18), left) &&
           put(in, out, (uint8_t)(0x80 | (c >> 12 & 0x3f)), left) &&
           put(in, out, (uint8_t)(0x80 | (c >> 6 & 0x3f)), left) &&
           put(in, out, (uint8_t)(0x80 | (c & 0x3f)), left);
}

/* The four digits behind \u. */
static bool
get_unit(struct input *in, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int c = input_get(in);
        int low = c | 0x20;

        if (c >= '0' && c <= '9')
            *unit = *unit << 4 | (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f')
            *unit = *unit << 4 | (uint32_t)(low - 'a' + 10);
        else
            return input_wrong(in, "four hexadecimal digits belong behind \\u");
    }
    return true;
}

static bool
get_unicode(struct input *in, struct buf *out, size_t *left)
{
    uint32_t c, second;

    if (!get_unit(in, &c))
        return false;
    if (c >= 0xd800 && c < 0xdc00) {
        if (input_get(in) != '\\' || input_get(in) != 'u')
            return input_wrong(in, "half a surrogate pair");
        if (!get_unit(in, &second))
            return false;
        if (second < 0xdc00 || second >= 0xe000)
            return input_wrong(in, "half a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (second - 0xdc00);
    } else if (c >= 0xdc00 && c < 0xe000) {
        return input_wrong(in, "half a surrogate pair");
    }
    return put_char(in, out, c, left);
}

static bool
get_escape(struct input *in, struct buf *out, size_t *left)
{
    static const char names[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    int c = input_get(in);

    if (c == 'u')
        return get_unicode(in, out, left);
    for (const char *p = names; *p != '\0'; p += 2) {
        if (*p == c)
            return put(in, out, (uint8_t)p[1], left);
    }
    return input_wrong(in, "no such escape");
}

bool
input_string(struct input *in, struct buf *out, size_t max)
{
    size_t left = max;

    if (!input_take(in, '"'))
        return input_wrong(in, "a string is missing");
    for (;;) {
        int c = input_get(in);

        if (c == '"')
            return true;
        if (c == EOF)
            return input_wrong(in, "a string does not end");
        if (c < 0x20)
            return input_wrong(in, "a control character in a string");
        if (c == '\\' ? !get_escape(in, out, &left)
                      : !put(in, out, (uint8_t)c, &left))
            return false;
    }
}

/* ------------------------------------------------------------------ */
/* Other values                                                       */
/* ------------------------------------------------------------------ */

static bool
skip_word(struct input *in)
{
    int c, n = 0;

    while ((c = input_peek(in)) != EOF &&
           ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
            c == '+' || c == '.' || c == 'E')) {
        (void)input_get(in);
        n++;
    }
    return n > 0 || input_wrong(in, "a value is missing");
}

static bool
skip(struct input *in, int depth)
{
    int c = input_peek_word(in);
    bool is_object = c == '{';
    char end = is_object ? '}' : ']';

    if (c == '"')
        return input_string(in, NULL, SIZE_MAX);
    if (c != '{' && c != '[')
        return skip_word(in);
    if (depth == 0)
        return input_wrong(in, "nested too deep");
    (void)input_get(in);
    if (input_take(in, end))
        return true;
    do {
        if (is_object &&
            (!input_string(in, NULL, SIZE_MAX) ||
             !(input_take(in, ':') || input_wrong(in, "\":\" is missing"))))
            return false;
        if (!skip(in, depth - 1))
            return false;
    } while (input_take(in, ','));
    return input_take(in, end) || input_wrong(in, "\",\" is missing");
}

bool
input_skip_value(struct input *in)
{
    return skip(in, SKIP_DEPTH);
}
