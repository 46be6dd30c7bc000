/* A full compaction that goes on beside updates. */
#ifndef MOSS_STORE_GRADUAL_H
#define MOSS_STORE_GRADUAL_H

#include "store/store.h"

/* For the holder of the writer's role, like all of these. */

/* Is one going on?  Gives it up where it is of no use any more. */
bool gradual_goes_on(struct moss_store *s);

/* Is at least half of the one that goes on, if any, written? */
bool gradual_is_half_done(const struct moss_store *s);

/* Is all of plan, which is chosen, better written by and by? */
bool gradual_pays(struct moss_store *s, struct plan *plan);

/*
 * Like store_write(): make plan, which lies over the newest commit point, the
 * newest one, with a compaction that is begun, goes on or comes to its end.
 */
MOSS_MUST_CHECK enum moss_status
gradual_write(struct moss_store *s, struct plan *plan, struct watch *watch,
              struct moss_snapshot **out, struct moss_error *err);

/* Bring the one that goes on to its end, while asked's progress lets it. */
MOSS_MUST_CHECK enum moss_status
gradual_idle(struct moss_store *s, const struct watch *asked,
             struct moss_error *err);

/* Give one up, if there is one, with what it has written. */
void gradual_drop(struct moss_store *s);

#endif
