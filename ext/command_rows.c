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

/* Bring one key to what it was; then step over it. */
static int
revert_key(struct table *t, struct walker *now, struct walker *then)
{
    int order, rc = SQLITE_OK;

    if (now->st != MOSS_OK)
        order = 1;
    else if (then->st != MOSS_OK)
        order = -1;
    else
        order = compare(now->key, then->key);
    if (order < 0)
        rc = table_delete(t, now->key);
    else if (order > 0 || compare(now->value, then->value) != 0)
        rc = table_set(t, then->key, then->value);
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
revert_all(struct deadline *d, struct walker *now, struct walker *then)
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
            rc = revert_key(t, now, then);
    }
    if (rc == SQLITE_OK && now->st < 0)
        rc = failed(t, now->st, NULL, d->command);
    if (rc == SQLITE_OK && then->st < 0)
        rc = failed(t, then->st, NULL, d->command);
    return rc;
}

static int
revert_to(struct deadline *d, struct moss_snapshot *past)
{
    struct moss_snapshot *present;
    struct walker now, then;
    int rc = table_snapshot(d->t, &present);

    if (rc != SQLITE_OK)
        return rc;
    walker_begin(&now, present);
    walker_begin(&then, past);
    rc = revert_all(d, &now, &then);
    moss_iterator_free(now.it);
    moss_iterator_free(then.it);
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
