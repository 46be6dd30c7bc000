/*
 * How a batch becomes segments.
 *
 * Changes that came in key order, each key once, are copied as they are.
 * Otherwise their keys are sorted (segment_sort.c) and the changes copied in
 * that order, so that the bytes of a segment lie as they will be read.
 *
 * Of a key that occurs several times the last set or delete counts, together
 * with the operands behind it.  What is left is one entry, except where
 * operands have no set or delete before them and the operator does not
 * combine them: then the i-th operand goes to the i-th segment, and the
 * stack above makes one value of them when it is read.
 *
 * The batch is only read.
 */
#include "segment/batch.h"

#include "base/coding.h"
#include "base/mem.h"
#include "segment/batch_impl.h"
#include "segment/merge_op.h"
#include "segment/segment_sort.h"

/* So many changes are sorted without allocating. */
enum { FEW = 128 };

struct work {
    const struct moss_batch *batch;
    const struct moss_merge_operator *merge;
    const uint8_t *buf;
    size_t from, n;
    struct sort_item *items; /* few, or allocated; n, then n to sort with */
    struct sort_item few[2 * FEW];
    struct segment_builder **levels; /* [0] takes one entry of each key */
    size_t n_levels, cap_levels;
    struct operands operands;
    struct moss_output output;
};

static void
change_at(const struct work *w, size_t i, struct entry *e)
{
    entry_decode(w->batch->kvs + 2 * (w->from + i), w->buf, e);
}

/*
 * Load the first bytes of each key into items.  *in_order: each key sorts
 * behind the one before.
 */
static enum moss_status
load_items(struct work *w, bool *in_order)
{
    bool usable = merge_op_usable(w->merge);
    size_t skip = w->batch->prefix_len;
    struct moss_slice prev = { NULL, 0 };
    bool ascending = true;

    for (size_t i = 0; i < w->n; i++) {
        struct sort_item *item = &w->items[i];
        struct entry e;

        change_at(w, i, &e);
        if (e.op == MOSS_OP_MERGE && !usable)
            return MOSS_NO_OPERATOR;
        item->prefix = load_prefix(e.key.bytes + skip, e.key.len - skip);
        item->index = i;
        if (i > 0 && ascending)
            ascending = item[-1].prefix < item->prefix ||
                        (item[-1].prefix == item->prefix &&
                         slice_compare(prev, e.key) < 0);
        prev = e.key;
    }
    *in_order = ascending;
    return MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* Repeated keys                                                      */
/* ------------------------------------------------------------------ */

/* One more entry on a level, which is made if need be. */
static enum moss_status
add_to_level(struct work *w, size_t level, enum moss_op op,
             struct moss_slice key, struct moss_slice value)
{
    enum moss_status st;

    if (level == w->cap_levels) {
        size_t cap = 2 * w->cap_levels;
        struct segment_builder **p = mem_resize(w->levels, cap, sizeof(*p));

        if (p == NULL)
            return MOSS_NOMEM;
        w->levels = p;
        w->cap_levels = cap;
    }
    if (level == w->n_levels) {
        st = segment_builder_new(1, key.len + value.len, &w->levels[level]);
        if (st < 0)
            return st;
        w->n_levels++;
    }
    st = segment_builder_reserve(&w->levels[level], 1, key.len + value.len);
    if (st < 0)
        return st;
    segment_builder_add(w->levels[level], op, key, value);
    return MOSS_OK;
}

/* Operands with nothing below them in the batch. */
static enum moss_status
add_operands(struct work *w, struct moss_slice key)
{
    enum moss_status st = MOSS_NOT_FOUND;

    if (w->operands.n > 1)
        st = merge_op_partial(w->merge, key, &w->operands, &w->output);
    if (st == MOSS_OK)
        return add_to_level(w, 0, MOSS_OP_MERGE, key, output_slice(&w->output));
    if (st < 0)
        return st;
    for (size_t i = 0; i < w->operands.n; i++) {
        st = add_to_level(w, i, MOSS_OP_MERGE, key, w->operands.slices[i]);
        if (st < 0)
            return st;
    }
    return MOSS_OK;
}

/* The changes of one key: items [i, j), in the order they were made. */
static enum moss_status
add_key(struct work *w, size_t i, size_t j)
{
    size_t base = j;
    enum moss_status st;
    struct entry e = { MOSS_OP_DEL, { NULL, 0 }, { NULL, 0 } };

    w->operands.n = 0;
    while (base > i) {
        change_at(w, w->items[--base].index, &e);
        if (e.op != MOSS_OP_MERGE)
            break;
        st = operands_push(&w->operands, e.value);
        if (st < 0)
            return st;
    }
    if (w->operands.n == 0)
        return add_to_level(w, 0, e.op, e.key, e.value);
    operands_reverse(&w->operands);
    if (e.op == MOSS_OP_MERGE)
        return add_operands(w, e.key);
    st = merge_op_full(w->merge, e.key, e.op == MOSS_OP_SET ? &e.value : NULL,
                       &w->operands, &w->output);
    if (st < 0)
        return st;
    return add_to_level(w, 0, MOSS_OP_SET, e.key, output_slice(&w->output));
}

/* ------------------------------------------------------------------ */
/* Copying in key order                                               */
/* ------------------------------------------------------------------ */

/* Sorted changes lie anywhere: ask for the memory well ahead. */
__attribute__((always_inline)) static inline void
prefetch_change(const struct work *w, size_t i)
{
    const uint64_t *kvs = w->batch->kvs + 2 * w->from;

    if (i + 16 < w->n)
        prefetch((uintptr_t)(kvs + 2 * w->items[i + 16].index));
    if (i + 8 < w->n) {
        uintptr_t p =
            (uintptr_t)w->buf + (uintptr_t)kvs[2 * w->items[i + 8].index + 1];

        prefetch(p);
        prefetch(p + 64);
    }
}

static enum moss_status
add_sorted(struct work *w)
{
    struct entry e, next;
    size_t i = 0, j;

    change_at(w, w->items[0].index, &next);
    while (i < w->n) {
        enum moss_status st;

        e = next;
        for (j = i + 1; j < w->n; j++) {
            prefetch_change(w, j);
            change_at(w, w->items[j].index, &next);
            if (!slice_equal(e.key, next.key))
                break;
        }
        if (j == i + 1) {
            /* Level 0 has room for every change as it is. */
            st = segment_builder_reserve(&w->levels[0], 1,
                                         e.key.len + e.value.len);
            if (st < 0)
                return st;
            segment_builder_add(w->levels[0], e.op, e.key, e.value);
        } else {
            st = add_key(w, i, j);
            if (st < 0)
                return st;
        }
        i = j;
    }
    return MOSS_OK;
}

static enum moss_status
build(struct work *w)
{
    size_t bytes = batch_offset(w->batch, w->from + w->n) -
                   batch_offset(w->batch, w->from);
    enum moss_status st;
    bool in_order;

    st = load_items(w, &in_order);
    if (st < 0)
        return st;
    w->levels = mem_alloc(sizeof(struct segment_builder *));
    if (w->levels == NULL)
        return MOSS_NOMEM;
    w->cap_levels = 1;
    st = segment_builder_new(w->n, bytes, &w->levels[0]);
    if (st < 0)
        return st;
    w->n_levels = 1;
    if (in_order && !w->batch->has_gaps) {
        segment_builder_add_run(w->levels[0], w->batch->kvs + 2 * w->from, w->n,
                                w->buf);
        return MOSS_OK;
    }
    segment_sort(w->items, w->items + w->n, w->n, w->batch->kvs + 2 * w->from,
                 w->buf, w->batch->prefix_len);
    return add_sorted(w);
}

/* Turn the levels' builders into segments, in place. */
static struct segment **
finish(struct work *w, size_t *n)
{
    struct segment **segs = (struct segment **)(void *)w->levels;

    for (size_t i = 0; i < w->n_levels; i++)
        segs[i] = segment_builder_finish(w->levels[i]);
    *n = w->n_levels;
    w->levels = NULL;
    w->n_levels = 0;
    return segs;
}

enum moss_status
batch_segments(const struct moss_batch *batch, size_t from, size_t to,
               const struct moss_merge_operator *merge, struct segment ***segs,
               size_t *n)
{
    struct work w;
    enum moss_status st = MOSS_NOMEM;

    *segs = NULL;
    *n = 0;
    if (from > to || to > batch->n)
        return MOSS_INVALID;
    if (from == to)
        return MOSS_OK;
    w.batch = batch;
    w.merge = merge;
    w.buf = batch->buf.bytes != NULL ? batch->buf.bytes : (const uint8_t *)"";
    w.from = from;
    w.n = to - from;
    w.items = w.few;
    w.levels = NULL;
    w.n_levels = w.cap_levels = 0;
    operands_init(&w.operands);
    output_init(&w.output);
    if (w.n > FEW) {
        w.items = w.n > SIZE_MAX / 2
                      ? NULL
                      : mem_resize(NULL, 2 * w.n, sizeof(*w.items));
        if (w.items == NULL)
            goto done;
    }
    st = build(&w);
    if (st < 0)
        goto done;
    *segs = finish(&w, n);

done:
    for (size_t i = 0; i < w.n_levels; i++)
        segment_builder_free(w.levels[i]);
    mem_free(w.levels);
    if (w.items != w.few)
        mem_free(w.items);
    output_release(&w.output);
    operands_release(&w.operands);
    return st;
}
