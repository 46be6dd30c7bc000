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
    struct moss_slice row_key;    /* valid once next >= 0 */
    struct moss_slice rest;       /* of the record, from column next on */
    int next;                     /* -1: nothing is taken apart yet */
    struct bytes notes;           /* of each part */
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

/* The row or entry at hand, whose bytes must stay where they are. */
static inline void
reader_set(struct reader *r, struct moss_slice key, struct moss_slice value)
{
    r->key = key;
    r->value = value;
    r->next = -1;
}

/* SQLITE_CORRUPT if the bytes cannot be of this table or index. */

/* The key of the row: as long as the entry's bytes last. */
int reader_row_key(struct reader *r, struct moss_slice *out);
/* Does an entry have the column, or is a row needed? */
bool reader_has(const struct reader *r, int column);
/* A column that it has; the bytes last until the next call. */
int reader_column(struct reader *r, int column, struct datum *out);
/* Of a table with rowids; SQLITE_INTEGER. */
int reader_rowid(struct reader *r, struct datum *out);

#endif
