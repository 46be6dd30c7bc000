/*
 * A compaction writes the whole content of a commit point into a new file,
 * every collection in one segment, and leaves the old file to those who still
 * read from it.  It happens together with an update, so that the update's
 * changes are merged on the way.
 *
 * Much content is written by and by instead (gradual.c).
 *
 * The holder of the writer's role only.
 */
#include "base/base.h"
#include "base/error.h"
#include "base/mem.h"
#include "store/gradual.h"
#include "store/mapped.h"
#include "store/newfile.h"
#include "store/store.h"

/* ------------------------------------------------------------------ */
/* Following what is written                                          */
/* ------------------------------------------------------------------ */

static enum moss_status
ask(struct file_watch *base, size_t n)
{
    struct watch *w = container_of(base, struct watch, base);
    uint64_t sync_after = w->store->sync_after_bytes;
    enum moss_status st = MOSS_OK;

    if (atomic_load_explicit(&w->store->abort, memory_order_relaxed))
        return MOSS_ABORTED;
    w->done += n;
    if (w->total < w->done)
        w->total = w->done;
    if (w->progress != NULL && !w->progress(w->ctx, w->done, w->total))
        return MOSS_ABORTED;
    if (sync_after != 0 && w->unsynced >= sync_after) {
        st = store_sync(w->store, w->file, NULL);
        w->unsynced = 0;
    }
    w->unsynced += n;
    return st;
}

void
watch_init(struct watch *w, struct moss_store *s)
{
    memset(w, 0, sizeof *w);
    w->base.ask = ask;
    w->store = s;
}

void
watch_begin(struct watch *w, struct file *file, uint64_t total)
{
    w->file = file;
    w->total = total;
    w->done = w->unsynced = 0;
    file->watch = &w->base;
}

void
watch_end(struct watch *w)
{
    if (w->file != NULL)
        w->file->watch = NULL;
    w->file = NULL;
}

/* ------------------------------------------------------------------ */
/* When                                                               */
/* ------------------------------------------------------------------ */

static uint64_t
dead_bytes(struct moss_store *s, const struct commit *c)
{
    uint64_t end;

    mutex_lock(&s->mu);
    end = s->file_end;
    mutex_unlock(&s->mu);
    return end > c->live_bytes ? end - c->live_bytes : 0;
}

enum moss_status
compact_choose(struct moss_store *s, const struct commit *newest,
               struct plan *plan, bool *in_new_file)
{
    uint64_t dead = dead_bytes(s, newest), live = newest->live_bytes, hidden;
    uint64_t limit = policy_dead_limit(&s->policy, live);
    int compaction = atomic_load_explicit(&s->compaction, memory_order_relaxed);
    bool fits = true;
    enum moss_status st;

    *in_new_file = false;
    if (compaction == MOSS_COMPACTION_DISABLE || s->merges_nothing ||
        atomic_load_explicit(&s->abort, memory_order_relaxed))
        return plan_choose(plan, NULL, 0, &fits);
    if (dead + newest->live_bytes < s->hindered_until)
        return plan_choose(plan, &s->policy, limit, &fits);
    hidden = dead > limit ? 0 : garbage_hidden(newest, limit - dead);
    *in_new_file = compaction == MOSS_COMPACTION_FORCE ||
                   dead + hidden > policy_dead_limit(&s->policy, live - hidden);
    if (*in_new_file)
        return MOSS_OK;
    st = plan_choose(plan, &s->policy, limit - dead, &fits);
    *in_new_file = !fits;
    return st;
}

/* ------------------------------------------------------------------ */
/* At once                                                            */
/* ------------------------------------------------------------------ */

/* Write the segments of plan, and make it a commit point. */
static enum moss_status
fill(struct moss_store *s, struct newfile *n, struct plan *plan,
     struct watch *watch, struct commit **out, struct moss_error *err)
{
    struct segwriter w = store_segwriter(s, n->file, n->id.nonce, FILE_PAGE);
    enum moss_status st;

    if (watch != NULL)
        watch_begin(watch, n->file, plan_bytes(plan));
    st = plan_write(plan, &w, err);
    if (watch != NULL)
        watch_end(watch);
    store_count(s, &w);
    n->written = w.n_bytes;
    return st < 0 ? st : newfile_commit(s, n, plan, w.pos, out, err);
}

enum moss_status
compact(struct moss_store *s, struct plan *plan, const struct identity *id,
        struct watch *watch, struct moss_snapshot **out, struct moss_error *err)
{
    struct newfile n = { 0 };
    struct commit *next = NULL;
    struct compaction_count count;
    enum moss_status st;

    gradual_drop(s);
    st = newfile_begin(s, id, &n, err);
    plan_choose_whole(plan);
    count_begin(&count, s, plan_bytes(plan));
    if (st == MOSS_OK)
        st = fill(s, &n, plan, watch, &next, err);
    if (st == MOSS_OK)
        st = newfile_publish(s, &n, &count, &next, out, err);
    commit_unref(next);
    newfile_end(s, &n);
    return st;
}

/* ------------------------------------------------------------------ */
/* On demand                                                          */
/* ------------------------------------------------------------------ */

/* Would a full compaction of c change anything but its place? */
static bool
is_compact(const struct moss_store *s, const struct commit *c)
{
    const char *kind = s->persist_kind == NULL ? "" : s->persist_kind->name;

    for (size_t i = 0; i < c->footer->n_colls; i++) {
        const struct footer_coll *coll = c->footer->colls[i];
        const struct segstack *stack = c->stacks[i];

        if (coll->n_locs > 1)
            return false;
        if (coll->n_locs == 1 &&
            (!coll->locs[0].has_extras ||
             strcmp(coll->locs[0].kind, kind) != 0 ||
             stack->segs[0]->totals.n_del > 0 ||
             (c->env.has_merge && stack->segs[0]->totals.n_merge > 0)))
            return false;
    }
    return c->footer->prev == 0;
}

static enum moss_status
compact_now(struct moss_store *s, enum moss_compact_kind kind,
            struct watch *watch, struct moss_error *err)
{
    struct commit *newest = store_current(s);
    struct plan *plan = NULL;
    enum moss_status st = plan_copy(newest, &plan);

    if (st == MOSS_OK && kind == MOSS_COMPACT_LEVELED)
        st = plan_choose_leveled(plan);
    if (st < 0)
        (void)error_set(err, st, "compact", s->dir, 0);
    else if (s->must_rewrite ||
             (kind == MOSS_COMPACT_FULL && !is_compact(s, newest)))
        st = compact(s, plan, NULL, watch, NULL, err);
    else if (kind == MOSS_COMPACT_LEVELED && plan->rewrites)
        st = store_append(s, plan, watch, NULL, err);
    plan_free(plan);
    commit_unref(newest);
    return st;
}

enum moss_status
moss_store_compact(struct moss_store *s,
                   const struct moss_compact_options *options,
                   struct moss_error *err)
{
    static const struct moss_compact_options defaults;
    struct watch watch;
    enum moss_status st;

    error_clear(err);
    if (options == NULL)
        options = &defaults;
    if (s->readonly)
        return error_set(err, MOSS_READONLY, "compact", s->dir, 0);
    if (atomic_load_explicit(&s->abort, memory_order_relaxed))
        return error_set(err, MOSS_ABORTED, "compact", s->dir, 0);
    watch_init(&watch, s);
    watch.progress = options->progress;
    watch.ctx = options->ctx;
    store_begin_write(s);
    st = compact_now(s, options->kind, &watch, err);
    store_end_write(s);
    return st;
}

/* ------------------------------------------------------------------ */
/* When idle                                                          */
/* ------------------------------------------------------------------ */

/* Bytes of the oldest segments of all collections, and of all others. */
static void
count_levels(const struct commit *c, uint64_t *base, uint64_t *above)
{
    *base = *above = 0;
    for (size_t i = 0; i < c->footer->n_colls; i++) {
        const struct segstack *stack = c->stacks[i];

        for (size_t k = 0; k < stack->n; k++)
            *(k == 0 ? base : above) += segment_bytes(stack->segs[k]);
    }
}

/* Bytes in those above the oldest segment, of collections with more than n. */
static uint64_t
bytes_above(const struct commit *c, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < c->footer->n_colls; i++) {
        const struct segstack *stack = c->stacks[i];

        for (size_t k = 1; stack->n > n && k < stack->n; k++)
            sum += segment_bytes(stack->segs[k]);
    }
    return sum;
}

/* A compaction that leaves n segments a collection has left c. */
static void
note_stuck(struct moss_store *s, size_t n)
{
    struct commit *c = store_current(s);

    s->stuck_bytes = bytes_above(c, n);
    commit_unref(c);
}

/* What would be dead of c's file once plan is written. */
static uint64_t
dead_after(struct moss_store *s, const struct commit *c,
           const struct plan *plan)
{
    uint64_t dead = dead_bytes(s, c);

    for (size_t i = 0; i < plan->n_targets; i++) {
        const struct target *t = &plan->targets[i];

        for (size_t k = t->keep; t->older != NULL && k < t->older->n; k++)
            dead += loc_disk(mapped_segment_loc(t->older->segs[k]));
    }
    return dead;
}

/* What is to be done with the newest commit point, whose plan this is. */
static enum moss_status
tidy(struct moss_store *s, const struct commit *newest, struct plan *plan,
     bool closing, struct watch *watch, struct moss_error *err)
{
    uint64_t base, above, tangled = plan_tangled_bytes(plan);
    enum moss_status st = MOSS_OK;

    count_levels(newest, &base, &above);
    /* Some of it may have become mergeable since. */
    if (s->stuck_bytes > above)
        s->stuck_bytes = above;
    base += s->stuck_bytes;
    above -= s->stuck_bytes;
    tangled -= s->stuck_bytes < tangled ? s->stuck_bytes : tangled;
    if (closing && !policy_closing(tangled, base + above))
        return MOSS_OK;
    if (policy_idle_full(base, above, dead_bytes(s, newest)) &&
        !is_compact(s, newest)) {
        st = compact(s, plan, NULL, watch, NULL, err);
        if (st == MOSS_OK)
            note_stuck(s, 1);
    } else if (plan->rewrites && policy_idle_leveled(above) &&
               dead_after(s, newest, plan) <=
                   policy_dead_limit(&s->policy, newest->live_bytes)) {
        st = s->must_rewrite ? compact(s, plan, NULL, watch, NULL, err)
                             : store_append(s, plan, watch, NULL, err);
        if (st == MOSS_OK)
            note_stuck(s, 2);
    }
    return st;
}

enum moss_status
compact_idle(struct moss_store *s, bool closing, struct watch *watch,
             struct moss_error *err)
{
    int compaction = atomic_load_explicit(&s->compaction, memory_order_relaxed);
    struct commit *newest = NULL;
    struct plan *plan = NULL;
    enum moss_status st;

    if (compaction == MOSS_COMPACTION_DISABLE ||
        atomic_load_explicit(&s->abort, memory_order_relaxed))
        return MOSS_OK;
    if (closing && !gradual_is_half_done(s))
        gradual_drop(s); /* that would be much to wait for */
    if (gradual_goes_on(s))
        return gradual_idle(s, watch, err);
    newest = store_current(s);
    st = plan_copy(newest, &plan);
    if (st == MOSS_OK)
        st = plan_choose_leveled(plan);
    st = st < 0 ? error_set(err, st, "compact", s->dir, 0)
                : tidy(s, newest, plan, closing, watch, err);
    plan_free(plan);
    commit_unref(newest);
    return st;
}
