/*
 * What every lower level must do: random batches with children, drops,
 * renames and merges through a collection over it, compared with a model;
 * snapshots that stay as they are; reads in all ways; reopening, with the tag.
 */
#ifndef MOSS_TESTS_SUPPORT_CONFORM_H
#define MOSS_TESTS_SUPPORT_CONFORM_H

#include "moss.h"

struct lower_kind {
    const char *name;
    /* Open what is there, at first nothing; merge is for operands. */
    struct moss_lower *(*open)(void *ctx,
                               const struct moss_merge_operator *merge);
    void *ctx;
};

/* Aborts the test where the lower level is wrong. */
void conform(const struct lower_kind *kind, uint64_t seed, int steps);

/*
 * The snapshot's entries by all calls there are: both ways, from seeks at
 * random places within random bounds, and by get; children, too.  Each must
 * agree with the pass from the first to the last.  Estimates must not fail.
 */
void assert_reads_agree(struct moss_snapshot *snap, uint64_t seed);

#endif
