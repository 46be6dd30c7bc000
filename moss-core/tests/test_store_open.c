/* Opening and creating stores, and whom they belong to. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "moss.h"
#include "store/identity.h"
#include "store/lockfile.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/stores.h"

Suite *suite_store_open(void);

#define DIR "/store"
#define DATA1 DIR "/data-0000000000000001.moss"
#define DATA2 DIR "/data-0000000000000002.moss"

static struct mem_os *mem;
static struct moss_os *os;
static struct driver d;

static void
setup(void)
{
    mem = mem_os_new();
    os = mem_os_base(mem);
    memset(&d, 0, sizeof d);
}

static void
teardown(void)
{
    driver_close(&d);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    mem_os_free(mem);
}

static void
open_with(struct moss_store_options o)
{
    o.os = os;
    assert_ok(driver_open(&d, DIR, &o));
}

static void
open_default(void)
{
    open_with((struct moss_store_options){ 0 });
}

static enum moss_status
try_open(struct moss_store_options o)
{
    o.os = os;
    return driver_open(&d, DIR, &o);
}

/* ------------------------------------------------------------------ */
/* Opening                                                            */
/* ------------------------------------------------------------------ */

START_TEST(new_store_is_empty_and_opens_again)
{
    open_default();
    assert_tree(d.newest, "");
    driver_reopen(&d);
    assert_tree(d.newest, "");
    assert_files(os, DIR, "data-0000000000000001.moss " LOCKFILE_NAME);
}
END_TEST

START_TEST(missing_store_is_not_created_where_that_is_not_wanted)
{
    struct moss_file_id id;
    struct moss_store_options no_create = { .no_create = true };
    struct moss_store_options readonly = { .readonly = true };

    assert_status(try_open(no_create), MOSS_CANTOPEN);
    assert_status(try_open(readonly), MOSS_CANTOPEN);
    ck_assert_str_eq(d.err.path, DIR);
    assert_status(os->ops->identify(os, DIR, &id), MOSS_NOT_FOUND);
    assert_ok(os->ops->mkdir(os, DIR));
    assert_status(try_open(no_create), MOSS_CANTOPEN);
    assert_status(try_open(readonly), MOSS_CANTOPEN);
    assert_files(os, DIR, "");
}
END_TEST

START_TEST(opening_for_reading_changes_nothing)
{
    struct moss_store_options readonly = { .readonly = true };
    unsigned before;

    store_make(os, DIR, "a=1");
    file_write_all(os, DIR "/moss-temporary-0000000000000009", "x", 1);
    file_write_all(os, DATA2, "", 0);
    before = mem_os_count(mem, MEM_CUT_CHANGE);
    open_with(readonly);
    assert_tree(d.newest, "a=1");
    driver_close(&d);
    ck_assert_uint_eq(mem_os_count(mem, MEM_CUT_CHANGE), before);
}
END_TEST

START_TEST(second_writer_is_busy_until_store_and_lower_are_closed)
{
    struct moss_store *other = NULL;
    struct moss_store_options o = { .os = os };
    struct moss_error err;

    open_default();
    assert_status(moss_store_open(DIR, &o, &other, &err), MOSS_BUSY);
    ck_assert_str_eq(err.path, DIR "/" LOCKFILE_NAME);
    ck_assert_ptr_null(other);
    moss_store_close(d.store);
    d.store = NULL;
    assert_ok(driver_apply(&d, "a=1"));
    assert_status(moss_store_open(DIR, &o, &other, &err), MOSS_BUSY);
    driver_close(&d);
    assert_ok(moss_store_open(DIR, &o, &other, &err));
    moss_store_close(other);
}
END_TEST

START_TEST(second_writer_leaves_the_files_alone)
{
    struct moss_store_options o = { .os = os };
    struct moss_store *other = NULL;

    open_default();
    file_write_all(os, DIR "/moss-temporary-0000000000000007", "x", 1);
    assert_status(moss_store_open(DIR, &o, &other, NULL), MOSS_BUSY);
    assert_files(os, DIR,
                 "data-0000000000000001.moss " LOCKFILE_NAME
                 " moss-temporary-0000000000000007");
}
END_TEST

/*
 * What is written to a file that is not at its place any more would be lost
 * for the next one to open the store, or be beside what that one writes.
 */
START_TEST(a_store_that_was_moved_takes_no_updates)
{
    const char *path = DIR "/" LOCKFILE_NAME;
    const char *aside = DIR "/moss-aside-for-a-while";

    open_default();
    assert_ok(driver_apply(&d, "a=1"));
    assert_ok(os->ops->rename(os, path, aside));
    if (_i == 1)
        file_write_all(os, path, "x", 1); /* by somebody else */
    for (int i = 0; i < 2; i++) {
        assert_status(driver_apply(&d, "b=2"), MOSS_CANTOPEN);
        ck_assert_str_eq(d.err.path, path);
        assert_status(moss_store_compact(d.store, NULL, NULL), MOSS_CANTOPEN);
    }
    assert_ok(os->ops->rename(os, aside, path));
    assert_ok(driver_apply(&d, "b=2"));
    driver_reopen(&d);
    assert_tree(d.newest, "a=1 b=2");
}
END_TEST

/* A new file has all of it. */
START_TEST(a_compaction_makes_up_for_a_removed_file)
{
    open_default();
    assert_ok(driver_apply(&d, "a=1"));
    assert_ok(os->ops->remove(os, DATA1));
    assert_status(driver_apply(&d, "b=2"), MOSS_CANTOPEN);
    ck_assert_str_eq(d.err.path, DATA1);
    assert_ok(moss_store_compact(d.store, NULL, NULL));
    assert_ok(driver_apply(&d, "b=2"));
    driver_reopen(&d);
    assert_tree(d.newest, "a=1 b=2");
    assert_files(os, DIR, "data-0000000000000002.moss " LOCKFILE_NAME);
}
END_TEST

START_TEST(new_store_survives_a_power_cut)
{
    store_make(os, DIR, "a=1");
    mem_os_cut(mem);
    mem_os_restart(mem, MEM_CRASH_DROP, 1);
    assert_store(os, DIR, "a=1");
}
END_TEST

START_TEST(newest_file_without_a_footer_is_passed_over)
{
    static const size_t sizes[] = { 0, 1, 100, 4096, 4097, 20000 };
    uint8_t zeros[20000] = { 0 };

    store_make(os, DIR, "a=1");
    file_write_all(os, DATA2, zeros, sizes[_i]);
    open_default();
    assert_tree(d.newest, "a=1");
    /* It is out of Go moss's way, and nothing is lost. */
    assert_files(os, DIR,
                 "data-0000000000000001.moss "
                 "moss-damaged-0000000000000002 " LOCKFILE_NAME);
    assert_ok(driver_apply(&d, "b=2"));
    driver_reopen(&d);
    assert_tree(d.newest, "a=1 b=2");
}
END_TEST

static struct moss_error told;
static char *logged;

static void
note_error(void *ctx, const struct moss_error *err)
{
    ck_assert_ptr_eq(ctx, &told);
    ck_assert_int_eq(told.status, MOSS_OK); /* once */
    told = *err;
}

static void
note_text(void *ctx, enum moss_log_level level, const char *text)
{
    ck_assert_ptr_eq(ctx, &told);
    ck_assert_int_eq(level, MOSS_LOG_ERRORS);
    ck_assert_ptr_null(logged);
    logged = strdup(text);
}

/* With keep_files that is not only the end of a crash: content is lost. */
START_TEST(damaged_newest_file_is_told)
{
    struct moss_store_options o = { .keep_files = true,
                                    .readonly = _i == 1,
                                    .on_error = note_error,
                                    .log = note_text,
                                    .ctx = &told };

    told = (struct moss_error){ 0 };
    logged = NULL;
    open_with((struct moss_store_options){ .keep_files = true });
    assert_ok(driver_apply(&d, "a=1"));
    assert_ok(moss_store_compact(d.store, NULL, &d.err));
    assert_ok(driver_apply(&d, "b=2"));
    driver_close(&d);
    open_with(o);
    ck_assert_int_eq(told.status, MOSS_OK);
    driver_close(&d);
    file_write_all(os, DATA2, "x", 1);
    open_with(o);
    assert_tree(d.newest, "a=1");
    assert_status(told.status, MOSS_CORRUPT);
    ck_assert_str_eq(told.path, DATA2);
    ck_assert_str_eq(logged, "passed over " DATA2 ": header, MOSS_CORRUPT; "
                             "the store is " DATA1);
    free(logged);
}
END_TEST

static void
assert_get(struct moss_snapshot *snap, const char *key, const char *want)
{
    struct moss_value value;

    assert_ok(moss_snapshot_get(snap, moss_str(key), &value));
    assert_slice(value.bytes, want);
    moss_value_release(&value);
}

/* A file with three commit points, changed by edit, opens with this. */
static void
assert_after_edit(void (*edit)(uint8_t *bytes, size_t *n), const char *want)
{
    uint8_t *bytes;
    size_t n;

    open_default();
    assert_ok(driver_apply(&d, "a=1"));
    assert_ok(driver_apply(&d, "b=2"));
    driver_close(&d);
    bytes = file_read_all(os, DATA1, &n);
    bytes = realloc(bytes, n + 8192);
    memset(bytes + n, 0, 8192);
    edit(bytes, &n);
    file_write_all(os, DATA1, bytes, n);
    free(bytes);
    open_default();
    assert_tree(d.newest, want);
    assert_ok(driver_apply(&d, "c=3"));
    driver_reopen(&d);
    assert_get(d.newest, "c", "3");
}

static size_t
last_footer(const uint8_t *bytes, size_t n)
{
    size_t off = (n - 1) / 4096 * 4096;

    while (memcmp(bytes + off, "0m1o2s0m1o2s", 12) != 0)
        off -= 4096;
    return off;
}

static void
cut_in_last_footer(uint8_t *bytes, size_t *n)
{
    *n = last_footer(bytes, *n) + 30;
}

static void
cut_in_last_footers_head(uint8_t *bytes, size_t *n)
{
    *n = last_footer(bytes, *n) + 5;
}

static void
short_tail(uint8_t *bytes, size_t *n)
{
    *n = (*n + 4095) / 4096 * 4096 + 3;
    memcpy(bytes + *n - 3, "0m1", 3);
}

static void
wrong_version(uint8_t *bytes, size_t *n)
{
    bytes[last_footer(bytes, *n) + 12] = 9;
}

static void
huge_length(uint8_t *bytes, size_t *n)
{
    memset(bytes + last_footer(bytes, *n) + 16, 0xff, 4);
}

static void
small_length(uint8_t *bytes, size_t *n)
{
    memset(bytes + last_footer(bytes, *n) + 16, 0, 4);
}

START_TEST(damaged_end_of_the_file_leaves_the_older_commit_point)
{
    static void (*const edits[])(
        uint8_t *, size_t *) = { cut_in_last_footer, cut_in_last_footers_head,
                                 wrong_version, huge_length, small_length };

    assert_after_edit(edits[_i], "a=1");
}
END_TEST

START_TEST(short_tail_behind_the_last_footer_is_harmless)
{
    assert_after_edit(short_tail, "a=1 b=2");
}
END_TEST

START_TEST(file_without_any_good_footer_is_corrupt)
{
    struct moss_store_options o = { 0 };
    uint8_t *bytes;
    size_t n;

    store_make(os, DIR, "a=1");
    bytes = file_read_all(os, DATA1, &n);
    file_write_all(os, DATA1, bytes, 4096);
    free(bytes);
    assert_status(try_open(o), MOSS_CORRUPT);
    ck_assert_str_eq(d.err.path, DATA1);
    driver_close(&d);
    /* And is still there. */
    assert_files(os, DIR, "data-0000000000000001.moss " LOCKFILE_NAME);
}
END_TEST

START_TEST(other_version_or_byte_order_is_unsupported)
{
    static const char *const texts[] = { "\"Version\":5", "\"big\"}   " };
    static const char *const old[] = { "\"Version\":4", "\"little\"}" };
    struct moss_store_options o = { 0 };
    uint8_t *bytes;
    char *at;
    size_t n;

    store_make(os, DIR, "a=1");
    bytes = file_read_all(os, DATA1, &n);
    at = strstr((char *)bytes, old[_i]);
    memcpy(at, texts[_i], strlen(texts[_i]));
    if (_i == 1)
        memcpy(at, "\"big\"}\n\n\n\n", 9);
    file_write_all(os, DATA1, bytes, n);
    free(bytes);
    assert_status(try_open(o), MOSS_UNSUPPORTED);
}
END_TEST

START_TEST(unknown_feature_is_unsupported)
{
    static const struct {
        uint64_t compatible, readonly, incompatible;
        enum moss_status reading, writing;
    } cases[] = {
        { 1, 0, 0, MOSS_OK, MOSS_OK },
        { 0, 1, 0, MOSS_OK, MOSS_UNSUPPORTED },
        { 0, 0, 1, MOSS_UNSUPPORTED, MOSS_UNSUPPORTED },
    };
    struct moss_store_options writing = { 0 }, reading = { .readonly = true };
    struct file *file = NULL;
    struct identity id;

    store_make(os, DIR, "a=1");
    assert_ok(file_open(os, DATA1, MOSS_OPEN_WRITE, &file, NULL));
    assert_ok(identity_read(file, false, &id, NULL));
    id.seq++;
    id.compatible = cases[_i].compatible;
    id.readonly_compatible = cases[_i].readonly;
    id.incompatible = cases[_i].incompatible;
    assert_ok(identity_write(file, &id, NULL));
    file_unref(file);
    assert_status(try_open(reading), cases[_i].reading);
    driver_close(&d);
    assert_status(try_open(writing), cases[_i].writing);
}
END_TEST

START_TEST(directory_may_be_written_in_several_ways)
{
    static const char *const dirs[] = { "name", "name/", "./name//", "/a//" };
    struct moss_store_options o = { .os = os };

    assert_ok(driver_open(&d, dirs[_i], &o));
    assert_ok(driver_apply(&d, "a=1"));
    driver_close(&d);
    reaper_drain();
    mem_os_cut(mem);
    mem_os_restart(mem, MEM_CRASH_DROP, 1);
    assert_ok(driver_open(&d, dirs[_i], &o));
    assert_tree(d.newest, "a=1");
}
END_TEST

START_TEST(file_in_the_place_of_the_directory_is_no_store)
{
    file_write_all(os, DIR, "x", 1);
    assert_status(try_open((struct moss_store_options){ 0 }), MOSS_CANTOPEN);
}
END_TEST

START_TEST(read_error_is_not_taken_for_damage)
{
    /* A directory in the place of the newest file cannot be read. */
    struct moss_store_options o = { 0 };

    store_make(os, DIR, "a=1");
    assert_ok(os->ops->mkdir(os, DATA2));
    ck_assert_int_lt(try_open(o), 0);
    driver_close(&d);
    assert_ok(os->ops->remove_dir(os, DATA2));
    assert_store(os, DIR, "a=1");
}
END_TEST

/* ------------------------------------------------------------------ */
/* Identity                                                           */
/* ------------------------------------------------------------------ */

START_TEST(identity_is_recorded_when_the_store_is_created)
{
    struct moss_store_identity id = { .store_id = { 1, 2, 3 },
                                      .home_path = "/home/\"db\"\n\xff",
                                      .home_dev = 5,
                                      .home_ino = UINT64_MAX };
    struct moss_store_identity got;

    open_with(
        (struct moss_store_options){ .identity = &id, .merge = &merge_append });
    driver_close(&d);
    open_default();
    moss_store_identity(d.store, &got);
    ck_assert_mem_eq(got.store_id, id.store_id, 16);
    ck_assert_str_eq(got.home_path, id.home_path);
    ck_assert_uint_eq(got.home_dev, 5);
    ck_assert_uint_eq(got.home_ino, UINT64_MAX);
    ck_assert_str_eq(got.merge_name, merge_append.name);
}
END_TEST

START_TEST(another_merge_operator_is_refused)
{
    struct moss_store_options readonly = { .merge = &merge_add,
                                           .readonly = true };

    open_with((struct moss_store_options){ .merge = &merge_append });
    driver_close(&d);
    assert_status(try_open((struct moss_store_options){ .merge = &merge_add }),
                  MOSS_INVALID);
    ck_assert_str_eq(d.err.what, "merge operator differs from the store's");
    driver_close(&d);
    assert_status(try_open(readonly), MOSS_INVALID);
}
END_TEST

START_TEST(home_can_change_and_the_id_stays)
{
    struct moss_store_identity before, got;

    open_default();
    moss_store_identity(d.store, &before);
    for (int i = 0; i < 5; i++) {
        char path[8] = { '/', (char)('a' + i), 0 };

        assert_ok(moss_store_set_home(d.store, path, 1, 2, &d.err));
        driver_reopen(&d);
        moss_store_identity(d.store, &got);
        ck_assert_str_eq(got.home_path, path);
        ck_assert_mem_eq(got.store_id, before.store_id, 16);
    }
}
END_TEST

START_TEST(torn_change_of_the_home_leaves_the_old_one)
{
    struct moss_store_identity got;

    open_default();
    assert_ok(moss_store_set_home(d.store, "/old", 1, 2, &d.err));
    mem_os_cut_at(mem, MEM_CUT_SYNC, 1);
    assert_status(moss_store_set_home(d.store, "/new", 3, 4, &d.err), MOSS_IO);
    driver_close(&d);
    reaper_drain();
    mem_os_restart(mem, MEM_CRASH_TEAR, (uint64_t)_i + 1);
    open_default();
    moss_store_identity(d.store, &got);
    ck_assert(strcmp(got.home_path, "/old") == 0 ||
              strcmp(got.home_path, "/new") == 0);
}
END_TEST

START_TEST(home_that_does_not_fit_is_invalid)
{
    char path[2000];

    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    open_default();
    assert_status(moss_store_set_home(d.store, path, 1, 2, &d.err),
                  MOSS_INVALID);
    /* Short enough, but not as it is written. */
    memset(path, '"', 1000);
    path[1000] = '\0';
    assert_status(moss_store_set_home(d.store, path, 1, 2, &d.err),
                  MOSS_INVALID);
    driver_reopen(&d);
    assert_tree(d.newest, "");
}
END_TEST

START_TEST(options_beyond_their_range_are_invalid)
{
    const struct moss_store_options wrong[] = {
        { .compaction = (enum moss_compaction)3 },
        { .compaction_percentage = 1 },
        { .compaction_percentage = -0.5 },
        { .compaction_level_multiplier = 1 },
        { .compaction_buffer_pages = 300000 },
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_status(try_open(wrong[i]), MOSS_INVALID);
    }
    assert_status(driver_open(&d, "", NULL), MOSS_INVALID);
}
END_TEST

static TCase *
opening_tcase(void)
{
    TCase *tc = tcase_create("opening");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, new_store_is_empty_and_opens_again);
    tcase_add_test(tc, missing_store_is_not_created_where_that_is_not_wanted);
    tcase_add_test(tc, opening_for_reading_changes_nothing);
    tcase_add_test(tc, second_writer_is_busy_until_store_and_lower_are_closed);
    tcase_add_test(tc, second_writer_leaves_the_files_alone);
    tcase_add_loop_test(tc, a_store_that_was_moved_takes_no_updates, 0, 2);
    tcase_add_test(tc, a_compaction_makes_up_for_a_removed_file);
    tcase_add_test(tc, new_store_survives_a_power_cut);
    tcase_add_loop_test(tc, newest_file_without_a_footer_is_passed_over, 0, 6);
    tcase_add_loop_test(tc, damaged_newest_file_is_told, 0, 2);
    tcase_add_loop_test(
        tc, damaged_end_of_the_file_leaves_the_older_commit_point, 0, 5);
    tcase_add_test(tc, short_tail_behind_the_last_footer_is_harmless);
    tcase_add_test(tc, file_without_any_good_footer_is_corrupt);
    tcase_add_loop_test(tc, other_version_or_byte_order_is_unsupported, 0, 2);
    tcase_add_loop_test(tc, unknown_feature_is_unsupported, 0, 3);
    tcase_add_loop_test(tc, directory_may_be_written_in_several_ways, 0, 4);
    tcase_add_test(tc, file_in_the_place_of_the_directory_is_no_store);
    tcase_add_test(tc, read_error_is_not_taken_for_damage);
    tcase_add_test(tc, options_beyond_their_range_are_invalid);
    return tc;
}

static TCase *
identity_tcase(void)
{
    TCase *tc = tcase_create("identity");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, identity_is_recorded_when_the_store_is_created);
    tcase_add_test(tc, another_merge_operator_is_refused);
    tcase_add_test(tc, home_can_change_and_the_id_stays);
    tcase_add_loop_test(tc, torn_change_of_the_home_leaves_the_old_one, 0, 20);
    tcase_add_test(tc, home_that_does_not_fit_is_invalid);
    return tc;
}

Suite *
suite_store_open(void)
{
    Suite *s = suite_create("store_open");

    suite_add_tcase(s, opening_tcase());
    suite_add_tcase(s, identity_tcase());
    return s;
}
