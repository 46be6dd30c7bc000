/*
 * Cursors, which are positions in one segment or in a foreign lower level,
 * and a heap that keeps the cursor with the next key on top.
 */
#ifndef MOSS_STACK_HEAP_H
#define MOSS_STACK_HEAP_H

#include "moss.h"
#include "segment/merge_op.h"
#include "segment/segment.h"

struct cursor {
    const struct segment *seg;    /* NULL: lower */
    struct moss_iterator *lower;  /* owned by whoever made the cursor */
    struct segment_window window; /* segment_window() at the start */
    size_t lo, hi;                /* entries of seg that may be visited */
    size_t from, to;              /* those that a seek has to look at */
    size_t pos;
    size_t rank; /* greater is newer */
    /*
     * A chain, in key order, that it goes through as if it was one segment:
     * seg is that at chain[at]; of the first one entries count from begin on,
     * of the last one up to end.  n_chain 0: there is seg alone.
     */
    struct segment *const *chain; /* the owner's */
    size_t n_chain, at, begin, end;
    struct entry e; /* where it stands; for lower, until that moves */
};

/*
 * Each of these goes to an entry and loads it: MOSS_OK, or MOSS_DONE if there
 * is none that way, or a failure.
 */
MOSS_MUST_CHECK enum moss_status cursor_first(struct cursor *c);
MOSS_MUST_CHECK enum moss_status cursor_last(struct cursor *c);
/*
 * To be called before the two seeks, for all cursors that are to seek: it asks
 * for the memory that they will look at.
 */
MOSS_MUST_CHECK enum moss_status
cursor_prepare_seek(struct cursor *c, struct moss_slice key);
/* To the first key >= key, or > key if behind is set. */
MOSS_MUST_CHECK enum moss_status
cursor_seek(struct cursor *c, struct moss_slice key, bool behind);
/* To the last key <= key, or < key if before is set. */
MOSS_MUST_CHECK enum moss_status
cursor_seek_back(struct cursor *c, struct moss_slice key, bool before);
MOSS_MUST_CHECK enum moss_status cursor_step(struct cursor *c, bool backwards);

/*
 * Ask for what a scan comes to some entries later.  Streams are foreseen by
 * the processor, but not across its pages.
 */
__attribute__((always_inline)) static inline void
cursor_prefetch(const uint64_t *words, const uint8_t *key, bool backwards)
{
    uintptr_t w = (uintptr_t)words, k = (uintptr_t)key;

    if (backwards) {
        prefetch(w - 512);
        prefetch(k - 1024);
        prefetch(k - 960);
    } else {
        prefetch(w + 512);
        prefetch(k + 1024);
        prefetch(k + 1088);
    }
}

struct heap_item {
    /* Of the cursor's key, behind what all share; backwards, its complement. */
    uint64_t prefix;
    struct cursor *cursor;
};

/*
 * items[0] is the top: the least key (the greatest if backwards), of equal
 * ones the newest.
 */
struct heap {
    struct heap_item *items; /* room for all cursors; the owner's */
    size_t n;
    size_t skip; /* bytes that all keys share, or fewer */
    bool backwards;
};

/* The bytes that the keys of all cursors share, as far as is known. */
size_t heap_shared_prefix(const struct cursor *cursors, size_t n);

/* Empty it; then put cursors that stand on an entry, then order. */
void heap_begin(struct heap *h, bool backwards);
void heap_put(struct heap *h, struct cursor *c);
void heap_order(struct heap *h);

static inline struct cursor *
heap_top(const struct heap *h)
{
    return h->n == 0 ? NULL : h->items[0].cursor;
}

/* The next one after the top, which there is; NULL if none. */
struct cursor *heap_second(const struct heap *h);

/* Move the top on; it leaves the heap at its end. */
MOSS_MUST_CHECK enum moss_status heap_advance(struct heap *h);

/*
 * The same at less cost, where it can: one of two cursors, or one that stays
 * on top.  HOP_NOT: it cannot, and has done nothing.  HOP_SET: the new top is
 * a set, and no other cursor has its key; HOP_OTHER: it is something else.
 */
enum hop { HOP_NOT, HOP_SET, HOP_OTHER };
enum hop heap_hop(struct heap *h);

/* The same, when it is known that its next entry is the next of all. */
MOSS_MUST_CHECK enum moss_status heap_advance_run(struct heap *h);

/* Move all other cursors off the top's key. */
MOSS_MUST_CHECK enum moss_status heap_skip_hidden(struct heap *h);

/*
 * What the top's key has in the older segments, when the top stands on an
 * operand: all operands, oldest first, and what they apply to.  Moves the
 * cursors that gave operands, but not the top.  The slices last until
 * heap_skip_hidden(), which is still to be called.
 */
struct history {
    struct operands operands;
    bool has_base; /* a set or delete was found */
    struct entry base;
};
MOSS_MUST_CHECK enum moss_status
heap_gather(struct heap *h, struct history *out);

#endif
