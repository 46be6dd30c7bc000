/*
 * A stack of segments of one collection: an immutable, reference-counted
 * array, oldest first.  An entry hides those with its key in older segments
 * and in the lower level's snapshot below.
 */
#ifndef MOSS_STACK_SEGSTACK_H
#define MOSS_STACK_SEGSTACK_H

#include <stdatomic.h>

#include "base/refs.h"
#include "moss.h"
#include "segment/segment.h"
#include "stack/chain.h"
#include "stack/keyset.h"

struct segstack {
    struct refs refs;
    struct moss_snapshot *lower; /* a foreign lower level; NULL: nothing */
    size_t n_lower; /* the first ones, which are the lower level's */
    /*
     * The segments [known_from, n_known) have no key that is in neither set.
     */
    size_t known_from, n_known;
    struct keyset *known[2]; /* one reference each, or NULL */
    size_t n_chains;
    struct chain *chains;    /* behind by_key, likewise oldest first */
    struct segment **by_key; /* behind segs: the same, by chain and key */
    size_t n;
    struct segment *segs[]; /* one reference each; segs[0] is the oldest */
};

/*
 * Takes its own references to lower (may be NULL) and to each segment.
 * n_lower and what is known are 0, for the maker to set.
 */
MOSS_MUST_CHECK enum moss_status
segstack_new(struct moss_snapshot *lower, struct segment *const *segs, size_t n,
             struct segstack **out);
struct segstack *segstack_ref(struct segstack *stack);
void segstack_unref(struct segstack *stack); /* NULL is fine */

/* Take over from the stack below, on top of which stack has more segments. */
void
segstack_inherit_known(struct segstack *stack, const struct segstack *below);

/* Sums over the segments, lower not counted. */
struct segment_totals segstack_totals(const struct segstack *stack);

/* Like moss_snapshot_get().  merge->full NULL or merge NULL: no operator. */
MOSS_MUST_CHECK enum moss_status
segstack_get(const struct segstack *stack,
             const struct moss_merge_operator *merge, struct moss_slice key,
             struct moss_value *value);

/* Like moss_snapshot_estimate(). */
MOSS_MUST_CHECK enum moss_status
segstack_estimate(const struct segstack *stack, const struct moss_slice *lo,
                  const struct moss_slice *hi, uint64_t *entries,
                  uint64_t *bytes);

/* Like moss_snapshot_iterate(); keeps a reference to owner. */
MOSS_MUST_CHECK enum moss_status
segstack_iterate(const struct segstack *stack,
                 const struct moss_merge_operator *merge,
                 struct moss_snapshot *owner, const struct moss_slice *lo,
                 const struct moss_slice *hi, struct moss_iterator **out);

/* ------------------------------------------------------------------ */
/* Merging segments                                                   */
/* ------------------------------------------------------------------ */

/*
 * A forward pass over segments that gives each key once, with what is left of
 * it: deletions and merge operands included, unless nothing lies below.
 */
struct segmerge;

/*
 * Merge segs[0..n), oldest first.  below is what they lie on: NULL for
 * nothing (deletions vanish, operands become values); else deletions are kept
 * and operands that do not combine are resolved by reading below.  Borrows
 * everything until segmerge_free().  Without an operator, operands that would
 * have to be combined are MOSS_NO_OPERATOR, a single one passes.
 */
MOSS_MUST_CHECK enum moss_status
segmerge_new(struct segment *const *segs, size_t n,
             const struct segstack *below,
             const struct moss_merge_operator *merge, struct segmerge **out);
/* MOSS_OK, MOSS_DONE or a failure.  out's slices last until the next call. */
MOSS_MUST_CHECK enum moss_status
segmerge_next(struct segmerge *m, struct entry *out);

/* The entries [from, to) of a segment in memory, whose bytes lie in a row. */
struct segment_run {
    const struct segment *seg;
    size_t from, to;
};
/*
 * Entries that are left as they are, at least one and at most max, instead of
 * segmerge_next().  False if none are known; that one is to be asked then.
 */
bool segmerge_next_run(struct segmerge *m, size_t max, struct segment_run *out);
void segmerge_free(struct segmerge *m);

/* When a merge is to end with MOSS_ABORTED: looked at now and then. */
struct merge_stop {
    const atomic_bool *now;
    size_t every; /* so many entries */
};

/*
 * The same, into one segment in memory.  *out may have no entries.  stop may
 * be NULL.  brief: the result is expected to go soon.
 */
MOSS_MUST_CHECK enum moss_status
segstack_merge_until(struct segment *const *segs, size_t n,
                     const struct segstack *below,
                     const struct moss_merge_operator *merge,
                     const struct merge_stop *stop, bool brief,
                     struct segment **out);
MOSS_MUST_CHECK enum moss_status
segstack_merge(struct segment *const *segs, size_t n,
               const struct segstack *below,
               const struct moss_merge_operator *merge, struct segment **out);

#endif
