/*
 * SQL values as key bytes whose byte order is the order of SQLite's ORDER BY.
 * The format is in DESIGN.md, "Keys and rows".
 */
#ifndef MOSS_EXT_KEY_H
#define MOSS_EXT_KEY_H

#include "ext.h"
#include "record.h"

/*
 * The first byte of a key, by type.  The gaps leave room for a NULL and for
 * what columns of an index may need.
 */
enum key_class { KEY_NUMBER = 0x20, KEY_TEXT = 0x30, KEY_BLOB = 0x40 };

/*
 * What the key bytes do not tell, because numbers that compare equal are one
 * key: kept in the row's record.
 */
enum key_note {
    KEY_NOTE_NONE = 0,
    KEY_NOTE_REAL = 1,         /* 1.0, not 1 */
    KEY_NOTE_NEGATIVE_ZERO = 2 /* -0.0 */
};

/* Append the key of d, which is not NULL.  SQLITE_OK or SQLITE_NOMEM. */
int key_encode(struct bytes *out, const struct datum *d);
enum key_note key_note(const struct datum *d);

/*
 * The value of a key; its bytes are borrowed.  False if key_encode() and
 * key_note() cannot have made this pair.
 */
bool key_decode(struct moss_slice key, unsigned note, struct datum *out);

#endif
