/*
 * The snapshots of this library, and the public calls on any snapshot.
 *
 * A snapshot is a stack of segments, the merge operator to read them with,
 * and a family: two functions and an owner that know the children.  The
 * collection, the store and overlays differ in their families only.
 *
 * Immutable but for the reference count; any thread.
 */
#include "stack/snapshot.h"

#include "base/base.h"
#include "base/mem.h"
#include "segment/merge_op.h"

struct snapshot {
    struct moss_snapshot base;
    struct refs refs;
    struct segstack *stack;           /* one reference */
    struct moss_merge_operator merge; /* full NULL: none */
    struct moss_tag tag;
    const struct snapshot_family *family; /* NULL: no children */
    void *owner;                          /* family's */
};

static struct snapshot *
ours(struct moss_snapshot *base)
{
    return container_of(base, struct snapshot, base);
}

static enum moss_status
get(struct moss_snapshot *base, struct moss_slice key, struct moss_value *value)
{
    struct snapshot *s = ours(base);

    return segstack_get(s->stack, &s->merge, key, value);
}

static enum moss_status
iterate(struct moss_snapshot *base, const struct moss_slice *lo,
        const struct moss_slice *hi, struct moss_iterator **out)
{
    struct snapshot *s = ours(base);

    return segstack_iterate(s->stack, &s->merge, base, lo, hi, out);
}

static enum moss_status
child(struct moss_snapshot *base, struct moss_slice name,
      struct moss_snapshot **out)
{
    struct snapshot *s = ours(base);

    if (s->family == NULL)
        return MOSS_NOT_FOUND;
    return s->family->child(s->owner, name, out);
}

static enum moss_status
children(struct moss_snapshot *base,
         enum moss_status (*each)(void *arg, struct moss_slice name), void *arg)
{
    struct snapshot *s = ours(base);

    if (s->family == NULL)
        return MOSS_OK;
    return s->family->children(s->owner, each, arg);
}

static struct moss_tag
tag(struct moss_snapshot *base)
{
    return ours(base)->tag;
}

static enum moss_status
estimate(struct moss_snapshot *base, const struct moss_slice *lo,
         const struct moss_slice *hi, uint64_t *entries, uint64_t *bytes)
{
    return segstack_estimate(ours(base)->stack, lo, hi, entries, bytes);
}

static void
ref(struct moss_snapshot *base)
{
    refs_inc(&ours(base)->refs);
}

static void
unref(struct moss_snapshot *base)
{
    struct snapshot *s = ours(base);

    if (!refs_dec(&s->refs))
        return;
    segstack_unref(s->stack);
    if (s->family != NULL)
        s->family->release(s->owner);
    mem_free(s);
}

static const struct segstack *
segments(struct moss_snapshot *base)
{
    return ours(base)->stack;
}

static const struct moss_snapshot_ops snapshot_ops = {
    get, iterate, child, children, tag, estimate, ref, unref, segments
};

enum moss_status
snapshot_new(struct segstack *stack, const struct moss_merge_operator *merge,
             struct moss_tag newest, const struct snapshot_family *family,
             void *owner, struct moss_snapshot **out)
{
    struct snapshot *s;

    *out = NULL;
    s = mem_zalloc(1, sizeof(*s));
    if (s == NULL)
        return MOSS_NOMEM;
    s->base.ops = &snapshot_ops;
    refs_init(&s->refs);
    s->stack = segstack_ref(stack);
    if (merge != NULL)
        s->merge = *merge;
    s->tag = newest;
    s->family = family;
    s->owner = owner;
    *out = &s->base;
    return MOSS_OK;
}

void *
snapshot_owner(struct moss_snapshot *snap, const struct snapshot_family *family)
{
    if (snap->ops != &snapshot_ops || ours(snap)->family != family)
        return NULL;
    return ours(snap)->owner;
}

const struct segstack *
snapshot_segments(struct moss_snapshot *snap)
{
    return snap->ops->segments == NULL ? NULL : snap->ops->segments(snap);
}

const struct moss_merge_operator *
snapshot_merge(struct moss_snapshot *snap)
{
    return snap->ops == &snapshot_ops ? &ours(snap)->merge : NULL;
}

enum moss_status
moss_snapshot_empty(const struct moss_merge_operator *merge,
                    struct moss_snapshot **out)
{
    struct moss_tag none = { 0, 0 };
    struct segstack *stack;
    enum moss_status st;

    *out = NULL;
    st = segstack_new(NULL, NULL, 0, &stack);
    if (st < 0)
        return st;
    st = snapshot_new(stack, merge, none, NULL, NULL, out);
    segstack_unref(stack);
    return st;
}

/* ------------------------------------------------------------------ */
/* The public calls, on snapshots of any kind                         */
/* ------------------------------------------------------------------ */

struct moss_snapshot *
moss_snapshot_ref(struct moss_snapshot *snap)
{
    snap->ops->ref(snap);
    return snap;
}

void
moss_snapshot_unref(struct moss_snapshot *snap)
{
    if (snap != NULL)
        snap->ops->unref(snap);
}

enum moss_status
moss_snapshot_get(struct moss_snapshot *snap, struct moss_slice key,
                  struct moss_value *value)
{
    value->bytes = moss_slice(NULL, 0);
    value->owned = NULL;
    return snap->ops->get(snap, key, value);
}

enum moss_status
moss_snapshot_iterate(struct moss_snapshot *snap, const struct moss_slice *lo,
                      const struct moss_slice *hi, struct moss_iterator **out)
{
    *out = NULL;
    return snap->ops->iterate(snap, lo, hi, out);
}

enum moss_status
moss_snapshot_child(struct moss_snapshot *snap, struct moss_slice name,
                    struct moss_snapshot **out)
{
    *out = NULL;
    return snap->ops->child(snap, name, out);
}

enum moss_status
moss_snapshot_children(struct moss_snapshot *snap,
                       enum moss_status (*each)(void *arg,
                                                struct moss_slice name),
                       void *arg)
{
    return snap->ops->children(snap, each, arg);
}

struct moss_tag
moss_snapshot_tag(struct moss_snapshot *snap)
{
    return snap->ops->tag(snap);
}

enum moss_status
moss_snapshot_estimate(struct moss_snapshot *snap, const struct moss_slice *lo,
                       const struct moss_slice *hi, uint64_t *entries,
                       uint64_t *bytes)
{
    *entries = *bytes = 0;
    return snap->ops->estimate(snap, lo, hi, entries, bytes);
}
