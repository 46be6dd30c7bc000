/* Full compactions that go on beside updates. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "moss.h"
#include "support/fault_os.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/stores.h"

Suite *suite_gradual(void);

#define DIR "/store"
/* The same changes without any compaction, for comparison. */
#define TWIN "/twin"

enum { KEYS = 400, UPDATES = 40, SLICE = 3000 };

static struct mem_os *mem;
static struct fault_os *fault;
static struct driver d, twin;

static void
setup(void)
{
    mem = mem_os_new();
    fault = fault_os_new(mem_os_base(mem));
    memset(&d, 0, sizeof d);
    memset(&twin, 0, sizeof twin);
}

static void
teardown(void)
{
    driver_close(&d);
    driver_close(&twin);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    fault_os_free(fault);
    mem_os_free(mem);
}

static void
apply_both(const char *text)
{
    assert_ok(driver_apply(&d, text));
    assert_ok(driver_apply(&twin, text));
}

static char *
newest_text(struct driver *of)
{
    struct moss_snapshot *snap = NULL;
    char *text;

    assert_ok(moss_store_snapshot(of->store, &snap));
    text = dump_tree(snap);
    moss_snapshot_unref(snap);
    return text;
}

static void
assert_same(void)
{
    char *got = newest_text(&d), *want = newest_text(&twin);

    ck_assert_msg(strcmp(got, want) == 0, "the content differs");
    free(got);
    free(want);
}

/* Both with some hundred keys, here and in a child; no compaction so far. */
static void
open_full(const struct moss_merge_operator *merge)
{
    struct moss_store_options o = { .os = fault_os_base(fault),
                                    .merge = merge,
                                    .compaction_buffer_pages = 1,
                                    .compaction_slice_bytes = SLICE,
                                    .max_dead_bytes = 1 };
    struct moss_store_options plain = { .os = mem_os_base(mem),
                                        .merge = merge,
                                        .compaction = MOSS_COMPACTION_DISABLE };
    char text[8192];

    assert_ok(driver_open(&d, DIR, &o));
    assert_ok(driver_open(&twin, TWIN, &plain));
    moss_store_set_compaction(d.store, MOSS_COMPACTION_DISABLE);
    for (int i = 0; i < UPDATES; i++) {
        int len = snprintf(text, sizeof text, "old{x=%d}", i);

        for (int k = i; k < KEYS; k += UPDATES)
            len += snprintf(text + len, sizeof text - (size_t)len,
                            " k%03d=%040d kid{c%03d=%040d}", k, k, k * 3 % KEYS,
                            k);
        apply_both(text);
    }
    moss_store_set_compaction(d.store, MOSS_COMPACTION_ALLOW);
}

static bool
is_in(const char *data_file)
{
    return strcmp(driver_stats(&d).data_file, data_file) == 0;
}

/* Is the first file the store still? */
static bool
goes_on(void)
{
    return is_in("data-0000000000000001.moss");
}

static void
update_number(int n)
{
    char text[64];

    (void)snprintf(text, sizeof text, "k%03d=new kid{-c%03d}", n, n);
    apply_both(text);
}

/* Updates until the compaction is at its end; their number. */
static int
go_to_end(void)
{
    int n = 0;

    while (goes_on()) {
        ck_assert_int_lt(n, 1000);
        update_number(n);
        assert_same();
        n++;
    }
    return n;
}

/* Nobody behind an update waits for all that there is to be written. */
START_TEST(an_update_writes_a_slice_of_the_content)
{
    int n = 0;

    open_full(NULL);
    while (goes_on()) {
        ck_assert_int_lt(n, 1000);
        fault_os_reset_counts(fault);
        apply_both("z=1");
        /* Pages: the slice, what was left, the rest of buffers, footers. */
        ck_assert_uint_le(fault_os_count(fault, FAULT_WRITE),
                          2 * SLICE / 4096 + 12);
        n++;
    }
    ck_assert_int_ge(n, 10);
    assert_same();
    ck_assert_uint_eq(driver_stats(&d).compactions, 1);
    driver_reopen(&d);
    assert_same();
    ck_assert_uint_le(driver_stats(&d).segments, 12);
}
END_TEST

START_TEST(little_is_compacted_at_once)
{
    open_full(NULL);
    d.options.compaction_slice_bytes = 0;
    driver_reopen(&d);
    apply_both("z=1");
    ck_assert(!goes_on());
    assert_same();
}
END_TEST

START_TEST(updates_meanwhile_are_kept)
{
    open_full(NULL);
    ck_assert_int_ge(go_to_end(), 10);
    driver_reopen(&d);
    assert_same();
    go_to_end();
    apply_both("a=1");
    assert_same();
}
END_TEST

/* Collections are found again, whatever became of their names. */
START_TEST(collections_may_change_meanwhile)
{
    open_full(NULL);
    apply_both("a=1");
    assert_ok(driver_rename(&d, "kid", "boy"));
    assert_ok(driver_rename(&twin, "kid", "boy"));
    assert_same();
    apply_both("!old boy{-c003} kid{new=1}");
    assert_same();
    ck_assert(goes_on());
    apply_both("old{again=1 y=2} kid{-new}");
    apply_both("girl{g=1}");
    apply_both("!girl");
    ck_assert_int_gt(go_to_end(), 3);
    assert_same();
    driver_reopen(&d);
    assert_same();
}
END_TEST

START_TEST(operands_are_merged_over_what_was_written)
{
    char text[64];
    int n = 0;

    open_full(&merge_append);
    while (goes_on()) {
        ck_assert_int_lt(n, 1000);
        (void)snprintf(text, sizeof text, "k%03d+%d fresh+%d kid{c000+%d}",
                       n % 5, n, n, n);
        apply_both(text);
        assert_same();
        n++;
    }
    ck_assert_int_ge(n, 10);
    driver_reopen(&d);
    assert_same();
}
END_TEST

START_TEST(refused_operands_are_compacted_at_once)
{
    open_full(&merge_fail);
    moss_store_set_compaction(d.store, MOSS_COMPACTION_DISABLE);
    apply_both("k000+1");
    moss_store_set_compaction(d.store, MOSS_COMPACTION_ALLOW);
    for (int i = 0; goes_on(); i++) {
        ck_assert_int_lt(i, 1000);
        apply_both("a=1");
    }
    ck_assert_uint_ge(driver_stats(&d).compactions, 1);
}
END_TEST

/* What has the same content in another file, or other segments, ends it. */
START_TEST(revert_ends_it)
{
    struct moss_snapshot *snap = NULL;
    char *before, *after;

    open_full(NULL);
    assert_ok(moss_store_snapshot(d.store, &snap));
    before = newest_text(&d);
    assert_ok(driver_apply(&d, "a=1"));
    assert_ok(driver_apply(&d, "b=1 kid{b=1}"));
    ck_assert(goes_on());
    d.lower->ops->close(d.lower); /* that can go on without it */
    d.lower = NULL;
    assert_ok(moss_store_revert(d.store, snap, &d.err));
    after = newest_text(&d);
    ck_assert_str_eq(before, after);
    moss_snapshot_unref(snap);
    free(before);
    free(after);
    driver_reopen(&d);
    assert_same();
    ck_assert_int_ge(go_to_end(), 10);
}
END_TEST

START_TEST(compaction_on_demand_ends_it)
{
    open_full(NULL);
    apply_both("a=1");
    apply_both("b=1");
    assert_ok(moss_store_compact(d.store, NULL, &d.err));
    ck_assert(is_in("data-0000000000000003.moss"));
    ck_assert_uint_eq(driver_stats(&d).segments, 3);
    apply_both("c=1");
    assert_same();
}
END_TEST

START_TEST(disabling_ends_it)
{
    open_full(NULL);
    apply_both("a=1");
    moss_store_set_compaction(d.store, MOSS_COMPACTION_DISABLE);
    for (int i = 0; i < 100; i++)
        apply_both("b=1");
    ck_assert(goes_on());
    moss_store_set_compaction(d.store, MOSS_COMPACTION_ALLOW);
    go_to_end();
    assert_same();
}
END_TEST

static void
count_file(void *arg, const char *name)
{
    int *n = arg;

    (void)name;
    ++*n;
}

/* The lock file and one data file are left. */
START_TEST(close_gives_it_up)
{
    struct moss_os *os = mem_os_base(mem);
    struct moss_store_options o;
    int n = 0;

    open_full(NULL);
    apply_both("a=1");
    apply_both("b=1");
    ck_assert(goes_on());
    o = d.options;
    driver_close(&d);
    assert_ok(os->ops->list(os, DIR, count_file, &n));
    ck_assert_int_eq(n, 2);
    assert_ok(driver_open(&d, DIR, &o));
    assert_same();
}
END_TEST

static int asks_left;

static bool
count_down(void *arg)
{
    (void)arg;
    return asks_left-- > 0;
}

static enum moss_status
idle(bool closing, int asks)
{
    struct moss_snapshot *snap = NULL;
    enum moss_status st;

    asks_left = asks;
    st = d.lower->ops->idle(d.lower, closing, count_down, NULL, &snap, &d.err);
    moss_snapshot_unref(snap);
    return st;
}

START_TEST(idle_times_bring_it_to_its_end)
{
    open_full(NULL);
    apply_both("a=1");
    ck_assert(goes_on());
    assert_status(idle(false, 1), MOSS_ABORTED);
    ck_assert(goes_on());
    assert_ok(idle(false, 100));
    ck_assert(!goes_on());
    assert_same();
}
END_TEST

/* A collection's close waits for a half that is left, not for more. */
START_TEST(a_close_ends_what_is_half_done)
{
    int n, done;

    open_full(NULL);
    n = go_to_end();
    done = _i == 0 ? n / 3 : n - n / 3;
    teardown();
    setup();
    open_full(NULL);
    for (int i = 0; i < done; i++)
        update_number(i);
    ck_assert(goes_on());
    assert_ok(idle(true, 100));
    ck_assert(goes_on() == (_i == 0));
    assert_same();
    driver_reopen(&d);
    assert_same();
}
END_TEST

/* As the caller may not want to wait that long. */
START_TEST(a_close_in_a_hurry_gives_it_up)
{
    struct moss_os *os;
    int n;

    open_full(NULL);
    n = go_to_end();
    teardown();
    setup();
    open_full(NULL);
    for (int i = 0; i < n - 1; i++)
        update_number(i);
    assert_status(idle(true, 1), MOSS_ABORTED);
    ck_assert(goes_on());
    n = 0;
    os = mem_os_base(mem);
    /* Not only when the handle is closed, too: that may be much later. */
    d.lower->ops->close(d.lower);
    d.lower = NULL;
    assert_ok(os->ops->list(os, DIR, count_file, &n));
    ck_assert_int_eq(n, 2);
    driver_reopen(&d);
    assert_same();
}
END_TEST

static const enum fault_call calls[] = { FAULT_WRITE, FAULT_SYNC, FAULT_OPEN,
                                         FAULT_RENAME };
enum { N_CALLS = sizeof calls / sizeof calls[0] };

/* The update that meets it fails, and works when it is tried again. */
START_TEST(failures_lose_nothing)
{
    enum fault_call call = calls[_i % N_CALLS];
    char text[64];
    bool failed = false;

    open_full(NULL);
    fault_os_fail_nth(fault, call, (unsigned)(_i / N_CALLS) * 3 + 1, MOSS_IO,
                      5);
    for (int i = 0; goes_on() && i < 200; i++) {
        (void)snprintf(text, sizeof text, "k%03d=%d kid{-c%03d}", i, i, i);
        if (driver_apply(&d, text) != MOSS_OK) {
            ck_assert(!failed);
            failed = true;
            assert_same();
            assert_ok(driver_apply(&d, text));
        }
        assert_ok(driver_apply(&twin, text));
        assert_same();
    }
    ck_assert(!goes_on());
    fault_os_heal(fault);
    driver_reopen(&d);
    assert_same();
}
END_TEST

/* Without room for a copy of the content what comes is appended. */
START_TEST(full_disk_leaves_appending)
{
    char text[64];

    open_full(NULL);
    fault_os_reset_counts(fault);
    if (_i == 0)
        fault_os_fail_from(fault, FAULT_OPEN, 1, MOSS_FULL, ENOSPC);
    else
        fault_os_fail_nth(fault, FAULT_WRITE, (unsigned)_i, MOSS_FULL, ENOSPC);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(text, sizeof text, "k%03d=%d kid{-c%03d}", i, i, i);
        apply_both(text);
        assert_same();
    }
    ck_assert(fault_os_tripped(fault));
    /* Not each of them has tried it. */
    if (_i == 0)
        ck_assert_uint_lt(fault_os_count(fault, FAULT_OPEN), 10);
    fault_os_heal(fault);
    go_to_end();
    driver_reopen(&d);
    assert_same();
}
END_TEST

/* After a power cut at any sync, what had been acknowledged is there. */
START_TEST(power_cuts_lose_nothing)
{
    struct moss_store_options o, of_twin;
    char text[64], *want = NULL, *got;

    open_full(NULL);
    o = d.options;
    of_twin = twin.options;
    fault_os_cut_at(fault, FAULT_SYNC, (unsigned)_i * 5 + 1);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(text, sizeof text, "k%03d=%d kid{-c%03d}", i, i, i);
        if (driver_apply(&d, text) != MOSS_OK)
            break;
        assert_ok(driver_apply(&twin, text));
    }
    ck_assert(fault_os_tripped(fault));
    want = newest_text(&twin);
    driver_close(&twin);
    driver_close(&d);
    reaper_drain();
    mem_os_cut(mem);
    mem_os_restart(mem, MEM_CRASH_DROP, 1);
    fault_os_heal(fault);
    assert_ok(driver_open(&d, DIR, &o));
    got = newest_text(&d);
    if (strcmp(got, want) != 0) {
        /* Then the one that was cut off is there. */
        assert_ok(driver_open(&twin, TWIN, &of_twin));
        assert_ok(driver_apply(&twin, text));
        free(want);
        want = newest_text(&twin);
        ck_assert_str_eq(got, want);
    }
    free(got);
    free(want);
}
END_TEST

Suite *
suite_gradual(void)
{
    Suite *s = suite_create("gradual");
    TCase *tc = tcase_create("gradual");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, an_update_writes_a_slice_of_the_content);
    tcase_add_test(tc, little_is_compacted_at_once);
    tcase_add_test(tc, updates_meanwhile_are_kept);
    tcase_add_test(tc, collections_may_change_meanwhile);
    tcase_add_test(tc, operands_are_merged_over_what_was_written);
    tcase_add_test(tc, refused_operands_are_compacted_at_once);
    tcase_add_test(tc, revert_ends_it);
    tcase_add_test(tc, compaction_on_demand_ends_it);
    tcase_add_test(tc, disabling_ends_it);
    tcase_add_test(tc, close_gives_it_up);
    tcase_add_test(tc, idle_times_bring_it_to_its_end);
    tcase_add_loop_test(tc, a_close_ends_what_is_half_done, 0, 2);
    tcase_add_test(tc, a_close_in_a_hurry_gives_it_up);
    tcase_add_loop_test(tc, failures_lose_nothing, 0, 24);
    tcase_add_loop_test(tc, full_disk_leaves_appending, 0, 5);
    tcase_add_loop_test(tc, power_cuts_lose_nothing, 0, 8);
    suite_add_tcase(s, tc);
    return s;
}
