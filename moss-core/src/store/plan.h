/* A commit point to be written: which collections, and from what segments. */
#ifndef MOSS_STORE_PLAN_H
#define MOSS_STORE_PLAN_H

#include "moss.h"
#include "store/commit.h"
#include "store/policy.h"
#include "store/segwriter.h"

/* What one collection of the plan's footer is made from. */
struct target {
    const struct segstack *older; /* borrowed; in the store; NULL: nothing */
    const struct segstack *newer; /* borrowed; to lay over it; NULL: nothing */

    size_t keep; /* so many of older, from the oldest, stay as they are */
    /* In a new file these, borrowed, stand for the kept ones. */
    bool is_copied;
    const struct segment_loc *copies;
    size_t n_copies;
    /* Filled in when the plan's segments are written. */
    struct segment_loc *added; /* above those */
    size_t n_added;
};

struct plan {
    struct footer *footer;  /* locations missing until plan_commit() */
    struct target *targets; /* of each collection, by its index */
    size_t n_targets;
    /* False if collections and content are those of the older commit point. */
    bool is_change;

    /* What was chosen. */
    bool whole;    /* all content goes into a new file */
    bool rewrites; /* segments that the store has are merged in its file */
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

/* ------------------------------------------------------------------ */
/* Segments (plan_write.c)                                            */
/* ------------------------------------------------------------------ */

/*
 * Choose what to merge, before plan_write().  The first: what lies over older,
 * and of older what policy says (NULL: nothing), with at most budget bytes;
 * *fits is false if a collection would have too many segments.
 */
MOSS_MUST_CHECK enum moss_status
plan_choose(struct plan *p, const struct policy *policy, uint64_t budget,
            bool *fits);
/* Few segments for each collection; nothing may lie over older. */
MOSS_MUST_CHECK enum moss_status plan_choose_leveled(struct plan *p);
/*
 * What reading the older content is slowed down by: the bytes of segments that
 * overlap others of their collection, but for the largest of them.
 */
uint64_t plan_tangled_bytes(const struct plan *p);
/* All content, as into a new file. */
void plan_choose_whole(struct plan *p);

/* About how many bytes plan_write() will write. */
uint64_t plan_bytes(const struct plan *p);
/* And how many of them lie over what the store has. */
uint64_t plan_newer_bytes(const struct plan *p);

/* Write the segments that were chosen. */
MOSS_MUST_CHECK enum moss_status
plan_write(struct plan *p, struct segwriter *w, struct moss_error *err);
/* One more segment of t is written; none if loc is empty. */
MOSS_MUST_CHECK enum moss_status
target_add(struct target *t, const struct segment_loc *loc);
/* After a plan_write() that failed: choose and write again. */
void plan_forget(struct plan *p);

/* ------------------------------------------------------------------ */

/*
 * Make the commit point whose segments plan_write() wrote from start on; its
 * footer has no place yet.  The plan keeps nothing that can be used again.
 */
MOSS_MUST_CHECK enum moss_status
plan_commit(struct plan *p, const struct commit_env *env,
            const struct commit_place *place, uint64_t start,
            struct commit **out, struct moss_error *err);

#endif
