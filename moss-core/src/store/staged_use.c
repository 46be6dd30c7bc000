/*
 * Staged batches that are finished: found again after a crash, published and
 * read.  staged.c says what they are and makes them.
 */
#include "store/staged.h"

#include <stdlib.h>

#include "base/base.h"
#include "base/coding.h"
#include "base/error.h"
#include "base/mem.h"
#include "stack/snapshot.h"

/* ------------------------------------------------------------------ */
/* Finding it again                                                   */
/* ------------------------------------------------------------------ */

static enum moss_status
check_segment(const struct commit *c, const struct segment *seg,
              struct moss_error *err)
{
    struct segment_window window = { 0 };
    struct entry e, last = { 0 };
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; i < seg->n && st == MOSS_OK; i++) {
        st = segment_entry_checked(seg, i, &window, &e);
        if (st == MOSS_OK && i > 0 && slice_compare(last.key, e.key) >= 0)
            st = MOSS_CORRUPT;
        last = e;
    }
    return st < 0 ? error_set(err, st, "staged batch", c->file->path, 0) : st;
}

static enum moss_status
check_all(const struct commit *c, struct moss_error *err)
{
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; i < c->footer->n_colls; i++) {
        for (size_t k = 0; k < c->stacks[i]->n && st == MOSS_OK; k++)
            st = check_segment(c, c->stacks[i]->segs[k], err);
    }
    return st;
}

static enum moss_status
load_staged(struct moss_staged *g, const struct moss_staged_info *info,
            struct moss_error *err)
{
    struct commit_place place = { g->file, 0, &g->id.nonce };
    struct identity home = store_identity(g->store);
    struct footer *f = NULL;
    uint64_t size;
    uint8_t sum[8];
    enum moss_status st = file_size(g->file, &size, err);

    if (st == MOSS_OK && (size != info->length || size < FILE_PAGE))
        st = error_set(err, MOSS_CORRUPT, "length", g->file->path, size);
    if (st == MOSS_OK)
        st = identity_read(g->file, true, &g->id, err);
    if (st == MOSS_OK &&
        (!g->id.is_there ||
         memcmp(g->id.pub.store_id, home.pub.store_id, 16) != 0))
        st = error_set(err, MOSS_CORRUPT, "another store's", g->file->path, 0);
    if (st == MOSS_OK)
        st = file_read(g->file, size - sizeof sum, sum, sizeof sum, err);
    if (st == MOSS_OK && load_le64(sum) != info->checksum)
        st = error_set(err, MOSS_CORRUPT, "checksum", g->file->path, size);
    if (st == MOSS_OK)
        st = footer_scan(g->file, size, &g->id.nonce, &f, err);
    if (st == MOSS_OK &&
        (!moss_tag_equal(f->tag, info->tag) || f->off + f->length != size)) {
        footer_free(f);
        st = error_set(err, MOSS_CORRUPT, "footer", g->file->path, 0);
    }
    if (st == MOSS_OK)
        st = commit_load(&g->store->env, &place, f, &g->commit, err);
    return st < 0 ? st : check_all(g->commit, err);
}

enum moss_status
moss_staged_open(struct moss_store *s, const struct moss_staged_info *info,
                 struct moss_staged **out, struct moss_error *err)
{
    struct moss_staged *g = NULL;
    enum moss_status st;

    *out = NULL;
    error_clear(err);
    st = staged_new(s, info->tag, MOSS_OPEN_READ, &g, err);
    if (st == MOSS_CANTOPEN)
        return MOSS_NOT_FOUND;
    if (st < 0)
        return st;
    st = load_staged(g, info, err);
    if (st < 0) {
        staged_release(g); /* the file stays */
        return st;
    }
    *out = g;
    return MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* Publishing                                                         */
/* ------------------------------------------------------------------ */

static void
changes_release(struct moss_change *change)
{
    struct moss_change *children =
        (struct moss_change *)(uintptr_t)change->children;

    for (size_t i = 0; i < change->n_children; i++)
        changes_release(&children[i]);
    mem_free(children);
}

static enum moss_status
changes_init(struct moss_change *change, const struct commit *c,
             const struct footer_coll *coll)
{
    struct moss_change *children;
    enum moss_status st = MOSS_OK;

    memset(change, 0, sizeof *change);
    change->name = coll->name;
    change->segments = c->stacks[coll->index];
    if (coll->n_children == 0)
        return MOSS_OK;
    children = mem_zalloc(coll->n_children, sizeof *children);
    if (children == NULL)
        return MOSS_NOMEM;
    change->children = children;
    change->n_children = coll->n_children;
    for (size_t i = 0; i < coll->n_children && st == MOSS_OK; i++)
        st = changes_init(&children[i], c, &coll->children[i]);
    return st;
}

static int
compare_changes(const void *pa, const void *pb)
{
    const struct moss_change *a = pa, *b = pb;

    return slice_compare(a->name, b->name);
}

/* Add the collections that are dropped to the children of top. */
static enum moss_status
add_dropped(const struct moss_staged *g, struct moss_change *top)
{
    size_t n = top->n_children;
    struct moss_change *children =
        mem_resize((void *)(uintptr_t)top->children, n + g->n_dropped + 1,
                   sizeof *children);

    if (children == NULL)
        return MOSS_NOMEM;
    top->children = children;
    for (size_t i = 0; i < g->n_dropped; i++) {
        size_t k = 0;

        while (k < top->n_children &&
               !slice_equal(children[k].name, g->dropped[i]))
            k++;
        if (k == top->n_children) {
            memset(&children[k], 0, sizeof children[k]);
            children[k].name = g->dropped[i];
            top->n_children++;
        }
        children[k].drops = true;
    }
    qsort(children, top->n_children, sizeof *children, compare_changes);
    return MOSS_OK;
}

static enum moss_status
mark_cleared(struct moss_change *top, const struct staged_path *path)
{
    struct moss_change *at = top;

    for (size_t i = 0; i < path->n; i++) {
        struct moss_change *children =
            (struct moss_change *)(uintptr_t)at->children;
        size_t k = 0;

        while (k < at->n_children &&
               !slice_equal(children[k].name, path->names[i]))
            k++;
        if (k == at->n_children)
            return MOSS_INVALID;
        at = &children[k];
    }
    at->clears = true;
    return MOSS_OK;
}

/* Its file is to go when the persister is done with it. */
static enum moss_status
note_prepared(struct moss_store *s, struct moss_tag tag)
{
    enum moss_status st = MOSS_NOMEM;
    struct moss_tag *more;

    mutex_lock(&s->mu);
    more = mem_resize(s->staged, s->n_staged + 1, sizeof *more);
    if (more != NULL) {
        s->staged = more;
        s->staged[s->n_staged++] = tag;
        st = MOSS_OK;
    }
    mutex_unlock(&s->mu);
    return st;
}

enum moss_status
moss_staged_prepare(struct moss_staged *g, struct moss_collection *c,
                    uint64_t timeout_ms, struct moss_prepared **out)
{
    struct moss_change top;
    struct moss_changes changes = { g->tag, &top };
    enum moss_status st;

    *out = NULL;
    if (g->commit == NULL)
        return MOSS_INVALID;
    st = note_prepared(g->store, g->tag);
    if (st < 0)
        return st;
    st = changes_init(&top, g->commit, &g->commit->footer->top);
    for (size_t i = 0; i < g->n_cleared && st == MOSS_OK; i++)
        st = mark_cleared(&top, &g->cleared[i]);
    if (st == MOSS_OK && g->n_dropped > 0)
        st = add_dropped(g, &top);
    if (st == MOSS_OK)
        st = moss_collection_prepare_changes(c, &changes, timeout_ms, out);
    changes_release(&top);
    return st;
}

static const struct footer_coll *
find_path(const struct moss_staged *g, const struct moss_slice *path, size_t n)
{
    const struct footer_coll *at =
        g->commit == NULL ? NULL : &g->commit->footer->top;

    for (size_t i = 0; i < n && at != NULL; i++) {
        const struct footer_coll *child = NULL;

        for (size_t k = 0; k < at->n_children && child == NULL; k++)
            if (slice_equal(at->children[k].name, path[i]))
                child = &at->children[k];
        at = child;
    }
    return at;
}

bool
moss_staged_has(struct moss_staged *g, const struct moss_slice *path, size_t n)
{
    return find_path(g, path, n) != NULL;
}

enum moss_status
moss_staged_overlay(struct moss_staged *g, const struct moss_slice *path,
                    size_t n, struct moss_snapshot *snap,
                    struct moss_snapshot **out)
{
    const struct footer_coll *coll = find_path(g, path, n);
    const struct segstack *stack =
        coll == NULL ? NULL : g->commit->stacks[coll->index];

    if (stack == NULL || stack->n == 0) {
        *out = moss_snapshot_ref(snap);
        return MOSS_OK;
    }
    return overlay_segments(snap, stack->segs, stack->n, out);
}
