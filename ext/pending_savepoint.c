/*
 * Savepoints of the uncommitted changes: each notes what every table was when
 * it was set.  Going back to one truncates the tables' batches, which only
 * grow, and gives back the overlays that it has kept.
 */
#include "pending.h"

#include <limits.h>

#include "pending_table.h"

SQLITE_EXTENSION_INIT3

void
savepoint_release(struct savepoint *s)
{
    for (size_t i = 0; i < s->n_marks; i++)
        moss_snapshot_unref(s->marks[i].overlay);
    sqlite3_free(s->marks);
}

static int
savepoint_init(struct savepoint *s, int index, struct pending *p)
{
    size_t i = 0;

    s->index = index;
    s->n_marks = p->n_tables;
    s->marks = sqlite3_malloc64((p->n_tables + 1) * sizeof *s->marks);
    if (s->marks == NULL)
        return SQLITE_NOMEM;
    for (struct pending_table *t = p->tables; t != NULL; t = t->next)
        s->marks[i++] = (struct mark){
            .table = t,
            .count = moss_batch_count(t->batch),
            .created = t->created,
            .cleared = t->cleared,
            .from = t->from,
            .overlay =
                t->overlay == NULL ? NULL : moss_snapshot_ref(t->overlay),
            .overlaid = t->overlaid,
        };
    return SQLITE_OK;
}

static bool
is_untouched(const struct pending *p)
{
    for (const struct pending_table *t = p->tables; t != NULL; t = t->next)
        if (t->created || t->cleared || moss_batch_count(t->batch) > 0)
            return false;
    return true;
}

/*
 * Each virtual table object tells of a savepoint; the first one counts.  An
 * object that joins the transaction tells of the innermost one that is open,
 * and only of that: it may have been set before the changes of others.
 */
int
pending_savepoint(struct pending *p, int index)
{
    size_t n = p->n_savepoints;

    if (index < p->first_savepoint ||
        (n > 0 && p->savepoints[n - 1].index >= index))
        return SQLITE_OK;
    if (n == 0 && is_untouched(p)) {
        p->first_savepoint = index + 1;
        return SQLITE_OK;
    }
    if (n == p->cap_savepoints) {
        size_t cap = n == 0 ? 8 : 2 * n;
        struct savepoint *grown =
            sqlite3_realloc64(p->savepoints, cap * sizeof *grown);

        if (grown == NULL)
            return SQLITE_NOMEM;
        p->savepoints = grown;
        p->cap_savepoints = cap;
    }
    int rc = savepoint_init(&p->savepoints[n], index, p);

    if (rc == SQLITE_OK)
        p->n_savepoints++;
    return rc;
}

void
pending_release(struct pending *p, int index)
{
    while (p->n_savepoints > 0 &&
           p->savepoints[p->n_savepoints - 1].index >= index)
        savepoint_release(&p->savepoints[--p->n_savepoints]);
    if (p->first_savepoint > index)
        p->first_savepoint = index;
}

static void
table_rollback(struct pending_table *t, const struct mark *m)
{
    static const struct mark nothing;

    if (m == NULL)
        m = &nothing;
    size_t count = m->count;
    bool emptied = t->cleared != m->cleared || t->from != m->from;

    pending_settle_sights(t->owner, t, count);
    pending_index_forget(t, count);
    moss_batch_truncate(t->batch, count);
    t->created = m->created;
    t->cleared = m->cleared;
    t->from = m->from;
    t->last_known = false;
    if (t->overlaid > count || emptied) {
        moss_snapshot_unref(t->overlay);
        t->overlay = m->overlay == NULL ? NULL : moss_snapshot_ref(m->overlay);
        t->overlaid = m->overlaid;
    }
}

void
pending_rollback_to(struct pending *p, int index)
{
    const struct savepoint *s;

    pending_release(p, index + 1);
    s = p->n_savepoints > 0 ? &p->savepoints[p->n_savepoints - 1] : NULL;
    /* One that was never told of was set before our first change. */
    if (s != NULL && s->index != index)
        s = NULL;
    for (struct pending_table *t = p->tables; t != NULL; t = t->next) {
        const struct mark *m = NULL;

        for (size_t i = 0; s != NULL && i < s->n_marks && m == NULL; i++)
            if (s->marks[i].table == t)
                m = &s->marks[i];
        table_rollback(t, m);
    }
    p->version++;
}

/* SQLite's savepoints are below that. */
#define STEP_INDEX (INT_MAX - 1)

int
pending_step_begin(struct pending *p, int *outer)
{
    *outer = p->first_savepoint;
    return pending_savepoint(p, STEP_INDEX);
}

void
pending_step_end(struct pending *p, int outer, bool undo)
{
    if (undo)
        pending_rollback_to(p, STEP_INDEX);
    pending_release(p, STEP_INDEX);
    p->first_savepoint = outer;
}

bool
pending_is_kept(const struct pending *p)
{
    /* The newest savepoint is that of the statement which asks. */
    for (size_t i = 0; i + 1 < p->n_savepoints; i++) {
        const struct savepoint *s = &p->savepoints[i];

        for (size_t j = 0; j < s->n_marks; j++)
            if (s->marks[j].count > 0 || s->marks[j].created ||
                s->marks[j].cleared)
                return true;
    }
    return false;
}
