/*
 * The commands that work on a table's rows.  What they change is part of the
 * transaction, as any other change is.
 */
#include "command.h"

#include <string.h>

#include "commit_point.h"

/* Rows between two looks at the clock. */
#define CHECK_EVERY 4096

int
command_truncate(struct vtab *v, sqlite3_value *arg)
{
    (void)arg;
    return table_truncate(&v->table);
}

static int
failed(struct table *t, enum moss_status st, const struct moss_error *why,
       const char *command)
{
    char *doing = sqlite3_mprintf("'%s' of table %s", command, t->name);
    int rc;

    if (doing == NULL)
        return SQLITE_NOMEM;
    rc = error_status(t, st, why, doing);
    sqlite3_free(doing);
    return rc;
}

/* --------------------------------------------------------------- entries */

/* The entries of a snapshot, one after the other. */
struct walker {
    struct moss_iterator *it;
    enum moss_status st; /* MOSS_OK: it stands on key and value */
    struct moss_slice key, value;
};

static void
walker_step(struct walker *w)
{
    w->st = moss_iterator_next(w->it);
    if (w->st == MOSS_OK)
        moss_iterator_current(w->it, &w->key, &w->value);
}

static void
walker_begin(struct walker *w, struct moss_snapshot *snap)
{
    memset(w, 0, sizeof(*w));
    w->st = moss_snapshot_iterate(snap, NULL, NULL, &w->it);
    if (w->st == MOSS_OK)
        walker_step(w);
}

static int
compare(struct moss_slice a, struct moss_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n == 0 ? 0 : memcmp(a.bytes, b.bytes, n);

    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

/* ---------------------------------------------------------------- revert */

/* Set or delete a row, or an entry of index number part. */
static int
put(struct table *t, int part, const struct walker *w)
{
    return part < 0 ? table_set(t, w->key, w->value)
                    : table_index_set(t, part, w->key, w->value);
}

static int
drop(struct table *t, int part, const struct walker *w)
{
    return part < 0 ? table_delete(t, w->key)
                    : table_index_delete(t, part, w->key);
}

/* Bring one key to what it was; then step over it. */
static int
revert_key(struct table *t, int part, struct walker *now, struct walker *then)
{
    int order, rc = SQLITE_OK;

    if (now->st != MOSS_OK)
        order = 1;
    else if (then->st != MOSS_OK)
        order = -1;
    else
        order = compare(now->key, then->key);
    if (order < 0)
        rc = drop(t, part, now);
    else if (order > 0 || compare(now->value, then->value) != 0)
        rc = put(t, part, then);
    if (order <= 0)
        walker_step(now);
    if (order >= 0)
        walker_step(then);
    return rc;
}

/*
 * Change what differs, and only that: large tables mostly agree with what they
 * were.  now does not see the changes.
 */
static int
revert_all(struct deadline *d, int part, struct walker *now,
           struct walker *then)
{
    struct table *t = d->t;
    int rc = SQLITE_OK;

    for (size_t i = 0;
         rc == SQLITE_OK && (now->st == MOSS_OK || then->st == MOSS_OK) &&
         now->st >= 0 && then->st >= 0;
         i++) {
        if (i % CHECK_EVERY == 0)
            rc = deadline_check(d);
        if (rc == SQLITE_OK)
            rc = revert_key(t, part, now, then);
    }
    if (rc == SQLITE_OK && now->st < 0)
        rc = failed(t, now->st, NULL, d->command);
    if (rc == SQLITE_OK && then->st < 0)
        rc = failed(t, then->st, NULL, d->command);
    return rc;
}

/* The rows, or an index, of which that is the present and the past state. */
static int
revert_part(struct deadline *d, int part, struct moss_snapshot *present,
            struct moss_snapshot *past)
{
    struct walker now, then;
    int rc;

    walker_begin(&now, present);
    walker_begin(&then, past);
    rc = revert_all(d, part, &now, &then);
    moss_iterator_free(now.it);
    moss_iterator_free(then.it);
    return rc;
}

static int
revert_index(struct deadline *d, int i, struct moss_snapshot *past)
{
    struct moss_snapshot *present, *child = NULL;
    enum moss_status st;
    int rc = table_index_snapshot(d->t, i, &present);

    if (rc != SQLITE_OK)
        return rc;
    st = moss_snapshot_child(past, moss_str(d->t->children[i]), &child);
    rc = st == MOSS_OK ? revert_part(d, i, present, child)
                       : failed(d->t, st, NULL, d->command);
    moss_snapshot_unref(child);
    moss_snapshot_unref(present);
    return rc;
}

/* The rows and the indexes: all of it, or nothing. */
static int
revert_to(struct deadline *d, struct moss_snapshot *past)
{
    struct moss_snapshot *present;
    int outer, rc = table_snapshot(d->t, &present);

    if (rc != SQLITE_OK)
        return rc;
    rc = table_step_begin(d->t, &outer);
    if (rc == SQLITE_OK) {
        rc = revert_part(d, -1, present, past);
        for (int i = 0; rc == SQLITE_OK && i < d->t->n_indexes; i++)
            rc = revert_index(d, i, past);
        table_step_end(d->t, outer, rc != SQLITE_OK);
    }
    moss_snapshot_unref(present);
    table_cursor_closed(d->t);
    return rc;
}

int
command_revert(struct vtab *v, sqlite3_value *arg)
{
    struct table *t = &v->table;
    struct moss_snapshot *past;
    struct deadline d;
    int64_t id;
    int rc = commit_point_id(t, arg, &id);

    if (rc == SQLITE_OK)
        rc = commit_point_open(t, id, &past);
    if (rc != SQLITE_OK)
        return rc;
    rc = deadline_begin(&d, t, "revert", NULL);
    if (rc == SQLITE_OK)
        rc = revert_to(&d, past);
    deadline_end(&d);
    moss_snapshot_unref(past);
    return rc;
}
