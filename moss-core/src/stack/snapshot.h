/*
 * The snapshots of this library: a segstack, and a family that knows the
 * children.  Collections, the store and overlays all hand out this one kind.
 */
#ifndef MOSS_STACK_SNAPSHOT_H
#define MOSS_STACK_SNAPSHOT_H

#include "moss.h"
#include "stack/segstack.h"

/* How a snapshot finds its children; owner is what it was made for. */
struct snapshot_family {
    enum moss_status (*child)(void *owner, struct moss_slice name,
                              struct moss_snapshot **out);
    enum moss_status (*children)(void *owner,
                                 enum moss_status (*each)(void *arg,
                                                          struct moss_slice),
                                 void *arg);
    void (*release)(void *owner); /* with the snapshot's last reference */
};

/*
 * Takes its own reference to stack, copies merge (NULL: none), and takes over
 * owner on success (family NULL: no children, owner unused).
 */
MOSS_MUST_CHECK enum moss_status
snapshot_new(struct segstack *stack, const struct moss_merge_operator *merge,
             struct moss_tag tag, const struct snapshot_family *family,
             void *owner, struct moss_snapshot **out);

/* The owner if snap is of this library and of that family, else NULL. */
void *snapshot_owner(struct moss_snapshot *snap,
                     const struct snapshot_family *family);

/* Its segments if snap is of this library, else NULL.  Borrowed. */
const struct segstack *snapshot_segments(struct moss_snapshot *snap);

/*
 * The operator that it reads with (full NULL: none) if it is of this library,
 * else NULL.  Borrowed.
 */
const struct moss_merge_operator *snapshot_merge(struct moss_snapshot *snap);

/*
 * moss_snapshot_overlay() of segments, oldest first, to which it takes
 * references; they stay as they are.
 */
MOSS_MUST_CHECK enum moss_status
overlay_segments(struct moss_snapshot *snap, struct segment *const *segs,
                 size_t n, struct moss_snapshot **out);

#endif
