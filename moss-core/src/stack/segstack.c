/*
 * Stacks of segments: making them, point reads and estimates.
 *
 * A stack is immutable once made, so that readers need nothing but a
 * reference; a change makes a new stack that shares the segments.  A read
 * goes from the newest segment to the oldest, then to the lower level.
 *
 * Any thread.
 */
#include "stack/segstack.h"

#include "base/mem.h"
#include "segment/merge_op.h"
#include "segment/segment_index.h"

enum moss_status
segstack_new(struct moss_snapshot *lower, struct segment *const *segs, size_t n,
             struct segstack **out)
{
    struct segstack *stack;

    *out = NULL;
    stack = mem_alloc(sizeof(*stack) + n * sizeof(stack->segs[0]));
    if (stack == NULL)
        return MOSS_NOMEM;
    refs_init(&stack->refs);
    stack->lower = lower == NULL ? NULL : moss_snapshot_ref(lower);
    stack->n_lower = 0;
    stack->n = n;
    for (size_t i = 0; i < n; i++)
        stack->segs[i] = segment_ref(segs[i]);
    *out = stack;
    return MOSS_OK;
}

struct segstack *
segstack_ref(struct segstack *stack)
{
    refs_inc(&stack->refs);
    return stack;
}

void
segstack_unref(struct segstack *stack)
{
    if (stack == NULL || !refs_dec(&stack->refs))
        return;
    for (size_t i = 0; i < stack->n; i++)
        segment_unref(stack->segs[i]);
    moss_snapshot_unref(stack->lower);
    mem_free(stack);
}

struct segment_totals
segstack_totals(const struct segstack *stack)
{
    struct segment_totals sum = { 0, 0, 0, 0, 0 };

    for (size_t i = 0; i < stack->n; i++) {
        const struct segment_totals *t = &stack->segs[i]->totals;

        sum.n_set += t->n_set;
        sum.n_del += t->n_del;
        sum.n_merge += t->n_merge;
        sum.key_bytes += t->key_bytes;
        sum.value_bytes += t->value_bytes;
    }
    return sum;
}

/* ------------------------------------------------------------------ */
/* Point reads                                                        */
/* ------------------------------------------------------------------ */

/* How many segments a get asks for at once. */
enum { AT_ONCE = 16 };

/*
 * What an entry, if st is MOSS_OK, means for a get: MOSS_DONE to go on with
 * older segments, else the answer.
 */
static enum moss_status
take(enum moss_status st, const struct entry *e, struct operands *list,
     struct moss_value *base)
{
    if (st != MOSS_OK)
        return st == MOSS_NOT_FOUND ? MOSS_DONE : st;
    if (e->op == MOSS_OP_DEL)
        return MOSS_NOT_FOUND;
    if (e->op == MOSS_OP_SET) {
        base->bytes = e->value;
        return MOSS_OK;
    }
    st = operands_push(list, e->value);
    return st < 0 ? st : MOSS_DONE;
}

/*
 * What lies below the newest operands of key: the value in *base, or
 * MOSS_NOT_FOUND.  Operands on the way are pushed to list, newest first.
 */
static enum moss_status
find_base(const struct segstack *stack, struct moss_slice key,
          struct operands *list, struct moss_value *base)
{
    uint64_t hash = index_hash(key);
    struct segment_probe probes[AT_ONCE];

    for (size_t i = stack->n, n; i > 0; i -= n) {
        n = i < AT_ONCE ? i : AT_ONCE;
        for (size_t k = 0; k < n; k++)
            segment_probe(&probes[k], stack->segs[i - 1 - k], key, hash);
        for (size_t k = 0; k < n; k++) {
            struct entry e;
            enum moss_status st = segment_probe_find(&probes[k], key, &e);

            st = take(st, &e, list, base);
            if (st != MOSS_DONE)
                return st;
        }
    }
    if (stack->lower == NULL)
        return MOSS_NOT_FOUND;
    return moss_snapshot_get(stack->lower, key, base);
}

enum moss_status
segstack_get(const struct segstack *stack,
             const struct moss_merge_operator *merge, struct moss_slice key,
             struct moss_value *value)
{
    struct moss_value base = { { NULL, 0 }, NULL };
    struct moss_output output;
    struct operands list;
    enum moss_status st;

    *value = base;
    operands_init(&list);
    st = find_base(stack, key, &list, &base);
    if (st < 0 || list.n == 0) {
        if (st == MOSS_OK)
            *value = base;
        operands_release(&list);
        return st;
    }
    operands_reverse(&list);
    output_init(&output);
    st = merge_op_full(merge, key, st == MOSS_OK ? &base.bytes : NULL, &list,
                       &output);
    if (st == MOSS_OK)
        merge_op_give(&output, value);
    output_release(&output);
    operands_release(&list);
    moss_value_release(&base);
    return st;
}

/* ------------------------------------------------------------------ */
/* Estimates                                                          */
/* ------------------------------------------------------------------ */

/* n parts of total in all. */
static uint64_t
share(uint64_t total, size_t n, size_t all)
{
    return (uint64_t)((double)total * (double)n / (double)all);
}

/* Bytes of the entries [from, to), from < to. */
static uint64_t
range_bytes(const struct segment *seg, size_t from, size_t to)
{
    if (!segment_is_packed(seg))
        return share(seg->totals.key_bytes + seg->totals.value_bytes, to - from,
                     seg->n);
    return (to < seg->n ? seg->kvs[2 * to + 1] : seg->buf_bytes) -
           seg->kvs[2 * from + 1];
}

enum moss_status
segstack_estimate(const struct segstack *stack, const struct moss_slice *lo,
                  const struct moss_slice *hi, uint64_t *entries,
                  uint64_t *bytes)
{
    uint64_t sum = 0, sum_bytes = 0, gone = 0;

    *entries = *bytes = 0;
    if (stack->lower != NULL) {
        enum moss_status st =
            moss_snapshot_estimate(stack->lower, lo, hi, &sum, &sum_bytes);

        if (st < 0)
            return st;
    }
    for (size_t i = 0; i < stack->n; i++) {
        const struct segment *seg = stack->segs[i];
        size_t from = 0, to = seg->n;
        enum moss_status st = MOSS_OK;

        if (lo != NULL)
            st = segment_seek_in(seg, *lo, 0, to, &from);
        if (st == MOSS_OK && hi != NULL)
            st = segment_seek_in(seg, *hi, from, to, &to);
        if (st < 0)
            return st;
        if (from == to)
            continue;
        sum += to - from;
        sum_bytes += range_bytes(seg, from, to);
        /* A deletion is an entry that hides another one. */
        gone += 2 * share(seg->totals.n_del, to - from, seg->n);
    }
    *entries = sum > gone ? sum - gone : 0;
    *bytes = sum_bytes;
    return MOSS_OK;
}
