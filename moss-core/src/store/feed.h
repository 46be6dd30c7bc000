/*
 * Brings what a merge gives to whoever writes it, on another thread: one
 * compares keys while the other copies entries.
 */
#ifndef MOSS_STORE_FEED_H
#define MOSS_STORE_FEED_H

#include "stack/segstack.h"

/* A run of entries, or where run.seg is NULL, one. */
struct feed_item {
    struct segment_run run;
    struct entry e;
};

/* Is given each item, in order.  A failure ends that. */
typedef enum moss_status (*feed_sink)(void *ctx, const struct feed_item *item);

struct feed;

/* MOSS_NOMEM also if the system has no thread for it. */
MOSS_MUST_CHECK enum moss_status
feed_new(feed_sink sink, void *ctx, struct feed **out);

/* Room for the next item, to be filled in before feed_put(). */
struct feed_item *feed_room(struct feed *f);

/*
 * The item in that room, of so many bytes, goes to the sink, sooner or later;
 * what it points to lasts until feed_drain().  *turned says that a batch of
 * items has been handed over.  Fails if the sink has failed.
 */
MOSS_MUST_CHECK enum moss_status
feed_put(struct feed *f, uint64_t bytes, bool *turned);

/*
 * Return when the sink is done with all items; what it did is seen by the
 * caller then.  The sink's failure, if there was one.
 */
MOSS_MUST_CHECK enum moss_status feed_drain(struct feed *f);

/* What was put and not drained may or may not reach the sink; NULL is fine. */
void feed_free(struct feed *f);

#endif
