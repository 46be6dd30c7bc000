/*
 * Random SQL values.  Two thirds of the integers are small and most texts
 * and blobs come from short lists, so that keys meet each other: as equal
 * keys of different types (1, 1.0), as neighbours, and as look-alikes ('5',
 * x'35', 5).  The rest are the edges of the types and random bits.
 */
#include "diff_value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t edge_integers[] = {
    0,
    -1,
    127,
    128,
    255,
    256,
    -128,
    -129,
    65535,
    65536,
    INT32_MAX,
    INT32_MIN,
    INT64_C(0xffffffff),
    INT64_C(0x100000000),
    INT64_C(9007199254740991),
    INT64_C(9007199254740992),
    INT64_C(9007199254740993),
    INT64_C(-9007199254740991),
    INT64_C(-9007199254740992),
    INT64_C(-9007199254740993),
    INT64_C(9223372036854774784), /* the largest that a double has exactly */
    INT64_MAX - 1,
    INT64_MAX,
    INT64_MIN + 1,
    INT64_MIN,
};

static const double edge_reals[] = {
    0.0,
    -0.0,
    0.1,
    -0.1,
    0.5,
    -0.5,
    1e300,
    -1e300,
    1e-300,
    -1e-300,
    5e-324,
    1e15,
    1e16,
    2.5e17,
    9007199254740991.0,
    9007199254740992.0,
    9007199254740994.0,
    -9007199254740992.0,
    9223372036854775808.0,
    -9223372036854775808.0,
    9223372036854774784.0,
    18446744073709551616.0,
    4294967296.0,
    HUGE_VAL,
    -HUGE_VAL,
};

/* Text with its length: some contain NUL bytes. */
#define T(s)                                                                   \
    {                                                                          \
        s, sizeof s - 1                                                        \
    }
static const struct {
    const char *bytes;
    int n;
} texts[] =
    {
        T(""),
        T("a"),
        T("A"),
        T("b"),
        T("B"),
        T("c"),
        T("ab"),
        T("aB"),
        T("AB"),
        T("abc"),
        T("a\0b"),
        T("A\0c"),
        T("\0"),
        T("a\0"),
        T("a "),
        T("a  "),
        T(" a"),
        T("5"),
        T("5.0"),
        T(" 5"),
        T("5 "),
        T("1e1"),
        T("0x10"),
        T("-3"),
        T("10"),
        T("9"),
        T("inf"),
        T("5x"),
        T("z"),
        T("zz"),
        T("%"),
        T("a%b"),
        T("a_b"),
        T("a'b"),
        T("*"),
        T("[a]"),
        T("\x01"),
        T("\x7f"),
        T("~"),
        T("null"),
        T("1e999"),
        T("."),
        T("9223372036854775807"),
        T("9223372036854775808"),
        T("\xc3\xa9"),
        T("\xc3\x89"),
        T("\xc3\xa9\xc3\xa9"),
        T("\xef\xbf\xbd"),
        T("\xf0\x9f\x98\x80"),
        T("\xee\x80\x80"),
        T("\xe4\xb8\xad\xe6\x96\x87"),
},
  blobs[] = {
      T(""),     T("\0"),       T("\0\0"), T("a"),    T("ab"), T("A"),
      T("\xff"), T("\xff\xff"), T("\xfe"), T("a\0"),  T("5"),  T("\0\xff"),
      T("\x01"), T("\x80"),     T("abc"),  T("\xc3"),
};
#undef T

#define COUNT(a) ((unsigned)(sizeof(a) / sizeof(a)[0]))

static void
set_bytes(struct diff_value *v, int type, const char *bytes, int n)
{
    v->type = type;
    v->n = n;
    v->bytes = malloc((size_t)n + 1);
    if (v->bytes == NULL)
        abort();
    memcpy(v->bytes, bytes, (size_t)n);
    v->bytes[n] = '\0';
}

static void
random_integer(struct rng *r, struct diff_value *v)
{
    unsigned kind = rng_below(r, 100);

    if (kind < 70)
        diff_value_integer(rng_between(r, -8, 30), v);
    else if (kind < 92)
        diff_value_integer(edge_integers[rng_below(r, COUNT(edge_integers))],
                           v);
    else
        diff_value_integer((int64_t)(rng_next(r) >> rng_below(r, 64)), v);
}

static void
random_real(struct rng *r, struct diff_value *v)
{
    unsigned kind = rng_below(r, 100);

    v->type = SQLITE_FLOAT;
    if (kind < 35)
        v->real = rng_between(r, -8, 30);
    else if (kind < 60)
        v->real = rng_between(r, -8, 30) + 0.5;
    else if (kind < 92)
        v->real = edge_reals[rng_below(r, COUNT(edge_reals))];
    else
        v->real = ldexp((double)(int64_t)rng_next(r), rng_between(r, -80, 40));
}

/*
 * A handful of letters; now and then long enough for overflow pages, and
 * once in a while larger than a page of any size.
 */
static void
random_letters(struct rng *r, struct diff_value *v, int type)
{
    static const char letters[] = "aAbBcC ~\x01z";
    unsigned kind = rng_below(r, 100);
    int n = kind < 90   ? rng_between(r, 1, 6)
            : kind < 99 ? rng_between(r, 50, 1500)
                        : rng_between(r, 5000, 70000);
    char *bytes = malloc((size_t)n);

    if (bytes == NULL)
        abort();
    for (int i = 0; i < n; i++)
        bytes[i] = letters[rng_below(r, sizeof letters - 1)];
    set_bytes(v, type, bytes, n);
    free(bytes);
}

void
diff_value_random_key(struct rng *r, struct diff_value *out)
{
    unsigned kind = rng_below(r, 100);
    unsigned i;

    memset(out, 0, sizeof *out);
    if (kind < 38) {
        random_integer(r, out);
    } else if (kind < 58) {
        random_real(r, out);
    } else if (kind < 78) {
        i = rng_below(r, COUNT(texts));
        set_bytes(out, SQLITE_TEXT, texts[i].bytes, texts[i].n);
    } else if (kind < 85) {
        random_letters(r, out, SQLITE_TEXT);
    } else if (kind < 96) {
        i = rng_below(r, COUNT(blobs));
        set_bytes(out, SQLITE_BLOB, blobs[i].bytes, blobs[i].n);
    } else {
        random_letters(r, out, SQLITE_BLOB);
    }
}

void
diff_value_random(struct rng *r, struct diff_value *out)
{
    if (rng_percent(r, 6)) {
        memset(out, 0, sizeof *out);
        out->type = SQLITE_NULL;
    } else {
        diff_value_random_key(r, out);
    }
}

void
diff_value_text(const char *text, struct diff_value *out)
{
    memset(out, 0, sizeof *out);
    set_bytes(out, SQLITE_TEXT, text, (int)strlen(text));
}

void
diff_value_integer(int64_t integer, struct diff_value *out)
{
    memset(out, 0, sizeof *out);
    out->type = SQLITE_INTEGER;
    out->integer = integer;
}

void
diff_value_copy(const struct diff_value *from, struct diff_value *out)
{
    *out = *from;
    if (from->bytes != NULL)
        set_bytes(out, from->type, from->bytes, from->n);
}

void
diff_value_release(struct diff_value *v)
{
    free(v->bytes);
    v->bytes = NULL;
}

static void
real_literal(double real, sqlite3_str *out)
{
    char text[64];

    if (isinf(real)) {
        sqlite3_str_appendall(out, real < 0 ? "-9e999" : "9e999");
        return;
    }
    snprintf(text, sizeof text, "%.17g", real);
    if (strpbrk(text, ".e") == NULL)
        strcat(text, ".0");
    sqlite3_str_appendall(out, text);
}

/*
 * NUL bytes are spliced in with char(0), which unlike a cast from a blob
 * means the same in databases of every encoding.
 */
static void
text_literal(const struct diff_value *v, sqlite3_str *out)
{
    const char *end = v->bytes + v->n;
    bool has_nul = memchr(v->bytes, 0, (size_t)v->n) != NULL;

    sqlite3_str_appendall(out, has_nul ? "('" : "'");
    for (const char *p = v->bytes; p < end; p++) {
        if (*p == '\0')
            sqlite3_str_appendall(out, "'||char(0)||'");
        else if (*p == '\'')
            sqlite3_str_appendall(out, "''");
        else
            sqlite3_str_appendchar(out, 1, *p);
    }
    sqlite3_str_appendall(out, has_nul ? "')" : "'");
}

void
diff_value_literal(const struct diff_value *v, sqlite3_str *out)
{
    switch (v->type) {
    case SQLITE_NULL:
        sqlite3_str_appendall(out, "NULL");
        break;
    case SQLITE_INTEGER:
        sqlite3_str_appendf(out, "%lld", (long long)v->integer);
        break;
    case SQLITE_FLOAT:
        real_literal(v->real, out);
        break;
    case SQLITE_TEXT:
        text_literal(v, out);
        break;
    default:
        sqlite3_str_appendall(out, "x'");
        for (int i = 0; i < v->n; i++)
            sqlite3_str_appendf(out, "%02x", (unsigned char)v->bytes[i]);
        sqlite3_str_appendall(out, "'");
    }
}

int
diff_value_bind(const struct diff_value *v, sqlite3_stmt *stmt, int index)
{
    switch (v->type) {
    case SQLITE_NULL:
        return sqlite3_bind_null(stmt, index);
    case SQLITE_INTEGER:
        return sqlite3_bind_int64(stmt, index, v->integer);
    case SQLITE_FLOAT:
        return sqlite3_bind_double(stmt, index, v->real);
    case SQLITE_TEXT:
        return sqlite3_bind_text(stmt, index, v->bytes, v->n, SQLITE_TRANSIENT);
    default:
        return sqlite3_bind_blob(stmt, index, v->bytes, v->n, SQLITE_TRANSIENT);
    }
}
