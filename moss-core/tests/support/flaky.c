/* The flaky lower level: each call counts, then goes on to the real one. */
#include "support/flaky.h"

#include <stdlib.h>

#include "base/base.h"
#include "base/refs.h"
#include "support/fixture.h"

struct snap {
    struct moss_snapshot base;
    struct refs refs;
    struct flaky *flaky;
    struct moss_snapshot *inner; /* one reference */
};

struct iter {
    struct moss_iterator base;
    struct flaky *flaky;
    struct moss_iterator *inner;
};

struct lower {
    struct moss_lower base;
    struct flaky *flaky;
    struct moss_lower *inner;
};

void
flaky_fail_nth(struct flaky *f, unsigned n)
{
    atomic_store(&f->tripped, false);
    atomic_store(&f->left, n);
}

static bool
fails(struct flaky *f)
{
    unsigned left = atomic_load(&f->left);

    while (left > 0) {
        if (!atomic_compare_exchange_weak(&f->left, &left, left - 1))
            continue;
        if (left == 1)
            atomic_store(&f->tripped, true);
        return left == 1;
    }
    return false;
}

/* ------------------------------------------------------------ iterators */

static struct iter *
iter_of(struct moss_iterator *base)
{
    return container_of(base, struct iter, base);
}

static enum moss_status
moved(struct iter *it, enum moss_status st)
{
    it->base.key = it->inner->key;
    it->base.value = it->inner->value;
    return st;
}

static enum moss_status
iter_first(struct moss_iterator *base)
{
    struct iter *it = iter_of(base);

    if (fails(it->flaky))
        return MOSS_IO;
    return moved(it, moss_iterator_first(it->inner));
}

static enum moss_status
iter_last(struct moss_iterator *base)
{
    struct iter *it = iter_of(base);

    if (fails(it->flaky))
        return MOSS_IO;
    return moved(it, moss_iterator_last(it->inner));
}

static enum moss_status
iter_seek(struct moss_iterator *base, struct moss_slice key)
{
    struct iter *it = iter_of(base);

    if (fails(it->flaky))
        return MOSS_IO;
    return moved(it, moss_iterator_seek(it->inner, key));
}

static enum moss_status
iter_seek_for_prev(struct moss_iterator *base, struct moss_slice key)
{
    struct iter *it = iter_of(base);

    if (fails(it->flaky))
        return MOSS_IO;
    return moved(it, moss_iterator_seek_for_prev(it->inner, key));
}

static enum moss_status
iter_next(struct moss_iterator *base)
{
    struct iter *it = iter_of(base);

    if (fails(it->flaky))
        return MOSS_IO;
    return moved(it, moss_iterator_next(it->inner));
}

static enum moss_status
iter_prev(struct moss_iterator *base)
{
    struct iter *it = iter_of(base);

    if (fails(it->flaky))
        return MOSS_IO;
    return moved(it, moss_iterator_prev(it->inner));
}

static void
iter_free(struct moss_iterator *base)
{
    struct iter *it = iter_of(base);

    moss_iterator_free(it->inner);
    free(it);
}

static const struct moss_iterator_ops iter_ops = {
    .first = iter_first,
    .last = iter_last,
    .seek = iter_seek,
    .seek_for_prev = iter_seek_for_prev,
    .next = iter_next,
    .prev = iter_prev,
    .free = iter_free,
};

/* ------------------------------------------------------------ snapshots */

static struct snap *
snap_of(struct moss_snapshot *base)
{
    return container_of(base, struct snap, base);
}

static const struct moss_snapshot_ops snap_ops;

/* Takes over inner. */
static struct moss_snapshot *
snap_new(struct flaky *f, struct moss_snapshot *inner)
{
    struct snap *s = must_alloc(calloc(1, sizeof(*s)));

    s->base.ops = &snap_ops;
    refs_init(&s->refs);
    s->flaky = f;
    s->inner = inner;
    return &s->base;
}

static void
snap_ref(struct moss_snapshot *base)
{
    refs_inc(&snap_of(base)->refs);
}

static void
snap_unref(struct moss_snapshot *base)
{
    struct snap *s = snap_of(base);

    if (!refs_dec(&s->refs))
        return;
    moss_snapshot_unref(s->inner);
    free(s);
}

static enum moss_status
snap_get(struct moss_snapshot *base, struct moss_slice key,
         struct moss_value *value)
{
    struct snap *s = snap_of(base);

    return fails(s->flaky) ? MOSS_IO : moss_snapshot_get(s->inner, key, value);
}

static enum moss_status
snap_iterate(struct moss_snapshot *base, const struct moss_slice *lo,
             const struct moss_slice *hi, struct moss_iterator **out)
{
    struct snap *s = snap_of(base);
    struct iter *it;

    if (fails(s->flaky))
        return MOSS_IO;
    it = must_alloc(calloc(1, sizeof(*it)));
    it->base.ops = &iter_ops;
    it->flaky = s->flaky;
    assert_ok(moss_snapshot_iterate(s->inner, lo, hi, &it->inner));
    *out = &it->base;
    return MOSS_OK;
}

static enum moss_status
snap_child(struct moss_snapshot *base, struct moss_slice name,
           struct moss_snapshot **out)
{
    struct snap *s = snap_of(base);
    struct moss_snapshot *inner;
    enum moss_status st;

    if (fails(s->flaky))
        return MOSS_IO;
    st = moss_snapshot_child(s->inner, name, &inner);
    if (st == MOSS_OK)
        *out = snap_new(s->flaky, inner);
    return st;
}

static enum moss_status
snap_children(struct moss_snapshot *base,
              enum moss_status (*each)(void *arg, struct moss_slice), void *arg)
{
    struct snap *s = snap_of(base);

    return fails(s->flaky) ? MOSS_IO
                           : moss_snapshot_children(s->inner, each, arg);
}

static struct moss_tag
snap_tag(struct moss_snapshot *base)
{
    return moss_snapshot_tag(snap_of(base)->inner);
}

static enum moss_status
snap_estimate(struct moss_snapshot *base, const struct moss_slice *lo,
              const struct moss_slice *hi, uint64_t *entries, uint64_t *bytes)
{
    struct snap *s = snap_of(base);

    if (fails(s->flaky))
        return MOSS_IO;
    return moss_snapshot_estimate(s->inner, lo, hi, entries, bytes);
}

static const struct moss_snapshot_ops snap_ops = {
    .get = snap_get,
    .iterate = snap_iterate,
    .child = snap_child,
    .children = snap_children,
    .tag = snap_tag,
    .estimate = snap_estimate,
    .ref = snap_ref,
    .unref = snap_unref,
};

/* -------------------------------------------------------------- updates */

static enum moss_status
lower_update(struct moss_lower *base, const struct moss_changes *changes,
             struct moss_snapshot **out, struct moss_error *err)
{
    struct lower *l = container_of(base, struct lower, base);
    struct moss_snapshot *inner;
    enum moss_status st;

    *out = NULL;
    if (fails(l->flaky)) {
        err->status = MOSS_IO;
        err->what = "flaky";
        return MOSS_IO;
    }
    st = l->inner->ops->update(l->inner, changes, &inner, err);
    if (st == MOSS_OK)
        *out = snap_new(l->flaky, inner);
    return st;
}

static void
lower_close(struct moss_lower *base)
{
    struct lower *l = container_of(base, struct lower, base);

    moss_snapshot_unref(l->base.initial);
    l->inner->ops->close(l->inner);
    free(l);
}

static const struct moss_lower_ops lower_ops = {
    .update = lower_update,
    .close = lower_close,
};

struct moss_lower *
flaky_lower(struct flaky *f, struct moss_lower *lower)
{
    struct lower *l = must_alloc(calloc(1, sizeof(*l)));

    l->base.ops = &lower_ops;
    l->flaky = f;
    l->inner = lower;
    if (lower->initial != NULL)
        l->base.initial = snap_new(f, moss_snapshot_ref(lower->initial));
    return &l->base;
}
