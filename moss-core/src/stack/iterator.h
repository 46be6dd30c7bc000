/* What an iterator over a segstack is made of: iterator.c, iterator_one.c. */
#ifndef MOSS_STACK_ITERATOR_H
#define MOSS_STACK_ITERATOR_H

#include "moss.h"
#include "stack/heap.h"

enum iterator_state {
    ITERATOR_FRESH, /* not positioned yet */
    ITERATOR_ON,    /* base.key and base.value are the current entry */
    ITERATOR_END,
    ITERATOR_FAILED /* with error */
};

struct stack_iterator {
    struct moss_iterator base;
    struct moss_snapshot *owner;      /* one reference, or NULL */
    struct moss_merge_operator merge; /* full NULL: none */
    bool deletions;                   /* stop at them, too */
    enum iterator_state state;
    enum moss_status error;
    struct history history;
    struct moss_output output;   /* the value, where an operator made it */
    struct buf turn_key;         /* a copy of the key, while it turns round */
    struct moss_iterator *lower; /* owned; NULL: none */
    struct heap heap;
    /*
     * The current entry is that of fast, and the fast_n entries of its segment
     * from fast_first on come next to each other, whatever the other cursors
     * have, and lie in its window.  fast_n[1] is for steps backwards.  While
     * it steps among them its cursor's position alone is moved, not the entry
     * loaded.
     */
    struct cursor *fast;
    size_t fast_first, fast_n[2];
    /*
     * Who was on top of the heap in the last wins steps, on which segment, and
     * which entries of that come before those of all others.
     */
    struct cursor *leader;
    const struct segment *run_seg;
    size_t wins, run_first, run_end;
    struct segment **chains; /* of the cursors: room for all segments */
    size_t n;
    struct cursor cursors[];
};

/* For exactly one chain and no lower level. */
extern const struct moss_iterator_ops iterator_one_ops;

/* It stands on this entry. */
static inline enum moss_status
iterator_on(struct stack_iterator *it, struct moss_slice key,
            struct moss_slice value)
{
    it->state = ITERATOR_ON;
    it->base.key = key;
    it->base.value = value;
    return MOSS_OK;
}

static inline void
iterator_no_fast(struct stack_iterator *it)
{
    it->fast_n[0] = it->fast_n[1] = 0;
}

/* [first, last) is the fast range both ways, as far as c's window goes. */
static inline void
iterator_set_fast(struct stack_iterator *it, struct cursor *c, size_t first,
                  size_t last)
{
    first = first > c->window.first ? first : c->window.first;
    last = last < c->window.last ? last : c->window.last;
    it->fast = c;
    it->fast_first = first;
    it->fast_n[0] = it->fast_n[1] = first < last ? last - first : 0;
}

/* Step within the fast range; false if that is not possible. */
__attribute__((always_inline)) static inline bool
iterator_step_fast(struct stack_iterator *it, bool backwards)
{
    struct cursor *c = it->fast;
    size_t pos;
    struct entry e;

    if (it->fast_n[backwards] == 0)
        return false;
    pos = backwards ? c->pos - 1 : c->pos + 1;
    if (pos - it->fast_first >= it->fast_n[backwards] ||
        !segment_entry_in(c->seg, pos, &c->window, &e) || e.op != MOSS_OP_SET)
        return false;
    cursor_prefetch(c->seg->kvs + 2 * pos, e.key.bytes, backwards);
    c->pos = pos;
    it->base.key = e.key;
    it->base.value = e.value;
    return true;
}

/* Nothing more that way, or a failure, which stays until the next seek. */
enum moss_status iterator_stop(struct stack_iterator *it, enum moss_status st);
/* What next() and prev() answer while it stands on no entry. */
enum moss_status iterator_stopped(const struct stack_iterator *it);
/* Make a fresh iterator over a segstack stop at deletions, too. */
void iterator_include_deletions(struct moss_iterator *base);
void iterator_free(struct moss_iterator *base);

#endif
