/* Large batches in files of their own. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/coding.h"
#include "base/reaper.h"
#include "moss.h"
#include "moss_lower.h"
#include "store/extras.h"
#include "support/coll.h"
#include "support/dump.h"
#include "support/fail_alloc.h"
#include "support/fault_os.h"
#include "support/fixture.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/stores.h"

Suite *suite_staged(void);

#define DIR "/store"
#define NAME DIR "/moss-staged-0000000000000007-00000000000002bc"

static const struct moss_tag tag7 = { 7, 700 };

static struct mem_os *mem;
static struct fault_os *fault;
static struct moss_store *store;
static struct moss_collection *c;
static struct moss_error err;

static enum moss_status
open_store(const struct moss_merge_operator *merge)
{
    struct moss_store_options so = { .os = fault_os_base(fault),
                                     .merge = merge };

    return moss_store_open(DIR, &so, &store, &err);
}

static void
open_collection(const struct moss_merge_operator *merge)
{
    struct moss_collection_options co = { .merge = merge };
    struct moss_lower *lower = NULL;

    assert_ok(open_store(merge));
    assert_ok(moss_store_lower(store, &lower));
    assert_ok(moss_collection_open(&co, lower, &c));
}

static void
close_all(void)
{
    if (c != NULL)
        assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    c = NULL;
    moss_store_close(store);
    store = NULL;
    for (int i = 0; i < 3; i++)
        reaper_drain();
}

static void
setup(void)
{
    mem = mem_os_new();
    fault = fault_os_new(mem_os_base(mem));
    store = NULL;
    c = NULL;
}

static void
teardown(void)
{
    close_all();
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    fault_os_free(fault);
    mem_os_free(mem);
}

static enum moss_status
add(struct moss_staged *g, const char *text)
{
    struct moss_batch *batch = batch_of(text);
    enum moss_status st = moss_staged_add(g, batch, &err);

    moss_batch_free(batch);
    return st;
}

static const char *const pieces[] = { "a=1 b=1 kid{x=1 y=1}",
                                      "-b c=2 kid{y=2 deep{z=2}}",
                                      "a=3 other{} d=3" };

/* All pieces, finished; *out is NULL if that failed. */
static enum moss_status
stage(struct moss_staged **out, struct moss_staged_info *info)
{
    struct moss_staged *g = NULL;
    enum moss_status st = moss_staged_begin(store, tag7, NULL, &g, &err);

    *out = NULL;
    for (size_t i = 0; i < 3 && st == MOSS_OK; i++)
        st = add(g, pieces[i]);
    if (st == MOSS_OK)
        st = moss_staged_finish(g, info, &err);
    if (st < 0)
        moss_staged_free(g);
    else
        *out = g;
    return st;
}

static enum moss_status
publish(struct moss_staged *g)
{
    struct moss_prepared *p = NULL;
    enum moss_status st = moss_staged_prepare(g, c, MOSS_FOREVER, &p);

    if (st == MOSS_OK)
        moss_prepared_publish(p);
    return st;
}

static void
run_batch(const char *text)
{
    struct moss_batch *batch = batch_of(text);

    assert_ok(moss_collection_execute(c, batch));
    moss_batch_free(batch);
}

static bool
has_staged_file(void)
{
    char *names = dir_names(mem_os_base(mem), DIR);
    bool has = strstr(names, "moss-staged") != NULL;

    free(names);
    return has;
}

static const char over_old[] =
    "a=3 c=2 d=3 e=0 kid{w=0 x=1 y=2 deep{z=2}} other{}";

START_TEST(staged_batch_is_published_and_persisted)
{
    struct moss_staged *g;
    struct moss_staged_info info;

    open_collection(NULL);
    run_batch("b=0 e=0 kid{w=0}");
    assert_ok(stage(&g, &info));
    ck_assert_uint_eq(info.tag.n, 7);
    assert_collection(c, "b=0 e=0 kid{w=0}");
    assert_ok(publish(g));
    assert_collection(c, over_old);
    ck_assert_uint_eq(moss_collection_tag(c).id, 700);
    moss_staged_free(g);
    ck_assert(has_staged_file());
    assert_ok(moss_collection_flush(c, MOSS_FOREVER, NULL));
    ck_assert_uint_eq(moss_collection_persisted_tag(c).n, 7);
    ck_assert(!has_staged_file());
    assert_collection(c, over_old);
    run_batch("-a kid{-x}");
    close_all();
    open_collection(NULL);
    assert_collection(c, "c=2 d=3 e=0 kid{w=0 y=2 deep{z=2}} other{}");
}
END_TEST

START_TEST(staged_batch_is_found_again_after_a_crash)
{
    struct moss_staged *g;
    struct moss_staged_info info;

    open_collection(NULL);
    run_batch("b=0 e=0 kid{w=0}");
    assert_ok(moss_collection_flush(c, MOSS_FOREVER, NULL));
    assert_ok(stage(&g, &info));
    moss_staged_free(g);
    mem_os_cut(mem);
    (void)moss_collection_close(c, 0, NULL);
    c = NULL;
    close_all();
    mem_os_restart(mem, MEM_CRASH_DROP, 1);
    open_collection(NULL);
    ck_assert(has_staged_file()); /* opening does not sweep it */
    assert_ok(moss_staged_open(store, &info, &g, &err));
    assert_ok(publish(g));
    moss_staged_free(g);
    close_all();
    open_collection(NULL);
    assert_collection(c, over_old);
}
END_TEST

START_TEST(pieces_become_one_segment_each_and_operands_stay)
{
    struct moss_staged *g = NULL;
    struct moss_staged_info info;
    struct moss_snapshot *snap = NULL;
    size_t in_memory, lower;

    open_collection(&merge_append);
    run_batch("k=0 kid{k=0}");
    assert_ok(moss_collection_flush(c, MOSS_FOREVER, NULL));
    assert_ok(moss_staged_begin(store, tag7, NULL, &g, &err));
    assert_ok(add(g, "k+1 kid{a=1}"));
    assert_ok(add(g, "k+2 kid{a=2 -k}"));
    assert_ok(add(g, "j=9 kid{b=2}"));
    assert_ok(moss_staged_finish(g, &info, &err));
    assert_ok(publish(g));
    moss_staged_free(g);
    assert_collection(c, "j=9 k=012 kid{a=2 b=2}");
    assert_ok(moss_collection_snapshot(c, &snap));
    moss_snapshot_segments(snap, &in_memory, &lower);
    ck_assert_uint_ge(in_memory, 1);
    moss_snapshot_unref(snap);
    close_all();
    open_collection(&merge_append);
    assert_collection(c, "j=9 k=012 kid{a=2 b=2}");
}
END_TEST

START_TEST(pieces_that_drop_collections_are_refused)
{
    static const char *const refused[] = { "!kid", "kid{!deep}" };
    struct moss_staged *g = NULL;
    struct moss_staged_info info;
    struct moss_prepared *p = NULL;

    open_collection(NULL);
    assert_ok(moss_staged_begin(store, tag7, NULL, &g, &err));
    for (size_t i = 0; i < 2; i++)
        assert_status(add(g, refused[i]), MOSS_UNSUPPORTED);
    assert_status(moss_staged_prepare(g, c, 0, &p), MOSS_INVALID);
    assert_ok(add(g, "a=1"));
    assert_ok(moss_staged_finish(g, &info, &err));
    assert_status(add(g, "a=1"), MOSS_INVALID);
    assert_status(moss_staged_finish(g, &info, &err), MOSS_INVALID);
    moss_staged_free(g);
    assert_status(moss_staged_begin(store, tag7, NULL, &g, &err), MOSS_BUSY);
    assert_status(
        moss_staged_begin(store, (struct moss_tag){ 0, 0 }, NULL, &g, &err),
        MOSS_INVALID);
    moss_staged_free(NULL);
}
END_TEST

static bool
keep_8(void *ctx, struct moss_tag tag)
{
    ++*(int *)ctx;
    return tag.n == 8;
}

static const struct moss_slice kid = { (const uint8_t *)"kid", 3 };
static const struct moss_slice deep[2] = { { (const uint8_t *)"kid", 3 },
                                           { (const uint8_t *)"deep", 4 } };

static const struct moss_slice new_name = { (const uint8_t *)"new", 3 };

/* Two collections, by path, and one without changes. */
static void
stage_by_path(struct moss_staged **g)
{
    struct moss_batch *batch = batch_of("c=9 b=2 a=1 -c b=3");
    struct moss_batch *none = batch_of("");
    struct moss_staged_info info;

    assert_ok(moss_staged_begin(store, tag7, NULL, g, &err));
    assert_ok(moss_staged_add_part(
        *g, &(struct moss_staged_part){ deep, 2, batch, 1 }, &err));
    assert_ok(moss_staged_add_part(
        *g, &(struct moss_staged_part){ NULL, 0, batch, 0 }, &err));
    assert_ok(moss_staged_add_part(
        *g, &(struct moss_staged_part){ &new_name, 1, none, 0 }, &err));
    assert_ok(moss_staged_finish(*g, &info, &err));
    moss_batch_free(none);
    moss_batch_free(batch);
}

START_TEST(changes_are_added_by_path)
{
    struct moss_staged *g = NULL;

    open_collection(NULL);
    run_batch("c=0 kid{c=0 deep{c=0 d=0}}");
    stage_by_path(&g);
    ck_assert(moss_staged_has(g, NULL, 0));
    ck_assert(moss_staged_has(g, deep, 1));
    ck_assert(moss_staged_has(g, deep, 2));
    ck_assert(!moss_staged_has(g, deep + 1, 1));
    assert_ok(publish(g));
    moss_staged_free(g);
    assert_collection(c, "a=1 b=3 kid{c=0 deep{a=1 b=3 d=0}} new{}");
    close_all();
    open_collection(NULL);
    assert_collection(c, "a=1 b=3 kid{c=0 deep{a=1 b=3 d=0}} new{}");
}
END_TEST

START_TEST(staged_changes_are_laid_over_a_snapshot)
{
    struct moss_staged *g = NULL;
    struct moss_snapshot *base, *snap, *same;

    open_collection(NULL);
    run_batch("a=0 c=0 z=0 kid{c=0}");
    stage_by_path(&g);
    assert_ok(moss_collection_snapshot(c, &base));
    assert_ok(moss_staged_overlay(g, NULL, 0, base, &snap));
    assert_ok(moss_staged_overlay(g, deep, 1, base, &same));
    moss_staged_free(g);
    assert_snapshot(snap, "a=1 b=3 z=0");
    assert_snapshot(same, "a=0 c=0 z=0");
    moss_snapshot_unref(same);
    moss_snapshot_unref(snap);
    moss_snapshot_unref(base);
    assert_collection(c, "a=0 c=0 z=0 kid{c=0}");
}
END_TEST

START_TEST(collections_can_be_deleted_beside_the_changes)
{
    struct moss_staged *g = NULL;
    struct moss_staged_info info;

    open_collection(NULL);
    run_batch("kid{a=0} other{a=0} third{a=0}");
    assert_ok(moss_staged_begin(store, tag7, NULL, &g, &err));
    assert_ok(moss_staged_del_child(g, kid));
    assert_ok(moss_staged_del_child(g, moss_str("third")));
    assert_ok(moss_staged_del_child(g, moss_str("unknown")));
    assert_status(moss_staged_del_child(g, moss_str("")), MOSS_INVALID);
    assert_ok(add(g, "kid{b=1} last{b=1}"));
    assert_ok(moss_staged_finish(g, &info, &err));
    assert_ok(publish(g));
    moss_staged_free(g);
    assert_collection(c, "kid{b=1} last{b=1} other{a=0}");
    close_all();
    open_collection(NULL);
    assert_collection(c, "kid{b=1} last{b=1} other{a=0}");
}
END_TEST

START_TEST(collections_can_be_emptied_before_the_changes)
{
    struct moss_staged *g = NULL;
    struct moss_staged_info info;

    open_collection(NULL);
    run_batch("a=0 kid{a=0 z=0 deep{a=0}} other{a=0}");
    assert_ok(moss_staged_begin(store, tag7, NULL, &g, &err));
    assert_ok(add(g, "b=1 kid{a=1}"));
    assert_ok(moss_staged_clear(g, deep, 1));
    assert_ok(moss_staged_clear(g, NULL, 0));
    assert_ok(moss_staged_finish(g, &info, &err));
    assert_ok(publish(g));
    moss_staged_free(g);
    assert_collection(c, "b=1 kid{a=1 deep{a=0}} other{a=0}");
    assert_ok(
        moss_staged_begin(store, (struct moss_tag){ 8, 1 }, NULL, &g, &err));
    assert_ok(add(g, "b=2"));
    assert_ok(moss_staged_clear(g, deep, 2));
    assert_ok(moss_staged_finish(g, &info, &err));
    assert_status(publish(g), MOSS_INVALID); /* it has no part */
    moss_staged_free(g);
    close_all();
    open_collection(NULL);
    assert_collection(c, "b=1 kid{a=1 deep{a=0}} other{a=0}");
}
END_TEST

static bool
count_down(void *ctx)
{
    return --*(int *)ctx > 0;
}

START_TEST(staging_ends_when_it_is_told_to)
{
    bool ended = true;

    open_collection(NULL);
    for (int calls = 1; ended; calls++) {
        int left = calls;
        struct moss_staged_options o = { .go_on = count_down, .ctx = &left };
        struct moss_staged_info info;
        struct moss_staged *g = NULL;
        enum moss_status st = moss_staged_begin(store, tag7, &o, &g, &err);

        if (st == MOSS_OK)
            st = add(g, "a=1 b=1");
        if (st == MOSS_OK)
            st = moss_staged_finish(g, &info, &err);
        ended = left <= 0;
        assert_status(st, ended ? MOSS_ABORTED : MOSS_OK);
        moss_staged_free(g);
        ck_assert(ended == !has_staged_file());
        ck_assert_int_lt(calls, 100);
    }
}
END_TEST

START_TEST(without_sync_a_power_cut_takes_it)
{
    struct moss_staged_options o = { .no_sync = true };
    struct moss_staged_info info;
    struct moss_staged *g = NULL;

    store_make(mem_os_base(mem), DIR, "old=1");
    assert_ok(open_store(NULL));
    assert_ok(moss_staged_begin(store, tag7, &o, &g, &err));
    assert_ok(add(g, "a=1"));
    assert_ok(moss_staged_finish(g, &info, &err));
    moss_staged_free(g);
    mem_os_cut(mem);
    close_all();
    mem_os_restart(mem, MEM_CRASH_DROP, 1);
    assert_ok(open_store(NULL));
    ck_assert_int_ne(moss_staged_open(store, &info, &g, &err), MOSS_OK);
}
END_TEST

START_TEST(one_file_is_removed_by_its_name)
{
    struct moss_staged_info info;
    struct moss_staged *g;

    open_collection(NULL);
    assert_ok(stage(&g, &info));
    moss_staged_free(g);
    assert_ok(moss_staged_remove(store, (struct moss_tag){ 7, 1 }, &err));
    ck_assert(has_staged_file());
    assert_ok(moss_staged_remove(store, tag7, &err));
    ck_assert(!has_staged_file());
    assert_ok(moss_staged_remove(store, tag7, &err));
}
END_TEST

START_TEST(sweep_removes_what_nobody_keeps)
{
    struct moss_staged *g = NULL;
    struct moss_staged_info info;
    int asked = 0;

    open_collection(NULL);
    assert_ok(stage(&g, &info));
    moss_staged_free(g);
    assert_ok(
        moss_staged_begin(store, (struct moss_tag){ 8, 1 }, NULL, &g, &err));
    assert_ok(moss_staged_finish(g, &info, &err));
    moss_staged_free(g);
    /* Unfinished ones go by themselves. */
    assert_ok(
        moss_staged_begin(store, (struct moss_tag){ 9, 1 }, NULL, &g, &err));
    assert_ok(add(g, "a=1"));
    moss_staged_free(g);
    /* Neither is in the newest commit point. */
    assert_ok(moss_staged_sweep(store, NULL, NULL, &err));
    assert_ok(moss_staged_sweep(store, keep_8, &asked, &err));
    ck_assert_int_eq(asked, 2);
    assert_ok(moss_staged_open(store, &info, &g, &err));
    moss_staged_free(g);
    info.tag = tag7;
    assert_status(moss_staged_open(store, &info, &g, &err), MOSS_NOT_FOUND);
}
END_TEST

START_TEST(sweep_of_a_store_without_syncs_waits_for_the_disk)
{
    struct moss_store_options so = { .os = fault_os_base(fault),
                                     .no_sync = true };
    struct moss_lower *lower = NULL;
    struct moss_staged *g = NULL;
    struct moss_staged_info info;

    assert_ok(moss_store_open(DIR, &so, &store, &err));
    assert_ok(moss_store_lower(store, &lower));
    assert_ok(moss_collection_open(NULL, lower, &c));
    assert_ok(stage(&g, &info));
    assert_ok(publish(g));
    moss_staged_free(g);
    assert_ok(moss_collection_flush(c, MOSS_FOREVER, &err));
    /* While it cannot be synced, the file is all there is. */
    fault_os_fail_from(fault, FAULT_SYNC, 1, MOSS_IO, 5);
    assert_status(moss_staged_sweep(store, NULL, NULL, &err), MOSS_IO);
    fault_os_heal(fault);
    assert_ok(moss_staged_open(store, &info, &g, &err));
    moss_staged_free(g);
    assert_ok(moss_staged_sweep(store, NULL, NULL, &err));
    assert_status(moss_staged_open(store, &info, &g, &err), MOSS_NOT_FOUND);
    mem_os_cut(mem);
    (void)moss_collection_close(c, 0, NULL);
    moss_store_close(store);
    c = NULL;
    store = NULL;
    mem_os_restart(mem, MEM_CRASH_DROP, 1);
    open_collection(NULL);
    assert_collection(c, "a=3 c=2 d=3 kid{x=1 y=2 deep{z=2}} other{}");
}
END_TEST

/* Nothing goes into a file that may have lost something. */
START_TEST(beginning_after_a_failed_sync_leaves_the_file)
{
    struct moss_staged *g = NULL;
    struct moss_store_identity id;
    struct driver d;
    struct moss_store_options so = { .os = fault_os_base(fault) };

    store_make(so.os, DIR, "a=1");
    so.merge = &merge_append; /* to be recorded */
    assert_ok(driver_open(&d, DIR, &so));
    fault_os_fail_nth(fault, FAULT_SYNC, 1, MOSS_IO, 5);
    assert_status(driver_apply(&d, "b=2"), MOSS_IO);
    assert_ok(moss_staged_begin(d.store, tag7, NULL, &g, &err));
    moss_staged_free(g);
    ck_assert_str_eq(driver_stats(&d).data_file, "data-0000000000000002.moss");
    moss_store_identity(d.store, &id);
    ck_assert_str_eq(id.merge_name, merge_append.name);
    driver_close(&d);
    assert_store(so.os, DIR, "a=1");
}
END_TEST

START_TEST(another_file_than_was_told_is_corrupt)
{
    struct moss_staged *g;
    struct moss_staged_info info, wrong;

    open_collection(NULL);
    assert_ok(stage(&g, &info));
    moss_staged_free(g);
    wrong = info;
    wrong.length++;
    assert_status(moss_staged_open(store, &wrong, &g, &err), MOSS_CORRUPT);
    wrong = info;
    wrong.checksum++;
    assert_status(moss_staged_open(store, &wrong, &g, &err), MOSS_CORRUPT);
    assert_ok(moss_staged_open(store, &info, &g, &err));
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
    struct moss_os *os = fault_os_base(fault);
    struct segment_loc loc = {
        .kvs_off = 4096, .kvs_bytes = 32, .buf_off = 8192, .buf_bytes = 4
    };
    struct moss_staged *g = NULL;
    struct moss_staged_info info;
    uint8_t *bytes, *kvs, first[16];
    size_t n;

    open_collection(NULL);
    assert_ok(moss_staged_begin(store, tag7, NULL, &g, &err));
    assert_ok(add(g, "a=1 b=2"));
    assert_ok(moss_staged_finish(g, &info, &err));
    moss_staged_free(g);
    /* The entries exchanged, with a checksum that is right. */
    bytes = file_read_all(os, NAME, &n);
    kvs = bytes + loc.kvs_off;
    memcpy(first, kvs, 16);
    memcpy(kvs, kvs + 16, 16);
    memcpy(kvs + 16, first, 16);
    store_le32(bytes + extras_sums_off(&loc),
               extras_sum(kvs, 32, nonce_of(bytes), loc.kvs_off));
    file_write_all(os, NAME, bytes, n);
    free(bytes);
    assert_status(moss_staged_open(store, &info, &g, &err), MOSS_CORRUPT);
    ck_assert_str_eq(err.what, "staged batch");
}
END_TEST

START_TEST(any_flipped_byte_is_found_or_harmless)
{
    struct moss_os *os = fault_os_base(fault);
    struct moss_staged *g;
    struct moss_staged_info info;
    enum moss_status st;
    uint64_t seed = test_seed(3);
    struct rng r;
    uint8_t *bytes;
    size_t n;
    int found = 0;

    rng_init(&r, seed);
    open_collection(NULL);
    assert_ok(stage(&g, &info));
    moss_staged_free(g);
    bytes = file_read_all(os, NAME, &n);
    for (int i = 0; i < 300; i++) {
        /* Most of the file is empty: prefer what is not. */
        size_t at = (size_t)(rng_next(&r) % n);
        uint8_t old;

        while (i % 2 == 0 && bytes[at] == 0)
            at = (at + 1) % n;
        old = bytes[at];
        bytes[at] ^= (uint8_t)(1u << (i % 8));
        do { /* the persister may just remove the one before */
            file_write_all(os, NAME, bytes, n);
            st = moss_staged_open(store, &info, &g, &err);
        } while (st == MOSS_NOT_FOUND);
        bytes[at] = old;
        if (st < 0) {
            found++;
            continue;
        }
        assert_ok(publish(g));
        moss_staged_free(g);
        assert_collection(c, "a=3 c=2 d=3 kid{x=1 y=2 deep{z=2}} other{}");
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
        struct moss_staged_info info = { .tag = tag7 };
        struct moss_staged *g = NULL;
        enum moss_status st, found;

        setup();
        store_make(mem_os_base(mem), DIR, "old=1");
        assert_ok(open_store(NULL));
        mem_os_cut_at(mem, MEM_CUT_CHANGE, n);
        st = stage(&g, &info);
        was_cut = mem_os_is_off(mem);
        ck_assert(was_cut || st == MOSS_OK);
        moss_staged_free(g);
        close_all();
        mem_os_restart(mem, (enum mem_crash)_i, n);
        assert_ok(open_store(NULL));
        found = moss_staged_open(store, &info, &g, &err);
        if (st == MOSS_OK)
            assert_ok(found);
        else
            ck_assert(found == MOSS_NOT_FOUND || found == MOSS_CORRUPT);
        moss_staged_free(g);
        assert_ok(moss_staged_sweep(store, keep_8, &(int){ 0 }, &err));
        ck_assert(!has_staged_file());
        close_all();
        assert_store(mem_os_base(mem), DIR, "old=1");
        teardown();
    }
}
END_TEST

START_TEST(any_failed_call_is_reported_and_leaves_the_store_alone)
{
    bool failed = true;

    for (unsigned n = 1; failed; n++) {
        struct moss_staged_info info = { .tag = tag7 };
        struct moss_staged *g = NULL;
        enum moss_status st;

        setup();
        open_collection(NULL);
        run_batch("old=1");
        assert_ok(moss_collection_flush(c, MOSS_FOREVER, NULL));
        fault_os_fail_nth(fault, FAULT_ANY, n, MOSS_IO, 5);
        st = stage(&g, &info);
        failed = fault_os_tripped(fault);
        ck_assert(failed == (st == MOSS_IO) || st == MOSS_OK);
        fault_os_heal(fault);
        if (st == MOSS_OK)
            assert_ok(publish(g));
        moss_staged_free(g);
        run_batch("new=1");
        close_all();
        ck_assert_uint_eq(mem_os_open_files(mem), 0);
        assert_store(mem_os_base(mem), DIR,
                     st == MOSS_OK ? "a=3 c=2 d=3 new=1 old=1 "
                                     "kid{x=1 y=2 deep{z=2}} other{}"
                                   : "new=1 old=1");
        teardown();
    }
}
END_TEST

START_TEST(any_failed_allocation_is_reported)
{
    bool failed = true;

    settle_reaper();
    fail_alloc_install();
    open_collection(NULL);
    run_batch("old=1");
    assert_ok(moss_collection_flush(c, MOSS_FOREVER, NULL));
    for (unsigned n = 1; failed; n++) {
        enum moss_status st;
        struct moss_batch *batches[3];
        struct moss_staged_info info;
        struct moss_staged *g = NULL;
        struct moss_prepared *p = NULL;

        for (size_t i = 0; i < 3; i++)
            batches[i] = batch_of(pieces[i]);
        fail_alloc_nth(n);
        st = moss_staged_begin(store, tag7, NULL, &g, &err);
        for (size_t i = 0; i < 3 && st == MOSS_OK; i++)
            st = moss_staged_add(g, batches[i], &err);
        if (st == MOSS_OK)
            st = moss_staged_finish(g, &info, &err);
        if (st == MOSS_OK)
            st = moss_staged_prepare(g, c, MOSS_FOREVER, &p);
        failed = fail_alloc_tripped();
        fail_alloc_nth(0);
        ck_assert(st == MOSS_OK || st == MOSS_NOMEM);
        moss_prepared_free(p);
        moss_staged_free(g);
        for (size_t i = 0; i < 3; i++)
            moss_batch_free(batches[i]);
        assert_ok(moss_staged_sweep(store, keep_8, &(int){ 0 }, &err));
    }
    assert_collection(c, "old=1");
    close_all();
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
}
END_TEST

Suite *
suite_staged(void)
{
    Suite *s = suite_create("staged");
    TCase *tc = tcase_create("staged");
    TCase *sweeps = tcase_create("sweeps"); /* with a store for each step */

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, staged_batch_is_published_and_persisted);
    tcase_add_test(tc, staged_batch_is_found_again_after_a_crash);
    tcase_add_test(tc, pieces_become_one_segment_each_and_operands_stay);
    tcase_add_test(tc, pieces_that_drop_collections_are_refused);
    tcase_add_test(tc, changes_are_added_by_path);
    tcase_add_test(tc, staged_changes_are_laid_over_a_snapshot);
    tcase_add_test(tc, collections_can_be_deleted_beside_the_changes);
    tcase_add_test(tc, collections_can_be_emptied_before_the_changes);
    tcase_add_test(tc, staging_ends_when_it_is_told_to);
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
