/*
 * The writer's side of the ring: where the next record goes, and what must
 * not be overwritten.
 *
 * A record is live until its transaction is in a footer of the store.  The
 * live records form one run, oldest first, from the tail to the head of the
 * ring; a new one goes to the head.  If it does not fit, the ring grows as
 * long as the run does not wrap and the ring is small; otherwise the
 * persister is waited for, which ends all lives.
 *
 * A small ring also grows before the run wraps in it, if that is not short: in
 * a ring that is too small for a load the persister would have to hurry all
 * the time, and each of its updates would be small.
 */
#include "txn.h"

#include <string.h>

SQLITE_EXTENSION_INIT3

/*
 * Up to this size the ring grows rather than wait.  A load fills half of it in
 * about the time that commits gather, and while the persister syncs.
 */
#define RING_FULL_BYTES ((uint64_t)16 << 20)
/*
 * Waiting for our own persister is like waiting for the disk, not for
 * another user's lock: a busy timeout of zero must not fail a bulk load.
 */
#define PERSIST_WAIT_MS 30000

/* A growing list of live records. */
static int
live_reserve(struct live_record **live, size_t n, size_t *cap)
{
    size_t want = *cap == 0 ? 64 : 2 * *cap;
    struct live_record *grown;

    if (n < *cap)
        return SQLITE_OK;
    grown = sqlite3_realloc64(*live, want * sizeof *grown);
    if (grown == NULL)
        return SQLITE_NOMEM;
    *live = grown;
    *cap = want;
    return SQLITE_OK;
}

int
ring_prepare_add(struct shared_store *shared)
{
    int rc;

    sqlite3_mutex_enter(shared->mu);
    rc = live_reserve(&shared->live, shared->n_live, &shared->cap_live);
    sqlite3_mutex_leave(shared->mu);
    return rc;
}

void
ring_add(struct shared_store *shared, const struct marker *base,
         const struct marker *m, bool staged)
{
    if (!shared->ring_known || moss_tag_equal(shared->ring_tag, m->tag))
        return; /* a later writer has learned it from the log */
    if (!moss_tag_equal(shared->ring_tag, base->tag) ||
        shared->n_live == shared->cap_live) {
        shared->ring_known = false;
        return;
    }
    shared->live[shared->n_live++] =
        (struct live_record){ m->tag, m->last, staged };
    shared->ring_tag = m->tag;
}

/* Records that are in a footer by now are no longer live.  mu held. */
static void
ring_trim(struct shared_store *shared)
{
    struct moss_tag persisted =
        moss_collection_persisted_tag(shared->collection);
    size_t n = 0;

    while (n < shared->n_live && shared->live[n].tag.n <= persisted.n)
        n++;
    if (n == 0)
        return;
    shared->n_live -= n;
    memmove(shared->live, shared->live + n,
            shared->n_live * sizeof *shared->live);
}

/* Walk the chain from m back to the first persisted one; newest first. */
static int
ring_walk(const struct log_ref *log, const struct marker *m, uint64_t persisted,
          struct live_record **live, size_t *n, size_t *cap, char **err)
{
    struct moss_tag tag = m->tag;
    struct log_place place = m->last;
    int rc = SQLITE_OK;

    while (rc == SQLITE_OK && tag.n > persisted && place.len > 0) {
        struct record r;

        rc = log_read_record(log, place, tag, &r, err);
        if (rc != SQLITE_OK)
            break;
        rc = live_reserve(live, *n, cap);
        if (rc == SQLITE_OK)
            (*live)[(*n)++] =
                (struct live_record){ tag, place, stage_is_named(&r) };
        tag = r.prev;
        place = r.prev_place;
        record_release(&r);
    }
    if (rc == SQLITE_NOTFOUND) {
        *err = sqlite3_mprintf("moss: the log %s._moss_log_%d has lost the"
                               " record of transaction %llu",
                               log->schema, log->store, tag.n);
        rc = SQLITE_CORRUPT;
    }
    return rc;
}

int
ring_learn(const struct log_ref *log, struct shared_store *shared,
           const struct marker *m, char **err)
{
    struct live_record *live = NULL;
    size_t n = 0, cap = 0;
    struct moss_tag persisted;
    bool known;
    int rc;

    sqlite3_mutex_enter(shared->mu);
    known = shared->ring_known && moss_tag_equal(shared->ring_tag, m->tag);
    sqlite3_mutex_leave(shared->mu);
    if (known)
        return SQLITE_OK;
    persisted = moss_collection_persisted_tag(shared->collection);
    rc = ring_walk(log, m, persisted.n, &live, &n, &cap, err);
    if (rc != SQLITE_OK) {
        sqlite3_free(live);
        return rc;
    }
    for (size_t i = 0; i < n / 2; i++) {
        struct live_record swap = live[i];

        live[i] = live[n - 1 - i];
        live[n - 1 - i] = swap;
    }
    sqlite3_mutex_enter(shared->mu);
    sqlite3_free(shared->live);
    shared->live = live;
    shared->n_live = n;
    shared->cap_live = cap;
    shared->ring_known = true;
    shared->ring_tag = m->tag;
    sqlite3_mutex_leave(shared->mu);
    return SQLITE_OK;
}

/* Where the byte after a record is. */
static uint64_t
place_end(struct log_place place)
{
    uint64_t end = place.off + place.len;

    return end > place.mod ? end - place.mod : end;
}

/*
 * Choose a place in a ring of capacity bytes; false if there is no room.
 * *may_grow: more rows would help.
 */
static bool
ring_choose(const struct shared_store *shared, const struct marker *base,
            uint64_t len, uint64_t capacity, struct log_place *out,
            bool *may_grow)
{
    uint64_t head = place_end(base->last);
    uint64_t tail, room;

    *may_grow = true;
    if (head >= capacity)
        head = 0;
    *out = (struct log_place){ .off = head, .len = len, .mod = capacity };
    if (shared->n_live == 0)
        return len <= capacity;
    tail = shared->live[0].place.off;
    *may_grow = head > tail;
    room = head > tail ? capacity - head + tail : tail - head;
    return len <= room;
}

/* Ask the persister for all that is published, for at most timeout_ms. */
static int
ring_flush(struct shared_store *shared, uint64_t timeout_ms, char **err)
{
    struct moss_error why = { .status = MOSS_OK };
    enum moss_status st =
        moss_collection_flush(shared->collection, timeout_ms, &why);

    if (st == MOSS_OK)
        return SQLITE_OK;
    if (st == MOSS_TIMEOUT) {
        *err = sqlite3_mprintf("moss: the store %s takes too long to persist",
                               shared->dir);
        return SQLITE_BUSY;
    }
    *err = error_text(st, &why, "persist");
    return error_code(st);
}

/* One look for room. */
struct ring_look {
    bool fits;     /* a record goes to place */
    bool may_grow; /* if not: more rows would help */
    bool is_late;  /* the persister should begin */
    struct log_place place;
};

/* The same as ring_choose(), with the lock. */
static struct ring_look
ring_try(struct shared_store *shared, const struct marker *base, uint64_t len,
         uint64_t capacity)
{
    bool is_small = capacity < RING_FULL_BYTES;
    uint64_t tail, used = 0;
    struct ring_look look;

    sqlite3_mutex_enter(shared->mu);
    ring_trim(shared);
    look.fits =
        ring_choose(shared, base, len, capacity, &look.place, &look.may_grow);
    if (shared->n_live > 0) {
        /* What the ring holds from its tail to the end of the new record. */
        tail = shared->live[0].place.off;
        used = look.place.off >= tail ? look.place.off - tail
                                      : capacity - tail + look.place.off;
        used += len;
    }
    if (is_small && look.may_grow && used > capacity / 4 &&
        len > capacity - look.place.off)
        look.fits = false;
    look.is_late = used > capacity / 2 && !(is_small && look.may_grow);
    /* A small ring grows without limit of lives; a large one only if empty. */
    look.may_grow = look.may_grow && (is_small || shared->n_live == 0);
    sqlite3_mutex_leave(shared->mu);
    return look;
}

/* The size to grow to for len bytes more. */
static uint64_t
ring_more(uint64_t capacity, uint64_t len)
{
    return capacity + (len > capacity ? len : capacity);
}

int
ring_place(const struct log_ref *log, struct shared_store *shared,
           const struct marker *base, uint64_t len, uint64_t *capacity,
           struct log_place *out, char **err)
{
    struct ring_look look = ring_try(shared, base, len, *capacity);
    bool flushed = false;
    int rc = SQLITE_OK;

    while (rc == SQLITE_OK && !look.fits) {
        if (look.may_grow) {
            rc = log_grow(log, ring_more(*capacity, len), capacity, err);
        } else if (!flushed) {
            flushed = true;
            rc = ring_flush(shared, PERSIST_WAIT_MS, err);
        } else {
            *err = sqlite3_mprintf("moss: no room in the log %s._moss_log_%d",
                                   log->schema, log->store);
            rc = SQLITE_BUSY;
        }
        look = ring_try(shared, base, len, *capacity);
    }
    *out = look.place;
    /* Wake the persister in time, without waiting for what it says. */
    if (rc == SQLITE_OK && look.is_late) {
        char *ignored = NULL;

        (void)ring_flush(shared, 0, &ignored);
        sqlite3_free(ignored);
    }
    return rc;
}

int
ring_reserve(const struct log_ref *log, struct shared_store *shared,
             const struct marker *base, uint64_t len, uint64_t *capacity,
             char **err)
{
    struct ring_look look = ring_try(shared, base, len, *capacity);

    if (look.fits || !look.may_grow)
        return SQLITE_OK;
    return log_grow(log, ring_more(*capacity, len), capacity, err);
}
