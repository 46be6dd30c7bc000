/* Updating stores, and what they hold after reopening. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "moss.h"
#include "store/lockfile.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/stores.h"

Suite *suite_store(void);

#define DIR "/store"

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

static void
assert_get(struct moss_snapshot *snap, const char *key, const char *want)
{
    struct moss_value value;

    assert_ok(moss_snapshot_get(snap, moss_str(key), &value));
    assert_slice(value.bytes, want);
    moss_value_release(&value);
}

START_TEST(updates_are_there_after_reopening)
{
    open_default();
    assert_ok(driver_apply(&d, "a=1 b=2 c=3"));
    assert_ok(driver_apply(&d, "b=22 -c d=4"));
    assert_tree(d.newest, "a=1 b=22 d=4");
    driver_reopen(&d);
    assert_tree(d.newest, "a=1 b=22 d=4");
    ck_assert_uint_eq(moss_snapshot_tag(d.newest).n, 2);
    ck_assert_uint_eq(moss_snapshot_tag(d.newest).id, 200);
}
END_TEST

START_TEST(children_nest_and_die)
{
    open_default();
    assert_ok(
        driver_apply(&d, "a=1 kid{b=2 deep{c=3 deeper{d=4}}} other{x=1}"));
    assert_ok(driver_apply(&d, "kid{deep{e=5}} !other"));
    driver_reopen(&d);
    assert_tree(d.newest, "a=1 kid{b=2 deep{c=3 e=5 deeper{d=4}}}");
    assert_ok(driver_apply(&d, "!kid"));
    driver_reopen(&d);
    assert_tree(d.newest, "a=1");
}
END_TEST

START_TEST(deleted_and_new_child_of_one_name_begins_empty)
{
    open_default();
    assert_ok(driver_apply(&d, "kid{old=1 deep{old=1}}"));
    assert_ok(driver_apply(&d, "!kid kid{new=2}"));
    driver_reopen(&d);
    assert_tree(d.newest, "kid{new=2}");
}
END_TEST

START_TEST(renamed_child_keeps_its_content)
{
    open_default();
    assert_ok(driver_apply(&d, "b{x=1 deep{y=2}} m{z=3}"));
    assert_ok(driver_rename(&d, "b", "zz"));
    driver_reopen(&d);
    assert_tree(d.newest, "m{z=3} zz{x=1 deep{y=2}}");
}
END_TEST

START_TEST(store_with_children_only_goes_on)
{
    open_default();
    assert_ok(driver_apply(&d, "kid{a=1}"));
    driver_reopen(&d);
    assert_ok(driver_apply(&d, "kid{b=2}"));
    assert_ok(driver_apply(&d, "kid{c=3} other{}"));
    driver_reopen(&d);
    assert_tree(d.newest, "kid{a=1 b=2 c=3} other{}");
    /* Go moss made a file for each of these. */
    assert_files(os, DIR, "data-0000000000000001.moss " LOCKFILE_NAME);
    ck_assert_uint_gt(driver_stats(&d).live_bytes, 4096);
}
END_TEST

START_TEST(merge_operands_add_up_in_parents_and_children)
{
    struct moss_store_options o = { .merge = &merge_append };

    open_with(o);
    assert_ok(driver_apply(&d, "k=0 kid{k=a m+x}"));
    for (int i = 0; i < 20; i++)
        assert_ok(driver_apply(&d, "k+1 kid{k+b m+y}"));
    driver_reopen(&d);
    assert_tree(d.newest,
                "k=011111111111111111111 "
                "kid{k=abbbbbbbbbbbbbbbbbbbb m=xyyyyyyyyyyyyyyyyyyyy}");
}
END_TEST

START_TEST(operands_without_their_operator_wait_for_it)
{
    struct moss_store_options o = { .merge = &merge_append };

    open_with(o);
    assert_ok(driver_apply(&d, "k=0"));
    assert_ok(driver_apply(&d, "k+1"));
    driver_close(&d);
    /* A writer that does not have it neither loses nor combines them. */
    open_default();
    assert_ok(driver_apply(&d, "z=1"));
    assert_ok(driver_apply(&d, "y=1"));
    driver_close(&d);
    open_with(o);
    assert_tree(d.newest, "k=01 y=1 z=1");
    assert_ok(driver_apply(&d, "k+2"));
    driver_reopen(&d);
    assert_tree(d.newest, "k=012 y=1 z=1");
}
END_TEST

START_TEST(operator_that_refuses_does_not_stop_the_rest)
{
    struct moss_store_options o = { .merge = &merge_add };
    struct moss_value value;

    open_with(o);
    assert_ok(driver_apply(&d, "k+bad a=1"));
    assert_ok(driver_apply(&d, "k+worse b=2"));
    driver_reopen(&d);
    assert_get(d.newest, "b", "2");
    assert_status(moss_snapshot_get(d.newest, moss_str("k"), &value),
                  MOSS_MERGE_FAILED);
}
END_TEST

START_TEST(unchanged_update_writes_nothing)
{
    struct moss_batch *batch = batch_of("");
    struct moss_store_stats before, after;

    open_default();
    assert_ok(driver_apply(&d, "a=1 kid{b=2}"));
    before = driver_stats(&d);
    assert_ok(driver_apply_batch(&d, batch, (struct moss_tag){ 1, 100 }));
    assert_ok(driver_apply_batch(&d, batch, (struct moss_tag){ 0, 0 }));
    after = driver_stats(&d);
    ck_assert_mem_eq(&before, &after, sizeof before);
    /* A new tag alone is a footer alone. */
    assert_ok(driver_apply_batch(&d, batch, (struct moss_tag){ 2, 200 }));
    after = driver_stats(&d);
    ck_assert_uint_eq(after.footers_written, before.footers_written + 1);
    ck_assert_uint_eq(after.segments_written, before.segments_written);
    ck_assert_uint_eq(after.syncs, before.syncs + 1);
    moss_batch_free(batch);
    driver_reopen(&d);
    ck_assert_uint_eq(moss_snapshot_tag(d.newest).n, 2);
}
END_TEST

START_TEST(untagged_update_keeps_the_tag)
{
    struct moss_batch *batch = batch_of("b=2");

    open_default();
    assert_ok(driver_apply(&d, "a=1"));
    assert_ok(driver_apply_batch(&d, batch, (struct moss_tag){ 0, 0 }));
    moss_batch_free(batch);
    driver_reopen(&d);
    ck_assert_uint_eq(moss_snapshot_tag(d.newest).n, 1);
    assert_tree(d.newest, "a=1 b=2");
}
END_TEST

START_TEST(number_of_segments_stays_logarithmic)
{
    char text[64];

    open_default();
    for (int i = 0; i < 300; i++) {
        (void)snprintf(text, sizeof text, "k%04d=%d", i, i);
        assert_ok(driver_apply(&d, text));
        ck_assert_uint_le(driver_stats(&d).segments, 10);
    }
    driver_reopen(&d);
    for (int i = 0; i < 300; i++) {
        char want[16];

        (void)snprintf(text, sizeof text, "k%04d", i);
        (void)snprintf(want, sizeof want, "%d", i);
        assert_get(d.newest, text, want);
    }
}
END_TEST

START_TEST(deletions_vanish_at_the_bottom)
{
    open_default();
    assert_ok(driver_apply(&d, "a=1 b=2"));
    assert_ok(driver_apply(&d, "-a -b"));
    assert_tree(d.newest, "");
    ck_assert_uint_eq(driver_stats(&d).segments, 0);
    driver_reopen(&d);
    assert_tree(d.newest, "");
    assert_ok(driver_apply(&d, "c=3"));
    driver_reopen(&d);
    assert_tree(d.newest, "c=3");
}
END_TEST

START_TEST(empty_keys_and_values_are_kept)
{
    struct moss_batch *batch = NULL;

    assert_ok(moss_batch_new(0, 0, &batch));
    assert_ok(moss_batch_set(batch, moss_str(""), moss_str("")));
    assert_ok(moss_batch_set(batch, moss_str("k"), moss_str("")));
    open_default();
    assert_ok(driver_apply_batch(&d, batch, (struct moss_tag){ 1, 1 }));
    moss_batch_free(batch);
    driver_reopen(&d);
    assert_get(d.newest, "", "");
    assert_get(d.newest, "k", "");
}
END_TEST

START_TEST(large_segments_are_written_and_read)
{
    struct moss_batch *batch = NULL;
    size_t n = 3 << 20;
    uint8_t *bytes = malloc(n);
    struct moss_value value;
    struct rng r;

    rng_init(&r, 7);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)rng_next(&r);
    assert_ok(moss_batch_new(0, 0, &batch));
    for (int i = 0; i < 5; i++) {
        char key[2] = { (char)('a' + i), 0 };

        assert_ok(moss_batch_set(batch, moss_str(key), moss_slice(bytes, n)));
        bytes[0]++;
    }
    open_with((struct moss_store_options){ .no_mmap = _i == 1 });
    assert_ok(driver_apply_batch(&d, batch, (struct moss_tag){ 1, 1 }));
    moss_batch_free(batch);
    driver_reopen(&d);
    bytes[0]--;
    assert_ok(moss_snapshot_get(d.newest, moss_str("e"), &value));
    ck_assert_uint_eq(value.bytes.len, n);
    ck_assert(memcmp(value.bytes.bytes, bytes, n) == 0);
    moss_value_release(&value);
    free(bytes);
}
END_TEST

START_TEST(snapshot_outlives_the_store)
{
    struct moss_snapshot *snap;

    open_default();
    assert_ok(driver_apply(&d, "a=1 kid{b=2}"));
    snap = moss_snapshot_ref(d.newest);
    assert_ok(driver_apply(&d, "a=2 !kid"));
    driver_close(&d);
    assert_tree(snap, "a=1 kid{b=2}");
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(one_lower_level_at_a_time)
{
    struct moss_lower *other = NULL;
    struct moss_store_options readonly = { .readonly = true };

    open_default();
    assert_status(moss_store_lower(d.store, &other), MOSS_BUSY);
    d.lower->ops->close(d.lower);
    d.lower = NULL;
    assert_ok(moss_store_lower(d.store, &d.lower));
    driver_close(&d);
    open_with(readonly);
    assert_status(moss_store_lower(d.store, &other), MOSS_READONLY);
}
END_TEST

START_TEST(changes_that_refer_to_nothing_are_refused)
{
    struct moss_slice path = moss_str("nobody");
    struct moss_change child = {
        .name = moss_str("kid"), .has_from = true, .from = &path, .n_from = 1
    };
    struct moss_change top = { .has_from = true,
                               .children = &child,
                               .n_children = 1 };
    struct moss_changes changes = { { 9, 9 }, &top };
    struct moss_snapshot *snap = NULL;

    open_default();
    assert_status(d.lower->ops->update(d.lower, &changes, &snap, &d.err),
                  MOSS_INVALID);
    ck_assert_ptr_null(snap);
}
END_TEST

static TCase *
updating_tcase(void)
{
    TCase *tc = tcase_create("updating");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, updates_are_there_after_reopening);
    tcase_add_test(tc, children_nest_and_die);
    tcase_add_test(tc, deleted_and_new_child_of_one_name_begins_empty);
    tcase_add_test(tc, renamed_child_keeps_its_content);
    tcase_add_test(tc, store_with_children_only_goes_on);
    tcase_add_test(tc, merge_operands_add_up_in_parents_and_children);
    tcase_add_test(tc, operands_without_their_operator_wait_for_it);
    tcase_add_test(tc, operator_that_refuses_does_not_stop_the_rest);
    tcase_add_test(tc, unchanged_update_writes_nothing);
    tcase_add_test(tc, untagged_update_keeps_the_tag);
    tcase_add_test(tc, number_of_segments_stays_logarithmic);
    tcase_add_test(tc, deletions_vanish_at_the_bottom);
    tcase_add_test(tc, empty_keys_and_values_are_kept);
    tcase_add_loop_test(tc, large_segments_are_written_and_read, 0, 2);
    tcase_add_test(tc, snapshot_outlives_the_store);
    tcase_add_test(tc, one_lower_level_at_a_time);
    tcase_add_test(tc, changes_that_refer_to_nothing_are_refused);
    return tc;
}

Suite *
suite_store(void)
{
    Suite *s = suite_create("store");

    suite_add_tcase(s, updating_tcase());
    return s;
}
