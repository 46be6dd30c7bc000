/* Large batches in files of their own: what is in them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "moss.h"
#include "support/dump.h"
#include "support/fixture.h"
#include "support/operators.h"
#include "support/staging.h"

Suite *suite_staged(void);

static const char over_old[] =
    "a=3 c=2 d=3 e=0 kid{w=0 x=1 y=2 deep{z=2}} other{}";

START_TEST(staged_batch_is_published_and_persisted)
{
    struct moss_staged *g;
    struct moss_staged_info info;

    staging_open(NULL);
    staging_run("b=0 e=0 kid{w=0}");
    assert_ok(staging_stage(&g, &info));
    ck_assert_uint_eq(info.tag.n, 7);
    assert_collection(sg.c, "b=0 e=0 kid{w=0}");
    assert_ok(staging_publish(g));
    assert_collection(sg.c, over_old);
    ck_assert_uint_eq(moss_collection_tag(sg.c).id, 700);
    moss_staged_free(g);
    ck_assert(staging_has_file());
    assert_ok(moss_collection_flush(sg.c, MOSS_FOREVER, NULL));
    ck_assert_uint_eq(moss_collection_persisted_tag(sg.c).n, 7);
    ck_assert(!staging_has_file());
    assert_collection(sg.c, over_old);
    staging_run("-a kid{-x}");
    staging_close();
    staging_open(NULL);
    assert_collection(sg.c, "c=2 d=3 e=0 kid{w=0 y=2 deep{z=2}} other{}");
}
END_TEST

START_TEST(staged_batch_is_found_again_after_a_crash)
{
    struct moss_staged *g;
    struct moss_staged_info info;

    staging_open(NULL);
    staging_run("b=0 e=0 kid{w=0}");
    assert_ok(moss_collection_flush(sg.c, MOSS_FOREVER, NULL));
    assert_ok(staging_stage(&g, &info));
    moss_staged_free(g);
    mem_os_cut(sg.mem);
    (void)moss_collection_close(sg.c, 0, NULL);
    sg.c = NULL;
    staging_close();
    mem_os_restart(sg.mem, MEM_CRASH_DROP, 1);
    staging_open(NULL);
    ck_assert(staging_has_file()); /* opening does not sweep it */
    assert_ok(moss_staged_open(sg.store, &info, &g, &sg.err));
    assert_ok(staging_publish(g));
    moss_staged_free(g);
    staging_close();
    staging_open(NULL);
    assert_collection(sg.c, over_old);
}
END_TEST

START_TEST(pieces_become_one_segment_each_and_operands_stay)
{
    struct moss_staged *g = NULL;
    struct moss_staged_info info;
    struct moss_snapshot *snap = NULL;
    size_t in_memory, lower;

    staging_open(&merge_append);
    staging_run("k=0 kid{k=0}");
    assert_ok(moss_collection_flush(sg.c, MOSS_FOREVER, NULL));
    assert_ok(moss_staged_begin(sg.store, staging_tag, NULL, &g, &sg.err));
    assert_ok(staging_add(g, "k+1 kid{a=1}"));
    assert_ok(staging_add(g, "k+2 kid{a=2 -k}"));
    assert_ok(staging_add(g, "j=9 kid{b=2}"));
    assert_ok(moss_staged_finish(g, &info, &sg.err));
    assert_ok(staging_publish(g));
    moss_staged_free(g);
    assert_collection(sg.c, "j=9 k=012 kid{a=2 b=2}");
    assert_ok(moss_collection_snapshot(sg.c, &snap));
    moss_snapshot_segments(snap, &in_memory, &lower);
    ck_assert_uint_ge(in_memory, 1);
    moss_snapshot_unref(snap);
    staging_close();
    staging_open(&merge_append);
    assert_collection(sg.c, "j=9 k=012 kid{a=2 b=2}");
}
END_TEST

START_TEST(pieces_that_drop_collections_are_refused)
{
    static const char *const refused[] = { "!kid", "kid{!deep}" };
    struct moss_staged *g = NULL;
    struct moss_staged_info info;
    struct moss_prepared *p = NULL;

    staging_open(NULL);
    assert_ok(moss_staged_begin(sg.store, staging_tag, NULL, &g, &sg.err));
    for (size_t i = 0; i < 2; i++)
        assert_status(staging_add(g, refused[i]), MOSS_UNSUPPORTED);
    assert_status(moss_staged_prepare(g, sg.c, 0, &p), MOSS_INVALID);
    assert_ok(staging_add(g, "a=1"));
    assert_ok(moss_staged_finish(g, &info, &sg.err));
    assert_status(staging_add(g, "a=1"), MOSS_INVALID);
    assert_status(moss_staged_finish(g, &info, &sg.err), MOSS_INVALID);
    moss_staged_free(g);
    assert_status(moss_staged_begin(sg.store, staging_tag, NULL, &g, &sg.err),
                  MOSS_BUSY);
    assert_status(moss_staged_begin(sg.store, (struct moss_tag){ 0, 0 }, NULL,
                                    &g, &sg.err),
                  MOSS_INVALID);
    moss_staged_free(NULL);
}
END_TEST

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

    assert_ok(moss_staged_begin(sg.store, staging_tag, NULL, g, &sg.err));
    assert_ok(moss_staged_add_part(
        *g, &(struct moss_staged_part){ deep, 2, batch, 1 }, &sg.err));
    assert_ok(moss_staged_add_part(
        *g, &(struct moss_staged_part){ NULL, 0, batch, 0 }, &sg.err));
    assert_ok(moss_staged_add_part(
        *g, &(struct moss_staged_part){ &new_name, 1, none, 0 }, &sg.err));
    assert_ok(moss_staged_finish(*g, &info, &sg.err));
    moss_batch_free(none);
    moss_batch_free(batch);
}

START_TEST(changes_are_added_by_path)
{
    struct moss_staged *g = NULL;

    staging_open(NULL);
    staging_run("c=0 kid{c=0 deep{c=0 d=0}}");
    stage_by_path(&g);
    ck_assert(moss_staged_has(g, NULL, 0));
    ck_assert(moss_staged_has(g, deep, 1));
    ck_assert(moss_staged_has(g, deep, 2));
    ck_assert(!moss_staged_has(g, deep + 1, 1));
    assert_ok(staging_publish(g));
    moss_staged_free(g);
    assert_collection(sg.c, "a=1 b=3 kid{c=0 deep{a=1 b=3 d=0}} new{}");
    staging_close();
    staging_open(NULL);
    assert_collection(sg.c, "a=1 b=3 kid{c=0 deep{a=1 b=3 d=0}} new{}");
}
END_TEST

START_TEST(staged_changes_are_laid_over_a_snapshot)
{
    struct moss_staged *g = NULL;
    struct moss_snapshot *base, *snap, *same;

    staging_open(NULL);
    staging_run("a=0 c=0 z=0 kid{c=0}");
    stage_by_path(&g);
    assert_ok(moss_collection_snapshot(sg.c, &base));
    assert_ok(moss_staged_overlay(g, NULL, 0, base, &snap));
    assert_ok(moss_staged_overlay(g, deep, 1, base, &same));
    moss_staged_free(g);
    assert_snapshot(snap, "a=1 b=3 z=0");
    assert_snapshot(same, "a=0 c=0 z=0");
    moss_snapshot_unref(same);
    moss_snapshot_unref(snap);
    moss_snapshot_unref(base);
    assert_collection(sg.c, "a=0 c=0 z=0 kid{c=0}");
}
END_TEST

START_TEST(collections_can_be_deleted_beside_the_changes)
{
    struct moss_staged *g = NULL;
    struct moss_staged_info info;

    staging_open(NULL);
    staging_run("kid{a=0} other{a=0} third{a=0}");
    assert_ok(moss_staged_begin(sg.store, staging_tag, NULL, &g, &sg.err));
    assert_ok(moss_staged_del_child(g, kid));
    assert_ok(moss_staged_del_child(g, moss_str("third")));
    assert_ok(moss_staged_del_child(g, moss_str("unknown")));
    assert_status(moss_staged_del_child(g, moss_str("")), MOSS_INVALID);
    assert_ok(staging_add(g, "kid{b=1} last{b=1}"));
    assert_ok(moss_staged_finish(g, &info, &sg.err));
    assert_ok(staging_publish(g));
    moss_staged_free(g);
    assert_collection(sg.c, "kid{b=1} last{b=1} other{a=0}");
    staging_close();
    staging_open(NULL);
    assert_collection(sg.c, "kid{b=1} last{b=1} other{a=0}");
}
END_TEST

START_TEST(collections_can_be_emptied_before_the_changes)
{
    struct moss_staged *g = NULL;
    struct moss_staged_info info;

    staging_open(NULL);
    staging_run("a=0 kid{a=0 z=0 deep{a=0}} other{a=0}");
    assert_ok(moss_staged_begin(sg.store, staging_tag, NULL, &g, &sg.err));
    assert_ok(staging_add(g, "b=1 kid{a=1}"));
    assert_ok(moss_staged_clear(g, deep, 1));
    assert_ok(moss_staged_clear(g, NULL, 0));
    assert_ok(moss_staged_finish(g, &info, &sg.err));
    assert_ok(staging_publish(g));
    moss_staged_free(g);
    assert_collection(sg.c, "b=1 kid{a=1 deep{a=0}} other{a=0}");
    assert_ok(moss_staged_begin(sg.store, (struct moss_tag){ 8, 1 }, NULL, &g,
                                &sg.err));
    assert_ok(staging_add(g, "b=2"));
    assert_ok(moss_staged_clear(g, deep, 2));
    assert_ok(moss_staged_finish(g, &info, &sg.err));
    assert_status(staging_publish(g), MOSS_INVALID); /* it has no part */
    moss_staged_free(g);
    staging_close();
    staging_open(NULL);
    assert_collection(sg.c, "b=1 kid{a=1 deep{a=0}} other{a=0}");
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

    staging_open(NULL);
    for (int calls = 1; ended; calls++) {
        int left = calls;
        struct moss_staged_options o = { .go_on = count_down, .ctx = &left };
        struct moss_staged_info info;
        struct moss_staged *g = NULL;
        enum moss_status st =
            moss_staged_begin(sg.store, staging_tag, &o, &g, &sg.err);

        if (st == MOSS_OK)
            st = staging_add(g, "a=1 b=1");
        if (st == MOSS_OK)
            st = moss_staged_finish(g, &info, &sg.err);
        ended = left <= 0;
        assert_status(st, ended ? MOSS_ABORTED : MOSS_OK);
        moss_staged_free(g);
        ck_assert(ended == !staging_has_file());
        ck_assert_int_lt(calls, 100);
    }
}
END_TEST

Suite *
suite_staged(void)
{
    Suite *s = suite_create("staged");
    TCase *tc = tcase_create("staged");

    tcase_add_checked_fixture(tc, staging_setup, staging_teardown);
    tcase_add_test(tc, staged_batch_is_published_and_persisted);
    tcase_add_test(tc, staged_batch_is_found_again_after_a_crash);
    tcase_add_test(tc, pieces_become_one_segment_each_and_operands_stay);
    tcase_add_test(tc, pieces_that_drop_collections_are_refused);
    tcase_add_test(tc, changes_are_added_by_path);
    tcase_add_test(tc, staged_changes_are_laid_over_a_snapshot);
    tcase_add_test(tc, collections_can_be_deleted_beside_the_changes);
    tcase_add_test(tc, collections_can_be_emptied_before_the_changes);
    tcase_add_test(tc, staging_ends_when_it_is_told_to);
    suite_add_tcase(s, tc);
    return s;
}
