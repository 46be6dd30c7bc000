/*
 * What the oldest snapshot in use holds on to: the segments in its state and
 * in its lower level's snapshot that the newest state does not have.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "collection/collection.h"
#include "collection/pins.h"
#include "stack/snapshot.h"

/* Segments, borrowed; sorted by address once they are all there. */
struct held {
    const struct segment **segs; /* owned */
    size_t n, cap;
};

static enum moss_status
hold(struct held *held, const struct segstack *stack)
{
    if (held->n + stack->n > held->cap) {
        size_t cap = 2 * (held->n + stack->n);
        const struct segment **grown =
            mem_resize(held->segs, cap, sizeof(grown[0]));

        if (grown == NULL)
            return MOSS_NOMEM;
        held->segs = grown;
        held->cap = cap;
    }
    for (size_t i = 0; i < stack->n; i++)
        held->segs[held->n++] = stack->segs[i];
    return MOSS_OK;
}

static enum moss_status
hold_section(struct held *held, const struct section *section)
{
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; section != NULL && i < section->n && st == MOSS_OK; i++)
        st = hold(held, section->items[i].stack);
    return st;
}

static enum moss_status
hold_nodes(struct held *held, const struct top_node *node)
{
    enum moss_status st = MOSS_OK;

    for (; node != NULL && st == MOSS_OK; node = node->older)
        st = hold_section(held, top_node_section(node));
    return st;
}

/* tree is what snap contains. */
static enum moss_status
hold_lower(struct held *held, struct moss_snapshot *snap,
           const struct tree *tree)
{
    const struct segstack *stack = snapshot_segments(snap);
    enum moss_status st = stack == NULL ? MOSS_OK : hold(held, stack);

    for (size_t i = 0; i < tree->n && st == MOSS_OK; i++) {
        struct moss_snapshot *child;

        st = moss_snapshot_child(snap, tree->children[i]->name, &child);
        if (st != MOSS_OK)
            return st == MOSS_NOT_FOUND ? MOSS_CORRUPT : st;
        st = hold_lower(held, child, tree->children[i]);
        moss_snapshot_unref(child);
    }
    return st;
}

static int
compare_addresses(const void *pa, const void *pb)
{
    const struct segment *const *a = pa, *const *b = pb;

    return ((uintptr_t)*a > (uintptr_t)*b) - ((uintptr_t)*a < (uintptr_t)*b);
}

static enum moss_status
hold_state(struct held *held, struct state *s)
{
    enum moss_status st = state_resolve(s);

    if (st == MOSS_OK)
        st = hold_nodes(held, s->top);
    if (st == MOSS_OK)
        st = hold_nodes(held, s->taken);
    if (st == MOSS_OK)
        st = hold_section(held, s->mid.section);
    if (st == MOSS_OK)
        st = hold_section(held, s->base.section);
    if (st == MOSS_OK)
        st = hold_section(held, s->clean.section);
    if (st == MOSS_OK && s->lower->snapshot != NULL)
        st = hold_lower(held, s->lower->snapshot, s->lower->tree);
    if (held->n > 1)
        qsort(held->segs, held->n, sizeof(held->segs[0]), compare_addresses);
    return st;
}

/* The bytes of old's segments, each counted once, that newest has not. */
static uint64_t
count_pinned(const struct held *old, const struct held *newest)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < old->n; i++) {
        if (i > 0 && old->segs[i] == old->segs[i - 1])
            continue;
        if (newest->n == 0 ||
            bsearch(&old->segs[i], newest->segs, newest->n,
                    sizeof(newest->segs[0]), compare_addresses) == NULL)
            bytes += segment_bytes(old->segs[i]);
    }
    return bytes;
}

enum moss_status
moss_collection_old_snapshots(struct moss_collection *c,
                              struct moss_old_snapshots *out)
{
    struct held old = { NULL, 0, 0 }, now = { NULL, 0, 0 };
    struct state *newest, *oldest;
    uint64_t taken_ns;
    enum moss_status st = collection_check(c);

    memset(out, 0, sizeof(*out));
    if (st != MOSS_OK)
        return st;
    newest = collection_state(c);
    out->count = pins_find_oldest(c->pins, newest, &oldest, &taken_ns);
    if (oldest != NULL) {
        out->oldest_ns = sync_now_ns() - taken_ns;
        st = hold_state(&old, oldest);
        if (st == MOSS_OK)
            st = hold_state(&now, newest);
        if (st == MOSS_OK)
            out->pinned_bytes = count_pinned(&old, &now);
    }
    if (st != MOSS_OK)
        memset(out, 0, sizeof(*out));
    mem_free(old.segs);
    mem_free(now.segs);
    state_unref(oldest);
    state_unref(newest);
    return st;
}
