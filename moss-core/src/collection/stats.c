/*
 * Statistics: counters kept under the lock by those who do the work, and what
 * the newest state holds now, counted outside of it.  What readers do is
 * counted where their slot's lock is held.
 */
#include "collection/collection.h"
#include "collection/pins.h"

/* What a section of the state holds. */
struct contents {
    uint64_t ops, bytes, segments;
};

static void
add_section(struct contents *sum, const struct section *section)
{
    if (section == NULL)
        return;
    sum->ops += section->size.ops;
    sum->bytes += section->size.bytes;
    for (size_t i = 0; i < section->n; i++)
        sum->segments += section->items[i].stack->n;
}

static uint64_t
count_edit_segments(const struct edit *edit)
{
    const struct segstack *stack =
        atomic_load_explicit(&edit->stack, memory_order_acquire);
    uint64_t n = stack != NULL ? stack->n : edit->unsorted != NULL;

    for (size_t i = 0; i < edit->n; i++)
        n += count_edit_segments(&edit->children[i]);
    return n;
}

static void
add_nodes(struct contents *sum, const struct top_node *node)
{
    for (; node != NULL; node = node->older) {
        if (node->edit == NULL) {
            add_section(sum, top_node_section(node));
            continue;
        }
        sum->ops += node->size.ops;
        sum->bytes += node->size.bytes;
        sum->segments += count_edit_segments(node->edit);
    }
}

static void
count_state(const struct state *s, struct moss_collection_stats *out)
{
    struct contents top = { 0, 0, 0 }, mid = top, base = top, clean = top;

    add_nodes(&top, s->top);
    add_nodes(&top, s->taken);
    add_section(&mid, s->mid.section);
    add_section(&base, s->base.section);
    add_section(&clean, s->clean.section);
    out->top_ops = top.ops;
    out->top_bytes = top.bytes;
    out->top_segments = top.segments;
    out->mid_ops = mid.ops;
    out->mid_bytes = mid.bytes;
    out->mid_segments = mid.segments;
    out->base_ops = base.ops;
    out->base_bytes = base.bytes;
    out->base_segments = base.segments;
    out->clean_ops = clean.ops;
    out->clean_bytes = clean.bytes;
    out->clean_segments = clean.segments;
}

void
moss_collection_stats(struct moss_collection *c,
                      struct moss_collection_stats *out)
{
    struct size dirty = { 0, 0 };
    struct state *s;

    memset(out, 0, sizeof(*out));
    if (collection_check(c) != MOSS_OK)
        return;
    mutex_lock(&c->mu);
    *out = c->counters;
    out->recent_snapshots = c->recents.n;
    out->recent_bytes = c->recents.bytes;
    s = state_ref(c->state);
    mutex_unlock(&c->mu);

    out->snapshot.released = pins_released(c->pins);
    read_slots_count(c, out);
    if (c->lower != NULL)
        dirty = state_dirty(s);
    out->dirty_ops = dirty.ops;
    out->dirty_bytes = dirty.bytes;
    count_state(s, out);
    state_unref(s);
}

void
moss_collection_histograms(
    struct moss_collection *c,
    struct moss_histogram out[MOSS_COLLECTION_HISTOGRAMS])
{
    const struct histograms *h = &c->histograms;

    histogram_read(&h->batch_bytes, "ExecuteBatchBytes", &out[0]);
    histogram_read(&h->batch_ops, "ExecuteBatchOpsCount", &out[1]);
    histogram_read(&h->batch_usecs, "ExecuteBatchUsecs", &out[2]);
    histogram_read(&h->merger_usecs, "MergerUsecs", &out[3]);
    histogram_read(&h->key_bytes, "MutationKeyBytes", &out[4]);
    histogram_read(&h->value_bytes, "MutationValBytes", &out[5]);
}
