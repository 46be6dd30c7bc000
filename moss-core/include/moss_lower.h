/*
 * Lower levels: the methods of an ordered store of your own under a
 * collection.  mossStore is one of them; LOWER.md is a guide to writing
 * another.
 *
 * Statuses.  A method returns MOSS_OK, the ordinary answers that its comment
 * names, or a failure: any negative status, whichever says best what happened.
 * Failures go to whoever reads, or to on_error; they are never taken for
 * missing data.
 */
#ifndef MOSS_LOWER_H
#define MOSS_LOWER_H

#include "moss.h"

#ifdef __cplusplus
extern "C" {
#endif

struct segstack;

/*
 * What a lower level holds at one instant: one collection, with its children.
 * Any number of threads call these at a time, also long after the lower level
 * was closed: a snapshot keeps alive what it needs.
 *
 * Out parameters need not be set on failure.
 */
struct moss_snapshot_ops {
    /*
     * MOSS_OK or MOSS_NOT_FOUND.  The bytes stay valid as long as the
     * snapshot, or are a copy, made with moss_value_copy().
     */
    enum moss_status (*get)(struct moss_snapshot *snap, struct moss_slice key,
                            struct moss_value *value);
    /*
     * Over the keys k with *lo <= k < *hi; NULL: unbounded.  Copy the bounds.
     * The iterator keeps the snapshot alive.
     */
    enum moss_status (*iterate)(struct moss_snapshot *snap,
                                const struct moss_slice *lo,
                                const struct moss_slice *hi,
                                struct moss_iterator **out);
    /* MOSS_OK with one reference, or MOSS_NOT_FOUND. */
    enum moss_status (*child)(struct moss_snapshot *snap,
                              struct moss_slice name,
                              struct moss_snapshot **out);
    /*
     * Call each with all children's names, in byte order.  Stop at and return
     * what is not MOSS_OK.
     */
    enum moss_status (*children)(struct moss_snapshot *snap,
                                 enum moss_status (*each)(void *arg,
                                                          struct moss_slice),
                                 void *arg);
    /*
     * The tag that update() was given with the changes that led to this
     * snapshot; {0, 0} if none.  It is as durable as they are.
     */
    struct moss_tag (*tag)(struct moss_snapshot *snap);
    /* About how many entries, and their bytes, lie in [*lo, *hi). */
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

/* A lower level's snapshot embeds this as its first member. */
struct moss_snapshot {
    const struct moss_snapshot_ops *ops;
};

/*
 * Each but free returns MOSS_OK, standing on an entry; MOSS_DONE, if there is
 * none that way; or a failure.  next and prev are called only while it stands
 * on an entry.  Keys outside the bounds are not visited, whatever is sought.
 * One thread at a time, not always the same.
 */
struct moss_iterator_ops {
    enum moss_status (*first)(struct moss_iterator *it);
    enum moss_status (*last)(struct moss_iterator *it);
    /* To the first key >= key; to the last key <= key. */
    enum moss_status (*seek)(struct moss_iterator *it, struct moss_slice key);
    enum moss_status (*seek_for_prev)(struct moss_iterator *it,
                                      struct moss_slice key);
    enum moss_status (*next)(struct moss_iterator *it);
    enum moss_status (*prev)(struct moss_iterator *it);
    void (*free)(struct moss_iterator *it);
};

/*
 * A lower level's iterator embeds this as its first member.  key and value
 * are the entry it stands on; their bytes stay valid until it moves.  The key
 * that is sought may lie in them.
 */
struct moss_iterator {
    const struct moss_iterator_ops *ops;
    struct moss_slice key;
    struct moss_slice value;
};

/*
 * What a lower level is to become: the whole tree of the collections that
 * exist after the change; whatever is not in it is dropped.
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

    /* What to lay over it; NULL if nothing.  See the functions below. */
    const struct segstack *segments;

    /*
     * For moss_collection_prepare_changes() only.  drops: what had this name
     * is dropped first; without segments and children nothing takes its place.
     * clears: its older entries are dropped, its children stay.
     */
    bool drops, clears;

    const struct moss_change *children; /* sorted by name */
    size_t n_children;
};

struct moss_changes {
    struct moss_tag tag; /* the newest; {0, 0} if none */
    const struct moss_change *top;
};

/*
 * The collection that a change begins with, in before, the snapshot that the
 * last update() gave back (or the initial one, or NULL).  *out is one
 * reference; NULL, with MOSS_OK, if the collection begins empty.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_change_origin(const struct moss_change *change,
                   struct moss_snapshot *before, struct moss_snapshot **out);

/*
 * Iterate over what is to be set and deleted, each key once, in key order;
 * forward only: moss_iterator_first(), moss_iterator_next().
 * moss_iterator_current() gives key and value, moss_change_op() says
 * MOSS_OP_SET or MOSS_OP_DEL.  Merge operands come as the values that they
 * make over origin, which is read for that; NULL: over nothing.
 *
 * Moving fails as origin does, with MOSS_NO_OPERATOR, or with what merge
 * says.  change is borrowed until the iterator is freed.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_change_resolve(const struct moss_change *change,
                    const struct moss_merge_operator *merge,
                    struct moss_snapshot *origin, struct moss_iterator **out);

/*
 * The same for a lower level that can store merge operands: they come as
 * MOSS_OP_MERGE.  Several operands of a key come as one if they can be
 * combined, otherwise as several entries, oldest first, behind what they
 * apply to, if that is in the change.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_change_iterate(const struct moss_change *change,
                    const struct moss_merge_operator *merge,
                    struct moss_iterator **out);
MOSS_API enum moss_op moss_change_op(const struct moss_iterator *it);

/*
 * As moss_collection_prepare(), for changes that are segments already: those
 * of each collection are laid over the one of the same path, which is made if
 * need be.  What changes says of older content is not looked at.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_collection_prepare_changes(struct moss_collection *c,
                                const struct moss_changes *changes,
                                uint64_t timeout_ms,
                                struct moss_prepared **out);

struct moss_lower_ops {
    /*
     * Make every change durable, all or nothing, then give back in *out a
     * snapshot that reads as they laid over the previous one.  Only the
     * persister thread calls it, one call at a time and never with a lock
     * held.  Borrows changes; *out transfers one reference.
     *
     * On failure *out stays NULL.  Readers go on with the previous snapshot,
     * and the same changes, perhaps with newer ones, are offered again after
     * a pause, which grows from 10 ms to 5 s.  They are still meant for the
     * previous snapshot: if it is unknown whether a failed attempt took
     * place, see to it that they do not apply to its result.
     *
     * err, never NULL, goes to on_error; what, sys_errno, path and offset may
     * be filled in.
     */
    enum moss_status (*update)(struct moss_lower *lower,
                               const struct moss_changes *changes,
                               struct moss_snapshot **out,
                               struct moss_error *err);
    /*
     * Called once, after the last update() has returned, by
     * moss_collection_close(); frees lower, and initial if that is still there.
     */
    void (*close)(struct moss_lower *lower);
    /*
     * May be NULL.  Nothing was updated for a while: time to tidy up.  Or,
     * with closing, the collection is about to be closed after updates: do
     * what is worth waiting for.  Called by the persister thread, or when that
     * has ended, one call at a time and none beside update().  Returns soon
     * with MOSS_ABORTED once may_go_on(arg) is false, which is to be asked
     * often.  *out, unless it stays NULL, gets a snapshot that reads as the
     * last one given, from fewer pieces.  A failure is reported, nothing more.
     */
    enum moss_status (*idle)(struct moss_lower *lower, bool closing,
                             bool (*may_go_on)(void *arg), void *arg,
                             struct moss_snapshot **out,
                             struct moss_error *err);
};

/* A lower level of your own embeds this as its first member. */
struct moss_lower {
    const struct moss_lower_ops *ops;
    /*
     * One reference; NULL: empty.  A collection that is opened takes it over
     * and leaves NULL here.
     */
    struct moss_snapshot *initial;
};

#ifdef __cplusplus
}
#endif

#endif
