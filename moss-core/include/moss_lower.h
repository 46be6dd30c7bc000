/*
 * Lower levels: the methods of an ordered store of your own under a
 * collection.  mossStore is one of them.
 */
#ifndef MOSS_LOWER_H
#define MOSS_LOWER_H

#include "moss.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A lower level's snapshot embeds this as its first member. */
struct moss_snapshot_ops {
    enum moss_status (*get)(struct moss_snapshot *snap, struct moss_slice key,
                            struct moss_value *value);
    enum moss_status (*iterate)(struct moss_snapshot *snap,
                                const struct moss_slice *lo,
                                const struct moss_slice *hi,
                                struct moss_iterator **out);
    enum moss_status (*child)(struct moss_snapshot *snap,
                              struct moss_slice name,
                              struct moss_snapshot **out);
    enum moss_status (*children)(struct moss_snapshot *snap,
                                 enum moss_status (*each)(void *arg,
                                                          struct moss_slice),
                                 void *arg);
    struct moss_tag (*tag)(struct moss_snapshot *snap);
    enum moss_status (*estimate)(struct moss_snapshot *snap,
                                 const struct moss_slice *lo,
                                 const struct moss_slice *hi, uint64_t *entries,
                                 uint64_t *bytes);
    void (*ref)(struct moss_snapshot *snap);
    void (*unref)(struct moss_snapshot *snap);
    /*
     * For snapshots of this library only, NULL elsewhere: the segments that
     * the snapshot consists of, borrowed, so that readers need not go through
     * the calls above.
     */
    const struct segstack *(*segments)(struct moss_snapshot *snap);
};

struct moss_snapshot {
    const struct moss_snapshot_ops *ops;
};

struct moss_iterator_ops {
    enum moss_status (*first)(struct moss_iterator *it);
    enum moss_status (*last)(struct moss_iterator *it);
    enum moss_status (*seek)(struct moss_iterator *it, struct moss_slice key);
    enum moss_status (*seek_for_prev)(struct moss_iterator *it,
                                      struct moss_slice key);
    enum moss_status (*next)(struct moss_iterator *it);
    enum moss_status (*prev)(struct moss_iterator *it);
    void (*free)(struct moss_iterator *it);
};

/* A lower level's iterator embeds this; key and value are the current entry. */
struct moss_iterator {
    const struct moss_iterator_ops *ops;
    struct moss_slice key;
    struct moss_slice value;
};

/*
 * What a lower level is to become: the whole tree of the collections that
 * exist after the change, whatever is not in it is dropped.
 */
struct moss_change {
    struct moss_slice name; /* empty for the top-level collection */

    /*
     * The same collection in the snapshot that the last update() gave back
     * (or the initial one), named there by its path from the top, n_from
     * names long; n_from 0 is the top level.  The path is another one than
     * the collection's own after a rename.  has_from is false for a
     * collection that begins empty, also if an older one had its name, and
     * for one that was cleared, whose children may well come from somewhere.
     */
    bool has_from;
    const struct moss_slice *from;
    size_t n_from;

    /* What to lay over it; NULL if nothing.  See moss_change_iterate(). */
    const struct segstack *segments;

    const struct moss_change *children; /* sorted by name */
    size_t n_children;
};

struct moss_changes {
    struct moss_tag tag; /* the newest; {0, 0} if none */
    const struct moss_change *top;
};

/*
 * Iterate over a change's entries, deletions and merge operands included:
 * moss_iterator_current() gives key and value, moss_change_op() says what to
 * do.  Several operands of a key come as one if they can be combined,
 * otherwise as several entries, oldest first.  Forward only.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_change_iterate(const struct moss_change *change,
                    const struct moss_merge_operator *merge,
                    struct moss_iterator **out);
MOSS_API enum moss_op moss_change_op(const struct moss_iterator *it);

struct moss_lower_ops {
    /*
     * Make every change durable, then give back in *lower a snapshot that
     * reads as them laid over the previous one.  Only the persister thread
     * calls it, one call at a time and never with a lock held.  Borrows
     * changes; *lower transfers one reference.  On failure *lower stays NULL,
     * and the same changes, perhaps with newer ones, are offered again after
     * a pause.
     */
    enum moss_status (*update)(struct moss_lower *lower,
                               const struct moss_changes *changes,
                               struct moss_snapshot **out,
                               struct moss_error *err);
    /* Called once, after the last update() has returned; frees lower. */
    void (*close)(struct moss_lower *lower);
};

/* A lower level of your own embeds this as its first member. */
struct moss_lower {
    const struct moss_lower_ops *ops;
    /* Owned; NULL: empty.  A collection takes it over when it is opened. */
    struct moss_snapshot *initial;
};

#ifdef __cplusplus
}
#endif

#endif
