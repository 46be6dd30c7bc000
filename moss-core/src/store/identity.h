/* The header of a data file, and who the file belongs to. */
#ifndef MOSS_STORE_IDENTITY_H
#define MOSS_STORE_IDENTITY_H

#include "moss.h"
#include "store/file.h"

/* What stands behind Go's two lines in the first page of a file. */
struct identity {
    bool is_there;  /* false in a file that this library has not written yet */
    uint64_t seq;   /* counts the changes; the newest valid one holds */
    uint64_t nonce; /* of this file: seeds its checksums */
    /*
     * Features that a reader may ignore, that a writer must know, and that
     * everybody must know.  None are defined yet.
     */
    uint64_t compatible, readonly_compatible, incompatible;
    struct moss_store_identity pub;
};

/*
 * Read the first page.  MOSS_CORRUPT: not a data file; MOSS_UNSUPPORTED:
 * another format version or byte order, or a feature that is not known.
 */
MOSS_MUST_CHECK enum moss_status
identity_read(struct file *file, bool readonly, struct identity *out,
              struct moss_error *err);

/*
 * Make the first page of a new file.  MOSS_INVALID if the home's path is too
 * long for it.
 */
MOSS_MUST_CHECK enum moss_status
identity_first_page(const struct identity *id, uint64_t unix_seconds,
                    uint8_t page[FILE_PAGE]);

/*
 * Write id into the slot that its seq names, which is not that of seq - 1.
 * The caller syncs.  MOSS_INVALID as above.
 */
MOSS_MUST_CHECK enum moss_status
identity_write(struct file *file, const struct identity *id,
               struct moss_error *err);

#endif
