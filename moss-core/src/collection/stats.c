/*
 * Statistics: counters kept under the lock by those who do the work, and what
 * the newest state holds now, counted outside of it.
 */
#include "collection/collection.h"

static uint64_t
count_segments(const struct section *section)
{
    uint64_t n = 0;

    for (size_t i = 0; section != NULL && i < section->n; i++)
        n += section->items[i].stack->n;
    return n;
}

static uint64_t
count_edit_segments(const struct edit *edit)
{
    uint64_t n = edit->stack == NULL ? 0 : edit->stack->n;

    for (size_t i = 0; i < edit->n; i++)
        n += count_edit_segments(&edit->children[i]);
    return n;
}

static uint64_t
count_top(const struct top_node *node)
{
    uint64_t n = 0;

    for (; node != NULL; node = node->older) {
        n += node->edit != NULL ? count_edit_segments(node->edit)
                                : count_segments(top_node_section(node));
    }
    return n;
}

void
moss_collection_stats(struct moss_collection *c,
                      struct moss_collection_stats *out)
{
    struct state *s;
    struct size dirty = { 0, 0 };

    memset(out, 0, sizeof(*out));
    if (collection_check(c) != MOSS_OK)
        return;
    mutex_lock(&c->mu);
    *out = c->counters;
    out->recent_snapshots = c->recents.n;
    out->recent_bytes = c->recents.bytes;
    s = state_ref(c->state);
    mutex_unlock(&c->mu);

    if (c->lower != NULL)
        dirty = state_dirty(s);
    out->dirty_ops = dirty.ops;
    out->dirty_bytes = dirty.bytes;
    out->top_segments = count_top(s->top) + count_top(s->taken);
    out->mid_segments = count_segments(s->mid.section);
    out->base_segments = count_segments(s->base.section);
    out->clean_segments = count_segments(s->clean.section);
    state_unref(s);
}
