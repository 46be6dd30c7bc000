/*
 * Commit points: the persisted states of a store, each of which can be read.
 *
 * A commit point's id is an integer: the number of its data file times
 * 10^10, and the page of 4096 bytes in it at which its footer begins.  What
 * has been written keeps its place, so an id never means another state, and
 * it is defined for what Go moss wrote, too.  Newer ones have greater ids.
 */
#ifndef MOSS_EXT_COMMIT_POINT_H
#define MOSS_EXT_COMMIT_POINT_H

#include "ext.h"

struct commit_point {
    int64_t id;
    struct moss_commit_info info;
    struct moss_snapshot *top; /* borrowed: of the whole store */
};

/*
 * Call each for the commit points of t's store, newest first, until it returns
 * something else than SQLITE_OK; SQLITE_DONE ends it without an error.  A store
 * in memory has none.
 */
int commit_point_each(struct table *t,
                      int (*each)(void *arg, const struct commit_point *p),
                      void *arg);

/*
 * The table's collection as of the commit point id; one reference in *out.
 * Fails with a text that says which ids there are.
 */
int commit_point_open(struct table *t, int64_t id, struct moss_snapshot **out);

/* The id in v: an integer, or a number or text that is one. */
int commit_point_id(struct table *t, sqlite3_value *v, int64_t *id);

#endif
