/*
 * From a state to the segments of one collection.
 *
 * The segments are gathered from the newest to the oldest, through top, taken
 * and the sections, down to the lower level's snapshot: its own segments if
 * it is of this library, else the snapshot as it is, at the bottom of the
 * stack.  The result is cached in the state, in a list that only grows, so
 * that readers need no lock; two that come at the same time both add theirs,
 * which does no harm.
 */
#include "collection/state.h"

#include "base/mem.h"
#include "stack/snapshot.h"

/* Segments, newest first while they are gathered. */
struct pile {
    struct segment **segs; /* on_stack until it is too small; borrowed */
    size_t n, cap;
    struct segment *on_stack[64];
};

static enum moss_status
pile_reserve(struct pile *pile, size_t n)
{
    struct segment **grown;
    size_t cap = pile->cap;

    if (pile->n + n <= cap)
        return MOSS_OK;
    while (cap < pile->n + n)
        cap *= 2;
    grown = mem_resize(pile->segs == pile->on_stack ? NULL : pile->segs, cap,
                       sizeof(grown[0]));
    if (grown == NULL)
        return MOSS_NOMEM;
    if (pile->segs == pile->on_stack)
        memcpy(grown, pile->on_stack, pile->n * sizeof(grown[0]));
    pile->segs = grown;
    pile->cap = cap;
    return MOSS_OK;
}

/* The first n segments of stack. */
static enum moss_status
pile_add(struct pile *pile, const struct segstack *stack, size_t n)
{
    enum moss_status st = pile_reserve(pile, n);

    for (size_t i = n; st == MOSS_OK && i > 0; i--)
        pile->segs[pile->n++] = stack->segs[i - 1];
    return st;
}

static enum moss_status
pile_add_section(struct pile *pile, const struct section *section, uint64_t id)
{
    const struct segstack *stack = section_find(section, id);

    return stack == NULL ? MOSS_OK : pile_add(pile, stack, stack->n);
}

static enum moss_status
pile_add_nodes(struct pile *pile, const struct top_node *node, uint64_t id)
{
    enum moss_status st = MOSS_OK;

    for (; st == MOSS_OK && node != NULL; node = node->older)
        st = pile_add_section(pile, top_node_section(node), id);
    return st;
}

static void
pile_reverse(struct pile *pile)
{
    for (size_t i = 0; i < pile->n / 2; i++) {
        struct segment *seg = pile->segs[i];

        pile->segs[i] = pile->segs[pile->n - 1 - i];
        pile->segs[pile->n - 1 - i] = seg;
    }
}

enum moss_status
state_stack_below(const struct state *s, uint64_t id,
                  const struct stack_start *start, struct moss_snapshot *lower,
                  struct segstack **out)
{
    const struct segstack *under = NULL;
    struct moss_snapshot *foreign = lower;
    struct pile pile;
    enum moss_status st;

    *out = NULL;
    pile.segs = pile.on_stack;
    pile.n = 0;
    pile.cap = sizeof(pile.on_stack) / sizeof(pile.on_stack[0]);
    st = pile_add_nodes(&pile, start->top, id);
    if (st == MOSS_OK)
        st = pile_add_nodes(&pile, start->taken, id);
    if (st == MOSS_OK && start->mid != NULL)
        st = pile_add(&pile, start->mid, start->n_mid);
    if (st == MOSS_OK)
        st = pile_add_section(&pile, s->base.section, id);
    if (st == MOSS_OK)
        st = pile_add_section(&pile, s->clean.section, id);
    if (st == MOSS_OK && lower != NULL)
        under = snapshot_segments(lower);
    if (under != NULL) {
        foreign = under->lower;
        st = pile_add(&pile, under, under->n);
    }
    if (st == MOSS_OK) {
        pile_reverse(&pile);
        st = segstack_new(foreign, pile.segs, pile.n, out);
    }
    if (st == MOSS_OK && under != NULL)
        (*out)->n_lower = under->n;
    if (pile.segs != pile.on_stack)
        mem_free(pile.segs);
    return st;
}

enum { MAX_FLATS = 64 }; /* the list is searched from the front */

/* Keep stack for the next reader; without memory it is not kept. */
static void
cache_flat(struct state *s, uint64_t id, struct segstack *stack)
{
    struct flat *flat;

    if (atomic_fetch_add_explicit(&s->n_flats, 1, memory_order_relaxed) >=
        MAX_FLATS) {
        atomic_store_explicit(&s->n_flats, MAX_FLATS, memory_order_relaxed);
        return;
    }
    flat = mem_alloc(sizeof(*flat));
    if (flat == NULL)
        return;
    flat->id = id;
    flat->stack = segstack_ref(stack);
    flat->next = atomic_load_explicit(&s->flats, memory_order_relaxed);
    /* Release: a reader that finds flat sees what is in it. */
    while (!atomic_compare_exchange_weak_explicit(&s->flats, &flat->next, flat,
                                                  memory_order_release,
                                                  memory_order_relaxed)) {
    }
}

enum moss_status
state_stack(struct state *s, uint64_t id, struct moss_snapshot *lower,
            struct segstack **out)
{
    struct stack_start start = { s->top, s->taken, NULL, 0 };
    enum moss_status st;

    *out = NULL;
    for (struct flat *flat =
             atomic_load_explicit(&s->flats, memory_order_acquire);
         flat != NULL; flat = flat->next) {
        if (flat->id == id) {
            *out = segstack_ref(flat->stack);
            return MOSS_OK;
        }
    }
    start.mid = section_find(s->mid.section, id);
    start.n_mid = start.mid == NULL ? 0 : start.mid->n;
    st = state_stack_below(s, id, &start, lower, out);
    if (st != MOSS_OK)
        return st;
    if (state_knows_keys(s)) {
        const struct segstack *clean = section_find(s->clean.section, id);

        /* What is kept as a cache is there to be read. */
        (*out)->known_from = (*out)->n_lower + (clean == NULL ? 0 : clean->n);
        (*out)->n_known = (*out)->n;
        for (size_t i = 0; i < 2; i++)
            (*out)->known[i] = keyset_ref(s->keys[i]);
    }
    cache_flat(s, id, *out);
    return st;
}

bool
state_lower_has(const struct state *s, uint64_t id)
{
    return s->lower->snapshot != NULL && tree_ids_contain(&s->lower->ids, id);
}

enum moss_status
state_find_lower(const struct state *s, uint64_t id, struct moss_snapshot **out)
{
    struct moss_slice path[TREE_MAX_DEPTH];
    struct moss_snapshot *snap;
    enum moss_status st = MOSS_OK;
    size_t n;

    *out = NULL;
    if (!state_lower_has(s, id) ||
        tree_path(s->lower->tree, id, path, &n) != MOSS_OK)
        return MOSS_OK;
    snap = moss_snapshot_ref(s->lower->snapshot);
    for (size_t i = 0; st == MOSS_OK && i < n; i++) {
        struct moss_snapshot *child = NULL;

        st = moss_snapshot_child(snap, path[i], &child);
        moss_snapshot_unref(snap);
        snap = child;
    }
    if (st == MOSS_NOT_FOUND)
        st = MOSS_CORRUPT;
    if (st == MOSS_OK)
        *out = snap;
    return st;
}
