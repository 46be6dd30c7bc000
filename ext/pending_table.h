/* What pending.c and pending_savepoint.c share: pending changes, laid open. */
#ifndef MOSS_EXT_PENDING_TABLE_H
#define MOSS_EXT_PENDING_TABLE_H

#include "ext.h"

/* What a table was when a savepoint was set. */
struct mark {
    struct pending_table *table;
    size_t count;
    bool created, cleared;
    size_t from;
    struct moss_snapshot *overlay; /* owned; NULL if there was none */
    size_t overlaid;
};

struct sight;

/* Of a key: its newest change, or NONE, and part of its hash. */
struct slot {
    uint32_t change, hash;
};

struct savepoint {
    int index;
    size_t n_marks;
    struct mark *marks;
};

struct pending_table {
    struct pending_table *next;
    struct pending *owner;
    char *collection;
    char *listed;
    bool created;
    /*
     * The collection was emptied when there were from changes: those, and all
     * that was in it before, are void.  They stay for a rollback.
     */
    bool cleared;
    size_t from;
    struct moss_batch *batch; /* part of the owner's */
    bool batch_cleared;       /* and itself begins with that, for good */

    /* Open addressing, linear; a power of two, at most 3/4 full. */
    struct slot *slots;
    size_t n_slots, n_keys;
    bool dropped;     /* there is no index, although there are changes */
    uint32_t *before; /* of each change, the one of its key before it */
    size_t cap_before;

    struct moss_snapshot *base; /* owned; NULL: not noted */
    /* Owned; the changes [from, overlaid).  There is one if it is cleared. */
    struct moss_snapshot *overlay;
    size_t overlaid;

    bool merges;    /* there may be merge operands */
    uint8_t *alive; /* of each change, if so: does it count? */

    struct bytes last; /* the greatest key of the table, if it is known */
    bool last_known;
};

struct pending {
    struct moss_batch *batch;
    struct pending_table *tables;
    size_t n_tables;
    struct savepoint *savepoints; /* by rising index */
    size_t n_savepoints, cap_savepoints;
    int first_savepoint; /* those below were set before the first change */
    uint64_t version;
    struct sight *sights; /* that see changes which are not laid over */
};

/* Undo the index's part of the changes from count on, newest first. */
void pending_index_forget(struct pending_table *t, size_t count);
/*
 * The newest change of key among [from, to): true with *op and *value, which
 * is valid until the next change.
 */
bool pending_get_within(struct pending_table *t, size_t from, size_t to,
                        struct moss_slice key, enum moss_op *op,
                        struct moss_slice *value);
/*
 * Lay over the changes that sights of t (NULL: of all tables) see beyond
 * number count, which are about to go.
 */
void pending_settle_sights(struct pending *p, const struct pending_table *t,
                           size_t count);
/* Free what s holds, but not s. */
void savepoint_release(struct savepoint *s);

#endif
