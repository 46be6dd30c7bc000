/*
 * Calls that wait for the background threads: flush, wait_idle, notify_merger
 * and notify_idle, and those that do so in several calls (moss_wait.h).
 *
 * What is waited for is a struct moss_goal: how far the threads are to come, by
 * numbers that only grow.  So what comes in later does not put it off.  Only
 * wait_idle wants what is new, too.
 *
 * They ask merger and persister to go on without a delay and wake them from a
 * pause after a failure.  A failure ends the wait if the attempt that failed
 * began after the goal was set: one of before may be over by now.
 */
#include "collection/collection.h"

#include "base/error.h"

static struct moss_goal
goal_locked(struct moss_collection *c) REQUIRES(c->mu)
{
    struct moss_goal goal = { .attempts = c->persist_attempts,
                              .merge_attempts = c->merge_attempts };

    mutex_assert_held(&c->mu);
    return goal;
}

/* The failure that came since then and lasts, or NULL. */
static const struct moss_error *
failure_locked(struct moss_collection *c, const struct moss_goal *goal)
    REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    if (c->last_failed_attempt > goal->attempts &&
        c->persist_trouble.error.status != MOSS_OK)
        return &c->persist_trouble.error;
    if (c->last_failed_merge > goal->merge_attempts &&
        c->merge_trouble.error.status != MOSS_OK)
        return &c->merge_trouble.error;
    return NULL;
}

/* MOSS_OK: wait on. */
static enum moss_status
check_locked(struct moss_collection *c, const struct moss_goal *goal,
             struct moss_error *err) REQUIRES(c->mu)
{
    const struct moss_error *failure = failure_locked(c, goal);

    mutex_assert_held(&c->mu);
    if (c->stop)
        return error_set(err, MOSS_CLOSED, "close", NULL, 0);
    if (failure == NULL)
        return MOSS_OK;
    if (err != NULL)
        *err = *failure;
    return failure->status;
}

/* Is it reached?  If not, ask for what has to be asked for each time anew. */
typedef bool (*is_reached_fn)(struct moss_collection *c,
                              const struct moss_goal *goal);

static bool
is_reached_locked(struct moss_collection *c, const struct moss_goal *goal)
    REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    if (c->idle_done < goal->tidied) {
        /* What is not persisted keeps it from being idle, but will do. */
        persister_ask_locked(c, c->state->seq);
        return false;
    }
    return c->state->lower->seq >= goal->persisted &&
           state_merged_seq(c->state) >= goal->merged &&
           c->merge_all_done >= goal->merged_all;
}

static bool
is_idle_locked(struct moss_collection *c, const struct moss_goal *goal)
    REQUIRES(c->mu)
{
    (void)goal;
    mutex_assert_held(&c->mu);
    if (c->at_work == 0 && c->state->top == NULL && c->state->taken == NULL &&
        collection_is_clean_locked(c))
        return true;
    /* Batches may have come in meanwhile. */
    merger_ask_locked(c, c->state->seq);
    if (c->lower != NULL)
        persister_ask_locked(c, c->state->seq);
    return false;
}

static enum moss_status
wait_locked(struct moss_collection *c, is_reached_fn is_reached,
            const struct moss_goal *goal, uint64_t timeout_ms,
            struct moss_error *err) REQUIRES(c->mu)
{
    uint64_t deadline = sync_deadline_ns(timeout_ms);
    enum moss_status st = MOSS_OK;
    bool in_time = true;

    mutex_assert_held(&c->mu);
    if (is_reached(c, goal))
        return MOSS_OK;
    collection_enter_locked(c);
    c->wake_persister = c->wake_merger = true;
    condvar_signal(&c->persister_work);
    condvar_signal(&c->merger_work);
    while (!is_reached(c, goal)) {
        st = check_locked(c, goal, err);
        if (st == MOSS_OK && !in_time)
            st = error_set(err, MOSS_TIMEOUT, "wait", NULL, 0);
        if (st != MOSS_OK)
            break;
        in_time = condvar_wait_until(&c->progress, &c->mu, deadline);
    }
    collection_leave_locked(c);
    return st;
}

enum moss_status
moss_collection_wait_idle(struct moss_collection *c, uint64_t timeout_ms)
{
    enum moss_status st = collection_check(c);
    struct moss_goal goal;

    if (st != MOSS_OK)
        return st;
    mutex_lock(&c->mu);
    goal = goal_locked(c);
    st = wait_locked(c, is_idle_locked, &goal, timeout_ms, NULL);
    mutex_unlock(&c->mu);
    return st;
}

/* ----------------------------------------------------------------- goals */

static void
ask_persisted_locked(struct moss_collection *c, struct moss_goal *goal)
    REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    goal->persisted = c->state->seq;
    if (c->state->lower->seq < goal->persisted)
        persister_ask_locked(c, goal->persisted);
}

static enum moss_status
ask_merged_locked(struct moss_collection *c, bool all, struct moss_goal *goal)
    REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    if (c->closing)
        return MOSS_CLOSED;
    goal->merged = c->state->seq;
    goal->merged_all = all ? ++c->merge_all_asked : 0;
    merger_ask_locked(c, goal->merged);
    return MOSS_OK;
}

static enum moss_status
ask_tidied_locked(struct moss_collection *c, struct moss_goal *goal)
    REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    if (c->closing)
        return MOSS_CLOSED;
    idle_ask_locked(c);
    goal->tidied = c->idle_asked;
    return MOSS_OK;
}

/* Does it take no work of the threads? */
static bool
is_for_nobody(const struct moss_collection *c, enum moss_goal_kind kind)
{
    if (kind == MOSS_GOAL_PERSISTED)
        return c->lower == NULL;
    return kind == MOSS_GOAL_TIDIED &&
           (c->lower == NULL || c->lower->ops->idle == NULL);
}

/* Before a goal is set: MOSS_OK, or why it cannot be. */
static enum moss_status
start(struct moss_collection *c, enum moss_goal_kind kind)
{
    if (kind == MOSS_GOAL_PERSISTED)
        return MOSS_OK; /* what there is to persist has started the threads */
    return c->opts.read_only ? MOSS_READONLY : collection_start(c);
}

enum moss_status
moss_collection_ask(struct moss_collection *c, enum moss_goal_kind kind,
                    struct moss_goal *out)
{
    enum moss_status st = collection_check(c);

    *out = (struct moss_goal){ 0 };
    if (st != MOSS_OK || is_for_nobody(c, kind))
        return st;
    st = start(c, kind);
    if (st != MOSS_OK)
        return st;
    mutex_lock(&c->mu);
    *out = goal_locked(c);
    if (kind == MOSS_GOAL_PERSISTED)
        ask_persisted_locked(c, out);
    else if (kind == MOSS_GOAL_TIDIED)
        st = ask_tidied_locked(c, out);
    else
        st = ask_merged_locked(c, kind == MOSS_GOAL_MERGED_ALL, out);
    mutex_unlock(&c->mu);
    return st;
}

enum moss_status
moss_collection_await(struct moss_collection *c, const struct moss_goal *goal,
                      uint64_t timeout_ms, struct moss_error *err)
{
    enum moss_status st = collection_check(c);

    error_clear(err);
    if (st != MOSS_OK)
        return error_set(err, st, "wait", NULL, 0);
    mutex_lock(&c->mu);
    st = wait_locked(c, is_reached_locked, goal, timeout_ms, err);
    mutex_unlock(&c->mu);
    return st;
}

static enum moss_status
ask_and_wait(struct moss_collection *c, enum moss_goal_kind kind,
             uint64_t timeout_ms, struct moss_error *err)
{
    struct moss_goal goal;
    enum moss_status st = moss_collection_ask(c, kind, &goal);

    if (st != MOSS_OK)
        return error_set(err, st, "wait", NULL, 0);
    return moss_collection_await(c, &goal, timeout_ms, err);
}

enum moss_status
moss_collection_flush(struct moss_collection *c, uint64_t timeout_ms,
                      struct moss_error *err)
{
    return ask_and_wait(c, MOSS_GOAL_PERSISTED, timeout_ms, err);
}

static void
count_notify(struct moss_collection *c, uint64_t begun, uint64_t done)
{
    mutex_lock(&c->mu);
    c->counters.notify.begun += begun;
    c->counters.notify.done += done;
    mutex_unlock(&c->mu);
}

enum moss_status
moss_collection_notify_merger(struct moss_collection *c, bool all,
                              uint64_t timeout_ms)
{
    enum moss_goal_kind kind = all ? MOSS_GOAL_MERGED_ALL : MOSS_GOAL_MERGED;
    enum moss_status st = collection_check(c);
    struct moss_goal goal;

    if (st != MOSS_OK)
        return st;
    count_notify(c, 1, 0);
    if (timeout_ms == 0)
        st = moss_collection_ask(c, kind, &goal);
    else
        st = ask_and_wait(c, kind, timeout_ms, NULL);
    count_notify(c, 0, 1);
    return st;
}

enum moss_status
moss_collection_notify_idle(struct moss_collection *c, uint64_t timeout_ms)
{
    return ask_and_wait(c, MOSS_GOAL_TIDIED, timeout_ms, NULL);
}
