/* What a cursor sees of a collection. */
#ifndef MOSS_EXT_SIGHT_H
#define MOSS_EXT_SIGHT_H

#include "ext.h"

struct pending_table;

/*
 * One state of a collection, in which keys can be looked up as it is, and
 * which becomes a snapshot when it is first asked for one.  It keeps its
 * place in memory until it is released; of all zeroes it is released.
 */
struct sight {
    struct moss_snapshot *snap;   /* owned */
    struct moss_snapshot *former; /* owned; what it was before, or NULL */
    /* The changes [laid, count) are seen too, unless this is NULL. */
    struct pending_table *changes;
    size_t laid, count;
    struct sight *next, **link; /* then it is in the transaction's list */
    enum moss_status lost; /* why it was left without its changes, if it was */
};

/*
 * What a cursor opened now reads, as table_snapshot(), which is not called
 * then; table_cursor_closed() is, likewise.  And so for an index.
 */
int table_sight(struct table *t, struct sight *out);
int table_index_sight(struct table *t, int i, struct sight *out);
/* Become a state that is a snapshot already, which is taken over. */
void sight_fix(struct sight *s, struct moss_snapshot *snap);
void sight_release(struct sight *s); /* idempotent */

/*
 * As moss_snapshot_get(); the value lasts as long as the sight, whatever is
 * changed.
 */
enum moss_status
sight_get(struct sight *s, struct moss_slice key, struct moss_value *value);
/* The state as a snapshot, which is borrowed. */
enum moss_status sight_snapshot(struct sight *s, struct moss_snapshot **out);

#endif
