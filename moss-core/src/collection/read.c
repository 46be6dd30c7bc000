/*
 * Snapshots of the newest state, and reads that need none of their own.
 *
 * A snapshot is made at most once a generation and then shared.  Its stack is
 * flattened outside the lock; if a batch comes in between, it is a snapshot
 * of the state before, which the caller gets but nobody else.
 *
 * moss_collection_get() keeps a snapshot for a few groups of threads, each
 * with a lock and a reference count of its own: threads that read at the same
 * time share only the generation, which they load.
 */
#include "collection/collection.h"

#include "collection/view.h"

/* A snapshot of the newest state; fresh: not the shared one. */
static enum moss_status
take_snapshot(struct moss_collection *c, bool fresh, uint64_t *generation,
              struct moss_snapshot **out)
{
    struct moss_snapshot *stale = NULL;
    struct state *s = NULL;
    enum moss_status st = MOSS_OK;

    *out = NULL;
    mutex_lock(&c->mu);
    if (!fresh)
        c->counters.snapshot.begun++;
    turns_note_reader_locked(c);
    if (c->closing)
        st = MOSS_CLOSED;
    else if (!fresh && c->newest != NULL)
        *out = moss_snapshot_ref(c->newest);
    else
        s = state_ref(c->state);
    c->counters.snapshot.done += *out != NULL;
    c->counters.snapshot.make_begun += s != NULL;
    *generation = atomic_load_explicit(&c->generation, memory_order_relaxed);
    mutex_unlock(&c->mu);
    if (s == NULL)
        return st;
    st = view_snapshot(s, c->merge, c->pins, out);
    state_unref(s);
    if (st != MOSS_OK)
        return st;
    mutex_lock(&c->mu);
    c->counters.snapshot.made++;
    c->counters.snapshot.done += !fresh;
    if (!fresh && *generation == atomic_load_explicit(&c->generation,
                                                      memory_order_relaxed)) {
        /* Another thread may have been first: then all take its one. */
        if (c->newest == NULL) {
            c->newest = moss_snapshot_ref(*out);
        } else {
            stale = *out;
            *out = moss_snapshot_ref(c->newest);
        }
    }
    mutex_unlock(&c->mu);
    if (stale != NULL)
        moss_snapshot_unref(stale);
    return MOSS_OK;
}

enum moss_status
moss_collection_snapshot(struct moss_collection *c, struct moss_snapshot **out)
{
    enum moss_status st = collection_check(c);
    uint64_t generation;

    *out = NULL;
    return st != MOSS_OK ? st : take_snapshot(c, false, &generation, out);
}

/* ------------------------------------------------------------------ */
/* Slots                                                              */
/* ------------------------------------------------------------------ */

enum moss_status
read_slots_init(struct moss_collection *c)
{
    for (size_t i = 0; i < READ_SLOTS; i++) {
        enum moss_status st = mutex_init(&c->slots[i].mu);

        if (st != MOSS_OK) {
            while (i > 0)
                mutex_destroy(&c->slots[--i].mu);
            return st;
        }
    }
    return MOSS_OK;
}

void
read_slots_release(struct moss_collection *c, bool destroy)
{
    for (size_t i = 0; i < READ_SLOTS; i++) {
        struct read_slot *slot = &c->slots[i];

        if (slot->snap != NULL)
            moss_snapshot_unref(slot->snap);
        slot->snap = NULL;
        if (destroy)
            mutex_destroy(&slot->mu);
    }
}

void
read_slots_refresh(struct moss_collection *c)
{
    uint64_t generation = moss_collection_generation(c);

    for (size_t i = 0; i < READ_SLOTS; i++) {
        struct read_slot *slot = &c->slots[i];
        struct moss_snapshot *stale = NULL;

        mutex_lock(&slot->mu);
        if (slot->generation != generation) {
            stale = slot->snap;
            slot->snap = NULL;
        }
        mutex_unlock(&slot->mu);
        if (stale != NULL)
            moss_snapshot_unref(stale);
    }
}

void
read_slots_count(struct moss_collection *c, struct moss_collection_stats *out)
{
    for (size_t i = 0; i < READ_SLOTS; i++) {
        struct read_slot *slot = &c->slots[i];

        mutex_lock(&slot->mu);
        out->get.calls += slot->gets;
        out->get.errors += slot->errors;
        mutex_unlock(&slot->mu);
    }
}

/* A failed get; the others are counted where the lock is held anyway. */
static void
count_error(struct read_slot *slot)
{
    mutex_lock(&slot->mu);
    slot->errors++;
    mutex_unlock(&slot->mu);
}

static struct read_slot *
my_slot(struct moss_collection *c)
{
    static _Thread_local char mark;

    /* Threads' areas lie pages apart: the low bits say nothing. */
    return &c->slots[((uintptr_t)&mark >> 12) * 0x9e3779b1u >> 8 &
                     (READ_SLOTS - 1)];
}

static enum moss_status
slot_snapshot(struct moss_collection *c, struct read_slot *slot,
              struct moss_snapshot **out)
{
    uint64_t generation = moss_collection_generation(c);
    struct moss_snapshot *stale;
    enum moss_status st;

    *out = NULL;
    mutex_lock(&slot->mu);
    slot->gets++;
    if (slot->snap != NULL && slot->generation == generation)
        *out = moss_snapshot_ref(slot->snap);
    mutex_unlock(&slot->mu);
    if (*out != NULL)
        return MOSS_OK;

    st = take_snapshot(c, true, &generation, out);
    if (st != MOSS_OK)
        return st;
    moss_snapshot_ref(*out);
    mutex_lock(&slot->mu);
    stale = slot->snap;
    slot->snap = *out;
    slot->generation = generation;
    mutex_unlock(&slot->mu);
    if (stale != NULL)
        moss_snapshot_unref(stale);
    return MOSS_OK;
}

enum moss_status
moss_collection_get(struct moss_collection *c, struct moss_slice key,
                    struct moss_value *value)
{
    struct moss_snapshot *snap = NULL;
    struct read_slot *slot = my_slot(c);
    enum moss_status st = collection_check(c);

    memset(value, 0, sizeof(*value));
    if (st != MOSS_OK)
        return st;
    st = slot_snapshot(c, slot, &snap);
    if (st == MOSS_OK)
        st = moss_snapshot_get(snap, key, value);
    /* Nothing keeps the snapshot alive for the caller: give it a copy. */
    if (st == MOSS_OK && value->owned == NULL)
        st = moss_value_copy(value, value->bytes);
    moss_snapshot_unref(snap);
    if (st < 0)
        count_error(slot);
    return st;
}
