/*
 * Rows as value bytes: one byte with the note that belongs to the key, then
 * for each column a tag (a varint that says type and length) and its bytes.
 * A record says by its own length how many columns it has, so that columns
 * can be appended to a table without touching older rows.
 *
 * Records come from a file: nothing in them is trusted, every length is
 * checked against what is left.
 */
#include "record.h"

#include <limits.h>
#include <string.h>

enum tag {
    TAG_NULL = 0,
    TAG_INTEGER = 1, /* 1 + the number of bytes, 0 to 8 */
    TAG_REAL = 10,
    TAG_SUM = 11,  /* an integer of 16 bytes, is there a real, 8 bytes of it */
    TAG_TEXT = 12, /* 12 + 2 * length */
    TAG_BLOB = 13  /* 13 + 2 * length */
};

/*
 * The UTF-8 bytes of a text.  sqlite3_value_text() copies one that has no NUL
 * behind it, as those that are bound; what is UTF-8 already is there as a blob.
 */
static const void *
text_bytes(sqlite3_value *v)
{
#if SQLITE_VERSION_NUMBER >= 3040000
    if (sqlite3_libversion_number() >= 3040000 &&
        sqlite3_value_encoding(v) == SQLITE_UTF8)
        return sqlite3_value_blob(v);
#endif
    return sqlite3_value_text(v);
}

int
datum_read(sqlite3_value *v, struct datum *out)
{
    const void *p = NULL;

    memset(out, 0, sizeof(*out));
    out->type = sqlite3_value_type(v);
    switch (out->type) {
    case SQLITE_INTEGER:
        out->i = sqlite3_value_int64(v);
        return SQLITE_OK;
    case SQLITE_FLOAT:
        out->r = sqlite3_value_double(v);
        return SQLITE_OK;
    case SQLITE_TEXT:
        p = text_bytes(v);
        if (p == NULL && sqlite3_value_bytes(v) > 0)
            return SQLITE_NOMEM;
        break;
    case SQLITE_BLOB:
        /* NULL for an empty one, and when memory runs out. */
        p = sqlite3_value_blob(v);
        if (p == NULL && sqlite3_value_bytes(v) > 0)
            return SQLITE_NOMEM;
        break;
    default:
        return SQLITE_OK;
    }
    out->bytes = moss_slice(p, (size_t)sqlite3_value_bytes(v));
    return SQLITE_OK;
}

/* An integer if r has the value of one, as SQLite's integer affinity does. */
static bool
integer_of_real(double r, int64_t *out)
{
    if (!(r > -9223372036854775808.0 && r < 9223372036854775807.0))
        return false;
    *out = (int64_t)r;
    return (double)*out == r && *out > INT64_MIN && *out < INT64_MAX;
}

int
datum_convert(sqlite3_value *v, enum affinity affinity, struct datum *out,
              sqlite3_value **owned)
{
    int type = sqlite3_value_type(v), rc;
    bool is_number = type == SQLITE_INTEGER || type == SQLITE_FLOAT;
    bool numeric = affinity_is_numeric(affinity);

    *owned = NULL;
    /* A copy, since asking converts the value itself. */
    if ((is_number && affinity == AFFINITY_TEXT) ||
        (type == SQLITE_TEXT && numeric)) {
        *owned = v = sqlite3_value_dup(v);
        if (v == NULL)
            return SQLITE_NOMEM;
        if (numeric)
            (void)sqlite3_value_numeric_type(v);
    }
    rc = datum_read(v, out);
    if (rc != SQLITE_OK)
        return rc;
    if (is_number && affinity == AFFINITY_TEXT) {
        out->bytes.bytes = sqlite3_value_text(v);
        if (out->bytes.bytes == NULL)
            return SQLITE_NOMEM;
        out->type = SQLITE_TEXT;
        out->bytes.len = (size_t)sqlite3_value_bytes(v);
    } else if (affinity == AFFINITY_REAL && out->type == SQLITE_INTEGER) {
        out->type = SQLITE_FLOAT;
        out->r = (double)out->i;
    } else if (affinity == AFFINITY_REAL && out->type == SQLITE_FLOAT) {
        out->r += 0.0; /* no -0.0: SQLite keeps it as the integer 0 */
    } else if (numeric && affinity != AFFINITY_REAL &&
               out->type == SQLITE_FLOAT && integer_of_real(out->r, &out->i)) {
        out->type = SQLITE_INTEGER;
    }
    return SQLITE_OK;
}

void
datum_result(sqlite3_context *ctx, const struct datum *d)
{
    /* A NULL pointer would make NULL of an empty text or blob. */
    const void *p = d->bytes.len > 0 ? (const void *)d->bytes.bytes : "";

    switch (d->type) {
    case SQLITE_INTEGER:
        sqlite3_result_int64(ctx, d->i);
        break;
    case SQLITE_FLOAT:
        sqlite3_result_double(ctx, d->r);
        break;
    case SQLITE_TEXT:
        sqlite3_result_text64(ctx, p, d->bytes.len, SQLITE_TRANSIENT,
                              SQLITE_UTF8);
        break;
    case SQLITE_BLOB:
        sqlite3_result_blob64(ctx, p, d->bytes.len, SQLITE_TRANSIENT);
        break;
    default:
        sqlite3_result_null(ctx);
    }
}

const char *
datum_type_name(int type)
{
    switch (type) {
    case SQLITE_INTEGER:
        return "INTEGER";
    case SQLITE_FLOAT:
        return "REAL";
    case SQLITE_TEXT:
        return "TEXT";
    case SQLITE_BLOB:
        return "BLOB";
    default:
        return "NULL";
    }
}

size_t
row_varint(uint64_t v, uint8_t out[ROW_HEAD_BYTES])
{
    size_t n = 0;

    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}

size_t
row_text_head(uint64_t n, uint8_t out[ROW_HEAD_BYTES])
{
    return row_varint(TAG_TEXT + 2 * n, out);
}

static int
append_varint(struct bytes *out, uint64_t v)
{
    uint8_t buf[ROW_HEAD_BYTES];

    return bytes_append(out, buf, row_varint(v, buf));
}

bool
row_take_varint(struct moss_slice *in, uint64_t *out)
{
    uint64_t v = 0;

    for (size_t i = 0; i < in->len && i < ROW_HEAD_BYTES; i++) {
        uint8_t b = in->bytes[i];

        if (i == ROW_HEAD_BYTES - 1 && b > 1)
            return false;
        v |= (uint64_t)(b & 0x7f) << (7 * i);
        if (b < 0x80) {
            *in = moss_slice(in->bytes + i + 1, in->len - i - 1);
            *out = v;
            return true;
        }
    }
    return false;
}

/* A tag, and as few little-endian bytes as keep the sign. */
static size_t
put_integer(int64_t v, uint8_t out[1 + 8])
{
    uint64_t bits = (uint64_t)v;
    size_t n = 0;

    while (n < 8) {
        int64_t left = v >> (8 * n);

        /* What is left is all sign, and the byte before has that sign. */
        if (left == 0 && (n == 0 || out[n] < 0x80))
            break;
        if (left == -1 && n > 0 && out[n] >= 0x80)
            break;
        out[1 + n] = (uint8_t)(bits >> (8 * n));
        n++;
    }
    out[0] = (uint8_t)(TAG_INTEGER + n);
    return 1 + n;
}

static int
append_integer(struct bytes *out, int64_t v)
{
    uint8_t buf[1 + 8];

    return bytes_append(out, buf, put_integer(v, buf));
}

static int64_t
load_integer(const uint8_t *p, size_t n)
{
    uint64_t v = n > 0 && p[n - 1] >= 0x80 ? UINT64_MAX : 0;
    int64_t out;

    for (size_t i = n; i-- > 0;)
        v = v << 8 | p[i];
    memcpy(&out, &v, sizeof(out));
    return out;
}

static void
put_bits(uint64_t bits, uint8_t out[8])
{
    for (size_t i = 0; i < 8; i++)
        out[i] = (uint8_t)(bits >> (8 * i));
}

static void
put_real(double r, uint8_t out[8])
{
    uint64_t bits;

    memcpy(&bits, &r, sizeof(bits));
    put_bits(bits, out);
}

int
row_append_real(struct bytes *out, double r)
{
    uint8_t buf[8];

    put_real(r, buf);
    return bytes_append(out, buf, sizeof(buf));
}

static int
append_real(struct bytes *out, double r)
{
    const uint8_t tag = TAG_REAL;
    int rc = bytes_append(out, &tag, 1);

    return rc == SQLITE_OK ? row_append_real(out, r) : rc;
}

size_t
row_sum(struct wide ints, bool has_int, double real, bool has_real,
        uint8_t out[ROW_SUM_BYTES])
{
    bool fits = ints.high == (ints.low >> 63 != 0 ? UINT64_MAX : 0);

    if (!has_int && !has_real) {
        out[0] = TAG_NULL;
        return 1;
    }
    if (!has_real && fits)
        return put_integer((int64_t)ints.low, out);
    if (!has_int) {
        out[0] = TAG_REAL;
        put_real(real, out + 1);
        return 1 + 8;
    }
    out[0] = TAG_SUM;
    put_bits(ints.low, out + 1);
    put_bits(ints.high, out + 9);
    out[17] = has_real;
    put_real(has_real ? real : 0, out + 18);
    return ROW_SUM_BYTES;
}

int
row_append(struct bytes *out, const struct datum *d)
{
    uint64_t tag;
    int rc;

    switch (d->type) {
    case SQLITE_INTEGER:
        return append_integer(out, d->i);
    case SQLITE_FLOAT:
        return append_real(out, d->r);
    case SQLITE_TEXT:
        tag = TAG_TEXT + 2 * (uint64_t)d->bytes.len;
        break;
    case SQLITE_BLOB:
        tag = TAG_BLOB + 2 * (uint64_t)d->bytes.len;
        break;
    default:
        return append_varint(out, TAG_NULL);
    }
    rc = append_varint(out, tag);
    if (rc == SQLITE_OK)
        rc = bytes_append(out, d->bytes.bytes, d->bytes.len);
    return rc;
}

/*
 * The notes: one byte if no part but the first has one, which then is that
 * byte; else ROW_NOTES_FOLLOW and a byte for each.
 */
int
row_append_notes(struct bytes *out, const uint8_t *notes, size_t n)
{
    const uint8_t follow = ROW_NOTES_FOLLOW;
    bool plain = true;
    int rc;

    for (size_t i = 1; i < n; i++)
        plain = plain && notes[i] == 0;
    if (plain)
        return bytes_append(out, notes, 1);
    rc = bytes_append(out, &follow, 1);
    return rc == SQLITE_OK ? bytes_append(out, notes, n) : rc;
}

int
row_encode(struct bytes *out, const uint8_t *notes, size_t n_notes,
           const struct datum *columns, size_t n)
{
    int rc = row_append_notes(out, notes, n_notes);

    for (size_t i = 0; rc == SQLITE_OK && i < n; i++)
        rc = row_append(out, &columns[i]);
    return rc;
}

bool
row_notes(struct moss_slice record, uint8_t *notes, size_t n_notes,
          struct moss_slice *columns)
{
    size_t head = row_notes_length(record, n_notes);

    if (head == 0)
        return false;
    if (head > 1) {
        memcpy(notes, record.bytes + 1, n_notes);
    } else {
        notes[0] = record.bytes[0];
        if (n_notes > 1)
            memset(notes + 1, 0, n_notes - 1);
    }
    *columns = moss_slice(record.bytes + head, record.len - head);
    return true;
}

static double
real_of_wide(struct wide w)
{
    bool negative = w.high >> 63 != 0;
    double r;

    if (negative) {
        w.low = ~w.low + 1;
        w.high = ~w.high + (w.low == 0);
    }
    r = (double)w.high * 18446744073709551616.0 + (double)w.low;
    return negative ? -r : r;
}

static double
load_real(const uint8_t *p)
{
    int64_t bits = load_integer(p, 8);
    double r;

    memcpy(&r, &bits, sizeof(r));
    return r;
}

bool
row_take_sum(const struct datum *d, struct wide *ints, double *real,
             bool *has_real)
{
    const uint8_t *p = d->bytes.bytes;

    if (d->type != SQLITE_FLOAT || d->bytes.len != ROW_SUM_BYTES - 1)
        return false;
    ints->low = (uint64_t)load_integer(p, 8);
    ints->high = (uint64_t)load_integer(p + 8, 8);
    *has_real = p[16] != 0;
    *real = load_real(p + 17);
    return true;
}

/* The value of a sum whose parts are in its bytes. */
static double
sum_value(const struct datum *d)
{
    struct wide ints;
    double real;
    bool has_real;

    (void)row_take_sum(d, &ints, &real, &has_real);
    return has_real ? real_of_wide(ints) + real : real_of_wide(ints);
}

/*
 * The column at at, if all of it is there: its tag, and where its bytes are,
 * len of them.  Most tags are of one byte or two.
 */
static inline const uint8_t *
take_head(const uint8_t *at, const uint8_t *end, uint64_t *tag, uint64_t *len)
{
    if (end - at > 0 && at[0] < 0x80) {
        *tag = at[0];
        at += 1;
    } else if (end - at > 1 && at[1] < 0x80) {
        *tag = (uint64_t)at[1] << 7 | (at[0] & 0x7f);
        at += 2;
    } else {
        struct moss_slice in = moss_slice(at, (size_t)(end - at));

        if (!row_take_varint(&in, tag))
            return NULL;
        at = in.bytes;
    }
    if (*tag >= TAG_TEXT)
        *len = (*tag - TAG_TEXT) / 2;
    else if (*tag == TAG_NULL)
        *len = 0;
    else if (*tag <= TAG_INTEGER + 8)
        *len = *tag - TAG_INTEGER;
    else
        *len = *tag == TAG_REAL ? 8 : ROW_SUM_BYTES - 1;
    return *len <= (uint64_t)(end - at) ? at : NULL;
}

const uint8_t *
row_skip(const uint8_t *at, const uint8_t *end)
{
    uint64_t tag, len;
    const uint8_t *p = take_head(at, end, &tag, &len);

    return p == NULL ? NULL : p + len;
}

/* What a column is whose tag and bytes these are. */
static void
read_column(uint64_t tag, const uint8_t *p, uint64_t len, struct datum *out)
{
    memset(out, 0, sizeof(*out));
    if (tag >= TAG_TEXT) {
        out->type = tag % 2 == 0 ? SQLITE_TEXT : SQLITE_BLOB;
        out->bytes = moss_slice(p, (size_t)len);
    } else if (tag == TAG_NULL) {
        out->type = SQLITE_NULL;
    } else if (tag <= TAG_INTEGER + 8) {
        out->type = SQLITE_INTEGER;
        out->i = load_integer(p, (size_t)len);
    } else if (tag == TAG_REAL) {
        out->type = SQLITE_FLOAT;
        out->r = load_real(p);
    } else {
        out->type = SQLITE_FLOAT;
        out->bytes = moss_slice(p, (size_t)len);
        out->r = sum_value(out);
    }
}

bool
row_take(struct moss_slice *in, struct datum *out)
{
    const uint8_t *end, *p;
    uint64_t tag, len;

    if (in->len == 0)
        return false;
    end = in->bytes + in->len;
    p = take_head(in->bytes, end, &tag, &len);
    if (p == NULL)
        return false;
    read_column(tag, p, len, out);
    *in = moss_slice(p + len, (size_t)(end - p) - (size_t)len);
    return true;
}

const uint8_t *
row_result(const uint8_t *at, const uint8_t *end, sqlite3_context *ctx)
{
    uint64_t tag, len;
    const uint8_t *p = take_head(at, end, &tag, &len);
    struct datum d;

    if (p == NULL)
        return NULL;
    if (tag < TAG_TEXT) {
        read_column(tag, p, len, &d);
        datum_result(ctx, &d);
    } else if (tag % 2 == 0) {
        sqlite3_result_text64(ctx, (const char *)p, len, SQLITE_TRANSIENT,
                              SQLITE_UTF8);
    } else {
        sqlite3_result_blob64(ctx, p, len, SQLITE_TRANSIENT);
    }
    return p + len;
}

/* Can it have been appended to a table that had rows? */
static bool
may_be_missing(const struct column *column)
{
    return column->part < 0 &&
           (column->fallback != NULL ||
            (column->default_text == NULL && !column->not_null));
}

int
row_column(struct moss_slice *columns, const struct column *column,
           struct datum *out)
{
    if (columns->len > 0 || !may_be_missing(column))
        return row_take(columns, out) ? SQLITE_OK : SQLITE_CORRUPT;
    memset(out, 0, sizeof(*out));
    out->type = SQLITE_NULL;
    return column->fallback == NULL ? SQLITE_OK
                                    : datum_read(column->fallback, out);
}
