/*
 * A view is what a snapshot of a collection holds on to: the state and the
 * collection's place in it.  A child is found by name in the view's node of
 * the state's tree; its content is the segments under its id, and the lower
 * level's collection of that id, that is, of the same incarnation.  It is most
 * often that of the same name; it is not if it was renamed since, or if its
 * parent was cleared.
 *
 * A view knows nothing of the moss_collection it came from, and so outlives
 * it.
 *
 * To gather a child's segments takes time, and who asks for one snapshot's
 * child will ask for it again: the first MAX_KNOWN that are made stay with the
 * view until it goes.  The list of them only grows, without a lock.
 */
#include "collection/view.h"

#include <stdatomic.h>

#include "base/mem.h"
#include "stack/snapshot.h"

/* More children than these are made anew each time. */
enum { MAX_KNOWN = 16 };

/* A child that was asked for before. */
struct known {
    struct known *next;
    unsigned n;                 /* how many there are from here on */
    const struct tree *tree;    /* of the view's state */
    struct moss_snapshot *snap; /* one reference */
};

struct view {
    struct state *state;         /* one reference */
    struct tree *tree;           /* this collection; borrowed from state */
    struct tree *lower_tree;     /* in the lower level's tree; NULL: not */
    struct moss_snapshot *lower; /* one reference; NULL: nothing there */
    struct moss_merge_operator *merge; /* &merge_op or NULL */
    struct moss_merge_operator merge_op;
    struct pin pin;
    /* Released by who puts one in front, acquired by who reads the list. */
    _Atomic(struct known *) known;
};

static const struct snapshot_family view_family;

static void
view_release(void *owner)
{
    struct view *view = owner;
    /* The last reference: nobody adds to it. */
    struct known *k = atomic_load_explicit(&view->known, memory_order_acquire);

    while (k != NULL) {
        struct known *next = k->next;

        moss_snapshot_unref(k->snap);
        mem_free(k);
        k = next;
    }
    pin_remove(&view->pin);
    if (view->lower != NULL)
        moss_snapshot_unref(view->lower);
    state_unref(view->state);
    mem_free(view);
}

/* Takes its own references; tree and lower_tree belong to s. */
static enum moss_status
view_new(struct state *s, struct tree *tree, struct tree *lower_tree,
         struct moss_snapshot *lower, const struct moss_merge_operator *merge,
         struct pins *pins, struct moss_snapshot **out)
{
    struct view *view = mem_zalloc(1, sizeof(*view));
    struct segstack *stack = NULL;
    enum moss_status st;

    *out = NULL;
    if (view == NULL)
        return MOSS_NOMEM;
    view->state = state_ref(s);
    view->tree = tree;
    view->lower_tree = lower_tree;
    view->lower = lower == NULL ? NULL : moss_snapshot_ref(lower);
    if (merge != NULL) {
        view->merge_op = *merge;
        view->merge = &view->merge_op;
    }
    if (pins != NULL)
        pin_add(&view->pin, pins, s);
    st = state_stack(s, tree->id, lower, &stack);
    if (st == MOSS_OK)
        st = snapshot_new(stack, merge, s->tag, &view_family, view, out);
    segstack_unref(stack);
    if (st != MOSS_OK)
        view_release(view);
    return st;
}

/* The collection id in the lower level; *out is NULL if it is not there. */
static enum moss_status
find_lower(const struct view *view, struct moss_slice name, uint64_t id,
           struct tree **tree, struct moss_snapshot **out)
{
    const struct state *s = view->state;
    enum moss_status st;

    *tree = NULL;
    *out = NULL;
    if (!state_lower_has(s, id))
        return MOSS_OK;
    if (view->lower != NULL)
        *tree = tree_find(view->lower_tree, name);
    if (*tree == NULL || (*tree)->id != id) {
        *tree = tree_find_id(s->lower->tree, id);
        return state_find_lower(s, id, out);
    }
    st = moss_snapshot_child(view->lower, name, out);
    return st == MOSS_NOT_FOUND ? MOSS_CORRUPT : st;
}

/* The child, if it was asked for before; one reference, or NULL. */
static struct moss_snapshot *
find_known(struct view *view, const struct tree *tree)
{
    struct known *k = atomic_load_explicit(&view->known, memory_order_acquire);

    while (k != NULL && k->tree != tree)
        k = k->next;
    return k == NULL ? NULL : moss_snapshot_ref(k->snap);
}

/* Keep a child that was made.  Best effort: another thread may have, too. */
static void
make_known(struct view *view, const struct tree *tree,
           struct moss_snapshot *snap)
{
    struct known *k, *head;

    head = atomic_load_explicit(&view->known, memory_order_acquire);
    if (head != NULL && head->n >= MAX_KNOWN)
        return;
    k = mem_alloc(sizeof(*k));
    if (k == NULL)
        return;
    k->next = head;
    k->n = head == NULL ? 1 : head->n + 1;
    k->tree = tree;
    k->snap = moss_snapshot_ref(snap);
    if (!atomic_compare_exchange_strong_explicit(&view->known, &head, k,
                                                 memory_order_acq_rel,
                                                 memory_order_acquire)) {
        moss_snapshot_unref(k->snap);
        mem_free(k);
    }
}

static enum moss_status
make_child(struct view *view, struct moss_slice name, struct tree *tree,
           struct moss_snapshot **out)
{
    struct tree *lower_tree;
    struct moss_snapshot *lower;
    enum moss_status st;

    st = find_lower(view, name, tree->id, &lower_tree, &lower);
    if (st != MOSS_OK)
        return st;
    st = view_new(view->state, tree, lower_tree, lower, view->merge,
                  view->pin.pins, out);
    if (lower != NULL)
        moss_snapshot_unref(lower);
    return st;
}

static enum moss_status
view_child(void *owner, struct moss_slice name, struct moss_snapshot **out)
{
    struct view *view = owner;
    struct tree *tree = tree_find(view->tree, name);
    enum moss_status st;

    *out = NULL;
    if (tree == NULL)
        return MOSS_NOT_FOUND;
    *out = find_known(view, tree);
    if (*out != NULL)
        return MOSS_OK;
    st = make_child(view, name, tree, out);
    if (st == MOSS_OK)
        make_known(view, tree, *out);
    return st;
}

static enum moss_status
view_children(void *owner,
              enum moss_status (*each)(void *arg, struct moss_slice), void *arg)
{
    struct view *view = owner;
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; st == MOSS_OK && i < view->tree->n; i++)
        st = each(arg, view->tree->children[i]->name);
    return st;
}

static const struct snapshot_family view_family = {
    .child = view_child,
    .children = view_children,
    .release = view_release,
};

enum moss_status
view_snapshot(struct state *s, const struct moss_merge_operator *merge,
              struct pins *pins, struct moss_snapshot **out)
{
    struct tree *tree, *lower = NULL;
    enum moss_status st;

    *out = NULL;
    st = state_resolve(s);
    if (st != MOSS_OK)
        return st;
    tree = state_tree(s);
    if (state_lower_has(s, tree->id))
        lower = s->lower->tree; /* the top level is the top level there */
    return view_new(s, tree, lower, lower == NULL ? NULL : s->lower->snapshot,
                    merge, pins, out);
}
