/* Small things that everything needs: slices, alignment, container_of. */
#ifndef MOSS_BASE_BASE_H
#define MOSS_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "moss.h"

#define container_of(ptr, type, member)                                        \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Keys sort as unsigned bytes, then by length. */
static inline int
slice_compare(struct moss_slice a, struct moss_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n == 0 ? 0 : memcmp(a.bytes, b.bytes, n);

    if (c != 0)
        return c;
    return (a.len > b.len) - (a.len < b.len);
}

static inline bool
slice_equal(struct moss_slice a, struct moss_slice b)
{
    return a.len == b.len &&
           (a.len == 0 || memcmp(a.bytes, b.bytes, a.len) == 0);
}

/* align is a power of two; the caller has checked that n + align fits. */
static inline uint64_t
align_up(uint64_t n, uint64_t align)
{
    return (n + align - 1) & ~(align - 1);
}

#endif
