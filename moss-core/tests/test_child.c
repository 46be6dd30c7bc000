/* Child collections: how they come, go, and are told apart. */
#include <stdio.h>
#include <stdlib.h>

#include "support/coll.h"
#include "support/operators.h"

/*
 * How far what a test does first has come when it goes on: still in top,
 * merged, or persisted.
 */
enum stage { IN_TOP, IN_MID, PERSISTED, STAGES };

static void
settle(struct moss_collection *c, enum stage stage)
{
    if (stage == PERSISTED)
        assert_ok(moss_collection_flush(c, MOSS_FOREVER, NULL));
    else if (stage == IN_MID)
        assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
}

/* In memory for IN_TOP and IN_MID, over a toy for PERSISTED. */
static void
open_at(struct over_toy *o, enum stage stage)
{
    struct moss_collection_options options = { .merge = &merge_append };

    over_toy_open(o, &options);
    if (stage == PERSISTED)
        return;
    assert_ok(moss_collection_close(o->c, MOSS_FOREVER, NULL));
    assert_ok(moss_collection_open(&o->options, NULL, &o->c));
}

START_TEST(child_is_read_by_name)
{
    struct moss_snapshot *snap, *kid, *none;
    struct over_toy o;

    open_at(&o, (enum stage)_i);
    run(o.c, "a=top kid{a=kid} kin{a=kin grandkid{a=grand}}");
    settle(o.c, (enum stage)_i);
    assert_ok(moss_collection_snapshot(o.c, &snap));
    assert_ok(moss_snapshot_child(snap, moss_str("kid"), &kid));
    assert_snapshot(kid, "a=kid");
    assert_status(moss_snapshot_child(snap, moss_str("grandkid"), &none),
                  MOSS_NOT_FOUND);
    ck_assert_ptr_null(none);
    assert_tree(snap, "a=top kid{a=kid} kin{a=kin grandkid{a=grand}}");
    moss_snapshot_unref(snap);
    assert_snapshot(kid, "a=kid"); /* lives without its parent's */
    moss_snapshot_unref(kid);
    over_toy_close(&o);
}
END_TEST

START_TEST(child_has_operations_of_its_own)
{
    struct over_toy o;

    open_at(&o, (enum stage)_i);
    run(o.c, "a=1 kid{a=1 b=1}");
    settle(o.c, (enum stage)_i);
    run(o.c, "-a kid{a+2 -b}");
    assert_collection(o.c, "kid{a=12}");
    settle(o.c, (enum stage)_i);
    run(o.c, "kid{a+3}");
    settle(o.c, (enum stage)_i);
    assert_collection(o.c, "kid{a=123}");
    over_toy_close(&o);
}
END_TEST

START_TEST(deleted_child_is_gone)
{
    struct over_toy o;

    open_at(&o, (enum stage)_i);
    run(o.c, "kid{a=1 grandkid{b=2}} kin{a=1}");
    settle(o.c, (enum stage)_i);
    run(o.c, "!kid");
    assert_collection(o.c, "kin{a=1}");
    settle(o.c, (enum stage)_i);
    assert_collection(o.c, "kin{a=1}");
    over_toy_close(&o);
}
END_TEST

/* Nothing of the old one shows in its namesake. */
START_TEST(child_made_anew_in_one_batch_is_empty)
{
    struct over_toy o;

    open_at(&o, (enum stage)_i);
    run(o.c, "kid{a=1 b=1 grandkid{b=2}}");
    settle(o.c, (enum stage)_i);
    run(o.c, "!kid kid{a=new}");
    assert_collection(o.c, "kid{a=new}");
    settle(o.c, (enum stage)_i);
    assert_collection(o.c, "kid{a=new}");
    run(o.c, "kid{grandkid{ }}");
    settle(o.c, (enum stage)_i);
    assert_collection(o.c, "kid{a=new grandkid{}}");
    over_toy_close(&o);
}
END_TEST

START_TEST(child_made_anew_later_is_empty)
{
    struct over_toy o;

    open_at(&o, (enum stage)_i);
    run(o.c, "kid{a=1 b=1}");
    settle(o.c, (enum stage)_i);
    run(o.c, "!kid");
    settle(o.c, (enum stage)_i);
    run(o.c, "kid{c+3}");
    assert_collection(o.c, "kid{c=3}");
    settle(o.c, (enum stage)_i);
    assert_collection(o.c, "kid{c=3}");
    over_toy_close(&o);
}
END_TEST

START_TEST(grandchild_made_anew_is_empty)
{
    struct over_toy o;

    open_at(&o, (enum stage)_i);
    run(o.c, "kid{a=1 grandkid{b=1}}");
    settle(o.c, (enum stage)_i);
    run(o.c, "kid{!grandkid}");
    run(o.c, "kid{grandkid{c=1}}");
    assert_collection(o.c, "kid{a=1 grandkid{c=1}}");
    settle(o.c, (enum stage)_i);
    assert_collection(o.c, "kid{a=1 grandkid{c=1}}");
    over_toy_close(&o);
}
END_TEST

START_TEST(deleting_what_is_not_there_is_fine)
{
    struct over_toy o;

    open_at(&o, (enum stage)_i);
    run(o.c, "!kid a=1");
    settle(o.c, (enum stage)_i);
    assert_collection(o.c, "a=1");
    over_toy_close(&o);
}
END_TEST

/* Children alone are persisted, and only once. */
START_TEST(batches_of_children_only_are_persisted)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    run(o.c, "kid{a=1}");
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    ck_assert_uint_eq(toy_updates(o.toy), 1);
    over_toy_reopen(&o);
    assert_collection(o.c, "kid{a=1}");
    run(o.c, "kid{b=2}");
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    ck_assert_uint_eq(toy_updates(o.toy), 2);
    over_toy_reopen(&o);
    assert_collection(o.c, "kid{a=1 b=2}");
    ck_assert_uint_eq(toy_updates(o.toy), 2);
    over_toy_close(&o);
}
END_TEST

START_TEST(empty_child_is_persisted)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    run(o.c, "kid{ }");
    over_toy_reopen(&o);
    assert_collection(o.c, "kid{}");
    run(o.c, "!kid");
    over_toy_reopen(&o);
    assert_collection(o.c, "");
    over_toy_close(&o);
}
END_TEST

START_TEST(children_are_found_after_reopening)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    run(o.c, "a=1 b{a=2 x{y=3}} c{}");
    over_toy_reopen(&o);
    run(o.c, "b{a=4 x{z=5}} !c");
    assert_collection(o.c, "a=1 b{a=4 x{y=3 z=5}}");
    over_toy_reopen(&o);
    assert_collection(o.c, "a=1 b{a=4 x{y=3 z=5}}");
    over_toy_close(&o);
}
END_TEST

/* Such names are for the store's own use. */
START_TEST(bad_names_are_refused)
{
    struct moss_batch *batch = batch_of(""), *child;

    assert_status(moss_batch_child(batch, moss_str(".x"), &child),
                  MOSS_INVALID);
    assert_status(moss_batch_child(batch, moss_str(""), &child), MOSS_INVALID);
    assert_status(moss_batch_del_child(batch, moss_str(".x")), MOSS_INVALID);
    moss_batch_free(batch);
}
END_TEST

START_TEST(too_deep_nesting_is_refused)
{
    struct moss_batch *batch = batch_of(""), *deepest = batch, *deeper;
    struct moss_collection *c;

    assert_ok(moss_collection_open(NULL, NULL, &c));
    for (int depth = 0; depth < 32; depth++)
        assert_ok(moss_batch_child(deepest, moss_str("x"), &deepest));
    assert_status(moss_batch_child(deepest, moss_str("x"), &deeper),
                  MOSS_INVALID);
    assert_ok(moss_collection_execute(c, batch));
    moss_batch_free(batch);
    assert_ok(moss_collection_close(c, 0, NULL));
}
END_TEST

/* Dropped content leaves the memory with the next merge. */
START_TEST(deleted_child_frees_its_memory)
{
    struct moss_collection_stats stats;
    struct moss_collection *c;

    assert_ok(moss_collection_open(NULL, NULL, &c));
    run(c, "a=1 kid{a=1 grandkid{b=2}}");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    moss_collection_stats(c, &stats);
    ck_assert_uint_eq(stats.mid_segments, 3);
    run(c, "!kid");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    moss_collection_stats(c, &stats);
    ck_assert_uint_eq(stats.mid_segments, 1);
    assert_collection(c, "a=1");
    assert_ok(moss_collection_close(c, 0, NULL));
}
END_TEST

START_TEST(child_is_made_once_for_a_snapshot)
{
    struct moss_snapshot *snap, *first, *again;
    struct over_toy o;

    open_at(&o, (enum stage)_i);
    run(o.c, "kid{a=1 grandkid{b=2}} kin{a=3}");
    settle(o.c, (enum stage)_i);
    assert_ok(moss_collection_snapshot(o.c, &snap));
    assert_ok(moss_snapshot_child(snap, moss_str("kid"), &first));
    moss_snapshot_unref(first);
    run(o.c, "kid{a=4}"); /* another state has another one */
    assert_ok(moss_snapshot_child(snap, moss_str("kid"), &again));
    ck_assert_ptr_eq(first, again);
    assert_snapshot(again, "a=1");
    moss_snapshot_unref(snap);
    assert_ok(moss_snapshot_child(again, moss_str("grandkid"), &first));
    moss_snapshot_unref(again);
    assert_snapshot(first, "b=2");
    moss_snapshot_unref(first);
    assert_collection(o.c, "kid{a=4 grandkid{b=2}} kin{a=3}");
    over_toy_close(&o);
}
END_TEST

/* More children than a state caches stacks for, or a snapshot keeps. */
START_TEST(many_children_are_told_apart)
{
    struct over_toy o;
    char text[64];

    over_toy_open(&o, NULL);
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof(text), "kid%03d{k=%d}", i, i);
        run(o.c, text);
    }
    for (int round = 0; round < 3; round++) {
        struct moss_snapshot *snap, *kid;

        assert_ok(moss_collection_snapshot(o.c, &snap));
        for (int i = 0; i < 400; i++) {
            char name[16];

            snprintf(name, sizeof(name), "kid%03d", i / 2);
            snprintf(text, sizeof(text), "k=%d", i / 2);
            assert_ok(moss_snapshot_child(snap, moss_str(name), &kid));
            assert_snapshot(kid, text);
            moss_snapshot_unref(kid);
        }
        moss_snapshot_unref(snap);
        over_toy_reopen(&o);
    }
    over_toy_close(&o);
}
END_TEST

Suite *suite_child(void);

Suite *
suite_child(void)
{
    Suite *s = suite_create("child");
    TCase *tc = tcase_create("stages");

    tcase_add_loop_test(tc, child_is_read_by_name, 0, STAGES);
    tcase_add_loop_test(tc, child_has_operations_of_its_own, 0, STAGES);
    tcase_add_loop_test(tc, deleted_child_is_gone, 0, STAGES);
    tcase_add_loop_test(tc, child_made_anew_in_one_batch_is_empty, 0, STAGES);
    tcase_add_loop_test(tc, child_made_anew_later_is_empty, 0, STAGES);
    tcase_add_loop_test(tc, grandchild_made_anew_is_empty, 0, STAGES);
    tcase_add_loop_test(tc, deleting_what_is_not_there_is_fine, 0, STAGES);
    tcase_add_loop_test(tc, child_is_made_once_for_a_snapshot, 0, STAGES);
    suite_add_tcase(s, tc);

    tc = tcase_create("persisted");
    tcase_add_test(tc, batches_of_children_only_are_persisted);
    tcase_add_test(tc, empty_child_is_persisted);
    tcase_add_test(tc, children_are_found_after_reopening);
    suite_add_tcase(s, tc);

    tc = tcase_create("limits");
    tcase_add_test(tc, bad_names_are_refused);
    tcase_add_test(tc, too_deep_nesting_is_refused);
    tcase_add_test(tc, deleted_child_frees_its_memory);
    tcase_add_test(tc, many_children_are_told_apart);
    suite_add_tcase(s, tc);
    return s;
}
