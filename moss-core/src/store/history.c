/*
 * Older commit points stay in the data file until a compaction leaves the
 * file behind, and each footer names the one before it.  Going back in
 * history reads that, and goes on in older files where they are kept; going
 * back for good appends a copy of it.
 *
 * Any thread; a revert takes the writer's role.
 */
#include "base/base.h"
#include "base/error.h"
#include "store/datafile.h"
#include "store/store.h"

/* The commit point that snap is of, if it is one of this opening's. */
static struct commit *
own_commit(struct moss_store *s, struct moss_snapshot *snap)
{
    struct commit *c = commit_of(snap);

    return c != NULL && c->env.opening == s->env.opening ? c : NULL;
}

/* The commit point that c's footer names as the older one. */
static enum moss_status
older_here(struct moss_store *s, struct commit *c, struct commit **out,
           struct moss_error *err)
{
    struct commit_place place = { c->file, c->number, commit_nonce(c) };
    struct footer *footer = NULL;
    /* What is older than a footer lies in the file below it. */
    enum moss_status st = footer_read(c->file, c->footer->off, c->footer->prev,
                                      place.nonce, &footer, err);

    return st < 0 ? st : commit_load(&s->env, &place, footer, out, err);
}

/*
 * The one in the file that c's was made from.  Behind it there may be more,
 * which were never acknowledged: only the footer tells which one it was.
 */
static enum moss_status
older_in_file(struct moss_store *s, const struct commit *c, struct commit **out,
              struct moss_error *err)
{
    struct loaded l = { 0 };
    enum moss_status st;

    *out = NULL;
    if (c->footer->older_file >= c->number)
        return error_set(err, MOSS_CORRUPT, "footer", c->file->path,
                         c->footer->off);
    st = store_load(s, c->footer->older_file, c->footer->older_off, false, &l,
                    err);
    *out = l.commit;
    if (st != MOSS_CANTOPEN)
        return st;
    error_clear(err);
    return MOSS_NOT_FOUND; /* somebody did not keep it */
}

/* Go moss does not say which; its files end with the one it left behind. */
static enum moss_status
older_elsewhere(struct moss_store *s, const struct commit *c,
                struct commit **out, struct moss_error *err)
{
    struct datafile_list list;
    struct loaded l = { 0 };
    size_t i = 0;
    enum moss_status st = datafile_scan(s->os, s->dir, &list, err);

    if (st < 0)
        return st;
    while (i < list.n_data && list.data[i] >= c->number)
        i++;
    st = i == list.n_data ? MOSS_NOT_FOUND
                          : store_load(s, list.data[i], 0, false, &l, err);
    datafile_list_release(&list);
    *out = l.commit;
    return st;
}

enum moss_status
moss_store_previous(struct moss_store *s, struct moss_snapshot *snap,
                    struct moss_snapshot **out, struct moss_error *err)
{
    struct commit *c = own_commit(s, snap), *older = NULL;
    enum moss_status st = MOSS_NOT_FOUND;

    *out = NULL;
    error_clear(err);
    if (c == NULL)
        return error_set(err, MOSS_INVALID, "snapshot of another kind", s->dir,
                         0);
    if (c->footer->prev != 0)
        st = older_here(s, c, &older, err);
    else if (s->keep_files && c->footer->older_file != 0)
        st = older_in_file(s, c, &older, err);
    else if (s->keep_files)
        st = older_elsewhere(s, c, &older, err);
    if (st == MOSS_OK) {
        st = commit_snapshot(older, out);
        if (st < 0)
            (void)error_set(err, st, "snapshot", s->dir, 0);
    }
    commit_unref(older);
    return st;
}

enum moss_status
moss_store_commit_info(struct moss_store *s, struct moss_snapshot *snap,
                       struct moss_commit_info *out)
{
    struct commit *c = own_commit(s, snap);

    memset(out, 0, sizeof *out);
    if (c == NULL)
        return MOSS_INVALID;
    out->tag = c->tag;
    out->unix_seconds = c->footer->is_ours ? c->footer->time : 0;
    out->collections = c->footer->n_colls;
    out->segments = c->footer->n_locs;
    out->disk_bytes = c->live_bytes;
    out->offset = c->footer->off;
    out->footer_bytes = c->footer->length;
    datafile_name(c->number, out->data_file);
    for (size_t i = 0; i < c->footer->n_colls; i++) {
        for (size_t k = 0; k < c->footer->colls[i]->n_locs; k++) {
            const struct segment_loc *loc = &c->footer->colls[i]->locs[k];

            out->entries += loc_entries(loc);
            out->deletions += loc->n_del;
            out->bytes += loc->key_bytes + loc->value_bytes;
        }
    }
    return MOSS_OK;
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
