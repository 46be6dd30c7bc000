/* The merger, and the writers' own tidying of top. */
#include <stdio.h>
#include <stdlib.h>

#include "support/coll.h"
#include "support/operators.h"

static struct moss_collection *
open_in_memory(struct heard *h, const struct moss_merge_operator *merge)
{
    struct moss_collection_options options = { .merge = merge };
    struct moss_collection *c;

    heard_init(h);
    heard_listen(h, &options);
    assert_ok(moss_collection_open(&options, NULL, &c));
    return c;
}

static void
close_now(struct moss_collection *c, struct heard *h)
{
    assert_ok(moss_collection_close(c, 0, NULL));
    heard_release(h);
}

static uint64_t
mid_segments(struct moss_collection *c)
{
    struct moss_collection_stats stats;

    moss_collection_stats(c, &stats);
    ck_assert_uint_eq(stats.top_segments, 0);
    return stats.mid_segments;
}

START_TEST(idle_collection_is_merged)
{
    struct moss_collection *c;
    struct heard h;

    c = open_in_memory(&h, NULL);
    run(c, "a=1 b=1");
    run(c, "b=2 c=2");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    ck_assert_uint_eq(mid_segments(c), 1);
    assert_collection(c, "a=1 b=2 c=2");
    ck_assert_uint_ge(h.merged, 1);
    close_now(c, &h);
}
END_TEST

/* In memory nothing lies below: what is deleted takes no room. */
START_TEST(deletions_vanish_at_the_bottom)
{
    struct moss_collection *c;
    struct heard h;

    c = open_in_memory(&h, NULL);
    run(c, "a=1 b=1");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    run(c, "-a -b -c");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    ck_assert_uint_eq(mid_segments(c), 0);
    run(c, "-a");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    ck_assert_uint_eq(mid_segments(c), 0);
    assert_collection(c, "");
    close_now(c, &h);
}
END_TEST

/* Over a lower level they are kept until it has been told. */
START_TEST(deletions_reach_the_lower_level)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    run(o.c, "a=1 b=1 kid{c=1}");
    over_toy_reopen(&o);
    toy_hold(o.toy);
    run(o.c, "x=1");
    toy_wait_held(o.toy);
    run(o.c, "-a");
    run(o.c, "kid{-c}");
    assert_collection(o.c, "b=1 x=1 kid{}");
    toy_let_go(o.toy);
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    assert_toy(&o, "b=1 x=1 kid{}");
    over_toy_close(&o);
}
END_TEST

START_TEST(operands_become_values_at_the_bottom)
{
    struct moss_collection *c;
    struct moss_snapshot *snap;
    struct heard h;

    c = open_in_memory(&h, &merge_append);
    run(c, "a+1");
    run(c, "a+2 b=0");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    assert_collection(c, "a=12 b=0");
    run(c, "b+1");
    run(c, "b+2");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    assert_collection(c, "a=12 b=012");
    assert_ok(moss_collection_snapshot(c, &snap));
    moss_snapshot_unref(snap);
    close_now(c, &h);
}
END_TEST

/* While the merger is kept from top and top is read, it stays logarithmic. */
START_TEST(top_has_at_most_log_n_segments)
{
    struct moss_collection_stats stats;
    struct over_toy o;
    char text[32];

    over_toy_open(&o, NULL);
    toy_hold(o.toy);
    run(o.c, "a=1");
    toy_wait_held(o.toy);
    for (unsigned n = 1; n <= 200; n++) {
        unsigned log2 = 0;

        snprintf(text, sizeof(text), "k%04u=1", n * 7 % 1000);
        run(o.c, text);
        assert_get(o.c, "a", "1");
        moss_collection_stats(o.c, &stats);
        while (2u << log2 <= n)
            log2++;
        ck_assert_uint_le(stats.top_segments + stats.mid_segments, log2 + 1);
    }
    toy_let_go(o.toy);
    over_toy_close(&o);
}
END_TEST

/* Have all of top merged while the persister is held up. */
static void
merge_all(struct moss_collection *c)
{
    struct moss_collection_stats stats;

    do {
        assert_status(moss_collection_wait_idle(c, 1), MOSS_TIMEOUT);
        moss_collection_stats(c, &stats);
    } while (stats.top_segments > 0);
}

/* Nobody reads: an entry is copied once for each 64 times as many. */
START_TEST(unread_top_is_merged_in_bulk)
{
    struct moss_collection_stats stats;
    struct over_toy o;
    char text[32];

    over_toy_open(&o, NULL);
    toy_hold(o.toy);
    run(o.c, "a=1");
    toy_wait_held(o.toy);
    for (unsigned n = 1; n <= 2000; n++) {
        snprintf(text, sizeof(text), "k%04u=1", n * 7 % 10000);
        run(o.c, text);
        moss_collection_stats(o.c, &stats);
        ck_assert_uint_le(stats.top_segments + stats.mid_segments,
                          64 + n / 64 + 2);
        ck_assert_uint_le(stats.merged_ops, n);
    }
    ck_assert_uint_ge(stats.merged_ops, 1900);
    toy_let_go(o.toy);
    over_toy_close(&o);
}
END_TEST

/* Nor does the merger merge what the lower level is to merge anyway. */
START_TEST(unread_changes_are_only_merged_by_the_lower_level)
{
    struct moss_collection_stats stats;
    struct over_toy o;

    over_toy_open(&o, NULL);
    toy_hold(o.toy);
    run(o.c, "x=1");
    toy_wait_held(o.toy);
    run(o.c, "a=1 b=1");
    run(o.c, "b=2 c=2");
    run(o.c, "-a d=3");
    merge_all(o.c);
    ck_assert_uint_eq(mid_segments(o.c), 3);
    assert_collection(o.c, "b=2 c=2 d=3 x=1");
    run(o.c, "e=4 f=5");
    merge_all(o.c);
    ck_assert_uint_eq(mid_segments(o.c), 1); /* it is read now */
    moss_collection_stats(o.c, &stats);
    ck_assert_uint_eq(stats.merged_ops, 8);
    toy_let_go(o.toy);
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    assert_toy(&o, "b=2 c=2 d=3 e=4 f=5 x=1");
    over_toy_close(&o);
}
END_TEST

enum { LARGE = 150000 }; /* of such values writers merge none */

/*
 * Batches of one large value each, of that size, whose keys are step apart,
 * round a circle.
 */
static void
run_many(struct moss_collection *c, int n, int step, size_t size)
{
    char *value = calloc(1, size);
    char key[2][16];

    ck_assert_ptr_nonnull(value);
    for (int i = 0; i < n; i++) {
        struct moss_batch *batch = batch_of("");

        for (int k = 0; k < 2; k++) {
            snprintf(key[k], sizeof(key[k]), "k%06d",
                     (2 * i + k) * step % (2 * n));
            assert_ok(moss_batch_set(batch, moss_str(key[k]),
                                     moss_slice(value, k == 0 ? size : 1)));
        }
        assert_ok(moss_collection_execute(c, batch));
        moss_batch_free(batch);
    }
    free(value);
}

/* An update would merge many pieces slowly that lie all over the memory. */
START_TEST(unread_batches_that_overlap_are_merged_by_halves)
{
    struct moss_collection_stats stats;
    struct over_toy o;

    over_toy_open(&o, NULL);
    toy_hold(o.toy);
    run(o.c, "x=1");
    toy_wait_held(o.toy);
    run_many(o.c, 150, 37, LARGE);
    heard_wait_merged(&o.heard, 2); /* the first was for the update */
    moss_collection_stats(o.c, &stats);
    ck_assert_uint_ge(stats.merged_ops, 128);
    ck_assert_uint_le(stats.mid_segments + stats.top_segments, 150 - 127);
    toy_let_go(o.toy);
    over_toy_close(&o);
}
END_TEST

START_TEST(unread_batches_in_order_are_not_merged)
{
    struct moss_collection_stats stats;
    struct over_toy o;

    over_toy_open(&o, NULL);
    toy_hold(o.toy);
    run(o.c, "x=1");
    toy_wait_held(o.toy);
    run_many(o.c, 300, 1, LARGE);
    heard_wait_merged(&o.heard, 2);
    moss_collection_stats(o.c, &stats);
    ck_assert_uint_eq(stats.merged_ops, 0);
    toy_let_go(o.toy);
    over_toy_close(&o);
}
END_TEST

/* Out of order (_i 1) a writer merges what it leaves alone in order (_i 0). */
START_TEST(unread_nodes_are_smaller_in_order)
{
    struct moss_collection_stats stats;
    struct over_toy o;

    over_toy_open(&o, NULL);
    toy_hold(o.toy);
    run(o.c, "x=1");
    toy_wait_held(o.toy);
    run_many(o.c, 40, _i == 0 ? 1 : 37, 40000);
    moss_collection_stats(o.c, &stats);
    if (_i == 0)
        ck_assert_uint_eq(stats.merged_ops, 0);
    else
        ck_assert_uint_ge(stats.merged_ops, 40);
    toy_let_go(o.toy);
    over_toy_close(&o);
}
END_TEST

START_TEST(big_segment_is_left_alone)
{
    struct moss_collection_stats before, after;
    struct moss_collection *c;
    struct moss_batch *batch = batch_of("");
    struct heard h;
    char text[32];

    c = open_in_memory(&h, NULL);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "k%04d=1", i);
        batch_add(batch, text);
    }
    assert_ok(moss_collection_execute(c, batch));
    moss_batch_free(batch);
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    moss_collection_stats(c, &before);
    run(c, "x=1 y=1");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    ck_assert_uint_eq(mid_segments(c), 2);
    run(c, "x=2 z=1");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    ck_assert_uint_eq(mid_segments(c), 2); /* the small ones were merged */
    moss_collection_stats(c, &after);
    ck_assert_uint_lt(after.merged_ops - before.merged_ops, 100);
    close_now(c, &h);
}
END_TEST

static void
run_large(struct moss_collection *c, const char *key)
{
    static const char value[12000];
    struct moss_batch *batch = batch_of("");

    assert_ok(
        moss_batch_set(batch, moss_str(key), moss_slice(value, sizeof(value))));
    assert_ok(moss_collection_execute(c, batch));
    moss_batch_free(batch);
}

/* A copy would take memory beyond the bound. */
START_TEST(large_segment_on_its_way_down_is_not_merged)
{
    struct moss_collection_options options = { .max_dirty_bytes = 80000 };
    struct over_toy o;

    over_toy_open(&o, &options);
    toy_hold(o.toy);
    run(o.c, "x=1");
    toy_wait_held(o.toy);
    run_large(o.c, "a");
    merge_all(o.c);
    ck_assert_uint_eq(mid_segments(o.c), 1);
    run_large(o.c, "b");
    merge_all(o.c);
    ck_assert_uint_eq(mid_segments(o.c), 2);
    toy_let_go(o.toy);
    over_toy_close(&o);
}
END_TEST

START_TEST(merge_ratio_is_heeded)
{
    struct moss_collection_options options = { .min_merge_ratio = 0.001 };
    struct moss_collection *c;

    assert_ok(moss_collection_open(&options, NULL, &c));
    run(c, "a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1 j=1");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    run(c, "x=1");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    ck_assert_uint_eq(mid_segments(c), 1);
    assert_ok(moss_collection_close(c, 0, NULL));
}
END_TEST

/* The failure is reported; nothing is lost and nothing stands still. */
START_TEST(refusing_operator_stops_nothing)
{
    struct moss_collection *c;
    struct heard h;

    c = open_in_memory(&h, &merge_fail);
    run(c, "a+1 b=1");
    run(c, "a+2 c=1");
    run(c, "d=1 e=1 f=1 g=1 h=1");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    ck_assert_uint_ge(h.errors, 1);
    ck_assert_int_eq(h.last_error.status, MOSS_MERGE_FAILED);
    ck_assert_int_eq(h.last_error.work, MOSS_WORK_OPERANDS);
    assert_get(c, "b", "1");
    assert_get(c, "h", "1");
    run(c, "a=2");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    assert_collection(c, "a=2 b=1 c=1 d=1 e=1 f=1 g=1 h=1");
    close_now(c, &h);
}
END_TEST

/* A large load wakes the merger without being asked. */
START_TEST(merger_follows_a_load)
{
    struct moss_collection *c;
    struct heard h;
    char text[64];

    c = open_in_memory(&h, NULL);
    for (int i = 0; i < 300; i++) {
        struct moss_batch *batch = batch_of("");
        char value[1000] = { 0 };

        for (int k = 0; k < 10; k++) {
            snprintf(text, sizeof(text), "k%06d", (i * 10 + k) * 7919 % 3000);
            assert_ok(moss_batch_set(batch, moss_str(text),
                                     moss_slice(value, sizeof(value))));
        }
        assert_ok(moss_collection_execute(c, batch));
        moss_batch_free(batch);
    }
    heard_wait_merged(&h, 1);
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    ck_assert_uint_le(mid_segments(c), 12);
    close_now(c, &h);
}
END_TEST

Suite *suite_merger(void);

Suite *
suite_merger(void)
{
    Suite *s = suite_create("merger");
    TCase *tc = tcase_create("merger");

    tcase_add_test(tc, idle_collection_is_merged);
    tcase_add_test(tc, deletions_vanish_at_the_bottom);
    tcase_add_test(tc, deletions_reach_the_lower_level);
    tcase_add_test(tc, operands_become_values_at_the_bottom);
    tcase_add_test(tc, top_has_at_most_log_n_segments);
    tcase_add_test(tc, unread_top_is_merged_in_bulk);
    tcase_add_test(tc, unread_changes_are_only_merged_by_the_lower_level);
    tcase_add_test(tc, unread_batches_that_overlap_are_merged_by_halves);
    tcase_add_test(tc, unread_batches_in_order_are_not_merged);
    tcase_add_loop_test(tc, unread_nodes_are_smaller_in_order, 0, 2);
    tcase_add_test(tc, big_segment_is_left_alone);
    tcase_add_test(tc, large_segment_on_its_way_down_is_not_merged);
    tcase_add_test(tc, merge_ratio_is_heeded);
    tcase_add_test(tc, refusing_operator_stops_nothing);
    tcase_add_test(tc, merger_follows_a_load);
    suite_add_tcase(s, tc);
    return s;
}
