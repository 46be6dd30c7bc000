/*
 * What an entry hides in an older segment lives on there until the two are
 * merged, and counts as live in the footer.  How much that is can only be
 * guessed: a few entries of each newer segment, evenly spread, are looked up
 * in the older ones.  A load of new keys hides nothing, and needs no full
 * compaction; overwriting everything hides everything.
 *
 * Entries that cannot be read are taken for such that hide nothing: it is not
 * here that damage is to be reported.
 *
 * Any thread.
 */
#include "store/store.h"

#define SAMPLES 256u

/* What entry i of a stack's segment number top hides. */
static uint64_t
hidden_by(const struct segstack *stack, size_t top, size_t i)
{
    struct entry e, old;

    if (segment_entry(stack->segs[top], i, &e) < 0)
        return 0;
    for (size_t k = top; k > 0; k--) {
        enum moss_status st = segment_find(stack->segs[k - 1], e.key, &old);

        if (st == MOSS_OK)
            return 16 + old.key.len + old.value.len;
        if (st < 0)
            return 0;
    }
    return 0;
}

static uint64_t
hidden_in(const struct segstack *stack)
{
    double sum = 0;
    uint64_t above = 0;

    for (size_t i = 1; i < stack->n; i++)
        above += segment_bytes(stack->segs[i]);
    for (size_t i = 1; i < stack->n; i++) {
        const struct segment *seg = stack->segs[i];
        size_t n = 1 + (size_t)((double)SAMPLES * (double)segment_bytes(seg) /
                                (double)above);
        uint64_t found = 0;

        if (seg->n == 0)
            continue;
        if (n > seg->n)
            n = seg->n;
        for (size_t k = 0; k < n; k++)
            found += hidden_by(stack, i, seg->n / n * k);
        sum += (double)found / (double)n * (double)seg->n;
    }
    return (uint64_t)sum;
}

uint64_t
garbage_hidden(const struct commit *c, uint64_t enough)
{
    uint64_t above = 0, sum = 0;

    for (size_t i = 0; i < c->footer->n_colls; i++) {
        for (size_t k = 1; k < c->stacks[i]->n; k++)
            above += segment_bytes(c->stacks[i]->segs[k]);
    }
    if (above <= enough)
        return 0;
    for (size_t i = 0; i < c->footer->n_colls; i++)
        sum += hidden_in(c->stacks[i]);
    return sum < c->live_bytes ? sum : c->live_bytes;
}
