/*
 * Opening and closing: with other options each time, cleanly, in a hurry,
 * after a crash.  Whatever is found must be a state that may be there.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "support/fail_alloc.h"
#include "support/machine_impl.h"
#include "support/toy_kinds.h"

#define DIR "/store"

/* --------------------------------------------------------------- opening */

static void
on_error(void *ctx, const struct moss_error *err)
{
    struct machine *m = ctx;

    (void)err;
    atomic_fetch_add(&m->errors, 1);
}

static void
give_kinds(struct machine *m, struct moss_store_options *o)
{
    if (!m->has_kinds)
        return;
    count_extra(EXTRA_KINDS);
    o->kinds = toy_kinds;
    o->n_kinds = TOY_KINDS;
    if (sometimes(m, 2))
        o->persist_kind = toy_kinds[extra(m, TOY_KINDS)].name;
}

static enum moss_status
open_store(struct machine *m)
{
    static const unsigned multipliers[] = { 0, 2, 4, 9 };
    static const double parts[] = { 0, 0.01, 0.3, 0.9 };
    struct moss_store_options o = {
        .os = fault_os_base(m->fault),
        .merge = m->merge,
        .no_mmap = one_in(m, 4),
        .compaction = (enum moss_compaction)draw(m, 3),
        .compaction_level_multiplier = multipliers[draw(m, 4)],
        .compaction_level_max_segments = (unsigned)draw(m, 4),
        .compaction_percentage = parts[draw(m, 4)],
        .max_dead_bytes = one_in(m, 2) ? 0 : 1 + draw(m, 100000),
        .compaction_buffer_pages = (unsigned)draw(m, 3),
        .compaction_slice_bytes = one_in(m, 3) ? 0 : 1 + draw(m, 5000),
        .compaction_sync = one_in(m, 2),
        .compaction_sync_after_bytes = draw(m, 20000),
        .no_sync = !m->has_faults && one_in(m, 4),
        .keep_files = one_in(m, 4),
        .segment_keys_index_min_key_bytes = draw(m, 3) * 100,
        .segment_keys_index_max_bytes = one_in(m, 3) ? 1 + draw(m, 1000) : 0,
    };

    give_kinds(m, &o);
    return moss_store_open(DIR, &o, &m->store, NULL);
}

static enum moss_status
take_lower(struct machine *m, struct moss_lower **out)
{
    *out = NULL;
    switch (m->below) {
    case BELOW_TOY:
        *out = toy_lower(m->toy);
        return MOSS_OK;
    case BELOW_STORE:
        return moss_store_lower(m->store, out);
    default:
        return MOSS_OK;
    }
}

/* A state of before, to begin with in memory; NULL: nothing. */
static struct snap_slot *
choose_initial(struct machine *m)
{
    struct snap_slot *s = &m->snaps[extra(m, SNAPS)];

    return s->snap != NULL && sometimes(m, 2) ? s : NULL;
}

enum moss_status
machine_open_collection(struct machine *m)
{
    static const double ratios[] = { 0, 0.001, 0.3, 0.8, 1, 4 };
    struct moss_collection_options o = {
        .merge = m->merge,
        .max_dirty_bytes = one_in(m, 2) ? 0 : 100 + draw(m, 20000),
        .max_dirty_ops = one_in(m, 2) ? 0 : 1 + draw(m, 300),
        .min_merge_ratio = ratios[draw(m, 6)],
        .persist_delay_ms = one_in(m, 3) ? 0 : 1 + draw(m, 3),
        .idle_run_timeout_ms = one_in(m, 3) ? 0 : 1 + draw(m, 3),
        .deferred_sort = one_in(m, 3),
        .read_only = m->read_only,
        .cancel_check_interval = one_in(m, 2) ? 0 : 1 + (size_t)draw(m, 100),
        .cache_persisted = one_in(m, 3),
        .recent_snapshots = one_in(m, 2) ? 0 : 1 + (size_t)draw(m, 10),
        .recent_bytes = one_in(m, 2) ? 0 : 1 + draw(m, 5000),
        .on_error = on_error,
        .ctx = m,
    };
    struct moss_lower *lower;
    enum moss_status st = take_lower(m, &lower);

    if (st < 0)
        return st;
    if (m->initial != NULL)
        o.initial = m->initial->snap;
    st = moss_collection_open(&o, lower, &m->c);
    if (st < 0 && lower != NULL)
        lower->ops->close(lower);
    m->opening++;
    m->published = 0;
    return st;
}

static enum moss_status
open_both(struct machine *m)
{
    enum moss_status st = MOSS_OK;

    if (m->below == BELOW_STORE && m->store == NULL)
        st = open_store(m);
    return st < 0 ? st : machine_open_collection(m);
}

/* The state that the collection reads as must be one that can be there. */
static enum likeness
find_state(struct machine *m)
{
    struct moss_snapshot *snap = NULL;
    struct moss_tag tag = moss_collection_tag(m->c);
    char why[512] = "";
    size_t i = m->n_log;

    if (!works(m, moss_collection_snapshot(m->c, &snap)))
        return UNREADABLE;
    while (i-- > m->durable) {
        enum likeness like;

        if (m->log[i].tag != tag.n)
            continue;
        like = machine_compare(m, snap, m->log[i].model, why, sizeof(why));
        if (like == DIFFERENT)
            continue;
        moss_snapshot_unref(snap);
        if (like == SAME) {
            machine_cut_log(m, i);
            m->durable = i;
        }
        return like;
    }
    must(m, false,
         "the tag is %llu, and no state from %zu to %zu is like what is "
         "there: %s",
         (unsigned long long)tag.n, m->durable, m->n_log - 1, why);
    return DIFFERENT;
}

static void
close_what_is_open(struct machine *m)
{
    if (m->c != NULL)
        (void)moss_collection_close(m->c, 0, NULL);
    m->c = NULL;
    moss_store_close(m->store);
    m->store = NULL;
}

/* No fault any more; what is open is of no use after a power cut. */
static void
disarm(struct machine *m)
{
    fail_alloc_nth(0);
    fault_os_heal(m->fault);
    toy_fail_next(m->toy, 0, MOSS_OK);
    toy_fail_moves_from(m->toy, 0);
    mem_os_cut_at(m->mem, MEM_CUT_CHANGE, 0);
}

static void
restart(struct machine *m)
{
    mem_os_cut(m->mem);
    mem_os_restart(m->mem, (enum mem_crash)draw(m, 3), rng_next(&m->rng));
}

void
machine_open(struct machine *m)
{
    m->initial = NULL;
    if (m->below == BELOW_NOTHING) {
        m->initial = choose_initial(m);
        machine_cut_log(m, 0);
        key_model_unref(m->log[0].model);
        m->log[0].model = m->initial == NULL ? key_model_new(m->table.n)
                                             : key_model_ref(m->initial->model);
        m->log[0].tag =
            m->initial == NULL ? 0 : moss_snapshot_tag(m->initial->snap).n;
        m->durable = 0;
    }
    m->faulted = m->tolerant;
    atomic_store(&m->errors, 0);
    while (!machine_ok(m, open_both(m), "open") ||
           find_state(m) == UNREADABLE) {
        close_what_is_open(m);
        disarm(m);
        if (mem_os_is_off(m->mem))
            restart(m);
        /* Now it has to work. */
        m->tolerant = false;
    }
    m->opened_at = m->n_log - 1;
    if (m->initial != NULL)
        count_extra(EXTRA_INITIAL);
}

/* --------------------------------------------------------------- closing */

void
machine_close_collection(struct machine *m, uint64_t timeout_ms)
{
    enum moss_status st;

    for (size_t i = 0; i < PREPARED; i++)
        prepared_slot_release(&m->prepared[i]);
    must(m, m->faulted || m->tolerant || atomic_load(&m->errors) == 0,
         "%u background errors without a fault", atomic_load(&m->errors));
    st = moss_collection_close(m->c, timeout_ms, NULL);
    m->c = NULL;
    if (st == MOSS_OK)
        m->durable = m->n_log - 1;
    else if (st != MOSS_TIMEOUT || timeout_ms == MOSS_FOREVER)
        (void)machine_ok(m, st, "close");
}

void
machine_close(struct machine *m, uint64_t timeout_ms)
{
    machine_close_collection(m, timeout_ms);
    moss_store_close_ex(m->store, one_in(m, 2));
    m->store = NULL;
}

void
machine_heal(struct machine *m)
{
    bool was_tolerant = m->tolerant;

    disarm(m);
    if (mem_os_is_off(m->mem)) {
        machine_close(m, 0);
        restart(m);
        m->tolerant = false;
        machine_open(m);
        return;
    }
    m->tolerant = false;
    must(m, was_tolerant || !m->faulted || m->has_faults, "a fault by itself");
    if (m->below == BELOW_NOTHING)
        return;
    /* Whatever failed before, now everything gets there. */
    if (works(m, moss_collection_flush(m->c, MOSS_FOREVER, NULL)))
        m->durable = m->n_log - 1;
}

/* What is open reads as it is to, and takes nothing. */
static void
look_read_only(struct machine *m)
{
    struct moss_batch *batch = NULL;
    struct moss_prepared *p = NULL;

    count_extra(EXTRA_READ_ONLY);
    action_check(m);
    must(m, moss_batch_new(0, 0, &batch) == MOSS_OK, "no batch");
    must(m,
         moss_collection_execute(m->c, batch) == MOSS_READONLY &&
             moss_collection_prepare(m->c, batch, 0, &p) == MOSS_READONLY &&
             moss_collection_notify_merger(m->c, true, 0) == MOSS_READONLY,
         "a collection that is to be read takes a change");
    moss_batch_free(batch);
}

void
action_reopen(struct machine *m)
{
    machine_heal(m);
    if (sometimes(m, 2))
        staged_sweep(m);
    machine_close(m, MOSS_FOREVER);
    if (sometimes(m, 3)) {
        m->read_only = true;
        machine_open(m);
        look_read_only(m);
        machine_close(m, MOSS_FOREVER);
        m->read_only = false;
    }
    machine_open(m);
}

/* What is not on disk yet may be lost, and only that. */
void
action_abandon(struct machine *m)
{
    machine_close(m, 0);
    machine_open(m);
}

void
action_readonly(struct machine *m)
{
    struct moss_store_options o = { .os = fault_os_base(m->fault),
                                    .merge = m->merge,
                                    .readonly = true,
                                    .no_mmap = one_in(m, 2) };
    struct moss_snapshot *snap = NULL;
    struct moss_lower *lower;
    unsigned before;

    give_kinds(m, &o);
    machine_heal(m);
    machine_close(m, MOSS_FOREVER);
    before = mem_os_count(m->mem, MEM_CUT_CHANGE);
    must(m, moss_store_open(DIR, &o, &m->store, NULL) == MOSS_OK,
         "cannot open for reading");
    must(m, moss_store_snapshot(m->store, &snap) == MOSS_OK, "no snapshot");
    machine_check(m, snap, machine_now(m));
    must(m, moss_store_lower(m->store, &lower) == MOSS_READONLY,
         "a store that is open for reading has a lower level");
    must(m, moss_store_revert(m->store, snap, NULL) == MOSS_READONLY,
         "a store that is open for reading is reverted");
    moss_snapshot_unref(snap);
    moss_store_close(m->store);
    m->store = NULL;
    must(m, mem_os_count(m->mem, MEM_CUT_CHANGE) == before,
         "reading has changed something");
    machine_open(m);
}

void
action_second_writer(struct machine *m)
{
    struct moss_store_options o = { .os = mem_os_base(m->mem) };
    struct moss_store *second;
    enum moss_status st;

    if (m->tolerant)
        return;
    st = moss_store_open(DIR, &o, &second, NULL);
    must(m, st == MOSS_BUSY, "a second writer gets %s", moss_status_name(st));
}
