/*
 * Overlays: a snapshot with changes laid over it, as a transaction needs one
 * to read its own writes.
 *
 * An overlay's stack is that of the snapshot at the bottom with segments of
 * its own on top.  When changes are laid over an overlay, its newest segments
 * are merged as long as the next older one is no larger than those above it
 * together; so each change is copied a logarithmic number of times, and the
 * number of segments is logarithmic, too.
 *
 *     base segments | 64 | 16 | 4 |   + 5   ->   base segments | 64 | 16 | 9 |
 *
 * However many overlays lie on each other, each refers to the bottom only,
 * for the children.
 */
#include "base/mem.h"
#include "segment/batch.h"
#include "stack/snapshot.h"

struct overlay {
    struct moss_snapshot *base; /* no overlay; one reference */
    size_t n_own;               /* segments on top of base's */
};

static enum moss_status
child(void *owner, struct moss_slice name, struct moss_snapshot **out)
{
    struct overlay *o = owner;

    return moss_snapshot_child(o->base, name, out);
}

static enum moss_status
children(void *owner,
         enum moss_status (*each)(void *arg, struct moss_slice name), void *arg)
{
    struct overlay *o = owner;

    return moss_snapshot_children(o->base, each, arg);
}

static void
release(void *owner)
{
    struct overlay *o = owner;

    moss_snapshot_unref(o->base);
    mem_free(o);
}

static const struct snapshot_family overlay_family = { child, children,
                                                       release };

/* The segments of an overlay while it is being made, one reference each. */
struct pile {
    struct moss_snapshot *lower; /* borrowed; NULL: nothing */
    struct segment **segs;
    size_t n;
    size_t n_lower; /* of these are snap's lower level's */
    size_t n_base;  /* the first ones, which stay as they are */
};

static void
pile_release(struct pile *p)
{
    for (size_t i = 0; i < p->n; i++)
        segment_unref(p->segs[i]);
    mem_free(p->segs);
}

/* What snap consists of, with room for n more; takes over those. */
static enum moss_status
pile_init(struct pile *p, struct moss_snapshot *snap, struct segment **more,
          size_t n)
{
    const struct segstack *stack = snapshot_segments(snap);
    const struct overlay *o = snapshot_owner(snap, &overlay_family);
    size_t n_old = stack == NULL ? 0 : stack->n;

    p->lower = stack == NULL ? snap : stack->lower;
    p->n_lower = stack == NULL ? 0 : stack->n_lower;
    p->n_base = o == NULL ? n_old : n_old - o->n_own;
    p->segs = mem_resize(NULL, n_old + n, sizeof(*p->segs));
    if (p->segs == NULL)
        return MOSS_NOMEM;
    for (size_t i = 0; i < n_old; i++)
        p->segs[i] = segment_ref(stack->segs[i]);
    for (size_t i = 0; i < n; i++)
        p->segs[n_old + i] = more[i];
    p->n = n_old + n;
    return MOSS_OK;
}

/* Merge the newest segments, from the one at place i on, into one. */
static enum moss_status
pile_merge(struct pile *p, const struct moss_merge_operator *merge, size_t i)
{
    struct segstack *below = NULL;
    struct segment *merged;
    enum moss_status st = MOSS_OK;

    if (i > 0 || p->lower != NULL)
        st = segstack_new(p->lower, p->segs, i, &below);
    if (st < 0)
        return st;
    st = segstack_merge(p->segs + i, p->n - i, below, merge, &merged);
    segstack_unref(below);
    if (st < 0)
        return st;
    while (p->n > i)
        segment_unref(p->segs[--p->n]);
    if (merged->n > 0)
        p->segs[p->n++] = merged;
    else
        segment_unref(merged);
    return MOSS_OK;
}

static enum moss_status
pile_balance(struct pile *p, const struct moss_merge_operator *merge)
{
    size_t i = p->n - 1;
    size_t above = p->segs[i]->n;

    while (i > p->n_base && p->segs[i - 1]->n <= above)
        above += p->segs[--i]->n;
    return i == p->n - 1 ? MOSS_OK : pile_merge(p, merge, i);
}

/* Make the snapshot of what is piled up over snap. */
static enum moss_status
finish(const struct pile *p, struct moss_snapshot *snap,
       struct moss_snapshot **out)
{
    const struct overlay *old = snapshot_owner(snap, &overlay_family);
    struct overlay *o = mem_zalloc(1, sizeof(*o));
    struct segstack *stack = NULL;
    enum moss_status st;

    if (o == NULL)
        return MOSS_NOMEM;
    o->base = moss_snapshot_ref(old == NULL ? snap : old->base);
    o->n_own = p->n - p->n_base;
    st = segstack_new(p->lower, p->segs, p->n, &stack);
    if (st == MOSS_OK) {
        stack->n_lower = p->n_lower;
        if (snapshot_segments(snap) != NULL)
            segstack_inherit_known(stack, snapshot_segments(snap));
        st = snapshot_new(stack, snapshot_merge(snap), moss_snapshot_tag(snap),
                          &overlay_family, o, out);
    }
    if (st < 0)
        release(o);
    segstack_unref(stack);
    return st;
}

enum moss_status
overlay_segments(struct moss_snapshot *snap, struct segment *const *segs,
                 size_t n, struct moss_snapshot **out)
{
    struct pile pile = { NULL, NULL, 0, 0, 0 };
    enum moss_status st;

    *out = NULL;
    st = pile_init(&pile, snap, (struct segment **)(uintptr_t)segs, n);
    if (st < 0)
        return st;
    for (size_t i = 0; i < n; i++)
        segment_ref(segs[i]);
    st = finish(&pile, snap, out);
    pile_release(&pile);
    return st;
}

enum moss_status
moss_snapshot_overlay(struct moss_snapshot *snap,
                      const struct moss_batch *batch, size_t from, size_t to,
                      struct moss_snapshot **out)
{
    const struct moss_merge_operator *merge = snapshot_merge(snap);
    struct segment **segs = NULL;
    struct pile pile = { NULL, NULL, 0, 0, 0 };
    size_t n = 0;
    enum moss_status st;

    *out = NULL;
    st = batch_segments(batch, from, to, merge, &segs, &n);
    if (st < 0)
        return st;
    if (n == 0) {
        *out = moss_snapshot_ref(snap);
        return MOSS_OK;
    }
    st = pile_init(&pile, snap, segs, n);
    if (st < 0) {
        for (size_t i = 0; i < n; i++)
            segment_unref(segs[i]);
        goto done;
    }
    st = pile_balance(&pile, merge);
    if (st < 0)
        goto done;
    st = finish(&pile, snap, out);

done:
    pile_release(&pile);
    mem_free(segs);
    return st;
}
