/* A commit point to be written: which collections, and from what segments. */
#ifndef MOSS_STORE_PLAN_H
#define MOSS_STORE_PLAN_H

#include "moss.h"
#include "store/commit.h"
#include "store/segwriter.h"

/* What one collection of the plan's footer is made from. */
struct target {
    const struct segstack *older; /* borrowed; in the store; NULL: nothing */
    const struct segstack *newer; /* borrowed; to lay over it; NULL: nothing */

    /* Filled in when the plan's segments are written. */
    size_t keep; /* so many of older, from the oldest, stay as they are */
    struct segment_loc *added; /* above those */
    size_t n_added;
};

struct plan {
    struct footer *footer;  /* locations missing until plan_commit() */
    struct target *targets; /* of each collection, by its index */
    size_t n_targets;
    /* False if collections and content are those of the older commit point. */
    bool is_change;
};

/*
 * Plan what changes says over the commit point older, from which it borrows.
 * MOSS_INVALID if changes refers to what is not there.
 */
MOSS_MUST_CHECK enum moss_status
plan_changes(const struct commit *older, const struct moss_changes *changes,
             struct plan **out);
/* Plan older once more; NULL: an empty store. */
MOSS_MUST_CHECK enum moss_status
plan_copy(const struct commit *older, struct plan **out);
void plan_free(struct plan *p); /* NULL is fine */

/*
 * Write the segments that the plan needs.  whole: all content, as into a new
 * file; else what lies over older, and of older what is small beside it.
 */
MOSS_MUST_CHECK enum moss_status
plan_write(struct plan *p, bool whole, struct segwriter *w,
           struct moss_error *err);

/*
 * Make the commit point whose segments plan_write() wrote from start on; its
 * footer has no place yet.  The plan keeps nothing that can be used again.
 */
MOSS_MUST_CHECK enum moss_status
plan_commit(struct plan *p, const struct commit_env *env,
            const struct commit_place *place, uint64_t start,
            struct commit **out, struct moss_error *err);

#endif
