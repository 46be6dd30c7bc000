/*
 * A staged batch is a file like a data file: first page, segments, one footer
 * that names them by collection and carries the tag (FORMAT.md, "Staged
 * batches").  So it is read by what reads data files, with their checksums,
 * and published by laying its mapped segments over a collection.
 *
 *     begin      first page
 *     add        each collection's part of a piece: one run, sorted
 *     finish     runs merged into one segment each; footer; sync; sync of the
 *                directory
 *
 * Runs with merge operands are left as they are: what is below them is not
 * known here.  Until finish the file has no footer, so nothing takes it for a
 * batch.
 *
 * The file is the batch's own: no lock is held, and a failing disk here leaves
 * the store's data file out of it.
 */
#include "base/base.h"
#include "base/coding.h"
#include "base/error.h"
#include "base/mem.h"
#include "segment/batch.h"
#include "store/datafile.h"
#include "store/store.h"

/* A collection and its runs, oldest first. */
struct runs {
    struct moss_slice name; /* owned */
    struct segment_loc *locs;
    size_t n;
    bool has_operands;
    struct runs *children; /* sorted by name */
    size_t n_children;
};

struct moss_staged {
    struct moss_store *store; /* one reference */
    struct moss_tag tag;
    struct identity id;
    struct file *file; /* one reference */
    struct segwriter w;
    struct runs top;
    bool failed;
    struct commit *commit; /* once it is finished; one reference */
};

/* ------------------------------------------------------------------ */
/* Runs                                                               */
/* ------------------------------------------------------------------ */

static void
runs_release(struct runs *r)
{
    for (size_t i = 0; i < r->n_children; i++)
        runs_release(&r->children[i]);
    mem_free(r->children);
    mem_free(r->locs);
    mem_free((void *)(uintptr_t)r->name.bytes);
}

/* The child of that name, made if need be; NULL without memory. */
static struct runs *
runs_child(struct runs *r, struct moss_slice name)
{
    struct runs *more;
    uint8_t *copy;
    size_t i = 0;

    while (i < r->n_children && slice_compare(r->children[i].name, name) < 0)
        i++;
    if (i < r->n_children && slice_equal(r->children[i].name, name))
        return &r->children[i];
    copy = mem_dup(name.bytes, name.len);
    more = mem_resize(r->children, r->n_children + 1, sizeof *more);
    if (more != NULL)
        r->children = more;
    if (copy == NULL || more == NULL) {
        mem_free(copy);
        return NULL;
    }
    memmove(more + i + 1, more + i, (r->n_children - i) * sizeof *more);
    memset(&more[i], 0, sizeof *more);
    more[i].name = moss_slice(copy, name.len);
    r->n_children++;
    return &more[i];
}

static enum moss_status
runs_add(struct runs *r, const struct segment_loc *loc)
{
    struct segment_loc *more = mem_resize(r->locs, r->n + 1, sizeof *more);

    if (more == NULL)
        return MOSS_NOMEM;
    r->locs = more;
    r->locs[r->n++] = *loc;
    return MOSS_OK;
}

static enum moss_status
runs_to_coll(const struct runs *r, struct footer_coll *coll)
{
    enum moss_status st = footer_make_children(coll, r->n_children);

    if (st < 0)
        return st;
    coll->locs = mem_zalloc(r->n + 1, sizeof *coll->locs);
    if (coll->locs == NULL)
        return MOSS_NOMEM;
    if (r->n > 0)
        memcpy(coll->locs, r->locs, r->n * sizeof *coll->locs);
    coll->n_locs = r->n;
    for (size_t i = 0; i < r->n_children && st == MOSS_OK; i++) {
        st = footer_set_name(&coll->children[i], r->children[i].name);
        if (st == MOSS_OK)
            st = runs_to_coll(&r->children[i], &coll->children[i]);
    }
    return st;
}

/* The commit point of all runs, with its footer at the end of the file. */
static enum moss_status
load_runs(struct moss_staged *g, struct commit **out, struct moss_error *err)
{
    struct commit_place place = { g->file, 0, &g->id.nonce };
    struct footer *f = footer_new();
    enum moss_status st = MOSS_NOMEM;

    *out = NULL;
    if (f != NULL)
        st = runs_to_coll(&g->top, &f->top);
    if (st == MOSS_OK)
        st = footer_index(f);
    if (st < 0) {
        footer_free(f);
        return error_set(err, st, "stage", g->file->path, 0);
    }
    f->off = g->w.pos;
    f->is_ours = true;
    f->tag = g->tag;
    return commit_load(&g->store->env, &place, f, out, err);
}

/* ------------------------------------------------------------------ */
/* Names                                                              */
/* ------------------------------------------------------------------ */

/* Lets go of what a batch holds. */
static void
staged_release(struct moss_staged *g)
{
    runs_release(&g->top);
    commit_unref(g->commit);
    file_unref(g->file);
    store_unref(g->store);
    mem_free(g);
}

static char *
staged_path(const struct moss_store *s, struct moss_tag tag)
{
    char name[DATAFILE_STAGED_NAME];

    datafile_staged_name(tag, name);
    return file_path(s->dir, name);
}

static enum moss_status
staged_new(struct moss_store *s, struct moss_tag tag, unsigned flags,
           struct moss_staged **out, struct moss_error *err)
{
    struct moss_staged *g = mem_zalloc(1, sizeof *g);
    char *path = staged_path(s, tag);
    enum moss_status st = MOSS_NOMEM;

    *out = NULL;
    if (g == NULL || path == NULL) {
        (void)error_set(err, st, "stage", s->dir, 0);
    } else {
        g->store = store_ref(s);
        g->tag = tag;
        st = file_open(s->os, path, flags, &g->file, err);
    }
    mem_free(path);
    if (st < 0) {
        if (g != NULL)
            staged_release(g);
        return st;
    }
    g->file->write_max = s->write_max;
    *out = g;
    return MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* Making one                                                         */
/* ------------------------------------------------------------------ */

/* The store's identity, recorded if it had none, with a nonce of its own. */
static enum moss_status
init_identity(struct moss_store *s, struct identity *id, struct moss_error *err)
{
    bool changed;
    enum moss_status st;

    store_begin_write(s);
    *id = store_identity(s);
    st = store_complete_identity(s, id, &changed);
    if (st < 0)
        (void)error_set(err, st, "identity", s->dir, 0);
    else if (changed)
        st = store_save_identity(s, id, err);
    store_end_write(s);
    if (st < 0)
        return st;
    st = s->os->ops->random(s->os, &id->nonce, sizeof id->nonce);
    return st < 0 ? error_set(err, st, "identity", s->dir, 0) : MOSS_OK;
}

enum moss_status
moss_staged_begin(struct moss_store *s, struct moss_tag tag,
                  struct moss_staged **out, struct moss_error *err)
{
    struct moss_staged *g = NULL;
    uint8_t page[FILE_PAGE];
    struct identity id;
    enum moss_status st;

    *out = NULL;
    error_clear(err);
    if (s->readonly)
        return error_set(err, MOSS_READONLY, "stage", s->dir, 0);
    if (tag.n == 0 && tag.id == 0)
        return error_set(err, MOSS_INVALID, "tag", s->dir, 0);
    st = init_identity(s, &id, err);
    if (st < 0)
        return st;
    st = staged_new(s, tag, MOSS_OPEN_WRITE | MOSS_OPEN_CREATE | MOSS_OPEN_EXCL,
                    &g, err);
    if (st < 0)
        return st;
    g->id = id;
    g->w = store_segwriter(s, g->file, id.nonce, FILE_PAGE);
    g->w.kind = NULL; /* read where it lies, and not for long */
    st = identity_first_page(&g->id, s->os->ops->unix_seconds(s->os), page);
    if (st < 0)
        (void)error_set(err, st, "identity", g->file->path, 0);
    else
        st = file_write(g->file, 0, page, sizeof page, err);
    if (st < 0) {
        moss_staged_free(g);
        return st;
    }
    *out = g;
    return MOSS_OK;
}

static bool
only_adds(const struct moss_batch *batch)
{
    const struct batch_child *children = NULL;
    size_t n = batch_children(batch, &children);

    if (batch_is_cleared(batch))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (children[i].deleted || children[i].from.len > 0 ||
            children[i].before != BEFORE_ANY || children[i].batch == NULL ||
            !only_adds(children[i].batch))
            return false;
    }
    return true;
}

static enum moss_status
add_own_changes(struct moss_staged *g, struct runs *r,
                const struct moss_batch *batch, struct moss_error *err)
{
    struct segment **segs = NULL;
    size_t n = 0;
    enum moss_status st = batch_segments(batch, 0, moss_batch_count(batch),
                                         g->w.merge, &segs, &n);

    if (st < 0)
        return error_set(err, st, "stage", g->file->path, g->w.pos);
    for (size_t i = 0; i < n; i++) {
        struct segment_loc loc;

        r->has_operands = r->has_operands || segs[i]->totals.n_merge > 0;
        if (st == MOSS_OK)
            st = segwriter_copy(&g->w, segs[i], &loc, err);
        if (st == MOSS_OK) {
            st = runs_add(r, &loc);
            if (st < 0)
                (void)error_set(err, st, "stage", g->file->path, g->w.pos);
        }
        segment_unref(segs[i]);
    }
    mem_free(segs);
    return st;
}

static enum moss_status
add_changes(struct moss_staged *g, struct runs *r,
            const struct moss_batch *batch, struct moss_error *err)
{
    const struct batch_child *children = NULL;
    size_t n = batch_children(batch, &children);
    enum moss_status st = add_own_changes(g, r, batch, err);

    for (size_t i = 0; i < n && st == MOSS_OK; i++) {
        struct runs *child = runs_child(r, children[i].name);

        st = child == NULL
                 ? error_set(err, MOSS_NOMEM, "stage", g->file->path, g->w.pos)
                 : add_changes(g, child, children[i].batch, err);
    }
    return st;
}

enum moss_status
moss_staged_add(struct moss_staged *g, const struct moss_batch *piece,
                struct moss_error *err)
{
    enum moss_status st;

    error_clear(err);
    if (g->failed || g->commit != NULL)
        return error_set(err, MOSS_INVALID, "stage", g->file->path, 0);
    if (!only_adds(piece))
        return error_set(err, MOSS_UNSUPPORTED, "stage", g->file->path, 0);
    st = add_changes(g, &g->top, piece, err);
    g->failed = st < 0;
    return st;
}

/* ------------------------------------------------------------------ */
/* Finishing                                                          */
/* ------------------------------------------------------------------ */

/* Make one of r's runs; c is the commit point of all, empty no segments. */
static enum moss_status
merge_runs(struct moss_staged *g, struct runs *r, const struct commit *c,
           const struct footer_coll *coll, const struct segstack *empty,
           struct moss_error *err)
{
    const struct segstack *stack = c->stacks[coll->index];
    struct segment_loc loc;
    enum moss_status st = MOSS_OK;

    if (r->n > 1 && !r->has_operands) {
        /* Over something unknown: deletions are to stay. */
        st = segwriter_merge(&g->w, stack->segs, stack->n, empty, &loc, err);
        if (st == MOSS_OK) {
            r->n = 1;
            r->locs[0] = loc;
        }
    }
    for (size_t i = 0; i < r->n_children && st == MOSS_OK; i++)
        st = merge_runs(g, &r->children[i], c, &coll->children[i], empty, err);
    return st;
}

static bool
has_mergeable(const struct runs *r)
{
    if (r->n > 1 && !r->has_operands)
        return true;
    for (size_t i = 0; i < r->n_children; i++) {
        if (has_mergeable(&r->children[i]))
            return true;
    }
    return false;
}

static enum moss_status
merge_all(struct moss_staged *g, struct moss_error *err)
{
    struct segstack *empty = NULL;
    struct commit *c = NULL;
    enum moss_status st;

    if (!has_mergeable(&g->top))
        return MOSS_OK;
    st = segstack_new(NULL, NULL, 0, &empty);
    if (st < 0)
        return error_set(err, st, "stage", g->file->path, 0);
    st = load_runs(g, &c, err);
    if (st == MOSS_OK)
        st = merge_runs(g, &g->top, c, &c->footer->top, empty, err);
    commit_unref(c);
    segstack_unref(empty);
    return st;
}

/* The last bytes of a footer are its checksum, seeded with the nonce. */
static uint64_t
footer_sum(const struct buf *bytes)
{
    return load_le64(bytes->bytes + bytes->len - 8);
}

static enum moss_status
write_footer(struct moss_staged *g, struct commit *c,
             struct moss_staged_info *info, struct moss_error *err)
{
    struct moss_os *os = g->store->os;
    struct buf bytes;
    enum moss_status st;

    c->footer->time = os->ops->unix_seconds(os);
    buf_init(&bytes);
    st = footer_encode(c->footer, g->id.nonce, &bytes);
    if (st < 0)
        (void)error_set(err, st, "footer", g->file->path, g->w.pos);
    else
        st = file_write(g->file, g->w.pos, bytes.bytes, bytes.len, err);
    if (st == MOSS_OK)
        st = file_sync(g->file, err);
    if (st == MOSS_OK) {
        st = os->ops->sync_dir(os, g->store->dir);
        if (st < 0)
            (void)error_set(err, st, "sync", g->store->dir, 0);
    }
    if (st == MOSS_OK) {
        info->tag = g->tag;
        info->length = g->w.pos + bytes.len;
        info->checksum = footer_sum(&bytes);
    }
    buf_release(&bytes);
    return st;
}

enum moss_status
moss_staged_finish(struct moss_staged *g, struct moss_staged_info *info,
                   struct moss_error *err)
{
    struct commit *c = NULL;
    enum moss_status st;

    memset(info, 0, sizeof *info);
    error_clear(err);
    if (g->failed || g->commit != NULL)
        return error_set(err, MOSS_INVALID, "stage", g->file->path, 0);
    st = merge_all(g, err);
    if (st == MOSS_OK)
        st = load_runs(g, &c, err);
    if (st == MOSS_OK)
        st = write_footer(g, c, info, err);
    if (st == MOSS_OK) {
        g->commit = c;
        c = NULL;
    }
    commit_unref(c);
    g->failed = st < 0;
    return st;
}

void
moss_staged_free(struct moss_staged *g)
{
    if (g == NULL)
        return;
    if (g->commit == NULL) {
        g->file->removed = true;
        /* If that fails, it is swept some time. */
        (void)g->store->os->ops->remove(g->store->os, g->file->path);
    }
    staged_release(g);
}

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
    st = changes_init(&top, g->commit, &g->commit->footer->top);
    if (st == MOSS_OK)
        st = moss_collection_prepare_changes(c, &changes, timeout_ms, out);
    changes_release(&top);
    return st;
}
