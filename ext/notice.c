/*
 * What happens to a store behind its users' backs, in SQLite's error log.
 *
 * Persister and merger try again by themselves what has failed, and nobody
 * meets the failure before a flush, a full ring or a close.  So the log is told
 * when it begins, or becomes another one, and when it is over; not each
 * attempt.  The two do not know of each other: one may work while the other
 * fails.
 *
 * What the store goes on without is told once, too: until something was done
 * without it, which comes after it in the same piece of work.
 *
 * On the collection's background threads, or where a store is opened.  Nothing
 * but sqlite3_log() may be called there that a connection's thread could be
 * waiting in: no SQL, no lock.
 */
#include "txn.h"

#include <string.h>

static const struct {
    const char *doing;
    const char *over; /* NULL: that it has gone well since is no news */
} texts[NOTICE_N] = {
    [NOTICE_PERSIST] = { "trying again to write to the store",
                         "writing to the store" },
    [NOTICE_MERGE] = { "trying again to merge what is in memory of the store",
                       "merging what is in memory of the store" },
    [NOTICE_OPERANDS] = { "left merge operands as they are in the store",
                          NULL },
    [NOTICE_HINDRANCE] = { "left aside a damaged file or a compaction of the"
                           " store",
                           NULL },
};

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

static void
begin(struct shared_store *ss, enum notice which, const struct moss_error *err)
{
    struct noticed *n = &ss->noticed[which];
    int before = atomic_exchange(&n->status, (int)err->status);

    atomic_store(&n->is_new, true);
    if (before != (int)err->status)
        log_error(ss, err, texts[which].doing);
}

/* What is tried again is over with the first success. */
static void
end_retries(struct shared_store *ss, enum notice which)
{
    if (atomic_exchange(&ss->noticed[which].status, MOSS_OK) != MOSS_OK)
        sqlite3_log(SQLITE_NOTICE, "moss: %s %s works again", texts[which].over,
                    shared_store_name(ss));
}

/* What was left aside comes before the success of the work that went on. */
static void
end_unless_new(struct shared_store *ss, enum notice which)
{
    struct noticed *n = &ss->noticed[which];

    if (!atomic_exchange(&n->is_new, false))
        atomic_store(&n->status, MOSS_OK);
}

void
notice_error(void *ctx, const struct moss_error *err)
{
    switch (err->work) {
    case MOSS_WORK_PERSIST:
        begin(ctx, NOTICE_PERSIST, err);
        break;
    case MOSS_WORK_MERGE:
        begin(ctx, NOTICE_MERGE, err);
        break;
    case MOSS_WORK_OPERANDS:
        begin(ctx, NOTICE_OPERANDS, err);
        break;
    case MOSS_WORK_TIDY:
    case MOSS_WORK_NONE: /* of the store itself */
        begin(ctx, NOTICE_HINDRANCE, err);
        break;
    }
}

void
notice_event(void *ctx, enum moss_event event, uint64_t ns)
{
    (void)ns;
    if (event == MOSS_EVENT_PERSISTED) {
        end_unless_new(ctx, NOTICE_HINDRANCE);
        end_retries(ctx, NOTICE_PERSIST);
    } else if (event == MOSS_EVENT_MERGED) {
        end_unless_new(ctx, NOTICE_OPERANDS);
        end_retries(ctx, NOTICE_MERGE);
    }
}
