/*
 * Rows together with their index entries: what changes one changes the other.
 */
#ifndef MOSS_EXT_INDEX_H
#define MOSS_EXT_INDEX_H

#include "reader.h"
#include "vtab.h"

/* The entries of a row, one for each index of the table. */
struct entries {
    struct bytes bytes; /* all keys and values */
    struct entry {
        size_t key, value, end; /* where they begin, and the value ends */
        bool exact; /* UNIQUE without a NULL: its key has only its own parts */
    } * at;
};

/* SQLITE_OK or SQLITE_NOMEM. */
int entries_begin(struct entries *e, const struct schema *s);
void entries_release(struct entries *e); /* idempotent */
/*
 * Encode those of the row with these columns (one datum for each) and this
 * key.  SQLITE_TOOBIG if a key is over the library's limit.
 */
int entries_encode(struct entries *e, const struct schema *s,
                   const struct datum *columns, struct moss_slice key);

static inline struct moss_slice
entry_key(const struct entries *e, int i)
{
    return moss_slice(e->bytes.p + e->at[i].key, e->at[i].value - e->at[i].key);
}

static inline struct moss_slice
entry_value(const struct entries *e, int i)
{
    return moss_slice(e->bytes.p + e->at[i].value,
                      e->at[i].end - e->at[i].value);
}

/* A row as it stands, taken apart. */
struct image {
    struct moss_value held;
    struct bytes key;
    struct bytes parts;    /* what the datums of key parts lie in */
    struct datum *columns; /* of each column */
    struct entries entries;
};

/*
 * Read the row under key, own changes included, into an image that is all
 * zeros.  SQLITE_NOTFOUND; the table's zErrMsg is set on a failure.  Release it
 * in any case; valid until the next change to the table.
 */
int image_read(struct image *image, struct vtab *v, struct moss_slice key);
/* The same for a row whose bytes are at hand; value is borrowed. */
int image_of(struct image *image, struct vtab *v, struct moss_slice key,
             struct moss_slice value);
void image_release(struct image *image); /* idempotent */

/*
 * The key of the row that has entry i of e, where that is exact: SQLITE_OK, or
 * SQLITE_NOTFOUND.
 */
int entries_find(struct vtab *v, int i, const struct entries *e,
                 struct bytes *row_key);

/* Delete a row and its entries. */
int image_delete(struct vtab *v, const struct image *old);
/* Exchange the entries of a row: old NULL, it is new. */
int
entries_put(struct vtab *v, const struct image *old, const struct entries *new);

/* -------------------------------------------------------- index_check.c */

/* Called now and then; other than SQLITE_OK ends the check. */
struct index_check_hook {
    int (*go_on)(void *arg);
    void *arg;
};

/*
 * Compare the indexes with the rows, own changes included.  SQLITE_CORRUPT,
 * with the table's zErrMsg, if an entry is missing, wrong or too many.  hook
 * may be NULL.
 */
int index_check(struct vtab *v, const struct index_check_hook *hook);

#endif
