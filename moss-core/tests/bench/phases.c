/*
 * What is measured, as stages of a run: loading, the first read after it,
 * reads of all kinds, opening, writes beside reads, compaction.  Whatever an
 * engine gives back is compared with what was written, to the byte: by sums
 * over all bytes, made by the engine's walk or here, or value by value.
 */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SALT_LOAD = 1, SALT_WRITE = 2, SALT_SEEK = 3, SALT_GETS = 16 };
enum {
    SEEK_STEPS = 50,
    MIXED_BATCH = 100,
    OPENS = 5,
    TAIL = 10000,
    CHECK_EVERY = 64
};

static const struct walk forwards = { .limit = UINT64_MAX };
static const struct walk backwards = { .limit = UINT64_MAX, .backwards = true };
static const struct walk touching = { .limit = UINT64_MAX, .touch = true };

static double
seconds_since(uint64_t *since)
{
    uint64_t now = bench_now_ns();
    double s = (double)(now - *since) / 1e9;

    *since = now;
    return s;
}

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
    double s = seconds_since(&t);
    if (!w->touch)
        want.hash = 0;
    check_sum(r, phase, &sum, &want);
    return s;
}

/* ----------------------------------------------------------------- load */

static void
load(const struct run *r, void *e)
{
    const struct data *d = &r->o->data;
    uint8_t key[DATA_MAX_KEY];
    uint8_t value[DATA_VALUE_LEN];

    for (uint64_t i = 0; i < d->items; i++) {
        uint64_t at =
            r->setting.is_sequential ? i : data_shuffle(d, i, SALT_LOAD);
        size_t n = data_key(d, at, key);
        data_value(d, at, 0, value);
        r->engine->put(e, key, n, value, sizeof(value));
        if ((i + 1) % r->o->batch == 0)
            r->engine->commit(e);
    }
    if (d->items % r->o->batch != 0)
        r->engine->commit(e);
}

double
phase_generator_ms(const struct options *o, bool is_random)
{
    const struct data *d = &o->data;
    uint8_t key[DATA_MAX_KEY];
    uint8_t value[DATA_VALUE_LEN];
    volatile uint64_t used = 0;
    uint64_t t = bench_now_ns();

    for (uint64_t i = 0; i < d->items; i++) {
        uint64_t at = is_random ? data_shuffle(d, i, SALT_LOAD) : i;
        size_t n = data_key(d, at, key);
        data_value(d, at, 0, value);
        used = used + key[n - 1] + value[0];
    }
    return seconds_since(&t) * 1e3;
}

void
phase_load(struct run *r)
{
    uint64_t begin = bench_now_ns();
    uint64_t t = begin;

    void *e = r->engine->open(r->dir, &r->setting);
    load(r, e);
    stage_tell(r, M_LOAD, seconds_since(&t));
    r->engine->drain(e);
    stage_tell(r, M_FLUSH, seconds_since(&t));
    r->engine->close(e);
    stage_tell(r, M_CLOSE, seconds_since(&t));
    stage_tell(r, M_WRITE, seconds_since(&begin));
}

/* Open and read every byte, as the program that comes next would. */
void
phase_first(struct run *r)
{
    uint64_t t = bench_now_ns();

    void *e = r->engine->open(r->dir, &r->setting);
    void *reader = r->engine->reader(e);
    timed_walk(r, reader, "first read", &touching);
    stage_tell(r, M_FIRST, seconds_since(&t));
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
    double s = seconds_since(&t);
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
    double s = seconds_since(&t);
    if (sum.entries != want)
        bench_fail(r->engine->name, "seek", "wrong number of entries");
    free(keys);
    return (double)seeks / s;
}

/* The entries at the end, backwards: their content, which no rate shows. */
struct tail {
    const struct run *r;
    uint64_t next; /* from the front, as the next entry should be */
};

static void
check_tail(void *arg, const void *key, size_t key_len, const void *value,
           size_t value_len)
{
    struct tail *tail = arg;
    const struct data *d = &tail->r->o->data;
    uint8_t want[DATA_MAX_KEY];
    uint64_t version = 0;

    tail->next--;
    size_t n = data_key(d, tail->next, want);
    if (key_len != n || memcmp(key, want, n) != 0 ||
        !data_value_ok(d, tail->next, value, value_len, &version))
        bench_fail(tail->r->engine->name, "backwards", "wrong content");
}

static void
walk_tail(struct run *r, void *reader)
{
    uint64_t items = r->o->data.items;
    struct tail tail = { .r = r, .next = items };
    struct walk w = { .backwards = true, .each = check_tail, .arg = &tail };

    w.limit = items < TAIL ? items : TAIL;
    r->engine->walk(reader, &w, NULL);
    if (tail.next != items - w.limit)
        bench_fail(r->engine->name, "backwards", "wrong number of entries");
}

/* ---------------------------------------------------------------- reads */

static void
walks(struct run *r, void *reader)
{
    double n = (double)r->o->data.items;

    stage_tell(r, M_ITER_FIRST, n / timed_walk(r, reader, "iter", &forwards));
    stage_tell(r, M_ITER, n / timed_walk(r, reader, "iter", &forwards));
    stage_tell(r, M_BACK, n / timed_walk(r, reader, "back", &backwards));
    walk_tail(r, reader);
}

void
phase_reads(struct run *r)
{
    const struct options *o = r->o;
    uint64_t t = bench_now_ns();

    void *e = r->engine->open(r->dir, &r->setting);
    stage_tell(r, M_REOPEN, seconds_since(&t));
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
    if (o->phases[PHASE_GETS])
        stage_tell(r, M_GETS, timed_gets(r, e, o->threads, false, "gets"));
    if (o->phases[PHASE_MISS])
        stage_tell(r, M_MISS, timed_gets(r, e, 1, true, "miss"));
    if (o->phases[PHASE_SEEK]) {
        uint64_t seeks = o->gets / 4 + 1;
        check_seeks(r, reader, seeks / 100 + 1);
        stage_tell(r, M_SEEK, timed_seeks(r, reader, seeks));
    }
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
        s[i] = seconds_since(&t);
        if (!found || !data_value_ok(d, at, v.bytes, v.len, &version))
            bench_fail(r->engine->name, "open", "wrong content");
        r->engine->end_reader(reader);
        r->engine->close(e);
    }
    qsort(s, OPENS, sizeof(s[0]), compare);
    stage_tell(r, M_OPEN_GET, s[OPENS / 2]);
}

/* ---------------------------------------------------------------- mixed */

/* One writer and one reader. */
struct mixed {
    struct run *r;
    void *engine;
    pthread_barrier_t barrier; /* the reader is ready */
    atomic_bool stop;
    _Atomic uint64_t committed; /* batches; batch b wrote version b */
    uint64_t puts, gets;
};

/* The key that is written as number n since the beginning. */
static uint64_t
written_key(const struct data *d, uint64_t n)
{
    return data_shuffle(d, n % d->items, SALT_WRITE);
}

static void *
writer_run(void *arg)
{
    struct mixed *m = arg;
    const struct engine *engine = m->r->engine;
    const struct data *d = &m->r->o->data;

    for (uint64_t b = 1; !atomic_load(&m->stop); b++) {
        for (uint64_t i = 0; i < MIXED_BATCH; i++) {
            uint8_t key[DATA_MAX_KEY];
            uint8_t value[DATA_VALUE_LEN];
            uint64_t at = written_key(d, (b - 1) * MIXED_BATCH + i);
            size_t n = data_key(d, at, key);
            data_value(d, at, b, value);
            engine->put(m->engine, key, n, value, sizeof(value));
        }
        engine->commit(m->engine);
        atomic_store(&m->committed, b);
        m->puts += MIXED_BATCH;
    }
    return NULL;
}

/*
 * A random key; now and then one of the newest batch, which must show that
 * batch or a later one.
 */
static void
read_one(struct mixed *m, void *reader)
{
    const struct engine *engine = m->r->engine;
    const struct data *d = &m->r->o->data;
    uint64_t at = data_shuffle(d, m->gets % d->items, SALT_GETS);
    uint64_t least = 0, version = 0;
    uint8_t key[DATA_MAX_KEY];
    struct found v;

    if (m->gets % CHECK_EVERY == 0)
        least = atomic_load(&m->committed);
    if (least > 0)
        at = written_key(d, least * MIXED_BATCH - 1);
    size_t n = data_key(d, at, key);
    engine->renew(reader);
    if (!engine->get(reader, key, n, &v))
        bench_fail(engine->name, "mixed", "key not found");
    if (!data_value_ok(d, at, v.bytes, v.len, &version))
        bench_fail(engine->name, "mixed", "wrong content");
    if (version < least)
        bench_fail(engine->name, "mixed", "a committed batch is missing");
    m->gets++;
}

/* A few gets of what was loaded, then gets beside the writer. */
static void *
reader_run(void *arg)
{
    struct mixed *m = arg;
    void *reader = m->r->engine->reader(m->engine);

    while (m->gets < CHECK_EVERY)
        read_one(m, reader);
    m->gets = 0;
    pthread_barrier_wait(&m->barrier);
    while (!atomic_load_explicit(&m->stop, memory_order_relaxed))
        read_one(m, reader);
    m->r->engine->end_reader(reader);
    return NULL;
}

static void
sleep_for(double seconds)
{
    struct timespec t = { .tv_sec = (time_t)seconds };

    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        continue;
}

void
phase_mixed(struct run *r)
{
    struct mixed m = { .r = r };
    pthread_t writer, reader;

    m.engine = r->engine->open(r->dir, &r->setting);
    pthread_barrier_init(&m.barrier, NULL, 2);
    int rc = pthread_create(&reader, NULL, reader_run, &m);
    if (rc != 0)
        bench_fail("bench", "thread", strerror(rc));
    pthread_barrier_wait(&m.barrier);
    uint64_t t = bench_now_ns();
    rc = pthread_create(&writer, NULL, writer_run, &m);
    if (rc != 0)
        bench_fail("bench", "thread", strerror(rc));
    sleep_for(r->o->seconds);
    atomic_store(&m.stop, true);
    pthread_join(writer, NULL);
    pthread_join(reader, NULL);
    pthread_barrier_destroy(&m.barrier);
    double s = seconds_since(&t);
    stage_tell(r, M_MIXED_PUTS, (double)m.puts / s);
    stage_tell(r, M_MIXED_GETS, (double)m.gets / s);
    r->engine->drain(m.engine);
    stage_tell(r, M_MIXED_FLUSH, seconds_since(&t));
    r->engine->close(m.engine);
}

/* ----------------------------------------------------------- compaction */

/* Everything in order: each key, and a value that it had at some time. */
struct verifier {
    const struct run *r;
    uint64_t next;
};

static void
verify_entry(void *arg, const void *key, size_t key_len, const void *value,
             size_t value_len)
{
    struct verifier *v = arg;
    const struct data *d = &v->r->o->data;
    uint8_t want[DATA_MAX_KEY];
    uint64_t version = 0;

    size_t n = data_key(d, v->next, want);
    if (key_len != n || memcmp(key, want, n) != 0 ||
        !data_value_ok(d, v->next, value, value_len, &version))
        bench_fail(v->r->engine->name, "compaction", "wrong content");
    v->next++;
}

static double
compact(struct run *r)
{
    void *e = r->engine->open(r->dir, &r->setting);
    uint64_t t = bench_now_ns();

    r->engine->compact(e);
    r->engine->close(e);
    return seconds_since(&t);
}

void
phase_compact_first(struct run *r)
{
    stage_tell(r, M_COMPACT_FIRST, compact(r));
}

void
phase_compact(struct run *r)
{
    struct verifier v = { .r = r };
    struct walk w = { .limit = UINT64_MAX, .each = verify_entry, .arg = &v };

    stage_tell(r, M_COMPACT, compact(r));
    stage_tell(r, M_COMPACT_DISK,
               (double)dir_bytes(r->dir) / (double)r->scan.bytes);
    void *e = r->engine->open(r->dir, &r->setting);
    void *reader = r->engine->reader(e);
    r->engine->walk(reader, &w, NULL);
    if (v.next != r->o->data.items)
        bench_fail(r->engine->name, "compaction", "wrong number of entries");
    r->engine->end_reader(reader);
    r->engine->close(e);
}
