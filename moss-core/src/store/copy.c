/*
 * A copy of a state in a new store.
 *
 * What a snapshot reads is a tree of segments, from whatever store or memory
 * they come; handed to the new store as one update, they are merged, each
 * collection's into one segment, and streamed into its file.
 */
#include "base/base.h"
#include "base/error.h"
#include "base/mem.h"
#include "stack/snapshot.h"
#include "store/store.h"

/* More than any tree of collections has. */
enum { MAX_DEPTH = 64 };

/* A collection of the state, as a change to nothing. */
struct node {
    struct moss_snapshot *snap; /* one reference */
    struct moss_slice name;     /* owned */
    struct node *children;
    size_t n, cap;
    struct moss_change *changes; /* of the children; owned */
};

static void
node_release(struct node *node)
{
    for (size_t i = 0; i < node->n; i++)
        node_release(&node->children[i]);
    mem_free(node->children);
    mem_free(node->changes);
    mem_free((void *)(uintptr_t)node->name.bytes);
    moss_snapshot_unref(node->snap);
}

static enum moss_status
add_child(void *arg, struct moss_slice name)
{
    struct node *node = arg, *child;
    void *copy;

    if (node->n == node->cap) {
        size_t cap = node->cap == 0 ? 8 : 2 * node->cap;
        struct node *more = mem_resize(node->children, cap, sizeof *more);

        if (more == NULL)
            return MOSS_NOMEM;
        node->children = more;
        node->cap = cap;
    }
    copy = mem_dup(name.bytes, name.len);
    if (copy == NULL)
        return MOSS_NOMEM;
    child = &node->children[node->n++];
    memset(child, 0, sizeof *child);
    child->name = moss_slice(copy, name.len);
    return MOSS_OK;
}

/* Fill in what is below node, and the change that it is. */
static enum moss_status
node_fill(struct node *node, size_t depth, struct moss_change *change)
{
    const struct segstack *stack = snapshot_segments(node->snap);
    enum moss_status st;

    memset(change, 0, sizeof *change);
    /* Segments are all that can be streamed. */
    if (stack == NULL || stack->lower != NULL)
        return MOSS_UNSUPPORTED;
    if (depth > MAX_DEPTH)
        return MOSS_INVALID;
    change->name = node->name;
    change->segments = stack;
    st = moss_snapshot_children(node->snap, add_child, node);
    if (st != MOSS_OK || node->n == 0)
        return st;
    node->changes = mem_zalloc(node->n, sizeof *node->changes);
    if (node->changes == NULL)
        return MOSS_NOMEM;
    for (size_t i = 0; i < node->n && st == MOSS_OK; i++) {
        struct node *child = &node->children[i];

        st = moss_snapshot_child(node->snap, child->name, &child->snap);
        if (st == MOSS_OK)
            st = node_fill(child, depth + 1, &node->changes[i]);
    }
    change->children = node->changes;
    change->n_children = node->n;
    return st;
}

static bool
is_empty(const struct commit *c)
{
    return c->footer->n_colls == 1 && c->stacks[0]->n == 0 && c->tag.n == 0;
}

static enum moss_status
write_changes(struct moss_store *s, const struct moss_changes *changes,
              const struct moss_compact_options *options,
              struct moss_error *err)
{
    struct commit *newest = store_current(s);
    struct plan *plan = NULL;
    struct watch watch;
    bool fits;
    enum moss_status st = MOSS_EXISTS;

    watch_init(&watch, s);
    if (options != NULL) {
        watch.progress = options->progress;
        watch.ctx = options->ctx;
    }
    if (is_empty(newest))
        st = plan_changes(newest, changes, &plan);
    if (st == MOSS_OK)
        st = plan_choose(plan, NULL, 0, &fits);
    if (st < 0) {
        (void)error_set(err, st, "copy", s->dir, 0);
    } else {
        watch_begin(&watch, newest->file, plan_bytes(plan));
        st = store_append(s, plan, &watch, NULL, err);
    }
    plan_free(plan);
    commit_unref(newest);
    return st;
}

enum moss_status
moss_store_copy(const char *dir, const struct moss_store_options *options,
                struct moss_snapshot *snap, struct moss_tag tag,
                const struct moss_compact_options *how, struct moss_error *err)
{
    struct node top = { .snap = moss_snapshot_ref(snap) };
    struct moss_change change;
    struct moss_changes changes = { tag, &change };
    struct moss_store *s = NULL;
    enum moss_status st = node_fill(&top, 0, &change);

    error_clear(err);
    if (st != MOSS_OK)
        (void)error_set(err, st, "copy", dir, 0);
    else
        st = moss_store_open(dir, options, &s, err);
    if (st == MOSS_OK) {
        store_begin_write(s);
        st = write_changes(s, &changes, how, err);
        store_end_write(s);
    }
    moss_store_close(s);
    node_release(&top);
    return st;
}
