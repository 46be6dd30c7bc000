/*
 * Mutexes, condition variables and threads, with clang's thread-safety
 * annotations and held-asserts.  The only file pair that knows pthreads.
 */
#ifndef MOSS_BASE_SYNC_H
#define MOSS_BASE_SYNC_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "moss.h"

#if defined(__clang__)
#define MOSS_TSA(x) __attribute__((x))
#else
#define MOSS_TSA(x)
#endif
#define CAPABILITY(name) MOSS_TSA(capability(name))
#define REQUIRES(...) MOSS_TSA(requires_capability(__VA_ARGS__))
#define ACQUIRE(...) MOSS_TSA(acquire_capability(__VA_ARGS__))
#define RELEASE(...) MOSS_TSA(release_capability(__VA_ARGS__))
#define EXCLUDES(...) MOSS_TSA(locks_excluded(__VA_ARGS__))
#define ASSERT_CAPABILITY(x) MOSS_TSA(assert_capability(x))
#define NO_THREAD_SAFETY_ANALYSIS MOSS_TSA(no_thread_safety_analysis)
/* On fields only for a clang new enough to see members in attributes. */
#if defined(MOSS_TSA_FIELDS)
#define GUARDED_BY(x) MOSS_TSA(guarded_by(x))
#else
#define GUARDED_BY(x)
#endif

struct CAPABILITY("mutex") mutex {
    pthread_mutex_t m;
    _Atomic(uintptr_t) owner; /* the holder's thread mark; 0 if free */
};

struct condvar {
    pthread_cond_t c; /* waits on the monotonic clock */
};

struct thread {
    pthread_t t;
};

/* For process-wide mutexes; mutex_destroy() is not needed then. */
#define MUTEX_INITIALIZER                                                      \
    {                                                                          \
        PTHREAD_MUTEX_INITIALIZER, 0                                           \
    }

struct once {
    pthread_once_t o;
};
#define ONCE_INITIALIZER                                                       \
    {                                                                          \
        PTHREAD_ONCE_INIT                                                      \
    }
/* Call run() unless it was called before; returns when it has returned. */
void once_run(struct once *once, void (*run)(void));

MOSS_MUST_CHECK enum moss_status mutex_init(struct mutex *m);
void mutex_destroy(struct mutex *m);
void mutex_lock(struct mutex *m) ACQUIRE(m);
void mutex_unlock(struct mutex *m) RELEASE(m);
/* Aborts in builds with assertions unless this thread holds m. */
void mutex_assert_held(struct mutex *m) ASSERT_CAPABILITY(m);

MOSS_MUST_CHECK enum moss_status condvar_init(struct condvar *c);
void condvar_destroy(struct condvar *c);
void condvar_wait(struct condvar *c, struct mutex *m) REQUIRES(m);
/*
 * Wait until woken or until the monotonic clock (sync_now_ns) reaches
 * deadline_ns; false if the time ran out.  MOSS_FOREVER never runs out.
 */
bool condvar_wait_until(struct condvar *c, struct mutex *m,
                        uint64_t deadline_ns) REQUIRES(m);
void condvar_signal(struct condvar *c);
void condvar_broadcast(struct condvar *c);

uint64_t sync_now_ns(void);
/* now + ms, saturating; MOSS_FOREVER stays. */
uint64_t sync_deadline_ns(uint64_t timeout_ms);

/* A thread that has all signals blocked.  name: at most 15 bytes. */
MOSS_MUST_CHECK enum moss_status
thread_start(struct thread *t, const char *name, void (*run)(void *arg),
             void *arg);
void thread_join(struct thread *t);
/* Is the caller t? */
bool thread_is_self(const struct thread *t);
/* Not 0, and another one in each thread that runs. */
uintptr_t thread_self_mark(void);
/* How many processors the caller may run on; UINT_MAX if it is not known. */
unsigned sync_processors(void);

/* This process, cheaply: differs from the parent's after fork(). */
uint64_t sync_process(void);
/*
 * Let fork() take m, a mutex that is never destroyed, so that the child finds
 * it free and what it guards whole.  For leaf locks: no code that holds m may
 * take another mutex registered here.  False if there is no room for it.
 */
bool sync_hold_over_fork(struct mutex *m);

#endif
