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

static struct lower_state *
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
    keyset_unref(s->keys[0]);
    keyset_unref(s->keys[1]);
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
    s->keys[0] = keyset_ref(old->keys[0]);
    s->keys[1] = keyset_ref(old->keys[1]);
    for (size_t i = 0; i < 2; i++)
        s->keys_born[i] = old->keys_born[i];
    s->keys_from = old->keys_from;
    s->older_last = old->older_last;
    /* Relaxed: nothing is looked at but that there are some. */
    s->read_seq = atomic_load_explicit(&old->n_flats, memory_order_relaxed) > 0
                      ? old->seq
                      : old->read_seq;
    s->tangled_seq = old->tangled_seq;
}

void
state_note_keys(struct state *s, const struct keyset *keys)
{
    if (keys == NULL || (keys != s->keys[0] && keys != s->keys[1]))
        s->keys_from = s->seq;
    else if (keys != s->keys[0])
        s->older_last = s->seq; /* it was prepared before the last turn */
}

bool
state_turn_keys(struct state *s, struct keyset *fresh)
{
    if (s->keys[1] != NULL && s->lower->seq < s->older_last)
        return false;
    keyset_unref(s->keys[1]);
    s->keys[1] = s->keys[0];
    s->keys_born[1] = s->keys_born[0];
    s->keys[0] = fresh;
    s->keys_born[0] = s->seq;
    s->older_last = s->seq;
    return true;
}

/* After so many batches that nobody looked at, nobody is expected to. */
enum { UNREAD_BATCHES = 512, LONG_UNREAD_BATCHES = 1 << 15 };

static bool
is_read_within(const struct state *s, uint64_t batches)
{
    return atomic_load_explicit(&s->n_flats, memory_order_relaxed) > 0 ||
           (s->read_seq > 0 && s->seq - s->read_seq < batches);
}

bool
state_is_read(const struct state *s)
{
    return is_read_within(s, UNREAD_BATCHES);
}

bool
state_was_read(const struct state *s)
{
    return is_read_within(s, LONG_UNREAD_BATCHES);
}

/* After so many batches in key order, more are expected. */
enum { ORDERED_BATCHES = 64 };

bool
state_is_tangled(const struct state *s)
{
    return s->tangled_seq > 0 && s->seq - s->tangled_seq < ORDERED_BATCHES;
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

/* The collections that exist before any batch of top or taken. */
static struct tree *
below_top(const struct state *s)
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
    return below_top(s);
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
        enum moss_status st = edit_sort(node->edit);

        if (st == MOSS_OK)
            st = edit_apply(node->edit, tree, false, &section);

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
    struct tree *below = below_top(s);
    enum moss_status st = resolve_list(s->taken, below);

    if (st != MOSS_OK)
        return st;
    if (s->taken != NULL)
        below = node_tree(s->taken);
    return resolve_list(s->top, below);
}
