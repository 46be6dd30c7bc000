/*
 * Iterators over a stack of segments and a lower level.
 *
 * A heap merges one cursor per chain of segments (chain.h), each with the
 * bounds as positions in its segments, and one for a foreign lower level.  The
 * cursor on top has the newest entry of the current key.  Older ones of that
 * key are moved off it before the entry is handed out; so a step moves the top
 * only.  Deletions are passed over, and an operand is combined with all that
 * older segments have for its key in one call of the operator.
 *
 * Where one segment's entries follow each other for a while, they are stepped
 * through without the heap, which finds its top moved on when the run ends.
 *
 * To turn round, every cursor is placed anew next to the current key.
 *
 * Keys and values are handed out as pointers into the segments.  With a
 * single chain and nothing below no heap is needed: iterator_one.c.
 *
 * One thread at a time.
 */
#include "stack/iterator.h"

#include <stdatomic.h>

#include "base/mem.h"
#include "stack/segstack.h"

/* Steps after which it pays to look for a run. */
enum { WINS = 16 };

enum moss_status
iterator_stop(struct stack_iterator *it, enum moss_status st)
{
    it->base.key = it->base.value = moss_slice(NULL, 0);
    iterator_no_fast(it);
    it->state = st < 0 ? ITERATOR_FAILED : ITERATOR_END;
    it->error = st;
    return st;
}

enum moss_status
iterator_stopped(const struct stack_iterator *it)
{
    return it->state == ITERATOR_FAILED ? it->error : MOSS_DONE;
}

/* Resolve the operand on top of the heap and what lies below it. */
static enum moss_status
resolve(struct stack_iterator *it)
{
    struct history *h = &it->history;
    struct moss_slice key = heap_top(&it->heap)->e.key;
    bool exists;
    enum moss_status st = heap_gather(&it->heap, h);

    if (st < 0)
        return st;
    exists = h->has_base && h->base.op == MOSS_OP_SET;
    st = merge_op_full(&it->merge, key, exists ? &h->base.value : NULL,
                       &h->operands, &it->output);
    if (st < 0)
        return st;
    return heap_skip_hidden(&it->heap);
}

/* From the top of the heap on, find the first entry to be seen. */
static enum moss_status
settle(struct stack_iterator *it)
{
    struct cursor *top;

    while ((top = heap_top(&it->heap)) != NULL) {
        enum moss_status st;

        if (top->e.op == MOSS_OP_MERGE)
            st = resolve(it);
        else
            st = heap_skip_hidden(&it->heap);
        if (st < 0)
            return iterator_stop(it, st);
        if (top->e.op == MOSS_OP_SET)
            return iterator_on(it, top->e.key, top->e.value);
        if (top->e.op == MOSS_OP_MERGE)
            return iterator_on(it, top->e.key, output_slice(&it->output));
        if (it->deletions)
            return iterator_on(it, top->e.key, moss_slice("", 0));
        st = heap_advance(&it->heap);
        if (st < 0)
            return iterator_stop(it, st);
    }
    return iterator_stop(it, MOSS_DONE);
}

/* How place() finds each cursor's first entry. */
enum where { AT_FIRST, AT_LAST, AT_SEEK, BEHIND_KEY, AT_SEEK_BACK, BEFORE_KEY };

static enum moss_status
place_cursor(struct cursor *c, enum where where, struct moss_slice key)
{
    switch (where) {
    case AT_FIRST:
        return cursor_first(c);
    case AT_LAST:
        return cursor_last(c);
    case AT_SEEK:
        return cursor_seek(c, key, false);
    case BEHIND_KEY:
        return cursor_seek(c, key, true);
    case AT_SEEK_BACK:
        return cursor_seek_back(c, key, false);
    case BEFORE_KEY:
        break;
    }
    return cursor_seek_back(c, key, true);
}

static enum moss_status
place(struct stack_iterator *it, enum where where, struct moss_slice key)
{
    heap_begin(&it->heap, where == AT_LAST || where >= AT_SEEK_BACK);
    iterator_no_fast(it);
    it->leader = NULL;
    for (size_t i = 0; i < it->n && where >= AT_SEEK; i++) {
        enum moss_status st = cursor_prepare_seek(&it->cursors[i], key);

        if (st < 0)
            return iterator_stop(it, st);
    }
    for (size_t i = 0; i < it->n; i++) {
        enum moss_status st = place_cursor(&it->cursors[i], where, key);

        if (st < 0)
            return iterator_stop(it, st);
        if (st == MOSS_OK)
            heap_put(&it->heap, &it->cursors[i]);
    }
    heap_order(&it->heap);
    return settle(it);
}

static enum moss_status
many_first(struct moss_iterator *base)
{
    return place(container_of(base, struct stack_iterator, base), AT_FIRST,
                 moss_slice(NULL, 0));
}

static enum moss_status
many_last(struct moss_iterator *base)
{
    return place(container_of(base, struct stack_iterator, base), AT_LAST,
                 moss_slice(NULL, 0));
}

static enum moss_status
many_seek(struct moss_iterator *base, struct moss_slice key)
{
    return place(container_of(base, struct stack_iterator, base), AT_SEEK, key);
}

static enum moss_status
many_seek_for_prev(struct moss_iterator *base, struct moss_slice key)
{
    return place(container_of(base, struct stack_iterator, base), AT_SEEK_BACK,
                 key);
}

/* Step off the current entry against the direction of the last move. */
static enum moss_status
turn(struct stack_iterator *it, enum where where)
{
    struct moss_slice key = it->base.key;

    if (it->lower != NULL) {
        /* The key may lie in the lower iterator, which will move. */
        enum moss_status st;

        buf_clear(&it->turn_key);
        st = buf_append(&it->turn_key, key.bytes, key.len);
        if (st < 0)
            return iterator_stop(it, st);
        key = moss_slice(it->turn_key.bytes, key.len);
    }
    return place(it, where, key);
}

/*
 * How far the top's entries go, in the direction of the last step, before
 * those of all others begin.
 */
static enum moss_status
find_run(struct stack_iterator *it, const struct cursor *top)
{
    struct cursor *second = heap_second(&it->heap);
    enum moss_status st;
    struct entry e;

    it->run_first = top->lo;
    it->run_end = top->hi;
    if (second == NULL)
        return MOSS_OK;
    if (!it->heap.backwards)
        return segment_gallop(top->seg, second->e.key, top->pos, top->hi,
                              &it->run_end);
    st = segment_gallop_back(top->seg, second->e.key, top->lo, top->pos + 1,
                             &it->run_first);
    if (st < 0 || it->run_first > top->pos)
        return st;
    st = segment_entry(top->seg, it->run_first, &e);
    if (st == MOSS_OK && slice_equal(e.key, second->e.key))
        it->run_first++; /* an older or newer entry of the second's key */
    return st;
}

/*
 * After a step: when the same cursor has been on top for a while, make its run
 * the fast range.  The step that leaves it comes here again.
 */
static enum moss_status
follow_run(struct stack_iterator *it)
{
    struct cursor *top = heap_top(&it->heap);
    enum moss_status st;

    iterator_no_fast(it);
    if (top != it->leader || top->seg != it->run_seg) {
        /* Where a chain goes on, so does its run, most likely. */
        it->wins = top == it->leader ? WINS : 0;
        it->leader = top;
        it->run_seg = top->seg;
        it->run_first = it->run_end = 0;
    }
    if (top->seg == NULL || top->e.op != MOSS_OP_SET)
        return MOSS_OK;
    if (top->pos < it->run_first || top->pos >= it->run_end) {
        if (++it->wins < WINS)
            return MOSS_OK;
        it->wins = 0;
        st = find_run(it, top);
        if (st < 0)
            return iterator_stop(it, st);
    }
    iterator_set_fast(it, top, it->run_first, it->run_end);
    /* The other cursors stand where they are for this direction only. */
    it->fast_n[!it->heap.backwards] = 0;
    return MOSS_OK;
}

/* On the top of the heap, which is a set. */
static inline enum moss_status
on_top(struct stack_iterator *it)
{
    const struct cursor *top = heap_top(&it->heap);

    it->base.key = top->e.key;
    it->base.value = top->e.value;
    if (top == it->leader &&
        (top->pos < it->run_first || top->pos >= it->run_end) &&
        ++it->wins < WINS)
        return MOSS_OK;
    return follow_run(it);
}

static enum moss_status
step(struct stack_iterator *it)
{
    enum hop hop = heap_hop(&it->heap);
    enum moss_status st;

    if (hop == HOP_SET)
        return on_top(it);
    st = hop == HOP_NOT ? heap_advance(&it->heap) : MOSS_OK;
    if (st < 0)
        return iterator_stop(it, st);
    st = settle(it);
    return st == MOSS_OK ? follow_run(it) : st;
}

static enum moss_status
many_next(struct moss_iterator *base)
{
    struct stack_iterator *it = container_of(base, struct stack_iterator, base);

    if (it->state == ITERATOR_FRESH)
        return many_first(base);
    if (it->state != ITERATOR_ON)
        return iterator_stopped(it);
    return it->heap.backwards ? turn(it, BEHIND_KEY) : step(it);
}

static enum moss_status
many_prev(struct moss_iterator *base)
{
    struct stack_iterator *it = container_of(base, struct stack_iterator, base);

    if (it->state == ITERATOR_FRESH)
        return many_last(base);
    if (it->state != ITERATOR_ON)
        return iterator_stopped(it);
    return it->heap.backwards ? step(it) : turn(it, BEFORE_KEY);
}

void
iterator_free(struct moss_iterator *base)
{
    struct stack_iterator *it = container_of(base, struct stack_iterator, base);

    moss_iterator_free(it->lower);
    operands_release(&it->history.operands);
    output_release(&it->output);
    buf_release(&it->turn_key);
    moss_snapshot_unref(it->owner);
    mem_free(it);
}

static const struct moss_iterator_ops many_ops = {
    many_first, many_last, many_seek,    many_seek_for_prev,
    many_next,  many_prev, iterator_free
};

/* The same, by which moss_iterator_op() knows those with deletions. */
static const struct moss_iterator_ops deletions_ops = {
    many_first, many_last, many_seek,    many_seek_for_prev,
    many_next,  many_prev, iterator_free
};

void
iterator_include_deletions(struct moss_iterator *base)
{
    struct stack_iterator *it = container_of(base, struct stack_iterator, base);

    it->deletions = true;
    base->ops = &deletions_ops;
}

enum moss_op
moss_iterator_op(const struct moss_iterator *base)
{
    const struct stack_iterator *it =
        container_of(base, const struct stack_iterator, base);

    if (base->ops != &deletions_ops || it->state != ITERATOR_ON)
        return MOSS_OP_SET;
    return heap_top(&it->heap)->e.op == MOSS_OP_DEL ? MOSS_OP_DEL : MOSS_OP_SET;
}

/* ------------------------------------------------------------------ */
/* Making one                                                         */
/* ------------------------------------------------------------------ */

/* Set c->hi.  Without an index it is sought near the beginning first. */
static enum moss_status
seek_end(struct cursor *c, struct moss_slice hi)
{
    if (segment_index(c->seg) == NULL)
        return segment_gallop(c->seg, hi, c->lo, c->hi, &c->hi);
    return segment_seek_in(c->seg, hi, c->lo, c->hi, &c->hi);
}

/* Bring c, on its only segment, down to what lies within the bounds. */
static enum moss_status
set_bounds(struct cursor *c, const struct moss_slice *lo,
           const struct moss_slice *hi)
{
    const struct segment *seg = c->seg;
    bool known = seg->first_key.bytes != NULL;
    enum moss_status st = MOSS_OK;

    c->lo = 0;
    c->hi = seg->n;
    if (lo != NULL && !(known && slice_compare(*lo, seg->first_key) <= 0))
        st = segment_seek_in(seg, *lo, 0, c->hi, &c->lo);
    if (st == MOSS_OK && hi != NULL &&
        !(known && slice_compare(*hi, seg->last_key) > 0))
        st = seek_end(c, *hi);
    return st;
}

/*
 * The same for a chain: leave out segments, and see to both ends of the rest.
 */
static enum moss_status
set_chain_bounds(struct cursor *c, const struct moss_slice *lo,
                 const struct moss_slice *hi)
{
    enum moss_status st;

    if (hi != NULL)
        c->n_chain = chain_find(c->chain, c->n_chain, *hi) + 1;
    if (lo != NULL) {
        size_t skip = chain_find(c->chain, c->n_chain, *lo);

        c->chain += skip;
        c->n_chain -= skip;
    }
    c->seg = c->chain[c->n_chain - 1];
    st = set_bounds(c, c->n_chain == 1 ? lo : NULL, hi);
    if (st < 0 || c->n_chain == 1) {
        c->n_chain = 0;
        return st;
    }
    c->end = c->hi;
    c->seg = c->chain[0];
    st = set_bounds(c, lo, NULL);
    c->begin = c->lo;
    return st;
}

/* Cursors for the chains that have entries within the bounds. */
static enum moss_status
add_segments(struct stack_iterator *it, const struct segstack *stack,
             const struct moss_slice *lo, const struct moss_slice *hi)
{
    for (size_t i = 0; i < stack->n; i++)
        it->chains[i] = stack->by_key[i];
    for (size_t i = 0; i < stack->n_chains; i++) {
        const struct chain *chain = &stack->chains[i];
        struct cursor *c = &it->cursors[it->n];
        enum moss_status st;

        memset(c, 0, sizeof(*c));
        c->rank = i + 1;
        c->chain = it->chains + chain->first;
        c->n_chain = chain->n;
        st = set_chain_bounds(c, lo, hi);
        if (st < 0)
            return st;
        c->window = segment_window(c->seg);
        if (c->n_chain > 0 || c->lo < c->hi)
            it->n++;
    }
    return MOSS_OK;
}

static enum moss_status
add_lower(struct stack_iterator *it, struct moss_snapshot *lower,
          const struct moss_slice *lo, const struct moss_slice *hi)
{
    struct cursor *c = &it->cursors[it->n];
    enum moss_status st = moss_snapshot_iterate(lower, lo, hi, &it->lower);

    if (st < 0)
        return st;
    memset(c, 0, sizeof(*c));
    c->lower = it->lower;
    it->n++;
    return MOSS_OK;
}

enum moss_status
segstack_iterate(const struct segstack *stack,
                 const struct moss_merge_operator *merge,
                 struct moss_snapshot *owner, const struct moss_slice *lo,
                 const struct moss_slice *hi, struct moss_iterator **out)
{
    size_t max = stack->n + (stack->lower != NULL);
    struct stack_iterator *it;
    enum moss_status st;

    *out = NULL;
    it = mem_alloc(sizeof(*it) +
                   max * (sizeof(struct cursor) + sizeof(struct heap_item)) +
                   stack->n * sizeof(it->chains[0]));
    if (it == NULL)
        return MOSS_NOMEM;
    memset(it, 0, sizeof(*it));
    it->base.ops = &many_ops;
    if (merge != NULL)
        it->merge = *merge;
    operands_init(&it->history.operands);
    output_init(&it->output);
    buf_init(&it->turn_key);
    it->heap.items = (struct heap_item *)(void *)&it->cursors[max];
    it->chains = (struct segment **)(void *)&it->heap.items[max];
    st = add_segments(it, stack, lo, hi);
    if (st == MOSS_OK && stack->lower != NULL)
        st = add_lower(it, stack->lower, lo, hi);
    if (st < 0) {
        iterator_free(&it->base);
        return st;
    }
    it->heap.skip = heap_shared_prefix(it->cursors, it->n);
    if (it->n == 1 && it->lower == NULL)
        it->base.ops = &iterator_one_ops;
    if (owner != NULL)
        it->owner = moss_snapshot_ref(owner);
    *out = &it->base;
    return MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* The public calls                                                   */
/* ------------------------------------------------------------------ */

enum moss_status
moss_iterator_first(struct moss_iterator *it)
{
    return it->ops->first(it);
}

enum moss_status
moss_iterator_last(struct moss_iterator *it)
{
    return it->ops->last(it);
}

enum moss_status
moss_iterator_seek(struct moss_iterator *it, struct moss_slice key)
{
    return it->ops->seek(it, key);
}

enum moss_status
moss_iterator_seek_for_prev(struct moss_iterator *it, struct moss_slice key)
{
    return it->ops->seek_for_prev(it, key);
}

enum moss_status
moss_iterator_next(struct moss_iterator *it)
{
    /* Without a call through the table, as far as that is possible. */
    if ((it->ops == &iterator_one_ops || it->ops == &many_ops) &&
        iterator_step_fast(container_of(it, struct stack_iterator, base),
                           false))
        return MOSS_OK;
    return it->ops->next(it);
}

enum moss_status
moss_iterator_prev(struct moss_iterator *it)
{
    if ((it->ops == &iterator_one_ops || it->ops == &many_ops) &&
        iterator_step_fast(container_of(it, struct stack_iterator, base), true))
        return MOSS_OK;
    return it->ops->prev(it);
}

void
moss_iterator_current(const struct moss_iterator *it, struct moss_slice *key,
                      struct moss_slice *value)
{
    /*
     * One by one, and so not as 16 bytes at once, which a processor would have
     * to wait for when they have just been written one by one.
     */
    key->bytes = it->key.bytes;
    atomic_signal_fence(memory_order_seq_cst);
    key->len = it->key.len;
    atomic_signal_fence(memory_order_seq_cst);
    value->bytes = it->value.bytes;
    atomic_signal_fence(memory_order_seq_cst);
    value->len = it->value.len;
}

void
moss_iterator_free(struct moss_iterator *it)
{
    if (it != NULL)
        it->ops->free(it);
}
