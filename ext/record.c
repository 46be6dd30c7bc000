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
    TAG_TEXT = 12, /* 12 + 2 * length */
    TAG_BLOB = 13  /* 13 + 2 * length */
};

#define MAX_VARINT 10

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
        p = sqlite3_value_text(v);
        if (p == NULL)
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

static int
append_varint(struct bytes *out, uint64_t v)
{
    uint8_t buf[MAX_VARINT];
    size_t n = 0;

    while (v >= 0x80) {
        buf[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    buf[n++] = (uint8_t)v;
    return bytes_append(out, buf, n);
}

static bool
take_varint(struct moss_slice *in, uint64_t *out)
{
    uint64_t v = 0;

    for (size_t i = 0; i < in->len && i < MAX_VARINT; i++) {
        uint8_t b = in->bytes[i];

        if (i == MAX_VARINT - 1 && b > 1)
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

/* As few little-endian bytes as keep the sign. */
static int
append_integer(struct bytes *out, int64_t v)
{
    uint64_t bits = (uint64_t)v;
    uint8_t buf[1 + 8];
    size_t n = 0;

    while (n < 8) {
        int64_t left = v >> (8 * n);

        /* What is left is all sign, and the byte before has that sign. */
        if (left == 0 && (n == 0 || buf[n] < 0x80))
            break;
        if (left == -1 && n > 0 && buf[n] >= 0x80)
            break;
        buf[1 + n] = (uint8_t)(bits >> (8 * n));
        n++;
    }
    buf[0] = (uint8_t)(TAG_INTEGER + n);
    return bytes_append(out, buf, 1 + n);
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

static int
append_real(struct bytes *out, double r)
{
    uint8_t buf[1 + 8];
    uint64_t bits;

    memcpy(&bits, &r, sizeof(bits));
    buf[0] = TAG_REAL;
    for (size_t i = 0; i < 8; i++)
        buf[1 + i] = (uint8_t)(bits >> (8 * i));
    return bytes_append(out, buf, sizeof(buf));
}

static int
append_column(struct bytes *out, const struct datum *d)
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
 * byte; else NOTES_FOLLOW and a byte for each.
 */
#define NOTES_FOLLOW 3

static int
append_notes(struct bytes *out, const uint8_t *notes, size_t n)
{
    const uint8_t follow = NOTES_FOLLOW;
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
    int rc = append_notes(out, notes, n_notes);

    for (size_t i = 0; rc == SQLITE_OK && i < n; i++)
        rc = append_column(out, &columns[i]);
    return rc;
}

bool
row_notes(struct moss_slice record, uint8_t *notes, size_t n_notes,
          struct moss_slice *columns)
{
    size_t head = 1;

    memset(notes, 0, n_notes);
    if (record.len == 0)
        return false;
    if (record.bytes[0] != NOTES_FOLLOW) {
        notes[0] = record.bytes[0];
    } else {
        head += n_notes;
        if (record.len < head)
            return false;
        memcpy(notes, record.bytes + 1, n_notes);
    }
    *columns = moss_slice(record.bytes + head, record.len - head);
    return true;
}

bool
row_take(struct moss_slice *in, struct datum *out)
{
    uint64_t tag, len;
    int64_t bits;

    memset(out, 0, sizeof(*out));
    if (!take_varint(in, &tag))
        return false;
    if (tag == TAG_NULL) {
        out->type = SQLITE_NULL;
        return true;
    }
    if (tag <= TAG_INTEGER + 8) {
        out->type = SQLITE_INTEGER;
        len = tag - TAG_INTEGER;
    } else if (tag == TAG_REAL) {
        out->type = SQLITE_FLOAT;
        len = 8;
    } else if (tag >= TAG_TEXT) {
        out->type = tag % 2 == 0 ? SQLITE_TEXT : SQLITE_BLOB;
        len = (tag - TAG_TEXT) / 2;
    } else {
        return false;
    }
    if (len > in->len)
        return false;
    if (out->type == SQLITE_INTEGER) {
        out->i = load_integer(in->bytes, (size_t)len);
    } else if (out->type == SQLITE_FLOAT) {
        bits = load_integer(in->bytes, 8);
        memcpy(&out->r, &bits, sizeof(out->r));
    } else {
        out->bytes = moss_slice(in->bytes, (size_t)len);
    }
    *in = moss_slice(in->bytes + len, in->len - (size_t)len);
    return true;
}
