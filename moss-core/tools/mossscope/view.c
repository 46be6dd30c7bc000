/*
 * A view is the store opened for reading, and its newest commit point, from
 * which the older ones are reached one by one.
 */
#include "view.h"

#include <inttypes.h>

enum scope_exit
view_open(const struct args *a, struct view *v)
{
    struct moss_store_options o = { .readonly = true,
                                    .no_mmap = a->no_mmap,
                                    .keep_files = a->keep_files };
    struct moss_snapshot *snap = NULL;
    struct moss_error err;
    enum scope_exit x = operator_named(a, &o.merge);
    enum moss_status st;

    memset(v, 0, sizeof *v);
    if (x != SCOPE_OK)
        return x;
    if (o.merge == NULL)
        o.merge = &operator_collect;
    st = moss_store_open(a->dir, &o, &v->store, &err);
    if (st < 0)
        return scope_failed("cannot open the store", st, &err);
    scope_must(moss_store_snapshot(v->store, &snap));
    v->newest = commit_ref(commit_of(snap));
    moss_snapshot_unref(snap);
    return SCOPE_OK;
}

void
view_close(struct view *v)
{
    commit_unref(v->newest);
    moss_store_close(v->store);
}

enum scope_exit
view_step(const struct view *v, struct commit **c)
{
    struct moss_snapshot *snap = NULL, *older = NULL;
    struct moss_error err;
    enum moss_status st;

    scope_must(commit_snapshot(*c, &snap));
    st = moss_store_previous(v->store, snap, &older, &err);
    commit_unref(*c);
    *c = st == MOSS_OK ? commit_ref(commit_of(older)) : NULL;
    moss_snapshot_unref(older);
    moss_snapshot_unref(snap);
    if (st >= 0)
        return SCOPE_OK;
    (void)scope_failed("the history ends here", st, &err);
    return st == MOSS_CORRUPT ? SCOPE_PROBLEMS : SCOPE_FAILED;
}

enum scope_exit
view_commit_at(const struct view *v, uint64_t n, struct commit **out)
{
    struct commit *c = commit_ref(v->newest);

    *out = NULL;
    for (uint64_t i = 0; i < n; i++) {
        enum scope_exit x = view_step(v, &c);

        if (c != NULL)
            continue;
        if (x == SCOPE_FAILED)
            return x;
        (void)scope_complain("there is no commit point @%" PRIu64
                             ": the oldest is @%" PRIu64,
                             n, i);
        return SCOPE_PROBLEMS;
    }
    *out = c;
    return SCOPE_OK;
}

enum scope_exit
view_child(const struct args *a, struct commit *c, struct moss_snapshot **out,
           struct path *path, struct buf *names)
{
    struct moss_slice text = moss_str(a->child == NULL ? "" : a->child);
    struct moss_snapshot *snap = NULL;

    *out = NULL;
    if (!path_get(text, path, names))
        return scope_complain("--child: \"%s\" is no path", a->child);
    scope_must(commit_snapshot(c, &snap));
    for (size_t i = 0; i < path->n; i++) {
        struct moss_snapshot *child = NULL;
        enum moss_status st = moss_snapshot_child(snap, path->names[i], &child);

        moss_snapshot_unref(snap);
        snap = child;
        if (st == MOSS_NOT_FOUND) {
            (void)scope_complain("there is no collection \"%s\"", a->child);
            return SCOPE_PROBLEMS;
        }
        scope_must(st);
    }
    *out = snap;
    return SCOPE_OK;
}

/* ------------------------------------------------------------------ */
/* All collections                                                    */
/* ------------------------------------------------------------------ */

struct walk {
    struct moss_snapshot *snap;
    struct path *path;
    view_visit visit;
    void *arg;
    enum scope_exit result;
};

static enum moss_status
walk_child(void *arg, struct moss_slice name)
{
    struct walk *w = arg;
    struct moss_snapshot *child = NULL;
    enum scope_exit x;

    if (w->path->n == PATH_MAX_NAMES)
        return MOSS_OK; /* cannot be: no store is read as deep */
    scope_must(moss_snapshot_child(w->snap, name, &child));
    w->path->names[w->path->n++] = name;
    x = view_walk(child, w->path, w->visit, w->arg);
    w->path->n--;
    moss_snapshot_unref(child);
    if (x > w->result)
        w->result = x;
    return x == SCOPE_FAILED ? MOSS_DONE : MOSS_OK;
}

enum scope_exit
view_walk(struct moss_snapshot *snap, struct path *path, view_visit visit,
          void *arg)
{
    struct walk w = { snap, path, visit, arg, visit(arg, snap, path) };
    enum moss_status st;

    if (w.result == SCOPE_FAILED)
        return w.result;
    st = moss_snapshot_children(snap, walk_child, &w);
    if (st < 0)
        return scope_failed("cannot list the collections", st, NULL);
    return w.result;
}

enum scope_exit
view_may_change(const struct args *a, struct moss_store *store)
{
    struct moss_store_identity id;

    moss_store_identity(store, &id);
    if (a->force || id.home_path[0] == '\0')
        return SCOPE_OK;
    return scope_complain("the store belongs to the database %s, which would "
                          "not know of the change; --force does it all the "
                          "same",
                          id.home_path);
}
