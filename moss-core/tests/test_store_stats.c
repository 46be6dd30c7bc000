/* What a store counts. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "moss.h"
#include "support/fault_os.h"
#include "support/mem_os.h"
#include "support/stores.h"

Suite *suite_store_stats(void);

#define DIR "/store"

static struct mem_os *mem;
static struct fault_os *fault;
static struct driver d;

static void
open_with(struct moss_store_options o)
{
    o.os = fault_os_base(fault);
    assert_ok(driver_open(&d, DIR, &o));
}

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

/* "name=value " for those that are not 0. */
static void
add_text(void *arg, const char *name, uint64_t value)
{
    char *text = arg;

    if (value != 0 && strstr(name, "_bytes") == NULL)
        (void)sprintf(text + strlen(text), "%s=%llu ", name,
                      (unsigned long long)value);
}

START_TEST(counters_have_the_names_of_go_moss)
{
    struct moss_store_stats s;
    char text[1000] = "";

    open_with((struct moss_store_options){ 0 });
    assert_ok(driver_apply(&d, "a=1 kid{b=2}"));
    assert_ok(driver_apply(&d, "a=2"));
    assert_ok(moss_store_compact(d.store, NULL, &d.err));
    s = driver_stats(&d);
    moss_store_stats_each(&s, add_text, text);
    ck_assert_str_eq(text, "total_persists=2 total_compactions=1 "
                           "total_compactions_partial=1 num_segments=2 ");
}
END_TEST

START_TEST(compactions_are_counted_with_their_bytes)
{
    struct moss_store_stats a, b;

    open_with(
        (struct moss_store_options){ .compaction = MOSS_COMPACTION_DISABLE });
    for (int i = 0; i < 4; i++)
        assert_ok(driver_apply(&d, "a=1 kid{b=2 c=3}"));
    a = driver_stats(&d);
    ck_assert_uint_eq(a.segments, 8);
    ck_assert_uint_eq(a.max_segments, 4);
    ck_assert_uint_eq(a.base_bytes, 3 * 18);
    ck_assert_uint_eq(a.above_bytes, 3 * 3 * 18);
    ck_assert_uint_eq(a.dead_bytes, a.file_bytes - a.live_bytes);
    ck_assert_uint_eq(a.compaction_before_bytes, 0);
    assert_ok(moss_store_compact(d.store, NULL, &d.err));
    b = driver_stats(&d);
    ck_assert_uint_eq(b.max_segments, 1);
    ck_assert_uint_eq(b.above_bytes, 0);
    ck_assert_uint_eq(b.compaction_before_bytes, 12 * 18);
    ck_assert_uint_gt(b.compaction_written_bytes, 3 * 18);
    ck_assert_uint_lt(b.compaction_written_bytes,
                      b.bytes_written - a.bytes_written); /* and a footer */
    ck_assert_uint_eq(b.last_compaction_before_bytes, a.file_bytes);
    ck_assert_uint_eq(b.last_compaction_after_bytes, b.file_bytes);
    ck_assert_uint_eq(b.compaction_decrease_bytes, a.file_bytes - b.file_bytes);
    ck_assert_uint_eq(b.max_compaction_decrease_bytes,
                      b.compaction_decrease_bytes);
    ck_assert_uint_eq(b.compaction_increase_bytes, 0);
    for (int i = 0; i < 4; i++)
        assert_ok(driver_apply(&d, "a=1"));
    a = driver_stats(&d);
    assert_ok(moss_store_compact(
        d.store, &(struct moss_compact_options){ .kind = MOSS_COMPACT_LEVELED },
        &d.err));
    b = driver_stats(&d);
    ck_assert_uint_eq(b.compaction_increase_bytes, b.file_bytes - a.file_bytes);
    ck_assert_uint_eq(b.max_compaction_increase_bytes,
                      b.compaction_increase_bytes);
}
END_TEST

START_TEST(statistics_as_json)
{
    struct moss_store_stats s;
    char text[2000], cut[10];
    size_t n;

    open_with((struct moss_store_options){ 0 });
    assert_ok(driver_apply(&d, "a=1"));
    s = driver_stats(&d);
    n = moss_store_stats_json(&s, text, sizeof text);
    ck_assert_uint_eq(n, strlen(text));
    ck_assert_int_eq(strncmp(text, "{\"num_bytes_used_disk\":", 23), 0);
    ck_assert_ptr_nonnull(strstr(text, ",\"total_persists\":1,"));
    ck_assert_ptr_nonnull(
        strstr(text, ",\"data_file\":\"data-0000000000000001.moss\"}"));
    ck_assert_uint_eq(moss_store_stats_json(&s, cut, sizeof cut), n);
    ck_assert_int_eq(strncmp(cut, text, sizeof cut - 1), 0);
    ck_assert_uint_eq(moss_store_stats_json(&s, NULL, 0), n);
}
END_TEST

START_TEST(histograms_count_footers_updates_and_compactions)
{
    struct moss_histogram h[MOSS_STORE_HISTOGRAMS];

    open_with(
        (struct moss_store_options){ .compaction = MOSS_COMPACTION_DISABLE });
    for (int i = 0; i < 3; i++)
        assert_ok(driver_apply(&d, "a=1"));
    assert_ok(moss_store_compact(d.store, NULL, &d.err));
    moss_store_histograms(d.store, h);
    ck_assert_str_eq(h[0].name, "PersistFooterUsecs");
    ck_assert_uint_eq(h[0].total, 5); /* with the first, of nothing */
    ck_assert_str_eq(h[1].name, "PersistUsecs");
    ck_assert_uint_eq(h[1].total, 3);
    ck_assert_str_eq(h[2].name, "CompactUsecs");
    ck_assert_uint_eq(h[2].total, 1);
}
END_TEST

static void
find_used(void *arg, const char *name, uint64_t value)
{
    if (strcmp(name, "num_bytes_used_disk") == 0)
        *(uint64_t *)arg = value;
}

START_TEST(disk_use_counts_all_data_files)
{
    uint64_t files, bytes, one, used = 0;
    struct moss_store_stats s;

    open_with((struct moss_store_options){ .keep_files = true });
    assert_ok(driver_apply(&d, "a=1"));
    assert_ok(moss_store_disk_use(d.store, &files, &one, &d.err));
    ck_assert_uint_eq(files, 1);
    ck_assert_uint_gt(one, 4096);
    assert_ok(moss_store_compact(d.store, NULL, &d.err));
    assert_ok(moss_store_disk_use(d.store, &files, &bytes, &d.err));
    ck_assert_uint_eq(files, 2);
    ck_assert_uint_gt(bytes, one + 4096);
    /* Go moss counts them all, too. */
    s = driver_stats(&d);
    ck_assert_uint_eq(s.disk_bytes, bytes);
    ck_assert_uint_lt(s.file_bytes, bytes);
    moss_store_stats_each(&s, find_used, &used);
    ck_assert_uint_eq(used, bytes);
    fault_os_fail_from(fault, FAULT_ANY, 1, MOSS_IO, 5);
    s = driver_stats(&d);
    ck_assert_uint_eq(s.disk_bytes, s.file_bytes);
    fault_os_heal(fault);
    for (unsigned n = 1;; n++) {
        enum moss_status st;

        fault_os_fail_nth(fault, FAULT_ANY, n, MOSS_IO, 5);
        st = moss_store_disk_use(d.store, &files, &bytes, &d.err);
        if (st == MOSS_OK)
            break;
        assert_status(st, MOSS_IO);
        ck_assert_int_eq(d.err.status, MOSS_IO);
    }
    fault_os_heal(fault);
    ck_assert_uint_eq(files, 2);
}
END_TEST

/* Has the data file a section of an index? */
static uint64_t
bytes_with(struct moss_store_options o)
{
    struct moss_batch *batch = NULL;
    uint64_t bytes;

    open_with(o);
    assert_ok(moss_batch_new(0, 0, &batch));
    for (int i = 0; i < 2000; i++) {
        char key[32];

        (void)snprintf(key, sizeof key, "a rather long key %06d", i);
        assert_ok(moss_batch_set(batch, moss_str(key), moss_str("")));
    }
    assert_ok(driver_apply_batch(&d, batch, (struct moss_tag){ 1, 1 }));
    moss_batch_free(batch);
    bytes = driver_stats(&d).bytes_written;
    driver_close(&d);
    reaper_drain();
    mem_os_free(mem);
    fault_os_free(fault);
    setup();
    return bytes;
}

START_TEST(bounds_on_the_index_of_a_segment)
{
    uint64_t with = bytes_with((struct moss_store_options){ 0 });

    ck_assert_uint_lt(bytes_with((struct moss_store_options){
                          .segment_keys_index_min_key_bytes = 100000 }),
                      with);
    ck_assert_uint_lt(bytes_with((struct moss_store_options){
                          .segment_keys_index_max_bytes = 100 }),
                      with);
    ck_assert_uint_eq(bytes_with((struct moss_store_options){
                          .segment_keys_index_min_key_bytes = 1000,
                          .segment_keys_index_max_bytes = 1000000 }),
                      with);
}
END_TEST

START_TEST(closing_releases_the_files_and_mappings_of_children)
{
    struct moss_snapshot *kid = NULL, *deep = NULL;

    open_with((struct moss_store_options){ 0 });
    for (int i = 0; i < 3; i++) {
        assert_ok(driver_apply(&d, "kid{a=1 deep{b=2}} other{c=3}"));
        assert_ok(moss_store_compact(d.store, NULL, &d.err));
    }
    assert_ok(moss_snapshot_child(d.newest, moss_str("kid"), &kid));
    assert_ok(moss_snapshot_child(kid, moss_str("deep"), &deep));
    moss_snapshot_unref(kid);
    driver_close(&d);
    reaper_drain();
    ck_assert_uint_eq(fault_os_open_files(fault), 1); /* deep's */
    assert_snapshot(deep, "b=2");
    moss_snapshot_unref(deep);
    reaper_drain();
    ck_assert_uint_eq(fault_os_open_files(fault), 0);
}
END_TEST

Suite *
suite_store_stats(void)
{
    Suite *s = suite_create("store_stats");
    TCase *tc = tcase_create("store_stats");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, counters_have_the_names_of_go_moss);
    tcase_add_test(tc, compactions_are_counted_with_their_bytes);
    tcase_add_test(tc, statistics_as_json);
    tcase_add_test(tc, histograms_count_footers_updates_and_compactions);
    tcase_add_test(tc, disk_use_counts_all_data_files);
    tcase_add_test(tc, bounds_on_the_index_of_a_segment);
    tcase_add_test(tc, closing_releases_the_files_and_mappings_of_children);
    suite_add_tcase(s, tc);
    return s;
}
