/*
 * The benchmark: the phases of moss's own (open, load, drain, close, reopen,
 * iter, access), for moss and its peers, in one table.
 *
 * Each run of an engine has a process of its own, so that peak memory is that
 * engine's; its parent, which never touches an engine, watches the memory and
 * gets the times through a pipe.  The engines take turns within a round and
 * each round begins with another one, so that whatever the machine does at
 * the time hits all alike; medians of the rounds are printed.  What a scan
 * and the gets have read is compared with what was written, to the byte.
 */
#include "bench.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SALT_LOAD = 1, SALT_GETS = 2, SAMPLE_MS = 10, MAX_PATH = 4096 };

void
bench_fail(const char *engine, const char *doing, const char *why)
{
    fprintf(stderr, "bench: %s: %s: %s\n", engine, doing, why);
    exit(1);
}

static uint64_t
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* -------------------------------------------------------- the directory */

static uint64_t tree_bytes;

static int
add_size(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path;
    (void)ftw;
    if (type == FTW_F)
        tree_bytes += (uint64_t)st->st_blocks * 512;
    return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static uint64_t
disk_bytes(const char *dir)
{
    tree_bytes = 0;
    if (nftw(dir, add_size, 16, FTW_PHYS) != 0)
        bench_fail("bench", dir, strerror(errno));
    return tree_bytes;
}

static void
remove_tree(const char *dir)
{
    if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        bench_fail("bench", dir, strerror(errno));
}

/* ---------------------------------------------------- in a run's process */

static void
load(const struct options *o, const struct engine *engine, void *e,
     bool is_random)
{
    const struct data *d = &o->data;
    uint8_t key[DATA_MAX_KEY];
    uint8_t value[DATA_VALUE_LEN];

    for (uint64_t i = 0; i < d->items; i++) {
        uint64_t at = is_random ? data_shuffle(d, i, SALT_LOAD) : i;
        size_t n = data_key(d, at, key);
        data_value(d, at, value);
        engine->put(e, key, n, value, sizeof(value));
        if ((i + 1) % o->batch == 0)
            engine->commit(e);
    }
    if (d->items % o->batch != 0)
        engine->commit(e);
}

static void
gets(const struct options *o, const struct engine *engine, void *e,
     struct data_sum *sum)
{
    const struct data *d = &o->data;
    uint8_t key[DATA_MAX_KEY];

    engine->begin_gets(e);
    for (uint64_t i = 0; i < d->items; i++) {
        size_t n = data_key(d, data_shuffle(d, i, SALT_GETS), key);
        engine->get(e, key, n, sum);
    }
}

static void
check_sum(const struct engine *engine, const char *phase,
          const struct data_sum *got, const struct data_sum *want)
{
    if (got->entries != want->entries)
        bench_fail(engine->name, phase, "wrong number of entries");
    if (got->bytes != want->bytes || got->hash != want->hash)
        bench_fail(engine->name, phase, "wrong content");
}

/* Close the interval that began at *since as phase's. */
static void
lap(struct result *r, enum phase phase, uint64_t *since)
{
    uint64_t now = now_ns();

    r->ns[phase] = now - *since;
    *since = now;
}

static void
run_phases(const struct options *o, const struct engine *engine, bool is_random,
           const char *dir, struct result *r)
{
    struct data_sum scanned = { 0, 0, 0 };
    struct data_sum got = { 0, 0, 0 };
    uint64_t t = now_ns();

    void *e = engine->open(dir);
    lap(r, PHASE_OPEN, &t);
    load(o, engine, e, is_random);
    lap(r, PHASE_LOAD, &t);
    engine->drain(e);
    lap(r, PHASE_DRAIN, &t);
    engine->close(e);
    lap(r, PHASE_CLOSE, &t);
    r->disk_bytes = disk_bytes(dir);

    t = now_ns();
    e = engine->open(dir);
    lap(r, PHASE_REOPEN, &t);
    engine->scan(e, &scanned);
    lap(r, PHASE_ITER, &t);
    gets(o, engine, e, &got);
    lap(r, PHASE_ACCESS, &t);
    engine->close(e);

    struct data_sum want = data_expect_scan(&o->data);
    check_sum(engine, "iter", &scanned, &want);
    want = data_expect_gets(&o->data, SALT_GETS);
    check_sum(engine, "access", &got, &want);
}

/* ------------------------------------------------------- in the parent */

/* Raise the peak of memory that is not a file's, as far as /proc knows. */
static void
sample_memory(pid_t pid, struct result *r)
{
    char path[64], line[256];
    unsigned long long kb;

    snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return;
    while (fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "RssAnon: %llu kB", &kb) == 1 && kb > r->anon_kb)
            r->anon_kb = kb;
    }
    fclose(f);
}

static uint64_t
timeval_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

static void
watch(pid_t pid, int fd, const char *name, struct result *r)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    struct result sent;
    struct rusage usage;
    int status;

    memset(r, 0, sizeof(*r));
    while (poll(&p, 1, SAMPLE_MS) == 0)
        sample_memory(pid, r);
    ssize_t n = read(fd, &sent, sizeof(sent));
    if (wait4(pid, &status, 0, &usage) != pid)
        bench_fail(name, "wait", strerror(errno));
    if (n != (ssize_t)sizeof(sent) || status != 0)
        bench_fail(name, "run", "failed");
    sent.anon_kb = r->anon_kb;
    sent.peak_kb = (uint64_t)usage.ru_maxrss;
    sent.cpu_ns = timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
    *r = sent;
}

static void
run_engine(const struct options *o, const struct engine *engine, bool is_random,
           struct result *r)
{
    char dir[MAX_PATH];
    int fds[2];

    int n = snprintf(dir, sizeof(dir), "%s/moss-bench-XXXXXX", o->dir);
    if (n >= (int)sizeof(dir) || mkdtemp(dir) == NULL)
        bench_fail("bench", o->dir, strerror(errno));
    if (pipe(fds) != 0)
        bench_fail("bench", "pipe", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        bench_fail("bench", "fork", strerror(errno));
    if (pid == 0) {
        struct result mine;
        memset(&mine, 0, sizeof(mine));
        close(fds[0]);
        run_phases(o, engine, is_random, dir, &mine);
        if (write(fds[1], &mine, sizeof(mine)) != (ssize_t)sizeof(mine))
            bench_fail(engine->name, "write", strerror(errno));
        exit(0);
    }
    close(fds[1]);
    watch(pid, fds[0], engine->name, r);
    close(fds[0]);
    remove_tree(dir);
}

/* What making keys and values takes out of every engine's load phase. */
static double
generator_ms(const struct options *o, bool is_random)
{
    uint8_t key[DATA_MAX_KEY];
    uint8_t value[DATA_VALUE_LEN];
    volatile uint64_t used = 0;
    uint64_t t = now_ns();

    for (uint64_t i = 0; i < o->data.items; i++) {
        uint64_t at = is_random ? data_shuffle(&o->data, i, SALT_LOAD) : i;
        size_t n = data_key(&o->data, at, key);
        data_value(&o->data, at, value);
        used = used + key[n - 1] + value[0];
    }
    return (double)(now_ns() - t) / 1e6;
}

static void
run_order(const struct options *o, bool is_random)
{
    static const char *const kinds[] = { "decimal", "binary", "varied" };
    struct report *r = calloc(1, sizeof(*r));

    if (r == NULL)
        bench_fail("bench", "report", "out of memory");
    memcpy(r->engines, o->engines, sizeof(r->engines));
    r->n_engines = o->n_engines;
    r->n_runs = o->runs;
    r->items = o->data.items;
    r->bytes = data_expect_scan(&o->data).bytes;

    printf("\nspec: %llu items, %s keys, values of %d bytes (%.1f MB), "
           "batches of %llu,\n      %s order, seed %llu, median of %zu "
           "run%s; making the data takes %.0f ms of load\n",
           (unsigned long long)o->data.items, kinds[o->data.kind],
           DATA_VALUE_LEN, (double)r->bytes / 1e6, (unsigned long long)o->batch,
           is_random ? "random" : "sequential",
           (unsigned long long)o->data.seed, o->runs, o->runs == 1 ? "" : "s",
           generator_ms(o, is_random));
    for (size_t run = 0; run < o->runs; run++) {
        for (size_t i = 0; i < o->n_engines; i++) {
            size_t e = (i + run) % o->n_engines;
            run_engine(o, o->engines[e], is_random, &r->results[e][run]);
        }
    }
    report_phases(r);
    if (r->n_engines > 1)
        report_ratios(r);
    free(r);
}

int
main(int argc, char **argv)
{
    struct options o;

    options_parse(&o, argc, argv);
    report_settings(o.engines, o.n_engines);
    if (o.sequential)
        run_order(&o, false);
    if (o.random)
        run_order(&o, true);
    return 0;
}
