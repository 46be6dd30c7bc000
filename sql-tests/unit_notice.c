/*
 * What SQLite's error log is told of a store's background work, callback by
 * callback: what fails and when that is over, once each, and for each kind of
 * work by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"
#include "txn.h"

static char *logged; /* what moss has said since it was looked at */

static void
note_log(void *arg, int code, const char *text)
{
    (void)arg;
    if (strncmp(text, "moss: ", 6) == 0)
        text_append(&logged, "%d %s\n", code, text);
}

static void
expect(const char *want, const char *after)
{
    const char *got = logged == NULL ? "" : logged;

    if (strcmp(got, want) != 0)
        fail("%s, the log has\n%sinstead of\n%s", after, got, want);
    free(logged);
    logged = NULL;
}

static struct shared_store ss = { .dir = "DIR" };

static void
fails(enum moss_work work, enum moss_status st)
{
    const struct moss_error err = { .status = st, .work = work, .what = "x" };

    notice_error(&ss, &err);
}

static void
happens(enum moss_event event)
{
    notice_event(&ss, event, 1);
}

/* Each is tried again: it is told of once, until it is another or over. */
static void
test_retries(void)
{
    for (int i = 0; i < 3; i++)
        fails(MOSS_WORK_PERSIST, MOSS_NOMEM);
    expect("7 moss: trying again to write to the store DIR: MOSS_NOMEM (x)\n",
           "when writing has failed");
    fails(MOSS_WORK_PERSIST, MOSS_FULL);
    expect("13 moss: trying again to write to the store DIR: MOSS_FULL (x)\n",
           "when it failed for another reason");
    happens(MOSS_EVENT_PERSISTED);
    happens(MOSS_EVENT_PERSISTED);
    expect("27 moss: writing to the store DIR works again\n",
           "when it worked twice");
}

/* Merger and persister fail and work side by side. */
static void
test_merger_beside_persister(void)
{
    for (int i = 0; i < 3; i++) {
        fails(MOSS_WORK_MERGE, MOSS_NOMEM);
        happens(MOSS_EVENT_PERSISTED);
    }
    expect("7 moss: trying again to merge what is in memory of the store DIR:"
           " MOSS_NOMEM (x)\n",
           "when merges failed and updates did not");
    for (int i = 0; i < 3; i++) {
        fails(MOSS_WORK_PERSIST, MOSS_FULL);
        fails(MOSS_WORK_MERGE, MOSS_NOMEM);
    }
    expect("13 moss: trying again to write to the store DIR: MOSS_FULL (x)\n",
           "when both failed");
    happens(MOSS_EVENT_MERGED);
    expect("27 moss: merging what is in memory of the store DIR works again\n",
           "when merging worked");
    happens(MOSS_EVENT_MERGED);
    expect("", "when merging worked once more");
    happens(MOSS_EVENT_PERSISTED);
    expect("27 moss: writing to the store DIR works again\n",
           "when writing worked");
}

/* Work goes on without it: the success right after it does not end it. */
static void
test_left_aside(enum moss_work work, enum moss_event event, const char *want)
{
    for (int i = 0; i < 3; i++) {
        fails(work, MOSS_NOMEM);
        happens(event);
    }
    expect(want, "when work went on without it");
    happens(event);
    fails(work, MOSS_NOMEM);
    expect(want, "when it came again after a success");
    happens(event);
    happens(event);
    expect("", "when it was over");
}

int
main(int argc, char **argv)
{
    if (sqlite3_config(SQLITE_CONFIG_LOG, note_log, NULL) != SQLITE_OK)
        fail("sqlite3_config");
    harness_start(argc, argv, "");
    test_retries();
    test_merger_beside_persister();
    test_left_aside(MOSS_WORK_OPERANDS, MOSS_EVENT_MERGED,
                    "7 moss: left merge operands as they are in the store DIR:"
                    " MOSS_NOMEM (x)\n");
    test_left_aside(MOSS_WORK_TIDY, MOSS_EVENT_PERSISTED,
                    "7 moss: left aside a damaged file or a compaction of the"
                    " store DIR: MOSS_NOMEM (x)\n");
    test_left_aside(MOSS_WORK_NONE, MOSS_EVENT_PERSISTED,
                    "7 moss: left aside a damaged file or a compaction of the"
                    " store DIR: MOSS_NOMEM (x)\n");
    printf("background failures are told once, each kind by itself\n");
    return 0;
}
