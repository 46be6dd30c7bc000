/*
 * The writer's side of the ring, without transactions around it: where records
 * go, and when it grows.  Random records are placed while others are persisted,
 * which here only takes them from the list of those that are live: no record
 * may lie where a live one does.
 *
 *     unit_ring [--seed N] [--records N]
 */
#include <stdio.h>
#include <string.h>

#include "support/harness.h"
#include "txn.h"

/* As long as nothing makes it grow. */
enum { FIRST_ROWS = 64 };
#define FULL_BYTES ((uint64_t)16 << 20)

struct ring {
    struct shared_store ss;
    struct log_ref log;
    struct marker base;
    uint64_t first, capacity;
};

static void
ring_open(struct ring *r, sqlite3 *db)
{
    static const uint8_t id[STORE_ID_BYTES];
    const struct moss_collection_options options = { .max_dirty_ops = 0 };
    const struct moss_tag start = { 1, 1 };
    char *err = NULL;

    memset(r, 0, sizeof *r);
    r->log = (struct log_ref){ db, "main", 1 };
    r->ss.mu = sqlite3_mutex_alloc(SQLITE_MUTEX_FAST);
    if (moss_collection_open(&options, NULL, &r->ss.collection) != MOSS_OK ||
        log_create(&r->log, id, start, &err) != SQLITE_OK ||
        log_read_marker(&r->log, &r->base, &err) != SQLITE_OK)
        fail("the log: %s", err == NULL ? "no memory" : err);
    r->first = r->capacity = r->base.ring_bytes;
    if (ring_learn(&r->log, &r->ss, &r->base, &err) != SQLITE_OK)
        fail("ring_learn: %s", err == NULL ? "no memory" : err);
}

static void
ring_close(struct ring *r)
{
    (void)moss_collection_close(r->ss.collection, 0, NULL);
    sqlite3_free(r->ss.live);
    sqlite3_mutex_free(r->ss.mu);
    db_must(r->log.db, "DROP TABLE _moss_log_1");
}

/* The n oldest records are in a footer. */
static void
persist(struct ring *r, size_t n)
{
    r->ss.n_live -= n;
    memmove(r->ss.live, r->ss.live + n, r->ss.n_live * sizeof *r->ss.live);
}

static uint64_t
live_bytes(const struct ring *r)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < r->ss.n_live; i++)
        sum += r->ss.live[i].place.len;
    return sum;
}

/* Does the byte at off belong to a record at p? */
static bool
covers(struct log_place p, uint64_t off)
{
    if (off >= p.off)
        return off - p.off < p.len && off < p.mod;
    return off + p.mod - p.off < p.len;
}

static void
check_place(const struct ring *r, struct log_place p)
{
    if (p.len > p.mod || p.off >= p.mod || p.mod != r->capacity)
        fail("a place outside of the ring");
    for (size_t i = 0; i < r->ss.n_live; i++) {
        struct log_place other = r->ss.live[i].place;

        if (covers(other, p.off) || covers(p, other.off))
            fail("record %llu lies where a live one does",
                 (unsigned long long)r->base.tag.n + 1);
    }
}

/* False: there is no room before something is persisted. */
static bool
place(struct ring *r, uint64_t len)
{
    struct marker m = r->base;
    char *err = NULL;
    int rc =
        ring_place(&r->log, &r->ss, &r->base, len, &r->capacity, &m.last, &err);

    sqlite3_free(err);
    if (rc == SQLITE_BUSY)
        return false;
    if (rc != SQLITE_OK || ring_prepare_add(&r->ss) != SQLITE_OK)
        fail("ring_place: %d", rc);
    check_place(r, m.last);
    m.tag.n++;
    m.ring_bytes = r->capacity;
    ring_add(&r->ss, &r->base, &m, false);
    r->base = m;
    return true;
}

/* Records, of which up to bytes are not persisted at any time. */
static void
load(struct ring *r, uint64_t len, uint64_t bytes, int n)
{
    for (int i = 0; i < n; i++) {
        while (live_bytes(r) + len > bytes)
            persist(r, 1);
        if (place(r, len))
            continue;
        /* One that wraps cannot grow. */
        persist(r, r->ss.n_live);
        if (!place(r, len))
            fail("no room for record %d", i);
    }
}

static void
test_growing(sqlite3 *db)
{
    struct ring r;

    ring_open(&r, db);
    if (r.first / FIRST_ROWS < 400 || r.first % FIRST_ROWS != 0)
        fail("the ring begins with %llu bytes", (unsigned long long)r.first);
    load(&r, 10000, r.first / 8, 200);
    if (r.capacity != r.first)
        fail("a ring with few live bytes has grown");
    /* It would do, but most of it would be live. */
    load(&r, 10000, r.first - r.first / 4, 400);
    if (r.capacity < 2 * r.first)
        fail("a ring that is nearly full has not grown");
    load(&r, 100000, FULL_BYTES - 200000, 2000);
    if (r.capacity < FULL_BYTES || r.capacity >= 2 * FULL_BYTES)
        fail("a ring of a load has %llu bytes", (unsigned long long)r.capacity);
    for (size_t i = 0; r.ss.n_live > 0; i++)
        persist(&r, 1);
    ring_close(&r);
}

static long
test_random(sqlite3 *db, struct rng *rng, long n)
{
    struct ring r;
    long waits = 0;

    ring_open(&r, db);
    for (long i = 0; i < n; i++) {
        uint64_t len =
            100 + rng_next(rng) % (rng_below(rng, 20) ? 9000 : 90000);

        if (r.ss.n_live > 0 && rng_below(rng, 2000) == 0)
            persist(&r, rng_below(rng, (unsigned)r.ss.n_live + 1) / 2);
        while (!place(&r, len)) {
            waits++;
            persist(&r, r.ss.n_live);
        }
    }
    if (r.capacity > 2 * FULL_BYTES)
        fail("the ring has %llu bytes", (unsigned long long)r.capacity);
    ring_close(&r);
    return waits;
}

int
main(int argc, char **argv)
{
    struct rng rng;
    sqlite3 *db;
    long n, waits;

    harness_start(argc, argv, "--records");
    rng = rng_of(harness_seed, 0);
    n = option_number("--records", 20000);
    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        fail("open");
    test_growing(db);
    waits = test_random(db, &rng, n);
    sqlite3_close(db);
    printf("%ld records in a ring, %ld of them waited\n", n, waits);
    return 0;
}
