/* What happens when nothing is written for a while. */
#include <check.h>
#include <stdlib.h>

#include "base/base.h"
#include "base/reaper.h"
#include "base/sync.h"
#include "moss.h"
#include "support/dump.h"
#include "support/fault_os.h"
#include "support/fixture.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/stores.h"

Suite *suite_idle(void);

#define DIR "/store"

/* ------------------------------------------------------------------ */
/* The collection's part                                              */
/* ------------------------------------------------------------------ */

static bool ask_closing; /* how run_idle() asks */

/* A store's lower level whose idle times are in the test's hands. */
struct watched {
    struct moss_lower base;
    struct moss_lower *under;
    struct moss_store *store;
    bool compact;            /* in idle times */
    int closings;            /* occasions that closing gave */
    bool linger;             /* until it has to end */
    enum moss_status result; /* of idle, unless it is passed on */

    struct mutex mu;
    struct condvar changed;
    int begun, ended;
    bool was_stopped;
    int errors;
};

static struct mem_os *mem;
static struct watched w;
static struct moss_collection *c;

static enum moss_status
watched_update(struct moss_lower *lower, const struct moss_changes *changes,
               struct moss_snapshot **out, struct moss_error *err)
{
    struct watched *l = container_of(lower, struct watched, base);

    return l->under->ops->update(l->under, changes, out, err);
}

static void
watched_close(struct moss_lower *lower)
{
    struct watched *l = container_of(lower, struct watched, base);

    moss_snapshot_unref(lower->initial);
    l->under->ops->close(l->under);
}

static bool
always(void *arg)
{
    (void)arg;
    return true;
}

static enum moss_status
watched_idle(struct moss_lower *lower, bool closing,
             bool (*may_go_on)(void *arg), void *arg,
             struct moss_snapshot **out, struct moss_error *err)
{
    struct watched *l = container_of(lower, struct watched, base);
    enum moss_status st = l->result;
    bool stopped = false, linger, compact;

    if (closing) {
        l->closings++;
        return l->under->ops->idle(l->under, true, may_go_on, arg, out, err);
    }
    mutex_lock(&l->mu);
    linger = l->linger;
    compact = l->compact;
    l->begun++;
    condvar_broadcast(&l->changed);
    mutex_unlock(&l->mu);
    while (linger && !stopped)
        stopped = !may_go_on(arg);
    if (stopped)
        st = MOSS_ABORTED;
    if (compact && st == MOSS_OK)
        st = moss_store_compact(l->store, NULL, err);
    if (st == MOSS_OK)
        st = l->under->ops->idle(l->under, false, always, NULL, out, err);
    mutex_lock(&l->mu);
    l->was_stopped = stopped;
    l->ended++;
    condvar_broadcast(&l->changed);
    mutex_unlock(&l->mu);
    return st;
}

static const struct moss_lower_ops watched_ops = { watched_update,
                                                   watched_close,
                                                   watched_idle };

static void
note_error(void *ctx, const struct moss_error *err)
{
    struct watched *l = ctx;

    ck_assert_int_eq(err->status, l->result);
    ck_assert_int_eq(err->work, MOSS_WORK_TIDY);
    mutex_lock(&l->mu);
    l->errors++;
    condvar_broadcast(&l->changed);
    mutex_unlock(&l->mu);
}

static void
setup(void)
{
    memset(&w, 0, sizeof w);
    assert_ok(mutex_init(&w.mu));
    assert_ok(condvar_init(&w.changed));
    mem = mem_os_new();
    c = NULL;
}

static void
teardown(void)
{
    if (c != NULL)
        assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    moss_store_close(w.store);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    mem_os_free(mem);
    condvar_destroy(&w.changed);
    mutex_destroy(&w.mu);
}

static void
open_collection(uint64_t idle_ms)
{
    struct moss_store_options so = { .os = mem_os_base(mem),
                                     .compaction = MOSS_COMPACTION_DISABLE };
    struct moss_collection_options co = { .idle_run_timeout_ms = idle_ms,
                                          .on_error = note_error,
                                          .ctx = &w };

    assert_ok(moss_store_open(DIR, &so, &w.store, NULL));
    assert_ok(moss_store_lower(w.store, &w.under));
    w.base.ops = &watched_ops;
    w.base.initial = w.under->initial;
    w.under->initial = NULL;
    assert_ok(moss_collection_open(&co, &w.base, &c));
}

static void
write_and_flush(const char *text)
{
    struct moss_batch *batch = batch_of(text);

    assert_ok(moss_collection_execute(c, batch));
    moss_batch_free(batch);
    assert_ok(moss_collection_flush(c, MOSS_FOREVER, NULL));
}

/* Until *count is n at least. */
static void
wait_for(const int *count, int n)
{
    mutex_lock(&w.mu);
    while (*count < n)
        condvar_wait(&w.changed, &w.mu);
    mutex_unlock(&w.mu);
}

static size_t
lower_segments(void)
{
    struct moss_snapshot *snap = NULL;
    size_t memory, lower;

    assert_ok(moss_collection_snapshot(c, &snap));
    moss_snapshot_segments(snap, &memory, &lower);
    moss_snapshot_unref(snap);
    return lower;
}

START_TEST(idle_lower_level_tidies_up_and_is_read_from_then_on)
{
    w.linger = true;
    open_collection(1);
    for (int i = 0; i < 5; i++)
        write_and_flush("a=1 kid{b=2}");
    ck_assert_uint_eq(lower_segments(), 5);
    wait_for(&w.begun, 1);
    write_and_flush("c=3");
    wait_for(&w.ended, 1); /* whichever it was, it was stopped */
    mutex_lock(&w.mu);
    w.linger = false;
    w.compact = true;
    mutex_unlock(&w.mu);
    write_and_flush("d=4");
    while (lower_segments() != 1)
        assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    assert_collection(c, "a=1 c=3 d=4 kid{b=2}");
    write_and_flush("-a kid{-b}");
    assert_collection(c, "c=3 d=4 kid{}");
}
END_TEST

START_TEST(writing_ends_an_idle_run)
{
    w.linger = true;
    open_collection(1);
    write_and_flush("a=1");
    wait_for(&w.begun, 1);
    write_and_flush("b=2"); /* would wait for ever otherwise */
    wait_for(&w.begun, 2);
    ck_assert(w.was_stopped);
    ck_assert_int_eq(w.errors, 0);
}
END_TEST

START_TEST(closing_ends_an_idle_run)
{
    w.linger = true;
    open_collection(1);
    write_and_flush("a=1");
    wait_for(&w.begun, 1);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    c = NULL;
    ck_assert_int_eq(w.ended, 1);
    ck_assert(w.was_stopped);
}
END_TEST

START_TEST(closing_after_updates_gives_a_last_occasion)
{
    open_collection(3600000);
    write_and_flush("a=1");
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    c = NULL;
    ck_assert_int_eq(w.closings, 1);
}
END_TEST

START_TEST(closing_without_updates_or_time_gives_none)
{
    open_collection(3600000);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    ck_assert_int_eq(w.closings, 0);
    moss_store_close(w.store);
    open_collection(3600000);
    write_and_flush("a=1");
    assert_ok(moss_collection_close(c, 0, NULL));
    c = NULL;
    ck_assert_int_eq(w.closings, 0);
}
END_TEST

START_TEST(failing_idle_run_is_reported_and_holds_nothing_up)
{
    w.result = MOSS_FULL;
    open_collection(1);
    write_and_flush("a=1");
    wait_for(&w.errors, 1);
    write_and_flush("b=2");
    assert_collection(c, "a=1 b=2");
    wait_for(&w.errors, 2);
}
END_TEST

START_TEST(wait_idle_does_not_wait_for_an_idle_run)
{
    w.linger = true;
    open_collection(1);
    write_and_flush("a=1");
    wait_for(&w.begun, 1);
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    mutex_lock(&w.mu);
    ck_assert_int_eq(w.ended, 0);
    mutex_unlock(&w.mu);
}
END_TEST

/* With threads, and before there are any. */
START_TEST(compaction_on_demand_is_read_from_when_asked_for)
{
    open_collection(3600000);
    for (int i = 0; i < 5; i++)
        write_and_flush("a=1 kid{b=2}");
    if (_i == 1) {
        assert_ok(moss_collection_close(c, 0, NULL));
        moss_store_close(w.store);
        open_collection(3600000);
    }
    assert_ok(moss_store_compact(w.store, NULL, NULL));
    ck_assert_uint_eq(lower_segments(), 5);
    assert_ok(moss_collection_notify_idle(c, MOSS_FOREVER));
    ck_assert_uint_eq(lower_segments(), 1);
    assert_collection(c, "a=1 kid{b=2}");
    write_and_flush("c=3");
    assert_collection(c, "a=1 c=3 kid{b=2}");
}
END_TEST

START_TEST(asked_for_tidying_ends_with_its_time)
{
    w.linger = true;
    open_collection(3600000);
    write_and_flush("a=1");
    assert_status(moss_collection_notify_idle(c, 1), MOSS_TIMEOUT);
    mutex_lock(&w.mu);
    w.linger = false;
    w.compact = true;
    mutex_unlock(&w.mu);
    write_and_flush("b=2"); /* ends the one that lingers */
    assert_ok(moss_collection_notify_idle(c, MOSS_FOREVER));
    ck_assert_uint_eq(lower_segments(), 1);
    assert_collection(c, "a=1 b=2");
}
END_TEST

static void
write_meanwhile(void *arg)
{
    (void)arg;
    wait_for(&w.begun, 1);
    write_and_flush("b=2");
}

START_TEST(update_does_instead_of_tidying)
{
    struct thread writer;

    w.linger = true; /* each time, until something is written */
    open_collection(3600000);
    write_and_flush("a=1");
    assert_ok(thread_start(&writer, "writer", write_meanwhile, NULL));
    assert_ok(moss_collection_notify_idle(c, MOSS_FOREVER));
    thread_join(&writer);
    assert_collection(c, "a=1 b=2");
}
END_TEST

/* Who waits in several calls is not told to wait for the next one. */
START_TEST(update_between_two_waits_does_instead_of_tidying)
{
    struct moss_goal goal;

    w.linger = true;
    open_collection(3600000);
    write_and_flush("a=1");
    assert_ok(moss_collection_ask(c, MOSS_GOAL_TIDIED, &goal));
    assert_status(moss_collection_await(c, &goal, 0, NULL), MOSS_TIMEOUT);
    write_and_flush("b=2");
    assert_ok(moss_collection_await(c, &goal, 0, NULL));
    assert_collection(c, "a=1 b=2");
}
END_TEST

START_TEST(without_a_lower_level_there_is_nothing_to_tidy)
{
    assert_ok(moss_collection_open(NULL, NULL, &c));
    assert_ok(moss_collection_notify_idle(c, 0));
}
END_TEST

/* ------------------------------------------------------------------ */
/* The store's part                                                   */
/* ------------------------------------------------------------------ */

static struct driver d;
static struct fault_os *fault;

static void
setup_store(void)
{
    struct moss_store_options o = { 0 };

    mem = mem_os_new();
    fault = fault_os_new(mem_os_base(mem));
    o.os = fault_os_base(fault);
    assert_ok(driver_open(&d, DIR, &o));
    moss_store_set_compaction(d.store, MOSS_COMPACTION_DISABLE);
    ask_closing = false;
}

static void
teardown_store(void)
{
    driver_close(&d);
    /* A large segment lets go of its mapping, that of its file. */
    for (int i = 0; i < 3; i++)
        reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    fault_os_free(fault);
    mem_os_free(mem);
}

/* One update of a key with so many MiB, and of operand if given, in a child. */
static void
apply_mib_and(const char *key, size_t n, const char *operand)
{
    struct moss_batch *batch = NULL, *kid;
    uint8_t *value = calloc(n, 1 << 20);

    assert_ok(moss_batch_new(0, 0, &batch));
    assert_ok(moss_batch_child(batch, moss_str("kid"), &kid));
    assert_ok(moss_batch_set(kid, moss_str(key), moss_slice(value, n << 20)));
    if (operand != NULL)
        assert_ok(
            moss_batch_merge(kid, moss_str("operand"), moss_str(operand)));
    d.n++;
    assert_ok(
        driver_apply_batch(&d, batch, (struct moss_tag){ d.n, 100 * d.n }));
    moss_batch_free(batch);
    free(value);
}

static void
apply_mib(const char *key, size_t n)
{
    apply_mib_and(key, n, NULL);
}

static int asked, stop_after;

static bool
count_down(void *arg)
{
    (void)arg;
    return ++asked != stop_after;
}

static enum moss_status
run_idle(int stop)
{
    struct moss_snapshot *snap = NULL;
    enum moss_status st;

    moss_store_set_compaction(d.store, MOSS_COMPACTION_ALLOW);
    asked = 0;
    stop_after = stop;
    st = d.lower->ops->idle(d.lower, ask_closing, count_down, NULL, &snap,
                            &d.err);
    if (snap != NULL) {
        ck_assert_int_eq(st, MOSS_OK);
        moss_snapshot_unref(d.newest);
        d.newest = snap;
    }
    moss_store_set_compaction(d.store, MOSS_COMPACTION_DISABLE);
    return st;
}

START_TEST(much_above_the_oldest_segments_is_compacted_in_full)
{
    apply_mib("a", 12);
    apply_mib("b", 8);
    apply_mib("c", 9);
    for (int stop = 1;; stop += 6) {
        enum moss_status st = run_idle(stop);

        if (st == MOSS_OK)
            break;
        assert_status(st, MOSS_ABORTED);
        ck_assert_uint_eq(driver_stats(&d).segments, 3);
    }
    ck_assert_int_gt(asked, 10); /* 29 MiB in pieces of 2 */
    ck_assert_uint_eq(driver_stats(&d).segments, 1);
    ck_assert_uint_eq(driver_stats(&d).compactions, 1);
    /* The lower level goes on over it. */
    assert_ok(driver_apply(&d, "kid{-a -b -c} x=1"));
    assert_tree(d.newest, "x=1 kid{}");
}
END_TEST

START_TEST(less_of_it_is_merged_in_the_file)
{
    apply_mib("a", 60);
    apply_mib("b", 5);
    apply_mib("c", 5);
    assert_ok(run_idle(0));
    ck_assert_uint_eq(driver_stats(&d).segments, 2);
    ck_assert_uint_eq(driver_stats(&d).compactions, 0);
    ck_assert_uint_eq(driver_stats(&d).partial_compactions, 1);
    assert_ok(run_idle(0));
    ck_assert_uint_eq(driver_stats(&d).partial_compactions, 1);
}
END_TEST

START_TEST(what_the_operator_refuses_is_not_written_again_and_again)
{
    static const size_t mib[2][3] = { { 12, 8, 9 }, { 60, 5, 5 } };
    struct moss_store_options o = d.options;
    uint64_t once;

    driver_close(&d);
    o.merge = &merge_fail;
    assert_ok(driver_open(&d, DIR, &o));
    moss_store_set_compaction(d.store, MOSS_COMPACTION_DISABLE);
    for (int i = 0; i < 3; i++)
        apply_mib_and((const char *[]){ "a", "b", "c" }[i], mib[_i][i], "x");
    assert_ok(run_idle(0));
    /* In full, and in the file. */
    ck_assert_uint_eq(driver_stats(&d).compactions, _i == 0);
    ck_assert_uint_eq(driver_stats(&d).partial_compactions, _i == 1);
    ck_assert_uint_eq(driver_stats(&d).segments, 3);
    once = driver_stats(&d).bytes_written;
    assert_ok(driver_apply(&d, "little=1"));
    assert_ok(run_idle(0));
    ck_assert_uint_lt(driver_stats(&d).bytes_written, once + (1 << 20));
    /* Much more is. */
    apply_mib("d", 29);
    assert_ok(run_idle(0));
    ck_assert_uint_gt(driver_stats(&d).bytes_written, once + (58 << 20));
}
END_TEST

START_TEST(nothing_is_merged_in_a_file_that_failed_a_sync)
{
    struct moss_compact_options leveled = { .kind = MOSS_COMPACT_LEVELED };

    apply_mib("a", 60);
    apply_mib("b", 5);
    apply_mib("c", 5);
    fault_os_fail_nth(fault, FAULT_SYNC, 1, MOSS_IO, 5);
    assert_status(moss_store_compact(d.store, &leveled, &d.err), MOSS_IO);
    assert_ok(run_idle(0));
    ck_assert_uint_eq(driver_stats(&d).partial_compactions, 0);
    ck_assert_uint_eq(driver_stats(&d).compactions, 1);
}
END_TEST

START_TEST(little_is_left_alone)
{
    struct moss_snapshot *before = d.newest;

    for (int i = 0; i < 5; i++)
        assert_ok(driver_apply(&d, "a=1"));
    before = d.newest;
    assert_ok(run_idle(0));
    ck_assert_ptr_eq(d.newest, before);
    ck_assert_uint_eq(driver_stats(&d).segments, 5);
}
END_TEST

/* An update of keys far apart, with so many MiB. */
static void
apply_span(size_t n)
{
    struct moss_batch *batch = NULL;
    uint8_t *value = calloc(n, 1 << 20);

    assert_ok(moss_batch_new(0, 0, &batch));
    assert_ok(moss_batch_set(batch, moss_str("a"), moss_slice(value, n << 20)));
    d.n++;
    assert_ok(moss_batch_set(batch, moss_str("z"), moss_slice(&d.n, 1)));
    assert_ok(
        driver_apply_batch(&d, batch, (struct moss_tag){ d.n, 100 * d.n }));
    moss_batch_free(batch);
    free(value);
}

START_TEST(closing_compacts_what_overlaps)
{
    apply_span(12);
    apply_span(8);
    apply_span(9);
    ask_closing = true;
    assert_ok(run_idle(0));
    ck_assert_uint_eq(driver_stats(&d).segments, 1);
    ck_assert_uint_eq(driver_stats(&d).compactions, 1);
}
END_TEST

START_TEST(closing_leaves_what_lies_apart)
{
    apply_mib("a", 12);
    apply_mib("b", 8);
    apply_mib("c", 9);
    ask_closing = true;
    assert_ok(run_idle(0));
    ck_assert_uint_eq(driver_stats(&d).segments, 3);
    ck_assert_uint_eq(driver_stats(&d).compactions, 0);
}
END_TEST

START_TEST(closing_does_not_wait_for_little)
{
    apply_span(60);
    apply_span(9);
    apply_span(9);
    ask_closing = true;
    assert_ok(run_idle(0));
    ck_assert_uint_eq(driver_stats(&d).segments, 3);
    ask_closing = false;
    assert_ok(run_idle(0));
    ck_assert_uint_lt(driver_stats(&d).segments, 3);
}
END_TEST

START_TEST(what_somebody_else_compacted_is_handed_over)
{
    struct moss_snapshot *before;
    size_t memory, lower;

    for (int i = 0; i < 5; i++)
        assert_ok(driver_apply(&d, "a=1"));
    before = d.newest;
    assert_ok(moss_store_compact(d.store, NULL, &d.err));
    assert_ok(run_idle(0));
    ck_assert_ptr_ne(d.newest, before);
    moss_snapshot_segments(d.newest, &memory, &lower);
    ck_assert_uint_eq(memory + lower, 1);
    assert_tree(d.newest, "a=1");
}
END_TEST

START_TEST(a_store_that_is_not_to_compact_does_not_when_idle)
{
    struct moss_snapshot *snap = NULL;

    apply_mib("a", 12);
    apply_mib("b", 12);
    assert_ok(d.lower->ops->idle(d.lower, false, always, NULL, &snap, &d.err));
    ck_assert_ptr_null(snap);
    ck_assert_uint_eq(driver_stats(&d).segments, 2);
}
END_TEST

Suite *
suite_idle(void)
{
    Suite *s = suite_create("idle");
    TCase *tc = tcase_create("idle");
    TCase *store = tcase_create("store");

    tcase_set_timeout(store, 60); /* it writes 60 MiB several times */
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, idle_lower_level_tidies_up_and_is_read_from_then_on);
    tcase_add_test(tc, writing_ends_an_idle_run);
    tcase_add_test(tc, closing_ends_an_idle_run);
    tcase_add_test(tc, closing_after_updates_gives_a_last_occasion);
    tcase_add_test(tc, closing_without_updates_or_time_gives_none);
    tcase_add_test(tc, failing_idle_run_is_reported_and_holds_nothing_up);
    tcase_add_test(tc, wait_idle_does_not_wait_for_an_idle_run);
    tcase_add_loop_test(tc, compaction_on_demand_is_read_from_when_asked_for, 0,
                        2);
    tcase_add_test(tc, asked_for_tidying_ends_with_its_time);
    tcase_add_test(tc, update_does_instead_of_tidying);
    tcase_add_test(tc, update_between_two_waits_does_instead_of_tidying);
    tcase_add_test(tc, without_a_lower_level_there_is_nothing_to_tidy);
    suite_add_tcase(s, tc);
    tcase_add_checked_fixture(store, setup_store, teardown_store);
    tcase_add_test(store, much_above_the_oldest_segments_is_compacted_in_full);
    tcase_add_test(store, less_of_it_is_merged_in_the_file);
    tcase_add_loop_test(
        store, what_the_operator_refuses_is_not_written_again_and_again, 0, 2);
    tcase_add_test(store, nothing_is_merged_in_a_file_that_failed_a_sync);
    tcase_add_test(store, little_is_left_alone);
    tcase_add_test(store, what_somebody_else_compacted_is_handed_over);
    tcase_add_test(store, closing_compacts_what_overlaps);
    tcase_add_test(store, closing_leaves_what_lies_apart);
    tcase_add_test(store, closing_does_not_wait_for_little);
    tcase_add_test(store, a_store_that_is_not_to_compact_does_not_when_idle);
    suite_add_tcase(s, store);
    return s;
}
