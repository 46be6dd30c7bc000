/*
 * The change set: the whole tree of base, and per collection where its older
 * content comes from.  That is the collection in the lower level's tree with
 * the same id.  Walking both trees side by side finds it, unless it was
 * renamed or its parent was cleared: then it is looked for by its id.
 */
#include "collection/changes.h"

#include "base/mem.h"

/* The lengths of the paths of all collections below tree. */
static size_t
count_names(const struct tree *tree, size_t depth)
{
    size_t count = depth;

    for (size_t i = 0; i < tree->n; i++)
        count += count_names(tree->children[i], depth + 1);
    return count;
}

/*
 * Set the path to lower, which is tree's collection in the lower level.  It
 * has as many names as the collection's own path: a rename stays within the
 * parent.
 */
static void
set_from(struct changes *changes, struct moss_change *change,
         const struct state *s, const struct tree *lower,
         const struct moss_change *parent, bool is_beside)
{
    struct moss_slice *path = &changes->names[changes->n_names];

    change->has_from = true;
    change->from = path;
    if (!is_beside) {
        /* It is there: the lower level's ids were asked. */
        (void)tree_path(s->lower->tree, lower->id, path, &change->n_from);
    } else if (parent != NULL) {
        if (parent->n_from > 0)
            memcpy(path, parent->from, parent->n_from * sizeof(path[0]));
        path[parent->n_from] = lower->name;
        change->n_from = parent->n_from + 1;
    }
    changes->n_names += change->n_from;
}

/*
 * beside is where the collection would be in the lower level's tree, or NULL;
 * parent is the change that has children among which this one is.
 */
static void
fill(struct changes *changes, struct moss_change *change, const struct state *s,
     const struct tree *tree, struct tree *beside,
     const struct moss_change *parent)
{
    struct moss_change *children = &changes->all[changes->n_all];
    struct tree *lower = NULL;

    change->name = tree->name;
    change->segments = section_find(s->base.section, tree->id);
    if (state_lower_has(s, tree->id)) {
        lower = beside != NULL && beside->id == tree->id
                    ? beside
                    : tree_find_id(s->lower->tree, tree->id);
        set_from(changes, change, s, lower, parent, lower == beside);
    }
    change->children = children;
    change->n_children = tree->n;
    changes->n_all += tree->n;
    for (size_t i = 0; i < tree->n; i++) {
        struct tree *child = tree->children[i];

        fill(changes, &children[i], s, child,
             lower == NULL ? NULL : tree_find(lower, child->name), change);
    }
}

enum moss_status
changes_init(struct changes *changes, const struct state *s)
{
    const struct tree *tree = s->base.section->tree;

    memset(changes, 0, sizeof(*changes));
    changes->all = mem_zalloc(tree_count(tree), sizeof(changes->all[0]));
    changes->names =
        mem_zalloc(count_names(tree, 0), sizeof(struct moss_slice));
    if (changes->all == NULL || changes->names == NULL) {
        changes_release(changes);
        return MOSS_NOMEM;
    }
    changes->n_all = 1;
    fill(changes, &changes->all[0], s, tree, s->lower->tree, NULL);
    changes->changes.tag = s->base.tag;
    changes->changes.top = &changes->all[0];
    return MOSS_OK;
}

void
changes_release(struct changes *changes)
{
    mem_free(changes->all);
    mem_free(changes->names);
    memset(changes, 0, sizeof(*changes));
}
