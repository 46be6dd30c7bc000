/*
 * A stored row, or an entry of an index, taken apart column by column as far
 * as asked for.
 */
#ifndef MOSS_EXT_READER_H
#define MOSS_EXT_READER_H

#include "key.h"
#include "record.h"
#include "schema.h"

struct reader {
    const struct schema *schema;
    const struct index *index;    /* NULL: rows of the table */
    struct moss_slice key, value; /* borrowed */
    struct moss_slice row_key;    /* valid once is_begun */
    bool is_begun;                /* notes and row_key are read */
    /*
     * Where in value the columns of the record begin, up to column known; -1:
     * nothing is known yet.
     */
    int known;
    size_t *columns;
    size_t room;        /* for so many */
    struct bytes notes; /* of each part */
    struct bytes scratch;
};

/*
 * Begin to read rows, or entries of index.  Again for another index; release
 * at the end, which is idempotent.  SQLITE_OK or SQLITE_NOMEM.
 */
int reader_begin(struct reader *r, const struct schema *schema,
                 const struct index *index);
void reader_release(struct reader *r);
size_t reader_memory(const struct reader *r); /* how many bytes it has */

/* Another row or entry has come to key and value: see reader_set(). */
static inline void
reader_changed(struct reader *r)
{
    r->is_begun = false;
    r->known = -1;
}

/* The row or entry at hand, whose bytes must stay where they are. */
static inline void
reader_set(struct reader *r, struct moss_slice key, struct moss_slice value)
{
    r->key = key;
    r->value = value;
    reader_changed(r);
}

/* SQLITE_CORRUPT if the bytes cannot be of this table or index. */

/* The key of the row: as long as the entry's bytes last. */
int reader_row_key(struct reader *r, struct moss_slice *out);
/* Does an entry have the column, or is a row needed? */
bool reader_has(const struct reader *r, int column);
/* A column that it has; the bytes last until the next call. */
int reader_column(struct reader *r, int column, struct datum *out);
/* A column of a row that is in its record, as the result of xColumn. */
int reader_result(struct reader *r, const struct column *column,
                  sqlite3_context *ctx);
/*
 * The key of a row as the result of xColumn, if it is a text that stands there
 * as it is.  The key has one part, in ascending order.
 */
static inline bool
reader_text_key(const struct reader *r, sqlite3_context *ctx)
{
    if (r->key.len == 0 || r->key.bytes[0] != KEY_TEXT || r->value.len == 0 ||
        r->value.bytes[0] != KEY_NOTE_NONE)
        return false;
    sqlite3_result_text64(ctx, (const char *)r->key.bytes + 1, r->key.len - 1,
                          SQLITE_TRANSIENT, SQLITE_UTF8);
    return true;
}

/* Of a table with rowids; SQLITE_INTEGER. */
int reader_rowid(struct reader *r, struct datum *out);

#endif
