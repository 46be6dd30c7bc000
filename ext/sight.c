/*
 * What a cursor sees of a collection: the state of the moment it was opened,
 * own changes included.
 *
 * A statement that reads or changes one row by key opens a cursor for it, so
 * laying the changes so far over the base state each time would cost more
 * than the statement.  Changes only grow, so their number says which of them
 * are seen: a key is looked up among those, then in the snapshot below them.
 * Only a range read lays them over; so does, before it happens, what would
 * take them away: a rollback to a savepoint, and the transaction's end.
 */
#include "sight.h"

#include <string.h>

#include "pending.h"
#include "pending_table.h"

SQLITE_EXTENSION_INIT3

static void
unlist(struct sight *s)
{
    if (s->changes == NULL)
        return;
    *s->link = s->next;
    if (s->next != NULL)
        s->next->link = s->link;
    s->changes = NULL;
}

void
sight_release(struct sight *s)
{
    unlist(s);
    moss_snapshot_unref(s->snap);
    moss_snapshot_unref(s->former);
    memset(s, 0, sizeof *s);
}

void
sight_fix(struct sight *s, struct moss_snapshot *snap)
{
    sight_release(s);
    s->snap = snap;
}

void
pending_sight(struct pending_table *t, struct moss_snapshot *base,
              struct sight *out)
{
    struct sight **list = &t->owner->sights;
    size_t count = moss_batch_count(t->batch);

    sight_fix(out, moss_snapshot_ref(t->overlay != NULL ? t->overlay : base));
    if (t->overlaid == count)
        return;
    out->changes = t;
    out->laid = t->overlaid;
    out->count = count;
    out->next = *list;
    out->link = list;
    if (out->next != NULL)
        out->next->link = &out->next;
    *list = out;
}

/* The changes that s sees, laid over what it sees below. */
static enum moss_status
lay(struct sight *s, struct moss_snapshot **out)
{
    struct pending_table *t = s->changes;
    struct moss_snapshot *under = s->snap;
    size_t from = s->laid;
    /* Since then; else what the table has laid is of one history with s. */
    bool emptied = t->cleared && t->from >= s->count;
    enum moss_status st;

    if (!emptied && t->overlaid > from && t->overlaid <= s->count) {
        under = t->overlay;
        from = t->overlaid;
    }
    st = moss_snapshot_overlay(under, t->batch, from, s->count, out);
    if (st == MOSS_OK && !emptied && t->overlaid < s->count) {
        moss_snapshot_unref(t->overlay);
        t->overlay = moss_snapshot_ref(*out);
        t->overlaid = s->count;
    }
    return st;
}

static enum moss_status
settle(struct sight *s)
{
    struct moss_snapshot *snap;
    enum moss_status st = lay(s, &snap);

    if (st != MOSS_OK)
        return st;
    unlist(s);
    /* A value may lie in it that was looked up before. */
    s->former = s->snap;
    s->snap = snap;
    return MOSS_OK;
}

enum moss_status
sight_snapshot(struct sight *s, struct moss_snapshot **out)
{
    enum moss_status st = s->lost;

    if (st == MOSS_OK && s->changes != NULL)
        st = settle(s);
    *out = st == MOSS_OK ? s->snap : NULL;
    return st;
}

enum moss_status
sight_get(struct sight *s, struct moss_slice key, struct moss_value *value)
{
    struct moss_slice bytes;
    struct moss_snapshot *snap;
    enum moss_op op;
    enum moss_status st;

    if (s->changes != NULL &&
        pending_get_within(s->changes, s->laid, s->count, key, &op, &bytes)) {
        memset(value, 0, sizeof *value);
        if (op == MOSS_OP_DEL)
            return MOSS_NOT_FOUND;
        if (op == MOSS_OP_SET)
            return moss_value_copy(value, bytes);
        st = sight_snapshot(s, &snap);
        return st == MOSS_OK ? moss_snapshot_get(snap, key, value) : st;
    }
    return s->lost == MOSS_OK ? moss_snapshot_get(s->snap, key, value)
                              : s->lost;
}

void
pending_settle_sights(struct pending *p, const struct pending_table *t,
                      size_t count)
{
    struct sight *next;

    for (struct sight *s = p->sights; s != NULL; s = next) {
        next = s->next;
        if ((t != NULL && s->changes != t) || s->count <= count)
            continue;
        s->lost = settle(s);
        if (s->lost != MOSS_OK)
            unlist(s);
    }
}
