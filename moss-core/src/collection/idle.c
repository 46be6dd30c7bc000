/*
 * Some time after everything was persisted, and nothing has come since, the
 * lower level may tidy up: a store merges the segments that updates have left,
 * so that who only reads finds few.  It is asked to stop as soon as there is
 * something to persist, or the collection is closed.  Each time it is stopped,
 * it is given twice as much time before it is asked again: writes in short
 * intervals must not keep the disk busy with what never comes to an end.
 *
 * What the lower level gives back reads the same; it becomes the lower part of
 * the newest state.  idle.c holds nothing up: wait_idle() does not wait for it.
 *
 * A close gives the lower level a last occasion, once everything is persisted
 * and the threads have ended, so that a load that is closed at once leaves few
 * segments, too.
 *
 * moss_collection_notify_idle() asks for it at once, and waits until it was done
 * without being stopped, or an update that began later is.
 *
 * The persister thread, and the one that closes.
 */
#include "base/error.h"
#include "collection/collection.h"

#define MAX_WAIT_MS ((uint64_t)60 * 1000)

void
idle_begin_locked(struct moss_collection *c)
{
    mutex_assert_held(&c->mu);
    c->idle_due_ns = MOSS_FOREVER;
    if (c->lower == NULL || c->lower->ops->idle == NULL)
        return;
    if (c->idle_wait_ms == 0)
        c->idle_wait_ms = c->opts.idle_run_timeout_ms;
    c->idle_due_ns =
        c->idle_asked > c->idle_done ? 0 : sync_deadline_ns(c->idle_wait_ms);
}

void
idle_ask_locked(struct moss_collection *c)
{
    mutex_assert_held(&c->mu);
    c->idle_asked++;
    c->idle_due_ns = 0;
    condvar_signal(&c->persister_work);
}

static bool
may_go_on(void *arg)
{
    struct moss_collection *c = arg;
    bool go_on;

    mutex_lock(&c->mu);
    go_on = !c->stop && !c->closing && collection_is_clean_locked(c);
    mutex_unlock(&c->mu);
    return go_on;
}

/* Lay the newest content over snap, which it takes over, and reads the same. */
static enum moss_status
lay_over(struct moss_collection *c, struct moss_snapshot *snap)
{
    struct leftovers left = { NULL, NULL };
    struct lower_state *lower = NULL, *old;
    struct state *s = collection_state(c), *next = NULL;
    enum moss_status st = lower_state_new(s->lower->tree, &lower);

    if (st == MOSS_OK)
        st = state_new(&next);
    state_unref(s);
    if (st < 0) {
        lower_state_unref(lower);
        moss_snapshot_unref(snap);
        return st;
    }
    mutex_lock(&c->mu);
    state_inherit(next, c->state);
    /* Only this thread changes it; the state before holds it still. */
    old = next->lower;
    lower->snapshot = snap;
    lower->tag = old->tag;
    lower->seq = old->seq;
    next->lower = lower;
    lower_state_unref(old);
    collection_swap_locked(c, next, &left);
    collection_new_generation_locked(c, &left);
    mutex_unlock(&c->mu);
    leftovers_release(&left);
    return MOSS_OK;
}

static void
note_end(struct moss_collection *c, bool was_stopped)
{
    uint64_t wait_ms;

    mutex_lock(&c->mu);
    wait_ms = c->opts.idle_run_timeout_ms;
    if (was_stopped)
        wait_ms = c->idle_wait_ms > MAX_WAIT_MS / 2 ? c->idle_wait_ms
                                                    : 2 * c->idle_wait_ms;
    c->idle_wait_ms = wait_ms;
    c->idle_due_ns = MOSS_FOREVER;
    mutex_unlock(&c->mu);
}

static void
note_begin(struct moss_collection *c)
{
    mutex_lock(&c->mu);
    c->idle_seen = c->idle_asked;
    mutex_unlock(&c->mu);
}

/* What was asked for before is done; or it comes again, soon. */
static void
note_answer(struct moss_collection *c, bool was_stopped)
{
    mutex_lock(&c->mu);
    if (!was_stopped)
        c->idle_done = c->idle_seen;
    if (c->idle_asked > c->idle_done)
        c->idle_due_ns = 0;
    condvar_broadcast(&c->progress);
    mutex_unlock(&c->mu);
}

/* st, of which err may say more. */
static void
report(struct moss_collection *c, enum moss_status st, struct moss_error *err)
{
    if (err->status != st)
        (void)error_set(err, st, "idle", NULL, 0);
    err->work = MOSS_WORK_TIDY;
    trouble_report(c, err);
}

void
idle_run(struct moss_collection *c)
{
    struct moss_snapshot *snap = NULL;
    struct moss_error err;
    bool was_stopped;
    enum moss_status st;

    error_clear(&err);
    note_begin(c);
    st = c->lower->ops->idle(c->lower, false, may_go_on, c, &snap, &err);
    was_stopped = st == MOSS_ABORTED;
    note_end(c, was_stopped);
    if (st == MOSS_OK && snap != NULL) {
        st = lay_over(c, snap);
        if (st == MOSS_OK)
            read_slots_refresh(c);
    }
    note_answer(c, was_stopped);
    if (st < 0 && st != MOSS_ABORTED)
        report(c, st, &err);
}

static bool
is_before(void *arg)
{
    const uint64_t *deadline_ns = arg;

    return sync_now_ns() < *deadline_ns;
}

void
idle_close(struct moss_collection *c, uint64_t deadline_ns)
{
    struct moss_snapshot *snap = NULL;
    struct moss_error err;
    enum moss_status st;
    bool is_changed;

    if (c->lower == NULL || c->lower->ops->idle == NULL)
        return;
    mutex_lock(&c->mu);
    is_changed = c->counters.persists > 0;
    mutex_unlock(&c->mu);
    if (!is_changed || !is_before(&deadline_ns))
        return;
    error_clear(&err);
    st = c->lower->ops->idle(c->lower, true, is_before, &deadline_ns, &snap,
                             &err);
    moss_snapshot_unref(snap);
    if (st < 0 && st != MOSS_ABORTED)
        report(c, st, &err);
}
