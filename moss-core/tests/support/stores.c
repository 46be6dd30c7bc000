/*
 * What a collection's persister does, reduced to one batch: the tree that the
 * last snapshot shows, with the batch's deletions and new children, becomes
 * the tree of changes.
 */
#include "support/stores.h"

#include <stdlib.h>

#include "base/base.h"
#include "base/mem.h"
#include "segment/batch.h"
#include "stack/segstack.h"

/* ------------------------------------------------------------------ */
/* Changes                                                            */
/* ------------------------------------------------------------------ */

#define MAX_CHILDREN 64
#define MAX_DEPTH 8

/* What a change tree is made of, kept until the update is over. */
struct builder {
    const struct moss_merge_operator *merge;
    enum moss_status st;
    void *blocks[1024];
    size_t n_blocks;
    struct segstack *stacks[1024];
    size_t n_stacks;
};

static void *
take(struct builder *b, size_t n)
{
    void *p = calloc(1, n);

    ck_assert(p != NULL && b->n_blocks < 1024);
    b->blocks[b->n_blocks++] = p;
    return p;
}

static const struct segstack *
segments_of(struct builder *b, const struct moss_batch *batch)
{
    struct segment **segs = NULL;
    struct segstack *stack = NULL;
    size_t n = 0;

    if (b->st < 0)
        return NULL;
    b->st =
        batch_segments(batch, 0, moss_batch_count(batch), b->merge, &segs, &n);
    if (b->st == MOSS_OK && n > 0)
        b->st = segstack_new(NULL, segs, n, &stack);
    for (size_t i = 0; i < n; i++)
        segment_unref(segs[i]);
    mem_free(segs);
    if (stack == NULL)
        return NULL;
    ck_assert(b->n_stacks < 1024);
    b->stacks[b->n_stacks++] = stack;
    return stack;
}

struct names {
    struct moss_slice names[MAX_CHILDREN];
    size_t n;
};

static enum moss_status
add_name(void *arg, struct moss_slice name)
{
    struct names *l = arg;

    for (size_t i = 0; i < l->n; i++) {
        if (slice_equal(l->names[i], name))
            return MOSS_OK;
    }
    ck_assert(l->n < MAX_CHILDREN);
    l->names[l->n++] = name;
    return MOSS_OK;
}

static int
by_name(const void *a, const void *b)
{
    return slice_compare(*(const struct moss_slice *)a,
                         *(const struct moss_slice *)b);
}

static void build(struct builder *b, struct moss_change *change,
                  struct moss_snapshot *old, const struct moss_batch *batch,
                  const struct moss_slice *path, size_t depth);

static const struct batch_child *
mentioned(const struct moss_batch *batch, struct moss_slice name)
{
    const struct batch_child *children = NULL;
    size_t n = batch == NULL ? 0 : batch_children(batch, &children);

    for (size_t i = 0; i < n; i++) {
        if (slice_equal(children[i].name, name))
            return &children[i];
    }
    return NULL;
}

/* Add the child of that name to change, unless it is deleted. */
static void
build_child(struct builder *b, struct moss_change *change,
            struct moss_change *children, struct moss_slice name,
            struct moss_snapshot *old, const struct moss_batch *batch,
            const struct moss_slice *path, size_t depth)
{
    const struct batch_child *m = mentioned(batch, name);
    struct moss_snapshot *snap = NULL;
    struct moss_slice *longer = take(b, (depth + 1) * sizeof *longer);
    struct moss_change *c;

    if (m != NULL && m->batch == NULL)
        return;
    if (old != NULL && (m == NULL || !m->deleted)) {
        enum moss_status st = moss_snapshot_child(old, name, &snap);

        if (st < 0)
            b->st = st;
    }
    for (size_t i = 0; i < depth; i++)
        longer[i] = path[i];
    longer[depth] = name;
    c = &children[change->n_children++];
    c->name = name;
    build(b, c, snap, m == NULL ? NULL : m->batch, longer, depth + 1);
    moss_snapshot_unref(snap);
}

/* old: the collection before, or NULL; batch: its changes, or NULL. */
static void
build(struct builder *b, struct moss_change *change, struct moss_snapshot *old,
      const struct moss_batch *batch, const struct moss_slice *path,
      size_t depth)
{
    struct names l = { .n = 0 };
    const struct batch_child *mentions = NULL;
    size_t n = batch == NULL ? 0 : batch_children(batch, &mentions);
    struct moss_change *children;

    ck_assert(depth <= MAX_DEPTH);
    change->has_from = old != NULL;
    change->from = path;
    change->n_from = old != NULL ? depth : 0;
    if (batch != NULL)
        change->segments = segments_of(b, batch);
    if (old != NULL && b->st == MOSS_OK)
        b->st = moss_snapshot_children(old, add_name, &l);
    for (size_t i = 0; i < n; i++)
        (void)add_name(&l, mentions[i].name);
    qsort(l.names, l.n, sizeof *l.names, by_name);
    children = take(b, (l.n + 1) * sizeof *children);
    change->children = children;
    for (size_t i = 0; i < l.n; i++)
        build_child(b, change, children, l.names[i], old, batch, path, depth);
}

static enum moss_status
hand_over(struct driver *d, struct builder *b, const struct moss_change *top,
          struct moss_tag tag)
{
    struct moss_changes changes = { tag, top };
    struct moss_snapshot *snap = NULL;
    enum moss_status st = b->st;

    if (st == MOSS_OK)
        st = d->lower->ops->update(d->lower, &changes, &snap, &d->err);
    if (st == MOSS_OK) {
        moss_snapshot_unref(d->newest);
        d->newest = snap;
    } else {
        ck_assert_ptr_null(snap);
    }
    for (size_t i = 0; i < b->n_stacks; i++)
        segstack_unref(b->stacks[i]);
    for (size_t i = 0; i < b->n_blocks; i++)
        free(b->blocks[i]);
    free(b);
    return st;
}

enum moss_status
driver_apply_batch(struct driver *d, const struct moss_batch *batch,
                   struct moss_tag tag)
{
    struct builder *b = calloc(1, sizeof *b);
    struct moss_change top = { 0 };

    b->merge = d->options.merge;
    build(b, &top, d->newest, batch, NULL, 0);
    return hand_over(d, b, &top, tag);
}

enum moss_status
driver_apply(struct driver *d, const char *text)
{
    struct moss_batch *batch = batch_of(text);
    struct moss_tag tag = { d->n + 1, 100 * (d->n + 1) };
    enum moss_status st = driver_apply_batch(d, batch, tag);

    moss_batch_free(batch);
    if (st == MOSS_OK)
        d->n++;
    return st;
}

enum moss_status
driver_rename(struct driver *d, const char *from, const char *to)
{
    struct builder *b = calloc(1, sizeof *b);
    struct moss_change top = { 0 };
    struct moss_tag tag = { d->n + 1, 100 * (d->n + 1) };
    struct moss_change *children;
    enum moss_status st;

    build(b, &top, d->newest, NULL, NULL, 0);
    children = (struct moss_change *)(uintptr_t)top.children;
    for (size_t i = 0; i < top.n_children; i++) {
        if (slice_equal(children[i].name, moss_str(from)))
            children[i].name = moss_str(to);
    }
    /* struct moss_change begins with its name. */
    qsort(children, top.n_children, sizeof *children, by_name);
    st = hand_over(d, b, &top, tag);
    if (st == MOSS_OK)
        d->n++;
    return st;
}

/* ------------------------------------------------------------------ */
/* Stores                                                             */
/* ------------------------------------------------------------------ */

enum moss_status
driver_open(struct driver *d, const char *dir,
            const struct moss_store_options *options)
{
    enum moss_status st;

    memset(d, 0, sizeof *d);
    if (options != NULL)
        d->options = *options;
    d->dir = dir;
    st = moss_store_open(dir, &d->options, &d->store, &d->err);
    if (st == MOSS_OK && !d->options.readonly) {
        st = moss_store_lower(d->store, &d->lower);
        if (st == MOSS_OK) {
            d->newest = d->lower->initial;
            d->lower->initial = NULL;
        }
    } else if (st == MOSS_OK) {
        st = moss_store_snapshot(d->store, &d->newest);
    }
    if (st == MOSS_OK)
        d->n = moss_snapshot_tag(d->newest).n;
    return st;
}

void
driver_close(struct driver *d)
{
    moss_snapshot_unref(d->newest);
    d->newest = NULL;
    if (d->lower != NULL)
        d->lower->ops->close(d->lower);
    d->lower = NULL;
    moss_store_close(d->store);
    d->store = NULL;
}

void
driver_reopen(struct driver *d)
{
    struct moss_store_options options = d->options;
    const char *dir = d->dir;

    driver_close(d);
    assert_ok(driver_open(d, dir, &options));
}

void
store_make(struct moss_os *os, const char *dir, const char *text)
{
    struct moss_store_options o = { .os = os };
    struct driver d;

    assert_ok(driver_open(&d, dir, &o));
    assert_ok(driver_apply(&d, text));
    driver_close(&d);
}

char *
store_dump(struct moss_os *os, const char *dir)
{
    struct moss_store_options o = { .os = os, .readonly = true };
    struct driver d;
    char *text;

    assert_ok(driver_open(&d, dir, &o));
    text = dump_tree(d.newest);
    driver_close(&d);
    return text;
}

void
assert_store(struct moss_os *os, const char *dir, const char *text)
{
    char *got = store_dump(os, dir);

    ck_assert_str_eq(got, text);
    free(got);
}

void
assert_files(struct moss_os *os, const char *dir, const char *names)
{
    char *got = dir_names(os, dir);

    ck_assert_str_eq(got, names);
    free(got);
}

struct moss_store_stats
driver_stats(struct driver *d)
{
    struct moss_store_stats stats;

    moss_store_stats(d->store, &stats);
    return stats;
}

char *
driver_data_path(struct driver *d)
{
    struct moss_store_stats stats = driver_stats(d);

    return path_join(d->dir, stats.data_file);
}
