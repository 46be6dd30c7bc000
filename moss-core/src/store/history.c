/*
 * Older commit points stay in the data file until a compaction leaves the
 * file behind, and each footer names the one before it.  Going back in
 * history reads that; going back for good appends a copy of it.
 *
 * Any thread; a revert takes the writer's role.
 */
#include "base/base.h"
#include "base/error.h"
#include "store/store.h"

/* The commit point that snap is of, if it is one of this opening's. */
static struct commit *
own_commit(struct moss_store *s, struct moss_snapshot *snap)
{
    struct commit *c = commit_of(snap);

    return c != NULL && c->env.opening == s->env.opening ? c : NULL;
}

enum moss_status
moss_store_previous(struct moss_store *s, struct moss_snapshot *snap,
                    struct moss_snapshot **out, struct moss_error *err)
{
    struct commit *c = own_commit(s, snap), *older = NULL;
    struct footer *footer = NULL;
    struct commit_place place;
    enum moss_status st;

    *out = NULL;
    error_clear(err);
    if (c == NULL)
        return error_set(err, MOSS_INVALID, "snapshot of another kind", s->dir,
                         0);
    if (c->footer->prev == 0)
        return MOSS_NOT_FOUND;
    place.file = c->file;
    place.number = c->number;
    place.nonce = commit_nonce(c);
    /* What is older than a footer lies in the file below it. */
    st = footer_read(c->file, c->footer->off, c->footer->prev, place.nonce,
                     &footer, err);
    if (st == MOSS_OK)
        st = commit_load(&s->env, &place, footer, &older, err);
    if (st == MOSS_OK)
        st = commit_snapshot(older, out);
    commit_unref(older);
    return st;
}

static enum moss_status
revert(struct moss_store *s, struct commit *target, struct moss_error *err)
{
    struct commit *newest = store_current(s);
    struct plan *plan = NULL;
    enum moss_status st = plan_copy(target, &plan);

    if (st < 0)
        (void)error_set(err, st, "revert", s->dir, 0);
    else if (target->file == newest->file)
        st = store_write(s, plan, NULL, err);
    else /* its own file was left behind by a compaction */
        st = compact(s, plan, NULL, NULL, NULL, err);
    plan_free(plan);
    commit_unref(newest);
    return st;
}

enum moss_status
moss_store_revert(struct moss_store *s, struct moss_snapshot *snap,
                  struct moss_error *err)
{
    struct commit *c = own_commit(s, snap);
    enum moss_status st;
    bool has_lower;

    error_clear(err);
    if (c == NULL)
        return error_set(err, MOSS_INVALID, "snapshot of another kind", s->dir,
                         0);
    if (s->readonly)
        return error_set(err, MOSS_READONLY, "revert", s->dir, 0);
    store_begin_write(s);
    mutex_lock(&s->mu);
    has_lower = s->has_lower;
    mutex_unlock(&s->mu);
    st = has_lower
             ? error_set(err, MOSS_BUSY, "revert under a collection", s->dir, 0)
             : revert(s, c, err);
    store_end_write(s);
    return st;
}
