/*
 * Batches: the changes of one transaction, in the order they were made.
 *
 * Adding a change appends two words and the bytes of key and value to arrays
 * that are kept over a reset; nothing is sorted here (batch_segments.c).  On
 * the way the bytes that all keys share are counted, since the key is in the
 * cache anyway; sorting begins behind them.
 *
 * One thread at a time.
 */
#include "segment/batch.h"

#include <assert.h>

#include "base/mem.h"
#include "segment/batch_impl.h"

static enum moss_status
reserve_entries(struct moss_batch *batch, size_t n)
{
    size_t cap = batch->cap + batch->cap / 2;
    uint64_t *kvs;

    if (n <= batch->cap - batch->n)
        return MOSS_OK;
    if (cap < batch->n + n)
        cap = batch->n + n;
    if (cap < 16)
        cap = 16;
    kvs = mem_resize(batch->kvs, cap, 16);
    if (kvs == NULL)
        return MOSS_NOMEM;
    batch->kvs = kvs;
    batch->cap = cap;
    return MOSS_OK;
}

enum moss_status
moss_batch_new(size_t ops, size_t bytes, struct moss_batch **out)
{
    struct moss_batch *batch;
    enum moss_status st = MOSS_OK;

    *out = NULL;
    batch = mem_zalloc(1, sizeof(*batch));
    if (batch == NULL)
        return MOSS_NOMEM;
    buf_init(&batch->buf);
    if (ops > 0)
        st = reserve_entries(batch, ops);
    if (st == MOSS_OK && bytes > 0)
        st = buf_reserve(&batch->buf, bytes);
    if (st < 0)
        moss_batch_free(batch);
    else
        *out = batch;
    return st;
}

static void
free_children(struct moss_batch *batch)
{
    for (size_t i = 0; i < batch->n_children; i++) {
        struct batch_child *child = &batch->children[i];

        moss_batch_free(child->batch);
        mem_free((void *)(uintptr_t)child->name.bytes);
        mem_free((void *)(uintptr_t)child->from.bytes);
    }
    batch->n_children = 0;
}

void
moss_batch_free(struct moss_batch *batch)
{
    if (batch == NULL)
        return;
    free_children(batch);
    mem_free(batch->children);
    batch_forget_lent(batch);
    mem_free(batch->kvs);
    buf_release(&batch->buf);
    mem_free(batch);
}

void
moss_batch_reset(struct moss_batch *batch)
{
    free_children(batch);
    moss_batch_truncate(batch, 0);
    batch_forget_lent(batch);
    batch->tag = (struct moss_tag){ 0, 0 };
    batch->cleared = false;
}

/* ------------------------------------------------------------------ */
/* Changes                                                            */
/* ------------------------------------------------------------------ */

static void
note_prefix(struct moss_batch *batch, struct moss_slice key)
{
    const uint8_t *first;

    if (batch->n == 0 || batch->prefix_len > key.len)
        batch->prefix_len = key.len;
    if (batch->n == 0 || batch->prefix_len == 0)
        return;
    first = batch->buf.bytes + batch->kvs[1];
    if (memcmp(first, key.bytes, batch->prefix_len) != 0)
        batch->prefix_len = shared_bytes(first, key.bytes, batch->prefix_len);
}

/* Into room that is there. */
static void
put_bytes(struct buf *buf, struct moss_slice s)
{
    if (s.len > 0)
        memcpy(buf->bytes + buf->len, s.bytes, s.len);
    buf->len += s.len;
}

enum moss_status
batch_reserve_change(struct moss_batch *batch, struct moss_slice key,
                     struct moss_slice value)
{
    if (key.len > MOSS_MAX_KEY || value.len > MOSS_MAX_VALUE)
        return MOSS_TOO_BIG;
    return reserve_entries(batch, 1);
}

void
batch_append_change(struct moss_batch *batch, enum moss_op op,
                    struct moss_slice key, struct moss_slice value,
                    size_t offset)
{
    uint64_t *words = batch->kvs + 2 * batch->n;

    note_prefix(batch, key);
    words[0] = (uint64_t)op << ENTRY_OP_SHIFT |
               (uint64_t)key.len << ENTRY_KEY_SHIFT | (uint64_t)value.len;
    words[1] = offset;
    batch->n++;
}

static enum moss_status
add(struct moss_batch *batch, enum moss_op op, struct moss_slice key,
    struct moss_slice value)
{
    enum moss_status st = batch_reserve_change(batch, key, value);
    size_t n = key.len + value.len;

    if (st < 0)
        return st;
    if (batch->lent == 0) {
        st = buf_reserve(&batch->buf, n);
    } else {
        batch->has_gaps = true; /* what is lent stays before it */
        st = batch_reserve_bytes(batch, n);
    }
    if (st < 0)
        return st;
    batch_append_change(batch, op, key, value, batch->buf.len);
    put_bytes(&batch->buf, key);
    put_bytes(&batch->buf, value);
    return MOSS_OK;
}

enum moss_status
moss_batch_set(struct moss_batch *batch, struct moss_slice key,
               struct moss_slice value)
{
    return add(batch, MOSS_OP_SET, key, value);
}

enum moss_status
moss_batch_del(struct moss_batch *batch, struct moss_slice key)
{
    return add(batch, MOSS_OP_DEL, key, moss_slice(NULL, 0));
}

enum moss_status
moss_batch_merge(struct moss_batch *batch, struct moss_slice key,
                 struct moss_slice operand)
{
    return add(batch, MOSS_OP_MERGE, key, operand);
}

size_t
moss_batch_count(const struct moss_batch *batch)
{
    return batch->n;
}

size_t
moss_batch_bytes(const struct moss_batch *batch)
{
    size_t sum = batch_offset(batch, batch->n);

    if (batch->has_gaps) {
        sum = 0;
        for (size_t i = 0; i < batch->n; i++) {
            uint64_t w = batch->kvs[2 * i];

            sum += (size_t)((w >> ENTRY_KEY_SHIFT & ENTRY_KEY_MASK) +
                            (w & ENTRY_VALUE_MASK));
        }
    }
    for (size_t i = 0; i < batch->n_children; i++) {
        if (batch->children[i].batch != NULL)
            sum += moss_batch_bytes(batch->children[i].batch);
    }
    return sum;
}

enum moss_status
batch_copy_changes(const struct moss_batch *batch, struct moss_batch **out)
{
    size_t bytes = batch_offset(batch, batch->n);
    enum moss_status st = moss_batch_new(batch->n, bytes, out);

    if (st != MOSS_OK || batch->n == 0)
        return st;
    memcpy((*out)->kvs, batch->kvs, 16 * batch->n);
    st = buf_append(&(*out)->buf, batch->buf.bytes, bytes);
    if (st != MOSS_OK) {
        moss_batch_free(*out);
        *out = NULL;
        return st;
    }
    (*out)->n = batch->n;
    (*out)->prefix_len = batch->prefix_len;
    (*out)->has_gaps = batch->has_gaps;
    return MOSS_OK;
}

bool
batch_has_operands(const struct moss_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        if ((batch->kvs[2 * i] >> ENTRY_OP_SHIFT & ENTRY_OP_MASK) ==
            MOSS_OP_MERGE)
            return true;
    }
    return false;
}

size_t
batch_total(const struct moss_batch *batch)
{
    size_t sum = batch->n;

    for (size_t i = 0; i < batch->n_children; i++) {
        if (batch->children[i].batch != NULL)
            sum += batch_total(batch->children[i].batch);
    }
    return sum;
}

void
batch_own_lengths(const struct moss_batch *batch,
                  void (*each)(void *arg, uint64_t key_len, uint64_t value_len,
                               uint64_t n),
                  void *arg)
{
    const uint64_t mask = ENTRY_KEY_MASK << ENTRY_KEY_SHIFT | ENTRY_VALUE_MASK;

    for (size_t i = 0, end; i < batch->n; i = end) {
        uint64_t w = batch->kvs[2 * i] & mask;

        /* Most often they are all alike. */
        for (end = i + 1; end < batch->n; end++) {
            if ((batch->kvs[2 * end] & mask) != w)
                break;
        }
        each(arg, w >> ENTRY_KEY_SHIFT, w & ENTRY_VALUE_MASK, end - i);
    }
}

void
batch_lengths(const struct moss_batch *batch,
              void (*each)(void *arg, uint64_t key_len, uint64_t value_len,
                           uint64_t n),
              void *arg)
{
    batch_own_lengths(batch, each, arg);
    for (size_t i = 0; i < batch->n_children; i++) {
        if (batch->children[i].batch != NULL)
            batch_lengths(batch->children[i].batch, each, arg);
    }
}

enum moss_op
moss_batch_op(const struct moss_batch *batch, size_t i, struct moss_slice *key,
              struct moss_slice *value)
{
    struct entry e;

    assert(i < batch->n);
    if (batch->buf.bytes == NULL) {
        *key = *value = moss_slice("", 0);
        return (enum moss_op)(batch->kvs[2 * i] >> ENTRY_OP_SHIFT &
                              ENTRY_OP_MASK);
    }
    entry_decode(batch->kvs + 2 * i, batch->buf.bytes, &e);
    *key = e.key;
    *value = e.value;
    return e.op;
}

void
moss_batch_truncate(struct moss_batch *batch, size_t count)
{
    if (count >= batch->n)
        return;
    batch_forget_lent(batch);
    batch->buf.len = batch_offset(batch, count);
    batch->n = count;
    batch->has_gaps = batch->has_gaps && count > 0;
}

void
moss_batch_clear(struct moss_batch *batch)
{
    moss_batch_truncate(batch, 0);
    batch_forget_lent(batch);
    batch->cleared = true;
}

bool
batch_is_cleared(const struct moss_batch *batch)
{
    return batch->cleared;
}

void
moss_batch_set_tag(struct moss_batch *batch, struct moss_tag tag)
{
    batch->tag = tag;
}

struct moss_tag
moss_batch_tag(const struct moss_batch *batch)
{
    return batch->tag;
}
