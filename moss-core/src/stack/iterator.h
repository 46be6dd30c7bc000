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
    size_t n;
    struct cursor cursors[];
};

/* For exactly one segment and no lower level. */
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

/* Nothing more that way, or a failure, which stays until the next seek. */
enum moss_status iterator_stop(struct stack_iterator *it, enum moss_status st);
/* What next() and prev() answer while it stands on no entry. */
enum moss_status iterator_stopped(const struct stack_iterator *it);
/* Make a fresh iterator over a segstack stop at deletions, too. */
void iterator_include_deletions(struct moss_iterator *base);
void iterator_free(struct moss_iterator *base);

#endif
