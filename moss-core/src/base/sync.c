/*
 * Threads, mutexes and condition variables over pthreads.
 *
 * A mutex knows its holder by the address of a thread-local byte, so that
 * mutex_assert_held() costs one load.  Condition variables wait on the
 * monotonic clock: a clock set by hand moves no deadline.
 *
 * fork() is watched from the first use of anything that has to know: the child
 * counts itself (sync_process) and finds the process-wide locks free.
 */
#include "base/sync.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <time.h>

#include "base/mem.h"

static _Thread_local char thread_mark;

uintptr_t
thread_self_mark(void)
{
    return (uintptr_t)&thread_mark;
}

static enum moss_status
status_of(int error)
{
    if (error == 0)
        return MOSS_OK;
    errno = error;
    return error == ENOMEM || error == EAGAIN ? MOSS_NOMEM : MOSS_IO;
}

/* A pthread call on our own valid objects fails only by a bug of ours. */
static void
must_work(int error)
{
    assert(error == 0);
    (void)error;
}

/* ---------------------------------------------------------------- mutexes */

enum moss_status
mutex_init(struct mutex *m)
{
    atomic_init(&m->owner, 0);
    return status_of(pthread_mutex_init(&m->m, NULL));
}

void
mutex_destroy(struct mutex *m)
{
    must_work(pthread_mutex_destroy(&m->m));
}

/* The owner is only ever compared with the reader's own mark: relaxed. */
static void
set_owner(struct mutex *m, uintptr_t owner)
{
    atomic_store_explicit(&m->owner, owner, memory_order_relaxed);
}

void
mutex_lock(struct mutex *m) NO_THREAD_SAFETY_ANALYSIS
{
    must_work(pthread_mutex_lock(&m->m));
    set_owner(m, thread_self_mark());
}

void
mutex_unlock(struct mutex *m) NO_THREAD_SAFETY_ANALYSIS
{
    mutex_assert_held(m);
    set_owner(m, 0);
    must_work(pthread_mutex_unlock(&m->m));
}

void
mutex_assert_held(struct mutex *m) NO_THREAD_SAFETY_ANALYSIS
{
    assert(atomic_load_explicit(&m->owner, memory_order_relaxed) ==
           thread_self_mark());
    (void)m;
}

/* --------------------------------------------------- condition variables */

enum moss_status
condvar_init(struct condvar *c)
{
    pthread_condattr_t attr;
    int error = pthread_condattr_init(&attr);

    if (error != 0)
        return status_of(error);
    error = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (error == 0)
        error = pthread_cond_init(&c->c, &attr);
    must_work(pthread_condattr_destroy(&attr));
    return status_of(error);
}

void
condvar_destroy(struct condvar *c)
{
    must_work(pthread_cond_destroy(&c->c));
}

void
condvar_wait(struct condvar *c, struct mutex *m)
{
    mutex_assert_held(m);
    set_owner(m, 0);
    must_work(pthread_cond_wait(&c->c, &m->m));
    set_owner(m, thread_self_mark());
}

bool
condvar_wait_until(struct condvar *c, struct mutex *m, uint64_t deadline_ns)
{
    struct timespec at;
    int error;

    if (deadline_ns == MOSS_FOREVER) {
        condvar_wait(c, m);
        return true;
    }
    at.tv_sec = (time_t)(deadline_ns / 1000000000U);
    at.tv_nsec = (long)(deadline_ns % 1000000000U);
    mutex_assert_held(m);
    set_owner(m, 0);
    error = pthread_cond_timedwait(&c->c, &m->m, &at);
    set_owner(m, thread_self_mark());
    if (error == ETIMEDOUT)
        return false;
    must_work(error);
    return true;
}

void
condvar_signal(struct condvar *c)
{
    must_work(pthread_cond_signal(&c->c));
}

void
condvar_broadcast(struct condvar *c)
{
    must_work(pthread_cond_broadcast(&c->c));
}

/* ------------------------------------------------------------------- time */

uint64_t
sync_now_ns(void)
{
    struct timespec now;

    must_work(clock_gettime(CLOCK_MONOTONIC, &now));
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t
sync_deadline_ns(uint64_t timeout_ms)
{
    uint64_t ns, deadline;

    if (__builtin_mul_overflow(timeout_ms, 1000000U, &ns) ||
        __builtin_add_overflow(sync_now_ns(), ns, &deadline))
        return MOSS_FOREVER;
    return deadline;
}

void
once_run(struct once *once, void (*run)(void))
{
    must_work(pthread_once(&once->o, run));
}

/* ------------------------------------------------------------------- fork */

enum { FORK_LOCKS = 8 };

static struct once fork_once = ONCE_INITIALIZER;
static bool fork_is_watched; /* constant after fork_once */
static _Atomic(uint64_t) process = 1;

static struct mutex fork_mu = MUTEX_INITIALIZER; /* guards the two below */
static struct mutex *fork_locks[FORK_LOCKS];
static size_t n_fork_locks;

static void
before_fork(void) NO_THREAD_SAFETY_ANALYSIS
{
    mutex_lock(&fork_mu);
    for (size_t i = 0; i < n_fork_locks; i++)
        mutex_lock(fork_locks[i]);
}

static void
after_fork(void) NO_THREAD_SAFETY_ANALYSIS
{
    for (size_t i = n_fork_locks; i > 0; i--)
        mutex_unlock(fork_locks[i - 1]);
    mutex_unlock(&fork_mu);
}

static void
after_fork_in_child(void)
{
    atomic_fetch_add_explicit(&process, 1, memory_order_relaxed);
    after_fork();
}

static void
watch_fork(void)
{
    fork_is_watched =
        pthread_atfork(before_fork, after_fork, after_fork_in_child) == 0;
}

uint64_t
sync_process(void)
{
    once_run(&fork_once, watch_fork);
    return atomic_load_explicit(&process, memory_order_relaxed);
}

bool
sync_hold_over_fork(struct mutex *m)
{
    bool has_room;

    once_run(&fork_once, watch_fork);
    mutex_lock(&fork_mu);
    has_room = fork_is_watched && n_fork_locks < FORK_LOCKS;
    if (has_room)
        fork_locks[n_fork_locks++] = m;
    mutex_unlock(&fork_mu);
    return has_room;
}

/* ---------------------------------------------------------------- threads */

struct start {
    void (*run)(void *arg);
    void *arg;
    char name[16];
};

static void *
thread_main(void *arg)
{
    struct start start = *(struct start *)arg;

    mem_free(arg);
    /* A thread without its name works as well. */
    (void)pthread_setname_np(pthread_self(), start.name);
    start.run(start.arg);
    return NULL;
}

enum moss_status
thread_start(struct thread *t, const char *name, void (*run)(void *arg),
             void *arg)
{
    struct start *start = NULL;
    sigset_t all, before;
    int error;

    /* Where fork() goes unseen, a child would wait for threads it lacks. */
    once_run(&fork_once, watch_fork);
    if (!fork_is_watched)
        return MOSS_NOMEM;
    start = mem_zalloc(1, sizeof(*start));
    if (start == NULL)
        return MOSS_NOMEM;
    start->run = run;
    start->arg = arg;
    strncpy(start->name, name, sizeof(start->name) - 1);

    /* Signals are the host's: a thread inherits its creator's mask. */
    sigfillset(&all);
    must_work(pthread_sigmask(SIG_SETMASK, &all, &before));
    error = pthread_create(&t->t, NULL, thread_main, start);
    must_work(pthread_sigmask(SIG_SETMASK, &before, NULL));
    if (error != 0)
        mem_free(start);
    return status_of(error);
}

void
thread_join(struct thread *t)
{
    must_work(pthread_join(t->t, NULL));
}

bool
thread_is_self(const struct thread *t)
{
    return pthread_equal(t->t, pthread_self()) != 0;
}

unsigned
sync_processors(void)
{
    cpu_set_t set;

    if (pthread_getaffinity_np(pthread_self(), sizeof(set), &set) != 0)
        return UINT_MAX; /* there are more than a set holds */
    return (unsigned)CPU_COUNT(&set);
}
