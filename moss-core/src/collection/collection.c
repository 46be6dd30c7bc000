/*
 * Collections: opening, closing, and the steps that the other files share.
 *
 * Everything that readers see hangs on one pointer, c->state.  A writer, the
 * merger and the persister each prepare a new state without the lock and swap
 * it in under c->mu; what they replaced is released after unlocking.
 *
 * Threads start with the first batch, so that a process which only reads has
 * none.  A forked child has none either: there, every call gives MOSS_FORKED
 * and takes no lock, since another thread of the parent may have held it.
 */
#include "collection/collection.h"

#include <assert.h>

#include "base/error.h"
#include "base/mem.h"
#include "collection/exit.h"
#include "collection/pins.h"

#define DEFAULT_MAX_DIRTY_BYTES ((uint64_t)256 << 20)
#define DEFAULT_IDLE_MS 1000
#define DEFAULT_MERGE_RATIO 0.8
#define DEFAULT_CANCEL_CHECK 10000
#define DEFAULT_RECENT_SNAPSHOTS 1000
#define DEFAULT_RECENT_BYTES ((uint64_t)64 << 20)

enum moss_status
collection_check(const struct moss_collection *c)
{
    return c->process == sync_process() ? MOSS_OK : MOSS_FORKED;
}

bool
collection_is_clean_locked(struct moss_collection *c)
{
    mutex_assert_held(&c->mu);
    return c->lower == NULL || c->state->seq == c->state->lower->seq;
}

void
leftovers_release(struct leftovers *left)
{
    if (left->newest != NULL)
        moss_snapshot_unref(left->newest);
    state_unref(left->state);
    memset(left, 0, sizeof(*left));
}

void
collection_swap_locked(struct moss_collection *c, struct state *next,
                       struct leftovers *left)
{
    mutex_assert_held(&c->mu);
    assert(left->state == NULL && next->seq == c->state->seq);
    left->state = c->state;
    c->state = next;
}

void
collection_new_generation_locked(struct moss_collection *c,
                                 struct leftovers *left)
{
    mutex_assert_held(&c->mu);
    assert(left->newest == NULL);
    left->newest = c->newest;
    c->newest = NULL;
    /* Release: who sees the new number finds at least this state. */
    atomic_fetch_add_explicit(&c->generation, 1, memory_order_release);
}

void
collection_wake_locked(struct moss_collection *c)
{
    mutex_assert_held(&c->mu);
    condvar_broadcast(&c->room);
    condvar_broadcast(&c->progress);
    condvar_signal(&c->persister_work);
}

struct state *
collection_state(struct moss_collection *c)
{
    struct state *s;

    mutex_lock(&c->mu);
    s = state_ref(c->state);
    mutex_unlock(&c->mu);
    return s;
}

void
collection_enter_locked(struct moss_collection *c)
{
    mutex_assert_held(&c->mu);
    c->users++;
}

void
collection_leave_locked(struct moss_collection *c)
{
    mutex_assert_held(&c->mu);
    c->users--;
    if (c->users == 0 && c->closing)
        condvar_broadcast(&c->progress);
}

/* ------------------------------------------------------------------ */
/* Opening                                                            */
/* ------------------------------------------------------------------ */

static void
init_options(struct moss_collection *c,
             const struct moss_collection_options *options)
{
    struct moss_collection_options *opts = &c->opts;

    if (options != NULL)
        *opts = *options;
    if (opts->merge != NULL) {
        c->merge_op = *opts->merge;
        c->merge = &c->merge_op;
        opts->merge = c->merge; /* the caller's struct may be gone by then */
    }
    opts->initial = NULL; /* it goes to the first state */
    if (c->lower == NULL && opts->idle_run_timeout_ms != MOSS_FOREVER)
        c->merger_idle_ms = opts->idle_run_timeout_ms;
    if (opts->max_dirty_bytes == 0)
        opts->max_dirty_bytes = DEFAULT_MAX_DIRTY_BYTES;
    if (opts->max_dirty_ops == 0)
        opts->max_dirty_ops = UINT64_MAX;
    if (opts->idle_run_timeout_ms == 0)
        opts->idle_run_timeout_ms = DEFAULT_IDLE_MS;
    if (!(opts->min_merge_ratio > 0))
        opts->min_merge_ratio = DEFAULT_MERGE_RATIO;
    if (opts->cancel_check_interval == 0)
        opts->cancel_check_interval = DEFAULT_CANCEL_CHECK;
    c->merge_stop.now = &c->hurry;
    c->merge_stop.every = opts->cancel_check_interval;
    if (opts->recent_snapshots == 0)
        opts->recent_snapshots = DEFAULT_RECENT_SNAPSHOTS;
    if (opts->recent_bytes == 0)
        opts->recent_bytes = DEFAULT_RECENT_BYTES;
}

static enum moss_status
init_sync(struct moss_collection *c)
{
    struct condvar *const condvars[] = { &c->room, &c->merger_work,
                                         &c->persister_work, &c->progress };
    size_t n = sizeof(condvars) / sizeof(condvars[0]), made = 0;
    enum moss_status st;

    st = mutex_init(&c->start_mu);
    if (st != MOSS_OK)
        return st;
    st = mutex_init(&c->mu);
    if (st != MOSS_OK)
        goto no_mu;
    while (made < n) {
        st = condvar_init(condvars[made]);
        if (st != MOSS_OK)
            goto no_condvars;
        made++;
    }
    st = read_slots_init(c);
    if (st == MOSS_OK)
        return MOSS_OK;

no_condvars:
    while (made > 0)
        condvar_destroy(condvars[--made]);
    mutex_destroy(&c->mu);
no_mu:
    mutex_destroy(&c->start_mu);
    return st;
}

static void
release_sync(struct moss_collection *c)
{
    condvar_destroy(&c->room);
    condvar_destroy(&c->merger_work);
    condvar_destroy(&c->persister_work);
    condvar_destroy(&c->progress);
    mutex_destroy(&c->mu);
    mutex_destroy(&c->start_mu);
}

/* The state that the lower level's snapshot is, with nothing over it. */
static enum moss_status
first_state(struct moss_collection *c, struct moss_snapshot *initial,
            struct state **out)
{
    struct tree *tree = NULL;
    struct state *s = NULL;
    enum moss_status st;

    *out = NULL;
    st = tree_read(initial, &c->next_id, &tree);
    if (st == MOSS_OK)
        st = state_new(&s);
    if (st == MOSS_OK)
        st = lower_state_new(tree, &s->lower);
    if (st == MOSS_OK && initial != NULL) {
        s->lower->snapshot = moss_snapshot_ref(initial);
        s->lower->tag = moss_snapshot_tag(initial);
        s->tag = s->lower->tag;
    }
    if (st == MOSS_OK) {
        *out = s;
        s = NULL;
    }
    state_unref(s);
    tree_unref(tree);
    return st;
}

/* What init_sync() did not make; destroy: what it did, as well. */
static void
collection_free(struct moss_collection *c, bool destroy)
{
    read_slots_release(c, destroy);
    if (c->newest != NULL)
        moss_snapshot_unref(c->newest);
    recents_release(&c->recents);
    state_unref(c->state);
    segstack_unref(c->opaque);
    pins_unref(c->pins);
    if (destroy)
        release_sync(c);
    mem_free(c);
}

enum moss_status
moss_collection_open(const struct moss_collection_options *options,
                     struct moss_lower *lower, struct moss_collection **out)
{
    struct moss_snapshot *initial = options == NULL ? NULL : options->initial;
    struct moss_collection *c = NULL;
    enum moss_status st;

    *out = NULL;
    if (lower != NULL)
        initial = lower->initial;
    c = mem_zalloc(1, sizeof(*c));
    if (c == NULL)
        return MOSS_NOMEM;
    c->lower = lower;
    init_options(c, options);
    c->process = sync_process();
    atomic_init(&c->generation, 1);
    atomic_init(&c->next_id, TREE_TOP_ID + 1);
    atomic_init(&c->hurry, false);
    c->idle_due_ns = MOSS_FOREVER;
    turns_init(&c->turns);
    st = init_sync(c);
    if (st != MOSS_OK) {
        mem_free(c);
        return st;
    }
    st = segstack_new(NULL, NULL, 0, &c->opaque);
    if (st == MOSS_OK)
        st = pins_new(&c->pins);
    if (st == MOSS_OK) {
        st = recents_init(&c->recents, c->opts.recent_snapshots,
                          c->opts.recent_bytes);
    }
    if (st == MOSS_OK)
        st = first_state(c, initial, &c->state);
    if (st == MOSS_OK && lower != NULL)
        st = exit_watch(c);
    if (st != MOSS_OK) {
        collection_free(c, true);
        return st;
    }
    if (lower != NULL && lower->initial != NULL) {
        /* The state has it; here it would pin old files for good. */
        moss_snapshot_unref(lower->initial);
        lower->initial = NULL;
    }
    collection_log(c, MOSS_LOG_STEPS, "opened: %zu collections%s",
                   tree_count(c->state->lower->tree),
                   lower == NULL ? ", in memory" : "");
    *out = c;
    return MOSS_OK;
}

enum moss_status
collection_start(struct moss_collection *c)
{
    enum moss_status st = MOSS_OK;

    mutex_lock(&c->start_mu);
    if (!c->started) {
        st = thread_start(&c->merger, "moss-merger", merger_run, c);
        if (st == MOSS_OK && c->lower != NULL) {
            st =
                thread_start(&c->persister, "moss-persister", persister_run, c);
            if (st != MOSS_OK) {
                mutex_lock(&c->mu);
                c->stop = true;
                condvar_broadcast(&c->merger_work);
                mutex_unlock(&c->mu);
                thread_join(&c->merger);
                mutex_lock(&c->mu);
                c->stop = false;
                mutex_unlock(&c->mu);
            }
        }
        c->started = st == MOSS_OK;
    }
    mutex_unlock(&c->start_mu);
    return st;
}

/* ------------------------------------------------------------------ */
/* Closing                                                            */
/* ------------------------------------------------------------------ */

static void
count(struct moss_collection *c, uint64_t *counter)
{
    mutex_lock(&c->mu);
    ++*counter;
    mutex_unlock(&c->mu);
}

static void
close_lower(struct moss_collection *c)
{
    if (c->lower == NULL)
        return;
    count(c, &c->counters.close.lower_begun);
    if (c->lower->ops->close != NULL)
        c->lower->ops->close(c->lower);
    count(c, &c->counters.close.lower_done);
}

static void
stop_threads(struct moss_collection *c)
{
    bool started;

    mutex_lock(&c->mu);
    c->stop = true;
    condvar_broadcast(&c->merger_work);
    collection_wake_locked(c);
    while (c->users > 0)
        condvar_wait(&c->progress, &c->mu);
    mutex_unlock(&c->mu);

    mutex_lock(&c->start_mu);
    started = c->started;
    mutex_unlock(&c->start_mu);
    if (!started)
        return;
    thread_join(&c->merger);
    count(c, &c->counters.close.merger_done);
    if (c->lower != NULL)
        thread_join(&c->persister);
    count(c, &c->counters.close.persister_done);
}

/* Why not everything is persisted; MOSS_OK if it is. */
static enum moss_status
unpersisted_reason(struct moss_collection *c, struct moss_error *err)
{
    const struct trouble *trouble;
    enum moss_status st = MOSS_OK;

    error_clear(err);
    mutex_lock(&c->mu);
    if (!collection_is_clean_locked(c)) {
        trouble = c->persist_trouble.error.status != MOSS_OK
                      ? &c->persist_trouble
                      : &c->merge_trouble;
        st = trouble->error.status;
        if (st != MOSS_OK && err != NULL)
            *err = trouble->error;
        if (st == MOSS_OK)
            st = error_set(err, MOSS_TIMEOUT, "close", NULL, 0);
    }
    mutex_unlock(&c->mu);
    return st;
}

enum moss_status
moss_collection_close(struct moss_collection *c, uint64_t timeout_ms,
                      struct moss_error *err)
{
    uint64_t deadline = sync_deadline_ns(timeout_ms), began = sync_now_ns();
    enum moss_status st;

    error_clear(err);
    exit_forget(c);
    if (collection_check(c) != MOSS_OK) {
        /* The parent persists; its lower level's locks may be held for good. */
        collection_free(c, false);
        return MOSS_FORKED;
    }
    collection_event(c, MOSS_EVENT_CLOSE_START, 0);
    mutex_lock(&c->mu);
    c->counters.close.begun++;
    c->closing = true;
    atomic_store_explicit(&c->hurry, true, memory_order_relaxed);
    persister_ask_locked(c, c->state->seq);
    c->wake_persister = c->wake_merger = true;
    collection_wake_locked(c);
    while (!collection_is_clean_locked(c) &&
           condvar_wait_until(&c->progress, &c->mu, deadline)) {
    }
    mutex_unlock(&c->mu);
    stop_threads(c);
    st = unpersisted_reason(c, err);
    if (st == MOSS_OK)
        idle_close(c, deadline);
    close_lower(c);
    count(c, &c->counters.close.done);
    collection_log(c, MOSS_LOG_STEPS, "closed: %s", moss_status_name(st));
    collection_event(c, MOSS_EVENT_CLOSE, sync_now_ns() - began);
    collection_free(c, true);
    return st;
}

/* ------------------------------------------------------------------ */
/* Small calls                                                        */
/* ------------------------------------------------------------------ */

struct moss_tag
moss_collection_tag(struct moss_collection *c)
{
    struct moss_tag tag = { 0, 0 };

    if (collection_check(c) != MOSS_OK)
        return tag;
    mutex_lock(&c->mu);
    tag = c->state->tag;
    mutex_unlock(&c->mu);
    return tag;
}

struct moss_tag
moss_collection_persisted_tag(struct moss_collection *c)
{
    struct moss_tag tag = { 0, 0 };

    if (collection_check(c) != MOSS_OK)
        return tag;
    mutex_lock(&c->mu);
    tag = c->state->lower->tag;
    mutex_unlock(&c->mu);
    return tag;
}

void
moss_collection_options_get(struct moss_collection *c,
                            struct moss_collection_options *out)
{
    *out = c->opts; /* constant */
}

uint64_t
moss_collection_generation(struct moss_collection *c)
{
    /* Acquire: pairs with collection_new_generation_locked(). */
    return atomic_load_explicit(&c->generation, memory_order_acquire);
}

enum moss_status
moss_collection_execute(struct moss_collection *c,
                        const struct moss_batch *batch)
{
    struct moss_prepared *p = NULL;
    enum moss_status st;

    st = moss_collection_prepare(c, batch, MOSS_FOREVER, &p);
    if (st == MOSS_OK)
        moss_prepared_publish(p);
    return st;
}
