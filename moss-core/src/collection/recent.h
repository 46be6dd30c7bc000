/*
 * The states after the newest tagged batches, kept for snapshots by tag, in
 * bounded number and memory.
 */
#ifndef MOSS_COLLECTION_RECENT_H
#define MOSS_COLLECTION_RECENT_H

#include "collection/state.h"

struct recent {
    struct state *state; /* one reference */
    uint64_t bytes;      /* memory that goes with it */
};

/* A ring, oldest first.  Guarded by the collection's mutex. */
struct recents {
    struct recent *ring; /* owned */
    size_t cap, first, n;
    uint64_t bytes, max_bytes;
};

MOSS_MUST_CHECK enum moss_status
recents_init(struct recents *r, size_t cap, uint64_t max_bytes);
void recents_release(struct recents *r);

/* Keep state; takes over the reference.  Gives back one that had to go. */
struct state *recents_push(struct recents *r, struct state *state);
/*
 * The newest state of the collection has given up bytes that were in it since
 * batch born: what is kept here and has them still is charged for them.
 */
void recents_charge(struct recents *r, uint64_t born, uint64_t bytes);

struct moss_collection;
/* Give up what exceeds the bounds.  Without mu. */
void recents_trim(struct moss_collection *c);

#endif
