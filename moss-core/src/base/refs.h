/* An atomic reference count. */
#ifndef MOSS_BASE_REFS_H
#define MOSS_BASE_REFS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct refs {
    atomic_size_t count;
};

static inline void
refs_init(struct refs *r)
{
    atomic_init(&r->count, 1);
}

/* Relaxed: whoever takes a reference already has the object by another. */
static inline void
refs_inc(struct refs *r)
{
    atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);
}

/*
 * True for the caller that dropped the last reference.  Release on each
 * decrement and acquire on the last: all that others did with the object
 * happens before it is freed.
 */
static inline bool
refs_dec(struct refs *r)
{
    if (atomic_fetch_sub_explicit(&r->count, 1, memory_order_release) != 1)
        return false;
    /* A load, not a fence: the thread sanitizer knows no fences. */
    (void)atomic_load_explicit(&r->count, memory_order_acquire);
    return true;
}

#endif
