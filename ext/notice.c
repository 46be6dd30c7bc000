/*
 * What happens to a store behind its users' backs, in SQLite's error log.
 *
 * The persister tries again by itself what has failed, and nobody meets the
 * failure before a flush, a full ring or a close.  So the log is told when it
 * begins, or becomes another one, and when it is over; not each attempt.  The
 * same with updates that are written, but without the compaction that is due.
 *
 * On the collection's background threads, or where a store is opened.  Nothing
 * but sqlite3_log() may be called there that a connection's thread could be
 * waiting in: no SQL, no lock.
 */
#include "txn.h"

#include <string.h>

static void
log_error(const struct shared_store *ss, const struct moss_error *err,
          const char *doing)
{
    bool has_reason = err->sys_errno != 0;

    sqlite3_log(error_code(err->status), "moss: %s %s: %s (%s)%s%s%s%s", doing,
                shared_store_name(ss), moss_status_name(err->status),
                err->what == NULL ? "" : err->what,
                err->path[0] == '\0' ? "" : ", ", err->path,
                has_reason ? ": " : "",
                has_reason ? strerror(err->sys_errno) : "");
}

void
notice_error(void *ctx, const struct moss_error *err)
{
    struct shared_store *ss = ctx;
    int before = atomic_exchange(&ss->noticed, (int)err->status);

    if (before != (int)err->status)
        log_error(ss, err, "trying again to write to the store");
}

void
notice_event(void *ctx, enum moss_event event, uint64_t ns)
{
    struct shared_store *ss = ctx;

    (void)ns;
    if (event != (ss->memory ? MOSS_EVENT_MERGED : MOSS_EVENT_PERSISTED))
        return;
    if (!atomic_exchange(&ss->is_hindered, false))
        atomic_store(&ss->hindrance, MOSS_OK);
    if (atomic_exchange(&ss->noticed, MOSS_OK) != MOSS_OK)
        sqlite3_log(SQLITE_NOTICE, "moss: writing to the store %s works again",
                    shared_store_name(ss));
}

void
notice_store(void *ctx, const struct moss_error *err)
{
    struct shared_store *ss = ctx;
    int before = atomic_exchange(&ss->hindrance, (int)err->status);

    atomic_store(&ss->is_hindered, true);
    if (before != (int)err->status)
        log_error(ss, err,
                  "left aside a damaged file or a compaction of the store");
}
