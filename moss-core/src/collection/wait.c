/*
 * Calls that wait for the background threads: flush, wait_idle,
 * notify_merger and notify_idle.
 *
 * They ask merger and persister to go on without a delay and wake them from a
 * pause after a failure.  A failure ends the wait if the attempt that failed
 * began after the call: one of before may be over by now.
 */
#include "collection/collection.h"

#include "base/error.h"

/* How many attempts had begun when the call did. */
struct since {
    uint64_t attempts, merges;
};

static struct since
begin_locked(struct moss_collection *c) REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    collection_enter_locked(c);
    c->wake_persister = c->wake_merger = true;
    condvar_signal(&c->persister_work);
    condvar_signal(&c->merger_work);
    return (struct since){ c->persist_attempts, c->merge_attempts };
}

/* The failure that came since then and lasts, or NULL. */
static const struct moss_error *
failure_locked(struct moss_collection *c, struct since since) REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    if (c->last_failed_attempt > since.attempts &&
        c->persist_trouble.error.status != MOSS_OK)
        return &c->persist_trouble.error;
    if (c->last_failed_merge > since.merges &&
        c->merge_trouble.error.status != MOSS_OK)
        return &c->merge_trouble.error;
    return NULL;
}

/* MOSS_OK: wait on. */
static enum moss_status
check_locked(struct moss_collection *c, struct since since,
             struct moss_error *err) REQUIRES(c->mu)
{
    const struct moss_error *failure = failure_locked(c, since);

    mutex_assert_held(&c->mu);
    if (c->stop)
        return error_set(err, MOSS_CLOSED, "close", NULL, 0);
    if (failure == NULL)
        return MOSS_OK;
    if (err != NULL)
        *err = *failure;
    return failure->status;
}

enum moss_status
moss_collection_flush(struct moss_collection *c, uint64_t timeout_ms,
                      struct moss_error *err)
{
    uint64_t deadline = sync_deadline_ns(timeout_ms), target;
    enum moss_status st = collection_check(c);
    bool in_time = true;
    struct since since;

    error_clear(err);
    if (st != MOSS_OK)
        return error_set(err, st, "flush", NULL, 0);
    if (c->lower == NULL)
        return MOSS_OK;
    mutex_lock(&c->mu);
    target = c->state->seq;
    if (c->state->lower->seq >= target) {
        mutex_unlock(&c->mu);
        return MOSS_OK;
    }
    since = begin_locked(c);
    persister_ask_locked(c, target);
    while (c->state->lower->seq < target) {
        st = check_locked(c, since, err);
        if (st == MOSS_OK && !in_time)
            st = error_set(err, MOSS_TIMEOUT, "flush", NULL, 0);
        if (st != MOSS_OK)
            break;
        in_time = condvar_wait_until(&c->progress, &c->mu, deadline);
    }
    collection_leave_locked(c);
    mutex_unlock(&c->mu);
    return st;
}

static bool
is_idle_locked(struct moss_collection *c) REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    return c->at_work == 0 && c->state->top == NULL &&
           c->state->taken == NULL && collection_is_clean_locked(c);
}

enum moss_status
moss_collection_wait_idle(struct moss_collection *c, uint64_t timeout_ms)
{
    uint64_t deadline = sync_deadline_ns(timeout_ms);
    enum moss_status st = collection_check(c);
    bool in_time = true;
    struct since since;

    if (st != MOSS_OK)
        return st;
    mutex_lock(&c->mu);
    if (is_idle_locked(c)) {
        mutex_unlock(&c->mu);
        return MOSS_OK;
    }
    since = begin_locked(c);
    while (!is_idle_locked(c)) {
        st = check_locked(c, since, NULL);
        if (st == MOSS_OK && !in_time)
            st = MOSS_TIMEOUT;
        if (st != MOSS_OK)
            break;
        /* Each time anew: batches may have come in meanwhile. */
        merger_ask_locked(c, c->state->seq);
        if (c->lower != NULL)
            persister_ask_locked(c, c->state->seq);
        in_time = condvar_wait_until(&c->progress, &c->mu, deadline);
    }
    collection_leave_locked(c);
    mutex_unlock(&c->mu);
    return st;
}

static bool
is_merged_locked(struct moss_collection *c, uint64_t seq, uint64_t all)
    REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    return state_merged_seq(c->state) >= seq && c->merge_all_done >= all;
}

static enum moss_status
wait_merged_locked(struct moss_collection *c, uint64_t seq, uint64_t all,
                   uint64_t deadline) REQUIRES(c->mu)
{
    struct since since = begin_locked(c);
    enum moss_status st = MOSS_OK;
    bool in_time = true;

    mutex_assert_held(&c->mu);
    while (!is_merged_locked(c, seq, all)) {
        st = check_locked(c, since, NULL);
        if (st == MOSS_OK && !in_time)
            st = MOSS_TIMEOUT;
        if (st != MOSS_OK)
            break;
        in_time = condvar_wait_until(&c->progress, &c->mu, deadline);
    }
    collection_leave_locked(c);
    return st;
}

enum moss_status
moss_collection_notify_merger(struct moss_collection *c, bool all,
                              uint64_t timeout_ms)
{
    uint64_t deadline = sync_deadline_ns(timeout_ms), wanted;
    enum moss_status st = collection_check(c);

    if (st != MOSS_OK)
        return st;
    if (c->opts.read_only)
        return MOSS_READONLY;
    st = collection_start(c);
    if (st != MOSS_OK)
        return st;
    mutex_lock(&c->mu);
    c->counters.notify.begun++;
    if (c->closing) {
        st = MOSS_CLOSED;
    } else {
        wanted = all ? ++c->merge_all_asked : 0;
        merger_ask_locked(c, c->state->seq);
        if (timeout_ms > 0)
            st = wait_merged_locked(c, c->state->seq, wanted, deadline);
    }
    c->counters.notify.done++;
    mutex_unlock(&c->mu);
    return st;
}

enum moss_status
moss_collection_notify_idle(struct moss_collection *c, uint64_t timeout_ms)
{
    uint64_t deadline = sync_deadline_ns(timeout_ms), asked;
    enum moss_status st = collection_check(c);
    bool in_time = true;
    struct since since;

    if (st != MOSS_OK)
        return st;
    if (c->lower == NULL || c->lower->ops->idle == NULL)
        return MOSS_OK;
    if (c->opts.read_only)
        return MOSS_READONLY;
    st = collection_start(c);
    if (st != MOSS_OK)
        return st;
    mutex_lock(&c->mu);
    if (c->closing) {
        mutex_unlock(&c->mu);
        return MOSS_CLOSED;
    }
    since = begin_locked(c);
    idle_ask_locked(c);
    asked = c->idle_asked;
    while (c->idle_done < asked) {
        st = check_locked(c, since, NULL);
        if (st == MOSS_OK && !in_time)
            st = MOSS_TIMEOUT;
        if (st != MOSS_OK)
            break;
        /* What is not persisted keeps it from being idle, but will do. */
        persister_ask_locked(c, c->state->seq);
        in_time = condvar_wait_until(&c->progress, &c->mu, deadline);
    }
    collection_leave_locked(c);
    mutex_unlock(&c->mu);
    return st;
}
