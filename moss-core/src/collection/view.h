/* Snapshots of a state: the top-level collection and, through it, children. */
#ifndef MOSS_COLLECTION_VIEW_H
#define MOSS_COLLECTION_VIEW_H

#include "collection/state.h"
#include "moss.h"

/*
 * A new snapshot of the top-level collection; takes its own reference to s,
 * copies merge (NULL: none).  Any thread, no lock needed.
 */
MOSS_MUST_CHECK enum moss_status
view_snapshot(struct state *s, const struct moss_merge_operator *merge,
              struct moss_snapshot **out);

#endif
