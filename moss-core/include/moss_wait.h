/*
 * Waiting for the background threads in several calls, for those who have
 * something to look at in between: ask once, then await in short pieces.
 */
#ifndef MOSS_WAIT_H
#define MOSS_WAIT_H

#include "moss.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is wanted of all that is published when it is asked for. */
enum moss_goal_kind {
    MOSS_GOAL_PERSISTED,  /* as moss_collection_flush() does */
    MOSS_GOAL_MERGED,     /* as moss_collection_notify_merger() does */
    MOSS_GOAL_MERGED_ALL, /* the same, into one segment per collection */
    MOSS_GOAL_TIDIED      /* as moss_collection_notify_idle() does */
};

/*
 * How far the threads have come then; zero has been reached.  A plain value,
 * good for the collection that filled it in, as long as that is open.
 */
struct moss_goal {
    uint64_t persisted, merged;        /* internal: batches */
    uint64_t merged_all, tidied;       /* internal: as often as asked for */
    uint64_t attempts, merge_attempts; /* internal: begun before */
};

/*
 * Set a goal and let the threads begin; does not wait.  Fails as the call that
 * kind names.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_collection_ask(struct moss_collection *c, enum moss_goal_kind kind,
                    struct moss_goal *out);

/*
 * Return when the goal is reached, whatever was published since it was set:
 * MOSS_OK, or MOSS_TIMEOUT, after which it can be awaited again, or the
 * failure, since it was set, that prevents it.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_collection_await(struct moss_collection *c, const struct moss_goal *goal,
                      uint64_t timeout_ms, struct moss_error *err);

#ifdef __cplusplus
}
#endif

#endif
