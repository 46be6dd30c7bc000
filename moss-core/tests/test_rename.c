/* Renaming child collections, and clearing collections. */
#include <stdio.h>
#include <stdlib.h>

#include "support/coll.h"
#include "support/fail_alloc.h"
#include "support/operators.h"

Suite *suite_rename(void);

/*
 * How far what a test does first has come when it goes on: still in top,
 * merged, or persisted, in a lower level of somebody else's or a store.
 */
enum stage { IN_TOP, IN_MID, IN_TOY, IN_STORE, STAGES };

struct place {
    enum stage stage;
    struct over_toy toy;
    struct over_store store;
    struct moss_collection *c;
};

static struct place place;

static void
open_at(int stage)
{
    static const struct moss_collection_options options = {
        .merge = &merge_append, .cache_persisted = true
    };

    place.stage = (enum stage)stage;
    if (place.stage == IN_STORE) {
        over_store_open(&place.store, &options);
        place.c = place.store.c;
        return;
    }
    over_toy_open(&place.toy, &options);
    if (place.stage != IN_TOY) {
        assert_ok(moss_collection_close(place.toy.c, MOSS_FOREVER, NULL));
        assert_ok(moss_collection_open(&place.toy.options, NULL, &place.toy.c));
    }
    place.c = place.toy.c;
}

static void
settle(void)
{
    if (place.stage == IN_MID)
        assert_ok(moss_collection_wait_idle(place.c, MOSS_FOREVER));
    else if (place.stage != IN_TOP)
        assert_ok(moss_collection_flush(place.c, MOSS_FOREVER, NULL));
}

static void
close_place(void)
{
    if (place.stage == IN_STORE)
        over_store_close(&place.store);
    else
        over_toy_close(&place.toy);
}

/* It reads so now, settled, and after reopening if that keeps anything. */
static void
assert_place(const char *text)
{
    assert_collection(place.c, text);
    settle();
    assert_collection(place.c, text);
    if (place.stage == IN_TOY) {
        over_toy_reopen(&place.toy);
        place.c = place.toy.c;
    } else if (place.stage == IN_STORE) {
        over_store_reopen(&place.store);
        place.c = place.store.c;
    }
    assert_collection(place.c, text);
}

static enum moss_status
try_words(const char *text)
{
    struct moss_batch *batch;
    enum moss_status st;

    assert_ok(moss_batch_new(0, 0, &batch));
    st = batch_try(batch, text);
    if (st == MOSS_OK)
        st = moss_collection_execute(place.c, batch);
    moss_batch_free(batch);
    return st;
}

START_TEST(a_renamed_child_takes_everything_along)
{
    open_at(_i);
    run(place.c, "t=0 a{x=1 y=1 deep{z=1 deeper{w=1}}} c{k=1}");
    settle();
    run(place.c, "a>b");
    assert_place("t=0 b{x=1 y=1 deep{z=1 deeper{w=1}}} c{k=1}");
    run(place.c, "b{x+2 -y deep{z+2}}");
    assert_place("t=0 b{x=12 deep{z=12 deeper{w=1}}} c{k=1}");
    close_place();
}
END_TEST

START_TEST(changes_before_and_after_go_along)
{
    open_at(_i);
    run(place.c, "a{x=1}");
    settle();
    run(place.c, "a{x+2 n=1} a>b b{x+3 m=1}");
    assert_place("b{m=1 n=1 x=123}");
    close_place();
}
END_TEST

START_TEST(a_new_child_may_take_the_old_name)
{
    open_at(_i);
    run(place.c, "a{x=1 deep{y=1}}");
    settle();
    run(place.c, "a>b a{z=1}");
    assert_place("a{z=1} b{x=1 deep{y=1}}");
    run(place.c, "a{x+1} b{x+2}");
    assert_place("a{x=1 z=1} b{x=12 deep{y=1}}");
    close_place();
}
END_TEST

START_TEST(names_can_be_exchanged)
{
    open_at(_i);
    run(place.c, "a{x=1} b{x=2}");
    settle();
    run(place.c, "a>tmp b>a tmp>b");
    assert_place("a{x=2} b{x=1}");
    run(place.c, "a>tmp tmp>a");
    assert_place("a{x=2} b{x=1}");
    close_place();
}
END_TEST

START_TEST(renames_nest)
{
    open_at(_i);
    run(place.c, "a{in{x=1 in{x=2}}}");
    settle();
    run(place.c, "a{in{in>on} in>on} a>b");
    assert_place("b{on{x=1 on{x=2}}}");
    run(place.c, "b{on{x+3 on{x+4}}}");
    assert_place("b{on{x=13 on{x=24}}}");
    close_place();
}
END_TEST

START_TEST(a_renamed_child_can_be_deleted)
{
    open_at(_i);
    run(place.c, "a{x=1} c{x=1}");
    settle();
    run(place.c, "a>b !b");
    assert_place("c{x=1}");
    run(place.c, "c>d");
    settle();
    run(place.c, "!d d{y=1}");
    assert_place("d{y=1}");
    close_place();
}
END_TEST

START_TEST(a_child_made_in_the_batch_can_be_renamed)
{
    open_at(_i);
    run(place.c, "a{x=1} a>b");
    assert_place("b{x=1}");
    run(place.c, "!b b{y=1} b>c");
    assert_place("c{y=1}");
    close_place();
}
END_TEST

START_TEST(what_is_not_there_cannot_be_renamed)
{
    open_at(_i);
    run(place.c, "a{x=1}");
    settle();
    assert_status(try_words("b>c k=1"), MOSS_NOT_FOUND);
    assert_status(try_words("!a a>c k=1"), MOSS_NOT_FOUND);
    assert_status(try_words("a>b a>c k=1"), MOSS_NOT_FOUND);
    assert_status(try_words("b>b k=1"), MOSS_NOT_FOUND);
    assert_status(try_words("b>c !c k=1"), MOSS_NOT_FOUND);
    assert_place("a{x=1}");
    assert_ok(try_words("a>a"));
    assert_place("a{x=1}");
    close_place();
}
END_TEST

START_TEST(a_name_in_use_is_not_taken)
{
    open_at(_i);
    run(place.c, "a{x=1} b{x=2}");
    settle();
    assert_status(try_words("a>b k=1"), MOSS_EXISTS);
    assert_status(try_words("b{y=1} a>b k=1"), MOSS_EXISTS);
    assert_status(try_words("a>c b>c k=1"), MOSS_EXISTS);
    assert_place("a{x=1} b{x=2}");
    assert_ok(try_words("!b a>b"));
    assert_place("b{x=1}");
    close_place();
}
END_TEST

START_TEST(a_snapshot_keeps_the_old_name)
{
    struct moss_snapshot *snap;

    open_at(_i);
    run_tagged(place.c, 1, "a{x=1}");
    settle();
    assert_ok(moss_collection_snapshot(place.c, &snap));
    run_tagged(place.c, 2, "a>b b{x+2}");
    settle();
    run_tagged(place.c, 3, "b{*}");
    settle();
    assert_tree(snap, "a{x=1}");
    if (place.stage != IN_STORE && place.stage != IN_TOY)
        assert_at(place.c, 1, "a{x=1}");
    assert_at(place.c, 2, "b{x=12}");
    assert_at(place.c, 3, "b{}");
    assert_ok(moss_collection_close(place.c, MOSS_FOREVER, NULL));
    place.toy.c = place.store.c = NULL;
    assert_tree(snap, "a{x=1}"); /* outlives it */
    moss_snapshot_unref(snap);
    close_place();
}
END_TEST

/* ------------------------------------------------------------- clearing */

START_TEST(clearing_empties_the_top_level_only)
{
    open_at(_i);
    run(place.c, "k=1 l=1 a{x=1 deep{y=1}}");
    settle();
    run(place.c, "m=0 * k+2 n=1");
    assert_place("k=2 n=1 a{x=1 deep{y=1}}");
    run(place.c, "k+3 a{x+2 deep{y+2}}");
    assert_place("k=23 n=1 a{x=12 deep{y=12}}");
    close_place();
}
END_TEST

START_TEST(clearing_a_child_keeps_its_children)
{
    open_at(_i);
    run(place.c, "k=1 a{x=1 z=1 deep{y=1 deeper{w=1}}}");
    settle();
    run(place.c, "a{x+9 * x+2}");
    assert_place("k=1 a{x=2 deep{y=1 deeper{w=1}}}");
    run(place.c, "a{deep{* deeper{w+2}}}");
    assert_place("k=1 a{x=2 deep{deeper{w=12}}}");
    run(place.c, "a{*}");
    assert_place("k=1 a{deep{deeper{w=12}}}");
    close_place();
}
END_TEST

START_TEST(clearing_goes_with_renaming)
{
    open_at(_i);
    run(place.c, "a{x=1 deep{y=1}}");
    settle();
    run(place.c, "a{* deep>on} a>b b{z=1}");
    assert_place("b{z=1 on{y=1}}");
    run(place.c, "b>a a{on{*} *}");
    assert_place("a{on{}}");
    close_place();
}
END_TEST

START_TEST(clearing_makes_a_child)
{
    open_at(_i);
    run(place.c, "a{*}");
    assert_place("a{}");
    run(place.c, "*");
    assert_place("a{}");
    close_place();
}
END_TEST

START_TEST(a_reset_batch_clears_nothing)
{
    struct moss_batch *batch = batch_of("* a{x=1} a>b");

    open_at(_i);
    run(place.c, "k=1");
    moss_batch_reset(batch);
    batch_add(batch, "l=1");
    assert_ok(moss_collection_execute(place.c, batch));
    moss_batch_free(batch);
    assert_place("k=1 l=1");
    close_place();
}
END_TEST

/* What a cleared collection had leaves the memory with the next merge. */
START_TEST(a_cleared_collection_frees_its_memory)
{
    struct moss_collection_stats stats;

    open_at(IN_MID);
    run(place.c, "a=1 kid{a=1}");
    settle();
    run(place.c, "* kid{*}");
    settle();
    moss_collection_stats(place.c, &stats);
    ck_assert_uint_eq(stats.mid_segments, 0);
    close_place();
}
END_TEST

/* -------------------------------------------------- prepare and publish */

static void
publish_after(const char *prepared, const char *meanwhile)
{
    struct moss_prepared *p = prepared_of(place.c, prepared);

    run(place.c, meanwhile);
    moss_prepared_publish(p);
}

START_TEST(a_rename_holds_though_others_change_the_tree)
{
    open_at(_i);
    run(place.c, "a{x=1}");
    settle();
    publish_after("a>b b{y=1}", "c{z=1} a{w=1}");
    assert_place("b{w=1 x=1 y=1} c{z=1}");
    publish_after("b{v=1}", "b>d"); /* what is named b then */
    assert_place("b{v=1} c{z=1} d{w=1 x=1 y=1}");
    close_place();
}
END_TEST

START_TEST(a_rename_of_what_is_gone_does_nothing)
{
    open_at(_i);
    run(place.c, "a{x=1}");
    settle();
    publish_after("a>b k=1", "!a");
    assert_place("k=1");
    run(place.c, "a{x=1}");
    publish_after("a>b", "a>c b{y=1}");
    assert_place("k=1 b{y=1} c{x=1}");
    close_place();
}
END_TEST

START_TEST(a_rename_replaces_what_came_meanwhile)
{
    open_at(_i);
    run(place.c, "a{x=1}");
    settle();
    publish_after("a>b", "b{y=1}");
    assert_place("b{x=1}");
    publish_after("* b{*}", "k=1 b{z=1}");
    assert_place("b{}");
    /* Also if what is renamed is made by the batch, or was deleted. */
    publish_after("c{x=1} c>d", "d{y=1}");
    assert_place("b{} d{x=1}");
    publish_after("d{k=1} d>e", "!d e{y=1}");
    assert_place("b{} e{k=1}");
    close_place();
}
END_TEST

/* ------------------------------------------------------------ arguments */

START_TEST(bad_names_are_refused)
{
    struct moss_batch *batch = batch_of("");
    const struct moss_slice good = moss_str("a"), bad = moss_str(".a");

    assert_status(moss_batch_rename_child(batch, bad, good), MOSS_INVALID);
    assert_status(moss_batch_rename_child(batch, good, bad), MOSS_INVALID);
    assert_status(moss_batch_rename_child(batch, bad, bad), MOSS_INVALID);
    assert_status(moss_batch_rename_child(batch, good, moss_str("")),
                  MOSS_INVALID);
    open_at(IN_TOP);
    run(place.c, "a{x=1}");
    assert_ok(moss_collection_execute(place.c, batch));
    assert_place("a{x=1}");
    close_place();
    moss_batch_free(batch);
}
END_TEST

START_TEST(a_rename_without_memory_has_done_nothing)
{
    bool tripped = true;

    open_at(IN_MID);
    run(place.c, "a{x=1}");
    settle();
    settle_reaper();
    fail_alloc_install();
    for (uint64_t n = 1; tripped; n++) {
        struct moss_batch *batch;
        enum moss_status st;

        assert_ok(moss_batch_new(0, 0, &batch));
        settle(); /* its threads allocate, too */
        fail_alloc_nth(n);
        st = moss_batch_rename_child(batch, moss_str("a"), moss_str("b"));
        tripped = fail_alloc_tripped();
        fail_alloc_nth(0);
        assert_status(st, tripped ? MOSS_NOMEM : MOSS_OK);
        assert_ok(moss_collection_execute(place.c, batch));
        assert_collection(place.c, tripped ? "a{x=1}" : "b{x=1}");
        moss_batch_free(batch);
    }
    fail_alloc_remove();
    close_place();
}
END_TEST

Suite *
suite_rename(void)
{
    Suite *s = suite_create("rename");
    TCase *tc = tcase_create("rename");

    tcase_add_loop_test(tc, a_renamed_child_takes_everything_along, 0, STAGES);
    tcase_add_loop_test(tc, changes_before_and_after_go_along, 0, STAGES);
    tcase_add_loop_test(tc, a_new_child_may_take_the_old_name, 0, STAGES);
    tcase_add_loop_test(tc, names_can_be_exchanged, 0, STAGES);
    tcase_add_loop_test(tc, renames_nest, 0, STAGES);
    tcase_add_loop_test(tc, a_renamed_child_can_be_deleted, 0, STAGES);
    tcase_add_loop_test(tc, a_child_made_in_the_batch_can_be_renamed, 0,
                        STAGES);
    tcase_add_loop_test(tc, what_is_not_there_cannot_be_renamed, 0, STAGES);
    tcase_add_loop_test(tc, a_name_in_use_is_not_taken, 0, STAGES);
    tcase_add_loop_test(tc, a_snapshot_keeps_the_old_name, 0, STAGES);
    suite_add_tcase(s, tc);

    tc = tcase_create("clear");
    tcase_add_loop_test(tc, clearing_empties_the_top_level_only, 0, STAGES);
    tcase_add_loop_test(tc, clearing_a_child_keeps_its_children, 0, STAGES);
    tcase_add_loop_test(tc, clearing_goes_with_renaming, 0, STAGES);
    tcase_add_loop_test(tc, clearing_makes_a_child, 0, STAGES);
    tcase_add_loop_test(tc, a_reset_batch_clears_nothing, 0, STAGES);
    tcase_add_test(tc, a_cleared_collection_frees_its_memory);
    suite_add_tcase(s, tc);

    tc = tcase_create("publish");
    tcase_add_loop_test(tc, a_rename_holds_though_others_change_the_tree, 0,
                        STAGES);
    tcase_add_loop_test(tc, a_rename_of_what_is_gone_does_nothing, 0, STAGES);
    tcase_add_loop_test(tc, a_rename_replaces_what_came_meanwhile, 0, STAGES);
    suite_add_tcase(s, tc);

    tc = tcase_create("arguments");
    tcase_add_test(tc, bad_names_are_refused);
    tcase_add_test(tc, a_rename_without_memory_has_done_nothing);
    suite_add_tcase(s, tc);
    return s;
}
