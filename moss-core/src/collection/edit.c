/*
 * From a batch to an edit, and from an edit and a tree to a section.
 *
 * Applying walks the edit's children and the tree's children side by side,
 * both sorted by name.  A subtree that the edit does not change is shared,
 * and a tree that does not change at all is given back as it is: whoever
 * holds the same tree pointer knows that an edit comes out the same.
 */
#include "collection/edit.h"

#include <stdlib.h>

#include "base/base.h"
#include "base/mem.h"
#include "segment/batch.h"

static void
edit_release(struct edit *edit)
{
    for (size_t i = 0; i < edit->n; i++)
        edit_release(&edit->children[i]);
    mem_free(edit->children);
    segstack_unref(edit->stack);
    mem_free((void *)(uintptr_t)edit->name.bytes);
}

static int
compare_edits(const void *pa, const void *pb)
{
    const struct edit *a = pa, *b = pb;

    return slice_compare(a->name, b->name);
}

static enum moss_status
init_stack(struct edit *edit, const struct moss_batch *batch,
           const struct moss_merge_operator *merge)
{
    struct segment **segs = NULL;
    size_t n = 0;
    enum moss_status st;

    st = batch_segments(batch, 0, moss_batch_count(batch), merge, &segs, &n);
    if (st != MOSS_OK)
        return st;
    if (n > 0)
        st = segstack_new(NULL, segs, n, &edit->stack);
    for (size_t i = 0; i < n; i++)
        segment_unref(segs[i]);
    mem_free(segs);
    return st;
}

/* edit is zeroed but for name, which it owns whatever happens. */
static enum moss_status
edit_init(struct edit *edit, const struct moss_batch *batch,
          const struct moss_merge_operator *merge, size_t depth,
          atomic_uint_fast64_t *next_id)
{
    const struct batch_child *children = NULL;
    size_t n = batch_children(batch, &children);
    enum moss_status st;

    if (depth > TREE_MAX_DEPTH)
        return MOSS_INVALID;
    edit->lives = true;
    st = init_stack(edit, batch, merge);
    if (st != MOSS_OK || n == 0)
        return st;
    edit->children = mem_zalloc(n, sizeof(edit->children[0]));
    if (edit->children == NULL)
        return MOSS_NOMEM;
    for (size_t i = 0; st == MOSS_OK && i < n; i++) {
        struct edit *child = &edit->children[i];
        void *name = mem_dup(children[i].name.bytes, children[i].name.len);

        if (name == NULL)
            return MOSS_NOMEM;
        child->name = moss_slice(name, children[i].name.len);
        edit->n = i + 1;
        child->replaces = children[i].deleted;
        child->new_id =
            atomic_fetch_add_explicit(next_id, 1, memory_order_relaxed);
        if (children[i].batch != NULL)
            st = edit_init(child, children[i].batch, merge, depth + 1, next_id);
    }
    if (st == MOSS_OK && n > 1)
        qsort(edit->children, n, sizeof(edit->children[0]), compare_edits);
    return st;
}

enum moss_status
edit_new(const struct moss_batch *batch,
         const struct moss_merge_operator *merge, atomic_uint_fast64_t *next_id,
         struct edit **out)
{
    struct edit *edit = mem_zalloc(1, sizeof(*edit));
    enum moss_status st;

    *out = NULL;
    if (edit == NULL)
        return MOSS_NOMEM;
    st = edit_init(edit, batch, merge, 0, next_id);
    if (st != MOSS_OK) {
        edit_free(edit);
        return st;
    }
    *out = edit;
    return MOSS_OK;
}

void
edit_free(struct edit *edit)
{
    if (edit == NULL)
        return;
    edit_release(edit);
    mem_free(edit);
}

bool
edit_is_empty(const struct edit *edit)
{
    return edit->stack == NULL && edit->n == 0;
}

struct size
edit_size(const struct edit *edit)
{
    struct size size = { 0, 0 };

    if (edit->stack != NULL)
        size = stack_size(edit->stack);
    for (size_t i = 0; i < edit->n; i++)
        size = size_add(size, edit_size(&edit->children[i]));
    return size;
}

static size_t
count_stacks(const struct edit *edit)
{
    size_t count = edit->stack != NULL;

    for (size_t i = 0; i < edit->n; i++)
        count += count_stacks(&edit->children[i]);
    return count;
}

static enum moss_status apply(const struct edit *edit, struct tree *old,
                              struct section *section, struct tree **out);

/*
 * The next child of a collection after the edit: old or child may be NULL,
 * not both.  *out is NULL if there is none of that name any more.
 */
static enum moss_status
apply_child(const struct edit *child, struct tree *old, struct section *section,
            struct tree **out)
{
    *out = NULL;
    if (child == NULL) {
        *out = tree_ref(old);
        return MOSS_OK;
    }
    if (!child->lives)
        return MOSS_OK;
    return apply(child, child->replaces ? NULL : old, section, out);
}

/* old is the collection as it was, NULL if it begins here. */
static enum moss_status
apply(const struct edit *edit, struct tree *old, struct section *section,
      struct tree **out)
{
    uint64_t id = old == NULL ? edit->new_id : old->id;
    size_t n_old = old == NULL ? 0 : old->n, i = 0, k = 0;
    struct tree *tree = NULL;
    bool changed = old == NULL;
    enum moss_status st;

    *out = NULL;
    if (edit->stack != NULL)
        section_add(section, id, edit->stack);
    if (old != NULL && edit->n == 0) {
        *out = tree_ref(old);
        return MOSS_OK;
    }
    st = tree_new(old == NULL ? edit->name : old->name, id, n_old + edit->n,
                  &tree);
    while (st == MOSS_OK && (i < n_old || k < edit->n)) {
        int c = i == n_old     ? 1
                : k == edit->n ? -1
                               : slice_compare(old->children[i]->name,
                                               edit->children[k].name);
        struct tree *was = c <= 0 ? old->children[i++] : NULL;
        const struct edit *child = c >= 0 ? &edit->children[k++] : NULL;
        struct tree *is;

        st = apply_child(child, was, section, &is);
        changed = changed || is != was;
        if (is != NULL)
            tree_add(tree, is);
    }
    if (st == MOSS_OK)
        *out = changed ? tree_ref(tree) : tree_ref(old);
    tree_unref(tree);
    return st;
}

enum moss_status
edit_apply(const struct edit *edit, struct tree *tree, struct section **out)
{
    struct section *section = NULL;
    struct tree *after = NULL;
    enum moss_status st;

    *out = NULL;
    st = section_new(count_stacks(edit), &section);
    if (st != MOSS_OK)
        return st;
    st = apply(edit, tree, section, &after);
    if (st == MOSS_OK) {
        section_seal(section, after);
        *out = section;
        section = NULL;
    }
    tree_unref(after);
    section_unref(section);
    return st;
}
