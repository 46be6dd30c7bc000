/*
 * SQL values as key bytes whose byte order is the order of SQLite's ORDER BY.
 * The format is in DESIGN.md, "Keys and rows".
 */
#ifndef MOSS_EXT_KEY_H
#define MOSS_EXT_KEY_H

#include "ext.h"
#include "record.h"
#include "schema.h"

/* The first byte of a part, by type, inverted if the part is DESC. */
enum key_class {
    KEY_NULL = 0x10, /* in indexes only */
    KEY_NUMBER = 0x20,
    KEY_TEXT = 0x30,
    KEY_BLOB = 0x40
};

/*
 * What the key bytes do not tell, because numbers that compare equal are one
 * key: kept in the row's record.
 */
enum key_note {
    KEY_NOTE_NONE = 0,
    KEY_NOTE_REAL = 1,         /* 1.0, not 1 */
    KEY_NOTE_NEGATIVE_ZERO = 2 /* -0.0 */
};

/*
 * Append d, which is NULL only if the part is nullable, as one part of a key;
 * last: no other follows.  SQLITE_OK or SQLITE_NOMEM.
 */
int key_encode(struct bytes *out, const struct datum *d,
               const struct key_part *part, bool last);
enum key_note key_note(const struct datum *d);

/*
 * Take a part off in.  *out is in the key's own form of the value: not what
 * was written, if its collation is not BINARY.  Its bytes lie in the key, or
 * in scratch, which is overwritten.  SQLITE_CORRUPT if key_encode() and
 * key_note() cannot have made this; SQLITE_NOMEM.
 */
int
key_decode(struct moss_slice *in, unsigned note, const struct key_part *part,
           bool last, struct bytes *scratch, struct datum *out);

/* Take a part off in, unseen, that is not the last.  False: it has no end. */
bool key_skip(struct moss_slice *in, const struct key_part *part);

#endif
