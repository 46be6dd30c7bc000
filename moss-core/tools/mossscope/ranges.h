/* The parts of a file that something takes. */
#ifndef MOSSSCOPE_RANGES_H
#define MOSSSCOPE_RANGES_H

#include "scope.h"

struct range {
    uint64_t from, to;
    uint64_t kvs_bytes, buf_off; /* of a segment; 0 for footers */
};

/* A set of them.  All zero: empty. */
struct ranges {
    struct range *items;
    size_t n, cap;
    size_t *slots; /* 1 + index in items, or 0; a power of two, cap * 2 */
};

/* False if it is there already. */
bool ranges_add(struct ranges *r, struct range range);
/* By their beginnings.  Nothing may be added any more. */
void ranges_sort(struct ranges *r);
void ranges_release(struct ranges *r);

#endif
