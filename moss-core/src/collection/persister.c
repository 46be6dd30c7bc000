/*
 * The persister thread: mid -> base -> lower level -> clean, or away.
 *
 *     wait       until something is not persisted, its delay is over, and no
 *                pause after a failure is left
 *     take       let the merger bring top into mid; mid becomes base
 *     update     the lower level makes base durable; no lock is held
 *     publish    a state without base, over the lower level's new snapshot
 *     idle       nothing came for a while: idle.c
 *
 * A failed update leaves base where it is; the same changes are offered again
 * after a pause.  Readers see the same content before, during and after.  If
 * it failed because the merge operator refused operands, newer changes join
 * base before the next attempt: one of them may put an end to that.
 *
 * base is taken only while the merger does not work on mid: otherwise the
 * merger's result would hold, a second time, what base holds, and merge
 * operands would be applied twice.  For the same reason a persisted segment
 * with operands is never kept in clean, over a lower level that has them.
 */
#include "collection/collection.h"

#include "base/error.h"
#include "base/mem.h"
#include "collection/changes.h"
#include "collection/fold.h"

/*
 * Without a delay: how much is written at once, and how long that may take to
 * gather.  Each update costs two syncs and leaves segments to be merged, so
 * many batches share one.
 *
 * The first updates of what comes in order are smaller: the disk is busy sooner,
 * and the memory of what is written serves what comes next, instead of fresh
 * memory, whose first touch is dear.  They grow with what has come, so that
 * much content is not left in many segments.
 *
 * What comes in bulk, out of order, while nobody reads, gathers until half of
 * a bound is used up: updates of such batches overlap, so that each of them
 * makes all that follow dearer, until they are merged.
 */
#define GATHER_BYTES ((uint64_t)32 << 20)
#define GATHER_FIRST ((uint64_t)8 << 20)
#define GATHER_PART 4 /* of all that has come */
#define GATHER_NS ((uint64_t)100 * 1000000)
#define BULK_BYTES ((uint64_t)4 << 20) /* in GATHER_NS */
#define BULK_NS ((uint64_t)1000 * 1000000)

void
persister_ask_locked(struct moss_collection *c, uint64_t seq)
{
    mutex_assert_held(&c->mu);
    if (c->persist_up_to < seq)
        c->persist_up_to = seq;
    condvar_signal(&c->persister_work);
}

/* ------------------------------------------------------------------ */
/* Waiting                                                            */
/* ------------------------------------------------------------------ */

/* More than half of a bound is used up. */
static bool
is_filling_locked(struct moss_collection *c) REQUIRES(c->mu)
{
    struct size dirty = state_dirty(c->state);

    mutex_assert_held(&c->mu);
    return dirty.bytes > c->opts.max_dirty_bytes / 2 ||
           dirty.ops > c->opts.max_dirty_ops / 2;
}

uint64_t
persister_enough(uint64_t published, bool is_tangled)
{
    uint64_t part = published / GATHER_PART;

    if (is_tangled || part > GATHER_BYTES)
        return GATHER_BYTES;
    return part > GATHER_FIRST ? part : GATHER_FIRST;
}

uint64_t
persister_patience_ns(uint64_t bytes, uint64_t enough, bool in_bulk)
{
    if (in_bulk && bytes >= BULK_BYTES)
        return BULK_NS;
    return bytes >= enough ? 0 : GATHER_NS;
}

/* Without a delay, and while no bound is near. */
static uint64_t
gathered_ns_locked(struct moss_collection *c) REQUIRES(c->mu)
{
    bool is_tangled = state_is_tangled(c->state);
    bool in_bulk = is_tangled && !state_is_read(c->state);
    uint64_t enough = persister_enough(c->counters.batch_bytes, is_tangled);
    uint64_t patience_ns =
        persister_patience_ns(state_dirty(c->state).bytes, enough, in_bulk);

    mutex_assert_held(&c->mu);
    return patience_ns == 0 ? 0 : c->dirty_since_ns + patience_ns;
}

/* When to persist: 0 for now, MOSS_FOREVER while there is nothing to do. */
static uint64_t
due_ns_locked(struct moss_collection *c) REQUIRES(c->mu)
{
    uint64_t delay_ms = c->opts.persist_delay_ms;

    mutex_assert_held(&c->mu);
    if (collection_is_clean_locked(c))
        return c->idle_due_ns;
    if (c->persist_trouble.retry_ns != 0)
        return c->wake_persister ? 0 : c->persist_trouble.retry_ns;
    if (c->persist_up_to > c->state->lower->seq || is_filling_locked(c))
        return 0;
    if (delay_ms == 0)
        return gathered_ns_locked(c);
    if (delay_ms >= (UINT64_MAX - c->dirty_since_ns) / 1000000)
        return MOSS_FOREVER;
    return c->dirty_since_ns + delay_ms * 1000000;
}

void
persister_remind_locked(struct moss_collection *c)
{
    mutex_assert_held(&c->mu);
    if (due_ns_locked(c) < c->persister_looks_ns)
        condvar_signal(&c->persister_work);
}

/* False: the thread is to end.  *idle: it has time to tidy up. */
static bool
wait_for_work(struct moss_collection *c, bool *idle)
{
    bool stop;

    mutex_lock(&c->mu);
    while (!c->stop) {
        uint64_t due = due_ns_locked(c);

        if (due == 0 || (due != MOSS_FOREVER && sync_now_ns() >= due))
            break;
        c->persister_looks_ns = due;
        c->counters.persister.waits_begun++;
        condvar_wait_until(&c->persister_work, &c->mu, due);
        c->counters.persister.waits_done++;
        c->persister_looks_ns = 0;
    }
    stop = c->stop;
    c->counters.persister.rounds++;
    c->counters.persister.ended += stop;
    *idle = !stop && collection_is_clean_locked(c);
    c->at_work += !stop && !*idle;
    mutex_unlock(&c->mu);
    return !stop;
}

static void
rest(struct moss_collection *c)
{
    mutex_lock(&c->mu);
    c->at_work--;
    condvar_broadcast(&c->progress);
    mutex_unlock(&c->mu);
}

/* ------------------------------------------------------------------ */
/* Taking                                                             */
/* ------------------------------------------------------------------ */

static bool
can_take_locked(struct moss_collection *c, uint64_t want) REQUIRES(c->mu)
{
    mutex_assert_held(&c->mu);
    if (c->merging || c->state->mid.section == NULL)
        return false;
    /* A merger without memory: persisting what there is frees some. */
    return c->state->mid.seq >= want ||
           c->merge_trouble.error.status != MOSS_OK;
}

/* Until all that is published by now is in mid, or the thread is to end. */
static void
wait_for_mid_locked(struct moss_collection *c) REQUIRES(c->mu)
{
    uint64_t want = c->state->seq;

    mutex_assert_held(&c->mu);
    merger_ask_locked(c, want);
    while (!c->stop && !can_take_locked(c, want))
        condvar_wait(&c->persister_work, &c->mu);
}

static bool
was_refused_locked(struct moss_collection *c) REQUIRES(c->mu)
{
    enum moss_status st = c->persist_trouble.error.status;

    mutex_assert_held(&c->mu);
    return st == MOSS_MERGE_FAILED || st == MOSS_TOO_BIG ||
           st == MOSS_NO_OPERATOR;
}

/* Put section, which is what s has in mid over its base, in base's place. */
static void
join_locked(struct moss_collection *c, struct state *next,
            const struct state *s, struct section *section,
            const struct fold *f, struct leftovers *left) REQUIRES(c->mu)
{
    const struct layer empty = { NULL, 0, { 0, 0 }, 0 };
    /* Older states have these segments, too. */
    struct layer base = { section_ref(section), s->mid.seq, s->mid.tag,
                          s->base.born };

    mutex_assert_held(&c->mu);
    state_inherit(next, c->state);
    state_set_layer(&next->base, base);
    state_set_layer(&next->mid, empty);
    collection_swap_locked(c, next, left);
    for (size_t i = 0; i < f->n; i++)
        recents_charge(&c->recents, f->sources[i].born, f->sources[i].dropped);
}

/*
 * Pile up base and mid of *s as base; *s becomes the state that has it.  It
 * stays as it is if mid has changed meanwhile.
 */
static enum moss_status
join(struct moss_collection *c, struct state **s)
{
    struct state *old = *s;
    struct fold_source sources[] = {
        { old->base.section, old->base.born, 0 },
        { old->mid.section, old->mid.born, 0 },
    };
    struct fold f = { .state = old,
                      .merge = c->merge,
                      .opaque = c->opaque,
                      .sources = sources,
                      .n = 2,
                      .no_merge = true };
    struct leftovers left = { NULL, NULL };
    struct section *section = NULL;
    struct state *next = NULL;
    enum moss_status st = state_new(&next);

    if (st == MOSS_OK)
        st = fold_run(&f, &section);
    if (st == MOSS_OK) {
        mutex_lock(&c->mu);
        if (!c->merging && c->state->mid.section == old->mid.section) {
            join_locked(c, next, old, section, &f, &left);
            *s = state_ref(next);
            next = NULL;
        }
        mutex_unlock(&c->mu);
    }
    if (*s != old)
        state_unref(old);
    leftovers_release(&left);
    section_unref(section);
    state_unref(next);
    return st;
}

/*
 * A state with a base, the newest one; one reference.  *out is NULL if the
 * thread is to end.
 */
static enum moss_status
take(struct moss_collection *c, struct state **out)
{
    const struct layer empty = { NULL, 0, { 0, 0 }, 0 };
    struct leftovers left = { NULL, NULL };
    struct state *next = NULL;
    enum moss_status st = state_new(&next);
    bool joins;

    *out = NULL;
    if (st != MOSS_OK)
        return st;
    mutex_lock(&c->mu);
    joins = c->state->base.section != NULL && was_refused_locked(c) &&
            c->state->seq > c->state->base.seq;
    if (c->state->base.section == NULL || joins)
        wait_for_mid_locked(c);
    if (c->state->base.section == NULL && !c->stop) {
        state_inherit(next, c->state);
        next->base = next->mid;
        next->mid = empty;
        c->counters.merger.passed_on++;
        collection_swap_locked(c, next, &left);
        next = NULL;
    }
    if (!c->stop) {
        *out = state_ref(c->state);
        c->counters.persister.updates_begun++;
    }
    mutex_unlock(&c->mu);
    leftovers_release(&left);
    state_unref(next);
    if (joins && *out != NULL)
        st = join(c, out);
    if (st != MOSS_OK) {
        state_unref(*out);
        *out = NULL;
    }
    return st;
}

/* ------------------------------------------------------------------ */
/* One attempt                                                        */
/* ------------------------------------------------------------------ */

/* All that publishing needs, made before the lower level is changed. */
struct attempt {
    struct changes changes;
    struct lower_state *lower;
    struct section *clean; /* NULL: nothing is kept */
    struct keyset *keys;   /* for the batches to come; NULL: none */
    struct state *next;
};

static bool
has_operands(const struct segstack *stack)
{
    return segstack_totals(stack).n_merge > 0;
}

/* What of base may be kept as a cache over the new lower level. */
static enum moss_status
make_clean(const struct section *base, struct section **out)
{
    enum moss_status st = section_new(base->n, out);

    if (st != MOSS_OK)
        return st;
    for (size_t i = 0; i < base->n; i++) {
        if (!has_operands(base->items[i].stack))
            section_add(*out, base->items[i].id, base->items[i].stack);
    }
    section_seal(*out, base->tree);
    return MOSS_OK;
}

static enum moss_status
attempt_init(struct attempt *a, struct moss_collection *c, struct state *s)
{
    enum moss_status st;

    memset(a, 0, sizeof(*a));
    st = changes_init(&a->changes, s);
    if (st == MOSS_OK)
        st = lower_state_new(s->base.section->tree, &a->lower);
    if (st == MOSS_OK)
        st = state_new(&a->next);
    if (st == MOSS_OK && c->opts.cache_persisted)
        st = make_clean(s->base.section, &a->clean);
    /* Readers go without, if there is no memory. */
    if (st == MOSS_OK && state_was_read(s))
        a->keys =
            keyset_new(2 * state_dirty(s).ops,
                       atomic_load_explicit(&c->next_id, memory_order_relaxed));
    if (st != MOSS_OK)
        return st;
    a->lower->tag = s->base.tag;
    a->lower->seq = s->base.seq;
    return MOSS_OK;
}

static void
attempt_release(struct attempt *a)
{
    changes_release(&a->changes);
    lower_state_unref(a->lower);
    keyset_unref(a->keys);
    section_unref(a->clean);
    state_unref(a->next);
}

/* Gives a->lower its snapshot. */
static enum moss_status
update(struct moss_collection *c, struct attempt *a, struct moss_error *err)
{
    const struct moss_changes *changes = &a->changes.changes;
    enum moss_status st = MOSS_OK;

    if (c->opts.before_persist != NULL)
        st = c->opts.before_persist(c->opts.ctx, changes->tag, err);
    if (st == MOSS_OK) {
        st = c->lower->ops->update(c->lower, changes, &a->lower->snapshot, err);
    }
    if (st > 0 || (st == MOSS_OK && a->lower->snapshot == NULL))
        st = MOSS_INVALID; /* no answer that these calls may give */
    return st;
}

/* Bytes that the newest state holds no more are charged to older ones. */
static void
charge_locked(struct moss_collection *c, const struct state *next)
    REQUIRES(c->mu)
{
    const struct layer *const gone[] = { &c->state->base, &c->state->clean };
    uint64_t kept =
        next->clean.section == NULL ? 0 : next->clean.section->size.bytes;

    mutex_assert_held(&c->mu);
    for (size_t i = 0; i < 2; i++) {
        uint64_t bytes =
            gone[i]->section == NULL ? 0 : gone[i]->section->size.bytes;

        /* What is kept came from base. */
        recents_charge(&c->recents, gone[i]->born,
                       i == 0 ? bytes - kept : bytes);
    }
    if (c->state->keys[1] != NULL && next->keys[1] != c->state->keys[1])
        recents_charge(&c->recents, c->state->keys_born[1],
                       keyset_bytes(c->state->keys[1]));
}

static void
publish(struct moss_collection *c, struct attempt *a)
{
    const struct layer empty = { NULL, 0, { 0, 0 }, 0 };
    struct leftovers left = { NULL, NULL };
    struct state *next = a->next;
    struct layer clean = empty;

    mutex_lock(&c->mu);
    state_inherit(next, c->state);
    if (a->clean != NULL) {
        clean = next->base;
        clean.section = a->clean;
    }
    state_set_layer(&next->clean, clean);
    state_set_layer(&next->base, empty);
    lower_state_unref(next->lower); /* the state before holds it still */
    next->lower = a->lower;
    if (state_turn_keys(next, a->keys))
        a->keys = NULL;
    charge_locked(c, next);
    collection_swap_locked(c, next, &left);
    collection_new_generation_locked(c, &left);
    a->lower = NULL;
    a->clean = NULL;
    a->next = NULL;
    c->counters.persists++;
    c->counters.persister.updates_done++;
    c->counters.persister.rounds_done++;
    trouble_clear(&c->persist_trouble);
    c->wake_persister = false;
    c->dirty_since_ns = sync_now_ns();
    c->idle_done = c->idle_seen; /* it is the newest of the lower level */
    idle_begin_locked(c);
    collection_wake_locked(c);
    mutex_unlock(&c->mu);
    leftovers_release(&left);
}

static void
fail(struct moss_collection *c, uint64_t attempt, struct moss_error *err)
{
    mutex_lock(&c->mu);
    c->counters.persist_errors++;
    c->counters.persister.update_errors++;
    c->last_failed_attempt = attempt;
    trouble_note(&c->persist_trouble, err);
    collection_wake_locked(c);
    mutex_unlock(&c->mu);
    trouble_report(c, err);
}

static uint64_t
begin_attempt(struct moss_collection *c)
{
    uint64_t attempt;

    mutex_lock(&c->mu);
    attempt = ++c->persist_attempts;
    c->idle_seen = c->idle_asked;
    c->wake_persister = false;
    mutex_unlock(&c->mu);
    return attempt;
}

static void
log_update(struct moss_collection *c, const struct state *s, uint64_t began)
{
    collection_log(c, MOSS_LOG_STEPS,
                   "persisted: %llu operations, %.1f MiB in memory, %.3f s",
                   (unsigned long long)s->base.section->size.ops,
                   in_mib(s->base.section->size.bytes),
                   (double)(sync_now_ns() - began) / 1e9);
}

/* False: the thread is to end. */
static bool
persist_once(struct moss_collection *c)
{
    struct state *s = NULL;
    struct moss_error err;
    struct attempt a;
    /* Before it allocates: what fails from here on is this attempt. */
    uint64_t attempt = begin_attempt(c);
    uint64_t began;
    enum moss_status st = take(c, &s);

    if (st == MOSS_OK && s == NULL)
        return false;
    memset(&a, 0, sizeof(a));
    error_clear(&err);
    began = sync_now_ns();
    if (st == MOSS_OK)
        st = attempt_init(&a, c, s);
    if (st == MOSS_OK)
        st = update(c, &a, &err);
    if (st == MOSS_OK) {
        publish(c, &a);
    } else {
        if (err.what == NULL)
            error_set(&err, st, "persist", NULL, 0);
        err.status = st; /* whatever the callee has filled in */
        err.work = MOSS_WORK_PERSIST;
        fail(c, attempt, &err);
    }
    if (st == MOSS_OK)
        log_update(c, s, began);
    attempt_release(&a);
    state_unref(s);
    if (st == MOSS_OK) {
        read_slots_refresh(c);
        recents_trim(c);
        collection_event(c, MOSS_EVENT_PERSISTED, sync_now_ns() - began);
    }
    return true;
}

void
persister_run(void *collection)
{
    struct moss_collection *c = collection;
    bool go_on = true, idle;

    while (go_on && wait_for_work(c, &idle)) {
        if (idle) {
            idle_run(c);
            continue;
        }
        go_on = persist_once(c);
        rest(c);
    }
}
