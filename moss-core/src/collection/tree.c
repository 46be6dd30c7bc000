/*
 * The tree of live collections.
 *
 * A tree is built by one owner (tree_new, tree_add), then shared and never
 * changed: an edit copies the nodes on the way to what it changes and shares
 * the rest (edit.c).  All recursion is bounded by TREE_MAX_DEPTH, which is
 * checked where trees come from: in tree_read() and in edit_new().
 */
#include "collection/tree.h"

#include <stdlib.h>

#include "base/base.h"
#include "base/mem.h"

enum moss_status
tree_new(struct moss_slice name, uint64_t id, size_t cap, struct tree **out)
{
    struct tree *tree;
    uint8_t *bytes;

    *out = NULL;
    if (cap > SIZE_MAX / 2 / sizeof(tree->children[0]))
        return MOSS_NOMEM;
    tree =
        mem_alloc(sizeof(*tree) + cap * sizeof(tree->children[0]) + name.len);
    if (tree == NULL)
        return MOSS_NOMEM;
    refs_init(&tree->refs);
    tree->id = id;
    tree->n = 0;
    tree->cap = cap;
    bytes = (uint8_t *)&tree->children[cap];
    if (name.len > 0)
        memcpy(bytes, name.bytes, name.len);
    tree->name = moss_slice(bytes, name.len);
    *out = tree;
    return MOSS_OK;
}

void
tree_add(struct tree *tree, struct tree *child)
{
    tree->children[tree->n++] = child;
}

struct tree *
tree_ref(struct tree *tree)
{
    refs_inc(&tree->refs);
    return tree;
}

void
tree_unref(struct tree *tree)
{
    if (tree == NULL || !refs_dec(&tree->refs))
        return;
    for (size_t i = 0; i < tree->n; i++)
        tree_unref(tree->children[i]);
    mem_free(tree);
}

struct tree *
tree_find(const struct tree *tree, struct moss_slice name)
{
    size_t lo = 0, hi = tree->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = slice_compare(tree->children[mid]->name, name);

        if (c == 0)
            return tree->children[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

struct tree *
tree_find_id(struct tree *top, uint64_t id)
{
    struct tree *found = top->id == id ? top : NULL;

    for (size_t i = 0; i < top->n && found == NULL; i++)
        found = tree_find_id(top->children[i], id);
    return found;
}

enum moss_status
tree_path(const struct tree *top, uint64_t id, struct moss_slice *path,
          size_t *n)
{
    if (top->id == id) {
        *n = 0;
        return MOSS_OK;
    }
    for (size_t i = 0; i < top->n; i++) {
        size_t deeper;

        if (tree_path(top->children[i], id, path + 1, &deeper) == MOSS_OK) {
            path[0] = top->children[i]->name;
            *n = deeper + 1;
            return MOSS_OK;
        }
    }
    *n = 0;
    return MOSS_NOT_FOUND;
}

size_t
tree_count(const struct tree *top)
{
    size_t count = 1;

    for (size_t i = 0; i < top->n; i++)
        count += tree_count(top->children[i]);
    return count;
}

static void
collect_ids(const struct tree *tree, struct tree_ids *ids)
{
    ids->ids[ids->n++] = tree->id;
    for (size_t i = 0; i < tree->n; i++)
        collect_ids(tree->children[i], ids);
}

static int
compare_ids(const void *pa, const void *pb)
{
    const uint64_t *a = pa, *b = pb;

    return (*a > *b) - (*a < *b);
}

enum moss_status
tree_ids_init(struct tree_ids *ids, const struct tree *top)
{
    ids->n = 0;
    ids->ids = mem_zalloc(tree_count(top), sizeof(ids->ids[0]));
    if (ids->ids == NULL)
        return MOSS_NOMEM;
    collect_ids(top, ids);
    qsort(ids->ids, ids->n, sizeof(ids->ids[0]), compare_ids);
    return MOSS_OK;
}

void
tree_ids_release(struct tree_ids *ids)
{
    mem_free(ids->ids);
    ids->ids = NULL;
    ids->n = 0;
}

bool
tree_ids_contain(const struct tree_ids *ids, uint64_t id)
{
    return ids->n > 0 && bsearch(&id, ids->ids, ids->n, sizeof(ids->ids[0]),
                                 compare_ids) != NULL;
}

/* ------------------------------------------------------------------ */
/* Reading the children of a lower level's snapshot                   */
/* ------------------------------------------------------------------ */

struct names {
    struct moss_slice *names; /* each owned */
    size_t n, cap;
};

static enum moss_status
names_add(void *arg, struct moss_slice name)
{
    struct names *names = arg;
    uint8_t *copy;

    if (names->n == names->cap) {
        size_t cap = names->cap == 0 ? 8 : names->cap * 2;
        struct moss_slice *grown =
            mem_resize(names->names, cap, sizeof(grown[0]));

        if (grown == NULL)
            return MOSS_NOMEM;
        names->names = grown;
        names->cap = cap;
    }
    copy = mem_dup(name.bytes, name.len);
    if (copy == NULL)
        return MOSS_NOMEM;
    names->names[names->n++] = moss_slice(copy, name.len);
    return MOSS_OK;
}

static void
names_release(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        mem_free((void *)(uintptr_t)names->names[i].bytes);
    mem_free(names->names);
}

static int
compare_names(const void *pa, const void *pb)
{
    const struct moss_slice *a = pa, *b = pb;

    return slice_compare(*a, *b);
}

static enum moss_status
read_node(struct moss_snapshot *snap, struct moss_slice name, uint64_t id,
          size_t depth, atomic_uint_fast64_t *next_id, struct tree **out)
{
    struct names names = { NULL, 0, 0 };
    struct tree *tree = NULL;
    enum moss_status st = MOSS_OK;

    *out = NULL;
    if (depth > TREE_MAX_DEPTH)
        return MOSS_UNSUPPORTED;
    if (snap != NULL)
        st = moss_snapshot_children(snap, names_add, &names);
    if (st != MOSS_OK)
        goto done;
    /* Not every lower level need sort by our order. */
    if (names.n > 1)
        qsort(names.names, names.n, sizeof(names.names[0]), compare_names);
    st = tree_new(name, id, names.n, &tree);
    for (size_t i = 0; st == MOSS_OK && i < names.n; i++) {
        struct moss_snapshot *child = NULL;
        struct tree *sub = NULL;

        st = moss_snapshot_child(snap, names.names[i], &child);
        if (st == MOSS_NOT_FOUND)
            st = MOSS_CORRUPT;
        if (st == MOSS_OK) {
            st = read_node(
                child, names.names[i],
                atomic_fetch_add_explicit(next_id, 1, memory_order_relaxed),
                depth + 1, next_id, &sub);
            moss_snapshot_unref(child);
        }
        if (st == MOSS_OK)
            tree_add(tree, sub);
    }
    if (st != MOSS_OK)
        goto done;
    *out = tree;
    tree = NULL;

done:
    tree_unref(tree);
    names_release(&names);
    return st;
}

enum moss_status
tree_read(struct moss_snapshot *snap, atomic_uint_fast64_t *next_id,
          struct tree **out)
{
    return read_node(snap, moss_slice(NULL, 0), TREE_TOP_ID, 0, next_id, out);
}
