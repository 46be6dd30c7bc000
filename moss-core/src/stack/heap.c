/*
 * Cursors, and the heap that merges them.
 *
 * The heap holds, beside each cursor, 8 bytes of its key as a number, taken
 * behind the bytes that all keys share: most comparisons touch the heap's own
 * array only.  Equal numbers are settled by the keys, equal keys by age.
 *
 * The cursor that gave the current entry stays on it, on top, while the ones
 * with older entries of the same key are moved on.  So the current key stays
 * where it is, also if it comes from a foreign iterator, whose slices end
 * when it moves.
 *
 * A corrupt segment may be out of order.  Then the order of what comes out is
 * wrong, too; but each step moves a cursor by one entry, so it ends.
 *
 * One thread at a time, like the iterators made of it.
 */
#include "stack/heap.h"

#include "base/coding.h"
#include "stack/chain.h"

/* ------------------------------------------------------------------ */
/* Cursors                                                            */
/* ------------------------------------------------------------------ */

/* Load the entry at pos, which is within the bounds. */
static inline enum moss_status
load(struct cursor *c)
{
    return segment_entry_near(c->seg, c->pos, &c->window, &c->e);
}

/*
 * Between two steps of a cursor all others may have had their turns: ask for
 * the memory of the entry it will go to next.  With many segments the
 * processor does not foresee it.
 */
__attribute__((always_inline)) static inline void
prefetch_near(const struct cursor *c, size_t pos)
{
    const uint64_t *words = c->seg->kvs + 2 * pos;
    uintptr_t key = (uintptr_t)c->seg->buf + (uintptr_t)words[1];

    prefetch((uintptr_t)words + 64);
    prefetch(key);
    prefetch(key + 64);
}

/* Take over what the lower level's iterator says. */
static enum moss_status
load_lower(struct cursor *c, enum moss_status st)
{
    if (st != MOSS_OK)
        return st;
    c->e.op = MOSS_OP_SET;
    moss_iterator_current(c->lower, &c->e.key, &c->e.value);
    return MOSS_OK;
}

/* Be on the segment chain[at]. */
static void
enter(struct cursor *c, size_t at)
{
    c->at = at;
    c->seg = c->chain[at];
    c->window = segment_window(c->seg);
    c->lo = at == 0 ? c->begin : 0;
    c->hi = at + 1 == c->n_chain ? c->end : c->seg->n;
}

/* To the first entry of the next segment, or the last one of that before. */
static enum moss_status
leave(struct cursor *c, bool backwards)
{
    while (backwards ? c->at > 0 : c->at + 1 < c->n_chain) {
        enter(c, backwards ? c->at - 1 : c->at + 1);
        if (c->lo < c->hi) {
            c->pos = backwards ? c->hi - 1 : c->lo;
            return load(c);
        }
    }
    return MOSS_DONE;
}

enum moss_status
cursor_first(struct cursor *c)
{
    if (c->seg == NULL)
        return load_lower(c, moss_iterator_first(c->lower));
    if (c->n_chain > 0)
        enter(c, 0);
    if (c->lo >= c->hi)
        return leave(c, false);
    c->pos = c->lo;
    return load(c);
}

enum moss_status
cursor_last(struct cursor *c)
{
    if (c->seg == NULL)
        return load_lower(c, moss_iterator_last(c->lower));
    if (c->n_chain > 0)
        enter(c, c->n_chain - 1);
    if (c->lo >= c->hi)
        return leave(c, true);
    c->pos = c->hi - 1;
    return load(c);
}

enum moss_status
cursor_step(struct cursor *c, bool backwards)
{
    if (c->seg == NULL)
        return load_lower(c, backwards ? moss_iterator_prev(c->lower)
                                       : moss_iterator_next(c->lower));
    if (backwards) {
        if (c->pos == c->lo)
            return leave(c, true);
        c->pos--;
        if (c->pos > c->lo)
            prefetch_near(c, c->pos - 1);
    } else {
        if (c->pos + 1 >= c->hi)
            return leave(c, false);
        c->pos++;
        if (c->pos + 1 < c->hi)
            prefetch_near(c, c->pos + 1);
    }
    return load(c);
}

enum moss_status
cursor_prepare_seek(struct cursor *c, struct moss_slice key)
{
    if (c->n_chain > 0) {
        size_t at = chain_find(c->chain, c->n_chain, key);

        if (at != c->at)
            enter(c, at);
    }
    c->from = c->lo;
    c->to = c->hi;
    return c->seg == NULL ? MOSS_OK
                          : segment_narrow(c->seg, key, &c->from, &c->to);
}

enum moss_status
cursor_seek(struct cursor *c, struct moss_slice key, bool behind)
{
    enum moss_status st;

    if (c->seg == NULL) {
        st = load_lower(c, moss_iterator_seek(c->lower, key));
    } else {
        st = segment_search_in(c->seg, key, c->from, c->to, &c->pos);
        if (st < 0)
            return st;
        st = c->pos < c->hi ? load(c) : leave(c, false);
    }
    if (st == MOSS_OK && behind && slice_equal(c->e.key, key))
        st = cursor_step(c, false);
    return st;
}

enum moss_status
cursor_seek_back(struct cursor *c, struct moss_slice key, bool before)
{
    enum moss_status st;

    if (c->seg == NULL) {
        st = load_lower(c, moss_iterator_seek_for_prev(c->lower, key));
        if (st == MOSS_OK && before && slice_equal(c->e.key, key))
            st = cursor_step(c, true);
        return st;
    }
    st = segment_search_in(c->seg, key, c->from, c->to, &c->pos);
    if (st < 0)
        return st;
    if (c->pos < c->hi && !before) {
        st = load(c);
        if (st < 0 || slice_equal(c->e.key, key))
            return st;
    }
    return cursor_step(c, true);
}

/* ------------------------------------------------------------------ */
/* The heap                                                           */
/* ------------------------------------------------------------------ */

/* The bytes that all keys of a cursor share; *first gets its first key. */
static size_t
cursor_prefix(const struct cursor *c, struct moss_slice *first)
{
    size_t max;
    struct moss_slice last;
    struct entry e;

    if (c->n_chain > 0) {
        *first = c->chain[0]->first_key;
        last = c->chain[c->n_chain - 1]->last_key;
        max = first->len < last.len ? first->len : last.len;
        return shared_bytes(first->bytes, last.bytes, max);
    }
    if (c->seg == NULL || c->seg->prefix_len == 0 || c->seg->n == 0 ||
        segment_entry(c->seg, 0, &e) < 0)
        return 0;
    *first = e.key;
    return c->seg->prefix_len < e.key.len ? c->seg->prefix_len : e.key.len;
}

size_t
heap_shared_prefix(const struct cursor *cursors, size_t n)
{
    struct moss_slice first = { NULL, 0 };
    size_t shared = SIZE_MAX;

    for (size_t i = 0; i < n && shared > 0; i++) {
        struct moss_slice key;
        size_t own = cursor_prefix(&cursors[i], &key);

        if (i == 0)
            first = key;
        shared = own < shared ? own : shared;
        if (shared > 0)
            shared = shared_bytes(first.bytes, key.bytes, shared);
    }
    return n == 0 ? 0 : shared;
}

/* Complemented for a heap that goes backwards: the top is always the least. */
static inline uint64_t
prefix_of(const struct heap *h, struct moss_slice key)
{
    uint64_t prefix = 0;

    /* Only in a corrupt segment may a key be shorter. */
    if (key.len > h->skip)
        prefix = load_prefix(key.bytes + h->skip, key.len - h->skip);
    return h->backwards ? ~prefix : prefix;
}

/* Which of two with equal prefixes is above. */
static bool
is_above_by_key(const struct heap *h, const struct cursor *a,
                const struct cursor *b)
{
    int c = slice_compare(a->e.key, b->e.key);

    if (c != 0)
        return (c < 0) != h->backwards;
    return a->rank > b->rank;
}

static inline bool
is_above(const struct heap *h, const struct heap_item *a,
         const struct heap_item *b)
{
    if (__builtin_expect(a->prefix == b->prefix, 0))
        return is_above_by_key(h, a->cursor, b->cursor);
    return a->prefix < b->prefix;
}

/* The upper one of the items at child and child + 1, if that exists. */
static inline size_t
upper_child(const struct heap *h, size_t child)
{
    return child + (child + 1 < h->n &&
                    is_above(h, &h->items[child + 1], &h->items[child]));
}

/*
 * Let the item at i sink to where it belongs.  Either it stays, since runs of
 * one segment are common, or it is likely to go far: then the gap goes to the
 * bottom without asking, and the item rises from there.
 */
static void
sink(struct heap *h, size_t i)
{
    struct heap_item x = h->items[i];
    size_t start = i, child = 2 * i + 1;

    if (child >= h->n)
        return;
    child = upper_child(h, child);
    if (!is_above(h, &h->items[child], &x))
        return;
    while (child < h->n) {
        h->items[i] = h->items[child];
        i = child;
        child = 2 * i + 1;
        if (child < h->n)
            child = upper_child(h, child);
    }
    while (i > start) {
        size_t parent = (i - 1) / 2;

        if (!is_above(h, &x, &h->items[parent]))
            break;
        h->items[i] = h->items[parent];
        i = parent;
    }
    h->items[i] = x;
}

void
heap_begin(struct heap *h, bool backwards)
{
    h->n = 0;
    h->backwards = backwards;
}

void
heap_put(struct heap *h, struct cursor *c)
{
    struct heap_item *item = &h->items[h->n++];

    item->cursor = c;
    item->prefix = prefix_of(h, c->e.key);
}

void
heap_order(struct heap *h)
{
    for (size_t i = h->n / 2; i > 0; i--)
        sink(h, i - 1);
}

/* The place of the next item after the top; 0 if there is none. */
static inline size_t
second_place(const struct heap *h)
{
    if (h->n < 3)
        return h->n == 2;
    return is_above(h, &h->items[2], &h->items[1]) ? 2 : 1;
}

struct cursor *
heap_second(const struct heap *h)
{
    size_t i = second_place(h);

    return i == 0 ? NULL : h->items[i].cursor;
}

/*
 * Move the cursor at place 0, 1 or 2 on.  Whatever takes the place of one
 * that is at its end can only sink: above it there is at most the top.  A
 * cursor that fails leaves the heap, too; the caller gives up then.
 */
static enum moss_status
advance_at(struct heap *h, size_t i)
{
    struct cursor *c = h->items[i].cursor;
    enum moss_status st = cursor_step(c, h->backwards);

    if (st == MOSS_OK) {
        h->items[i].prefix = prefix_of(h, c->e.key);
    } else {
        h->items[i] = h->items[--h->n];
        if (i == h->n)
            return st < 0 ? st : MOSS_OK;
    }
    sink(h, i);
    return st < 0 ? st : MOSS_OK;
}

enum moss_status
heap_advance(struct heap *h)
{
    return advance_at(h, 0);
}

enum hop
heap_hop(struct heap *h)
{
    struct heap_item *items = h->items, next = items[0], other;
    struct cursor *c = next.cursor;
    size_t second = second_place(h);
    size_t pos = h->backwards ? c->pos - 1 : c->pos + 1;
    struct entry e;
    bool stays;

    /* Where pos is below zero, it is beyond what any of these begin with. */
    if (second == 0 || c->seg == NULL || pos - c->lo >= c->hi - c->lo ||
        pos < c->window.first || pos >= c->window.last ||
        !segment_entry_in(c->seg, pos, &c->window, &e))
        return HOP_NOT;
    other = items[second];
    next.prefix = prefix_of(h, e.key);
    stays = next.prefix < other.prefix;
    if (__builtin_expect(next.prefix == other.prefix, 0)) {
        int order = slice_compare(e.key, other.cursor->e.key);

        if (order == 0)
            return HOP_NOT;
        stays = (order < 0) != h->backwards;
    }
    if (!stays && h->n > 2)
        return HOP_NOT;
    cursor_prefetch(c->seg->kvs + 2 * pos, e.key.bytes, h->backwards);
    c->pos = pos;
    c->e = e;
    items[stays ? 0 : 1] = next;
    if (!stays)
        items[0] = other;
    return items[0].cursor->e.op == MOSS_OP_SET ? HOP_SET : HOP_OTHER;
}

enum moss_status
heap_advance_run(struct heap *h)
{
    struct cursor *c = heap_top(h);
    enum moss_status st = cursor_step(c, h->backwards);

    if (st == MOSS_OK)
        h->items[0].prefix = prefix_of(h, c->e.key);
    return st;
}

/* True if the item at place i has the top's key. */
static inline bool
is_hidden(const struct heap *h, size_t i)
{
    return h->items[i].prefix == h->items[0].prefix &&
           slice_equal(h->items[i].cursor->e.key, h->items[0].cursor->e.key);
}

enum moss_status
heap_skip_hidden(struct heap *h)
{
    for (;;) {
        size_t i = second_place(h);
        enum moss_status st;

        if (i == 0 || !is_hidden(h, i))
            return MOSS_OK;
        st = advance_at(h, i);
        if (st < 0)
            return st;
    }
}

enum moss_status
heap_gather(struct heap *h, struct history *out)
{
    enum moss_status st;

    out->has_base = false;
    out->operands.n = 0;
    st = operands_push(&out->operands, heap_top(h)->e.value);
    while (st == MOSS_OK) {
        size_t i = second_place(h);
        const struct entry *e;

        if (i == 0 || !is_hidden(h, i))
            break;
        e = &h->items[i].cursor->e;
        if (e->op != MOSS_OP_MERGE) {
            out->has_base = true;
            out->base = *e;
            break;
        }
        st = operands_push(&out->operands, e->value);
        if (st == MOSS_OK)
            st = advance_at(h, i);
    }
    operands_reverse(&out->operands);
    return st;
}
