/* What a batch is made of, for batch.c and batch_segments.c. */
#ifndef MOSS_SEGMENT_BATCH_IMPL_H
#define MOSS_SEGMENT_BATCH_IMPL_H

#include "base/buf.h"
#include "segment/batch.h"

/*
 * The changes in the order they were made, as a segment's entries (segment.h)
 * over a byte array without gaps: the offset of change i is also the number
 * of bytes before it.
 */
struct moss_batch {
    uint64_t *kvs;
    size_t n, cap;
    struct buf buf;
    size_t prefix_len; /* bytes that all keys share, or fewer */
    struct moss_tag tag;
    bool cleared; /* the collection is emptied before the changes */
    struct batch_child *children;
    size_t n_children, cap_children;
    unsigned depth; /* of child collections; 0 at the top */
};

/* The bytes of keys and values before change i, i <= n. */
static inline size_t
batch_offset(const struct moss_batch *batch, size_t i)
{
    return i == batch->n ? batch->buf.len : (size_t)batch->kvs[2 * i + 1];
}

#endif
