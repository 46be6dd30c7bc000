/* A batch as the layers above see it, and how it becomes segments. */
#ifndef MOSS_SEGMENT_BATCH_H
#define MOSS_SEGMENT_BATCH_H

#include "base/buf.h"
#include "moss.h"
#include "segment/segment.h"

/*
 * A child in a batch, in the order of first mention.  After a deletion and a
 * new beginning both deleted and batch are set: drop what was there, then lay
 * batch over nothing.
 */
struct batch_child {
    struct moss_slice name; /* owned */
    bool deleted;
    struct moss_batch *batch; /* owned; NULL: only deleted */
};

size_t
batch_children(const struct moss_batch *batch, const struct batch_child **out);

/* MOSS_INVALID unless name may name a child collection (see moss.h). */
MOSS_MUST_CHECK enum moss_status batch_check_child_name(struct moss_slice name);

/*
 * Sort the changes [from, to) of batch itself into segments with unique keys,
 * oldest first; all but the first are rare: they hold operands of one key
 * that merge cannot combine.  No changes: *n is 0.  merge may be NULL; then
 * operands are MOSS_NO_OPERATOR.  On MOSS_OK the caller owns the array
 * (mem_free) and one reference to each segment.
 */
MOSS_MUST_CHECK enum moss_status
batch_segments(const struct moss_batch *batch, size_t from, size_t to,
               const struct moss_merge_operator *merge, struct segment ***segs,
               size_t *n);

#endif
