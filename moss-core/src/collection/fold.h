/*
 * Folding: several sections, one over the other, become one.  Used by the
 * writer for small neighbours in top, and by the merger for top into mid.
 */
#ifndef MOSS_COLLECTION_FOLD_H
#define MOSS_COLLECTION_FOLD_H

#include "collection/section.h"
#include "collection/state.h"
#include "moss.h"

struct fold_source {
    struct section *section; /* borrowed */
    uint64_t born;           /* see struct layer */
    uint64_t dropped;        /* out: bytes of it that the result has no more */
};

struct fold {
    struct state *state; /* what the sources are part of, resolved */
    const struct moss_merge_operator *merge;
    struct segstack *opaque; /* an empty stack */

    struct fold_source *sources; /* oldest first, n >= 1 */
    size_t n;

    bool into_mid; /* the result becomes mid, else a node of top */
    /*
     * sources[0] is mid: a segment of it stays as it is while what lies above
     * is smaller than ratio of it, or where more than max_merge bytes would
     * be copied.  Everything else is merged.
     */
    bool has_mid;
    double ratio;
    uint64_t max_merge;
    /*
     * Instead of ratio: so many segments of about one size make a larger one.
     * 0: no.
     */
    size_t fan_in;
    /* Only pile the segments up, merge nothing. */
    bool no_merge;
    bool brief;     /* what is made is expected to go soon */
    bool merge_all; /* merge the segments of mid, too, whatever their size */
    const struct merge_stop *stop; /* NULL: never */
    /*
     * A collection whose segments cannot be merged for another reason than
     * want of memory gets them piled up; why is in failure then.
     */
    bool pile_failures;
    enum moss_status failure; /* out: MOSS_OK if there was none */

    /* The part of top and taken that lies below the sources. */
    const struct top_node *older_top, *older_taken;

    uint64_t merged_ops; /* out: entries that were read for merging */
};

/*
 * Borrows everything in f until it returns.  The result's tree is that of the
 * newest source; collections that are not in it are left out.
 */
MOSS_MUST_CHECK enum moss_status fold_run(struct fold *f, struct section **out);

#endif
