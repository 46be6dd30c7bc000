/*
 * Background failures: kept, reported (report.c), retried with a growing
 * pause.  A pause doubles from failure to failure, so that neither a full disk
 * nor a bug in a lower level makes a thread spin.
 */
#include "collection/collection.h"

#include "base/error.h"

#define FIRST_PAUSE_MS 10
#define LONGEST_PAUSE_MS 5000

void
trouble_clear(struct trouble *t)
{
    error_clear(&t->error);
    t->pause_ms = 0;
    t->retry_ns = 0;
}

void
trouble_note(struct trouble *t, const struct moss_error *err)
{
    t->error = *err;
    t->failures++;
    t->pause_ms = t->pause_ms == 0 ? FIRST_PAUSE_MS : t->pause_ms * 2;
    if (t->pause_ms > LONGEST_PAUSE_MS)
        t->pause_ms = LONGEST_PAUSE_MS;
    t->retry_ns = sync_deadline_ns(t->pause_ms);
}
