/*
 * Chains: neighbours in a stack whose keys lie apart, so that together they
 * read like one segment.  A load in key order leaves its segments like that.
 *
 *     segs     a-d  e-k  s-z  l-r | b-x | c-d  p-q        oldest first
 *     chains   a-d  e-k  l-r  s-z | b-x | c-d  p-q        each in key order
 */
#ifndef MOSS_STACK_CHAIN_H
#define MOSS_STACK_CHAIN_H

#include "moss.h"
#include "segment/segment.h"

/* The segments [first, first + n) of a stack, n >= 1. */
struct chain {
    uint32_t first, n;
};

/*
 * Divide segs[0..n), oldest first, into chains, oldest first.  by_key gets the
 * same segments, those of each chain in the order of its keys.  Both have room
 * for n.  Returns the number of chains.
 */
size_t chains_make(struct segment *const *segs, size_t n, struct chain *chains,
                   struct segment **by_key);

/*
 * Of the n >= 1 segments of a chain, in key order: the last one whose first
 * key is not behind key; 0 if all are.
 */
size_t
chain_find(struct segment *const *by_key, size_t n, struct moss_slice key);

#endif
