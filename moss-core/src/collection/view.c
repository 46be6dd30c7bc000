/*
 * A view is what a snapshot of a collection holds on to: the state and the
 * collection's place in it.  A child is found by name in the view's node of
 * the state's tree; its content is the segments under its id, and the lower
 * level's child of the same name if that has the same id, that is, if it is
 * the same incarnation.
 *
 * A view knows nothing of the moss_collection it came from, and so outlives
 * it.
 */
#include "collection/view.h"

#include "base/mem.h"
#include "stack/snapshot.h"

struct view {
    struct state *state;         /* one reference */
    struct tree *tree;           /* this collection; borrowed from state */
    struct tree *lower_tree;     /* in the lower level's tree; NULL: not */
    struct moss_snapshot *lower; /* one reference; NULL: nothing there */
    struct moss_merge_operator *merge; /* &merge_op or NULL */
    struct moss_merge_operator merge_op;
};

static const struct snapshot_family view_family;

static void
view_release(void *owner)
{
    struct view *view = owner;

    if (view->lower != NULL)
        moss_snapshot_unref(view->lower);
    state_unref(view->state);
    mem_free(view);
}

/* Takes its own references; tree and lower_tree belong to s. */
static enum moss_status
view_new(struct state *s, struct tree *tree, struct tree *lower_tree,
         struct moss_snapshot *lower, const struct moss_merge_operator *merge,
         struct moss_snapshot **out)
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
    st = state_stack(s, tree->id, lower, &stack);
    if (st == MOSS_OK)
        st = snapshot_new(stack, merge, s->tag, &view_family, view, out);
    segstack_unref(stack);
    if (st != MOSS_OK)
        view_release(view);
    return st;
}

static enum moss_status
view_child(void *owner, struct moss_slice name, struct moss_snapshot **out)
{
    struct view *view = owner;
    struct tree *tree = tree_find(view->tree, name);
    struct tree *lower_tree = NULL;
    struct moss_snapshot *lower = NULL;
    enum moss_status st;

    *out = NULL;
    if (tree == NULL)
        return MOSS_NOT_FOUND;
    if (view->lower != NULL)
        lower_tree = tree_find(view->lower_tree, name);
    if (lower_tree != NULL && lower_tree->id != tree->id)
        lower_tree = NULL;
    if (lower_tree != NULL) {
        st = moss_snapshot_child(view->lower, name, &lower);
        if (st != MOSS_OK)
            return st == MOSS_NOT_FOUND ? MOSS_CORRUPT : st;
    }
    st = view_new(view->state, tree, lower_tree, lower, view->merge, out);
    if (lower != NULL)
        moss_snapshot_unref(lower);
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
              struct moss_snapshot **out)
{
    struct moss_snapshot *lower = s->lower->snapshot;
    enum moss_status st;

    *out = NULL;
    st = state_resolve(s);
    if (st != MOSS_OK)
        return st;
    return view_new(s, state_tree(s), lower == NULL ? NULL : s->lower->tree,
                    lower, merge, out);
}
