/* An array, and a hash table of indexes into it. */
#include "ranges.h"

#include <stdlib.h>

#include "base/mem.h"

static int
compare(const void *a, const void *b)
{
    const struct range *x = a, *y = b;

    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x->to != y->to)
        return x->to < y->to ? -1 : 1;
    if (x->kvs_bytes != y->kvs_bytes)
        return x->kvs_bytes < y->kvs_bytes ? -1 : 1;
    return (x->buf_off > y->buf_off) - (x->buf_off < y->buf_off);
}

/* The slot that has range, or the empty one that it would take. */
static size_t
find_slot(const struct ranges *r, const struct range *range)
{
    size_t mask = 2 * r->cap - 1;
    size_t i = (size_t)(range->from / 4096 * 0x9e3779b97f4a7c15u >> 20) & mask;

    while (r->slots[i] != 0 && compare(&r->items[r->slots[i] - 1], range) != 0)
        i = (i + 1) & mask;
    return i;
}

static void
grow(struct ranges *r)
{
    r->cap = r->cap == 0 ? 64 : 2 * r->cap;
    r->items = mem_resize(r->items, r->cap, sizeof *r->items);
    mem_free(r->slots);
    r->slots = mem_zalloc(2 * r->cap, sizeof *r->slots);
    if (r->items == NULL || r->slots == NULL)
        scope_must(MOSS_NOMEM);
    for (size_t i = 0; i < r->n; i++)
        r->slots[find_slot(r, &r->items[i])] = i + 1;
}

bool
ranges_add(struct ranges *r, struct range range)
{
    size_t slot;

    if (r->n == r->cap)
        grow(r);
    slot = find_slot(r, &range);
    if (r->slots[slot] != 0)
        return false;
    r->items[r->n++] = range;
    r->slots[slot] = r->n;
    return true;
}

void
ranges_sort(struct ranges *r)
{
    if (r->n > 0)
        qsort(r->items, r->n, sizeof *r->items, compare);
}

void
ranges_release(struct ranges *r)
{
    mem_free(r->items);
    mem_free(r->slots);
    memset(r, 0, sizeof *r);
}
