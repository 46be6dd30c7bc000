/* Snapshots of a state: the top-level collection and, through it, children. */
#ifndef MOSS_COLLECTION_VIEW_H
#define MOSS_COLLECTION_VIEW_H

#include "collection/pins.h"
#include "collection/state.h"
#include "moss.h"

/*
 * A new snapshot of the top-level collection; takes its own references to s
 * and pins, where it is listed, copies merge (NULL: none).  Any thread, no lock
 * needed.
 */
MOSS_MUST_CHECK enum moss_status
view_snapshot(struct state *s, const struct moss_merge_operator *merge,
              struct pins *pins, struct moss_snapshot **out);

#endif
