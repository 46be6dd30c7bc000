/*
 * Two iterators go side by side through both states of a collection, and so
 * do two sorted lists of children.
 */
#include "diff.h"

#include <stdlib.h>

#include "base/base.h"
#include "view.h"

/* One side of the comparison. */
struct side {
    struct moss_iterator *it; /* NULL: the collection is not there */
    enum moss_status st;      /* MOSS_OK: it stands on an entry */
    struct moss_slice key, value;
};

static void
side_next(struct side *s)
{
    if (s->st != MOSS_OK)
        return;
    s->st = moss_iterator_next(s->it);
    if (s->st == MOSS_OK)
        moss_iterator_current(s->it, &s->key, &s->value);
}

static void
side_start(struct side *s, struct moss_snapshot *snap)
{
    memset(s, 0, sizeof *s);
    s->st = MOSS_DONE;
    if (snap != NULL)
        s->st = moss_snapshot_iterate(snap, NULL, NULL, &s->it);
    side_next(s);
}

static void
put_text(struct entry_out *o, const struct path *path, char sign,
         const struct side *s)
{
    (void)putc(sign, stdout);
    (void)putc(' ', stdout);
    entry_out_put(o, path, s->key, s->value);
}

/* Of old and new one may be NULL. */
static void
put_change(struct entry_out *o, const struct path *path, const struct side *old,
           const struct side *new)
{
    struct json_out *w = &o->w;

    if (!o->json) {
        if (old != NULL)
            put_text(o, path, '-', old);
        if (new != NULL)
            put_text(o, path, '+', new);
        return;
    }
    json_open(w, NULL, '{');
    json_path(w, "c", path);
    json_bytes(w, "k", old != NULL ? old->key : new->key, o->hex);
    for (int i = 0; i < 2; i++) {
        const struct side *s = i == 0 ? old : new;

        if (s == NULL || o->keys_only)
            continue;
        json_open(w, i == 0 ? "old" : "new", '{');
        entry_out_value(o, s->value);
        json_close(w, '}');
    }
    json_close(w, '}');
}

static enum moss_status
diff_entries(struct entry_out *o, struct side *old, struct side *new,
             const struct path *path)
{
    while (old->st == MOSS_OK || new->st == MOSS_OK) {
        int c = old->st != MOSS_OK   ? 1
                : new->st != MOSS_OK ? -1
                                     : slice_compare(old->key, new->key);

        if (old->st < 0 || new->st < 0)
            break;
        if (c != 0)
            put_change(o, path, c < 0 ? old : NULL, c > 0 ? new : NULL);
        else if (slice_compare(old->value, new->value) != 0)
            put_change(o, path, old, new);
        if (c <= 0)
            side_next(old);
        if (c >= 0)
            side_next(new);
    }
    return old->st < 0 ? old->st : new->st < 0 ? new->st : MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* Children                                                           */
/* ------------------------------------------------------------------ */

struct names {
    struct moss_slice *names; /* borrowed from the snapshot */
    size_t n, cap;
};

static enum moss_status
add_name(void *arg, struct moss_slice name)
{
    struct names *list = arg;

    if (list->n == list->cap) {
        list->cap = 2 * list->cap + 8;
        list->names = realloc(list->names, list->cap * sizeof *list->names);
        if (list->names == NULL)
            scope_must(MOSS_NOMEM);
    }
    list->names[list->n++] = name;
    return MOSS_OK;
}

static void
put_collection(struct entry_out *o, const struct path *path, bool is_new)
{
    if (o->json) {
        json_open(&o->w, NULL, '{');
        json_path(&o->w, "c", path);
        json_bool(&o->w, "created", is_new);
        json_close(&o->w, '}');
        return;
    }
    (void)printf("%c ", is_new ? '+' : '-');
    path_put(stdout, path);
    (void)putc('\n', stdout);
}

static enum scope_exit
diff_child(struct entry_out *o, struct moss_snapshot *older,
           struct moss_snapshot *snap, struct path *path,
           struct moss_slice name)
{
    struct moss_snapshot *a = NULL, *b = NULL;
    enum scope_exit x;

    if (path->n == PATH_MAX_NAMES)
        return SCOPE_OK; /* cannot be: no store is read as deep */
    if (older != NULL)
        scope_must(moss_snapshot_child(older, name, &a));
    if (snap != NULL)
        scope_must(moss_snapshot_child(snap, name, &b));
    path->names[path->n++] = name;
    if (a == NULL || b == NULL)
        put_collection(o, path, a == NULL);
    x = diff_snapshots(o, a, b, path);
    path->n--;
    moss_snapshot_unref(a);
    moss_snapshot_unref(b);
    return x;
}

static enum scope_exit
diff_children(struct entry_out *o, struct moss_snapshot *older,
              struct moss_snapshot *snap, struct path *path)
{
    struct names a = { 0 }, b = { 0 };
    enum scope_exit x = SCOPE_OK;
    size_t i = 0, k = 0;

    if (older != NULL)
        scope_must(moss_snapshot_children(older, add_name, &a));
    if (snap != NULL)
        scope_must(moss_snapshot_children(snap, add_name, &b));
    while (x == SCOPE_OK && (i < a.n || k < b.n)) {
        int c = i == a.n   ? 1
                : k == b.n ? -1
                           : slice_compare(a.names[i], b.names[k]);

        x = diff_child(o, c <= 0 ? older : NULL, c >= 0 ? snap : NULL, path,
                       c <= 0 ? a.names[i] : b.names[k]);
        i += c <= 0;
        k += c >= 0;
    }
    free(a.names);
    free(b.names);
    return x;
}

enum scope_exit
diff_snapshots(struct entry_out *o, struct moss_snapshot *older,
               struct moss_snapshot *snap, struct path *path)
{
    struct side old, new;
    enum moss_status st;

    side_start(&old, older);
    side_start(&new, snap);
    st = diff_entries(o, &old, &new, path);
    moss_iterator_free(old.it);
    moss_iterator_free(new.it);
    if (st < 0) {
        (void)scope_failed("cannot read on", st, NULL);
        return st == MOSS_CORRUPT ? SCOPE_PROBLEMS : SCOPE_FAILED;
    }
    return diff_children(o, older, snap, path);
}
