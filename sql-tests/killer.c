/*
 * kill -9 while transactions are committed.  A child commits one transaction
 * after another and tells each start and each acknowledgement through a pipe;
 * the parent kills it at a random moment.  A fresh process then reads the
 * database: every acknowledged transaction must be there whole, at most the
 * one in flight besides, moss tables and ordinary tables alike.  The next
 * child goes on from there.  The parent never opens the database itself.
 *
 *   killer [--rounds N] [--mode wal|delete|both]
 *
 * --writer and --reader are the children's roles.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/harness.h"
#include "support/workload.h"

enum { FLAGS = WORKLOAD_DDL | WORKLOAD_BIG, REPORT_FD = 3 };

struct report {
    char kind; /* 's' started, 'a' acknowledged */
    int64_t n;
};

/* -------------------------------------------------------------- children */

static void
report(char kind, int64_t n)
{
    struct report r;

    memset(&r, 0, sizeof r);
    r.kind = kind;
    r.n = n;
    if (write(REPORT_FD, &r, sizeof r) != (ssize_t)sizeof r)
        _exit(0); /* the parent is gone */
}

static sqlite3 *
open_database(void)
{
    sqlite3 *db = db_open(option_text("--db", ""), NULL);

    db_must(db, "PRAGMA journal_mode=%s; PRAGMA synchronous=normal",
            option_text("--journal", "wal"));
    return db;
}

/* Commit until killed; a clean close, which persists, now and then. */
_Noreturn static void
be_writer(void)
{
    struct rng r = rng_of(harness_seed, (uint64_t)getpid());
    sqlite3 *db = open_database();
    int64_t n = workload_newest(db);

    if (n < 0) {
        if (workload_setup(db, FLAGS) != SQLITE_OK)
            fail("setup: %s", sqlite3_errmsg(db));
        n = 0;
    }
    for (;;) {
        for (unsigned left = 1 + rng_below(&r, 20); left > 0; left--) {
            int rc = workload_begin(db, harness_seed, ++n, FLAGS);
            if (rc == SQLITE_OK) {
                report('s', n);
                rc = db_run(db, "COMMIT");
            }
            if (rc != SQLITE_OK)
                fail("transaction %lld gave %d: %s", (long long)n, rc,
                     sqlite3_errmsg(db));
            report('a', n);
        }
        db_close(db);
        db = open_database();
    }
}

/* Report a text and free it. */
static void
put(char *owned)
{
    const char *text = owned;
    size_t n = strlen(text) + 1;

    while (n > 0) {
        ssize_t k = write(REPORT_FD, text, n);
        if (k < 0)
            fail("write: %s", strerror(errno));
        text += k;
        n -= (size_t)k;
    }
    free(owned);
}

/* Print the newest transaction and both dumps, each ended by NUL. */
static void
be_reader(void)
{
    sqlite3 *db = open_database();
    int64_t n = workload_newest(db);
    char *damage = db_text(db, "PRAGMA integrity_check");

    if (strcmp(damage, "'ok'\n") != 0)
        fail("integrity_check says %s", damage);
    free(damage);
    char *newest = NULL;
    text_append(&newest, "%lld", (long long)n);
    put(newest);
    if (n >= 0) {
        if (db_int(db, "SELECT count(*) FROM txn") != n)
            fail("transactions are missing before %lld", (long long)n);
        put(workload_dump(db, 'o'));
        put(workload_dump(db, 'm'));
    }
    db_close(db);
}

/* --------------------------------------------------------------- parent */

/* Start this program again in a role; *fd reads what it reports. */
static pid_t
start(const char *role, const char *journal, int *fd)
{
    int ends[2];
    char seed[32];
    const char *path = path_of("%s/%s.db", scratch_dir(), journal);

    snprintf(seed, sizeof seed, "%llu", (unsigned long long)harness_seed);
    if (pipe(ends) != 0)
        fail("pipe: %s", strerror(errno));
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        fail("fork: %s", strerror(errno));
    if (pid == 0) {
        if (dup2(ends[1], REPORT_FD) < 0)
            _exit(126);
        if (ends[0] != REPORT_FD)
            close(ends[0]);
        if (ends[1] != REPORT_FD)
            close(ends[1]);
        if (freopen("/dev/null", "w", stdout) == NULL)
            _exit(126);
        execl("/proc/self/exe", "killer", role, "--db", path, "--journal",
              journal, "--seed", seed, "--tables",
              harness_plain ? "plain" : "moss", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *fd = ends[0];
    return pid;
}

/* The next report, waiting at most wait_us (-1: no limit). */
static bool
next_report(int fd, long wait_us, struct report *out)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    struct timespec ts = { wait_us / 1000000, wait_us % 1000000 * 1000 };
    char *at = (char *)out;
    size_t got = 0;

    if (ppoll(&p, 1, wait_us < 0 ? NULL : &ts, NULL) <= 0)
        return false;
    while (got < sizeof *out) {
        ssize_t n = read(fd, at + got, sizeof *out - got);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

struct outcome {
    int64_t started, acked;
};

static void
note(struct outcome *o, const struct report *r)
{
    if (r->kind == 's')
        o->started = r->n;
    else
        o->acked = r->n;
}

/* One child from its start to its death. */
static void
kill_one(const char *journal, struct rng *r, struct outcome *o)
{
    struct report rep;
    int fd, status;
    pid_t pid = start("--writer", journal, &fd);
    unsigned acks = rng_below(r, 4) == 0 ? 0 : rng_below(r, 40);
    long pause_us = (long)rng_below(r, rng_below(r, 2) ? 3000 : 30000);

    for (unsigned seen = 0; seen < acks;) {
        if (!next_report(fd, -1, &rep))
            break;
        note(o, &rep);
        seen += rep.kind == 'a';
    }
    /* A moment anywhere between two reports, or while opening. */
    for (uint64_t end = now_ms() + (uint64_t)pause_us / 1000;;) {
        if (next_report(fd, pause_us % 1000 + 1, &rep))
            note(o, &rep);
        if (now_ms() >= end)
            break;
    }
    kill(pid, SIGKILL);
    while (next_report(fd, -1, &rep))
        note(o, &rep);
    close(fd);
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid: %s", strerror(errno));
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail("the writer ended by itself: status %d", status);
}

static char *
read_all(int fd, size_t *n)
{
    char *text = NULL;
    size_t cap = 0;

    for (*n = 0;;) {
        if (*n == cap) {
            cap = cap ? cap * 2 : 65536;
            text = realloc(text, cap);
            if (text == NULL)
                fail("out of memory");
        }
        ssize_t k = read(fd, text + *n, cap - *n);
        if (k < 0)
            fail("read: %s", strerror(errno));
        if (k == 0)
            return text;
        *n += (size_t)k;
    }
}

/* What a fresh process finds; the newest transaction there. */
static int64_t
check(const char *journal, struct workload_model *model,
      const struct outcome *o, const char *what)
{
    int fd, status;
    size_t n;
    pid_t pid = start("--reader", journal, &fd);
    char *text = read_all(fd, &n);

    close(fd);
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid: %s", strerror(errno));
    if (status != 0 || n == 0 || text[n - 1] != '\0')
        fail("%s: the reader failed, status %d", what, status);
    int64_t newest = strtoll(text, NULL, 10);
    if (newest < o->acked && !(newest == -1 && o->acked == 0))
        fail("%s: acknowledged %lld, found %lld", what, (long long)o->acked,
             (long long)newest);
    if (newest > o->started)
        fail("%s: started %lld, found %lld", what, (long long)o->started,
             (long long)newest);
    if (newest >= 0) {
        const char *ordinary = text + strlen(text) + 1;
        const char *moss = ordinary + strlen(ordinary) + 1;
        workload_compare(model, newest, ordinary, moss, what);
    }
    free(text);
    return newest < 0 ? 0 : newest;
}

static void
run_mode(const char *journal, long rounds)
{
    struct workload_model model;
    struct rng r = rng_of(harness_seed, (uint64_t)journal[0]);
    int64_t newest = 0;
    long lucky = 0;

    workload_model_init(&model, harness_seed, FLAGS);
    model.window = 4;
    for (long i = 0; i < rounds; i++) {
        struct outcome o = { newest, newest };
        char what[128];
        kill_one(journal, &r, &o);
        snprintf(what, sizeof what, "%s, round %ld", journal, i);
        newest = check(journal, &model, &o, what);
        lucky += newest > o.acked;
    }
    printf("%-6s %ld kills, %lld transactions, %ld in flight kept,"
           " no violation\n",
           journal, rounds, (long long)newest, lucky);
    workload_model_release(&model);
}

int
main(int argc, char **argv)
{
    harness_start(argc, argv,
                  "--rounds --mode --writer --reader --db --journal");
    if (option_given("--writer"))
        be_writer();
    if (option_given("--reader")) {
        be_reader();
        return 0;
    }
    const char *mode = option_text("--mode", "both");
    long rounds = option_number("--rounds", 10);
    if (strcmp(mode, "both") == 0) {
        run_mode("wal", rounds - rounds / 2);
        run_mode("delete", rounds / 2);
    } else {
        run_mode(mode, rounds);
    }
    return 0;
}
