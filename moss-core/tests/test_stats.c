/* Counters, histograms, events, messages and old snapshots of collections. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/coll.h"
#include "support/fail_alloc.h"
#include "support/operators.h"

Suite *suite_stats(void);

struct wanted {
    const char *name;
    uint64_t value;
    int found;
};

static void
look(void *arg, const char *name, uint64_t value)
{
    struct wanted *w = arg;

    if (strcmp(w->name, name) == 0) {
        w->value = value;
        w->found++;
    }
}

/* A counter under its Go name. */
static uint64_t
counter(struct moss_collection *c, const char *name)
{
    struct moss_collection_stats stats;
    struct wanted w = { name, 0, 0 };

    moss_collection_stats(c, &stats);
    moss_collection_stats_each(&stats, look, &w);
    ck_assert_msg(w.found == 1, "%s is there %d times", name, w.found);
    return w.value;
}

#define assert_counter(c, name, want)                                          \
    ck_assert_msg(counter(c, name) == (want), "%s is %llu", name,              \
                  (unsigned long long)counter(c, name))

static struct moss_histogram histograms[MOSS_COLLECTION_HISTOGRAMS];

static const struct moss_histogram *
histogram(struct moss_collection *c, const char *name)
{
    moss_collection_histograms(c, histograms);
    for (size_t i = 0; i < MOSS_COLLECTION_HISTOGRAMS; i++) {
        if (strcmp(histograms[i].name, name) == 0)
            return &histograms[i];
    }
    ck_abort_msg("no histogram %s", name);
    return NULL;
}

static void
count_name(void *arg, const char *name, uint64_t value)
{
    (void)value;
    ck_assert(strncmp(name, "Tot", 3) == 0 || strncmp(name, "Cur", 3) == 0);
    ++*(int *)arg;
}

START_TEST(all_counters_of_go_moss_are_there)
{
    struct moss_collection_stats stats = { .batches = 0 };
    int n = 0;

    moss_collection_stats_each(&stats, count_name, &n);
    ck_assert_int_eq(n, 71);
}
END_TEST

START_TEST(batches_are_counted_with_their_children)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    run(o.c, "a=1 bb=22 kid{a=1 grandkid{c=3}}");
    run(o.c, "");
    moss_prepared_free(prepared_of(o.c, "x=1"));
    assert_counter(o.c, "TotNewBatch", 3);
    assert_counter(o.c, "TotNewBatchTotalOps", 5);
    assert_counter(o.c, "TotNewBatchTotalKeyValBytes", 12);
    assert_counter(o.c, "TotExecuteBatchBeg", 3);
    assert_counter(o.c, "TotExecuteBatchEmpty", 1);
    assert_counter(o.c, "TotExecuteBatchEnd", 1);
    assert_counter(o.c, "TotExecuteBatchErr", 0);
    ck_assert_uint_eq(histogram(o.c, "ExecuteBatchOpsCount")->total, 1);
    ck_assert_uint_eq(histogram(o.c, "ExecuteBatchOpsCount")->sum, 4);
    ck_assert_uint_eq(histogram(o.c, "ExecuteBatchBytes")->sum, 74);
    ck_assert_uint_eq(histogram(o.c, "ExecuteBatchUsecs")->total, 1);
    ck_assert_uint_eq(histogram(o.c, "MutationKeyBytes")->total, 5);
    ck_assert_uint_eq(histogram(o.c, "MutationKeyBytes")->sum, 6);
    ck_assert_uint_eq(histogram(o.c, "MutationValBytes")->bins[2], 1);
    over_toy_close(&o);
}
END_TEST

START_TEST(failed_batches_are_counted)
{
    struct moss_batch *batch = batch_of("a+1");
    struct over_toy o;

    over_toy_open(&o, NULL);
    assert_status(moss_collection_execute(o.c, batch), MOSS_NO_OPERATOR);
    moss_batch_free(batch);
    assert_counter(o.c, "TotExecuteBatchBeg", 1);
    assert_counter(o.c, "TotExecuteBatchErr", 1);
    assert_counter(o.c, "TotExecuteBatchEnd", 0);
    ck_assert_uint_eq(histogram(o.c, "MutationKeyBytes")->total, 0);
    ck_assert_uint_eq(o.heard.events[MOSS_EVENT_BATCH_START], 1);
    ck_assert_uint_eq(o.heard.events[MOSS_EVENT_BATCH], 1);
    over_toy_close(&o);
}
END_TEST

START_TEST(sections_are_counted_with_children)
{
    struct moss_collection *c;

    assert_ok(moss_collection_open(NULL, NULL, &c));
    run(c, "a=1 kid{b=2}");
    assert_counter(c, "CurDirtyTopOps", 2);
    assert_counter(c, "CurDirtyTopBytes", 36);
    assert_counter(c, "CurDirtyTopSegments", 2);
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    assert_counter(c, "CurDirtyTopSegments", 0);
    assert_counter(c, "CurDirtyMidOps", 2);
    assert_counter(c, "CurDirtyMidSegments", 2);
    run(c, "kid{c=3}");
    assert_counter(c, "CurDirtyOps", 3);
    assert_counter(c, "CurDirtyBytes", 54);
    assert_counter(c, "CurDirtySegments", 3);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

START_TEST(what_is_persisted_counts_as_base_then_as_clean)
{
    struct moss_collection_options options = { .cache_persisted = true };
    struct over_toy o;

    over_toy_open(&o, &options);
    toy_hold(o.toy);
    run(o.c, "a=1 kid{b=2}");
    assert_status(moss_collection_flush(o.c, 0, NULL), MOSS_TIMEOUT);
    toy_wait_held(o.toy);
    assert_counter(o.c, "CurDirtyBaseOps", 2);
    assert_counter(o.c, "CurDirtyBaseSegments", 2);
    assert_counter(o.c, "TotMergerLowerLevelNotify", 1);
    assert_counter(o.c, "TotPersisterLowerLevelUpdateBeg", 1);
    assert_counter(o.c, "TotPersisterLowerLevelUpdateEnd", 0);
    toy_let_go(o.toy);
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    assert_counter(o.c, "CurDirtyBaseOps", 0);
    assert_counter(o.c, "CurCleanOps", 2);
    assert_counter(o.c, "CurCleanBytes", 36);
    assert_counter(o.c, "TotPersisterLowerLevelUpdateEnd", 1);
    over_toy_close(&o);
}
END_TEST

START_TEST(reads_and_snapshots_are_counted)
{
    struct moss_snapshot *one, *two, *kid;
    struct moss_collection *c;

    assert_ok(moss_collection_open(NULL, NULL, &c));
    run(c, "a=1 kid{b=2}");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    assert_get(c, "a", "1");
    assert_get(c, "b", "(none)");
    assert_counter(c, "TotGet", 2);
    assert_counter(c, "TotGetErr", 0);
    assert_counter(c, "TotSnapshotBeg", 0);
    assert_ok(moss_collection_snapshot(c, &one));
    assert_ok(moss_collection_snapshot(c, &two));
    assert_counter(c, "TotSnapshotBeg", 2);
    assert_counter(c, "TotSnapshotEnd", 2);
    assert_counter(c, "TotSnapshotInternalEnd", 2); /* one for the gets */
    assert_ok(moss_snapshot_child(one, moss_str("kid"), &kid));
    moss_snapshot_unref(kid);
    assert_counter(c, "TotSnapshotInternalClose", 0); /* kept for the next */
    moss_snapshot_unref(one);
    moss_snapshot_unref(two);
    run(c, "a=2");
    /* One and its child; merging may have let go of more. */
    ck_assert_uint_ge(counter(c, "TotSnapshotInternalClose"), 2);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

/* The first attempt is the flush's own. */
START_TEST(errors_are_counted)
{
    struct moss_collection_options options = { .persist_delay_ms =
                                                   MOSS_FOREVER };
    struct over_toy o;

    over_toy_open(&o, &options);
    toy_fail_next(o.toy, 1, MOSS_IO);
    run(o.c, "a=1");
    assert_status(moss_collection_flush(o.c, MOSS_FOREVER, NULL), MOSS_IO);
    heard_wait_errors(&o.heard, 1);
    assert_counter(o.c, "TotOnError", 1);
    assert_counter(o.c, "TotPersisterLowerLevelUpdateErr", 1);
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    assert_counter(o.c, "TotPersisterLowerLevelUpdateBeg", 2);
    over_toy_close(&o);
}
END_TEST

START_TEST(merges_are_counted)
{
    struct moss_collection *c;

    assert_ok(moss_collection_open(NULL, NULL, &c));
    run(c, "a=1");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    run(c, "a=2");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    assert_counter(c, "TotMergerInternalBeg", 2);
    assert_counter(c, "TotMergerInternalEnd", 2);
    assert_counter(c, "TotMergerInternalSkip", 1);
    assert_counter(c, "TotMergerAll", 1);
    assert_counter(c, "TotMergerLoopRepeat", 2);
    assert_counter(c, "TotMergerWaitOutgoingBeg", 0);
    assert_counter(c, "TotMergerWaitOutgoingSkip", 2);
    ck_assert_uint_eq(histogram(c, "MergerUsecs")->total, 2);
    run(c, "-a");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    assert_counter(c, "TotMergerEmptyDirtyMid", 1);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

/* Statistics may be asked for until the last event. */
struct closing {
    struct moss_collection *c;
    bool checked;
};

static void
check_closed(void *ctx, enum moss_event event, uint64_t ns)
{
    struct closing *closing = ctx;

    (void)ns;
    if (event != MOSS_EVENT_CLOSE)
        return;
    assert_counter(closing->c, "TotCloseBeg", 1);
    assert_counter(closing->c, "TotCloseMergerDone", 1);
    assert_counter(closing->c, "TotClosePersisterDone", 1);
    assert_counter(closing->c, "TotCloseLowerLevelBeg", 1);
    assert_counter(closing->c, "TotCloseLowerLevelEnd", 1);
    assert_counter(closing->c, "TotCloseEnd", 1);
    assert_counter(closing->c, "TotMergerEnd", 1);
    assert_counter(closing->c, "TotPersisterEnd", 1);
    closing->checked = true;
}

START_TEST(closing_is_counted)
{
    struct closing closing = { NULL, false };
    struct moss_collection_options options = { .on_event = check_closed,
                                               .ctx = &closing };
    struct toy *toy = toy_new(NULL);

    assert_ok(moss_collection_open(&options, toy_lower(toy), &closing.c));
    run(closing.c, "a=1");
    assert_ok(moss_collection_close(closing.c, MOSS_FOREVER, NULL));
    ck_assert(closing.checked);
    toy_free(toy);
}
END_TEST

START_TEST(counters_as_json)
{
    struct moss_collection_stats stats = { .errors = 7 };
    char text[4096], cut[10];
    size_t n = moss_collection_stats_json(&stats, text, sizeof(text));

    ck_assert_uint_eq(n, strlen(text));
    ck_assert_ptr_eq(strstr(text, "{\"TotOnError\":7,\"TotCloseBeg\":0,"),
                     text);
    ck_assert_str_eq(text + n - 22, ",\"CurCleanSegments\":0}");
    ck_assert_uint_eq(moss_collection_stats_json(&stats, cut, sizeof(cut)), n);
    ck_assert_str_eq(cut, "{\"TotOnEr");
    ck_assert_uint_eq(moss_collection_stats_json(&stats, NULL, 0), n);
}
END_TEST

/* -------------------------------------------------------------- events */

START_TEST(each_batch_has_a_start_and_an_end)
{
    struct moss_prepared *p;
    struct over_toy o;

    over_toy_open(&o, NULL);
    run(o.c, "a=1");
    ck_assert_uint_eq(o.heard.events[MOSS_EVENT_BATCH_START], 1);
    ck_assert_uint_eq(o.heard.events[MOSS_EVENT_BATCH], 1);
    ck_assert_uint_eq(o.heard.event_ns[MOSS_EVENT_BATCH_START], 0);
    ck_assert_uint_gt(o.heard.event_ns[MOSS_EVENT_BATCH], 0);
    p = prepared_of(o.c, "b=2");
    ck_assert_uint_eq(o.heard.events[MOSS_EVENT_BATCH_START], 2);
    ck_assert_uint_eq(o.heard.events[MOSS_EVENT_BATCH], 1);
    moss_prepared_publish(p);
    ck_assert_uint_eq(o.heard.events[MOSS_EVENT_BATCH], 2);
    moss_prepared_free(prepared_of(o.c, "c=3"));
    run(o.c, "");
    ck_assert_uint_eq(o.heard.events[MOSS_EVENT_BATCH_START], 4);
    ck_assert_uint_eq(o.heard.events[MOSS_EVENT_BATCH], 4);
    over_toy_close(&o);
}
END_TEST

START_TEST(events_tell_how_long_it_took)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    run(o.c, "a=1");
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    ck_assert_uint_ge(o.heard.events[MOSS_EVENT_MERGED], 1);
    ck_assert_uint_eq(o.heard.events[MOSS_EVENT_PERSISTED], 1);
    ck_assert_uint_gt(o.heard.event_ns[MOSS_EVENT_MERGED], 0);
    ck_assert_uint_gt(o.heard.event_ns[MOSS_EVENT_PERSISTED], 0);
    assert_ok(moss_collection_close(o.c, MOSS_FOREVER, NULL));
    o.c = NULL;
    ck_assert_uint_eq(o.heard.events[MOSS_EVENT_CLOSE_START], 1);
    ck_assert_uint_eq(o.heard.events[MOSS_EVENT_CLOSE], 1);
    ck_assert_uint_eq(o.heard.event_ns[MOSS_EVENT_CLOSE_START], 0);
    ck_assert_uint_gt(o.heard.event_ns[MOSS_EVENT_CLOSE], 0);
    over_toy_close(&o);
}
END_TEST

/* ------------------------------------------------------------ messages */

struct journal {
    struct mutex mu;
    unsigned lines[4]; /* by level */
    char text[8000];
};

static void
write_down(void *ctx, enum moss_log_level level, const char *text)
{
    struct journal *j = ctx;

    mutex_lock(&j->mu);
    j->lines[level]++;
    ck_assert_ptr_null(strchr(text, '\n'));
    if (strlen(j->text) + strlen(text) + 2 < sizeof(j->text)) {
        strcat(j->text, text);
        strcat(j->text, "\n");
    }
    mutex_unlock(&j->mu);
}

START_TEST(messages_come_at_their_level)
{
    struct journal j = { .text = "" };
    struct moss_collection_options options = {
        .log = write_down,
        .log_level = (enum moss_log_level)_i,
        .ctx = &j,
        .max_dirty_ops = 1,
    };
    struct toy *toy = toy_new(NULL);
    struct moss_prepared *p;
    struct moss_batch *batch = batch_of("b=2");
    struct moss_collection *c;

    assert_ok(mutex_init(&j.mu));
    assert_ok(moss_collection_open(&options, toy_lower(toy), &c));
    /* More attempts may come before the flush begins than one would think. */
    toy_fail_next(toy, UINT_MAX, MOSS_FULL);
    run(c, "a=1");
    assert_status(moss_collection_flush(c, MOSS_FOREVER, NULL), MOSS_FULL);
    toy_hold(toy);
    toy_fail_next(toy, 0, MOSS_OK);
    assert_status(moss_collection_flush(c, 0, NULL), MOSS_TIMEOUT);
    toy_wait_held(toy);
    assert_status(moss_collection_prepare(c, batch, 0, &p), MOSS_FULL);
    moss_batch_free(batch);
    toy_let_go(toy);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    for (int level = 0; level < 4; level++) {
        if (level > _i || level == MOSS_LOG_NOTHING)
            ck_assert_uint_eq(j.lines[level], 0);
        else
            ck_assert_uint_gt(j.lines[level], 0);
    }
    if (_i >= MOSS_LOG_ERRORS)
        ck_assert_ptr_nonnull(strstr(j.text, "MOSS_FULL"));
    if (_i >= MOSS_LOG_STEPS) {
        ck_assert_ptr_nonnull(strstr(j.text, "opened: 1 collections"));
        ck_assert_ptr_nonnull(strstr(j.text, "merged: "));
        ck_assert_ptr_nonnull(strstr(j.text, "persisted: 1 operations"));
        ck_assert_ptr_nonnull(strstr(j.text, "closed: MOSS_OK"));
    }
    mutex_destroy(&j.mu);
    toy_free(toy);
}
END_TEST

/* -------------------------------------------------------- old snapshots */

START_TEST(an_old_snapshot_pins_what_was_replaced)
{
    struct moss_old_snapshots old;
    struct moss_snapshot *snap, *kid;
    struct moss_collection *c;

    assert_ok(moss_collection_open(NULL, NULL, &c));
    run(c, "a=1 kid{b=2}");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    assert_ok(moss_collection_snapshot(c, &snap));
    assert_ok(moss_collection_old_snapshots(c, &old));
    ck_assert_uint_eq(old.count, 0);
    ck_assert_uint_eq(old.oldest_ns, 0);
    run(c, "c=3");
    assert_ok(moss_collection_old_snapshots(c, &old));
    ck_assert_uint_eq(old.count, 1);
    ck_assert_uint_gt(old.oldest_ns, 0);
    ck_assert_uint_eq(old.pinned_bytes, 0); /* the newest has it, too */
    run(c, "* !kid");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    assert_ok(moss_collection_old_snapshots(c, &old));
    ck_assert_uint_eq(old.pinned_bytes, 36);
    assert_ok(moss_snapshot_child(snap, moss_str("kid"), &kid));
    moss_snapshot_unref(snap);
    assert_ok(moss_collection_old_snapshots(c, &old));
    ck_assert_uint_eq(old.count, 1); /* the child's */
    ck_assert_uint_eq(old.pinned_bytes, 36);
    moss_snapshot_unref(kid);
    assert_ok(moss_collection_old_snapshots(c, &old));
    ck_assert_uint_eq(old.count, 0);
    ck_assert_uint_eq(old.pinned_bytes, 0);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

START_TEST(an_old_snapshot_pins_files_segments)
{
    struct moss_old_snapshots old;
    struct moss_snapshot *snap;
    struct over_store o;

    over_store_open(&o, NULL);
    run(o.c, "a=1 kid{b=2}");
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    assert_ok(moss_collection_snapshot(o.c, &snap));
    run(o.c, "* !kid");
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    assert_ok(moss_collection_old_snapshots(o.c, &old));
    ck_assert_uint_eq(old.count, 1);
    ck_assert_uint_eq(old.pinned_bytes, 36);
    assert_ok(moss_collection_close(o.c, MOSS_FOREVER, NULL));
    o.c = NULL;
    assert_tree(snap, "a=1 kid{b=2}"); /* listed where nobody asks any more */
    moss_snapshot_unref(snap);
    over_store_close(&o);
}
END_TEST

START_TEST(old_snapshots_are_found_or_memory_is_short)
{
    struct moss_old_snapshots old;
    struct moss_snapshot *snap;
    struct moss_collection *c;
    bool tripped = true;

    settle_reaper();
    fail_alloc_install(); /* before there are threads */
    assert_ok(moss_collection_open(NULL, NULL, &c));
    run(c, "a=1");
    assert_ok(moss_collection_snapshot(c, &snap));
    run(c, "*");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    for (uint64_t n = 1; tripped; n++) {
        enum moss_status st;
        int64_t live = fail_alloc_live();

        fail_alloc_nth(n);
        st = moss_collection_old_snapshots(c, &old);
        tripped = fail_alloc_tripped();
        assert_status(st, tripped ? MOSS_NOMEM : MOSS_OK);
        ck_assert_uint_eq(old.pinned_bytes, tripped ? 0 : 18);
        ck_assert_int_le(fail_alloc_live(), live); /* the merger may free */
    }
    fail_alloc_nth(0);
    moss_snapshot_unref(snap);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
}
END_TEST

static void
take_and_release(void *collection)
{
    struct moss_collection *c = collection;
    struct moss_old_snapshots old;
    struct moss_snapshot *snap;

    for (int i = 0; i < 200; i++) {
        assert_ok(moss_collection_snapshot(c, &snap));
        assert_ok(moss_collection_old_snapshots(c, &old));
        ck_assert_uint_le(old.count, 4);
        moss_snapshot_unref(snap);
    }
}

START_TEST(snapshots_are_listed_by_many_threads)
{
    struct moss_collection *c;
    struct thread t;

    assert_ok(moss_collection_open(NULL, NULL, &c));
    assert_ok(thread_start(&t, "taker", take_and_release, c));
    for (int i = 0; i < 200; i++)
        run(c, "a=1 kid{b=2}");
    thread_join(&t);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

Suite *
suite_stats(void)
{
    Suite *s = suite_create("stats");
    TCase *tc = tcase_create("counters");

    tcase_add_test(tc, all_counters_of_go_moss_are_there);
    tcase_add_test(tc, batches_are_counted_with_their_children);
    tcase_add_test(tc, failed_batches_are_counted);
    tcase_add_test(tc, sections_are_counted_with_children);
    tcase_add_test(tc, what_is_persisted_counts_as_base_then_as_clean);
    tcase_add_test(tc, reads_and_snapshots_are_counted);
    tcase_add_test(tc, errors_are_counted);
    tcase_add_test(tc, merges_are_counted);
    tcase_add_test(tc, closing_is_counted);
    tcase_add_test(tc, counters_as_json);
    suite_add_tcase(s, tc);

    tc = tcase_create("callbacks");
    tcase_add_test(tc, each_batch_has_a_start_and_an_end);
    tcase_add_test(tc, events_tell_how_long_it_took);
    tcase_add_loop_test(tc, messages_come_at_their_level, 0, 4);
    suite_add_tcase(s, tc);

    tc = tcase_create("old snapshots");
    tcase_add_test(tc, an_old_snapshot_pins_what_was_replaced);
    tcase_add_test(tc, an_old_snapshot_pins_files_segments);
    tcase_add_test(tc, old_snapshots_are_found_or_memory_is_short);
    tcase_add_test(tc, snapshots_are_listed_by_many_threads);
    suite_add_tcase(s, tc);
    return s;
}
