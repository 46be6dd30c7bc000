/*
 * Folding sections.
 *
 * All stacks of all sources are sorted by collection, and by age within one;
 * then each collection's are merged on their own.  A collection that the
 * newest tree does not have is left out: that is how dropped collections
 * leave the memory.
 *
 * Deletions vanish, and merge operands become values, when nothing lies below
 * the segments that are merged.  If something does, it is read only where
 * operands need it; otherwise an empty stack, opaque, stands for it.
 */
#include "collection/fold.h"

#include <stdlib.h>

#include "base/mem.h"

struct part {
    uint64_t id;
    size_t source;
    struct segstack *stack; /* borrowed */
};

static int
compare_parts(const void *pa, const void *pb)
{
    const struct part *a = pa, *b = pb;

    if (a->id != b->id)
        return (a->id > b->id) - (a->id < b->id);
    return (a->source > b->source) - (a->source < b->source);
}

static enum moss_status
collect_parts(const struct fold *f, struct part **out, size_t *n)
{
    struct part *parts;
    size_t count = 0;

    *n = 0;
    for (size_t i = 0; i < f->n; i++)
        count += f->sources[i].section->n;
    parts = mem_zalloc(count, sizeof(parts[0]));
    *out = parts;
    if (parts == NULL)
        return MOSS_NOMEM;
    for (size_t i = 0; i < f->n; i++) {
        const struct section *section = f->sources[i].section;

        for (size_t k = 0; k < section->n; k++) {
            parts[*n].id = section->items[k].id;
            parts[*n].source = i;
            parts[(*n)++].stack = section->items[k].stack;
        }
    }
    if (count > 1)
        qsort(parts, count, sizeof(parts[0]), compare_parts);
    return MOSS_OK;
}

/*
 * One collection's segments, oldest first: segs[0..keep) of mid stay, the
 * others are merged.
 */
struct group {
    const struct part *parts;
    size_t n_parts;
    struct segment **segs; /* borrowed */
    size_t n, n_mid, keep;
};

static enum moss_status
group_init(const struct fold *f, const struct part *parts, size_t n,
           struct group *g)
{
    size_t count = 0;

    memset(g, 0, sizeof(*g));
    g->parts = parts;
    g->n_parts = n;
    for (size_t i = 0; i < n; i++)
        count += parts[i].stack->n;
    g->segs = mem_zalloc(count, sizeof(g->segs[0]));
    if (g->segs == NULL)
        return MOSS_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (f->has_mid && parts[i].source == 0)
            g->n_mid = parts[i].stack->n;
        for (size_t k = 0; k < parts[i].stack->n; k++)
            g->segs[g->n++] = parts[i].stack->segs[k];
    }
    return MOSS_OK;
}

/* Merge where f->fan_in of about one size come together. */
static void
pick_by_size(const struct fold *f, struct group *g, uint64_t above)
{
    size_t first = g->keep, n;

    do {
        uint64_t sum = above;

        for (; first > 0; first--) {
            uint64_t below = segment_bytes(g->segs[first - 1]);

            if (below >= 2 * above || sum + below > f->max_merge)
                break;
            sum += below;
        }
        n = g->keep - first + 1;
        if (n >= f->fan_in)
            g->keep = first;
        above = sum;
    } while (n >= f->fan_in);
}

static void
group_pick_level(const struct fold *f, struct group *g)
{
    double above = 0;

    if (f->no_merge || (g->n_mid == g->n && !f->merge_all)) {
        g->keep = g->n;
        return;
    }
    if (f->merge_all)
        return;
    for (size_t i = g->n_mid; i < g->n; i++)
        above += (double)segment_bytes(g->segs[i]);
    g->keep = g->n_mid;
    if (f->fan_in > 0) {
        pick_by_size(f, g, (uint64_t)above);
        return;
    }
    while (g->keep > 0) {
        uint64_t below = segment_bytes(g->segs[g->keep - 1]);

        if (above < f->ratio * (double)below ||
            above + (double)below > (double)f->max_merge)
            break;
        above += (double)below;
        g->keep--;
    }
}

static bool
is_bottom(const struct fold *f, const struct group *g)
{
    uint64_t id = g->parts[0].id;

    return f->into_mid && g->keep == 0 &&
           section_find(f->state->base.section, id) == NULL &&
           !state_lower_has(f->state, id);
}

/* What the segments to be merged lie on, for segstack_merge(). */
static enum moss_status
group_below(const struct fold *f, const struct group *g, bool has_operands,
            struct segstack **out)
{
    uint64_t id = g->parts[0].id;
    struct stack_start start = { f->older_top, f->older_taken, NULL, 0 };
    struct moss_snapshot *lower = NULL;
    enum moss_status st;

    *out = NULL;
    if (is_bottom(f, g))
        return MOSS_OK;
    if (!has_operands) {
        *out = segstack_ref(f->opaque);
        return MOSS_OK;
    }
    start.mid = section_find(f->state->mid.section, id);
    start.n_mid = f->into_mid ? g->keep : start.mid == NULL ? 0 : start.mid->n;
    st = state_find_lower(f->state, id, &lower);
    if (st == MOSS_OK)
        st = state_stack_below(f->state, id, &start, lower, out);
    if (lower != NULL)
        moss_snapshot_unref(lower);
    return st;
}

/* Merge segs[keep..n); *out is NULL if nothing is left of them. */
static enum moss_status
group_merge(struct fold *f, const struct group *g, struct segment **out)
{
    struct segment_totals totals = { 0, 0, 0, 0, 0 };
    struct segstack *below = NULL;
    uint64_t ops = 0;
    enum moss_status st;

    *out = NULL;
    for (size_t i = g->keep; i < g->n; i++) {
        totals.n_del += g->segs[i]->totals.n_del;
        totals.n_merge += g->segs[i]->totals.n_merge;
        ops += g->segs[i]->n;
    }
    if (g->n - g->keep == 1 &&
        (totals.n_del + totals.n_merge == 0 || !is_bottom(f, g))) {
        *out = segment_ref(g->segs[g->keep]);
        return MOSS_OK;
    }
    st = group_below(f, g, totals.n_merge > 0, &below);
    if (st == MOSS_OK) {
        st = segstack_merge_until(&g->segs[g->keep], g->n - g->keep, below,
                                  f->merge, f->stop, f->brief, out);
    }
    segstack_unref(below);
    if (st == MOSS_OK) {
        f->merged_ops += ops;
        if ((*out)->n == 0) {
            segment_unref(*out);
            *out = NULL;
        }
    }
    return st;
}

/* Each source's bytes that are not in the result: those that were merged. */
static void
count_dropped(struct fold *f, const struct group *g, const struct segment *made)
{
    size_t i = 0;

    for (size_t p = 0; p < g->n_parts; p++) {
        struct fold_source *source = &f->sources[g->parts[p].source];

        for (size_t k = 0; k < g->parts[p].stack->n; k++, i++) {
            if (i >= g->keep && g->segs[i] != made)
                source->dropped += segment_bytes(g->segs[i]);
        }
    }
}

static enum moss_status
fold_group(struct fold *f, const struct part *parts, size_t n,
           struct section *section)
{
    struct group g;
    struct segment *made = NULL;
    struct segstack *stack = NULL;
    enum moss_status st;

    st = group_init(f, parts, n, &g);
    if (st != MOSS_OK)
        return st;
    group_pick_level(f, &g);
    if (g.keep < g.n) {
        st = group_merge(f, &g, &made);
        if (st == MOSS_OK) {
            count_dropped(f, &g, made);
        } else if (f->pile_failures && st != MOSS_NOMEM) {
            f->failure = st;
            g.keep = g.n;
        } else {
            goto done;
        }
    }
    st = MOSS_OK;
    if (n == 1 && g.keep == g.n) {
        section_add(section, parts[0].id, parts[0].stack);
        goto done;
    }
    if (made != NULL)
        g.segs[g.keep++] = made;
    if (g.keep > 0) {
        st = segstack_new(NULL, g.segs, g.keep, &stack);
        if (st == MOSS_OK)
            section_add(section, parts[0].id, stack);
    }

done:
    segstack_unref(stack);
    segment_unref(made);
    mem_free(g.segs);
    return st;
}

static void
drop_group(struct fold *f, const struct part *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        f->sources[parts[i].source].dropped += stack_size(parts[i].stack).bytes;
    }
}

enum moss_status
fold_run(struct fold *f, struct section **out)
{
    struct tree *tree = f->sources[f->n - 1].section->tree;
    struct tree_ids live = { NULL, 0 };
    struct section *section = NULL;
    struct part *parts = NULL;
    bool tree_changed = false;
    enum moss_status st;
    size_t n = 0;

    *out = NULL;
    f->merged_ops = 0;
    f->failure = MOSS_OK;
    for (size_t i = 0; i < f->n; i++) {
        f->sources[i].dropped = 0;
        tree_changed = tree_changed || f->sources[i].section->tree != tree;
    }
    st = collect_parts(f, &parts, &n);
    if (st == MOSS_OK && tree_changed)
        st = tree_ids_init(&live, tree);
    if (st == MOSS_OK)
        st = section_new(n, &section);
    for (size_t i = 0, end; st == MOSS_OK && i < n; i = end) {
        end = i + 1;
        while (end < n && parts[end].id == parts[i].id)
            end++;
        if (tree_changed && !tree_ids_contain(&live, parts[i].id))
            drop_group(f, &parts[i], end - i);
        else
            st = fold_group(f, &parts[i], end - i, section);
    }
    if (st == MOSS_OK) {
        section_seal(section, tree);
        *out = section;
        section = NULL;
    }
    section_unref(section);
    tree_ids_release(&live);
    mem_free(parts);
    return st;
}
