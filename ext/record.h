/*
 * SQL values outside of SQLite's own memory cells, and the value bytes that a
 * typed table keeps under a key.  The format is in DESIGN.md, "Keys and
 * rows".
 */
#ifndef MOSS_EXT_RECORD_H
#define MOSS_EXT_RECORD_H

#include "ext.h"
#include "schema.h"

/* A SQL value; text is UTF-8, text and blob bytes are borrowed. */
struct datum {
    int type; /* SQLITE_NULL, SQLITE_INTEGER, ... */
    int64_t i;
    double r;
    struct moss_slice bytes;
};

/*
 * The value in v.  Its bytes last until v is converted or freed.  SQLITE_OK
 * or SQLITE_NOMEM.
 */
int datum_read(sqlite3_value *v, struct datum *out);
/* Make it the result of a SQL function or column; bytes are copied. */
void datum_result(sqlite3_context *ctx, const struct datum *d);
/* "TEXT" and so on, for messages. */
const char *datum_type_name(int type);

/*
 * The value of v once affinity is applied to it, as SQLite does when a row is
 * stored.  *owned gets a copy that the datum's bytes lie in, or NULL.
 */
int datum_convert(sqlite3_value *v, enum affinity affinity, struct datum *out,
                  sqlite3_value **owned);

/*
 * Append a record: a note for each part of the key (see key_note()) and the
 * columns that are stored.  SQLITE_OK or SQLITE_NOMEM.
 */
int row_encode(struct bytes *out, const uint8_t *notes, size_t n_notes,
               const struct datum *columns, size_t n);
/* The parts of a record, one by one. */
int row_append_notes(struct bytes *out, const uint8_t *notes, size_t n);
int row_append(struct bytes *out, const struct datum *d);
/* The 8 bytes of a real, without a tag. */
int row_append_real(struct bytes *out, double r);
/*
 * Take the notes, of which there are n_notes, off a record; *columns is what
 * follows.  False if the bytes are no record.
 */
bool row_notes(struct moss_slice record, uint8_t *notes, size_t n_notes,
               struct moss_slice *columns);
/*
 * Take the next column off, which is column.  A record that ends before it is
 * older than the column, which has its DEFAULT there.  SQLITE_OK,
 * SQLITE_CORRUPT or SQLITE_NOMEM; the bytes are the record's or column's.
 */
int row_column(struct moss_slice *columns, const struct column *column,
               struct datum *out);
/* What a record with notes for more than the first part begins with. */
#define ROW_NOTES_FOLLOW 3
/* How long the notes are; 0: the bytes are no record. */
static inline size_t
row_notes_length(struct moss_slice record, size_t n_notes)
{
    size_t n = 1;

    if (record.len > 0 && record.bytes[0] == ROW_NOTES_FOLLOW)
        n += n_notes;
    return record.len < n ? 0 : n;
}
/* Take the next column off; false if there is none or it is damaged. */
bool row_take(struct moss_slice *columns, struct datum *out);
/*
 * The same of the columns from at to end: gives back where the next one
 * begins, or NULL.  Unseen; or as the result of a SQL function or column, for
 * which bytes are copied.  (Pointers, as a scan calls these for each row: a
 * slice in memory is read before it is written.)
 */
const uint8_t *row_skip(const uint8_t *at, const uint8_t *end);
const uint8_t *
row_result(const uint8_t *at, const uint8_t *end, sqlite3_context *ctx);

/* ------------------------------- what is written without SQLite's memory */

enum {
    ROW_HEAD_BYTES = 10,           /* a varint, or a tag with a length */
    ROW_SUM_BYTES = 1 + 16 + 1 + 8 /* a sum that needs all it may have */
};

/* An integer of 128 bits, two's complement. */
struct wide {
    uint64_t low, high;
};

static inline struct wide
wide_of(int64_t i)
{
    struct wide w = { (uint64_t)i, i < 0 ? UINT64_MAX : 0 };

    return w;
}

static inline struct wide
wide_add(struct wide a, struct wide b)
{
    struct wide sum = { a.low + b.low, a.high + b.high };

    sum.high += sum.low < a.low;
    return sum;
}

/* Each writes to out and gives back the length. */
size_t row_varint(uint64_t v, uint8_t out[ROW_HEAD_BYTES]);
/* What comes before the n bytes of a text. */
size_t row_text_head(uint64_t n, uint8_t out[ROW_HEAD_BYTES]);
/*
 * The column for a sum of integers and reals, either of which may be missing.
 * It reads as an integer if it is one and fits, else as a real.
 */
size_t row_sum(struct wide ints, bool has_int, double real, bool has_real,
               uint8_t out[ROW_SUM_BYTES]);
/* The two parts of a column that only row_sum() writes; false: it is none. */
bool row_take_sum(const struct datum *d, struct wide *ints, double *real,
                  bool *has_real);
bool row_take_varint(struct moss_slice *in, uint64_t *out);

#endif
