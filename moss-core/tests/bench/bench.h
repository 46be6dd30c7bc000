/*
 * The benchmark's parts: the data it writes, an engine's interface, what is
 * measured, the tables.
 */
#ifndef MOSS_TESTS_BENCH_BENCH_H
#define MOSS_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

/* ---------------------------------------------------------------- data.c */

enum key_kind {
    KEYS_DECIMAL, /* 20 digits, dense */
    KEYS_BINARY,  /* 20 random bytes */
    KEYS_VARYING  /* 25 to 63 bytes, groups of keys share a prefix */
};

enum { DATA_MAX_KEY = 64, DATA_VALUE_LEN = 100 };

/* What is written and read: a function of these numbers alone. */
struct data {
    uint64_t items;
    uint64_t seed;
    enum key_kind kind;
};

/* The key that is i-th in byte order; the result is its length. */
size_t data_key(const struct data *d, uint64_t i, uint8_t key[DATA_MAX_KEY]);
/* A key like the i-th that is not in the data. */
size_t
data_absent_key(const struct data *d, uint64_t i, uint8_t key[DATA_MAX_KEY]);
/* The DATA_VALUE_LEN bytes that belong to it in that version, 0 as loaded. */
void
data_value(const struct data *d, uint64_t i, uint64_t version, uint8_t *value);
/* Is it a value of the i-th key?  *version is which one then. */
bool data_value_ok(const struct data *d, uint64_t i, const void *value,
                   size_t len, uint64_t *version);
/* Orders of keys that have nothing to do with each other. */
enum { SALT_LOAD = 1, SALT_WRITE = 2, SALT_SEEK = 3, SALT_GETS = 16 };
/* A bijection of [0, items), another one for every salt. */
uint64_t data_shuffle(const struct data *d, uint64_t i, uint64_t salt);

/* Of entries in the order they were read; every byte counts. */
struct data_sum {
    uint64_t entries;
    uint64_t bytes;
    uint64_t hash;
};

static inline uint64_t
data_sum_bytes(const uint8_t *p, size_t n)
{
    uint64_t sum = n;
    uint64_t word;

    for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        sum += word;
    }
    word = 0;
    if (n > 0)
        memcpy(&word, p, n);
    return sum + word;
}

static inline void
data_sum_add(struct data_sum *sum, const void *key, size_t key_len,
             const void *value, size_t value_len)
{
    uint64_t k = data_sum_bytes((const uint8_t *)key, key_len);
    uint64_t v = data_sum_bytes((const uint8_t *)value, value_len);

    sum->entries++;
    sum->bytes += key_len + value_len;
    sum->hash = sum->hash * 0x9e3779b97f4a7c15u + k * 3 + v;
}

/* What a scan of n entries in key order from the i-th must come to. */
struct data_sum data_expect_scan(const struct data *d, uint64_t i, uint64_t n);
/* The same for n gets in the order of data_shuffle(salt). */
struct data_sum
data_expect_gets(const struct data *d, uint64_t n, uint64_t salt);

/* --------------------------------------------------------------- engines */

/* What an engine is told when it opens, as a program would know it. */
struct setting {
    uint64_t bytes;     /* of all keys and values */
    bool is_sequential; /* loading happens in key order */
};

/* A cache that holds everything, within reason. */
static inline uint64_t
setting_cache(const struct setting *s)
{
    uint64_t want = s->bytes + s->bytes / 2 + ((uint64_t)64 << 20);
    uint64_t most = (uint64_t)6 << 30;

    return want < most ? want : most;
}

/*
 * From the first entry whose key is at or after from (NULL: the end that the
 * direction begins at; backwards only so), limit entries or as many as there
 * are.  touch adds up every byte in *sum, otherwise entries and lengths count.
 */
struct walk {
    const void *from;
    size_t from_len;
    uint64_t limit;
    bool backwards, touch;
    /* If not NULL, called with each entry instead of adding it up. */
    void (*each)(void *arg, const void *key, size_t key_len, const void *value,
                 size_t value_len);
    void *arg;
};

/* What an engine's walk() does with an entry. */
static inline void
walk_entry(const struct walk *w, struct data_sum *sum, const void *key,
           size_t key_len, const void *value, size_t value_len)
{
    if (w->each != NULL) {
        w->each(w->arg, key, key_len, value, value_len);
    } else if (w->touch) {
        data_sum_add(sum, key, key_len, value, value_len);
    } else {
        sum->entries++;
        sum->bytes += key_len + value_len;
    }
}

/* A value that was found, valid until the reader is used again. */
struct found {
    const void *bytes;
    size_t len;
};

/*
 * One way to keep the data.  A call that fails ends the process through
 * bench_fail().  Writes of a batch may be lost by a crash until drain() or
 * close() has returned: no engine syncs per batch.
 */
struct engine {
    const char *name;
    const char *settings;
    const char *(*version)(void);
    void *(*open)(const char *dir, const struct setting *s);
    void (*put)(void *e, const void *key, size_t key_len, const void *value,
                size_t value_len);
    /* Execute the puts since the last commit together. */
    void (*commit)(void *e);
    /* Return when everything committed is on disk. */
    void (*drain)(void *e);
    /* Make the files small; instead of puts. */
    void (*compact)(void *e);
    void (*close)(void *e);
    /*
     * One thread's view: it reads the state at its making, or at its last
     * renewal, and is used and ended by the thread that made it.
     */
    void *(*reader)(void *e);
    void (*renew)(void *r);
    void (*end_reader)(void *r);
    /* False if there is no such key. */
    bool (*get)(void *r, const void *key, size_t key_len, struct found *value);
    void (*walk)(void *r, const struct walk *w, struct data_sum *sum);
};

extern const struct engine engine_moss, engine_sqlite, engine_lmdb,
    engine_rocksdb, engine_leveldb, engine_wiredtiger;

/* Print engine, what it did and why that failed; exit. */
void bench_fail(const char *engine, const char *doing, const char *why)
    __attribute__((noreturn));

/* Memory, or an end of the process. */
void *bench_alloc(size_t n, size_t size);

uint64_t bench_now_ns(void);
/* From now on the time that this process computes, on all threads. */
void bench_use_cpu_clock(bool on);
/* Seconds since *since, which becomes now. */
double bench_seconds_since(uint64_t *since);

/* ------------------------------------------------------------- options.c */

enum { MAX_ENGINES = 8, MAX_RUNS = 99, MAX_COUNTS = 4, MAX_THREADS = 64 };

enum phase {
    PHASE_LOAD,
    PHASE_FIRST,
    PHASE_ITER,
    PHASE_GET,
    PHASE_GETS,
    PHASE_MISS,
    PHASE_SEEK,
    PHASE_OPEN,
    PHASE_MIXED,
    PHASE_COMPACT,
    N_PHASES
};
extern const char *const phase_names[N_PHASES];

struct options {
    struct data data; /* items: of the run at hand */
    uint64_t counts[MAX_COUNTS];
    size_t n_counts;
    uint64_t batch;
    uint64_t gets; /* at most items */
    size_t threads;
    double seconds; /* of the mixed phase */
    size_t runs;
    bool orders[2]; /* [is_random] */
    bool phases[N_PHASES];
    bool compact_first;
    bool cpu_clock; /* for reads on one thread */
    const struct engine *engines[MAX_ENGINES];
    size_t n_engines;
    const char *dir;
    const char *keep; /* stores stay in this directory; NULL: removed */
    const char *csv, *json;
};

/* What the command line asks for, or an end of the process that says why. */
void options_parse(struct options *o, int argc, char **argv);

/* --------------------------------------------------------------- results */

/* measures[] in report.c says what each is. */
enum measure {
    M_LOAD,
    M_PAUSE,
    M_FLUSH,
    M_CLOSE,
    M_WRITE,
    M_FIRST,
    M_WRITE_FIRST,
    M_CPU,
    M_LOAD_ANON,
    M_LOAD_PEAK,
    M_DISK,
    M_COMPACT_FIRST,
    M_REOPEN,
    M_ITER_FIRST,
    M_ITER,
    M_BACK,
    M_TOUCH,
    M_GET,
    M_GETS,
    M_MISS,
    M_SEEK,
    M_READ_ANON,
    M_OPEN_GET,
    M_MIXED_PUTS,
    M_MIXED_GETS,
    M_MIXED_FLUSH,
    M_MIXED_ANON,
    M_COMPACT,
    M_COMPACT_DISK,
    N_MEASURES
};

/* Of one run of one engine; NAN is what was not measured. */
struct result {
    double v[N_MEASURES];
};

/* --------------------------------------------------------------- stage.c */

/* A run of one engine with its directory; scan is what a walk must sum to. */
struct run {
    const struct options *o;
    const struct engine *engine;
    struct setting setting;
    struct data_sum scan;
    char dir[4096];
    int out; /* in a stage's process, for stage_tell() */
};

/* What a stage cost as its parent saw it. */
struct stage_cost {
    uint64_t cpu_ns;  /* of all threads */
    uint64_t peak_kb; /* of resident memory, mapped files included */
    uint64_t anon_kb; /* peak without file pages, sampled */
};

/*
 * Do stage in a process of its own and wait for it; what it tells goes to
 * *result.  A stage that fails ends this process, too.
 */
void stage_run(struct run *r, void (*stage)(struct run *),
               struct result *result, struct stage_cost *cost);
/* Called in a stage's process. */
void stage_tell(struct run *r, enum measure m, double value);

/* Of the files of the directory, as blocks on disk. */
uint64_t dir_bytes(const char *dir);
void dir_remove(const char *dir);
/* Read all files, so that they are in the page cache. */
void dir_warm(const char *dir);

/* -------------------------------------------------------------- phases.c */

/* Stages: each opens the engine, does its phases, and closes it. */
void phase_load(struct run *r);
void phase_mixed(struct run *r);
void phase_compact_first(struct run *r);
void phase_compact(struct run *r);

/* What making keys and values takes out of every engine's load phase. */
double phase_generator_ms(const struct options *o, bool is_random);

/* --------------------------------------------------------------- reads.c */

void phase_first(struct run *r);
void phase_reads(struct run *r);
void phase_open(struct run *r);

/*
 * Compare limit entries, or all if there are fewer, from the end that the
 * direction begins at: each is the next key with a value it had at some time.
 */
void verify_walk(struct run *r, void *reader, const char *phase, bool is_back,
                 uint64_t limit);

/* -------------------------------------------------------------- report.c */

/* The results of one count and order: results[engine][run]. */
struct report {
    const struct options *o;
    uint64_t items;
    uint64_t bytes; /* of all keys and values */
    bool is_random;
    struct result results[MAX_ENGINES][MAX_RUNS];
};

void report_settings(const struct options *o);
/* One line a measure, one column an engine, and the ratio to the best peer. */
void report_table(const struct report *r);
/* The work that matters, the first engine beside its best peer, with bars. */
void report_summary(const struct report *r);
/* How the first engine's costs grow: the reports of one order. */
void report_growth(const struct report *const *reports, size_t n);
/* All measures with medians and extremes; paths of NULL are left out. */
void report_export(const struct report *const *reports, size_t n,
                   const char *csv, const char *json);

#endif
