/*
 * One thread makes work, the pump does it: while the first makes the next
 * piece, the other is busy with the last.  Jobs wait in a list, oldest first;
 * how many there may be is decided by whoever lends them.
 *
 * mu is a leaf and guards the list and the jobs' flags; a job runs without it.
 */
#include "base/pump.h"

#include <assert.h>

#include "base/mem.h"
#include "base/sync.h"

struct pump {
    struct thread thread;
    struct mutex mu;
    struct condvar changed; /* both wait: the pump for jobs, the other for it */
    struct pump_job *first GUARDED_BY(mu), *last GUARDED_BY(mu);
    bool stop GUARDED_BY(mu);
};

static void
pump_run(void *arg)
{
    struct pump *p = arg;

    mutex_lock(&p->mu);
    while (p->first != NULL || !p->stop) {
        struct pump_job *job = p->first;

        if (job == NULL) {
            condvar_wait(&p->changed, &p->mu);
            continue;
        }
        p->first = job->next;
        mutex_unlock(&p->mu);
        job->run(job);
        mutex_lock(&p->mu);
        job->is_pending = false;
        condvar_broadcast(&p->changed);
    }
    mutex_unlock(&p->mu);
}

enum moss_status
pump_new(struct pump **out)
{
    struct pump *p = mem_zalloc(1, sizeof(*p));
    enum moss_status st;

    *out = NULL;
    if (p == NULL)
        return MOSS_NOMEM;
    st = mutex_init(&p->mu);
    if (st < 0)
        goto no_mutex;
    st = condvar_init(&p->changed);
    if (st < 0)
        goto no_condvar;
    st = thread_start(&p->thread, "moss-pump", pump_run, p);
    if (st < 0)
        goto no_thread;
    *out = p;
    return MOSS_OK;

no_thread:
    condvar_destroy(&p->changed);
no_condvar:
    mutex_destroy(&p->mu);
no_mutex:
    mem_free(p);
    return MOSS_NOMEM;
}

void
pump_submit(struct pump *p, struct pump_job *job)
{
    mutex_lock(&p->mu);
    assert(!job->is_pending);
    job->is_pending = true;
    job->next = NULL;
    if (p->first == NULL)
        p->first = job;
    else
        p->last->next = job;
    p->last = job;
    condvar_broadcast(&p->changed);
    mutex_unlock(&p->mu);
}

void
pump_wait(struct pump *p, struct pump_job *job)
{
    mutex_lock(&p->mu);
    while (job->is_pending)
        condvar_wait(&p->changed, &p->mu);
    mutex_unlock(&p->mu);
}

void
pump_free(struct pump *p)
{
    if (p == NULL)
        return;
    mutex_lock(&p->mu);
    p->stop = true;
    condvar_broadcast(&p->changed);
    mutex_unlock(&p->mu);
    thread_join(&p->thread);
    condvar_destroy(&p->changed);
    mutex_destroy(&p->mu);
    mem_free(p);
}
