/* Compaction on demand, how it is ended, and the options that steer it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "moss.h"
#include "support/fault_os.h"
#include "support/mem_os.h"
#include "support/stores.h"

Suite *suite_demand(void);

#define DIR "/store"

static struct mem_os *mem;
static struct fault_os *fault;
static struct driver d;

static void
setup(void)
{
    mem = mem_os_new();
    fault = fault_os_new(mem_os_base(mem));
    memset(&d, 0, sizeof d);
}

static void
teardown(void)
{
    driver_close(&d);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    fault_os_free(fault);
    mem_os_free(mem);
}

static void
open_with(struct moss_store_options o)
{
    o.os = fault_os_base(fault);
    assert_ok(driver_open(&d, DIR, &o));
}

/* n updates of one key of their own, here and in a child, each a segment. */
static void
pile_up(int n)
{
    moss_store_set_compaction(d.store, MOSS_COMPACTION_DISABLE);
    for (int i = 0; i < n; i++) {
        char text[32];

        (void)snprintf(text, sizeof text, "k=%d kid{k=%d}", i, i);
        assert_ok(driver_apply(&d, text));
    }
    ck_assert_uint_eq(driver_stats(&d).segments, 2 * (unsigned)n);
    moss_store_set_compaction(d.store, MOSS_COMPACTION_ALLOW);
}

static void
assert_newest(const char *want)
{
    struct moss_snapshot *snap = NULL;

    assert_ok(moss_store_snapshot(d.store, &snap));
    assert_tree(snap, want);
    moss_snapshot_unref(snap);
}

static enum moss_status
compact_as(enum moss_compact_kind kind)
{
    struct moss_compact_options o = { .kind = kind };

    return moss_store_compact(d.store, &o, &d.err);
}

START_TEST(full_compaction_leaves_one_segment_and_a_new_file)
{
    open_with((struct moss_store_options){ 0 });
    pile_up(9);
    assert_ok(moss_store_compact(d.store, NULL, &d.err));
    ck_assert_uint_eq(driver_stats(&d).segments, 2);
    ck_assert_uint_eq(driver_stats(&d).compactions, 1);
    ck_assert_str_eq(driver_stats(&d).data_file, "data-0000000000000002.moss");
    assert_newest("k=8 kid{k=8}");
    /* Once more there is nothing to do. */
    assert_ok(moss_store_compact(d.store, NULL, &d.err));
    ck_assert_uint_eq(driver_stats(&d).compactions, 1);
    /* The collection above goes on. */
    assert_ok(driver_apply(&d, "a=1"));
    driver_reopen(&d);
    assert_newest("a=1 k=8 kid{k=8}");
}
END_TEST

START_TEST(leveled_compaction_keeps_file_and_history)
{
    struct moss_snapshot *snap = NULL, *older = NULL;

    open_with((struct moss_store_options){ 0 });
    pile_up(9);
    assert_ok(compact_as(MOSS_COMPACT_LEVELED));
    ck_assert_uint_eq(driver_stats(&d).segments, 2);
    ck_assert_uint_eq(driver_stats(&d).compactions, 0);
    ck_assert_uint_eq(driver_stats(&d).partial_compactions, 1);
    ck_assert_str_eq(driver_stats(&d).data_file, "data-0000000000000001.moss");
    driver_reopen(&d);
    assert_newest("k=8 kid{k=8}");
    assert_ok(moss_store_snapshot(d.store, &snap));
    for (int i = 0; i < 9; i++) {
        assert_ok(moss_store_previous(d.store, snap, &older, &d.err));
        moss_snapshot_unref(snap);
        snap = older;
    }
    assert_tree(snap, "k=0 kid{k=0}");
    moss_snapshot_unref(snap);
    assert_ok(compact_as(MOSS_COMPACT_LEVELED));
    ck_assert_uint_eq(driver_stats(&d).partial_compactions, 0);
}
END_TEST

START_TEST(readonly_store_is_not_compacted)
{
    store_make(fault_os_base(fault), DIR, "a=1");
    open_with((struct moss_store_options){ .readonly = true });
    assert_status(moss_store_compact(d.store, NULL, &d.err), MOSS_READONLY);
}
END_TEST

struct observer {
    unsigned calls, stop_at;
    uint64_t done, total;
};

static bool
observe(void *ctx, uint64_t done, uint64_t total)
{
    struct observer *o = ctx;

    ck_assert_uint_ge(done, o->done);
    ck_assert_uint_le(done, total);
    o->done = done;
    o->total = total;
    return ++o->calls != o->stop_at;
}

START_TEST(progress_is_told_and_can_end_it_at_any_time)
{
    struct observer all = { 0 };
    const struct moss_compact_options o = { (enum moss_compact_kind)_i, observe,
                                            &all };

    open_with((struct moss_store_options){ 0 });
    pile_up(9);
    for (unsigned n = 1;; n++) {
        struct observer one = { .stop_at = n };
        const struct moss_compact_options stop = { (enum moss_compact_kind)_i,
                                                   observe, &one };
        uint64_t bytes = driver_stats(&d).file_bytes;
        enum moss_status st = moss_store_compact(d.store, &stop, &d.err);

        reaper_drain();
        if (st == MOSS_OK)
            break;
        assert_status(st, MOSS_ABORTED);
        ck_assert_int_eq(d.err.status, MOSS_ABORTED);
        ck_assert_uint_eq(driver_stats(&d).file_bytes, bytes);
        ck_assert_uint_eq(driver_stats(&d).segments, 18);
        assert_newest("k=8 kid{k=8}");
        all.calls = n;
    }
    ck_assert_uint_ge(all.calls, 4); /* two regions of two collections */
    ck_assert_uint_eq(driver_stats(&d).segments, 2);
    all.calls = 0;
    moss_store_set_compaction(d.store, MOSS_COMPACTION_DISABLE);
    assert_ok(driver_apply(&d, "a=1 kid{a=1}"));
    assert_ok(driver_apply(&d, "b=1 kid{b=1}"));
    assert_ok(moss_store_compact(d.store, &o, &d.err));
    ck_assert_uint_gt(all.calls, 0);
    ck_assert_uint_eq(all.done, all.total);
    driver_reopen(&d);
    assert_newest("a=1 b=1 k=8 kid{a=1 b=1 k=8}");
}
END_TEST

START_TEST(close_with_abort_ends_compactions_and_keeps_updates)
{
    open_with((struct moss_store_options){ 0 });
    pile_up(9);
    moss_store_set_compaction(d.store, MOSS_COMPACTION_FORCE);
    /* The lower level stays open over it. */
    moss_store_close_ex(d.store, true);
    assert_ok(driver_apply(&d, "z=1"));
    d.store = NULL;
    driver_reopen(&d);
    ck_assert_uint_eq(driver_stats(&d).segments, 19);
    ck_assert_str_eq(driver_stats(&d).data_file, "data-0000000000000001.moss");
    assert_newest("k=8 z=1 kid{k=8}");
    moss_store_close_ex(NULL, true);
}
END_TEST

/* Aborts the store in the middle of what it writes. */
static struct moss_store *to_abort;
static unsigned writes_left;

static void
abort_later(void)
{
    if (writes_left > 0 && --writes_left == 0)
        moss_store_close_ex(to_abort, true);
}

START_TEST(update_whose_compaction_is_aborted_is_appended)
{
    struct moss_store_options o = { 0 };

    open_with(o);
    pile_up(9);
    moss_store_set_compaction(d.store, MOSS_COMPACTION_FORCE);
    to_abort = d.store;
    writes_left = (unsigned)_i + 1;
    fault_os_before_write(fault, abort_later);
    assert_ok(driver_apply(&d, "z=1"));
    fault_os_before_write(fault, NULL);
    ck_assert_uint_eq(writes_left, 0);
    d.store = NULL;
    driver_reopen(&d);
    ck_assert_uint_eq(driver_stats(&d).segments, 19);
    assert_newest("k=8 z=1 kid{k=8}");
}
END_TEST

START_TEST(aborted_leveled_merge_of_an_update_is_appended)
{
    open_with((struct moss_store_options){ 0 });
    pile_up(9);
    to_abort = d.store;
    writes_left = 1;
    fault_os_before_write(fault, abort_later);
    assert_ok(driver_apply(&d, "kid{z=1}"));
    fault_os_before_write(fault, NULL);
    d.store = NULL;
    driver_reopen(&d);
    ck_assert_uint_eq(driver_stats(&d).segments, 19);
    assert_newest("k=8 kid{k=8 z=1}");
}
END_TEST

START_TEST(updates_with_no_sync_do_not_sync)
{
    open_with((struct moss_store_options){ .no_sync = true });
    assert_ok(driver_apply(&d, "a=1")); /* identity and all */
    fault_os_reset_counts(fault);
    assert_ok(driver_apply(&d, "b=2"));
    ck_assert_uint_eq(fault_os_count(fault, FAULT_SYNC), 0);
    /* The process is killed, not the system. */
    driver_close(&d);
    open_with((struct moss_store_options){ 0 });
    assert_newest("a=1 b=2");
    fault_os_reset_counts(fault);
    assert_ok(driver_apply(&d, "c=2"));
    ck_assert_uint_eq(fault_os_count(fault, FAULT_SYNC), 2);
}
END_TEST

START_TEST(compaction_sync_syncs_leveled_compactions_on_their_way)
{
    struct moss_store_options o = { .no_sync = true,
                                    .compaction_sync = true,
                                    .compaction_sync_after_bytes = 1 };

    open_with(o);
    pile_up(9);
    fault_os_reset_counts(fault);
    assert_ok(driver_apply(&d, "k=9"));
    ck_assert_uint_ge(fault_os_count(fault, FAULT_SYNC), 3);
    driver_close(&d);
    o.compaction_sync_after_bytes = 0; /* 16 MB */
    open_with(o);
    moss_store_set_compaction(d.store, MOSS_COMPACTION_DISABLE);
    for (int i = 0; i < 9; i++)
        assert_ok(driver_apply(&d, "k=9"));
    moss_store_set_compaction(d.store, MOSS_COMPACTION_ALLOW);
    fault_os_reset_counts(fault);
    assert_ok(driver_apply(&d, "k=9"));
    ck_assert_uint_eq(fault_os_count(fault, FAULT_SYNC), 2);
}
END_TEST

START_TEST(failed_sync_on_the_way_moves_the_store_to_a_new_file)
{
    open_with((struct moss_store_options){ .compaction_sync = true,
                                           .compaction_sync_after_bytes = 1 });
    pile_up(9);
    fault_os_fail_nth(fault, FAULT_SYNC, 1, MOSS_IO, 5);
    assert_status(driver_apply(&d, "k=9"), MOSS_IO);
    assert_ok(driver_apply(&d, "k=9"));
    ck_assert_str_eq(driver_stats(&d).data_file, "data-0000000000000002.moss");
    driver_reopen(&d);
    assert_newest("k=9 kid{k=8}");
}
END_TEST

static unsigned
writes_of_a_compaction(unsigned pages)
{
    struct moss_batch *batch = NULL;
    static const uint8_t value[100000];
    unsigned n;

    open_with((struct moss_store_options){ .compaction_buffer_pages = pages });
    assert_ok(moss_batch_new(0, 0, &batch));
    assert_ok(
        moss_batch_set(batch, moss_str("a"), moss_slice(value, sizeof value)));
    assert_ok(driver_apply_batch(&d, batch, (struct moss_tag){ d.n + 1, 1 }));
    moss_batch_free(batch);
    fault_os_reset_counts(fault);
    assert_ok(moss_store_compact(d.store, NULL, &d.err));
    n = fault_os_count(fault, FAULT_WRITE);
    driver_close(&d);
    return n;
}

START_TEST(buffer_pages_are_written_at_once)
{
    unsigned few = writes_of_a_compaction(0);

    ck_assert_uint_ge(writes_of_a_compaction(2), few + 10);
}
END_TEST

START_TEST(too_many_dead_bytes_by_their_part)
{
    open_with((struct moss_store_options){ .compaction_percentage = 0.9 });
    for (int i = 0; i < 200; i++) {
        struct moss_store_stats s;

        assert_ok(driver_apply(&d, "a=1 kid{b=2}"));
        s = driver_stats(&d);
        ck_assert_uint_le(s.file_bytes, 10 * s.live_bytes + 32768);
    }
    ck_assert_uint_gt(driver_stats(&d).compactions, 2);
    ck_assert_uint_lt(driver_stats(&d).compactions, 60);
}
END_TEST

/* Keys from..to of 1000 bytes each, as one update. */
static void
apply_keys(int from, int to)
{
    struct moss_batch *batch = NULL;
    static const uint8_t value[1000];

    assert_ok(moss_batch_new(0, 0, &batch));
    for (int i = from; i < to; i++) {
        char key[16];

        (void)snprintf(key, sizeof key, "%08d", i);
        assert_ok(moss_batch_set(batch, moss_str(key),
                                 moss_slice(value, sizeof value)));
    }
    d.n++;
    assert_ok(
        driver_apply_batch(&d, batch, (struct moss_tag){ d.n, 100 * d.n }));
    moss_batch_free(batch);
}

START_TEST(what_newer_entries_hide_counts_as_dead)
{
    /* Large beside the updates: not merged for its size. */
    open_with((struct moss_store_options){ .max_dead_bytes = 300000 });
    apply_keys(0, 4000);
    for (int i = 0; i < 3; i++)
        apply_keys(4000 + 200 * i, 4200 + 200 * i);
    ck_assert_uint_eq(driver_stats(&d).compactions, 0);
    /* The same again, over old keys. */
    for (int i = 0; i < 3; i++)
        apply_keys(200 * i, 200 + 200 * i);
    ck_assert_uint_eq(driver_stats(&d).compactions, 1);
}
END_TEST

START_TEST(compaction_can_be_changed_to_what_there_is)
{
    open_with((struct moss_store_options){ 0 });
    assert_ok(moss_store_set_compaction(d.store, MOSS_COMPACTION_FORCE));
    assert_status(moss_store_set_compaction(d.store, (enum moss_compaction)3),
                  MOSS_INVALID);
    assert_status(
        moss_store_set_compaction(d.store, (enum moss_compaction) - 1),
        MOSS_INVALID);
    assert_ok(driver_apply(&d, "a=1"));
    ck_assert_uint_eq(driver_stats(&d).compactions, 1); /* still FORCE */
}
END_TEST

START_TEST(kept_files_stay)
{
    char *names;

    open_with((struct moss_store_options){ .keep_files = true });
    assert_ok(driver_apply(&d, "a=1"));
    moss_store_set_compaction(d.store, MOSS_COMPACTION_FORCE);
    assert_ok(driver_apply(&d, "b=1"));
    driver_reopen(&d);
    assert_newest("a=1 b=1");
    names = dir_names(fault_os_base(fault), DIR);
    ck_assert_ptr_nonnull(strstr(names, "data-0000000000000001.moss"));
    ck_assert_ptr_nonnull(strstr(names, "data-0000000000000002.moss"));
    free(names);
    driver_close(&d);
    open_with((struct moss_store_options){ 0 });
    names = dir_names(fault_os_base(fault), DIR);
    ck_assert_ptr_null(strstr(names, "data-0000000000000001.moss"));
    free(names);
}
END_TEST

Suite *
suite_demand(void)
{
    Suite *s = suite_create("demand");
    TCase *tc = tcase_create("demand");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, full_compaction_leaves_one_segment_and_a_new_file);
    tcase_add_test(tc, leveled_compaction_keeps_file_and_history);
    tcase_add_test(tc, readonly_store_is_not_compacted);
    tcase_add_loop_test(tc, progress_is_told_and_can_end_it_at_any_time, 0, 2);
    tcase_add_test(tc, close_with_abort_ends_compactions_and_keeps_updates);
    tcase_add_loop_test(tc, update_whose_compaction_is_aborted_is_appended, 0,
                        4);
    tcase_add_test(tc, aborted_leveled_merge_of_an_update_is_appended);
    tcase_add_test(tc, updates_with_no_sync_do_not_sync);
    tcase_add_test(tc, compaction_sync_syncs_leveled_compactions_on_their_way);
    tcase_add_test(tc, failed_sync_on_the_way_moves_the_store_to_a_new_file);
    tcase_add_test(tc, buffer_pages_are_written_at_once);
    tcase_add_test(tc, too_many_dead_bytes_by_their_part);
    tcase_add_test(tc, what_newer_entries_hide_counts_as_dead);
    tcase_add_test(tc, compaction_can_be_changed_to_what_there_is);
    tcase_add_test(tc, kept_files_stay);
    suite_add_tcase(s, tc);
    return s;
}
