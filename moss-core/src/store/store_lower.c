/*
 * A store as the lower level of a collection.  The persister hands over the
 * whole tree of collections with what is new in each; plan.c makes of it what
 * is to be written, store_write.c writes it.
 *
 * The collection's persister thread only, but for moss_store_lower().
 */
#include "base/base.h"
#include "base/error.h"
#include "base/mem.h"
#include "store/gradual.h"
#include "store/store.h"

struct store_lower {
    struct moss_lower base;
    struct moss_store *store; /* one reference */
    uint64_t number, off; /* of the commit point last given to the collection */
};

static void
note_given(struct store_lower *l, const struct commit *c)
{
    l->number = c->number;
    l->off = c->footer->off;
}

struct idle_asker {
    bool (*may_go_on)(void *arg);
    void *arg;
};

/* Is there nothing in plan that newest has not? */
static bool
is_idle(const struct plan *plan, const struct commit *newest)
{
    return !plan->is_change && moss_tag_equal(plan->footer->tag, newest->tag);
}

static enum moss_status
write_plan(struct moss_store *s, struct plan *plan, struct moss_snapshot **out,
           struct moss_error *err)
{
    uint64_t start_ns = s->os->ops->monotonic_ns(s->os);
    enum moss_status st = store_write(s, plan, out, err);

    if (st < 0)
        return st;
    mutex_lock(&s->mu);
    s->stats.persists++;
    mutex_unlock(&s->mu);
    count_usecs(s, &s->persist_usecs, start_ns);
    return MOSS_OK;
}

static enum moss_status
write_changes(struct moss_store *s, const struct moss_changes *changes,
              struct moss_snapshot **out, struct moss_error *err)
{
    struct commit *newest = store_current(s);
    struct plan *plan = NULL;
    enum moss_status st = plan_changes(newest, changes, &plan);

    if (st < 0)
        (void)error_set(err, st, "changes", s->dir, 0);
    else if (is_idle(plan, newest))
        st = commit_snapshot(newest, out);
    else
        st = write_plan(s, plan, out, err);
    plan_free(plan);
    commit_unref(newest);
    return st;
}

static enum moss_status
update(struct moss_lower *lower, const struct moss_changes *changes,
       struct moss_snapshot **out, struct moss_error *err)
{
    struct store_lower *l = container_of(lower, struct store_lower, base);
    struct moss_store *s = l->store;
    enum moss_status st;

    *out = NULL;
    error_clear(err);
    store_begin_write(s);
    st = write_changes(s, changes, out, err);
    store_end_write(s);
    if (st == MOSS_OK) {
        note_given(l, commit_of(*out));
        store_staged_done(s, changes->tag.n);
    }
    return st;
}

static bool
watch_goes_on(void *ctx, uint64_t done, uint64_t total)
{
    const struct idle_asker *asker = ctx;

    (void)done;
    (void)total;
    return asker->may_go_on(asker->arg);
}

static enum moss_status
idle(struct moss_lower *lower, bool closing, bool (*may_go_on)(void *arg),
     void *arg, struct moss_snapshot **out, struct moss_error *err)
{
    struct store_lower *l = container_of(lower, struct store_lower, base);
    struct idle_asker asker = { may_go_on, arg };
    struct moss_store *s = l->store;
    struct commit *newest;
    struct watch watch;
    enum moss_status st;

    *out = NULL;
    error_clear(err);
    watch_init(&watch, s);
    watch.progress = watch_goes_on;
    watch.ctx = &asker;
    store_begin_write(s);
    st = may_go_on(arg) ? compact_idle(s, closing, &watch, err) : MOSS_ABORTED;
    newest = store_current(s);
    store_end_write(s);
    /* What compacted it may also have been somebody else. */
    if (st == MOSS_OK &&
        (newest->number != l->number || newest->footer->off != l->off)) {
        st = commit_snapshot(newest, out);
        if (st == MOSS_OK)
            note_given(l, newest);
        else
            (void)error_set(err, st, "snapshot", s->dir, 0);
    }
    commit_unref(newest);
    return st;
}

static void
close_lower(struct moss_lower *lower)
{
    struct store_lower *l = container_of(lower, struct store_lower, base);

    moss_snapshot_unref(lower->initial);
    /* No update goes on with it; the handle may stay open for long. */
    if (store_try_begin_write(l->store)) {
        gradual_drop(l->store);
        store_end_write(l->store);
    }
    mutex_lock(&l->store->mu);
    l->store->has_lower = false;
    mutex_unlock(&l->store->mu);
    store_unref(l->store);
    mem_free(l);
}

static const struct moss_lower_ops store_lower_ops = { update, close_lower,
                                                       idle };

enum moss_status
moss_store_lower(struct moss_store *s, struct moss_lower **out)
{
    struct store_lower *l = NULL;
    enum moss_status st = MOSS_OK;

    *out = NULL;
    if (s->readonly)
        return MOSS_READONLY;
    mutex_lock(&s->mu);
    if (s->has_lower)
        st = MOSS_BUSY;
    s->has_lower = true;
    mutex_unlock(&s->mu);
    if (st < 0)
        return st;
    l = mem_zalloc(1, sizeof *l);
    if (l == NULL) {
        mutex_lock(&s->mu);
        s->has_lower = false;
        mutex_unlock(&s->mu);
        return MOSS_NOMEM;
    }
    l->base.ops = &store_lower_ops;
    l->store = store_ref(s);
    st = moss_store_snapshot(s, &l->base.initial);
    if (st < 0) {
        close_lower(&l->base);
        return st;
    }
    note_given(l, commit_of(l->base.initial));
    *out = &l->base;
    return MOSS_OK;
}
