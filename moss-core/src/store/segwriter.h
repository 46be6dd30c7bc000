/* Writes segments into a file, entry by entry. */
#ifndef MOSS_STORE_SEGWRITER_H
#define MOSS_STORE_SEGWRITER_H

#include "stack/segstack.h"
#include "store/extras.h"
#include "store/file.h"

#define SEGWRITER_INDEX_MIN ((uint64_t)16 << 10)

struct segwriter {
    struct file *file;                       /* borrowed */
    uint64_t nonce;                          /* the file's */
    const struct moss_merge_operator *merge; /* borrowed; NULL: none */
    /*
     * Segments with fewer bytes of keys get no index, and none gets one that
     * may come out larger than index_max_bytes.  0: the defaults,
     * SEGWRITER_INDEX_MIN and no bound.
     */
    uint64_t index_min_key_bytes, index_max_bytes;
    /* Write segments of this kind; borrowed; NULL: Go moss's. */
    const struct moss_segment_kind *kind;
    uint64_t pos; /* where the next segment may begin: on a page */
    uint64_t n_segments, n_bytes; /* written so far */
};

/*
 * Write what segmerge_new() makes of segs as one segment; w->pos is then
 * behind it.  Nothing left: loc->kvs_bytes is 0 and nothing was written.
 * After a failure w->pos is as it was.
 */
MOSS_MUST_CHECK enum moss_status
segwriter_merge(struct segwriter *w, struct segment *const *segs, size_t n,
                const struct segstack *below, struct segment_loc *loc,
                struct moss_error *err);

/*
 * Write the changes of batch itself, from that number on, deletions included,
 * as one segment; MOSS_INVALID if there is a merge operand.  See
 * batch_order_new() for the memory that it takes.  No changes: as above.
 */
MOSS_MUST_CHECK enum moss_status
segwriter_batch(struct segwriter *w, const struct moss_batch *batch,
                size_t from, struct segment_loc *loc, struct moss_error *err);

/*
 * The same by and by.  w, segs' segments and below are borrowed, and err is
 * filled in, until it is freed.
 */
struct segwriting;
MOSS_MUST_CHECK enum moss_status
segwriting_new(struct segwriter *w, struct segment *const *segs, size_t n,
               const struct segstack *below, struct segwriting **out,
               struct moss_error *err);
/*
 * Write about so many bytes more; *written says how many came.  MOSS_DONE: it
 * was the end, and *loc is set.
 */
MOSS_MUST_CHECK enum moss_status
segwriting_go_on(struct segwriting *g, uint64_t bytes, uint64_t *written,
                 struct segment_loc *loc);
/* At any time; NULL is fine. */
void segwriting_free(struct segwriting *g);

/* Write seg as it is, merge operands and deletions included. */
MOSS_MUST_CHECK enum moss_status
segwriter_copy(struct segwriter *w, const struct segment *seg,
               struct segment_loc *loc, struct moss_error *err);

#endif
