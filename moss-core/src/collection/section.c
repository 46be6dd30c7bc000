/*
 * Sections: a sorted array of (incarnation id, segment stack).  Flat, whatever
 * the depth of the tree, so that a read finds a collection's part with one
 * binary search, and dropping a collection is an edit of the tree alone.
 */
#include "collection/section.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

enum moss_status
section_new(size_t cap, struct section **out)
{
    struct section *section;

    *out = NULL;
    if (cap > SIZE_MAX / 2 / sizeof(section->items[0]))
        return MOSS_NOMEM;
    section = mem_alloc(sizeof(*section) + cap * sizeof(section->items[0]));
    if (section == NULL)
        return MOSS_NOMEM;
    refs_init(&section->refs);
    section->tree = NULL;
    section->size = (struct size){ 0, 0 };
    section->n = 0;
    section->cap = cap;
    *out = section;
    return MOSS_OK;
}

void
section_add(struct section *section, uint64_t id, struct segstack *stack)
{
    struct section_item *item = &section->items[section->n++];

    assert(section->n <= section->cap);
    item->id = id;
    item->stack = segstack_ref(stack);
    section->size = size_add(section->size, stack_size(stack));
}

static int
compare_items(const void *pa, const void *pb)
{
    const struct section_item *a = pa, *b = pb;

    return (a->id > b->id) - (a->id < b->id);
}

void
section_seal(struct section *section, struct tree *tree)
{
    section->tree = tree_ref(tree);
    if (section->n > 1) {
        qsort(section->items, section->n, sizeof(section->items[0]),
              compare_items);
    }
}

struct section *
section_ref(struct section *section)
{
    refs_inc(&section->refs);
    return section;
}

void
section_unref(struct section *section)
{
    if (section == NULL || !refs_dec(&section->refs))
        return;
    for (size_t i = 0; i < section->n; i++)
        segstack_unref(section->items[i].stack);
    tree_unref(section->tree);
    mem_free(section);
}

struct segstack *
section_find(const struct section *section, uint64_t id)
{
    size_t lo = 0, hi = section == NULL ? 0 : section->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (section->items[mid].id == id)
            return section->items[mid].stack;
        if (section->items[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

struct size
stack_size(const struct segstack *stack)
{
    struct size size = { 0, 0 };

    for (size_t i = 0; i < stack->n; i++) {
        size.ops += stack->segs[i]->n;
        size.bytes += segment_bytes(stack->segs[i]);
    }
    return size;
}
