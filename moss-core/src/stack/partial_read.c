/*
 * Reading parts of a snapshot, as struct moss_read_options chooses them: a
 * stack of the segments that are left is made for the call, so that the usual
 * reads know nothing of options.
 *
 *     segs   lower level's | 0 | 1 | 2 | 3      levels, oldest first
 *                           min ^       ^ max
 */
#include "base/mem.h"
#include "stack/iterator.h"
#include "stack/snapshot.h"

static bool
is_default(const struct moss_read_options *options)
{
    return options == NULL ||
           (!options->skip_lower_level && !options->include_deletions &&
            options->min_segment_level == 0 &&
            options->max_segment_height == 0);
}

/* What is left of the snapshot's stack; one reference. */
static enum moss_status
choose(struct moss_snapshot *snap, const struct moss_read_options *options,
       struct segstack **out)
{
    const struct segstack *all = snapshot_segments(snap);
    size_t n_lower, height, min = options->min_segment_level;
    struct segment **segs = NULL;
    enum moss_status st;

    *out = NULL;
    if (all == NULL)
        return MOSS_UNSUPPORTED;
    n_lower = options->skip_lower_level ? 0 : all->n_lower;
    height = all->n - all->n_lower;
    if (options->max_segment_height > 0 && options->max_segment_height < height)
        height = options->max_segment_height;
    if (min > height)
        min = height;
    segs = mem_resize(NULL, n_lower + height - min, sizeof(segs[0]));
    if (segs == NULL)
        return MOSS_NOMEM;
    for (size_t i = 0; i < n_lower; i++)
        segs[i] = all->segs[i];
    for (size_t i = min; i < height; i++)
        segs[n_lower + i - min] = all->segs[all->n_lower + i];
    st = segstack_new(options->skip_lower_level ? NULL : all->lower, segs,
                      n_lower + height - min, out);
    mem_free(segs);
    return st;
}

enum moss_status
moss_snapshot_get_with(struct moss_snapshot *snap, struct moss_slice key,
                       const struct moss_read_options *options,
                       struct moss_value *value)
{
    struct segstack *stack;
    enum moss_status st;

    if (is_default(options))
        return moss_snapshot_get(snap, key, value);
    memset(value, 0, sizeof(*value));
    st = choose(snap, options, &stack);
    if (st != MOSS_OK)
        return st;
    /* The snapshot has the segments, too: the value outlives the stack. */
    st = segstack_get(stack, snapshot_merge(snap), key, value);
    segstack_unref(stack);
    return st;
}

enum moss_status
moss_snapshot_iterate_with(struct moss_snapshot *snap,
                           const struct moss_slice *lo,
                           const struct moss_slice *hi,
                           const struct moss_read_options *options,
                           struct moss_iterator **out)
{
    struct segstack *stack;
    enum moss_status st;

    if (is_default(options))
        return moss_snapshot_iterate(snap, lo, hi, out);
    *out = NULL;
    st = choose(snap, options, &stack);
    if (st != MOSS_OK)
        return st;
    st = segstack_iterate(stack, snapshot_merge(snap), snap, lo, hi, out);
    segstack_unref(stack);
    if (st == MOSS_OK && options->include_deletions)
        iterator_include_deletions(*out);
    return st;
}

enum moss_status
moss_snapshot_get_copy(struct moss_snapshot *snap, struct moss_slice key,
                       void *buf, size_t cap, size_t *len)
{
    struct moss_value value;
    enum moss_status st;

    *len = 0;
    st = moss_snapshot_get(snap, key, &value);
    if (st != MOSS_OK)
        return st;
    *len = value.bytes.len;
    if (cap > value.bytes.len)
        cap = value.bytes.len;
    if (cap > 0)
        memcpy(buf, value.bytes.bytes, cap);
    moss_value_release(&value);
    return MOSS_OK;
}

void
moss_snapshot_segments(struct moss_snapshot *snap, size_t *in_memory,
                       size_t *lower)
{
    const struct segstack *stack = snapshot_segments(snap);

    *in_memory = *lower = 0;
    if (stack == NULL)
        return;
    *in_memory = stack->n - stack->n_lower;
    *lower = stack->n_lower;
}
