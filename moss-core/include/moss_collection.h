/*
 * Collections: options, opening and closing, snapshots of the newest state,
 * batches that take effect, and waiting for the work in the background.
 */
#ifndef MOSS_COLLECTION_H
#define MOSS_COLLECTION_H

#include "moss.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a collection tells, and how long it took. */
enum moss_event {
    MOSS_EVENT_CLOSE_START = 1,
    MOSS_EVENT_CLOSE,       /* all is done; only statistics may be asked for */
    MOSS_EVENT_MERGED,      /* the merger has published its result */
    MOSS_EVENT_PERSISTED,   /* the lower level has taken a change set */
    MOSS_EVENT_BATCH_START, /* a batch is to be prepared */
    MOSS_EVENT_BATCH        /* it is published, or dropped, or has failed */
};

/* Zero means the default everywhere.  Copied by moss_collection_open(). */
struct moss_collection_options {
    const struct moss_merge_operator *merge; /* its strings are borrowed */

    /*
     * Bounds on what is not persisted yet: a writer waits in prepare() while
     * one is exceeded.  Each works alone.  A batch above a bound is admitted
     * alone.  Only for collections with a lower level.
     */
    uint64_t max_dirty_bytes; /* default 256 MiB */
    uint64_t max_dirty_ops;   /* default: no bound */

    /*
     * The merger leaves an older, larger segment alone while what lies above
     * it is smaller than this part of it.  Default 0.8.
     */
    double min_merge_ratio;

    /*
     * How long the persister lets changes gather before it writes them, in
     * milliseconds; a flush, a close, a writer that waits for room, or half of
     * a bound used up end the wait.  0, the default: a tenth of a second, and
     * less if much has gathered; up to a second in a load out of key order
     * beside which nobody reads.
     */
    uint64_t persist_delay_ms;

    /*
     * When nothing was written for so long, the lower level is told that it
     * may tidy up, until something is written or the collection is closed.
     * Default 1000; MOSS_FOREVER: never.  In memory only, the merger merges
     * all then, if this is set.
     */
    uint64_t idle_run_timeout_ms;

    /*
     * Sort a batch not in prepare() but when it is first read or merged:
     * quick to write, slower to read then.  Batches with merge operands or
     * renames are sorted at once.
     */
    bool deferred_sort;

    /*
     * How many entries a merge in the background copies before it looks
     * whether the collection is being closed; then it is given up.
     */
    size_t cancel_check_interval; /* default 10000 */

    /* Prepare, execute and notify_merger give MOSS_READONLY; no threads. */
    bool read_only;

    /*
     * What a collection without a lower level begins with and lies over;
     * open() takes its own reference.  NULL: nothing.
     */
    struct moss_snapshot *initial;

    /* Keep persisted segments in memory as a cache (section "clean"). */
    bool cache_persisted;

    /*
     * Snapshots kept for moss_collection_snapshot_at(): the states after the
     * newest tagged batches.  Defaults 1000 and 64 MiB.
     */
    size_t recent_snapshots;
    uint64_t recent_bytes;

    /*
     * Asked on the persister thread before the lower level makes changes up
     * to tag durable; a failure is treated as the lower level's.
     */
    enum moss_status (*before_persist)(void *ctx, struct moss_tag tag,
                                       struct moss_error *err);
    /* A background failure; on a background thread, no lock held. */
    void (*on_error)(void *ctx, const struct moss_error *err);
    /*
     * On the thread that it is about, no lock of the collection held.  ns is
     * how long it took, 0 for a start; a batch's time does not count the time
     * between prepare and publish.  Each BATCH_START is followed by a BATCH.
     */
    void (*on_event)(void *ctx, enum moss_event event, uint64_t ns);
    /* A line of text without line feed, valid during the call; likewise. */
    void (*log)(void *ctx, enum moss_log_level level, const char *text);
    enum moss_log_level log_level; /* log no more than this */
    /*
     * Handed to the callbacks.  They may read the collection, but not call
     * what waits: prepare, execute, flush, wait_idle, close.
     */
    void *ctx;
};

/*
 * Open a collection over lower (NULL: in memory only; taken over on success).
 * Threads start with the first prepared batch.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_collection_open(const struct moss_collection_options *options,
                     struct moss_lower *lower, struct moss_collection **out);

/*
 * Persist what is not persisted yet, stop the threads, release the lower
 * level, free c.  Waits at most timeout_ms for the persister, which keeps
 * trying meanwhile.  If all is persisted then, and time is left, a store whose
 * newest segments overlap much of the others compacts itself, as it would when
 * idle (see moss_lower.h).  Whatever is returned, c is gone: MOSS_OK, or the
 * reason why some published batches are not on disk.  Snapshots stay valid;
 * prepared batches must be published or freed before.  In a forked child it
 * frees c's memory, leaves the lower level alone and returns MOSS_FORKED.
 */
MOSS_API enum moss_status
moss_collection_close(struct moss_collection *c, uint64_t timeout_ms,
                      struct moss_error *err);

/*
 * A snapshot with every batch published so far.  Never waits for the merger,
 * the persister or the disk.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_collection_snapshot(struct moss_collection *c, struct moss_snapshot **out);

/* The state right after the batch with that tag; MOSS_NOT_FOUND if gone. */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_collection_snapshot_at(struct moss_collection *c, struct moss_tag tag,
                            struct moss_snapshot **out);

/* The tag of the newest published batch that had one. */
MOSS_API struct moss_tag moss_collection_tag(struct moss_collection *c);
/* The newest tag that the lower level has made durable. */
MOSS_API struct moss_tag
moss_collection_persisted_tag(struct moss_collection *c);

/*
 * Changes whenever a batch is published: while it stays the same, a snapshot
 * taken before is still the newest.  Background work changes it, too, when a
 * new snapshot reads the same from less memory.  One atomic load.
 */
MOSS_API uint64_t moss_collection_generation(struct moss_collection *c);

/* Look up key in the newest state; see moss_snapshot_get(). */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_collection_get(struct moss_collection *c, struct moss_slice key,
                    struct moss_value *value);

/*
 * A batch that is sorted, allocated for and admitted: publishing it cannot
 * fail.
 */
struct moss_prepared;

/*
 * Do all of a batch's execution that can fail or wait.  Copies the changes:
 * batch may be changed, prepared again or freed afterwards.  Waits while a
 * bound of the collection is exceeded, at most timeout_ms: then MOSS_TIMEOUT,
 * or the background failure that keeps the bound exceeded.  MOSS_NOT_FOUND
 * and MOSS_EXISTS: a child cannot be renamed, see moss_batch_rename_child().
 *
 * On up to four processors, while other threads take snapshots, it also waits
 * while merger or persister work, so that readers have a processor: for as long
 * as the batches before keep them busy, at most for a tenth of a second and for
 * timeout_ms.  That is no failure.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_collection_prepare(struct moss_collection *c,
                        const struct moss_batch *batch, uint64_t timeout_ms,
                        struct moss_prepared **out);

/* Make it visible to every snapshot taken from now on.  Takes over p. */
MOSS_API void moss_prepared_publish(struct moss_prepared *p);
/* Drop it; nothing has happened.  NULL is fine. */
MOSS_API void moss_prepared_free(struct moss_prepared *p);
MOSS_API struct moss_tag moss_prepared_tag(const struct moss_prepared *p);

/* prepare() without a time limit, then publish(). */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_collection_execute(struct moss_collection *c,
                        const struct moss_batch *batch);

/*
 * Return when everything published before the call is on disk: MOSS_OK, or
 * MOSS_TIMEOUT, or the background failure that prevents it.  MOSS_OK at once
 * for a collection in memory.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_collection_flush(struct moss_collection *c, uint64_t timeout_ms,
                      struct moss_error *err);

/*
 * Let the merger merge what was published so far; all: into one segment per
 * collection, as far as it is in memory, whatever the sizes.  Good for those
 * who will read much and write no more.  timeout_ms 0 does not wait; else it
 * returns when that is done, or MOSS_TIMEOUT, or the failure that prevents it.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_collection_notify_merger(struct moss_collection *c, bool all,
                              uint64_t timeout_ms);

/*
 * Let the lower level tidy up now, as when nothing was written for a while,
 * and read from what that leaves: after moss_store_compact(), from the new
 * file; then only older states need the old one.  MOSS_OK when that is done, or
 * an update that began after the call, or if there is no such lower level;
 * MOSS_TIMEOUT, or the failure that prevents persisting, as what is published
 * is persisted before.  A failure to tidy up goes to on_error alone.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_collection_notify_idle(struct moss_collection *c, uint64_t timeout_ms);

/* The options in use, with the defaults filled in.  Their strings are c's. */
MOSS_API void moss_collection_options_get(struct moss_collection *c,
                                          struct moss_collection_options *out);

/* Return when merger and persister have nothing left to do. */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_collection_wait_idle(struct moss_collection *c, uint64_t timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
