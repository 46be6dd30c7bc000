/*
 * What one section (or one node of top) holds: the segment stacks of its
 * collections by incarnation id, flat, and the tree of the collections that
 * exist once it is applied.  Immutable once sealed.
 */
#ifndef MOSS_COLLECTION_SECTION_H
#define MOSS_COLLECTION_SECTION_H

#include "base/refs.h"
#include "collection/tree.h"
#include "moss.h"
#include "stack/segstack.h"

/* How much something is: entries, and the bytes their segments take. */
struct size {
    uint64_t ops, bytes;
};

struct section_item {
    uint64_t id;
    struct segstack *stack; /* one reference; its lower is NULL */
};

struct section {
    struct refs refs;
    struct tree *tree; /* one reference */
    struct size size;
    size_t n, cap;
    struct section_item items[]; /* sorted by id */
};

/* Room for cap stacks; to be filled by one owner, then sealed. */
MOSS_MUST_CHECK enum moss_status section_new(size_t cap, struct section **out);
/* Takes its own reference to stack. */
void section_add(struct section *section, uint64_t id, struct segstack *stack);
/* Sort and sum up; takes its own reference to tree. */
void section_seal(struct section *section, struct tree *tree);

struct section *section_ref(struct section *section);
void section_unref(struct section *section); /* NULL is fine */

/* The stack of that collection, borrowed, or NULL.  section may be NULL. */
struct segstack *section_find(const struct section *section, uint64_t id);

struct size stack_size(const struct segstack *stack);

static inline struct size
size_add(struct size a, struct size b)
{
    return (struct size){ a.ops + b.ops, a.bytes + b.bytes };
}

static inline struct size
size_sub(struct size a, struct size b)
{
    return (struct size){ a.ops - b.ops, a.bytes - b.bytes };
}

#endif
