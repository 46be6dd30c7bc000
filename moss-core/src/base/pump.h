/* Runs jobs on a thread of its own, one after the other. */
#ifndef MOSS_BASE_PUMP_H
#define MOSS_BASE_PUMP_H

#include <stdbool.h>

#include "moss.h"

struct pump;

/* Part of what it is to work on.  Zero before its first use. */
struct pump_job {
    void (*run)(struct pump_job *job);
    struct pump_job *next; /* the pump's */
    bool is_pending;       /* the pump's: submitted and not done yet */
};

/* MOSS_NOMEM also if the system has no thread for it. */
MOSS_MUST_CHECK enum moss_status pump_new(struct pump **out);

/* Have job->run called.  job, not pending so far, is lent until it is done. */
void pump_submit(struct pump *p, struct pump_job *job);

/*
 * Return when job is not pending; what it did is seen by the caller then.
 * One thread submits and waits.
 */
void pump_wait(struct pump *p, struct pump_job *job);

/* Ends the thread when all jobs are done; NULL is fine. */
void pump_free(struct pump *p);

#endif
