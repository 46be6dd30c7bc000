/*
 * A commit point joins a footer, which says where segments lie, and the
 * segments themselves.  It is what a store's snapshots are of: each holds a
 * reference to it, and to the collection inside it that it shows.  It holds
 * its file open, so that history can be followed from it even when the file
 * has lost its name.
 *
 * Immutable once made; any thread.
 */
#include "store/commit.h"

#include <stdio.h>

#include "base/base.h"
#include "base/error.h"
#include "base/mem.h"
#include "stack/snapshot.h"
#include "store/encoded.h"
#include "store/mapped.h"

/* ------------------------------------------------------------------ */
/* Life                                                               */
/* ------------------------------------------------------------------ */

/* The first page, and each segment from its first page to its last. */
static uint64_t
live_bytes(const struct footer *f)
{
    uint64_t sum = FILE_PAGE;

    for (size_t i = 0; i < f->n_colls; i++) {
        for (size_t k = 0; k < f->colls[i]->n_locs; k++) {
            sum += loc_disk(&f->colls[i]->locs[k]);
        }
    }
    return sum;
}

enum moss_status
commit_new(const struct commit_env *env, const struct commit_place *place,
           struct footer *footer, struct commit **out)
{
    struct commit *c = mem_zalloc(1, sizeof *c);

    *out = NULL;
    if (c == NULL)
        return MOSS_NOMEM;
    c->stacks = mem_zalloc(footer->n_colls, sizeof *c->stacks);
    if (c->stacks == NULL) {
        mem_free(c);
        return MOSS_NOMEM;
    }
    refs_init(&c->refs);
    c->env = *env;
    c->file = file_ref(place->file);
    c->number = place->number;
    c->has_nonce = place->nonce != NULL;
    c->nonce = c->has_nonce ? *place->nonce : 0;
    c->footer = footer;
    c->tag = footer->tag;
    c->live_bytes = live_bytes(footer);
    *out = c;
    return MOSS_OK;
}

struct commit *
commit_ref(struct commit *c)
{
    refs_inc(&c->refs);
    return c;
}

void
commit_unref(struct commit *c)
{
    if (c == NULL || !refs_dec(&c->refs))
        return;
    for (size_t i = 0; i < c->footer->n_colls; i++)
        segstack_unref(c->stacks[i]);
    mem_free(c->stacks);
    footer_free(c->footer);
    file_unref(c->file);
    mem_free(c);
}

const uint64_t *
commit_nonce(const struct commit *c)
{
    return c->has_nonce ? &c->nonce : NULL;
}

/* ------------------------------------------------------------------ */
/* Loading                                                            */
/* ------------------------------------------------------------------ */

/* Has the segment at *loc extras?  *loc says so then. */
static enum moss_status
probe_segment(struct commit *c, struct segment_loc *loc, struct moss_error *err)
{
    uint8_t header[EXTRAS_HEADER_MAX];
    uint64_t room = extras_room(loc);
    enum moss_status st;

    if (loc_is_encoded(loc))
        return MOSS_OK; /* from elsewhere: commit_segment() says so */
    loc->has_extras = true;
    if (!loc_is_sound(loc, c->footer->off)) {
        loc->has_extras = false;
        return MOSS_OK;
    }
    if (room > sizeof header)
        room = sizeof header;
    st = file_read(c->file, loc->kvs_off + loc->kvs_bytes, header, (size_t)room,
                   err);
    if (st == MOSS_OK)
        loc->has_extras = extras_match(loc, c->nonce, header, room, NULL);
    return st;
}

/*
 * A footer that Go moss appended to our file does not say which segments are
 * ours: see which have extras.
 */
static enum moss_status
probe_extras(struct commit *c, struct moss_error *err)
{
    struct footer *f = c->footer;
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; i < f->n_colls; i++) {
        for (size_t k = 0; k < f->colls[i]->n_locs && st == MOSS_OK; k++)
            st = probe_segment(c, &f->colls[i]->locs[k], err);
    }
    return st;
}

/* The range of the file that the footer's segments take. */
static void
segments_range(const struct footer *f, uint64_t *lo, uint64_t *hi)
{
    *lo = f->off;
    *hi = 0;
    for (size_t i = 0; i < f->n_colls; i++) {
        for (size_t k = 0; k < f->colls[i]->n_locs; k++) {
            const struct segment_loc *loc = &f->colls[i]->locs[k];

            *lo = loc->kvs_off < *lo ? loc->kvs_off : *lo;
            *hi = loc_end(loc) > *hi ? loc_end(loc) : *hi;
        }
    }
}

static enum moss_status
unknown_kind(struct file *file, const struct segment_loc *loc,
             struct moss_error *err)
{
    char where[sizeof err->path];

    (void)snprintf(where, sizeof where, "kind \"%s\" in %s", loc->kind,
                   file->path);
    return error_set(err, MOSS_UNSUPPORTED, COMMIT_UNKNOWN_KIND, where,
                     loc->kvs_off);
}

enum moss_status
commit_segment(const struct commit_env *env, const struct commit_place *place,
               struct mapping *whole, const struct segment_loc *loc,
               bool was_written, struct segment **out, struct moss_error *err)
{
    const struct moss_segment_kind *kind;
    uint64_t nonce = place->nonce == NULL ? 0 : *place->nonce;

    if (!loc_is_encoded(loc))
        return mapped_segment_new(place->file, whole, loc, nonce, out, err);
    *out = NULL;
    kind = kind_find(env->kinds, env->n_kinds, loc->kind);
    /* Without extras it is of another library, and framed otherwise. */
    if (kind == NULL || !loc->has_extras)
        return unknown_kind(place->file, loc, err);
    return encoded_segment_new(place->file, whole, loc, nonce, kind,
                               !was_written, out, err);
}

static enum moss_status
load_stack(struct commit *c, const struct commit_place *place,
           struct mapping *whole, const struct footer_coll *coll,
           struct moss_error *err)
{
    struct segment **segs = mem_zalloc(coll->n_locs + 1, sizeof *segs);
    enum moss_status st = segs == NULL ? MOSS_NOMEM : MOSS_OK;
    size_t n = 0;

    for (; st == MOSS_OK && n < coll->n_locs; n++)
        st = commit_segment(&c->env, place, whole, &coll->locs[n], false,
                            &segs[n], err);
    if (st == MOSS_OK)
        st = segstack_new(NULL, segs, n, &c->stacks[coll->index]);
    for (size_t i = 0; i < n; i++)
        segment_unref(segs[i]);
    mem_free(segs);
    return st;
}

static enum moss_status
load_segments(struct commit *c, const struct commit_place *place,
              struct moss_error *err)
{
    struct mapping *whole = NULL;
    uint64_t lo, hi;
    enum moss_status st = MOSS_OK;

    segments_range(c->footer, &lo, &hi);
    if (!c->env.no_mmap && hi > lo)
        st = mapping_new(c->file, lo, (size_t)(hi - lo), false, &whole, err);
    for (size_t i = 0; i < c->footer->n_colls && st == MOSS_OK; i++)
        st = load_stack(c, place, whole, c->footer->colls[i], err);
    mapping_unref(whole);
    return st;
}

/*
 * The tag of a footer that Go moss appended: that of the one before it.  None
 * where the way there is broken: the footer itself is good.
 */
static enum moss_status
inherit_tag(struct commit *c, uint64_t size, struct moss_error *err)
{
    struct footer *f = c->footer, *older = NULL;
    enum moss_status st = MOSS_OK;

    while (!f->is_ours && f->prev != 0) {
        struct footer *last = older;

        st = footer_read(c->file, size, f->prev, commit_nonce(c), &older, err);
        footer_free(last);
        if (st < 0)
            return st == MOSS_CORRUPT ? MOSS_OK : st;
        f = older;
    }
    c->tag = f->tag;
    footer_free(older);
    return st;
}

enum moss_status
commit_load(const struct commit_env *env, const struct commit_place *place,
            struct footer *footer, struct commit **out, struct moss_error *err)
{
    struct commit *c = NULL;
    uint64_t size = footer->off + footer->length;
    enum moss_status st = commit_new(env, place, footer, &c);

    *out = NULL;
    if (st < 0) {
        footer_free(footer);
        return error_set(err, st, "footer", place->file->path, 0);
    }
    /* Without a nonce nothing in the file is ours. */
    if (c->has_nonce && !footer->is_ours) {
        st = probe_extras(c, err);
        if (st == MOSS_OK)
            st = inherit_tag(c, size, err);
    }
    if (st == MOSS_OK)
        st = load_segments(c, place, err);
    if (st == MOSS_NOMEM)
        (void)error_set(err, st, "segment", place->file->path, footer->off);
    if (st == MOSS_OK) {
        *out = c;
        c = NULL;
    }
    commit_unref(c);
    return st;
}

/* ------------------------------------------------------------------ */
/* Snapshots                                                          */
/* ------------------------------------------------------------------ */

/* What a snapshot shows. */
struct view {
    struct commit *commit; /* one reference */
    const struct footer_coll *coll;
};

static enum moss_status
view_new(struct commit *c, const struct footer_coll *coll,
         struct moss_snapshot **out);

static enum moss_status
view_child(void *owner, struct moss_slice name, struct moss_snapshot **out)
{
    struct view *v = owner;
    const struct footer_coll *child = footer_child(v->coll, name);

    *out = NULL;
    return child == NULL ? MOSS_NOT_FOUND : view_new(v->commit, child, out);
}

static enum moss_status
view_children(void *owner,
              enum moss_status (*each)(void *arg, struct moss_slice name),
              void *arg)
{
    struct view *v = owner;

    for (size_t i = 0; i < v->coll->n_children; i++) {
        enum moss_status st = each(arg, v->coll->children[i].name);

        if (st != MOSS_OK)
            return st;
    }
    return MOSS_OK;
}

static void
view_release(void *owner)
{
    struct view *v = owner;

    commit_unref(v->commit);
    mem_free(v);
}

static const struct snapshot_family view_family = { view_child, view_children,
                                                    view_release };

static enum moss_status
view_new(struct commit *c, const struct footer_coll *coll,
         struct moss_snapshot **out)
{
    struct view *v = mem_alloc(sizeof *v);
    enum moss_status st;

    *out = NULL;
    if (v == NULL)
        return MOSS_NOMEM;
    v->commit = commit_ref(c);
    v->coll = coll;
    st = snapshot_new(c->stacks[coll->index],
                      c->env.has_merge ? &c->env.merge : NULL, c->tag,
                      &view_family, v, out);
    if (st < 0)
        view_release(v);
    return st;
}

enum moss_status
commit_snapshot(struct commit *c, struct moss_snapshot **out)
{
    return view_new(c, &c->footer->top, out);
}

struct commit *
commit_of(struct moss_snapshot *snap)
{
    struct view *v = snapshot_owner(snap, &view_family);

    if (v == NULL || v->coll != &v->commit->footer->top)
        return NULL;
    return v->commit;
}
