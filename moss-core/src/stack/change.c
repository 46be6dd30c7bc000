/*
 * The entries that a lower level is to take over, for lower levels that are
 * not of this library: a forward iterator over a change's segments that keeps
 * deletions and operands.
 *
 * The lower level knows what is below, the segments do not.  So operands that
 * the operator does not combine are given one by one; or, if the lower level
 * hands in its snapshot, as the values that they make over it.
 *
 * The persister's thread, while update() runs.
 */
#include "base/mem.h"
#include "stack/segmerge.h"

struct change_iterator {
    struct moss_iterator base;
    struct moss_merge_operator merge; /* full NULL: none */
    const struct segstack *segments;  /* borrowed; NULL: nothing */
    bool resolve;                     /* give values, no operands */
    struct segstack *below; /* for resolve: what operands apply to, or NULL */
    struct segmerge *pass;  /* NULL: at the start */
    enum moss_op op;
};

static struct change_iterator *
ours(const struct moss_iterator *base)
{
    return (struct change_iterator *)(uintptr_t)base;
}

static enum moss_status
begin(struct change_iterator *it)
{
    struct segment *const *segs =
        it->segments == NULL ? NULL : it->segments->segs;
    size_t n = it->segments == NULL ? 0 : it->segments->n;

    if (it->resolve)
        return segmerge_new_resolved(segs, n, it->below, &it->merge, &it->pass);
    return segmerge_new_split(segs, n, &it->merge, &it->pass);
}

static enum moss_status
next(struct moss_iterator *base)
{
    struct change_iterator *it = ours(base);
    enum moss_status st = MOSS_OK;
    struct entry e;

    base->key = base->value = moss_slice(NULL, 0);
    if (it->pass == NULL)
        st = begin(it);
    if (st == MOSS_OK)
        st = segmerge_next(it->pass, &e);
    if (st == MOSS_OK) {
        it->op = e.op;
        base->key = e.key;
        base->value = e.value;
    }
    return st;
}

static enum moss_status
first(struct moss_iterator *base)
{
    struct change_iterator *it = ours(base);

    segmerge_free(it->pass);
    it->pass = NULL;
    return next(base);
}

static enum moss_status
cannot_move(struct moss_iterator *base)
{
    (void)base;
    return MOSS_UNSUPPORTED;
}

static enum moss_status
cannot_seek(struct moss_iterator *base, struct moss_slice key)
{
    (void)base;
    (void)key;
    return MOSS_UNSUPPORTED;
}

static void
release(struct moss_iterator *base)
{
    struct change_iterator *it = ours(base);

    segmerge_free(it->pass);
    segstack_unref(it->below);
    mem_free(it);
}

static const struct moss_iterator_ops change_ops = {
    first, cannot_move, cannot_seek, cannot_seek, next, cannot_move, release
};

enum moss_status
moss_change_iterate(const struct moss_change *change,
                    const struct moss_merge_operator *merge,
                    struct moss_iterator **out)
{
    struct change_iterator *it = mem_zalloc(1, sizeof(*it));

    *out = NULL;
    if (it == NULL)
        return MOSS_NOMEM;
    it->base.ops = &change_ops;
    if (merge != NULL)
        it->merge = *merge;
    it->segments = change->segments;
    it->op = MOSS_OP_SET;
    *out = &it->base;
    return MOSS_OK;
}

enum moss_status
moss_change_resolve(const struct moss_change *change,
                    const struct moss_merge_operator *merge,
                    struct moss_snapshot *origin, struct moss_iterator **out)
{
    enum moss_status st = moss_change_iterate(change, merge, out);
    struct change_iterator *it;

    if (st != MOSS_OK)
        return st;
    it = ours(*out);
    it->resolve = true;
    if (origin != NULL)
        st = segstack_new(origin, NULL, 0, &it->below);
    if (st != MOSS_OK) {
        release(*out);
        *out = NULL;
    }
    return st;
}

enum moss_status
moss_change_origin(const struct moss_change *change,
                   struct moss_snapshot *before, struct moss_snapshot **out)
{
    struct moss_snapshot *snap;
    enum moss_status st = MOSS_OK;

    *out = NULL;
    if (!change->has_from)
        return MOSS_OK;
    if (before == NULL)
        return MOSS_INVALID;
    snap = moss_snapshot_ref(before);
    for (size_t i = 0; st == MOSS_OK && i < change->n_from; i++) {
        struct moss_snapshot *child;

        st = moss_snapshot_child(snap, change->from[i], &child);
        moss_snapshot_unref(snap);
        snap = child;
    }
    if (st == MOSS_OK)
        *out = snap;
    return st > 0 ? MOSS_INVALID : st;
}

enum moss_op
moss_change_op(const struct moss_iterator *it)
{
    return ours(it)->op;
}
