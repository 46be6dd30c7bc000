/* Older commit points, and going back to them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "moss.h"
#include "support/mem_os.h"
#include "support/stores.h"

Suite *suite_history(void);

#define DIR "/store"

static struct mem_os *mem;
static struct driver d;

static void
open_with(struct moss_store_options o)
{
    o.os = mem_os_base(mem);
    assert_ok(driver_open(&d, DIR, &o));
}

static void
setup(void)
{
    mem = mem_os_new();
    open_with((struct moss_store_options){ 0 });
}

static void
teardown(void)
{
    driver_close(&d);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    mem_os_free(mem);
}

/* The commit point n steps before the newest; NULL if there is none. */
static struct moss_snapshot *
back(int n)
{
    struct moss_snapshot *snap = NULL, *older = NULL;

    assert_ok(moss_store_snapshot(d.store, &snap));
    for (; n > 0; n--) {
        enum moss_status st =
            moss_store_previous(d.store, snap, &older, &d.err);

        moss_snapshot_unref(snap);
        if (st != MOSS_OK) {
            assert_status(st, MOSS_NOT_FOUND);
            return NULL;
        }
        snap = older;
    }
    return snap;
}

static void
assert_back(int n, const char *want)
{
    struct moss_snapshot *snap = back(n);

    ck_assert_ptr_nonnull(snap);
    assert_tree(snap, want);
    moss_snapshot_unref(snap);
}

/* Revert, and begin again with a new lower level.  Takes over snap. */
static enum moss_status
revert_to(struct moss_snapshot *snap)
{
    enum moss_status st;

    d.lower->ops->close(d.lower);
    d.lower = NULL;
    st = moss_store_revert(d.store, snap, &d.err);
    moss_snapshot_unref(snap);
    assert_ok(moss_store_lower(d.store, &d.lower));
    moss_snapshot_unref(d.newest);
    d.newest = d.lower->initial;
    d.lower->initial = NULL;
    return st;
}

START_TEST(every_commit_point_can_be_read)
{
    struct moss_snapshot *snap;

    assert_ok(driver_apply(&d, "a=1"));
    assert_ok(driver_apply(&d, "b=2 kid{x=1}"));
    assert_ok(driver_apply(&d, "-a !kid"));
    for (int i = 0; i < 2; i++) {
        assert_back(0, "b=2");
        assert_back(1, "a=1 b=2 kid{x=1}");
        assert_back(2, "a=1");
        assert_back(3, "");
        ck_assert_ptr_null(back(4));
        snap = back(1);
        ck_assert_uint_eq(moss_snapshot_tag(snap).n, 2);
        ck_assert_uint_eq(moss_snapshot_tag(snap).id, 200);
        moss_snapshot_unref(snap);
        driver_reopen(&d);
    }
}
END_TEST

START_TEST(merging_segments_does_not_cut_the_history)
{
    char text[32];

    for (int i = 0; i < 30; i++) {
        (void)snprintf(text, sizeof text, "k=%d", i);
        assert_ok(driver_apply(&d, text));
    }
    driver_reopen(&d);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(text, sizeof text, "k=%d", 29 - i);
        assert_back(i, text);
    }
    assert_back(30, "");
}
END_TEST

START_TEST(revert_makes_an_older_commit_point_the_newest)
{
    assert_ok(driver_apply(&d, "a=1 kid{x=1}"));
    assert_ok(driver_apply(&d, "a=2 !kid"));
    assert_ok(driver_apply(&d, "a=3"));
    assert_ok(revert_to(back(2)));
    assert_tree(d.newest, "a=1 kid{x=1}");
    driver_reopen(&d);
    assert_tree(d.newest, "a=1 kid{x=1}");
    ck_assert_uint_eq(moss_snapshot_tag(d.newest).n, 1);
    /* What came between stays. */
    assert_back(1, "a=3");
    assert_back(2, "a=2");
    assert_ok(driver_apply(&d, "b=1 kid{y=2}"));
    driver_reopen(&d);
    assert_tree(d.newest, "a=1 b=1 kid{x=1 y=2}");
}
END_TEST

START_TEST(revert_to_the_empty_beginning)
{
    assert_ok(driver_apply(&d, "a=1"));
    assert_ok(revert_to(back(1)));
    assert_tree(d.newest, "");
    driver_reopen(&d);
    assert_tree(d.newest, "");
    assert_back(1, "a=1");
    assert_ok(driver_apply(&d, "b=2"));
    driver_reopen(&d);
    assert_tree(d.newest, "b=2");
}
END_TEST

START_TEST(revert_reaches_behind_a_compaction)
{
    struct moss_snapshot *snap;

    assert_ok(driver_apply(&d, "a=1 kid{x=1}"));
    driver_reopen(&d);
    driver_close(&d);
    open_with(
        (struct moss_store_options){ .compaction = MOSS_COMPACTION_FORCE });
    snap = moss_snapshot_ref(d.newest);
    assert_ok(driver_apply(&d, "a=2 !kid"));
    assert_ok(driver_apply(&d, "a=3"));
    d.options.compaction = MOSS_COMPACTION_ALLOW;
    assert_ok(revert_to(snap));
    driver_reopen(&d);
    assert_tree(d.newest, "a=1 kid{x=1}");
}
END_TEST

START_TEST(history_begins_anew_with_a_compaction)
{
    assert_ok(driver_apply(&d, "a=1"));
    driver_close(&d);
    open_with(
        (struct moss_store_options){ .compaction = MOSS_COMPACTION_FORCE });
    assert_ok(driver_apply(&d, "a=2"));
    ck_assert_ptr_null(back(1));
}
END_TEST

START_TEST(history_goes_on_in_kept_files)
{
    struct moss_snapshot *snap;

    driver_close(&d);
    open_with((struct moss_store_options){ .keep_files = true });
    assert_ok(driver_apply(&d, "a=1"));
    for (int i = 2; i <= 3; i++) {
        moss_store_set_compaction(d.store, MOSS_COMPACTION_FORCE);
        assert_ok(driver_apply(&d, i == 2 ? "a=2" : "a=4"));
        moss_store_set_compaction(d.store, MOSS_COMPACTION_ALLOW);
        assert_ok(driver_apply(&d, i == 2 ? "a=3" : "a=5 kid{b=1}"));
    }
    driver_reopen(&d);
    assert_back(0, "a=5 kid{b=1}");
    assert_back(1, "a=4");
    assert_back(2, "a=3");
    assert_back(4, "a=1");
    assert_back(5, "");
    ck_assert_ptr_null(back(6));
    /* Going back there for good, and on from there. */
    assert_ok(revert_to(back(3)));
    assert_tree(d.newest, "a=2");
    assert_back(1, "a=5 kid{b=1}");
    assert_ok(driver_apply(&d, "b=1"));
    driver_reopen(&d);
    assert_back(0, "a=2 b=1");
    assert_back(1, "a=2");
    assert_back(7, "");
    /* Who does not keep files does not look for them. */
    driver_close(&d);
    open_with((struct moss_store_options){ .readonly = true });
    snap = back(2);
    ck_assert_ptr_null(snap);
}
END_TEST

START_TEST(unreadable_older_file_is_an_error)
{
    struct moss_snapshot *snap = NULL, *older = NULL;

    driver_close(&d);
    open_with((struct moss_store_options){ .keep_files = true });
    assert_ok(moss_store_compact(d.store, NULL, &d.err));
    assert_ok(driver_apply(&d, "a=1"));
    assert_ok(moss_store_compact(d.store, NULL, &d.err));
    file_write_all(mem_os_base(mem), DIR "/data-0000000000000001.moss", "x", 1);
    snap = back(0);
    assert_status(moss_store_previous(d.store, snap, &older, &d.err),
                  MOSS_CORRUPT);
    ck_assert_ptr_null(older);
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(a_commit_point_tells_what_it_is)
{
    struct moss_commit_info info, older;
    struct moss_snapshot *snap;

    assert_ok(driver_apply(&d, "a=1 bb=22 kid{c=3}"));
    assert_ok(driver_apply(&d, "kid{-c d=4}"));
    snap = back(0);
    assert_ok(moss_store_commit_info(d.store, snap, &info));
    moss_snapshot_unref(snap);
    ck_assert_uint_eq(info.tag.n, 2);
    ck_assert_uint_eq(info.tag.id, 200);
    ck_assert_uint_gt(info.unix_seconds, 0);
    ck_assert_uint_eq(info.collections, 2);
    ck_assert_uint_eq(info.segments, driver_stats(&d).segments);
    ck_assert_uint_eq(info.entries, 3);
    ck_assert_uint_eq(info.deletions, 0); /* merged with what it deletes */
    ck_assert_uint_eq(info.bytes, 8);
    ck_assert_uint_eq(info.disk_bytes, driver_stats(&d).live_bytes);
    ck_assert_str_eq(info.data_file, "data-0000000000000001.moss");
    snap = back(1);
    assert_ok(moss_store_commit_info(d.store, snap, &older));
    moss_snapshot_unref(snap);
    ck_assert_uint_eq(older.tag.n, 1);
    ck_assert_uint_gt(older.offset, 0);
    ck_assert_uint_lt(older.offset + older.footer_bytes, info.offset);
    ck_assert_uint_eq(older.entries, 3);
    assert_ok(moss_snapshot_empty(NULL, &snap));
    assert_status(moss_store_commit_info(d.store, snap, &info), MOSS_INVALID);
    ck_assert_uint_eq(info.entries, 0);
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(revert_under_a_collection_is_busy)
{
    struct moss_snapshot *snap = back(0);

    assert_status(moss_store_revert(d.store, snap, &d.err), MOSS_BUSY);
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(snapshots_of_others_are_invalid)
{
    struct moss_store_options o = { .os = mem_os_base(mem) };
    struct moss_snapshot *empty = NULL, *kid = NULL, *older = NULL;
    struct driver other;

    assert_ok(moss_snapshot_empty(NULL, &empty));
    assert_ok(driver_apply(&d, "kid{a=1}"));
    assert_ok(moss_snapshot_child(d.newest, moss_str("kid"), &kid));
    assert_ok(driver_open(&other, "/other", &o));
    assert_status(moss_store_previous(d.store, empty, &older, &d.err),
                  MOSS_INVALID);
    assert_status(moss_store_previous(d.store, kid, &older, &d.err),
                  MOSS_INVALID);
    assert_status(moss_store_previous(d.store, other.newest, &older, &d.err),
                  MOSS_INVALID);
    assert_status(moss_store_revert(d.store, other.newest, &d.err),
                  MOSS_INVALID);
    ck_assert_ptr_null(older);
    driver_close(&other);
    moss_snapshot_unref(kid);
    moss_snapshot_unref(empty);
}
END_TEST

START_TEST(readonly_store_reads_history_and_does_not_revert)
{
    struct moss_snapshot *snap;

    assert_ok(driver_apply(&d, "a=1"));
    assert_ok(driver_apply(&d, "a=2"));
    driver_close(&d);
    open_with((struct moss_store_options){ .readonly = true });
    assert_back(1, "a=1");
    snap = back(1);
    assert_status(moss_store_revert(d.store, snap, &d.err), MOSS_READONLY);
    moss_snapshot_unref(snap);
}
END_TEST

Suite *
suite_history(void)
{
    Suite *s = suite_create("history");
    TCase *tc = tcase_create("history");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_commit_point_can_be_read);
    tcase_add_test(tc, merging_segments_does_not_cut_the_history);
    tcase_add_test(tc, revert_makes_an_older_commit_point_the_newest);
    tcase_add_test(tc, revert_to_the_empty_beginning);
    tcase_add_test(tc, revert_reaches_behind_a_compaction);
    tcase_add_test(tc, history_begins_anew_with_a_compaction);
    tcase_add_test(tc, history_goes_on_in_kept_files);
    tcase_add_test(tc, unreadable_older_file_is_an_error);
    tcase_add_test(tc, a_commit_point_tells_what_it_is);
    tcase_add_test(tc, revert_under_a_collection_is_busy);
    tcase_add_test(tc, snapshots_of_others_are_invalid);
    tcase_add_test(tc, readonly_store_reads_history_and_does_not_revert);
    suite_add_tcase(s, tc);
    return s;
}
