/*
 * SQL values outside of SQLite's own memory cells, and the value bytes that a
 * typed table keeps under a key.  The format is in DESIGN.md, "Keys and
 * rows".
 */
#ifndef MOSS_EXT_RECORD_H
#define MOSS_EXT_RECORD_H

#include "ext.h"

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
 * Append a record: note (see key_note()) and n columns.  SQLITE_OK or
 * SQLITE_NOMEM.
 */
int row_encode(struct bytes *out, unsigned note, const struct datum *columns,
               size_t n);
/* The note of a record; false if the bytes are not a record. */
bool row_note(struct moss_slice record, unsigned *note);
/* Column i; false if the record does not have it or is damaged. */
bool row_column(struct moss_slice record, size_t i, struct datum *out);

#endif
