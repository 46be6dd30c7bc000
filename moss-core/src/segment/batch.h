/* A batch as the layers above see it, and how it becomes segments. */
#ifndef MOSS_SEGMENT_BATCH_H
#define MOSS_SEGMENT_BATCH_H

#include "base/buf.h"
#include "moss.h"
#include "segment/segment.h"

/* What a batch takes for granted of the collection that has a name. */
enum batch_before { BEFORE_ANY, BEFORE_PRESENT, BEFORE_ABSENT };

/*
 * A child in a batch, in the order of first mention: what becomes of the name,
 * whatever came before what.  It is laid over the older collection named from,
 * if that is set; over nothing, if deleted; else over the older one that had
 * its own name.  So renames of several children in a row, or round in a
 * circle, are all done at once.
 */
struct batch_child {
    struct moss_slice name; /* owned */
    struct moss_slice from; /* owned; length 0: not renamed */
    bool deleted;           /* what had the name is dropped or renamed */
    enum batch_before before;
    struct moss_batch *batch; /* owned; NULL and no from: only deleted */
};

size_t
batch_children(const struct moss_batch *batch, const struct batch_child **out);

/* A batch with the same changes, without children and tag. */
MOSS_MUST_CHECK enum moss_status
batch_copy_changes(const struct moss_batch *batch, struct moss_batch **out);
/* Is there a merge operand?  Children are not looked at. */
bool batch_has_operands(const struct moss_batch *batch);
/* How many changes, children included. */
size_t batch_total(const struct moss_batch *batch);
/*
 * Call each for all changes, children included: n in a row have keys and
 * values of these lengths.
 */
void batch_lengths(const struct moss_batch *batch,
                   void (*each)(void *arg, uint64_t key_len, uint64_t value_len,
                                uint64_t n),
                   void *arg);

/* The same for the changes of batch itself. */
void batch_own_lengths(const struct moss_batch *batch,
                       void (*each)(void *arg, uint64_t key_len,
                                    uint64_t value_len, uint64_t n),
                       void *arg);

/* Begins with moss_batch_clear(). */
bool batch_is_cleared(const struct moss_batch *batch);

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
