/*
 * One thread that frees what others hand over, in the order it came.
 *
 * The queue is a list through the things themselves, so handing over needs no
 * memory.  The thread starts with the first thing and lives until the process
 * exits, when it is joined after its queue is empty; from then on, and
 * wherever there is no thread, things are freed by the caller.  A child of
 * fork() has no thread: it frees what the queue held when it was made.
 *
 * Lock order: mu is a leaf; run() is called without it.
 */
#include "base/reaper.h"

#include <stdlib.h>

#include "base/sync.h"

enum reaper_state {
    REAPER_NEW,      /* no thread yet */
    REAPER_RUNNING,  /* the thread takes from the queue */
    REAPER_STOPPING, /* it ends when the queue is empty */
    REAPER_NONE      /* there is no thread, nor will there be */
};

static struct {
    struct once once;
    struct condvar work; /* the thread waits; whoever defers wakes */
    struct condvar done; /* reaper_drain() waits; the thread wakes */

    struct mutex mu; /* guards what follows */
    enum reaper_state state;
    struct thread thread;   /* while RUNNING or STOPPING */
    uint64_t process;       /* the one that has the thread */
    struct reap *head;      /* to be run, oldest first */
    struct reap **tail;     /* where the next one is linked */
    uint64_t deferred, ran; /* counts, to wait for */
    uint64_t own;           /* deferred when the thread itself did so last */
} reaper = {
    .once = ONCE_INITIALIZER,
    .mu = MUTEX_INITIALIZER,
    .state = REAPER_NEW,
    .tail = &reaper.head,
};

static void
run_list(struct reap *list)
{
    while (list != NULL) {
        struct reap *r = list;

        list = r->next; /* before run() frees r */
        r->run(r);
    }
}

static struct reap *
take_queue_locked(void) REQUIRES(reaper.mu)
{
    struct reap *list = reaper.head;

    mutex_assert_held(&reaper.mu);
    reaper.head = NULL;
    reaper.tail = &reaper.head;
    return list;
}

static void
reaper_run(void *arg)
{
    (void)arg;
    mutex_lock(&reaper.mu);
    for (;;) {
        uint64_t upto;
        struct reap *list;

        while (reaper.head == NULL && reaper.state == REAPER_RUNNING)
            condvar_wait(&reaper.work, &reaper.mu);
        if (reaper.head == NULL)
            break;
        upto = reaper.deferred;
        list = take_queue_locked();
        mutex_unlock(&reaper.mu);
        run_list(list);
        mutex_lock(&reaper.mu);
        reaper.ran = upto;
        condvar_broadcast(&reaper.done);
    }
    mutex_unlock(&reaper.mu);
}

/* At exit: end the thread.  Not in a child, which has none to end. */
static void
reaper_stop(void)
{
    uint64_t process = sync_process();
    bool has_thread;

    mutex_lock(&reaper.mu);
    has_thread = reaper.state == REAPER_RUNNING && reaper.process == process &&
                 !thread_is_self(&reaper.thread);
    if (has_thread) {
        reaper.state = REAPER_STOPPING;
        condvar_signal(&reaper.work);
    }
    mutex_unlock(&reaper.mu);
    if (!has_thread)
        return;
    thread_join(&reaper.thread);
    mutex_lock(&reaper.mu);
    reaper.state = REAPER_NONE;
    mutex_unlock(&reaper.mu);
}

/* Without any of these there is no thread, and everything is run inline. */
static void
reaper_start(void)
{
    enum reaper_state state = REAPER_NONE;

    if (condvar_init(&reaper.work) == MOSS_OK &&
        condvar_init(&reaper.done) == MOSS_OK &&
        sync_hold_over_fork(&reaper.mu) && atexit(reaper_stop) == 0)
        state = REAPER_RUNNING;
    mutex_lock(&reaper.mu);
    reaper.process = sync_process();
    reaper.state = state;
    /*
     * The thread begins by taking mu, and so finds everything set.  With mu
     * held here no other thread sees RUNNING before there is one.
     */
    if (state == REAPER_RUNNING &&
        thread_start(&reaper.thread, "moss-reaper", reaper_run, NULL) < 0)
        reaper.state = REAPER_NONE;
    mutex_unlock(&reaper.mu);
}

/* Is there a thread?  Notices that this is a child, which has none. */
static bool
has_thread_locked(void) REQUIRES(reaper.mu)
{
    mutex_assert_held(&reaper.mu);
    if (reaper.process != sync_process())
        reaper.state = REAPER_NONE;
    return reaper.state != REAPER_NONE;
}

void
reaper_defer(struct reap *r, void (*run)(struct reap *r))
{
    struct reap *left = NULL;
    bool is_queued = false;

    r->next = NULL;
    r->run = run;
    once_run(&reaper.once, reaper_start);
    mutex_lock(&reaper.mu);
    if (!has_thread_locked()) {
        left = take_queue_locked(); /* a child's: nobody else will */
    } else if (reaper.state == REAPER_RUNNING) {
        *reaper.tail = r;
        reaper.tail = &r->next;
        reaper.deferred++;
        if (thread_is_self(&reaper.thread))
            reaper.own = reaper.deferred;
        is_queued = true;
        condvar_signal(&reaper.work);
    }
    mutex_unlock(&reaper.mu);
    run_list(left);
    if (!is_queued)
        run(r);
}

void
reaper_drain(void)
{
    struct reap *left = NULL;
    uint64_t upto;

    mutex_lock(&reaper.mu);
    /* Nothing was ever deferred: start no thread to wait for it. */
    if (reaper.state == REAPER_NEW) {
        mutex_unlock(&reaper.mu);
        return;
    }
    upto = reaper.deferred;
    if (!has_thread_locked()) {
        left = take_queue_locked();
    } else if (!thread_is_self(&reaper.thread)) {
        /* What was run meanwhile may have deferred more. */
        while (reaper.ran < upto || reaper.ran < reaper.own)
            condvar_wait(&reaper.done, &reaper.mu);
    }
    mutex_unlock(&reaper.mu);
    run_list(left);
}
