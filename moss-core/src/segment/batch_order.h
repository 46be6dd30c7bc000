/* The changes of a batch in key order, where they lie. */
#ifndef MOSS_SEGMENT_BATCH_ORDER_H
#define MOSS_SEGMENT_BATCH_ORDER_H

#include "segment/batch.h"

/* Gives each key once, with its last change.  One thread. */
struct batch_order;

/*
 * Order the changes [from, to) of batch itself, none of which is a merge
 * operand (MOSS_INVALID).  Borrows batch, which stays as it is until the
 * order is freed.  Takes 32 bytes a change for a while and 16 then; nothing
 * if they came in order.
 */
MOSS_MUST_CHECK enum moss_status
batch_order_new(const struct moss_batch *batch, size_t from, size_t to,
                struct batch_order **out);
/* The next change; false at the end.  Its slices point into the batch. */
bool batch_order_next(struct batch_order *o, struct entry *e);
void batch_order_free(struct batch_order *o); /* NULL is fine */

#endif
