/*
 * There are two trees of names: the one that calls see, and the durable one.
 * Every change of a name is also put into a log; sync_dir() carries out the
 * entries that concern its directory on the durable tree and drops them.  A
 * crash carries out none, all, or a choice of the rest, and the durable tree
 * becomes the visible one.  A rename is one entry: it happens or it does not.
 */
#include "support/mem_names.h"

#include <stdlib.h>

#include "support/fixture.h"

/* ------------------------------------------------------------------ trees */

struct mem_name *
mem_tree_find(const struct mem_tree *t, const char *path)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->names[i].path, path) == 0)
            return &t->names[i];
    }
    return NULL;
}

void
mem_tree_remove(struct mem_tree *t, const char *path)
{
    struct mem_name *name = mem_tree_find(t, path);

    if (name == NULL)
        return;
    free(name->path);
    mem_inode_unref(name->inode);
    *name = t->names[--t->n];
}

void
mem_tree_put(struct mem_tree *t, const char *path, struct mem_inode *inode)
{
    mem_inode_ref(inode);
    mem_tree_remove(t, path);
    t->names = must_alloc(realloc(t->names, (t->n + 1) * sizeof(*t->names)));
    t->names[t->n].path = must_alloc(strdup(path));
    t->names[t->n].inode = inode;
    t->n++;
}

static void
tree_release(struct mem_tree *t)
{
    while (t->n > 0)
        mem_tree_remove(t, t->names[0].path);
    free(t->names);
    *t = (struct mem_tree){ 0 };
}

static void
tree_copy(struct mem_tree *to, const struct mem_tree *from)
{
    tree_release(to);
    for (size_t i = 0; i < from->n; i++)
        mem_tree_put(to, from->names[i].path, from->names[i].inode);
}

bool
mem_path_is_in(const char *path, const char *dir)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path);

    if (slash == NULL)
        return strcmp(dir, ".") == 0;
    if (n == 0)
        return strcmp(dir, "/") == 0;
    return strlen(dir) == n && memcmp(path, dir, n) == 0;
}

/* ---------------------------------------------------------- changes of names */

void
mem_names_log(struct mem_names *n, const char *from, const char *to,
              struct mem_inode *inode)
{
    struct mem_change *c;

    n->changes = must_alloc(
        realloc(n->changes, (n->n_changes + 1) * sizeof(*n->changes)));
    c = &n->changes[n->n_changes++];
    c->from = from == NULL ? NULL : must_alloc(strdup(from));
    c->to = to == NULL ? NULL : must_alloc(strdup(to));
    c->inode = inode;
    mem_inode_ref(inode);
}

static void
change_release(struct mem_change *c)
{
    free(c->from);
    free(c->to);
    mem_inode_unref(c->inode);
}

static void
change_apply(const struct mem_change *c, struct mem_tree *t)
{
    if (c->from != NULL) {
        const struct mem_name *name = mem_tree_find(t, c->from);

        /* Not what a later, kept change has put there. */
        if (name != NULL && name->inode == c->inode)
            mem_tree_remove(t, c->from);
    }
    if (c->to != NULL)
        mem_tree_put(t, c->to, c->inode);
}

void
mem_names_sync_dir(struct mem_names *n, const char *dir)
{
    size_t left = 0;

    for (size_t i = 0; i < n->n_changes; i++) {
        struct mem_change *c = &n->changes[i];

        if ((c->from != NULL && mem_path_is_in(c->from, dir)) ||
            (c->to != NULL && mem_path_is_in(c->to, dir))) {
            change_apply(c, &n->durable);
            change_release(c);
        } else {
            n->changes[left++] = *c;
        }
    }
    n->n_changes = left;
}

static void
changes_release(struct mem_names *n)
{
    for (size_t i = 0; i < n->n_changes; i++)
        change_release(&n->changes[i]);
    free(n->changes);
    n->changes = NULL;
    n->n_changes = 0;
}

void
mem_names_crash(struct mem_names *n, enum mem_crash how, struct rng *r)
{
    for (size_t i = 0; i < n->n_changes; i++) {
        if (how == MEM_CRASH_KEEP ||
            (how == MEM_CRASH_TEAR && rng_below(r, 2) == 0))
            change_apply(&n->changes[i], &n->durable);
    }
    changes_release(n);
    tree_copy(&n->now, &n->durable);
}

void
mem_names_release(struct mem_names *n)
{
    changes_release(n);
    tree_release(&n->now);
    tree_release(&n->durable);
}
