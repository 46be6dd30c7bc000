/*
 * The toy lower level.  A node is an immutable collection: a model and its
 * children; it is the snapshot, too.  An update builds a new tree of nodes.
 */
#include "support/toy_lower.h"

#include <stdlib.h>

#include "base/base.h"
#include "base/refs.h"
#include "base/sync.h"
#include "support/fixture.h"
#include "support/model.h"

struct node {
    struct moss_snapshot base;
    struct refs refs;
    struct toy *toy;
    struct moss_tag tag;
    char *name;
    size_t name_len;
    struct model *model;
    size_t n;
    struct node **children; /* one reference each, sorted by name */
};

struct toy {
    const struct moss_merge_operator *merge;
    struct mutex mu;
    struct condvar changed;
    struct node *top; /* one reference */
    bool hold, held;
    unsigned fail, updates, closes;
    enum moss_status fail_status;
    uint64_t update_ns[64];
    atomic_uint nodes;
    unsigned moves_left; /* 0: they do not fail */
};

struct toy_lower {
    struct moss_lower base;
    struct toy *toy;
};

struct node_iterator {
    struct moss_iterator base;
    struct node *node; /* one reference */
    size_t lo, hi, pos;
};

/* ------------------------------------------------------------ iterators */

static bool
move_fails(struct toy *t)
{
    bool fails = false;

    mutex_lock(&t->mu);
    if (t->moves_left > 1)
        t->moves_left--;
    else
        fails = t->moves_left == 1;
    mutex_unlock(&t->mu);
    return fails;
}

static struct node_iterator *
iterator_of(struct moss_iterator *base)
{
    return container_of(base, struct node_iterator, base);
}

static enum moss_status
stand(struct node_iterator *it, bool there, size_t pos)
{
    if (move_fails(it->node->toy))
        return MOSS_IO;
    if (!there)
        return MOSS_DONE;
    it->pos = pos;
    model_at(it->node->model, pos, &it->base.key, &it->base.value);
    return MOSS_OK;
}

static enum moss_status
node_first(struct moss_iterator *base)
{
    struct node_iterator *it = iterator_of(base);

    return stand(it, it->lo < it->hi, it->lo);
}

static enum moss_status
node_last(struct moss_iterator *base)
{
    struct node_iterator *it = iterator_of(base);

    return stand(it, it->lo < it->hi, it->hi - 1);
}

static enum moss_status
node_seek(struct moss_iterator *base, struct moss_slice key)
{
    struct node_iterator *it = iterator_of(base);
    size_t pos = model_find(it->node->model, key);

    if (pos < it->lo)
        pos = it->lo;
    return stand(it, pos < it->hi, pos);
}

static enum moss_status
node_seek_for_prev(struct moss_iterator *base, struct moss_slice key)
{
    struct node_iterator *it = iterator_of(base);
    size_t end = model_find(it->node->model, key);
    struct moss_slice value;

    end += model_get(it->node->model, key, &value);
    if (end > it->hi)
        end = it->hi;
    return stand(it, end > it->lo, end - 1);
}

static enum moss_status
node_next(struct moss_iterator *base)
{
    struct node_iterator *it = iterator_of(base);

    return stand(it, it->pos + 1 < it->hi, it->pos + 1);
}

static enum moss_status
node_prev(struct moss_iterator *base)
{
    struct node_iterator *it = iterator_of(base);

    return stand(it, it->pos > it->lo, it->pos - 1);
}

static void
node_iterator_free(struct moss_iterator *base)
{
    struct node_iterator *it = iterator_of(base);

    moss_snapshot_unref(&it->node->base);
    free(it);
}

static const struct moss_iterator_ops iterator_ops = {
    .first = node_first,
    .last = node_last,
    .seek = node_seek,
    .seek_for_prev = node_seek_for_prev,
    .next = node_next,
    .prev = node_prev,
    .free = node_iterator_free,
};

/* ------------------------------------------------------------ snapshots */

static struct node *
node_of(struct moss_snapshot *base)
{
    return container_of(base, struct node, base);
}

static void
node_ref(struct moss_snapshot *base)
{
    refs_inc(&node_of(base)->refs);
}

static void
node_unref(struct moss_snapshot *base)
{
    struct node *node = node_of(base);

    if (!refs_dec(&node->refs))
        return;
    for (size_t i = 0; i < node->n; i++)
        node_unref(&node->children[i]->base);
    free(node->children);
    atomic_fetch_sub(&node->toy->nodes, 1);
    model_free(node->model);
    free(node->name);
    free(node);
}

static enum moss_status
node_get(struct moss_snapshot *base, struct moss_slice key,
         struct moss_value *value)
{
    value->owned = NULL;
    return model_get(node_of(base)->model, key, &value->bytes) ? MOSS_OK
                                                               : MOSS_NOT_FOUND;
}

static enum moss_status
node_iterate(struct moss_snapshot *base, const struct moss_slice *lo,
             const struct moss_slice *hi, struct moss_iterator **out)
{
    struct node *node = node_of(base);
    struct node_iterator *it = must_alloc(calloc(1, sizeof(*it)));

    it->base.ops = &iterator_ops;
    it->node = node;
    it->lo = lo == NULL ? 0 : model_find(node->model, *lo);
    it->hi =
        hi == NULL ? model_count(node->model) : model_find(node->model, *hi);
    node_ref(base);
    *out = &it->base;
    return MOSS_OK;
}

static struct node *
find_child(struct node *node, struct moss_slice name)
{
    for (size_t i = 0; i < node->n; i++) {
        struct node *child = node->children[i];

        if (slice_equal(moss_slice(child->name, child->name_len), name))
            return child;
    }
    return NULL;
}

static enum moss_status
node_child(struct moss_snapshot *base, struct moss_slice name,
           struct moss_snapshot **out)
{
    struct node *child = find_child(node_of(base), name);

    *out = NULL;
    if (child == NULL)
        return MOSS_NOT_FOUND;
    node_ref(&child->base);
    *out = &child->base;
    return MOSS_OK;
}

static enum moss_status
node_children(struct moss_snapshot *base,
              enum moss_status (*each)(void *arg, struct moss_slice), void *arg)
{
    struct node *node = node_of(base);
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; st == MOSS_OK && i < node->n; i++)
        st = each(arg, moss_slice(node->children[i]->name,
                                  node->children[i]->name_len));
    return st;
}

static struct moss_tag
node_tag(struct moss_snapshot *base)
{
    return node_of(base)->tag;
}

static enum moss_status
node_estimate(struct moss_snapshot *base, const struct moss_slice *lo,
              const struct moss_slice *hi, uint64_t *entries, uint64_t *bytes)
{
    struct model *m = node_of(base)->model;
    size_t from = lo == NULL ? 0 : model_find(m, *lo);
    size_t to = hi == NULL ? model_count(m) : model_find(m, *hi);

    *entries = *bytes = 0;
    for (size_t i = from; i < to; i++) {
        struct moss_slice key, value;

        model_at(m, i, &key, &value);
        *entries += 1;
        *bytes += key.len + value.len;
    }
    return MOSS_OK;
}

static const struct moss_snapshot_ops node_ops = {
    .get = node_get,
    .iterate = node_iterate,
    .child = node_child,
    .children = node_children,
    .tag = node_tag,
    .estimate = node_estimate,
    .ref = node_ref,
    .unref = node_unref,
};

/* Takes over model. */
static struct node *
node_new(struct toy *t, struct moss_slice name, struct model *model,
         struct moss_tag tag, size_t n)
{
    struct node *node = must_alloc(calloc(1, sizeof(*node)));

    node->base.ops = &node_ops;
    refs_init(&node->refs);
    node->toy = t;
    atomic_fetch_add(&t->nodes, 1);
    node->tag = tag;
    node->name = must_alloc(calloc(1, name.len + 1));
    node->name_len = name.len;
    if (name.len > 0)
        memcpy(node->name, name.bytes, name.len);
    node->model = model;
    node->children = must_alloc(calloc(n + 1, sizeof(node->children[0])));
    return node;
}

/* -------------------------------------------------------------- updates */

/* Apply one operand by way of the operator that the toy was given. */
static enum moss_status
apply_operand(struct toy *t, struct model *m, struct moss_slice key,
              struct moss_slice operand)
{
    struct moss_snapshot *empty = NULL, *with = NULL;
    struct moss_batch *batch;
    struct moss_slice old;
    struct moss_value value;
    enum moss_status st = moss_batch_new(0, 0, &batch);

    if (st == MOSS_OK && model_get(m, key, &old))
        st = moss_batch_set(batch, key, old);
    if (st == MOSS_OK)
        st = moss_batch_merge(batch, key, operand);
    if (st == MOSS_OK)
        st = moss_snapshot_empty(t->merge, &empty);
    if (st == MOSS_OK)
        st = moss_snapshot_overlay(empty, batch, 0, moss_batch_count(batch),
                                   &with);
    if (st == MOSS_OK)
        st = moss_snapshot_get(with, key, &value);
    if (st == MOSS_OK) {
        model_set(m, key, value.bytes);
        moss_value_release(&value);
    }
    moss_snapshot_unref(with);
    moss_snapshot_unref(empty);
    moss_batch_free(batch);
    return st;
}

static enum moss_status
apply_entries(struct toy *t, struct model *m, const struct moss_change *change)
{
    struct moss_iterator *it;
    enum moss_status st = moss_change_iterate(change, t->merge, &it);

    if (st != MOSS_OK)
        return st;
    st = moss_iterator_first(it);
    while (st == MOSS_OK) {
        struct moss_slice key, value;

        moss_iterator_current(it, &key, &value);
        if (moss_change_op(it) == MOSS_OP_SET)
            model_set(m, key, value);
        else if (moss_change_op(it) == MOSS_OP_DEL)
            model_del(m, key);
        else
            st = apply_operand(t, m, key, value);
        if (st == MOSS_OK)
            st = moss_iterator_next(it);
    }
    moss_iterator_free(it);
    return st == MOSS_DONE ? MOSS_OK : st;
}

/* The first failure goes to *failed; then the node is of no use. */
static struct node *
apply(struct toy *t, const struct moss_change *change, struct moss_tag tag,
      enum moss_status *failed)
{
    struct model *model = NULL;
    struct node *node;
    enum moss_status st;

    if (change->has_from) {
        struct node *from = t->top;

        for (size_t i = 0; i < change->n_from; i++) {
            from = find_child(from, change->from[i]);
            ck_assert_msg(from != NULL, "no collection at that path");
        }
        model = model_clone(from->model);
    } else {
        model = model_new();
    }
    st = apply_entries(t, model, change);
    if (*failed == MOSS_OK)
        *failed = st;
    node = node_new(t, change->name, model, tag, change->n_children);
    for (size_t i = 0; i < change->n_children; i++)
        node->children[node->n++] = apply(t, &change->children[i], tag, failed);
    return node;
}

/* What is to happen to this update: MOSS_OK, or the failure asked for. */
static enum moss_status
begin_update(struct toy *t)
{
    enum moss_status st = MOSS_OK;

    mutex_lock(&t->mu);
    if (t->updates < 64)
        t->update_ns[t->updates] = sync_now_ns();
    t->updates++;
    t->held = t->hold;
    condvar_broadcast(&t->changed);
    while (t->hold)
        condvar_wait(&t->changed, &t->mu);
    t->held = false;
    if (t->fail > 0) {
        t->fail--;
        st = t->fail_status;
    }
    mutex_unlock(&t->mu);
    return st;
}

static enum moss_status
toy_update(struct moss_lower *lower, const struct moss_changes *changes,
           struct moss_snapshot **out, struct moss_error *err)
{
    struct toy *t = container_of(lower, struct toy_lower, base)->toy;
    enum moss_status st = begin_update(t);
    struct node *old, *top = NULL;

    *out = NULL;
    if (st == MOSS_OK)
        top = apply(t, changes->top, changes->tag, &st);
    if (st != MOSS_OK) {
        if (top != NULL)
            node_unref(&top->base);
        err->status = st;
        err->what = "toy";
        return st;
    }
    node_ref(&top->base);
    mutex_lock(&t->mu);
    old = t->top;
    t->top = top;
    mutex_unlock(&t->mu);
    node_unref(&old->base);
    *out = &top->base;
    return MOSS_OK;
}

static void
toy_close(struct moss_lower *lower)
{
    struct toy_lower *l = container_of(lower, struct toy_lower, base);

    mutex_lock(&l->toy->mu);
    l->toy->closes++;
    mutex_unlock(&l->toy->mu);
    moss_snapshot_unref(lower->initial);
    free(l);
}

static const struct moss_lower_ops lower_ops = {
    .update = toy_update,
    .close = toy_close,
};

/* -------------------------------------------------------------- control */

struct toy *
toy_new(const struct moss_merge_operator *merge)
{
    const struct moss_tag none = { 0, 0 };
    struct toy *t = must_alloc(calloc(1, sizeof(*t)));

    t->merge = merge;
    assert_ok(mutex_init(&t->mu));
    assert_ok(condvar_init(&t->changed));
    t->top = node_new(t, moss_slice(NULL, 0), model_new(), none, 0);
    return t;
}

void
toy_free(struct toy *t)
{
    node_unref(&t->top->base);
    condvar_destroy(&t->changed);
    mutex_destroy(&t->mu);
    free(t);
}

struct moss_lower *
toy_lower(struct toy *t)
{
    struct toy_lower *l = must_alloc(calloc(1, sizeof(*l)));

    l->base.ops = &lower_ops;
    l->base.initial = toy_snapshot(t);
    l->toy = t;
    return &l->base;
}

struct moss_snapshot *
toy_snapshot(struct toy *t)
{
    struct node *top;

    mutex_lock(&t->mu);
    top = t->top;
    node_ref(&top->base);
    mutex_unlock(&t->mu);
    return &top->base;
}

void
toy_fail_next(struct toy *t, unsigned n, enum moss_status status)
{
    mutex_lock(&t->mu);
    t->fail = n;
    t->fail_status = status;
    mutex_unlock(&t->mu);
}

void
toy_hold(struct toy *t)
{
    mutex_lock(&t->mu);
    t->hold = true;
    mutex_unlock(&t->mu);
}

void
toy_let_go(struct toy *t)
{
    mutex_lock(&t->mu);
    t->hold = false;
    condvar_broadcast(&t->changed);
    mutex_unlock(&t->mu);
}

void
toy_wait_held(struct toy *t)
{
    mutex_lock(&t->mu);
    while (!t->held)
        condvar_wait(&t->changed, &t->mu);
    mutex_unlock(&t->mu);
}

unsigned
toy_updates(struct toy *t)
{
    unsigned n;

    mutex_lock(&t->mu);
    n = t->updates;
    mutex_unlock(&t->mu);
    return n;
}

unsigned
toy_closes(struct toy *t)
{
    unsigned n;

    mutex_lock(&t->mu);
    n = t->closes;
    mutex_unlock(&t->mu);
    return n;
}

unsigned
toy_nodes(struct toy *t)
{
    return atomic_load(&t->nodes);
}

uint64_t
toy_update_ns(struct toy *t, unsigned i)
{
    uint64_t ns;

    mutex_lock(&t->mu);
    ns = t->update_ns[i];
    mutex_unlock(&t->mu);
    return ns;
}

void
toy_fail_moves_from(struct toy *t, unsigned n)
{
    mutex_lock(&t->mu);
    t->moves_left = n;
    mutex_unlock(&t->mu);
}
