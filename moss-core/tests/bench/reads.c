/*
 * What is measured while nothing is written, as stages of a run.  Whatever an
 * engine gives back is compared with what was written, to the byte: by sums
 * over all bytes, made by the engine's walk or here, or value by value.
 */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>

enum { SEEK_STEPS = 50, OPENS = 5, TAIL = 10000 };

static const struct walk forwards = { .limit = UINT64_MAX };
static const struct walk backwards = { .limit = UINT64_MAX, .backwards = true };
static const struct walk touching = { .limit = UINT64_MAX, .touch = true };

static void
check_sum(const struct run *r, const char *phase, const struct data_sum *got,
          const struct data_sum *want)
{
    if (got->entries != want->entries)
        bench_fail(r->engine->name, phase, "wrong number of entries");
    if (got->bytes != want->bytes || got->hash != want->hash)
        bench_fail(r->engine->name, phase, "wrong content");
}

/* Time a walk over everything and check what it comes to. */
static double
timed_walk(struct run *r, void *reader, const char *phase, const struct walk *w)
{
    struct data_sum sum = { 0, 0, 0 };
    struct data_sum want = r->scan;
    uint64_t t = bench_now_ns();

    r->engine->walk(reader, w, &sum);
    double s = bench_seconds_since(&t);
    if (!w->touch)
        want.hash = 0;
    check_sum(r, phase, &sum, &want);
    return s;
}

struct verifier {
    const struct run *r;
    const char *phase;
    bool backwards;
    uint64_t next; /* number of the entry, or behind it when backwards */
};

static void
verify_entry(void *arg, const void *key, size_t key_len, const void *value,
             size_t value_len)
{
    struct verifier *v = arg;
    const struct data *d = &v->r->o->data;
    uint64_t i = v->backwards ? v->next - 1 : v->next;
    uint8_t want[DATA_MAX_KEY];
    uint64_t version = 0;

    if (v->next == (v->backwards ? 0 : d->items))
        bench_fail(v->r->engine->name, v->phase, "too many entries");
    size_t n = data_key(d, i, want);
    if (key_len != n || memcmp(key, want, n) != 0 ||
        !data_value_ok(d, i, value, value_len, &version))
        bench_fail(v->r->engine->name, v->phase, "wrong content");
    v->next = v->backwards ? i : i + 1;
}

void
verify_walk(struct run *r, void *reader, const char *phase, bool is_back,
            uint64_t limit)
{
    uint64_t first = is_back ? r->o->data.items : 0;
    struct verifier v = {
        .r = r, .phase = phase, .backwards = is_back, .next = first
    };
    struct walk w = { .limit = limit, .backwards = is_back };

    w.each = verify_entry;
    w.arg = &v;
    r->engine->walk(reader, &w, NULL);
    uint64_t seen = is_back ? first - v.next : v.next;
    if (seen != (limit < r->o->data.items ? limit : r->o->data.items))
        bench_fail(r->engine->name, phase, "wrong number of entries");
}

/* Open and read every byte, as the program that comes next would. */
void
phase_first(struct run *r)
{
    uint64_t t = bench_now_ns();

    void *e = r->engine->open(r->dir, &r->setting);
    void *reader = r->engine->reader(e);
    timed_walk(r, reader, "first read", &touching);
    stage_tell(r, M_FIRST, bench_seconds_since(&t));
    r->engine->end_reader(reader);
    r->engine->close(e);
}

/* ----------------------------------------------------------------- gets */

/* A key made before its get, so that making it is not measured. */
struct made_key {
    uint8_t len;
    uint8_t bytes[DATA_MAX_KEY - 1];
};

/* The first n of the order that salt makes, n <= items. */
static struct made_key *
make_keys(const struct data *d, uint64_t n, uint64_t salt, bool are_absent)
{
    struct made_key *keys = bench_alloc(n, sizeof(*keys));
    uint8_t key[DATA_MAX_KEY];

    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = data_shuffle(d, i, salt);
        size_t len =
            are_absent ? data_absent_key(d, at, key) : data_key(d, at, key);
        keys[i].len = (uint8_t)len;
        memcpy(keys[i].bytes, key, len);
    }
    return keys;
}

/* One thread's gets. */
struct getter {
    const struct run *r;
    void *engine;
    struct made_key *keys;
    uint64_t salt;
    bool are_absent;
    struct data_sum sum;
    uint64_t found;
    pthread_barrier_t *barrier;
};

/* Waits at the barrier before and after the gets, for the clock. */
static void *
getter_run(void *arg)
{
    struct getter *g = arg;
    const struct engine *engine = g->r->engine;
    void *reader = engine->reader(g->engine);
    struct data_sum sum = { 0, 0, 0 };
    uint64_t found = 0;

    pthread_barrier_wait(g->barrier);
    for (uint64_t i = 0; i < g->r->o->gets; i++) {
        const struct made_key *k = &g->keys[i];
        struct found v;
        if (engine->get(reader, k->bytes, k->len, &v)) {
            data_sum_add(&sum, k->bytes, k->len, v.bytes, v.len);
            found++;
        }
    }
    pthread_barrier_wait(g->barrier);
    g->sum = sum;
    g->found = found;
    engine->end_reader(reader);
    return NULL;
}

static void
check_gets(const struct getter *g, const char *phase)
{
    const struct run *r = g->r;

    if (g->are_absent) {
        if (g->found != 0)
            bench_fail(r->engine->name, phase, "found what is not there");
        return;
    }
    struct data_sum want = data_expect_gets(&r->o->data, r->o->gets, g->salt);
    check_sum(r, phase, &g->sum, &want);
}

/* The rate of all threads together. */
static double
timed_gets(struct run *r, void *e, size_t threads, bool are_absent,
           const char *phase)
{
    struct getter *getters = bench_alloc(threads, sizeof(*getters));
    pthread_t *ids = bench_alloc(threads, sizeof(*ids));
    pthread_barrier_t barrier;

    pthread_barrier_init(&barrier, NULL, (unsigned)threads + 1);
    for (size_t i = 0; i < threads; i++) {
        getters[i].r = r;
        getters[i].engine = e;
        getters[i].salt = SALT_GETS + i;
        getters[i].are_absent = are_absent;
        getters[i].barrier = &barrier;
        getters[i].keys =
            make_keys(&r->o->data, r->o->gets, SALT_GETS + i, are_absent);
        int rc = pthread_create(&ids[i], NULL, getter_run, &getters[i]);
        if (rc != 0)
            bench_fail("bench", "thread", strerror(rc));
    }
    pthread_barrier_wait(&barrier);
    uint64_t t = bench_now_ns();
    pthread_barrier_wait(&barrier);
    double s = bench_seconds_since(&t);
    for (size_t i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        check_gets(&getters[i], phase);
        free(getters[i].keys);
    }
    pthread_barrier_destroy(&barrier);
    free(ids);
    free(getters);
    return (double)(r->o->gets * threads) / s;
}

/* ---------------------------------------------------------------- seeks */

/* The content of what a few seeks and their steps find. */
static void
check_seeks(struct run *r, void *reader, uint64_t seeks)
{
    const struct data *d = &r->o->data;

    for (uint64_t i = 0; i < seeks; i++) {
        uint8_t key[DATA_MAX_KEY];
        uint64_t at = data_shuffle(d, i % d->items, SALT_SEEK);
        struct walk w = { .from = key, .limit = SEEK_STEPS, .touch = true };
        struct data_sum sum = { 0, 0, 0 };
        struct data_sum want = data_expect_scan(d, at, SEEK_STEPS);
        w.from_len = data_key(d, at, key);
        r->engine->walk(reader, &w, &sum);
        check_sum(r, "seek", &sum, &want);
    }
}

static double
timed_seeks(struct run *r, void *reader, uint64_t seeks)
{
    const struct data *d = &r->o->data;
    struct made_key *keys = make_keys(d, seeks, SALT_SEEK, false);
    struct data_sum sum = { 0, 0, 0 };
    uint64_t want = 0;

    for (uint64_t i = 0; i < seeks; i++) {
        uint64_t left = d->items - data_shuffle(d, i, SALT_SEEK);
        want += left < SEEK_STEPS ? left : SEEK_STEPS;
    }
    uint64_t t = bench_now_ns();
    for (uint64_t i = 0; i < seeks; i++) {
        struct walk w = { .from = keys[i].bytes, .limit = SEEK_STEPS };
        w.from_len = keys[i].len;
        r->engine->walk(reader, &w, &sum);
    }
    double s = bench_seconds_since(&t);
    if (sum.entries != want)
        bench_fail(r->engine->name, "seek", "wrong number of entries");
    free(keys);
    return (double)seeks / s;
}

/* ---------------------------------------------------------------- reads */

static void
walks(struct run *r, void *reader)
{
    double n = (double)r->o->data.items;

    stage_tell(r, M_ITER_FIRST, n / timed_walk(r, reader, "iter", &forwards));
    stage_tell(r, M_ITER, n / timed_walk(r, reader, "iter", &forwards));
    stage_tell(r, M_BACK, n / timed_walk(r, reader, "back", &backwards));
    verify_walk(r, reader, "backwards", true, TAIL);
}

void
phase_reads(struct run *r)
{
    const struct options *o = r->o;
    uint64_t t = bench_now_ns();

    void *e = r->engine->open(r->dir, &r->setting);
    stage_tell(r, M_REOPEN, bench_seconds_since(&t));
    bench_use_cpu_clock(o->cpu_clock);
    void *reader = r->engine->reader(e);
    if (o->phases[PHASE_ITER])
        walks(r, reader);
    /* Whatever is read after this is warm. */
    timed_walk(r, reader, "touch", &touching);
    if (o->phases[PHASE_ITER])
        stage_tell(r, M_TOUCH,
                   (double)o->data.items /
                       timed_walk(r, reader, "touch", &touching));
    if (o->phases[PHASE_GET])
        stage_tell(r, M_GET, timed_gets(r, e, 1, false, "get"));
    if (o->phases[PHASE_MISS])
        stage_tell(r, M_MISS, timed_gets(r, e, 1, true, "miss"));
    if (o->phases[PHASE_SEEK]) {
        uint64_t seeks = o->gets / 4 + 1;
        check_seeks(r, reader, seeks / 100 + 1);
        stage_tell(r, M_SEEK, timed_seeks(r, reader, seeks));
    }
    bench_use_cpu_clock(false);
    if (o->phases[PHASE_GETS])
        stage_tell(r, M_GETS, timed_gets(r, e, o->threads, false, "gets"));
    r->engine->end_reader(reader);
    r->engine->close(e);
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Until one value is there; the median, since the first one may page in. */
void
phase_open(struct run *r)
{
    const struct data *d = &r->o->data;
    double s[OPENS];

    for (uint64_t i = 0; i < OPENS; i++) {
        uint8_t key[DATA_MAX_KEY];
        uint64_t at = data_shuffle(d, i % d->items, SALT_GETS);
        uint64_t version = 0;
        struct found v;
        size_t n = data_key(d, at, key);
        uint64_t t = bench_now_ns();
        void *e = r->engine->open(r->dir, &r->setting);
        void *reader = r->engine->reader(e);
        bool found = r->engine->get(reader, key, n, &v);
        s[i] = bench_seconds_since(&t);
        if (!found || !data_value_ok(d, at, v.bytes, v.len, &version))
            bench_fail(r->engine->name, "open", "wrong content");
        r->engine->end_reader(reader);
        r->engine->close(e);
    }
    qsort(s, OPENS, sizeof(s[0]), compare);
    stage_tell(r, M_OPEN_GET, s[OPENS / 2]);
}
