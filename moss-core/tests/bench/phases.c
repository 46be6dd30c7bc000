/*
 * What is measured while something is written, as stages of a run: loading,
 * writes beside reads, compaction.
 */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { MIXED_BATCH = 100, CHECK_EVERY = 64 };

/* ----------------------------------------------------------------- load */

/* The seconds that the slowest batch took, from its first put on. */
static double
load(const struct run *r, void *e)
{
    const struct data *d = &r->o->data;
    uint8_t key[DATA_MAX_KEY];
    uint8_t value[DATA_VALUE_LEN];
    uint64_t t = bench_now_ns();
    double longest = 0;

    for (uint64_t i = 0; i < d->items; i++) {
        uint64_t at =
            r->setting.is_sequential ? i : data_shuffle(d, i, SALT_LOAD);
        size_t n = data_key(d, at, key);
        data_value(d, at, 0, value);
        r->engine->put(e, key, n, value, sizeof(value));
        if ((i + 1) % r->o->batch != 0 && i + 1 != d->items)
            continue;
        r->engine->commit(e);
        double s = bench_seconds_since(&t);
        if (s > longest)
            longest = s;
    }
    return longest;
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
    return bench_seconds_since(&t) * 1e3;
}

void
phase_load(struct run *r)
{
    uint64_t begin = bench_now_ns();
    uint64_t t = begin;

    void *e = r->engine->open(r->dir, &r->setting);
    stage_tell(r, M_PAUSE, load(r, e));
    stage_tell(r, M_LOAD, bench_seconds_since(&t));
    r->engine->drain(e);
    stage_tell(r, M_FLUSH, bench_seconds_since(&t));
    r->engine->close(e);
    stage_tell(r, M_CLOSE, bench_seconds_since(&t));
    stage_tell(r, M_WRITE, bench_seconds_since(&begin));
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
    double s = bench_seconds_since(&t);
    stage_tell(r, M_MIXED_PUTS, (double)m.puts / s);
    stage_tell(r, M_MIXED_GETS, (double)m.gets / s);
    r->engine->drain(m.engine);
    stage_tell(r, M_MIXED_FLUSH, bench_seconds_since(&t));
    r->engine->close(m.engine);
}

/* ----------------------------------------------------------- compaction */

static double
compact(struct run *r)
{
    void *e = r->engine->open(r->dir, &r->setting);
    uint64_t t = bench_now_ns();

    r->engine->compact(e);
    r->engine->close(e);
    return bench_seconds_since(&t);
}

void
phase_compact_first(struct run *r)
{
    stage_tell(r, M_COMPACT_FIRST, compact(r));
}

void
phase_compact(struct run *r)
{
    stage_tell(r, M_COMPACT, compact(r));
    stage_tell(r, M_COMPACT_DISK,
               (double)dir_bytes(r->dir) / (double)r->scan.bytes);
    void *e = r->engine->open(r->dir, &r->setting);
    void *reader = r->engine->reader(e);
    verify_walk(r, reader, "compaction", false, r->o->data.items);
    r->engine->end_reader(reader);
    r->engine->close(e);
}
