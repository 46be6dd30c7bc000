/*
 * States and what they are made of.
 *
 *     top     node -> node -> node         one per batch; newest first
 *     taken   node -> node                 handed to the merger
 *     mid     section                      merged
 *     base    section                      handed to the persister
 *     clean   section                      persisted, kept as a cache
 *     lower   tree + snapshot              the lower level
 *
 * A key in one hides it in those below.  Which collections a node's names
 * mean depends on the tree below the node, which another writer may change
 * between prepare and publish.  So a node is resolved when it is needed:
 * from the oldest to the newest, each on the tree of the one before.  The
 * result is the same whoever finds it out (edit.h), so that the first to
 * store it wins and nobody waits.
 */
#include "collection/state.h"

#include <assert.h>

#include "base/mem.h"
#include "stack/snapshot.h"

/* ------------------------------------------------------------------ */
/* Nodes of top                                                       */
/* ------------------------------------------------------------------ */

enum moss_status
top_node_new(struct edit *edit, struct section *section, struct size size,
             struct top_node **out)
{
    struct top_node *node = mem_zalloc(1, sizeof(*node));

    *out = NULL;
    if (node == NULL)
        return MOSS_NOMEM;
    refs_init(&node->refs);
    node->edit = edit;
    atomic_init(&node->section, section == NULL ? NULL : section_ref(section));
    node->size = size;
    *out = node;
    return MOSS_OK;
}

struct top_node *
top_node_ref(struct top_node *node)
{
    refs_inc(&node->refs);
    return node;
}

void
top_node_unref(struct top_node *node)
{
    /* A loop: the list may be long. */
    while (node != NULL && refs_dec(&node->refs)) {
        struct top_node *older = node->older;

        section_unref(
            atomic_load_explicit(&node->section, memory_order_relaxed));
        edit_free(node->edit);
        mem_free(node);
        node = older;
    }
}

struct section *
top_node_section(const struct top_node *node)
{
    /* Acquire: the section's contents were written before its pointer. */
    return atomic_load_explicit(&node->section, memory_order_acquire);
}

/* ------------------------------------------------------------------ */
/* The lower level                                                    */
/* ------------------------------------------------------------------ */

enum moss_status
lower_state_new(struct tree *tree, struct lower_state **out)
{
    struct lower_state *lower = mem_zalloc(1, sizeof(*lower));
    enum moss_status st;

    *out = NULL;
    if (lower == NULL)
        return MOSS_NOMEM;
    st = tree_ids_init(&lower->ids, tree);
    if (st != MOSS_OK) {
        mem_free(lower);
        return st;
    }
    refs_init(&lower->refs);
    lower->tree = tree_ref(tree);
    *out = lower;
    return MOSS_OK;
}

struct lower_state *
lower_state_ref(struct lower_state *lower)
{
    refs_inc(&lower->refs);
    return lower;
}

void
lower_state_unref(struct lower_state *lower)
{
    if (lower == NULL || !refs_dec(&lower->refs))
        return;
    if (lower->snapshot != NULL)
        moss_snapshot_unref(lower->snapshot);
    tree_ids_release(&lower->ids);
    tree_unref(lower->tree);
    mem_free(lower);
}

/* ------------------------------------------------------------------ */
/* States                                                             */
/* ------------------------------------------------------------------ */

enum moss_status
state_new(struct state **out)
{
    struct state *s = mem_zalloc(1, sizeof(*s));

    *out = NULL;
    if (s == NULL)
        return MOSS_NOMEM;
    refs_init(&s->refs);
    atomic_init(&s->flats, NULL);
    atomic_init(&s->n_flats, 0);
    *out = s;
    return MOSS_OK;
}

struct state *
state_ref(struct state *s)
{
    refs_inc(&s->refs);
    return s;
}

void
state_unref(struct state *s)
{
    struct flat *flat;

    if (s == NULL || !refs_dec(&s->refs))
        return;
    flat = atomic_load_explicit(&s->flats, memory_order_relaxed);
    while (flat != NULL) {
        struct flat *next = flat->next;

        segstack_unref(flat->stack);
        mem_free(flat);
        flat = next;
    }
    top_node_unref(s->top);
    top_node_unref(s->taken);
    section_unref(s->mid.section);
    section_unref(s->base.section);
    section_unref(s->clean.section);
    lower_state_unref(s->lower);
    mem_free(s);
}

static struct layer
layer_ref(struct layer layer)
{
    if (layer.section != NULL)
        section_ref(layer.section);
    return layer;
}

void
state_inherit(struct state *s, const struct state *old)
{
    s->seq = old->seq;
    s->tag = old->tag;
    s->tag_seq = old->tag_seq;
    s->top = old->top == NULL ? NULL : top_node_ref(old->top);
    s->taken = old->taken == NULL ? NULL : top_node_ref(old->taken);
    s->top_nodes = old->top_nodes;
    s->top_size = old->top_size;
    s->taken_size = old->taken_size;
    s->mid = layer_ref(old->mid);
    s->base = layer_ref(old->base);
    s->clean = layer_ref(old->clean);
    s->lower = lower_state_ref(old->lower);
}

void
state_push(struct state *s, struct top_node *node)
{
    node->seq = s->seq;
    node->tag = s->tag;
    node->older = s->top;
    s->top = node;
    s->top_nodes++;
    s->top_size = size_add(s->top_size, node->size);
}

void
state_take_top(struct state *s)
{
    assert(s->taken == NULL);
    s->taken = s->top;
    s->taken_size = s->top_size;
    s->top = NULL;
    s->top_nodes = 0;
    s->top_size = (struct size){ 0, 0 };
}

void
state_set_layer(struct layer *slot, struct layer layer)
{
    section_unref(slot->section);
    *slot = layer;
}

uint64_t
state_merged_seq(const struct state *s)
{
    if (s->mid.section != NULL)
        return s->mid.seq;
    if (s->base.section != NULL)
        return s->base.seq;
    return s->lower->seq;
}

struct size
state_dirty(const struct state *s)
{
    struct size size = size_add(s->top_size, s->taken_size);

    if (s->mid.section != NULL)
        size = size_add(size, s->mid.section->size);
    if (s->base.section != NULL)
        size = size_add(size, s->base.section->size);
    return size;
}

struct tree *
state_below_top(const struct state *s)
{
    if (s->mid.section != NULL)
        return s->mid.section->tree;
    if (s->base.section != NULL)
        return s->base.section->tree;
    return s->lower->tree;
}

static struct tree *
node_tree(const struct top_node *node)
{
    struct section *section = top_node_section(node);

    return section == NULL ? NULL : section->tree;
}

struct tree *
state_tree(const struct state *s)
{
    if (s->top != NULL)
        return node_tree(s->top);
    if (s->taken != NULL)
        return node_tree(s->taken);
    return state_below_top(s);
}

/* The oldest node without a section and the tree below it; NULL: none. */
static struct top_node *
oldest_unresolved(struct top_node *head, struct tree *below, struct tree **tree)
{
    struct top_node *found = NULL;

    for (struct top_node *node = head; node != NULL; node = node->older) {
        if (top_node_section(node) == NULL)
            found = node;
    }
    if (found != NULL)
        *tree = found->older == NULL ? below : node_tree(found->older);
    return found;
}

static enum moss_status
resolve_list(struct top_node *head, struct tree *below)
{
    struct tree *tree = NULL;
    struct top_node *node;

    if (head == NULL || top_node_section(head) != NULL)
        return MOSS_OK; /* a node is resolved after all those below it */
    node = oldest_unresolved(head, below, &tree);
    while (node != NULL) {
        struct section *section, *none = NULL;
        enum moss_status st = edit_apply(node->edit, tree, &section);

        if (st != MOSS_OK)
            return st;
        /* Release: readers that see the pointer see the section. */
        if (!atomic_compare_exchange_strong_explicit(
                &node->section, &none, section, memory_order_acq_rel,
                memory_order_acquire))
            section_unref(section);
        node = oldest_unresolved(head, below, &tree);
    }
    return MOSS_OK;
}

enum moss_status
state_resolve(struct state *s)
{
    struct tree *below = state_below_top(s);
    enum moss_status st = resolve_list(s->taken, below);

    if (st != MOSS_OK)
        return st;
    if (s->taken != NULL)
        below = node_tree(s->taken);
    return resolve_list(s->top, below);
}

/* ------------------------------------------------------------------ */
/* Flattening                                                         */
/* ------------------------------------------------------------------ */

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
    if (st == MOSS_OK)
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
