/*
 * Writers, readers, merger and persister at once, for the thread sanitizer
 * and for invariants: each batch moves an amount between accounts in the top
 * level and in a child, so that every snapshot sums to the same; the child's
 * counter of moves, kept by merge operands, equals the batches published.
 *
 *     stress_threads [seconds [seed]]
 *
 * Some batches are prepared and dropped, some published by another thread's
 * hand; children come and go; one thread opens snapshots by tag; the lower
 * level is a store in memory whose calls fail now and then.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/coding.h"
#include "base/reaper.h"
#include "support/coll.h"
#include "support/fault_os.h"
#include "support/mem_os.h"
#include "support/operators.h"

enum { ACCOUNTS = 64, START = 1000, WRITERS = 3, READERS = 3 };

struct shared {
    struct moss_collection *c;
    atomic_bool stop;
    atomic_uint_fast64_t moves, reads, by_tag, flushes;
    uint64_t seed;

    struct mutex mu; /* writers read, change and publish under it */
    struct condvar moved;
    uint64_t tag;
    struct moss_prepared *handed; /* prepared; whoever comes next publishes */
};

struct worker {
    struct shared *shared;
    struct rng rng;
    struct thread thread;
};

#define must(expr)                                                             \
    do {                                                                       \
        enum moss_status st_ = (expr);                                         \
        if (st_ != MOSS_OK) {                                                  \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #expr,      \
                    moss_status_name(st_));                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

#define must_be(cond)                                                          \
    do {                                                                       \
        if (!(cond)) {                                                         \
            fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, #cond);     \
            abort();                                                           \
        }                                                                      \
    } while (0)

static struct moss_slice
account_key(uint64_t i, char *buf)
{
    return moss_slice(buf, (size_t)snprintf(buf, 16, "acc%04u", (unsigned)i));
}

static uint64_t
number_at(struct moss_snapshot *snap, struct moss_slice key)
{
    struct moss_value value;
    enum moss_status st = moss_snapshot_get(snap, key, &value);
    uint64_t n;

    if (st == MOSS_NOT_FOUND)
        return 0;
    must(st);
    must_be(value.bytes.len == 8);
    n = load_le64(value.bytes.bytes);
    moss_value_release(&value);
    return n;
}

static uint64_t
sum_of(struct moss_snapshot *snap, bool backwards)
{
    struct moss_slice lo = moss_str("acc"), hi = moss_str("acd");
    struct moss_iterator *it;
    enum moss_status st;
    uint64_t sum = 0;

    must(moss_snapshot_iterate(snap, &lo, &hi, &it));
    st = backwards ? moss_iterator_last(it) : moss_iterator_first(it);
    while (st == MOSS_OK) {
        struct moss_slice key, value;

        moss_iterator_current(it, &key, &value);
        must_be(value.len == 8);
        sum += load_le64(value.bytes);
        st = backwards ? moss_iterator_prev(it) : moss_iterator_next(it);
    }
    must_be(st == MOSS_DONE);
    moss_iterator_free(it);
    return sum;
}

/* --------------------------------------------------------------- writing */

static void
set_number(struct moss_batch *batch, struct moss_slice key, uint64_t n)
{
    uint8_t bytes[8];

    store_le64(bytes, n);
    must(moss_batch_set(batch, key, moss_slice(bytes, 8)));
}

/* Take from an account at the top, give to one in the child. */
static void
put_move(struct shared *s, struct rng *rng, struct moss_batch *batch)
{
    struct moss_snapshot *snap, *bank;
    struct moss_batch *child;
    uint64_t from, to, amount;
    uint8_t one[8];
    char buf[16];

    must(moss_collection_snapshot(s->c, &snap));
    must(moss_snapshot_child(snap, moss_str("bank"), &bank));
    must(moss_batch_child(batch, moss_str("bank"), &child));
    from = rng_below(rng, ACCOUNTS);
    to = rng_below(rng, ACCOUNTS);
    amount = number_at(snap, account_key(from, buf));
    amount = amount == 0 ? 0 : rng_below(rng, amount) + 1;
    set_number(batch, account_key(from, buf),
               number_at(snap, account_key(from, buf)) - amount);
    set_number(child, account_key(to, buf),
               number_at(bank, account_key(to, buf)) + amount);
    store_le64(one, 1);
    must(moss_batch_merge(child, moss_str("moves"), moss_slice(one, 8)));
    moss_snapshot_unref(bank);
    moss_snapshot_unref(snap);
}

/* And back, now and then, so that the top does not run dry. */
static void
put_return(struct shared *s, struct rng *rng, struct moss_batch *batch)
{
    struct moss_snapshot *snap, *bank;
    struct moss_batch *child;
    uint64_t i = rng_below(rng, ACCOUNTS), all;
    uint8_t one[8];
    char buf[16];

    must(moss_collection_snapshot(s->c, &snap));
    must(moss_snapshot_child(snap, moss_str("bank"), &bank));
    must(moss_batch_child(batch, moss_str("bank"), &child));
    all = number_at(bank, account_key(i, buf));
    must(moss_batch_del(child, account_key(i, buf)));
    set_number(batch, account_key(i, buf),
               number_at(snap, account_key(i, buf)) + all);
    store_le64(one, 1);
    must(moss_batch_merge(child, moss_str("moves"), moss_slice(one, 8)));
    moss_snapshot_unref(bank);
    moss_snapshot_unref(snap);
}

/* Changes that the sums do not see: children that come and go. */
static void
put_noise(struct rng *rng, struct moss_batch *batch)
{
    char name[8];
    struct moss_batch *child;

    snprintf(name, sizeof(name), "n%u", (unsigned)rng_below(rng, 5));
    if (rng_below(rng, 3) == 0)
        must(moss_batch_del_child(batch, moss_str(name)));
    if (rng_below(rng, 3) != 0) {
        must(moss_batch_child(batch, moss_str(name), &child));
        must(moss_batch_set(child, moss_str("x"), moss_str("y")));
    }
}

/* A full bound, or a failing store under it, is not a violation. */
static struct moss_prepared *
prepare(struct shared *s, struct moss_batch *batch)
{
    struct moss_prepared *p = NULL;
    enum moss_status st;

    do {
        st = moss_collection_prepare(s->c, batch, 1000, &p);
    } while (st == MOSS_IO || st == MOSS_TIMEOUT);
    must(st);
    return p;
}

static void
publish_handed_locked(struct shared *s)
{
    if (s->handed == NULL)
        return;
    moss_prepared_publish(s->handed);
    s->handed = NULL;
    atomic_fetch_add(&s->moves, 1);
}

static void
write_once(struct shared *s, struct rng *rng, struct moss_batch *batch)
{
    struct moss_prepared *p;

    moss_batch_reset(batch);
    mutex_lock(&s->mu);
    publish_handed_locked(s);
    if (rng_below(rng, 3) == 0)
        put_return(s, rng, batch);
    else
        put_move(s, rng, batch);
    put_noise(rng, batch);
    if (rng_below(rng, 2) == 0) {
        struct moss_tag tag = { ++s->tag, s->tag * 100 };

        moss_batch_set_tag(batch, tag);
    }
    p = prepare(s, batch);
    if (rng_below(rng, 10) == 0) {
        moss_prepared_free(p);
        p = prepare(s, batch);
    }
    if (rng_below(rng, 4) == 0) {
        s->handed = p;
    } else {
        moss_prepared_publish(p);
        atomic_fetch_add(&s->moves, 1);
    }
    condvar_signal(&s->moved);
    mutex_unlock(&s->mu);
}

static void
writer(void *arg)
{
    struct worker *w = arg;
    struct moss_batch *batch;

    must(moss_batch_new(0, 0, &batch));
    while (!atomic_load(&w->shared->stop))
        write_once(w->shared, &w->rng, batch);
    moss_batch_free(batch);
}

/* --------------------------------------------------------------- reading */

static void
check_snapshot(struct moss_snapshot *snap, bool backwards)
{
    struct moss_snapshot *bank;

    must(moss_snapshot_child(snap, moss_str("bank"), &bank));
    must_be(sum_of(snap, backwards) + sum_of(bank, !backwards) ==
            (uint64_t)ACCOUNTS * START);
    moss_snapshot_unref(bank);
}

static void
reader(void *arg)
{
    struct worker *w = arg;
    struct shared *s = w->shared;
    struct moss_snapshot *old = NULL;

    while (!atomic_load(&s->stop)) {
        struct moss_snapshot *snap;
        struct moss_value value;
        char buf[16];

        must(moss_collection_snapshot(s->c, &snap));
        check_snapshot(snap, rng_below(&w->rng, 2) == 0);
        must(moss_collection_get(
            s->c, account_key(rng_below(&w->rng, ACCOUNTS), buf), &value));
        must_be(value.bytes.len == 8);
        moss_value_release(&value);
        atomic_fetch_add(&s->reads, 1);
        if (rng_below(&w->rng, 50) == 0) {
            if (old != NULL)
                check_snapshot(old, true);
            moss_snapshot_unref(old);
            old = snap;
        } else {
            moss_snapshot_unref(snap);
        }
    }
    moss_snapshot_unref(old);
}

/* Asks for recent states, statistics, flushes. */
static void
visitor(void *arg)
{
    struct worker *w = arg;
    struct shared *s = w->shared;

    while (!atomic_load(&s->stop)) {
        struct moss_tag tag = moss_collection_tag(s->c);
        struct moss_collection_stats stats;
        struct moss_snapshot *snap;
        enum moss_status st;

        st = moss_collection_snapshot_at(s->c, tag, &snap);
        if (st == MOSS_OK) {
            must_be(moss_tag_equal(moss_snapshot_tag(snap), tag));
            check_snapshot(snap, false);
            moss_snapshot_unref(snap);
            atomic_fetch_add(&s->by_tag, 1);
        }
        moss_collection_stats(s->c, &stats);
        if (rng_below(&w->rng, 20) == 0 &&
            moss_collection_flush(s->c, 1000, NULL) == MOSS_OK)
            atomic_fetch_add(&s->flushes, 1);
    }
}

/* ---------------------------------------------------------------- running */

static struct moss_collection *
open_collection(struct moss_os *os)
{
    struct moss_collection_options options = { .merge = &merge_add,
                                               .max_dirty_ops = 500 };
    struct moss_store_options store_options = { .os = os, .merge = &merge_add };
    struct moss_collection *c;
    struct moss_store *store;
    struct moss_lower *lower;

    must(moss_store_open("/db", &store_options, &store, NULL));
    must(moss_store_lower(store, &lower));
    moss_store_close(store);
    must(moss_collection_open(&options, lower, &c));
    return c;
}

static void
fill(struct shared *s)
{
    struct moss_batch *batch, *child;
    char buf[16];

    must(moss_batch_new(0, 0, &batch));
    must(moss_batch_child(batch, moss_str("bank"), &child));
    for (uint64_t i = 0; i < ACCOUNTS; i++)
        set_number(batch, account_key(i, buf), START);
    must(moss_collection_execute(s->c, batch));
    moss_batch_free(batch);
}

static void
check_end(struct shared *s)
{
    struct moss_snapshot *snap, *bank;

    must(moss_collection_snapshot(s->c, &snap));
    check_snapshot(snap, false);
    must(moss_snapshot_child(snap, moss_str("bank"), &bank));
    must_be(number_at(bank, moss_str("moves")) == atomic_load(&s->moves));
    moss_snapshot_unref(bank);
    moss_snapshot_unref(snap);
}

static void
run_workers(struct shared *s, uint64_t seconds, struct fault_os *faults)
{
    struct worker workers[WRITERS + READERS + 1];
    size_t n = sizeof(workers) / sizeof(workers[0]);
    uint64_t end = sync_now_ns() + seconds * 1000000000;
    struct rng rng;

    rng_init(&rng, s->seed);
    for (size_t i = 0; i < n; i++) {
        workers[i].shared = s;
        rng_init(&workers[i].rng, rng_next(&rng));
        must(thread_start(&workers[i].thread, "worker",
                          i < WRITERS             ? writer
                          : i < WRITERS + READERS ? reader
                                                  : visitor,
                          &workers[i]));
    }
    while (sync_now_ns() < end) {
        uint64_t before = atomic_load(&s->moves);

        fault_os_fail_nth(faults, FAULT_WRITE,
                          1 + (unsigned)rng_below(&rng, 200), MOSS_IO, 5);
        mutex_lock(&s->mu);
        while (atomic_load(&s->moves) < before + 200 &&
               condvar_wait_until(&s->moved, &s->mu, end)) {
        }
        mutex_unlock(&s->mu);
    }
    fault_os_heal(faults);
    atomic_store(&s->stop, true);
    for (size_t i = 0; i < n; i++)
        thread_join(&workers[i].thread);
}

int
main(int argc, char **argv)
{
    uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 3;
    struct mem_os *os = mem_os_new();
    struct fault_os *faults = fault_os_new(mem_os_base(os));
    struct shared s = { .c = NULL };

    s.seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    must(mutex_init(&s.mu));
    must(condvar_init(&s.moved));
    s.c = open_collection(fault_os_base(faults));
    fill(&s);
    run_workers(&s, seconds, faults);
    publish_handed_locked(&s);
    check_end(&s);
    must(moss_collection_close(s.c, MOSS_FOREVER, NULL));
    reaper_drain();
    s.c = open_collection(fault_os_base(faults));
    check_end(&s);
    must(moss_collection_close(s.c, MOSS_FOREVER, NULL));
    reaper_drain();
    must_be(mem_os_open_files(os) == 0);
    fault_os_free(faults);
    mem_os_free(os);
    condvar_destroy(&s.moved);
    mutex_destroy(&s.mu);
    printf("stress: seed %llu, %llu moves, %llu reads, %llu by tag, "
           "%llu flushes\n",
           (unsigned long long)s.seed, (unsigned long long)s.moves,
           (unsigned long long)s.reads, (unsigned long long)s.by_tag,
           (unsigned long long)s.flushes);
    return EXIT_SUCCESS;
}
