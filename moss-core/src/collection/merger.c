/*
 * The merger thread: top -> mid.
 *
 * It takes all of top at once (as "taken", so that writers begin a new list
 * and readers still see it), folds it onto mid without the lock, and swaps in
 * the result.  A big old segment of mid is left alone while what lies above
 * it is small (min_merge_ratio), so that an entry is merged a logarithmic
 * number of times.  In a collection without a lower level mid is the bottom.
 *
 * It does not run for every batch: the writers keep top small by themselves
 * (tidy.c).  It runs when top has become large, and when the persister or
 * wait_idle ask for it.
 *
 * Over a lower level, while nobody reads, it merges nothing, but piles up what
 * the update of the lower level merges in one pass.
 *
 * If merging fails because of an operator, the segments are piled onto mid
 * unmerged, so that a bad operand stops neither readers nor the persister.
 */
#include "collection/collection.h"

#include <assert.h>
#include <math.h>

#include "base/error.h"
#include "base/mem.h"
#include "collection/fold.h"

/* Top is large from here on. */
#define MERGE_BYTES ((uint64_t)1 << 20)
#define MERGE_NODES 24
#define PASSING_NODES 256
/* So many overlapping nodes on their way down are better merged by halves. */
#define TANGLED_NODES 128
/*
 * Over a lower level, not more than this part of the bound on dirty bytes is
 * merged at once: it is on its way down, where it is merged again, and the
 * copy takes memory beyond the bound.
 */
#define MERGE_PART 4
#define FAN_IN 4

/*
 * Nobody reads what is on its way down: it is piled onto mid as it is, since
 * the lower level merges it anyway.
 */
static bool
is_only_passing(const struct moss_collection *c, const struct state *s)
{
    return c->lower != NULL && !state_is_read(s);
}

/* The most that a merge may copy. */
static uint64_t
max_merge(const struct moss_collection *c)
{
    return c->lower == NULL ? UINT64_MAX : c->opts.max_dirty_bytes / MERGE_PART;
}

bool
merger_has_work_locked(struct moss_collection *c)
{
    const struct state *s = c->state;

    mutex_assert_held(&c->mu);
    if (s->taken != NULL || c->merge_all_asked > c->merge_all_done)
        return true;
    if (s->top == NULL)
        return false;
    if (state_merged_seq(s) < c->merge_up_to)
        return true;
    if (is_only_passing(c, s))
        return s->top_nodes >=
               (state_is_tangled(s) ? TANGLED_NODES : PASSING_NODES);
    return s->top_size.bytes >= MERGE_BYTES || s->top_nodes >= MERGE_NODES;
}

void
merger_ask_locked(struct moss_collection *c, uint64_t seq)
{
    mutex_assert_held(&c->mu);
    if (c->merge_up_to < seq)
        c->merge_up_to = seq;
    if (merger_has_work_locked(c))
        condvar_signal(&c->merger_work);
}

/*
 * Wait until there may be something to merge.  If nothing comes for a while,
 * everything is to be merged, once, so that later reads find one segment.
 */
static void
wait_for_batches_locked(struct moss_collection *c) REQUIRES(c->mu)
{
    uint64_t seq = c->state->seq;

    mutex_assert_held(&c->mu);
    c->counters.merger.waits_begun++;
    if (c->merger_idle_ms == 0 || seq == c->idle_merged_seq) {
        condvar_wait(&c->merger_work, &c->mu);
    } else {
        c->counters.merger.idle_waits++;
        if (!condvar_wait_until(&c->merger_work, &c->mu,
                                sync_deadline_ns(c->merger_idle_ms)) &&
            c->state->seq == seq) {
            c->counters.merger.idle_runs++;
            c->idle_merged_seq = seq;
            c->merge_all_asked++;
        }
    }
    if (c->stop)
        c->counters.merger.waits_stopped++;
    else
        c->counters.merger.waits_done++;
}

/* False: the thread is to end. */
static bool
wait_for_work(struct moss_collection *c)
{
    bool stop;

    mutex_lock(&c->mu);
    c->counters.merger.rounds++;
    c->counters.merger.waits_skipped += merger_has_work_locked(c);
    while (!c->stop) {
        if (!merger_has_work_locked(c))
            wait_for_batches_locked(c);
        else if (c->wake_merger || sync_now_ns() >= c->merge_trouble.retry_ns)
            break;
        else
            condvar_wait_until(&c->merger_work, &c->mu,
                               c->merge_trouble.retry_ns);
    }
    stop = c->stop;
    c->counters.merger.ended += stop;
    c->at_work += !stop;
    c->merge_attempts++;
    c->wake_merger = false;
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

/* How often all was to be merged by now, and whether that is still to do. */
struct all_asked {
    uint64_t asked;
    bool pending;
};

/* The state whose taken and mid are to be merged; one reference. */
static enum moss_status
take(struct moss_collection *c, struct state **out, struct all_asked *all)
{
    struct leftovers left = { NULL, NULL };
    struct state *next = NULL;
    enum moss_status st = state_new(&next);

    *out = NULL;
    if (st != MOSS_OK)
        return st;
    mutex_lock(&c->mu);
    all->asked = c->merge_all_asked;
    all->pending = c->merge_all_asked > c->merge_all_done;
    if (c->state->taken == NULL && c->state->top != NULL) {
        state_inherit(next, c->state);
        state_take_top(next);
        collection_swap_locked(c, next, &left);
        next = NULL;
    }
    c->merging = true;
    c->counters.merger.begun++;
    *out = state_ref(c->state);
    mutex_unlock(&c->mu);
    leftovers_release(&left);
    state_unref(next);
    return MOSS_OK;
}

static enum moss_status
init_sources(struct fold *f, struct state *s)
{
    const struct top_node *node;
    size_t n = s->mid.section != NULL, i;

    for (node = s->taken; node != NULL; node = node->older)
        n++;
    f->sources = mem_zalloc(n, sizeof(f->sources[0]));
    if (f->sources == NULL)
        return MOSS_NOMEM;
    f->n = n;
    for (node = s->taken, i = n; node != NULL; node = node->older) {
        f->sources[--i].section = top_node_section(node);
        f->sources[i].born = node->seq;
    }
    if (s->mid.section != NULL) {
        f->has_mid = true;
        f->sources[0].section = s->mid.section;
        f->sources[0].born = s->mid.born;
    }
    return MOSS_OK;
}

/* Whether taken is merged, and how much of mid with it. */
static void
choose_merge(const struct moss_collection *c, const struct state *s, bool all,
             struct fold *f)
{
    bool is_passing = is_only_passing(c, s);
    bool is_tangled = state_is_tangled(s) && f->n - f->has_mid >= TANGLED_NODES;

    f->ratio = is_passing ? (double)INFINITY : c->opts.min_merge_ratio;
    f->no_merge = !all && ((is_passing && !is_tangled) ||
                           s->taken_size.bytes > max_merge(c));
}

/* Fold taken onto mid. */
static enum moss_status
merge(struct moss_collection *c, struct state *s, bool all, struct fold *f,
      struct section **out)
{
    struct moss_error err;
    enum moss_status st;

    *out = NULL;
    memset(f, 0, sizeof(*f));
    f->state = s;
    f->merge = c->merge;
    f->opaque = c->opaque;
    f->into_mid = true;
    f->pile_failures = true;
    f->merge_all = all;
    f->stop = &c->merge_stop;
    f->max_merge = max_merge(c);
    /* Gets pass over what is not in the lower level. */
    f->fan_in = state_knows_keys(s) ? FAN_IN : 0;
    st = state_resolve(s);
    if (st == MOSS_OK)
        st = init_sources(f, s);
    if (st == MOSS_OK) {
        choose_merge(c, s, all, f);
        st = fold_run(f, out);
    }
    if (st == MOSS_OK && f->failure == MOSS_ABORTED) {
        collection_log(c, MOSS_LOG_STEPS, "merge given up to close");
    } else if (st == MOSS_OK && f->failure != MOSS_OK) {
        error_set(&err, f->failure, "merge", NULL, 0);
        err.work = MOSS_WORK_OPERANDS;
        trouble_report(c, &err);
    }
    return st;
}

static void
count_merge_locked(struct moss_collection *c, const struct section *section,
                   const struct fold *f) REQUIRES(c->mu)
{
    bool is_full = f->merged_ops > 0;

    mutex_assert_held(&c->mu);
    for (size_t i = 0; i < section->n && is_full; i++)
        is_full = section->items[i].stack->n == 1;
    c->counters.merger.done++;
    c->counters.merger.full += is_full;
    c->counters.merger.skipped += f->merged_ops == 0;
    c->counters.merger.emptied += section->n == 0;
    c->counters.merger.not_passed_on += c->state->base.section != NULL;
    c->counters.merger.rounds_done++;
}

static void
publish_locked(struct moss_collection *c, struct state *next,
               struct section *section, const struct fold *f,
               struct leftovers *left) REQUIRES(c->mu)
{
    struct layer mid = { section_ref(section), 0, { 0, 0 }, 0 };

    mutex_assert_held(&c->mu);
    assert(!f->has_mid == (c->state->mid.section == NULL));
    assert(!f->has_mid || c->state->mid.section == f->sources[0].section);
    state_inherit(next, c->state);
    mid.seq = next->taken == NULL ? next->mid.seq : next->taken->seq;
    mid.tag = next->taken == NULL ? next->mid.tag : next->taken->tag;
    mid.born = next->seq;
    state_set_layer(&next->mid, mid);
    top_node_unref(next->taken); /* the state before holds it still */
    next->taken = NULL;
    next->taken_size = (struct size){ 0, 0 };
    collection_swap_locked(c, next, left);
    collection_new_generation_locked(c, left);
    for (size_t i = 0; i < f->n; i++)
        recents_charge(&c->recents, f->sources[i].born, f->sources[i].dropped);
    c->counters.merges += f->merged_ops > 0;
    c->counters.merged_ops += f->merged_ops;
    count_merge_locked(c, section, f);
    trouble_clear(&c->merge_trouble);
}

static void
log_merge(struct moss_collection *c, const struct fold *f, uint64_t ns)
{
    histogram_add(&c->histograms.merger_usecs, ns / 1000, 1);
    collection_log(c, MOSS_LOG_STEPS,
                   "merged: %llu entries of %zu sources%s, %.3f s",
                   (unsigned long long)f->merged_ops, f->n,
                   f->no_merge ? " (piled up)" : "", (double)ns / 1e9);
}

static enum moss_status
merge_once(struct moss_collection *c)
{
    uint64_t began = sync_now_ns();
    struct leftovers left = { NULL, NULL };
    struct state *s = NULL, *next = NULL;
    struct section *section = NULL;
    struct fold f = { .sources = NULL };
    struct all_asked all;
    enum moss_status st = take(c, &s, &all);
    bool is_empty;

    if (st != MOSS_OK)
        return st;
    is_empty = s->taken == NULL && s->mid.section == NULL;
    st = state_new(&next);
    if (st == MOSS_OK && !is_empty)
        st = merge(c, s, all.pending, &f, &section);
    mutex_lock(&c->mu);
    c->merging = false;
    if (st == MOSS_OK) {
        c->merge_all_done = all.asked;
        if (!is_empty) {
            publish_locked(c, next, section, &f, &left);
            next = NULL;
        }
    }
    collection_wake_locked(c);
    mutex_unlock(&c->mu);
    leftovers_release(&left);
    if (st == MOSS_OK)
        log_merge(c, &f, sync_now_ns() - began);
    section_unref(section);
    mem_free(f.sources);
    state_unref(next);
    state_unref(s);
    return st;
}

static void
fail(struct moss_collection *c, enum moss_status st)
{
    struct moss_error err;

    error_set(&err, st, "merge", NULL, 0);
    err.work = MOSS_WORK_MERGE;
    mutex_lock(&c->mu);
    c->last_failed_merge = c->merge_attempts;
    trouble_note(&c->merge_trouble, &err);
    c->counters.merger.errors++;
    collection_wake_locked(c);
    mutex_unlock(&c->mu);
    trouble_report(c, &err);
}

void
merger_run(void *collection)
{
    struct moss_collection *c = collection;

    while (wait_for_work(c)) {
        uint64_t began = sync_now_ns();
        enum moss_status st = merge_once(c);

        if (st == MOSS_OK) {
            read_slots_refresh(c);
            recents_trim(c);
            collection_event(c, MOSS_EVENT_MERGED, sync_now_ns() - began);
        } else {
            fail(c, st);
        }
        rest(c);
    }
}
