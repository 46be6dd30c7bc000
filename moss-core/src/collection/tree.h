/*
 * Which collections exist: an immutable tree of names and incarnation ids.  An
 * id is given once, to one incarnation of a collection, and never again in
 * the life of a moss_collection; so a collection that was dropped and made
 * anew is another one, and what was kept under the old id is simply not
 * found any more.  A collection keeps its parent for life, not its name.
 */
#ifndef MOSS_COLLECTION_TREE_H
#define MOSS_COLLECTION_TREE_H

#include <stdatomic.h>

#include "base/refs.h"
#include "moss.h"

enum {
    TREE_MAX_DEPTH = 32, /* levels of children below the top */
    TREE_TOP_ID = 1      /* of the top-level collection, which always is */
};

struct tree {
    struct refs refs;
    uint64_t id;
    struct moss_slice name; /* owned; empty for the top level */
    size_t n, cap;
    struct tree *children[]; /* owned, sorted by name */
};

/* A collection with room for cap children; name is copied. */
MOSS_MUST_CHECK enum moss_status
tree_new(struct moss_slice name, uint64_t id, size_t cap, struct tree **out);
/* Takes over child, which sorts behind those there.  One owner only. */
void tree_add(struct tree *tree, struct tree *child);

struct tree *tree_ref(struct tree *tree);
void tree_unref(struct tree *tree); /* NULL is fine */

/* The child of that name, borrowed, or NULL. */
struct tree *tree_find(const struct tree *tree, struct moss_slice name);

/* The collection id in top or below it, borrowed, or NULL. */
struct tree *tree_find_id(struct tree *top, uint64_t id);

/*
 * The names that lead from top to the collection id, at most TREE_MAX_DEPTH,
 * borrowed from the tree: MOSS_NOT_FOUND if it is not there.
 */
enum moss_status tree_path(const struct tree *top, uint64_t id,
                           struct moss_slice *path, size_t *n);

/* How many collections there are, top included. */
size_t tree_count(const struct tree *top);

/* The ids of all collections, sorted. */
struct tree_ids {
    uint64_t *ids; /* owned */
    size_t n;
};
MOSS_MUST_CHECK enum moss_status
tree_ids_init(struct tree_ids *ids, const struct tree *top);
void tree_ids_release(struct tree_ids *ids);
bool tree_ids_contain(const struct tree_ids *ids, uint64_t id);

/*
 * The collections of a snapshot (NULL: only the top level); ids come from
 * next_id.  MOSS_UNSUPPORTED if they are nested too deep.
 */
MOSS_MUST_CHECK enum moss_status
tree_read(struct moss_snapshot *snap, atomic_uint_fast64_t *next_id,
          struct tree **out);

#endif
