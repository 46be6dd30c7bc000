/*
 * The benchmark's parts: the data it writes, an engine's interface, the
 * result of a run, the tables.
 */
#ifndef MOSS_TESTS_BENCH_BENCH_H
#define MOSS_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---------------------------------------------------------------- data.c */

enum key_kind {
    KEYS_DECIMAL, /* 20 digits, dense */
    KEYS_BINARY,  /* 20 random bytes */
    KEYS_VARIED   /* 24 to 62 bytes, groups of keys share a prefix */
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
/* The DATA_VALUE_LEN bytes that belong to it. */
void data_value(const struct data *d, uint64_t i, uint8_t *value);
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

/* What a scan of all entries in key order must come to. */
struct data_sum data_expect_scan(const struct data *d);
/* The same for gets of every key in the order of data_shuffle(salt). */
struct data_sum data_expect_gets(const struct data *d, uint64_t salt);

/* --------------------------------------------------------------- engines */

/*
 * One way to keep the data.  A call that fails ends the process through
 * bench_fail().  Writes of a batch may be lost by a crash until drain() or
 * close() has returned: no engine syncs per batch.
 */
struct engine {
    const char *name;
    const char *settings;
    const char *(*version)(void);
    void *(*open)(const char *dir);
    void (*put)(void *e, const void *key, size_t key_len, const void *value,
                size_t value_len);
    /* Execute the puts since the last commit together. */
    void (*commit)(void *e);
    /* Return when everything committed is on disk. */
    void (*drain)(void *e);
    void (*close)(void *e);
    void (*scan)(void *e, struct data_sum *sum);
    /* Before the first get. */
    void (*begin_gets)(void *e);
    void (*get)(void *e, const void *key, size_t key_len, struct data_sum *sum);
};

extern const struct engine engine_moss, engine_sqlite, engine_lmdb,
    engine_rocksdb, engine_leveldb;

/* Print engine, what it did and why that failed; exit. */
void bench_fail(const char *engine, const char *doing, const char *why)
    __attribute__((noreturn));

/* ------------------------------------------------------------- options.c */

enum { MAX_ENGINES = 8, MAX_RUNS = 99 };

struct options {
    struct data data;
    uint64_t batch;
    size_t runs;
    bool sequential, random; /* orders of loading */
    const struct engine *engines[MAX_ENGINES];
    size_t n_engines;
    const char *dir;
};

/* What the command line asks for, or an end of the process that says why. */
void options_parse(struct options *o, int argc, char **argv);

/* --------------------------------------------------------------- results */

enum phase {
    PHASE_OPEN,
    PHASE_LOAD,
    PHASE_DRAIN,
    PHASE_CLOSE,
    PHASE_REOPEN,
    PHASE_ITER,
    PHASE_ACCESS,
    N_PHASES
};

struct result {
    uint64_t ns[N_PHASES];
    uint64_t disk_bytes; /* after the first close */
    uint64_t cpu_ns;     /* of all the run's threads */
    uint64_t peak_kb;    /* of resident memory, mapped files included */
    uint64_t anon_kb;    /* peak without file pages, sampled; 0: unknown */
};

/* -------------------------------------------------------------- report.c */

/* The results of one order of loading: results[engine][run]. */
struct report {
    const struct engine *engines[MAX_ENGINES];
    size_t n_engines;
    size_t n_runs;
    uint64_t items;
    uint64_t bytes; /* of all keys and values */
    struct result results[MAX_ENGINES][MAX_RUNS];
};

void report_settings(const struct engine *const *engines, size_t n);
void report_phases(const struct report *r);
/* Rates of the first engine over the others'. */
void report_ratios(const struct report *r);

#endif
