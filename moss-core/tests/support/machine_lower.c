/* Persisting, history, and the faults. */
#include <errno.h>

#include "base/base.h"
#include "support/fail_alloc.h"
#include "support/machine_impl.h"

void
action_flush(struct machine *m)
{
    if (works(m, moss_collection_flush(m->c, MOSS_FOREVER, NULL)))
        m->durable = m->below == BELOW_NOTHING ? 0 : m->n_log - 1;
}

void
action_idle(struct machine *m)
{
    if (one_in(m, 2)) {
        bool all = one_in(m, 2), waits = one_in(m, 2);

        (void)works(m, moss_collection_notify_merger(m->c, all,
                                                     waits ? MOSS_FOREVER : 0));
        return;
    }
    if (works(m, moss_collection_wait_idle(m->c, MOSS_FOREVER)))
        m->durable = m->below == BELOW_NOTHING ? 0 : m->n_log - 1;
}

void
action_stats(struct machine *m)
{
    struct moss_collection_stats stats;

    moss_collection_stats(m->c, &stats);
    must(m, stats.batches == m->published, "%llu batches counted of %llu",
         (unsigned long long)stats.batches, (unsigned long long)m->published);
    must(m, m->faulted || m->tolerant || stats.persist_errors == 0,
         "%llu errors while persisting",
         (unsigned long long)stats.persist_errors);
    if (m->below == BELOW_NOTHING || m->tolerant)
        return;
    must(m, moss_collection_flush(m->c, MOSS_FOREVER, NULL) == MOSS_OK,
         "cannot flush");
    m->durable = m->n_log - 1;
    moss_collection_stats(m->c, &stats);
    must(m, stats.dirty_ops == 0 && stats.dirty_bytes == 0,
         "flushed, and %llu changes are dirty",
         (unsigned long long)stats.dirty_ops);
}

/* --------------------------------------------------------------- history */

/* The newest state up to the last-th that snap reads as; n_log if none. */
static size_t
place_in_log(struct machine *m, struct moss_snapshot *snap, size_t last,
             enum likeness *like)
{
    uint64_t tag = moss_snapshot_tag(snap).n;
    char why[512] = "";

    for (size_t i = last + 1; i-- > 0;) {
        if (m->log[i].tag != tag)
            continue;
        *like = machine_compare(m, snap, m->log[i].model, why, sizeof(why));
        if (*like != DIFFERENT)
            return i;
    }
    must(m, false, "commit point %llu is no state of the past: %s",
         (unsigned long long)tag, why);
    return m->n_log;
}

/*
 * Walk at most n commit points back.  Gives the last one, and its place in
 * the log; NULL if it could not be read.
 */
static struct moss_snapshot *
walk_back(struct machine *m, uint64_t n, size_t *place)
{
    struct moss_snapshot *snap = NULL, *older = NULL;
    enum likeness like = SAME;

    *place = m->n_log - 1;
    if (!works(m, moss_store_snapshot(m->store, &snap)))
        return NULL;
    for (;;) {
        enum moss_status st;

        *place = place_in_log(m, snap, *place, &like);
        if (like == UNREADABLE) {
            moss_snapshot_unref(snap);
            return NULL;
        }
        if (n-- == 0)
            return snap;
        st = moss_store_previous(m->store, snap, &older, NULL);
        if (st == MOSS_NOT_FOUND)
            return snap;
        if (!machine_ok(m, st, "previous")) {
            moss_snapshot_unref(snap);
            return NULL;
        }
        moss_snapshot_unref(snap);
        snap = older;
    }
}

void
action_history(struct machine *m)
{
    size_t place;
    struct moss_snapshot *snap;

    if (mem_os_is_off(m->mem))
        return;
    snap = walk_back(m, draw(m, 12), &place);
    if (snap == NULL)
        return;
    /* It stays readable while the store goes on. */
    {
        struct snap_slot *s = &m->snaps[draw(m, SNAPS)];

        snap_slot_release(s);
        s->snap = snap;
        s->model = key_model_ref(m->log[place].model);
    }
}

void
action_revert(struct machine *m)
{
    struct moss_snapshot *snap;
    size_t place;

    machine_heal(m);
    machine_close_collection(m, MOSS_FOREVER);
    snap = walk_back(m, draw(m, 5), &place);
    if (snap != NULL) {
        if (m->has_faults && one_in(m, 3)) {
            m->tolerant = m->faulted = true;
            fault_os_fail_nth(m->fault, FAULT_ANY, 1 + (unsigned)draw(m, 12),
                              MOSS_IO, EIO);
        }
        /* A failed one may have happened all the same. */
        machine_log(m, key_model_ref(m->log[place].model), m->log[place].tag,
                    false);
        if (works(m, moss_store_revert(m->store, snap, NULL)))
            m->durable = m->n_log - 1;
        moss_snapshot_unref(snap);
    }
    if (m->tolerant || one_in(m, 2)) {
        moss_store_close(m->store);
        m->store = NULL;
    }
    machine_open(m);
}

/* ------------------------------------------------------------ compaction */

struct patience {
    uint64_t left; /* calls until it is ended */
    bool is_ended;
};

static bool
go_on(void *ctx, uint64_t done, uint64_t total)
{
    struct patience *p = ctx;

    (void)done;
    (void)total;
    if (p->left == 0)
        p->is_ended = true;
    else
        p->left--;
    return !p->is_ended;
}

void
action_compact(struct machine *m)
{
    struct patience patience = { one_in(m, 3) ? draw(m, 4) : UINT64_MAX,
                                 false };
    struct moss_compact_options o = {
        .kind = one_in(m, 2) ? MOSS_COMPACT_FULL : MOSS_COMPACT_LEVELED,
        .progress = go_on,
        .ctx = &patience,
    };
    enum moss_status st = moss_store_compact(m->store, &o, NULL);
    struct moss_snapshot *snap = NULL;
    enum likeness like;

    must(m, (st == MOSS_ABORTED) == patience.is_ended || m->tolerant,
         "a compaction that was %s: %s", patience.is_ended ? "ended" : "let go",
         moss_status_name(st));
    if (st != MOSS_ABORTED)
        (void)machine_ok(m, st, "compact");
    if (!works(m, moss_store_snapshot(m->store, &snap)))
        return;
    (void)place_in_log(m, snap, m->n_log - 1, &like);
    moss_snapshot_unref(snap);
}

void
action_set_compaction(struct machine *m)
{
    moss_store_set_compaction(m->store, (enum moss_compaction)draw(m, 3));
}

/* ---------------------------------------------------------------- faults */

static void
expect_faults(struct machine *m)
{
    m->tolerant = m->faulted = true;
}

void
action_toy_fails(struct machine *m)
{
    expect_faults(m);
    toy_fail_next(m->toy, 1 + (unsigned)draw(m, 3),
                  one_in(m, 2) ? MOSS_IO : MOSS_NOMEM);
}

void
action_toy_moves_fail(struct machine *m)
{
    expect_faults(m);
    toy_fail_moves_from(m->toy, 1 + (unsigned)draw(m, 50));
}

/* One call, soon. */
void
action_call_fails(struct machine *m)
{
    enum fault_call call = (enum fault_call)draw(m, FAULT_CALLS);

    if (mem_os_is_off(m->mem))
        return;
    expect_faults(m);
    fault_os_tear_writes(m->fault, one_in(m, 2));
    fault_os_drop_on_sync(m->fault,
                          one_in(m, 2) ? mem_file_drop_unsynced : NULL);
    fault_os_fail_nth(m->fault, call, 1 + (unsigned)draw(m, 20), MOSS_IO, EIO);
}

/* All of a kind from now on: no space, or a broken disk. */
void
action_disk_fails(struct machine *m)
{
    unsigned n = 1 + (unsigned)draw(m, 10);

    if (mem_os_is_off(m->mem))
        return;
    expect_faults(m);
    fault_os_tear_writes(m->fault, one_in(m, 2));
    fault_os_drop_on_sync(m->fault,
                          one_in(m, 2) ? mem_file_drop_unsynced : NULL);
    switch (draw(m, 4)) {
    case 0:
        fault_os_fail_from(m->fault, FAULT_SYNC, n, MOSS_IO, EIO);
        break;
    case 1:
        fault_os_fail_from(m->fault, FAULT_ANY, n, MOSS_IO, EIO);
        break;
    default:
        fault_os_fail_from(m->fault, FAULT_WRITE, n, MOSS_FULL, ENOSPC);
        break;
    }
}

void
action_allocation_fails(struct machine *m)
{
    uint64_t n = 1 + draw(m, 40);

    expect_faults(m);
    if (one_in(m, 4))
        fail_alloc_from(n);
    else
        fail_alloc_nth(n);
}

void
action_cut_power(struct machine *m)
{
    expect_faults(m);
    mem_os_cut_at(m->mem, one_in(m, 2) ? MEM_CUT_SYNC : MEM_CUT_CHANGE,
                  1 + (unsigned)draw(m, 30));
}

/* Now, in the middle of whatever goes on. */
void
action_crash(struct machine *m)
{
    expect_faults(m);
    mem_os_cut(m->mem);
    machine_heal(m);
}

void
action_heal(struct machine *m)
{
    machine_heal(m);
}
