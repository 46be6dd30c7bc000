/*
 * A stage of a run: a process of its own, so that its memory is the engine's
 * and nothing is left over from the stage before.  The parent never touches
 * an engine; it samples the stage's memory and gets the figures through a
 * pipe, one message each.  Also: what is done to a run's directory.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLE_MS = 10, WARM_CHUNK = 1 << 20 };

struct message {
    enum measure m;
    double value;
};

void
bench_fail(const char *engine, const char *doing, const char *why)
{
    fprintf(stderr, "bench: %s: %s: %s\n", engine, doing, why);
    fflush(stdout);
    _exit(1); /* other threads may be inside the engine */
}

void *
bench_alloc(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (p == NULL)
        bench_fail("bench", "calloc", "out of memory");
    return p;
}

static clockid_t bench_clock = CLOCK_MONOTONIC;

void
bench_use_cpu_clock(bool on)
{
    bench_clock = on ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
}

uint64_t
bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(bench_clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double
bench_seconds_since(uint64_t *since)
{
    uint64_t now = bench_now_ns();
    double s = (double)(now - *since) / 1e9;

    *since = now;
    return s;
}

/* -------------------------------------------------------- the directory */

static uint64_t tree_bytes; /* nftw() has no argument to pass on */

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

static int
read_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    static char chunk[WARM_CHUNK];
    ssize_t n = 1;

    (void)st;
    (void)ftw;
    if (type != FTW_F)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    while (n > 0)
        n = read(fd, chunk, sizeof(chunk));
    close(fd);
    return n < 0 ? -1 : 0;
}

uint64_t
dir_bytes(const char *dir)
{
    tree_bytes = 0;
    if (nftw(dir, add_size, 16, FTW_PHYS) != 0)
        bench_fail("bench", dir, strerror(errno));
    return tree_bytes;
}

void
dir_remove(const char *dir)
{
    if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        bench_fail("bench", dir, strerror(errno));
}

void
dir_warm(const char *dir)
{
    if (nftw(dir, read_one, 16, FTW_PHYS) != 0)
        bench_fail("bench", dir, strerror(errno));
}

/* ------------------------------------------------------------ processes */

void
stage_tell(struct run *r, enum measure m, double value)
{
    struct message msg = { .m = m, .value = value };

    if (write(r->out, &msg, sizeof(msg)) != (ssize_t)sizeof(msg))
        bench_fail(r->engine->name, "report", strerror(errno));
}

/* Raise the peak of memory that is not a file's, as far as /proc knows. */
static void
sample_memory(pid_t pid, struct stage_cost *cost)
{
    char path[64], line[256];
    unsigned long long kb, sum = 0;

    snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return;
    while (fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "RssAnon: %llu kB", &kb) == 1 ||
            sscanf(line, "RssShmem: %llu kB", &kb) == 1)
            sum += kb;
    }
    fclose(f);
    if (sum > cost->anon_kb)
        cost->anon_kb = sum;
}

static uint64_t
timeval_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

/* Until the stage closes its end; messages are smaller than PIPE_BUF. */
static void
listen_to(struct run *r, pid_t pid, int fd, struct result *result,
          struct stage_cost *cost)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    struct message msg;

    for (;;) {
        sample_memory(pid, cost);
        int ready = poll(&p, 1, SAMPLE_MS);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        ssize_t n = read(fd, &msg, sizeof(msg));
        if (n == 0)
            return;
        if (n != (ssize_t)sizeof(msg) || msg.m >= N_MEASURES)
            bench_fail(r->engine->name, "report", "broken message");
        result->v[msg.m] = msg.value;
    }
}

void
stage_run(struct run *r, void (*stage)(struct run *), struct result *result,
          struct stage_cost *cost)
{
    struct rusage usage;
    int fds[2], status;

    memset(cost, 0, sizeof(*cost));
    if (pipe(fds) != 0)
        bench_fail("bench", "pipe", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        bench_fail("bench", "fork", strerror(errno));
    if (pid == 0) {
        close(fds[0]);
        r->out = fds[1];
        stage(r);
        exit(0);
    }
    close(fds[1]);
    listen_to(r, pid, fds[0], result, cost);
    close(fds[0]);
    if (wait4(pid, &status, 0, &usage) != pid)
        bench_fail(r->engine->name, "wait", strerror(errno));
    if (status != 0) {
        if (r->o->keep == NULL)
            dir_remove(r->dir);
        bench_fail(r->engine->name, "run", "failed");
    }
    cost->peak_kb = (uint64_t)usage.ru_maxrss;
    cost->cpu_ns = timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
}
