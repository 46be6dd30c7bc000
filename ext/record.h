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
/*
 * Take the notes, of which there are n_notes, off a record; *columns is what
 * follows.  False if the bytes are no record.
 */
bool row_notes(struct moss_slice record, uint8_t *notes, size_t n_notes,
               struct moss_slice *columns);
/* Take the next column off; false if there is none or it is damaged. */
bool row_take(struct moss_slice *columns, struct datum *out);

#endif
