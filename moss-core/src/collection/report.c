/*
 * What a collection tells its owner while it works: failures, events, and
 * messages.  Called without a lock, so that the callbacks may read.
 */
#include <stdarg.h>
#include <stdio.h>

#include "collection/collection.h"

void
trouble_report(struct moss_collection *c, const struct moss_error *err)
{
    mutex_lock(&c->mu);
    c->counters.errors++;
    mutex_unlock(&c->mu);
    collection_log(c, MOSS_LOG_ERRORS, "%s: %s%s%s (errno %d)",
                   err->what == NULL ? "failure" : err->what,
                   moss_status_name(err->status),
                   err->path[0] == '\0' ? "" : " at ", err->path,
                   err->sys_errno);
    if (c->opts.on_error != NULL)
        c->opts.on_error(c->opts.ctx, err);
}

void
collection_event(struct moss_collection *c, enum moss_event event, uint64_t ns)
{
    if (c->opts.on_event != NULL)
        c->opts.on_event(c->opts.ctx, event, ns);
}

void
collection_log(struct moss_collection *c, enum moss_log_level level,
               const char *format, ...)
{
    char text[700];
    va_list args;

    if (c->opts.log == NULL || level > c->opts.log_level)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* cut if longer */
    va_end(args);
    c->opts.log(c->opts.ctx, level, text);
}

double
in_mib(uint64_t bytes)
{
    return (double)bytes / 1048576;
}
