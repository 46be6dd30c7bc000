/* A new data file, which takes the place of the old one. */
#ifndef MOSS_STORE_NEWFILE_H
#define MOSS_STORE_NEWFILE_H

#include "store/store.h"

/* A new file on its way.  Zero before its first use. */
struct newfile {
    uint64_t number;
    char *temp_path, *path;
    struct file *file; /* one reference */
    struct identity id;
    bool is_renamed, is_published;
    uint64_t written; /* bytes of segments */
};

/*
 * Create it under its temporary name, with its first page.  It gets *id, or
 * the store's (NULL), and a nonce of its own.
 */
MOSS_MUST_CHECK enum moss_status
newfile_begin(struct moss_store *s, const struct identity *id,
              struct newfile *n, struct moss_error *err);
/*
 * Make plan, whose segments are written, a commit point: its synced footer is
 * at pos.
 */
MOSS_MUST_CHECK enum moss_status
newfile_commit(struct moss_store *s, struct newfile *n, struct plan *plan,
               uint64_t pos, struct commit **out, struct moss_error *err);
/*
 * Put it in the old file's place, with *next, which is taken over on success,
 * as the newest commit point; *out, unless out is NULL, gets a snapshot of it.
 */
MOSS_MUST_CHECK enum moss_status
newfile_publish(struct moss_store *s, struct newfile *n,
                const struct compaction_count *count, struct commit **next,
                struct moss_snapshot **out, struct moss_error *err);
/* Let go of it, and of the file if it was not published. */
void newfile_end(struct moss_store *s, struct newfile *n);

#endif
