/*
 * compact: merges segments, and leaves behind what nobody needs.  Ctrl-C ends
 * it at the next write; the store is as before then.
 */
#include <inttypes.h>
#include <signal.h>

#include "args.h"
#include "view.h"

static const struct option options[] = {
    OPT_FLAG("leveled", leveled,
             "merge small segments in the same file; history stays"),
    OPT_FLAG("keep-files", keep_files,
             "keep the data files before the newest one"),
    OPT_TEXT("merge", merge, "NAME", "the merge operator of operands"),
    { 0 },
};

static const char more[] =
    "A full compaction writes all content into a new data file, one segment\n"
    "for each collection, and removes the old file with its history.  With\n"
    "--leveled segments are merged at the end of the file.  Without the\n"
    "operator of merge operands these stay as they are.  Ctrl-C ends either\n"
    "and leaves the store as it was.";

static volatile sig_atomic_t interrupted;

static void
on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* Also where whoever started the program has them blocked. */
static void
catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static bool
show(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    progress_show(done, total);
    return interrupted == 0;
}

static void
report(const struct args *a, const struct moss_store_stats *before,
       const struct moss_store_stats *after)
{
    const char *format =
        a->json ? "{\"bytes_before\": %" PRIu64 ", \"bytes\": %" PRIu64
                  ", \"segments_before\": %" PRIu64 ", \"segments\": %" PRIu64
                  "}\n"
                : "%" PRIu64 " bytes before, %" PRIu64 " now; %" PRIu64
                  " segments before, %" PRIu64 " now\n";

    (void)printf(format, before->file_bytes, after->file_bytes,
                 before->segments, after->segments);
}

static enum scope_exit
run(const struct args *a)
{
    struct moss_store_options o = { .no_create = true,
                                    .keep_files = a->keep_files };
    struct moss_compact_options how = { .kind = a->leveled
                                                    ? MOSS_COMPACT_LEVELED
                                                    : MOSS_COMPACT_FULL,
                                        .progress = show };
    struct moss_store_stats before, after;
    struct moss_store *store = NULL;
    struct moss_error err;
    enum scope_exit x = operator_named(a, &o.merge);
    enum moss_status st;

    if (x != SCOPE_OK)
        return x;
    if (o.merge == NULL)
        o.merge = &operator_refuse;
    st = moss_store_open(a->dir, &o, &store, &err);
    if (st < 0)
        return scope_failed("cannot open the store", st, &err);
    catch_signals();
    progress_init(a, "compact", "bytes");
    moss_store_stats(store, &before);
    st = moss_store_compact(store, &how, &err);
    moss_store_stats(store, &after);
    progress_end();
    if (st == MOSS_ABORTED)
        x = scope_complain("interrupted; the store is as it was");
    else if (st < 0)
        x = scope_failed("cannot compact", st, &err);
    else
        report(a, &before, &after);
    moss_store_close(store);
    return x;
}

const struct command compact_command = {
    .name = "compact",
    .usage = "[OPTIONS] DIR",
    .what = "compact a store, in full or by levels",
    .more = more,
    .options = options,
    .max_words = 1,
    .run = run,
};
