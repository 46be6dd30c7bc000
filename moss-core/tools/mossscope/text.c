/*
 * Bytes as text.  What is printed is safe on a terminal, one line whatever the
 * bytes are, and unambiguous: text_get() gives back what text_put() was given.
 */
#include "text.h"

static const char digits[] = "0123456789abcdef";

/* ------------------------------------------------------------------ */
/* UTF-8                                                              */
/* ------------------------------------------------------------------ */

/* The length of the UTF-8 character that s begins with; 0: it is none. */
static size_t
text_utf8_char(struct moss_slice s)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint32_t c;
    size_t n;

    if (s.len == 0)
        return 0;
    c = s.bytes[0];
    if (c < 0x80)
        return 1;
    n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc0 || c >= 0xf8 || n > s.len)
        return 0;
    c &= 0x7fu >> n;
    for (size_t i = 1; i < n; i++) {
        if ((s.bytes[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s.bytes[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    return n;
}

bool
text_is_utf8(struct moss_slice s)
{
    while (s.len > 0) {
        size_t n = text_utf8_char(s);

        if (n == 0)
            return false;
        s.bytes += n;
        s.len -= n;
    }
    return true;
}

/* ------------------------------------------------------------------ */
/* Writing                                                            */
/* ------------------------------------------------------------------ */

static void
put_byte(FILE *f, uint8_t c)
{
    (void)putc(digits[c >> 4], f);
    (void)putc(digits[c & 15], f);
}

static void
put_escape(FILE *f, uint8_t c)
{
    static const char named[] = "\tt\nn\rr\\\\";

    (void)putc('\\', f);
    for (const char *p = named; *p != '\0'; p += 2) {
        if ((uint8_t)*p == c) {
            (void)putc(p[1], f);
            return;
        }
    }
    (void)putc('x', f);
    put_byte(f, c);
}

/* Would a terminal take this character for a command? */
static bool
is_control(const uint8_t *c, size_t n)
{
    return n == 1 ? *c < 0x20 || *c == 0x7f
                  : n == 2 && c[0] == 0xc2 && c[1] < 0xa0;
}

static void
put_hex(FILE *f, struct moss_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        put_byte(f, s.bytes[i]);
}

void
text_put(FILE *f, struct moss_slice s, bool hex, char also)
{
    size_t i = 0, from = 0; /* from there on nothing is printed yet */

    if (hex) {
        put_hex(f, s);
        return;
    }
    while (i < s.len) {
        size_t n = text_utf8_char(moss_slice(s.bytes + i, s.len - i));
        const uint8_t *c = s.bytes + i;

        if (n > 0 && !is_control(c, n) && *c != '\\' &&
            (also == 0 || *c != (uint8_t)also)) {
            i += n;
            continue;
        }
        n = n == 0 ? 1 : n;
        (void)fwrite(s.bytes + from, 1, i - from, f);
        for (size_t k = 0; k < n; k++)
            put_escape(f, c[k]);
        from = i += n;
    }
    if (i > from)
        (void)fwrite(s.bytes + from, 1, i - from, f);
}

/* ------------------------------------------------------------------ */
/* Reading                                                            */
/* ------------------------------------------------------------------ */

static int
digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that two digits at s stand for, or -1. */
static int
get_byte(struct moss_slice s)
{
    int hi, lo;

    if (s.len < 2)
        return -1;
    hi = digit(s.bytes[0]);
    lo = digit(s.bytes[1]);
    return hi < 0 || lo < 0 ? -1 : hi << 4 | lo;
}

/* The escape that s begins with: its byte or -1, and its length. */
static int
get_escape(struct moss_slice s, size_t *n)
{
    *n = 2;
    if (s.len < 2)
        return -1;
    switch (s.bytes[1]) {
    case 't':
        return '\t';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case '\\':
        return '\\';
    case 'x':
        *n = 4;
        return get_byte(moss_slice(s.bytes + 2, s.len - 2));
    default:
        return -1;
    }
}

bool
text_get(struct moss_slice s, bool hex, struct buf *out)
{
    scope_must(buf_reserve(out, s.len));
    while (s.len > 0) {
        int c = *s.bytes;
        size_t n = 1;

        if (hex) {
            c = get_byte(s);
            n = 2;
        } else if (c == '\\') {
            c = get_escape(s, &n);
        }
        if (c < 0)
            return false;
        out->bytes[out->len++] = (uint8_t)c;
        s.bytes += n;
        s.len -= n;
    }
    return true;
}

/* ------------------------------------------------------------------ */
/* Paths                                                              */
/* ------------------------------------------------------------------ */

void
path_put(FILE *f, const struct path *path)
{
    for (size_t i = 0; i < path->n; i++) {
        (void)putc('/', f);
        text_put(f, path->names[i], false, '/');
    }
}

bool
path_get(struct moss_slice text, struct path *path, struct buf *bytes)
{
    path->n = 0;
    scope_must(buf_reserve(bytes, text.len)); /* names must not move */
    if (text.len > 0 && *text.bytes == '/') {
        text.bytes++;
        text.len--;
        if (text.len == 0)
            return true;
    }
    while (text.len > 0) {
        const uint8_t *end = memchr(text.bytes, '/', text.len);
        size_t n = end == NULL ? text.len : (size_t)(end - text.bytes);
        size_t start = bytes->len;

        if (n == 0 || path->n == PATH_MAX_NAMES ||
            !text_get(moss_slice(text.bytes, n), false, bytes))
            return false;
        path->names[path->n++] =
            moss_slice(bytes->bytes + start, bytes->len - start);
        if (end == NULL)
            return true;
        text.bytes += n + 1;
        text.len -= n + 1;
        if (text.len == 0)
            return false;
    }
    return true;
}
