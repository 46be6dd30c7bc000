/*
 * The change set: the whole tree of base, and per collection where its older
 * content comes from.  That is the collection in the lower level's tree with
 * the same id; since a collection keeps its place for life, it is found by
 * walking both trees side by side.
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

/* lower is the same collection there, NULL: it begins empty. */
static void
fill(struct changes *changes, struct moss_change *change, const struct state *s,
     const struct tree *tree, const struct tree *lower,
     const struct moss_change *parent)
{
    struct moss_change *children = &changes->all[changes->n_all];

    change->name = tree->name;
    change->segments = section_find(s->base.section, tree->id);
    change->has_from = lower != NULL;
    if (lower != NULL && parent != NULL) {
        struct moss_slice *path = &changes->names[changes->n_names];

        if (parent->n_from > 0)
            memcpy(path, parent->from, parent->n_from * sizeof(path[0]));
        path[parent->n_from] = tree->name;
        change->from = path;
        change->n_from = parent->n_from + 1;
        changes->n_names += change->n_from;
    }
    change->children = children;
    change->n_children = tree->n;
    changes->n_all += tree->n;
    for (size_t i = 0; i < tree->n; i++) {
        struct tree *child = tree->children[i];
        struct tree *old = lower == NULL ? NULL : tree_find(lower, child->name);

        if (old != NULL && old->id != child->id)
            old = NULL;
        fill(changes, &children[i], s, child, old, change);
    }
}

enum moss_status
changes_init(struct changes *changes, const struct state *s)
{
    const struct tree *tree = s->base.section->tree;
    bool has_lower = s->lower->snapshot != NULL;

    memset(changes, 0, sizeof(*changes));
    changes->all = mem_zalloc(tree_count(tree), sizeof(changes->all[0]));
    changes->names =
        mem_zalloc(count_names(tree, 0), sizeof(struct moss_slice));
    if (changes->all == NULL || changes->names == NULL) {
        changes_release(changes);
        return MOSS_NOMEM;
    }
    changes->n_all = 1;
    fill(changes, &changes->all[0], s, tree, has_lower ? s->lower->tree : NULL,
         NULL);
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
