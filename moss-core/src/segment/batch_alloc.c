/*
 * Memory of a batch that the caller fills: keys and values are written where
 * they stay.
 *
 *     buf   change 0 | change 1 | lent, not used yet ...
 *                               ^ the next change goes here, if it is in place
 *
 * A change in place takes the bytes that it was written to.  All else is
 * copied behind whatever was lent, which leaves a gap, so that bytes which the
 * caller may still write to are never moved, nor given to somebody else.  For
 * the same reason an array that has become too small is kept while something
 * in it is lent; there are at most as many as it has doubled.
 *
 * One thread at a time, as the batch.
 */
#include "base/mem.h"
#include "segment/batch_impl.h"

void
batch_forget_lent(struct moss_batch *batch)
{
    while (batch->retired != NULL) {
        struct retired_bytes *r = batch->retired;

        batch->retired = r->next;
        mem_free(r->bytes);
        mem_free(r);
    }
    batch->lent = 0;
    batch->buf.len = batch_offset(batch, batch->n);
}

enum moss_status
batch_reserve_bytes(struct moss_batch *batch, size_t n)
{
    struct retired_bytes *r;
    struct buf larger;
    size_t want;
    enum moss_status st;

    if (n <= batch->buf.cap - batch->buf.len)
        return MOSS_OK;
    if (__builtin_add_overflow(2 * batch->buf.cap, n, &want))
        return MOSS_NOMEM;
    r = mem_alloc(sizeof(*r));
    if (r == NULL)
        return MOSS_NOMEM;
    buf_init(&larger);
    st = buf_reserve(&larger, want);
    if (st == MOSS_OK)
        st = buf_append(&larger, batch->buf.bytes, batch->buf.len);
    if (st != MOSS_OK) {
        buf_release(&larger);
        mem_free(r);
        return st;
    }
    r->bytes = batch->buf.bytes;
    r->next = batch->retired;
    batch->retired = r;
    batch->buf = larger;
    return MOSS_OK;
}

enum moss_status
moss_batch_alloc(struct moss_batch *batch, size_t n, uint8_t **bytes)
{
    size_t room = n > 0 ? n : 1; /* so that there is an array */
    enum moss_status st;

    *bytes = NULL;
    if (n > MOSS_MAX_KEY + MOSS_MAX_VALUE)
        return MOSS_TOO_BIG;
    st = batch->lent == 0 ? buf_reserve(&batch->buf, room)
                          : batch_reserve_bytes(batch, room);
    if (st != MOSS_OK)
        return st;
    *bytes = batch->buf.bytes + batch->buf.len;
    batch->last_lent = batch->buf.len;
    batch->buf.len += n;
    batch->lent += n;
    return MOSS_OK;
}

/* Do key and value lie one behind the other in bytes that are lent? */
static bool
is_in_place(const struct moss_batch *batch, struct moss_slice key,
            struct moss_slice value)
{
    uintptr_t buf = (uintptr_t)batch->buf.bytes;
    uintptr_t at = (uintptr_t)key.bytes, end = at + key.len;

    if (value.len > 0 && (uintptr_t)value.bytes != end)
        return false;
    return batch->buf.bytes != NULL &&
           at >= buf + batch_offset(batch, batch->n) &&
           end + value.len <= buf + batch->buf.len;
}

static void
use_lent(struct moss_batch *batch, size_t n)
{
    batch->lent -= n < batch->lent ? n : batch->lent;
}

static enum moss_status
add_in_place(struct moss_batch *batch, enum moss_op op, struct moss_slice key,
             struct moss_slice value)
{
    size_t offset = (size_t)(key.bytes - batch->buf.bytes);
    size_t end = offset + key.len + value.len;
    enum moss_status st = batch_reserve_change(batch, key, value);

    if (st != MOSS_OK)
        return st;
    if (offset != batch_offset(batch, batch->n))
        batch->has_gaps = true;
    batch_append_change(batch, op, key, value, offset);
    use_lent(batch, key.len + value.len);
    if (end > batch->last_lent) {
        /* More was allocated than it took. */
        use_lent(batch, batch->buf.len - end);
        batch->buf.len = end;
    }
    return MOSS_OK;
}

/* copy: what to do if it is not in place. */
static enum moss_status
add_allocated(struct moss_batch *batch, enum moss_op op, struct moss_slice key,
              struct moss_slice value,
              enum moss_status (*copy)(struct moss_batch *batch,
                                       struct moss_slice key,
                                       struct moss_slice value))
{
    enum moss_status st;

    if (is_in_place(batch, key, value))
        return add_in_place(batch, op, key, value);
    if (key.len > MOSS_MAX_KEY || value.len > MOSS_MAX_VALUE)
        return MOSS_TOO_BIG;
    /* They may lie in the array: it must not move while they are copied. */
    st = batch_reserve_bytes(batch, key.len + value.len);
    if (st == MOSS_OK)
        st = copy(batch, key, value);
    if (st == MOSS_OK)
        use_lent(batch, key.len + value.len);
    return st;
}

enum moss_status
moss_batch_alloc_set(struct moss_batch *batch, struct moss_slice key,
                     struct moss_slice value)
{
    return add_allocated(batch, MOSS_OP_SET, key, value, moss_batch_set);
}

static enum moss_status
copy_del(struct moss_batch *batch, struct moss_slice key,
         struct moss_slice value)
{
    (void)value;
    return moss_batch_del(batch, key);
}

enum moss_status
moss_batch_alloc_del(struct moss_batch *batch, struct moss_slice key)
{
    return add_allocated(batch, MOSS_OP_DEL, key, moss_slice(NULL, 0),
                         copy_del);
}

enum moss_status
moss_batch_alloc_merge(struct moss_batch *batch, struct moss_slice key,
                       struct moss_slice operand)
{
    return add_allocated(batch, MOSS_OP_MERGE, key, operand, moss_batch_merge);
}
