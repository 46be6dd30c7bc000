/* Full compaction: when, what it keeps, what becomes of the old file. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "moss.h"
#include "store/lockfile.h"
#include "support/fault_os.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/stores.h"

Suite *suite_compact(void);

#define DIR "/store"

static struct mem_os *mem;
static struct fault_os *fault;
static struct moss_os *os;
static struct driver d;

static void
setup(void)
{
    mem = mem_os_new();
    fault = fault_os_new(mem_os_base(mem));
    os = fault_os_base(fault);
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
    o.os = os;
    assert_ok(driver_open(&d, DIR, &o));
}

/* Apply so that the whole store is compacted. */
static void
compact_with(const char *text)
{
    struct moss_store_options o = d.options;

    driver_close(&d);
    o.compaction = MOSS_COMPACTION_FORCE;
    open_with(o);
    assert_ok(driver_apply(&d, text));
    ck_assert_uint_eq(driver_stats(&d).compactions, 1);
}

START_TEST(compaction_keeps_the_data_of_children)
{
    open_with((struct moss_store_options){ 0 });
    assert_ok(driver_apply(&d, "a=1 kid{b=2 deep{c=3}}"));
    assert_ok(driver_apply(&d, "kid{b=22 d=4}"));
    compact_with("z=9");
    assert_tree(d.newest, "a=1 z=9 kid{b=22 d=4 deep{c=3}}");
    driver_reopen(&d);
    assert_tree(d.newest, "a=1 z=9 kid{b=22 d=4 deep{c=3}}");
    assert_files(os, DIR, "data-0000000000000002.moss " LOCKFILE_NAME);
}
END_TEST

START_TEST(compaction_leaves_one_segment_a_collection)
{
    char text[32];

    open_with(
        (struct moss_store_options){ .compaction = MOSS_COMPACTION_DISABLE });
    for (int i = 0; i < 20; i++) {
        (void)snprintf(text, sizeof text, "a%02d=1 kid{b%02d=1}", i, i);
        assert_ok(driver_apply(&d, text));
    }
    ck_assert_uint_gt(driver_stats(&d).segments, 2);
    compact_with("x=1");
    ck_assert_uint_eq(driver_stats(&d).segments, 2);
}
END_TEST

START_TEST(compaction_resolves_operands_and_drops_deletions)
{
    open_with((struct moss_store_options){ .merge = &merge_append });
    assert_ok(driver_apply(&d, "big=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx k=1 "
                               "kid{big=xxxxxxxxxxxxxxxxxxxxxxxxxxx k=1}"));
    assert_ok(driver_apply(&d, "k+2 -big kid{k+2 -big}"));
    compact_with("x=1");
    assert_tree(d.newest, "k=12 x=1 kid{k=12}");
    ck_assert_uint_eq(driver_stats(&d).segments, 2);
}
END_TEST

START_TEST(compaction_without_the_operator_keeps_operands)
{
    open_with((struct moss_store_options){ .merge = &merge_append });
    assert_ok(driver_apply(&d, "big=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                               "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                               " k=1"));
    assert_ok(driver_apply(&d, "k+2"));
    driver_close(&d);
    open_with((struct moss_store_options){ 0 });
    compact_with("x=1");
    driver_close(&d);
    open_with((struct moss_store_options){ .merge = &merge_append });
    compact_with("-big");
    assert_tree(d.newest, "k=12 x=1");
}
END_TEST

START_TEST(readers_keep_the_old_file_until_they_are_done)
{
    struct moss_snapshot *snap, *older = NULL;

    open_with((struct moss_store_options){ 0 });
    assert_ok(driver_apply(&d, "a=1"));
    assert_ok(driver_apply(&d, "a=2 kid{b=1}"));
    snap = moss_snapshot_ref(d.newest);
    driver_close(&d);
    open_with(
        (struct moss_store_options){ .compaction = MOSS_COMPACTION_FORCE });
    moss_snapshot_unref(snap);
    snap = moss_snapshot_ref(d.newest);
    reaper_drain();
    /* The lock, the file. */
    ck_assert_uint_eq(mem_os_open_files(mem), 2);
    assert_ok(driver_apply(&d, "a=3"));
    assert_ok(driver_apply(&d, "a=4"));
    assert_files(os, DIR, "data-0000000000000003.moss " LOCKFILE_NAME);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 3);
    assert_tree(snap, "a=2 kid{b=1}");
    assert_ok(moss_store_previous(d.store, snap, &older, &d.err));
    assert_tree(older, "a=1");
    moss_snapshot_unref(older);
    moss_snapshot_unref(snap);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 2);
}
END_TEST

START_TEST(dead_bytes_beyond_the_bound_are_left_behind)
{
    open_with((struct moss_store_options){ .max_dead_bytes = 100000 });
    for (int i = 0; i < 200; i++) {
        struct moss_store_stats s;

        assert_ok(driver_apply(&d, "a=1 kid{b=2}"));
        s = driver_stats(&d);
        /* One update's worth may come on top. */
        ck_assert_uint_le(s.file_bytes, s.live_bytes + 100000 + 32768);
    }
    ck_assert_uint_gt(driver_stats(&d).compactions, 5);
    ck_assert_uint_lt(driver_stats(&d).compactions, 60);
    driver_reopen(&d);
    assert_tree(d.newest, "a=1 kid{b=2}");
}
END_TEST

/* Two keys with values of so many bytes in one update. */
static void
apply_large(const char *lo, const char *hi, size_t n)
{
    struct moss_batch *batch = NULL;
    uint8_t *value = calloc(1, n);

    assert_ok(moss_batch_new(0, 0, &batch));
    assert_ok(moss_batch_set(batch, moss_str(lo), moss_slice(value, n)));
    assert_ok(moss_batch_set(batch, moss_str(hi), moss_slice(value, n)));
    assert_ok(driver_apply_batch(&d, batch, (struct moss_tag){ ++d.n, 1 }));
    moss_batch_free(batch);
    free(value);
}

START_TEST(small_updates_are_merged_at_once)
{
    open_with((struct moss_store_options){ 0 });
    for (int i = 0; i < 20; i++)
        assert_ok(driver_apply(&d, "a=1"));
    ck_assert_uint_eq(driver_stats(&d).segments, 1);
}
END_TEST

/* Each entry is written again only when eight segments have come together. */
START_TEST(large_updates_are_merged_in_runs)
{
    open_with((struct moss_store_options){ 0 });
    for (unsigned i = 1; i < 8; i++) {
        apply_large("a", "z", 3 << 20);
        ck_assert_uint_eq(driver_stats(&d).segments, i);
    }
    ck_assert_uint_lt(driver_stats(&d).bytes_written, 43 << 20);
    apply_large("a", "z", 3 << 20);
    ck_assert_uint_eq(driver_stats(&d).segments, 1);
}
END_TEST

/* A reader of one key never has to look at more than one of them. */
START_TEST(large_updates_side_by_side_are_left_alone)
{
    char lo[8], hi[8];

    open_with((struct moss_store_options){ 0 });
    for (unsigned i = 1; i <= 10; i++) {
        snprintf(lo, sizeof(lo), "k%02ua", i);
        snprintf(hi, sizeof(hi), "k%02uz", i);
        apply_large(lo, hi, 3 << 20);
        ck_assert_uint_eq(driver_stats(&d).segments, i);
    }
}
END_TEST

START_TEST(no_compaction_is_done_where_none_is_wanted)
{
    open_with((struct moss_store_options){
        .max_dead_bytes = 1, .compaction = MOSS_COMPACTION_DISABLE });
    for (int i = 0; i < 20; i++)
        assert_ok(driver_apply(&d, "a=1"));
    ck_assert_uint_eq(driver_stats(&d).compactions, 0);
    assert_files(os, DIR, "data-0000000000000001.moss " LOCKFILE_NAME);
}
END_TEST

START_TEST(compacted_store_keeps_id_home_and_operator)
{
    struct moss_store_identity before, after;

    open_with((struct moss_store_options){ .merge = &merge_append });
    assert_ok(moss_store_set_home(d.store, "/a/b.db", 7, 8, &d.err));
    moss_store_identity(d.store, &before);
    compact_with("x=1");
    driver_reopen(&d);
    moss_store_identity(d.store, &after);
    ck_assert_mem_eq(&before, &after, sizeof before);
}
END_TEST

static struct moss_error reported;

static void
note_report(void *ctx, const struct moss_error *err)
{
    (void)ctx;
    reported = *err;
}

/*
 * The page of the new file, its segments, then its footer.  Where that fails
 * it is too late to append, and the same changes come again.
 */
START_TEST(full_disk_during_a_compaction_leaves_appending)
{
    enum moss_status st;

    memset(&reported, 0, sizeof reported);
    open_with((struct moss_store_options){ .compaction = MOSS_COMPACTION_FORCE,
                                           .on_error = note_report });
    assert_ok(driver_apply(&d, "a=1"));
    fault_os_fail_nth(fault, FAULT_WRITE, (unsigned)_i + 1, MOSS_FULL, 28);
    st = driver_apply(&d, "b=2");
    ck_assert(fault_os_tripped(fault));
    if (_i < 3) {
        assert_ok(st);
        ck_assert_int_eq(reported.status, MOSS_FULL);
        ck_assert_int_eq(reported.sys_errno, 28);
        assert_files(os, DIR, "data-0000000000000002.moss " LOCKFILE_NAME);
        assert_tree(d.newest, "a=1 b=2");
    } else {
        assert_status(st, MOSS_FULL);
        ck_assert_int_eq(reported.status, MOSS_OK);
        assert_tree(d.newest, "a=1");
        assert_ok(driver_apply(&d, "b=2"));
    }
    driver_reopen(&d);
    assert_tree(d.newest, "a=1 b=2");
}
END_TEST

/* The next one does not try it again, even where each is to. */
START_TEST(full_disk_at_the_end_of_a_compaction_fails_one_update)
{
    open_with(
        (struct moss_store_options){ .compaction = MOSS_COMPACTION_FORCE });
    assert_ok(driver_apply(&d, "a=1"));
    fault_os_fail_from(fault, FAULT_RENAME, 1, MOSS_FULL, 28);
    assert_status(driver_apply(&d, "b=2"), MOSS_FULL);
    assert_ok(driver_apply(&d, "b=2"));
    fault_os_heal(fault);
    driver_reopen(&d);
    assert_tree(d.newest, "a=1 b=2");
}
END_TEST

static char *
text_of_bytes(const char *key, size_t n)
{
    char *text = malloc(n + 3);

    (void)snprintf(text, 3, "%s=", key);
    memset(text + 2, 'x', n);
    text[n + 2] = '\0';
    return text;
}

/*
 * An update that would take older segments along has no room for its footer,
 * each time that it tries: the next time it takes none.
 */
START_TEST(full_disk_at_the_end_of_a_merge_fails_one_update)
{
    char *a = text_of_bytes("a", 3 << 20), *b = text_of_bytes("b", 1700000);
    enum moss_status st;

    open_with((struct moss_store_options){ .compaction_sync = false });
    assert_ok(driver_apply(&d, a));
    fault_os_fail_nth(fault, FAULT_WRITE, (unsigned)_i + 1, MOSS_FULL, 28);
    st = driver_apply(&d, b);
    if (st != MOSS_OK) {
        assert_status(st, MOSS_FULL);
        fault_os_fail_nth(fault, FAULT_WRITE, (unsigned)_i + 1, MOSS_FULL, 28);
        assert_ok(driver_apply(&d, b));
    }
    ck_assert_int_eq(st == MOSS_OK, _i < 4 || _i > 5);
    free(a);
    free(b);
}
END_TEST

/* Some file systems tell only then that there is no room. */
START_TEST(full_disk_at_the_sync_of_a_compaction_leaves_appending)
{
    open_with(
        (struct moss_store_options){ .compaction = MOSS_COMPACTION_FORCE });
    assert_ok(driver_apply(&d, "a=1"));
    fault_os_fail_nth(fault, FAULT_SYNC, 1, MOSS_FULL, 28);
    assert_status(driver_apply(&d, "b=2"), MOSS_FULL);
    ck_assert(fault_os_tripped(fault));
    fault_os_fail_from(fault, FAULT_OPEN, 1, MOSS_FULL, 28);
    assert_ok(driver_apply(&d, "b=2"));
    fault_os_heal(fault);
    driver_reopen(&d);
    assert_tree(d.newest, "a=1 b=2");
}
END_TEST

START_TEST(failure_after_the_rename_does_not_lose_what_comes_next)
{
    struct moss_store_identity id;

    /* The new file is there, but its writer was told that it is not. */
    open_with(
        (struct moss_store_options){ .compaction = MOSS_COMPACTION_FORCE });
    assert_ok(driver_apply(&d, "a=1"));
    fault_os_fail_nth(fault, FAULT_SYNC_DIR, 1, MOSS_IO, 5);
    assert_status(driver_apply(&d, "c=3"), MOSS_IO);
    assert_ok(moss_store_set_home(d.store, "/home", 1, 2, &d.err));
    driver_reopen(&d);
    assert_tree(d.newest, "a=1");
    moss_store_identity(d.store, &id);
    ck_assert_str_eq(id.home_path, "/home");
}
END_TEST

START_TEST(old_file_that_cannot_be_removed_goes_at_the_next_opening)
{
    open_with(
        (struct moss_store_options){ .compaction = MOSS_COMPACTION_FORCE });
    fault_os_fail_nth(fault, FAULT_REMOVE, 1, MOSS_IO, 5);
    assert_ok(driver_apply(&d, "a=1"));
    assert_files(
        os, DIR,
        "data-0000000000000001.moss data-0000000000000002.moss " LOCKFILE_NAME);
    driver_reopen(&d);
    assert_files(os, DIR, "data-0000000000000002.moss " LOCKFILE_NAME);
    assert_tree(d.newest, "a=1");
}
END_TEST

START_TEST(unfinished_files_are_cleared_away)
{
    open_with((struct moss_store_options){ 0 });
    assert_ok(driver_apply(&d, "a=1"));
    driver_close(&d);
    file_write_all(os, DIR "/moss-temporary-0000000000000005", "junk", 4);
    open_with(
        (struct moss_store_options){ .compaction = MOSS_COMPACTION_FORCE });
    assert_files(os, DIR, "data-0000000000000001.moss " LOCKFILE_NAME);
    /* Its number is not used again. */
    assert_ok(driver_apply(&d, "b=2"));
    assert_files(os, DIR, "data-0000000000000006.moss " LOCKFILE_NAME);
}
END_TEST

Suite *
suite_compact(void)
{
    Suite *s = suite_create("compact");
    TCase *tc = tcase_create("compact");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, compaction_keeps_the_data_of_children);
    tcase_add_test(tc, compaction_leaves_one_segment_a_collection);
    tcase_add_test(tc, compaction_resolves_operands_and_drops_deletions);
    tcase_add_test(tc, compaction_without_the_operator_keeps_operands);
    tcase_add_test(tc, readers_keep_the_old_file_until_they_are_done);
    tcase_add_test(tc, dead_bytes_beyond_the_bound_are_left_behind);
    tcase_add_test(tc, small_updates_are_merged_at_once);
    tcase_add_test(tc, large_updates_are_merged_in_runs);
    tcase_add_test(tc, large_updates_side_by_side_are_left_alone);
    tcase_add_test(tc, no_compaction_is_done_where_none_is_wanted);
    tcase_add_test(tc, compacted_store_keeps_id_home_and_operator);
    tcase_add_loop_test(tc, full_disk_during_a_compaction_leaves_appending, 0,
                        4);
    tcase_add_test(tc, full_disk_at_the_end_of_a_compaction_fails_one_update);
    tcase_add_loop_test(tc, full_disk_at_the_end_of_a_merge_fails_one_update, 0,
                        8);
    tcase_add_test(tc, full_disk_at_the_sync_of_a_compaction_leaves_appending);
    tcase_add_test(tc, failure_after_the_rename_does_not_lose_what_comes_next);
    tcase_add_test(tc,
                   old_file_that_cannot_be_removed_goes_at_the_next_opening);
    tcase_add_test(tc, unfinished_files_are_cleared_away);
    suite_add_tcase(s, tc);
    return s;
}
