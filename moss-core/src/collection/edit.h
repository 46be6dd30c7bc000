/*
 * A batch in prepared form: per collection that it names its sorted segments,
 * and what it does to the tree.  An edit knows names only; edit_apply() finds
 * out which collections they are in a given tree.  The ids of collections
 * that it may have to make are given when it is built, so that applying it to
 * the same tree twice gives the same ids.  Immutable.
 */
#ifndef MOSS_COLLECTION_EDIT_H
#define MOSS_COLLECTION_EDIT_H

#include <stdatomic.h>

#include "collection/section.h"
#include "collection/tree.h"
#include "moss.h"
#include "segment/batch.h"

struct edit {
    struct moss_slice name; /* owned; empty for the top level */
    /* As in struct batch_child: what it is laid over. */
    struct moss_slice from; /* owned */
    bool replaces;
    enum batch_before before;
    bool made;       /* if it is laid over nothing, it begins here */
    bool clears;     /* the older entries are dropped, the children stay */
    uint64_t new_id; /* for the collection if it is to be made or cleared */
    /* One reference; NULL: no changes, or not sorted yet.  Set once. */
    _Atomic(struct segstack *) stack;
    struct moss_batch *unsorted; /* owned; the changes; NULL: sorted at once */
    size_t n;
    struct edit *children; /* sorted by name */
};

/*
 * Copy the changes of batch and its children and sort them, unless defer is
 * set: then edit_sort() does so.  MOSS_INVALID if children are nested deeper
 * than TREE_MAX_DEPTH.
 */
MOSS_MUST_CHECK enum moss_status
edit_new(const struct moss_batch *batch,
         const struct moss_merge_operator *merge, bool defer,
         atomic_uint_fast64_t *next_id, struct edit **out);
/*
 * Whether nothing but a lack of memory can keep the batch from being sorted
 * and applied later: it has neither operands nor renames.
 */
bool edit_may_wait(const struct moss_batch *batch);
/* Before it is applied.  Any threads: the first to be ready wins. */
MOSS_MUST_CHECK enum moss_status edit_sort(struct edit *edit);
/* The same from segments, which are laid over what has their names. */
MOSS_MUST_CHECK enum moss_status
edit_from_changes(const struct moss_changes *changes,
                  atomic_uint_fast64_t *next_id, struct edit **out);
void edit_free(struct edit *edit); /* NULL is fine */

/* Put all keys of the batch, which is sorted, into set. */
void edit_add_keys(const struct edit *edit, struct keyset *set);

/* Neither a change nor a child. */
bool edit_is_empty(const struct edit *edit);
/* Sums over the segments; over the changes, if they are not sorted. */
struct size edit_size(const struct edit *edit);

/*
 * The section that the edit becomes on top of tree: its segments by id, and
 * the tree after it, which is tree itself if no collection came or went.
 * strict: MOSS_NOT_FOUND or MOSS_EXISTS if a child cannot be renamed; else
 * such a rename does nothing if there is no such collection and the edit has
 * no changes for it, and replaces what has the new name.
 */
MOSS_MUST_CHECK enum moss_status
edit_apply(const struct edit *edit, struct tree *tree, bool strict,
           struct section **out);

#endif
