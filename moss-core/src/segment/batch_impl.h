/* What a batch is made of, for batch.c and batch_segments.c. */
#ifndef MOSS_SEGMENT_BATCH_IMPL_H
#define MOSS_SEGMENT_BATCH_IMPL_H

#include "base/buf.h"
#include "segment/batch.h"

/* A byte array that was too small, while the caller may still write to it. */
struct retired_bytes {
    struct retired_bytes *next;
    uint8_t *bytes; /* owned */
};

/*
 * The changes in the order they were made, as a segment's entries (segment.h)
 * over a byte array in the same order.  Unless there are gaps, the offset of
 * change i is also the number of bytes before it.  Behind the last change may
 * be bytes that were allocated and not used yet (batch_alloc.c).
 */
struct moss_batch {
    uint64_t *kvs;
    size_t n, cap;
    struct buf buf;
    bool has_gaps;
    size_t lent;      /* bytes allocated and not used; not 0: do not move buf */
    size_t last_lent; /* where those allocated last begin */
    struct retired_bytes *retired;
    size_t prefix_len; /* bytes that all keys share, or fewer */
    struct moss_tag tag;
    bool cleared; /* the collection is emptied before the changes */
    struct batch_child *children;
    size_t n_children, cap_children;
    unsigned depth; /* of child collections; 0 at the top */
};

/* Where change i begins, i < n, or where the last one ends, i == n. */
static inline size_t
batch_offset(const struct moss_batch *batch, size_t i)
{
    uint64_t w;

    if (i < batch->n)
        return (size_t)batch->kvs[2 * i + 1];
    if (i == 0)
        return 0;
    w = batch->kvs[2 * i - 2];
    return (size_t)(batch->kvs[2 * i - 1] +
                    (w >> ENTRY_KEY_SHIFT & ENTRY_KEY_MASK) +
                    (w & ENTRY_VALUE_MASK));
}

/* Room for one more change; checks the limits of key and value. */
MOSS_MUST_CHECK enum moss_status
batch_reserve_change(struct moss_batch *batch, struct moss_slice key,
                     struct moss_slice value);
/* One more change, whose key and value lie at offset.  There is room. */
void batch_append_change(struct moss_batch *batch, enum moss_op op,
                         struct moss_slice key, struct moss_slice value,
                         size_t offset);

/* Room for n more bytes, such that what was lent stays where it is. */
MOSS_MUST_CHECK enum moss_status
batch_reserve_bytes(struct moss_batch *batch, size_t n);
/* What was lent is not used any more. */
void batch_forget_lent(struct moss_batch *batch);

#endif
