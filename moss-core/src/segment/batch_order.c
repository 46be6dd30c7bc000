/*
 * Reading a batch in key order without copying it, for those who write what
 * is too large to have twice in memory.
 *
 * Only the items that stand for the changes are sorted (segment_sort.c), and
 * not even those where the changes came in order.  Sorting is stable: of the
 * changes of one key the last one in the order is the newest.
 */
#include "segment/batch_order.h"

#include "base/coding.h"
#include "base/mem.h"
#include "segment/batch_impl.h"
#include "segment/segment_sort.h"

struct batch_order {
    const struct moss_batch *batch; /* borrowed */
    const uint8_t *buf;
    size_t from, n;
    size_t at;               /* of the next one in the order */
    struct sort_item *items; /* owned; NULL: they are in order */
};

static void
change_at(const struct batch_order *o, size_t i, struct entry *e)
{
    size_t index = o->items == NULL ? i : o->items[i].index;

    entry_decode(o->batch->kvs + 2 * (o->from + index), o->buf, e);
}

/* Look at all.  *in_order: each key sorts behind the one before. */
static enum moss_status
look_over(const struct batch_order *o, bool *in_order)
{
    struct moss_slice prev = { NULL, 0 };

    *in_order = true;
    for (size_t i = 0; i < o->n; i++) {
        struct entry e;

        change_at(o, i, &e);
        if (e.op == MOSS_OP_MERGE)
            return MOSS_INVALID;
        if (i > 0 && *in_order)
            *in_order = slice_compare(prev, e.key) < 0;
        prev = e.key;
    }
    return MOSS_OK;
}

static enum moss_status
sort(struct batch_order *o)
{
    size_t skip = o->batch->prefix_len;
    struct sort_item *items = mem_resize(NULL, o->n, sizeof(*items));
    struct sort_item *tmp = mem_resize(NULL, o->n, sizeof(*tmp));

    if (items == NULL || tmp == NULL) {
        mem_free(items);
        mem_free(tmp);
        return MOSS_NOMEM;
    }
    for (size_t i = 0; i < o->n; i++) {
        struct entry e;

        change_at(o, i, &e);
        items[i].prefix = load_prefix(e.key.bytes + skip, e.key.len - skip);
        items[i].index = i;
    }
    segment_sort(items, tmp, o->n, o->batch->kvs + 2 * o->from, o->buf, skip);
    mem_free(tmp);
    o->items = items;
    return MOSS_OK;
}

enum moss_status
batch_order_new(const struct moss_batch *batch, size_t from, size_t to,
                struct batch_order **out)
{
    struct batch_order *o;
    enum moss_status st;
    bool in_order;

    *out = NULL;
    if (from > to || to > batch->n)
        return MOSS_INVALID;
    o = mem_zalloc(1, sizeof(*o));
    if (o == NULL)
        return MOSS_NOMEM;
    o->batch = batch;
    o->buf = batch->buf.bytes != NULL ? batch->buf.bytes : (const uint8_t *)"";
    o->from = from;
    o->n = to - from;
    st = look_over(o, &in_order);
    if (st == MOSS_OK && !in_order)
        st = sort(o);
    if (st < 0) {
        batch_order_free(o);
        return st;
    }
    *out = o;
    return MOSS_OK;
}

/* Sorted changes lie anywhere: ask for the memory well ahead. */
__attribute__((always_inline)) static inline void
prefetch_change(const struct batch_order *o)
{
    const uint64_t *kvs = o->batch->kvs + 2 * o->from;

    if (o->at + 16 < o->n)
        prefetch((uintptr_t)(kvs + 2 * o->items[o->at + 16].index));
    if (o->at + 8 < o->n) {
        uintptr_t p = (uintptr_t)o->buf +
                      (uintptr_t)kvs[2 * o->items[o->at + 8].index + 1];

        prefetch(p);
        prefetch(p + 64);
    }
}

bool
batch_order_next(struct batch_order *o, struct entry *e)
{
    if (o->at == o->n)
        return false;
    if (o->items != NULL)
        prefetch_change(o);
    change_at(o, o->at++, e);
    while (o->items != NULL && o->at < o->n) {
        struct entry next;

        change_at(o, o->at, &next);
        if (!slice_equal(e->key, next.key))
            break;
        *e = next;
        o->at++;
    }
    return true;
}

void
batch_order_free(struct batch_order *o)
{
    if (o == NULL)
        return;
    mem_free(o->items);
    mem_free(o);
}
