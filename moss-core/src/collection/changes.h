/* What a lower level is to become, from a state's base. */
#ifndef MOSS_COLLECTION_CHANGES_H
#define MOSS_COLLECTION_CHANGES_H

#include "collection/state.h"
#include "moss.h"

struct changes {
    struct moss_changes changes; /* what update() gets; borrows from s */
    struct moss_change *all;     /* owned */
    struct moss_slice *names;    /* owned: the paths */
    size_t n_all, n_names;
};

/* s has a base and outlives the changes. */
MOSS_MUST_CHECK enum moss_status
changes_init(struct changes *changes, const struct state *s);
void changes_release(struct changes *changes); /* idempotent */

#endif
