/*
 * A staged batch is a file like a data file: first page, segments, one footer
 * that names them by collection and carries the tag (FORMAT.md, "Staged
 * batches").  So it is read by what reads data files, with their checksums,
 * and published by laying its mapped segments over a collection.
 *
 *     begin      first page
 *     add        each collection's part of a piece: one run, sorted, streamed
 *                from the piece
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
#include "store/staged.h"

#include "base/base.h"
#include "base/coding.h"
#include "base/error.h"
#include "base/mem.h"
#include "segment/batch.h"

/* Of paths given from outside; a collection bounds it as well. */
enum { MAX_DEPTH = 32 };

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

static void
path_release(struct staged_path *path)
{
    for (size_t i = 0; i < path->n; i++)
        mem_free((void *)(uintptr_t)path->names[i].bytes);
    mem_free(path->names);
}

void
staged_release(struct moss_staged *g)
{
    for (size_t i = 0; i < g->n_dropped; i++)
        mem_free((void *)(uintptr_t)g->dropped[i].bytes);
    mem_free(g->dropped);
    for (size_t i = 0; i < g->n_cleared; i++)
        path_release(&g->cleared[i]);
    mem_free(g->cleared);
    runs_release(&g->top);
    if (g->file != NULL)
        g->file->watch = NULL;
    commit_unref(g->commit);
    file_unref(g->file);
    store_unref(g->store);
    mem_free(g);
}

char *
staged_path(const struct moss_store *s, struct moss_tag tag)
{
    char name[DATAFILE_STAGED_NAME];

    datafile_staged_name(tag, name);
    return file_path(s->dir, name);
}

enum moss_status
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

    /* Most often it is complete: then nobody who writes need be waited for. */
    *id = store_identity(s);
    st = store_complete_identity(s, id, &changed);
    if (st == MOSS_OK && !changed)
        goto complete;
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

complete:
    st = s->os->ops->random(s->os, &id->nonce, sizeof id->nonce);
    return st < 0 ? error_set(err, st, "identity", s->dir, 0) : MOSS_OK;
}

static enum moss_status
ask_to_go_on(struct file_watch *watch, size_t n)
{
    struct moss_staged *g = container_of(watch, struct moss_staged, watch);

    (void)n;
    return g->options.go_on(g->options.ctx) ? MOSS_OK : MOSS_ABORTED;
}

enum moss_status
moss_staged_begin(struct moss_store *s, struct moss_tag tag,
                  const struct moss_staged_options *options,
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
    if (options != NULL)
        g->options = *options;
    if (g->options.go_on != NULL) {
        g->watch.ask = ask_to_go_on;
        g->file->watch = &g->watch;
    }
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

/* Operands of one key may make several runs. */
static enum moss_status
add_operands(struct moss_staged *g, struct runs *r,
             const struct moss_batch *batch, size_t from,
             struct moss_error *err)
{
    struct segment **segs = NULL;
    size_t n = 0;
    enum moss_status st = batch_segments(batch, from, moss_batch_count(batch),
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
add_own_changes(struct moss_staged *g, struct runs *r,
                const struct moss_batch *batch, size_t from,
                struct moss_error *err)
{
    struct segment_loc loc;
    enum moss_status st;

    if (moss_batch_count(batch) <= from)
        return MOSS_OK;
    if (batch_has_operands(batch))
        return add_operands(g, r, batch, from, err);
    st = segwriter_batch(&g->w, batch, from, &loc, err);
    if (st < 0)
        return st;
    st = runs_add(r, &loc);
    return st < 0 ? error_set(err, st, "stage", g->file->path, g->w.pos) : st;
}

static enum moss_status
add_changes(struct moss_staged *g, struct runs *r,
            const struct moss_batch *batch, struct moss_error *err)
{
    const struct batch_child *children = NULL;
    size_t n = batch_children(batch, &children);
    enum moss_status st = add_own_changes(g, r, batch, 0, err);

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

/* The runs of the collection that part is for. */
static enum moss_status
find_runs(struct moss_staged *g, const struct moss_staged_part *part,
          struct runs **out)
{
    enum moss_status st = part->n_path > MAX_DEPTH ? MOSS_INVALID : MOSS_OK;

    *out = &g->top;
    for (size_t i = 0; i < part->n_path && st == MOSS_OK; i++) {
        st = batch_check_child_name(part->path[i]);
        if (st == MOSS_OK) {
            *out = runs_child(*out, part->path[i]);
            st = *out == NULL ? MOSS_NOMEM : MOSS_OK;
        }
    }
    return st;
}

enum moss_status
moss_staged_add_part(struct moss_staged *g, const struct moss_staged_part *part,
                     struct moss_error *err)
{
    struct runs *r;
    enum moss_status st;

    error_clear(err);
    if (g->failed || g->commit != NULL)
        return error_set(err, MOSS_INVALID, "stage", g->file->path, 0);
    st = find_runs(g, part, &r);
    if (st < 0)
        (void)error_set(err, st, "stage", g->file->path, 0);
    else
        st = add_own_changes(g, r, part->batch, part->from, err);
    g->failed = st < 0;
    return st;
}

enum moss_status
moss_staged_del_child(struct moss_staged *g, struct moss_slice name)
{
    enum moss_status st = batch_check_child_name(name);
    struct moss_slice *more;
    void *copy;

    if (st < 0)
        return st;
    copy = mem_dup(name.bytes, name.len);
    more = mem_resize(g->dropped, g->n_dropped + 1, sizeof *more);
    if (more != NULL)
        g->dropped = more;
    if (copy == NULL || more == NULL) {
        mem_free(copy);
        return MOSS_NOMEM;
    }
    more[g->n_dropped++] = moss_slice(copy, name.len);
    return MOSS_OK;
}

static enum moss_status
path_init(struct staged_path *path, const struct moss_slice *names, size_t n)
{
    memset(path, 0, sizeof *path);
    path->names = mem_zalloc(n + 1, sizeof *path->names);
    if (path->names == NULL)
        return MOSS_NOMEM;
    for (size_t i = 0; i < n; i++) {
        void *copy = mem_dup(names[i].bytes, names[i].len);

        if (copy == NULL)
            return MOSS_NOMEM;
        path->names[path->n++] = moss_slice(copy, names[i].len);
    }
    return MOSS_OK;
}

enum moss_status
moss_staged_clear(struct moss_staged *g, const struct moss_slice *path,
                  size_t n)
{
    struct staged_path *more =
        mem_resize(g->cleared, g->n_cleared + 1, sizeof *more);

    if (more == NULL)
        return MOSS_NOMEM;
    g->cleared = more;
    if (path_init(&more[g->n_cleared], path, n) < 0) {
        path_release(&more[g->n_cleared]);
        return MOSS_NOMEM;
    }
    g->n_cleared++;
    return MOSS_OK;
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
    if (st == MOSS_OK && !g->options.no_sync)
        st = file_sync(g->file, err);
    if (st == MOSS_OK && !g->options.no_sync) {
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
