/* The files of staged batches: left over, damaged, cut off, failing. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/coding.h"
#include "moss.h"
#include "store/extras.h"
#include "support/dump.h"
#include "support/coll.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"
#include "support/operators.h"
#include "support/staging.h"
#include "support/stores.h"

Suite *suite_staged_files(void);

START_TEST(without_sync_a_power_cut_takes_it)
{
    struct moss_staged_options o = { .no_sync = true };
    struct moss_staged_info info;
    struct moss_staged *g = NULL;

    store_make(mem_os_base(sg.mem), STAGING_DIR, "old=1");
    assert_ok(staging_open_store(NULL));
    assert_ok(moss_staged_begin(sg.store, staging_tag, &o, &g, &sg.err));
    assert_ok(staging_add(g, "a=1"));
    assert_ok(moss_staged_finish(g, &info, &sg.err));
    moss_staged_free(g);
    mem_os_cut(sg.mem);
    staging_close();
    mem_os_restart(sg.mem, MEM_CRASH_DROP, 1);
    assert_ok(staging_open_store(NULL));
    ck_assert_int_ne(moss_staged_open(sg.store, &info, &g, &sg.err), MOSS_OK);
}
END_TEST

START_TEST(one_file_is_removed_by_its_name)
{
    struct moss_staged_info info;
    struct moss_staged *g;

    staging_open(NULL);
    assert_ok(staging_stage(&g, &info));
    moss_staged_free(g);
    assert_ok(moss_staged_remove(sg.store, (struct moss_tag){ 7, 1 }, &sg.err));
    ck_assert(staging_has_file());
    assert_ok(moss_staged_remove(sg.store, staging_tag, &sg.err));
    ck_assert(!staging_has_file());
    assert_ok(moss_staged_remove(sg.store, staging_tag, &sg.err));
}
END_TEST

START_TEST(sweep_removes_what_nobody_keeps)
{
    struct moss_staged *g = NULL;
    struct moss_staged_info info;
    int asked = 0;

    staging_open(NULL);
    assert_ok(staging_stage(&g, &info));
    moss_staged_free(g);
    assert_ok(moss_staged_begin(sg.store, (struct moss_tag){ 8, 1 }, NULL, &g,
                                &sg.err));
    assert_ok(moss_staged_finish(g, &info, &sg.err));
    moss_staged_free(g);
    /* Unfinished ones go by themselves. */
    assert_ok(moss_staged_begin(sg.store, (struct moss_tag){ 9, 1 }, NULL, &g,
                                &sg.err));
    assert_ok(staging_add(g, "a=1"));
    moss_staged_free(g);
    /* Neither is in the newest commit point. */
    assert_ok(moss_staged_sweep(sg.store, NULL, NULL, &sg.err));
    assert_ok(moss_staged_sweep(sg.store, staging_keep_8, &asked, &sg.err));
    ck_assert_int_eq(asked, 2);
    assert_ok(moss_staged_open(sg.store, &info, &g, &sg.err));
    moss_staged_free(g);
    info.tag = staging_tag;
    assert_status(moss_staged_open(sg.store, &info, &g, &sg.err),
                  MOSS_NOT_FOUND);
}
END_TEST

START_TEST(sweep_of_a_store_without_syncs_waits_for_the_disk)
{
    struct moss_store_options so = { .os = fault_os_base(sg.fault),
                                     .no_sync = true };
    struct moss_lower *lower = NULL;
    struct moss_staged *g = NULL;
    struct moss_staged_info info;

    assert_ok(moss_store_open(STAGING_DIR, &so, &sg.store, &sg.err));
    assert_ok(moss_store_lower(sg.store, &lower));
    assert_ok(moss_collection_open(NULL, lower, &sg.c));
    assert_ok(staging_stage(&g, &info));
    assert_ok(staging_publish(g));
    moss_staged_free(g);
    assert_ok(moss_collection_flush(sg.c, MOSS_FOREVER, &sg.err));
    /* While it cannot be synced, the file is all there is. */
    fault_os_fail_from(sg.fault, FAULT_SYNC, 1, MOSS_IO, 5);
    assert_status(moss_staged_sweep(sg.store, NULL, NULL, &sg.err), MOSS_IO);
    fault_os_heal(sg.fault);
    assert_ok(moss_staged_open(sg.store, &info, &g, &sg.err));
    moss_staged_free(g);
    assert_ok(moss_staged_sweep(sg.store, NULL, NULL, &sg.err));
    assert_status(moss_staged_open(sg.store, &info, &g, &sg.err),
                  MOSS_NOT_FOUND);
    mem_os_cut(sg.mem);
    (void)moss_collection_close(sg.c, 0, NULL);
    moss_store_close(sg.store);
    sg.c = NULL;
    sg.store = NULL;
    mem_os_restart(sg.mem, MEM_CRASH_DROP, 1);
    staging_open(NULL);
    assert_collection(sg.c, "a=3 c=2 d=3 kid{x=1 y=2 deep{z=2}} other{}");
}
END_TEST

/* Nothing goes into a file that may have lost something. */
START_TEST(beginning_after_a_failed_sync_leaves_the_file)
{
    struct moss_staged *g = NULL;
    struct moss_store_identity id;
    struct driver d;
    struct moss_store_options so = { .os = fault_os_base(sg.fault) };

    store_make(so.os, STAGING_DIR, "a=1");
    so.merge = &merge_append; /* to be recorded */
    assert_ok(driver_open(&d, STAGING_DIR, &so));
    fault_os_fail_nth(sg.fault, FAULT_SYNC, 1, MOSS_IO, 5);
    assert_status(driver_apply(&d, "b=2"), MOSS_IO);
    assert_ok(moss_staged_begin(d.store, staging_tag, NULL, &g, &sg.err));
    moss_staged_free(g);
    ck_assert_str_eq(driver_stats(&d).data_file, "data-0000000000000002.moss");
    moss_store_identity(d.store, &id);
    ck_assert_str_eq(id.merge_name, merge_append.name);
    driver_close(&d);
    assert_store(so.os, STAGING_DIR, "a=1");
}
END_TEST

START_TEST(another_file_than_was_told_is_corrupt)
{
    struct moss_staged *g;
    struct moss_staged_info info, wrong;

    staging_open(NULL);
    assert_ok(staging_stage(&g, &info));
    moss_staged_free(g);
    wrong = info;
    wrong.length++;
    assert_status(moss_staged_open(sg.store, &wrong, &g, &sg.err),
                  MOSS_CORRUPT);
    wrong = info;
    wrong.checksum++;
    assert_status(moss_staged_open(sg.store, &wrong, &g, &sg.err),
                  MOSS_CORRUPT);
    assert_ok(moss_staged_open(sg.store, &info, &g, &sg.err));
    moss_staged_free(g);
}
END_TEST

/* The nonce of a file, from the text in its first page. */
static uint64_t
nonce_of(const uint8_t *bytes)
{
    const char *slot = memchr(bytes + 1024, '{', 4096 - 1024);
    const char *text = strstr(slot, "\"nonce\":\"");

    return strtoull(text + 9, NULL, 16);
}

START_TEST(entries_that_are_not_in_order_are_corrupt)
{
    struct moss_os *os = fault_os_base(sg.fault);
    struct segment_loc loc = {
        .kvs_off = 4096, .kvs_bytes = 32, .buf_off = 8192, .buf_bytes = 4
    };
    struct moss_staged *g = NULL;
    struct moss_staged_info info;
    uint8_t *bytes, *kvs, first[16];
    size_t n;

    staging_open(NULL);
    assert_ok(moss_staged_begin(sg.store, staging_tag, NULL, &g, &sg.err));
    assert_ok(staging_add(g, "a=1 b=2"));
    assert_ok(moss_staged_finish(g, &info, &sg.err));
    moss_staged_free(g);
    /* The entries exchanged, with a checksum that is right. */
    bytes = file_read_all(os, STAGING_NAME, &n);
    kvs = bytes + loc.kvs_off;
    memcpy(first, kvs, 16);
    memcpy(kvs, kvs + 16, 16);
    memcpy(kvs + 16, first, 16);
    store_le32(bytes + extras_sums_off(&loc),
               extras_sum(kvs, 32, nonce_of(bytes), loc.kvs_off));
    file_write_all(os, STAGING_NAME, bytes, n);
    free(bytes);
    assert_status(moss_staged_open(sg.store, &info, &g, &sg.err), MOSS_CORRUPT);
    ck_assert_str_eq(sg.err.what, "staged batch");
}
END_TEST

START_TEST(any_flipped_byte_is_found_or_harmless)
{
    struct moss_os *os = fault_os_base(sg.fault);
    struct moss_staged *g;
    struct moss_staged_info info;
    enum moss_status st;
    uint64_t seed = test_seed(3);
    struct rng r;
    uint8_t *bytes;
    size_t n;
    int found = 0;

    rng_init(&r, seed);
    staging_open(NULL);
    assert_ok(staging_stage(&g, &info));
    moss_staged_free(g);
    bytes = file_read_all(os, STAGING_NAME, &n);
    for (int i = 0; i < 300; i++) {
        /* Most of the file is empty: prefer what is not. */
        size_t at = (size_t)(rng_next(&r) % n);
        uint8_t old;

        while (i % 2 == 0 && bytes[at] == 0)
            at = (at + 1) % n;
        old = bytes[at];
        bytes[at] ^= (uint8_t)(1u << (i % 8));
        do { /* the persister may just remove the one before */
            file_write_all(os, STAGING_NAME, bytes, n);
            st = moss_staged_open(sg.store, &info, &g, &sg.err);
        } while (st == MOSS_NOT_FOUND);
        bytes[at] = old;
        if (st < 0) {
            found++;
            continue;
        }
        assert_ok(staging_publish(g));
        moss_staged_free(g);
        assert_collection(sg.c, "a=3 c=2 d=3 kid{x=1 y=2 deep{z=2}} other{}");
    }
    ck_assert_int_gt(found, 20);
    free(bytes);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Sweeps                                                             */
/* ------------------------------------------------------------------ */

START_TEST(power_cut_at_any_change_loses_nothing_that_was_finished)
{
    bool was_cut = true;

    for (unsigned n = 1; was_cut; n++) {
        struct moss_staged_info info = { .tag = staging_tag };
        struct moss_staged *g = NULL;
        enum moss_status st, found;

        staging_setup();
        store_make(mem_os_base(sg.mem), STAGING_DIR, "old=1");
        assert_ok(staging_open_store(NULL));
        mem_os_cut_at(sg.mem, MEM_CUT_CHANGE, n);
        st = staging_stage(&g, &info);
        was_cut = mem_os_is_off(sg.mem);
        ck_assert(was_cut || st == MOSS_OK);
        moss_staged_free(g);
        staging_close();
        mem_os_restart(sg.mem, (enum mem_crash)_i, n);
        assert_ok(staging_open_store(NULL));
        found = moss_staged_open(sg.store, &info, &g, &sg.err);
        if (st == MOSS_OK)
            assert_ok(found);
        else
            ck_assert(found == MOSS_NOT_FOUND || found == MOSS_CORRUPT);
        moss_staged_free(g);
        assert_ok(
            moss_staged_sweep(sg.store, staging_keep_8, &(int){ 0 }, &sg.err));
        ck_assert(!staging_has_file());
        staging_close();
        assert_store(mem_os_base(sg.mem), STAGING_DIR, "old=1");
        staging_teardown();
    }
}
END_TEST

START_TEST(any_failed_call_is_reported_and_leaves_the_store_alone)
{
    bool failed = true;

    for (unsigned n = 1; failed; n++) {
        struct moss_staged_info info = { .tag = staging_tag };
        struct moss_staged *g = NULL;
        enum moss_status st;

        staging_setup();
        staging_open(NULL);
        staging_run("old=1");
        assert_ok(moss_collection_flush(sg.c, MOSS_FOREVER, NULL));
        fault_os_fail_nth(sg.fault, FAULT_ANY, n, MOSS_IO, 5);
        st = staging_stage(&g, &info);
        failed = fault_os_tripped(sg.fault);
        ck_assert(failed == (st == MOSS_IO) || st == MOSS_OK);
        fault_os_heal(sg.fault);
        if (st == MOSS_OK)
            assert_ok(staging_publish(g));
        moss_staged_free(g);
        staging_run("new=1");
        staging_close();
        ck_assert_uint_eq(mem_os_open_files(sg.mem), 0);
        assert_store(mem_os_base(sg.mem), STAGING_DIR,
                     st == MOSS_OK ? "a=3 c=2 d=3 new=1 old=1 "
                                     "kid{x=1 y=2 deep{z=2}} other{}"
                                   : "new=1 old=1");
        staging_teardown();
    }
}
END_TEST

START_TEST(any_failed_allocation_is_reported)
{
    bool failed = true;

    settle_reaper();
    fail_alloc_install();
    staging_open(NULL);
    staging_run("old=1");
    assert_ok(moss_collection_flush(sg.c, MOSS_FOREVER, NULL));
    for (unsigned n = 1; failed; n++) {
        enum moss_status st;
        struct moss_batch *batches[3];
        struct moss_staged_info info;
        struct moss_staged *g = NULL;
        struct moss_prepared *p = NULL;

        for (size_t i = 0; i < 3; i++)
            batches[i] = batch_of(staging_pieces[i]);
        fail_alloc_nth(n);
        st = moss_staged_begin(sg.store, staging_tag, NULL, &g, &sg.err);
        for (size_t i = 0; i < 3 && st == MOSS_OK; i++)
            st = moss_staged_add(g, batches[i], &sg.err);
        if (st == MOSS_OK)
            st = moss_staged_finish(g, &info, &sg.err);
        if (st == MOSS_OK)
            st = moss_staged_prepare(g, sg.c, MOSS_FOREVER, &p);
        failed = fail_alloc_tripped();
        fail_alloc_nth(0);
        ck_assert(st == MOSS_OK || st == MOSS_NOMEM);
        moss_prepared_free(p);
        moss_staged_free(g);
        for (size_t i = 0; i < 3; i++)
            moss_batch_free(batches[i]);
        assert_ok(
            moss_staged_sweep(sg.store, staging_keep_8, &(int){ 0 }, &sg.err));
    }
    assert_collection(sg.c, "old=1");
    staging_close();
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
}
END_TEST

Suite *
suite_staged_files(void)
{
    Suite *s = suite_create("staged_files");
    TCase *tc = tcase_create("staged_files");
    TCase *sweeps = tcase_create("sweeps"); /* with a store for each step */

    tcase_add_checked_fixture(tc, staging_setup, staging_teardown);
    tcase_add_test(tc, without_sync_a_power_cut_takes_it);
    tcase_add_test(tc, one_file_is_removed_by_its_name);
    tcase_add_test(tc, sweep_removes_what_nobody_keeps);
    tcase_add_test(tc, sweep_of_a_store_without_syncs_waits_for_the_disk);
    tcase_add_test(tc, beginning_after_a_failed_sync_leaves_the_file);
    tcase_add_test(tc, another_file_than_was_told_is_corrupt);
    tcase_add_test(tc, entries_that_are_not_in_order_are_corrupt);
    tcase_add_test(tc, any_flipped_byte_is_found_or_harmless);
    tcase_add_test(tc, any_failed_allocation_is_reported);
    suite_add_tcase(s, tc);
    tcase_add_loop_test(
        sweeps, power_cut_at_any_change_loses_nothing_that_was_finished, 0, 3);
    tcase_add_test(sweeps,
                   any_failed_call_is_reported_and_leaves_the_store_alone);
    suite_add_tcase(s, sweeps);
    return s;
}
