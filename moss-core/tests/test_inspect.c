/* What a snapshot's segments are, and whether damage to them is found. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "moss.h"
#include "support/mem_os.h"
#include "support/stores.h"

Suite *suite_inspect(void);

#define DIR "/store"

static struct mem_os *mem;
static struct driver d;

static void
setup(void)
{
    struct moss_store_options o = {
        .compaction = MOSS_COMPACTION_DISABLE,
    };

    mem = mem_os_new();
    o.os = mem_os_base(mem);
    assert_ok(driver_open(&d, DIR, &o));
}

static void
teardown(void)
{
    driver_close(&d);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    mem_os_free(mem);
}

/* "level:entries/deletions key bytes+value bytes", for each segment. */
static enum moss_status
describe(void *arg, const struct moss_segment_info *info)
{
    char *text = arg;
    size_t n = strlen(text);

    snprintf(text + n, 400 - n, "%s%zu:%d/%d %d+%d%s", n > 0 ? ", " : "",
             info->level, (int)info->entries, (int)info->deletions,
             (int)info->key_bytes, (int)info->value_bytes,
             info->in_file ? "" : " in memory");
    if (info->in_file) {
        ck_assert_str_eq(info->file, "data-0000000000000001.moss");
        ck_assert_uint_ge(info->offset, 4096);
        ck_assert_uint_eq(info->offset % 4096, 0);
    } else {
        ck_assert_str_eq(info->file, "");
    }
    return MOSS_OK;
}

static void
assert_segments(struct moss_snapshot *snap, const char *want)
{
    char text[400] = "";

    assert_ok(moss_snapshot_each_segment(snap, describe, text));
    ck_assert_str_eq(text, want);
}

static void
two_segments(void)
{
    assert_ok(driver_apply(&d, "a=one bb=two"));
    assert_ok(driver_apply(&d, "-a c=3"));
}

START_TEST(segments_are_told_newest_first)
{
    two_segments();
    assert_segments(d.newest, "0:2/1 2+1, 1:2/0 3+6");
}
END_TEST

START_TEST(segments_in_memory_have_no_file)
{
    struct moss_snapshot *over;
    struct moss_batch *batch;

    two_segments();
    assert_ok(moss_batch_new(0, 0, &batch));
    assert_ok(moss_batch_set(batch, moss_str("x"), moss_str("yy")));
    assert_ok(moss_snapshot_overlay(d.newest, batch, 0, 1, &over));
    assert_segments(over, "0:1/0 1+2 in memory, 1:2/1 2+1, 2:2/0 3+6");
    assert_ok(moss_snapshot_check(over, NULL, NULL, NULL));
    moss_snapshot_unref(over);
    moss_batch_free(batch);
}
END_TEST

static enum moss_status
stop(void *arg, const struct moss_segment_info *info)
{
    (void)info;
    ++*(int *)arg;
    return MOSS_DONE;
}

START_TEST(the_caller_ends_the_list)
{
    int calls = 0;

    two_segments();
    assert_status(moss_snapshot_each_segment(d.newest, stop, &calls),
                  MOSS_DONE);
    ck_assert_int_eq(calls, 1);
}
END_TEST

static bool
count(void *ctx, uint64_t done, uint64_t total)
{
    ck_assert_uint_le(done, total);
    ck_assert_uint_eq(total, 4);
    return --*(int *)ctx > 0;
}

START_TEST(a_check_ends_when_it_is_told_to)
{
    int calls = 100;
    struct moss_error err;

    two_segments();
    assert_ok(moss_snapshot_check(d.newest, count, &calls, &err));
    ck_assert_int_lt(calls, 100);
    for (int n = 100 - calls; n > 0; n--) {
        calls = n;
        assert_status(moss_snapshot_check(d.newest, count, &calls, &err),
                      MOSS_ABORTED);
    }
}
END_TEST

/* Change byte at of the data file, and say what a check of the store finds. */
static enum moss_status
check_damaged(uint64_t at, struct moss_error *err)
{
    struct moss_store_options o = d.options;
    struct moss_snapshot *snap;
    char *path = driver_data_path(&d);
    uint8_t *bytes;
    size_t n;
    enum moss_status st;

    driver_close(&d);
    bytes = file_read_all(o.os, path, &n);
    ck_assert_uint_lt(at, n);
    bytes[at] ^= 1;
    file_write_all(o.os, path, bytes, n);
    free(bytes);
    free(path);
    assert_ok(driver_open(&d, DIR, &o));
    assert_ok(moss_store_snapshot(d.store, &snap));
    st = moss_snapshot_check(snap, NULL, NULL, err);
    moss_snapshot_unref(snap);
    return st;
}

static enum moss_status
note_offset(void *arg, const struct moss_segment_info *info)
{
    *(uint64_t *)arg = info->offset;
    return MOSS_OK;
}

/* A byte of an entry, or of a key in the middle, which opening never reads. */
START_TEST(damage_is_found_and_placed)
{
    static const char *const what[] = {
        "checksum of a segment's entries",
        "checksum of a segment's keys and values",
    };
    struct moss_error err = { .status = MOSS_OK };
    uint64_t off = 0, at;

    assert_ok(driver_apply(&d, "a=one b=two c=three"));
    assert_ok(moss_snapshot_each_segment(d.newest, note_offset, &off));
    /* The second entry's first word; the bytes stand on a page behind. */
    at = _i == 0 ? off + 16 : 0;
    if (_i == 1) {
        char *path = driver_data_path(&d);
        size_t n;
        uint8_t *bytes = file_read_all(d.options.os, path, &n);

        for (at = off; memcmp(bytes + at, "btwo", 4) != 0;)
            at++;
        free(bytes);
        free(path);
    }
    assert_status(check_damaged(at, &err), MOSS_CORRUPT);
    ck_assert_str_eq(err.what, what[_i]);
    ck_assert_uint_eq(err.offset, off);
    ck_assert_str_eq(err.path, DIR "/data-0000000000000001.moss");
}
END_TEST

static TCase *
inspect_tcase(void)
{
    TCase *tc = tcase_create("inspect");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, segments_are_told_newest_first);
    tcase_add_test(tc, segments_in_memory_have_no_file);
    tcase_add_test(tc, the_caller_ends_the_list);
    tcase_add_test(tc, a_check_ends_when_it_is_told_to);
    tcase_add_loop_test(tc, damage_is_found_and_placed, 0, 2);
    return tc;
}

Suite *
suite_inspect(void)
{
    Suite *s = suite_create("inspect");

    suite_add_tcase(s, inspect_tcase());
    return s;
}
