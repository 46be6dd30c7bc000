/* A state written as a new store. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "moss.h"
#include "support/coll.h"
#include "support/dump.h"
#include "support/fail_alloc.h"
#include "support/fault_os.h"
#include "support/fixture.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/stores.h"

Suite *suite_copy(void);

#define FROM "/from"
#define TO "/to"

static const struct moss_tag tag9 = { 9, 900 };

static struct mem_os *mem;
static struct fault_os *fault;

static struct moss_error err;

static void
setup(void)
{
    mem = mem_os_new();
    fault = fault_os_new(mem_os_base(mem));
}

static void
teardown(void)
{
    for (int i = 0; i < 3; i++)
        reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    fault_os_free(fault);
    mem_os_free(mem);
}

static enum moss_status
copy(struct moss_snapshot *snap, const struct moss_compact_options *how)
{
    struct moss_store_options options = { .os = fault_os_base(fault) };

    return moss_store_copy(TO, &options, snap, tag9, how, &err);
}

/* A collection in memory and in a store, deletions and children in both. */
static struct moss_snapshot *
state(struct moss_collection **c)
{
    struct moss_store_options so = { .os = mem_os_base(mem) };
    struct moss_store *store;
    struct moss_lower *lower;
    struct moss_snapshot *snap;

    store_make(mem_os_base(mem), FROM, "a=0 b=0 kid{x=0 deep{y=0}} gone{z=0}");
    assert_ok(moss_store_open(FROM, &so, &store, &err));
    assert_ok(moss_store_lower(store, &lower));
    moss_store_close(store);
    assert_ok(moss_collection_open(NULL, lower, c));
    run(*c, "-a c=1 kid{-x deep{y=1}} !gone none{}");
    assert_ok(moss_collection_snapshot(*c, &snap));
    run(*c, "later=1");
    return snap;
}

static const char content[] = "b=0 c=1 kid{deep{y=1}} none{}";

START_TEST(the_copy_reads_as_the_snapshot)
{
    struct moss_store_options so = { .os = mem_os_base(mem) };
    struct moss_collection *c;
    struct moss_snapshot *snap = state(&c);
    struct moss_store *store;

    assert_ok(copy(snap, NULL));
    moss_snapshot_unref(snap);
    assert_store(mem_os_base(mem), TO, content);
    assert_ok(moss_store_open(TO, &so, &store, &err));
    assert_ok(moss_store_snapshot(store, &snap));
    ck_assert(moss_tag_equal(moss_snapshot_tag(snap), tag9));
    moss_snapshot_unref(snap);
    moss_store_close(store);
    assert_collection(c, "b=0 c=1 later=1 kid{deep{y=1}} none{}");
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

START_TEST(a_store_with_content_is_left_alone)
{
    struct moss_collection *c;
    struct moss_snapshot *snap = state(&c);

    assert_ok(copy(snap, NULL));
    assert_status(copy(snap, NULL), MOSS_EXISTS);
    moss_snapshot_unref(snap);
    assert_store(mem_os_base(mem), TO, content);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

START_TEST(a_foreign_lower_level_is_not_copied)
{
    struct over_toy o;
    struct moss_snapshot *snap;

    over_toy_open(&o, NULL);
    run(o.c, "a=1");
    assert_ok(moss_collection_snapshot(o.c, &snap));
    assert_status(copy(snap, NULL), MOSS_UNSUPPORTED);
    moss_snapshot_unref(snap);
    over_toy_close(&o);
}
END_TEST

static bool
never(void *ctx, uint64_t done, uint64_t total)
{
    ck_assert_uint_le(done, total);
    ++*(int *)ctx;
    return false;
}

START_TEST(progress_ends_it)
{
    int calls = 0;
    struct moss_compact_options how = { .progress = never, .ctx = &calls };
    struct moss_collection *c;
    struct moss_snapshot *snap = state(&c);

    assert_status(copy(snap, &how), MOSS_ABORTED);
    ck_assert_int_eq(calls, 1);
    assert_ok(copy(snap, NULL));
    moss_snapshot_unref(snap);
    assert_store(mem_os_base(mem), TO, content);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

/* Remove what a failed attempt has left. */
static void
clear_to(void)
{
    struct moss_os *os = mem_os_base(mem);
    char *names, *save = NULL;

    assert_ok(os->ops->mkdir(os, TO)); /* fine if it is there */
    names = dir_names(os, TO);
    for (char *name = strtok_r(names, " \n", &save); name != NULL;
         name = strtok_r(NULL, " \n", &save)) {
        char path[200];

        (void)snprintf(path, sizeof path, TO "/%s", name);
        assert_ok(os->ops->remove(os, path));
    }
    free(names);
}

START_TEST(any_failed_call_is_reported)
{
    bool failed = true;
    struct moss_collection *c;
    struct moss_snapshot *snap = state(&c);

    for (unsigned n = 1; failed; n++) {
        enum moss_status st;

        fault_os_fail_nth(fault, FAULT_ANY, n, MOSS_IO, 5);
        st = copy(snap, NULL);
        failed = fault_os_tripped(fault);
        fault_os_heal(fault);
        ck_assert(st == MOSS_OK || (failed && st == MOSS_IO));
        if (st == MOSS_OK)
            assert_store(mem_os_base(mem), TO, content);
        clear_to();
    }
    moss_snapshot_unref(snap);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

START_TEST(any_failed_allocation_is_reported)
{
    bool failed = true;
    struct moss_collection *c;
    struct moss_snapshot *snap;

    settle_reaper();
    fail_alloc_install();
    snap = state(&c);
    assert_ok(moss_collection_flush(c, MOSS_FOREVER, NULL));
    for (unsigned n = 1; failed; n++) {
        enum moss_status st;

        fail_alloc_nth(n);
        st = copy(snap, NULL);
        failed = fail_alloc_tripped();
        fail_alloc_nth(0);
        ck_assert(st == MOSS_OK || (failed && st == MOSS_NOMEM));
        clear_to();
    }
    moss_snapshot_unref(snap);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    for (int i = 0; i < 3; i++)
        reaper_drain();
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
}
END_TEST

Suite *
suite_copy(void)
{
    Suite *s = suite_create("copy");
    TCase *tc = tcase_create("copy");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_copy_reads_as_the_snapshot);
    tcase_add_test(tc, a_store_with_content_is_left_alone);
    tcase_add_test(tc, a_foreign_lower_level_is_not_copied);
    tcase_add_test(tc, progress_ends_it);
    tcase_add_test(tc, any_failed_call_is_reported);
    tcase_add_test(tc, any_failed_allocation_is_reported);
    suite_add_tcase(s, tc);
    return s;
}
