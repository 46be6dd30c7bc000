/* The persister: once each, in order, and what it does about failures. */
#include <stdlib.h>

#include <stdio.h>

#include "collection/collection.h"
#include "support/coll.h"
#include "support/operators.h"

START_TEST(flush_returns_when_it_is_in_the_lower_level)
{
    struct moss_collection_options options = { .persist_delay_ms = 1000000 };
    struct over_toy o;

    over_toy_open(&o, &options);
    run_tagged(o.c, 1, "a=1");
    run_tagged(o.c, 2, "b=2 kid{c=3}");
    ck_assert(moss_tag_equal(moss_collection_persisted_tag(o.c), tag_of(0)));
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    assert_toy(&o, "a=1 b=2 kid{c=3}");
    ck_assert(moss_tag_equal(moss_collection_persisted_tag(o.c), tag_of(2)));
    assert_ok(moss_collection_flush(o.c, 0, NULL)); /* nothing to do */
    ck_assert_uint_eq(toy_updates(o.toy), 1);
    over_toy_close(&o);
}
END_TEST

START_TEST(flush_of_a_memory_collection_is_at_once)
{
    struct moss_collection *c;

    assert_ok(moss_collection_open(NULL, NULL, &c));
    run(c, "a=1");
    assert_ok(moss_collection_flush(c, 0, NULL));
    assert_ok(moss_collection_close(c, 0, NULL));
}
END_TEST

START_TEST(flush_times_out)
{
    struct moss_error err;
    struct over_toy o;

    over_toy_open(&o, NULL);
    toy_hold(o.toy);
    run(o.c, "a=1");
    assert_status(moss_collection_flush(o.c, 1, &err), MOSS_TIMEOUT);
    ck_assert_int_eq(err.status, MOSS_TIMEOUT);
    assert_status(moss_collection_wait_idle(o.c, 1), MOSS_TIMEOUT);
    toy_let_go(o.toy);
    over_toy_close(&o);
}
END_TEST

/* Batches that come within the delay go down together. */
/* What is out of order comes dearer by pieces; not if it is little. */
START_TEST(loads_out_of_order_gather_longer)
{
    const uint64_t mib = (uint64_t)1 << 20;

    ck_assert_uint_eq(persister_patience_ns(32 * mib, 32 * mib, false), 0);
    ck_assert_uint_gt(persister_patience_ns(32 * mib, 32 * mib, true),
                      persister_patience_ns(mib, 32 * mib, true));
    ck_assert_uint_eq(persister_patience_ns(mib, 32 * mib, true),
                      persister_patience_ns(mib, 32 * mib, false));
    ck_assert_uint_gt(persister_patience_ns(mib, 32 * mib, false), 0);
}
END_TEST

START_TEST(loads_in_order_begin_with_small_updates)
{
    const uint64_t mib = (uint64_t)1 << 20;
    uint64_t last = persister_enough(0, false);

    ck_assert_uint_gt(last, 0);
    ck_assert_uint_le(last, 8 * mib);
    for (uint64_t mibs = 1; mibs < 1000; mibs *= 2) {
        uint64_t enough = persister_enough(mibs * mib, false);

        ck_assert_uint_ge(enough, last);
        ck_assert_uint_le(enough, persister_enough(mibs * mib, true));
        last = enough;
    }
    ck_assert_uint_eq(last, 32 * mib);
    ck_assert_uint_eq(persister_enough(0, true), 32 * mib);
}
END_TEST

static bool
is_tangled(struct moss_collection *c)
{
    struct state *s = collection_state(c);
    bool answer = state_is_tangled(s);

    state_unref(s);
    return answer;
}

START_TEST(batches_out_of_order_are_noticed_and_forgotten)
{
    struct moss_collection *c;
    char text[32];

    assert_ok(moss_collection_open(NULL, NULL, &c));
    run(c, "d=1 f=1 kid{x=1}");
    run(c, "a=1 c=1 kid{w=1}"); /* downwards is in order, too */
    run(c, "g=1 h=1 kid{y=1}");
    ck_assert(!is_tangled(c));
    run(c, "i=1 kid{b=1 d=1}");
    run(c, "j=1 kid{c=1 e=1}");
    ck_assert(is_tangled(c));
    for (int i = 0; i < 63; i++) {
        ck_assert(is_tangled(c));
        snprintf(text, sizeof(text), "k%02d=1", i);
        run(c, text);
    }
    run(c, "l=1");
    ck_assert(!is_tangled(c));
    assert_ok(moss_collection_close(c, 0, NULL));
}
END_TEST

START_TEST(delay_gathers_batches)
{
    struct moss_collection_options options = { .persist_delay_ms = 1000000 };
    struct over_toy o;

    over_toy_open(&o, &options);
    for (int i = 0; i < 20; i++)
        run(o.c, "a=1 b=2");
    ck_assert_uint_eq(toy_updates(o.toy), 0);
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    ck_assert_uint_eq(toy_updates(o.toy), 1);
    over_toy_close(&o);
}
END_TEST

START_TEST(delay_ends)
{
    struct moss_collection_options options = { .persist_delay_ms = 20 };
    uint64_t start = sync_now_ns();
    struct over_toy o;

    over_toy_open(&o, &options);
    toy_hold(o.toy);
    run(o.c, "a=1");
    toy_wait_held(o.toy);
    ck_assert_uint_ge(sync_now_ns() - start, 20000000);
    toy_let_go(o.toy);
    over_toy_close(&o);
}
END_TEST

/* Half a bound used up is reason enough. */
START_TEST(filling_bound_cuts_the_delay)
{
    struct moss_collection_options options = { .persist_delay_ms = 1000000,
                                               .max_dirty_ops = 4 };
    struct over_toy o;

    over_toy_open(&o, &options);
    toy_hold(o.toy);
    run(o.c, "a=1 b=1 c=1");
    toy_wait_held(o.toy);
    toy_let_go(o.toy);
    over_toy_close(&o);
}
END_TEST

START_TEST(readers_see_everything_during_an_update)
{
    struct moss_collection_options options = { .merge = &merge_append };
    struct over_toy o;

    over_toy_open(&o, &options);
    run(o.c, "a=1 b=1 c=1");
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    toy_hold(o.toy);
    run(o.c, "a=2 b+2");
    toy_wait_held(o.toy);
    run(o.c, "b+3 -c d=1");
    assert_collection(o.c, "a=2 b=123 d=1");
    assert_toy(&o, "a=1 b=1 c=1");
    toy_let_go(o.toy);
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    assert_collection(o.c, "a=2 b=123 d=1");
    assert_toy(&o, "a=2 b=123 d=1");
    over_toy_close(&o);
}
END_TEST

/* Each operand once, however many updates there are and fail. */
START_TEST(operands_are_persisted_exactly_once)
{
    struct moss_collection_options options = { .merge = &merge_append,
                                               .cache_persisted = _i == 1 };
    char want[] = "a=0123456789";
    struct over_toy o;

    over_toy_open(&o, &options);
    for (char digit = '0'; digit <= '9'; digit++) {
        char text[] = { 'a', '+', digit, '\0' };

        if (digit % 3 == 0)
            toy_fail_next(o.toy, 1, MOSS_IO);
        run(o.c, text);
        while (moss_collection_flush(o.c, MOSS_FOREVER, NULL) != MOSS_OK) {
        }
        want[3 + (digit - '0')] = '\0';
        assert_collection(o.c, want);
        assert_toy(&o, want);
        if (digit < '9')
            want[3 + (digit - '0')] = (char)(digit + 1);
    }
    over_toy_close(&o);
}
END_TEST

/* ---------------------------------------------------------------- cache */

START_TEST(persisted_segments_are_kept_if_asked)
{
    struct moss_collection_options options = { .cache_persisted = true };
    struct moss_collection_stats stats;
    struct over_toy o;

    over_toy_open(&o, &options);
    run(o.c, "a=1 b=1 kid{c=1}");
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    moss_collection_stats(o.c, &stats);
    ck_assert_uint_eq(stats.clean_segments, 2);
    ck_assert_uint_eq(stats.dirty_bytes, 0);
    assert_collection(o.c, "a=1 b=1 kid{c=1}");
    run(o.c, "-a !kid");
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    assert_collection(o.c, "b=1");
    over_toy_close(&o);
}
END_TEST

START_TEST(persisted_segments_are_dropped_otherwise)
{
    struct moss_collection_stats stats;
    struct over_toy o;

    over_toy_open(&o, NULL);
    run(o.c, "a=1");
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    moss_collection_stats(o.c, &stats);
    ck_assert_uint_eq(stats.clean_segments + stats.base_segments +
                          stats.mid_segments + stats.top_segments,
                      0);
    over_toy_close(&o);
}
END_TEST

/* ------------------------------------------------------------- failures */

/* The pauses between attempts double. */
START_TEST(failing_lower_level_is_retried_with_growing_pauses)
{
    struct moss_collection_stats stats;
    struct over_toy o;

    over_toy_open(&o, NULL);
    toy_fail_next(o.toy, 5, MOSS_IO);
    run(o.c, "a=1");
    heard_wait_errors(&o.heard, 5);
    assert_get(o.c, "a", "1");
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    ck_assert_uint_eq(toy_updates(o.toy), 6);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_ge(toy_update_ns(o.toy, i + 1) - toy_update_ns(o.toy, i),
                          (uint64_t)10000000 << i);
    }
    moss_collection_stats(o.c, &stats);
    ck_assert_uint_eq(stats.persist_errors, 5);
    ck_assert_uint_eq(stats.persists, 1);
    ck_assert_int_eq(o.heard.last_error.status, MOSS_IO);
    ck_assert_str_eq(o.heard.last_error.what, "toy");
    ck_assert_int_eq(o.heard.last_error.work, MOSS_WORK_PERSIST);
    over_toy_close(&o);
}
END_TEST

/* That it waits for no pause is shown by the suite "trouble". */
START_TEST(flush_reports_the_failure_until_it_is_over)
{
    struct moss_error err;
    struct over_toy o;

    over_toy_open(&o, NULL);
    toy_fail_next(o.toy, UINT32_MAX, MOSS_FULL);
    run(o.c, "a=1");
    for (int i = 0; i < 12; i++) {
        assert_status(moss_collection_flush(o.c, MOSS_FOREVER, &err),
                      MOSS_FULL);
        ck_assert_str_eq(err.what, "toy");
    }
    assert_status(moss_collection_wait_idle(o.c, MOSS_FOREVER), MOSS_FULL);
    toy_fail_next(o.toy, 0, MOSS_OK);
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, &err));
    assert_toy(&o, "a=1");
    over_toy_close(&o);
}
END_TEST

START_TEST(caller_is_asked_before_an_update)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    o.heard.answer = MOSS_IO;
    run_tagged(o.c, 5, "a=1");
    assert_status(moss_collection_flush(o.c, MOSS_FOREVER, NULL), MOSS_IO);
    heard_wait_errors(&o.heard, 1); /* flush may return before the callback */
    ck_assert_uint_eq(toy_updates(o.toy), 0);
    mutex_lock(&o.heard.mu);
    ck_assert_uint_ge(o.heard.asked, 1);
    ck_assert(moss_tag_equal(o.heard.asked_tag, tag_of(5)));
    ck_assert_str_eq(o.heard.last_error.what, "before_persist");
    o.heard.answer = MOSS_OK;
    mutex_unlock(&o.heard.mu);
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    assert_toy(&o, "a=1");
    over_toy_close(&o);
}
END_TEST

/* A failing iterator below is not the end of the data. */
START_TEST(failing_iterator_of_the_lower_level_is_reported)
{
    struct moss_iterator *it;
    struct moss_snapshot *snap;
    struct over_toy o;

    over_toy_open(&o, NULL);
    run(o.c, "a=1 b=1 c=1 d=1");
    over_toy_reopen(&o);
    run(o.c, "bb=1");
    assert_ok(moss_collection_snapshot(o.c, &snap));
    assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
    toy_fail_moves_from(o.toy, (unsigned)_i + 1);
    enum moss_status st = moss_iterator_first(it);
    while (st == MOSS_OK)
        st = moss_iterator_next(it);
    assert_status(st, MOSS_IO);
    toy_fail_moves_from(o.toy, 0);
    moss_iterator_free(it);
    moss_snapshot_unref(snap);
    over_toy_close(&o);
}
END_TEST

/* ----------------------------------------------------------------- goals */

/* The delay keeps back what nobody waits for. */
START_TEST(goal_is_not_put_off_by_later_batches)
{
    struct moss_collection_options options = { .persist_delay_ms = 1000000 };
    struct moss_goal goal;
    struct over_toy o;

    over_toy_open(&o, &options);
    toy_hold(o.toy);
    run(o.c, "a=1");
    assert_ok(moss_collection_ask(o.c, MOSS_GOAL_PERSISTED, &goal));
    toy_wait_held(o.toy);
    run(o.c, "b=2");
    assert_status(moss_collection_await(o.c, &goal, 0, NULL), MOSS_TIMEOUT);
    assert_status(moss_collection_await(o.c, &goal, 1, NULL), MOSS_TIMEOUT);
    toy_let_go(o.toy);
    assert_ok(moss_collection_await(o.c, &goal, MOSS_FOREVER, NULL));
    assert_toy(&o, "a=1");
    over_toy_close(&o);
}
END_TEST

/* The first attempt is the goal's own. */
START_TEST(failure_between_two_waits_is_told)
{
    struct moss_collection_options options = { .persist_delay_ms =
                                                   MOSS_FOREVER };
    struct moss_goal goal;
    struct moss_error err;
    struct over_toy o;

    over_toy_open(&o, &options);
    toy_hold(o.toy);
    toy_fail_next(o.toy, UINT32_MAX, MOSS_FULL);
    run(o.c, "a=1");
    assert_ok(moss_collection_ask(o.c, MOSS_GOAL_PERSISTED, &goal));
    assert_status(moss_collection_await(o.c, &goal, 0, &err), MOSS_TIMEOUT);
    toy_let_go(o.toy);
    heard_wait_errors(&o.heard, _i == 0 ? 1 : 2);
    toy_hold(o.toy);
    assert_status(moss_collection_await(o.c, &goal, 0, &err), MOSS_FULL);
    ck_assert_str_eq(err.what, "toy");
    toy_fail_next(o.toy, 0, MOSS_OK);
    toy_let_go(o.toy);
    over_toy_close(&o);
}
END_TEST

START_TEST(goal_of_a_memory_collection_is_reached)
{
    struct moss_collection *c;
    struct moss_goal goal;

    assert_ok(moss_collection_open(NULL, NULL, &c));
    run(c, "a=1");
    assert_ok(moss_collection_ask(c, MOSS_GOAL_PERSISTED, &goal));
    assert_ok(moss_collection_await(c, &goal, 0, NULL));
    assert_ok(moss_collection_close(c, 0, NULL));
}
END_TEST

Suite *suite_persister(void);

Suite *
suite_persister(void)
{
    Suite *s = suite_create("persister");
    TCase *tc = tcase_create("flush");

    tcase_add_test(tc, flush_returns_when_it_is_in_the_lower_level);
    tcase_add_test(tc, flush_of_a_memory_collection_is_at_once);
    tcase_add_test(tc, flush_times_out);
    tcase_add_test(tc, loads_out_of_order_gather_longer);
    tcase_add_test(tc, loads_in_order_begin_with_small_updates);
    tcase_add_test(tc, batches_out_of_order_are_noticed_and_forgotten);
    tcase_add_test(tc, delay_gathers_batches);
    tcase_add_test(tc, delay_ends);
    tcase_add_test(tc, filling_bound_cuts_the_delay);
    tcase_add_test(tc, readers_see_everything_during_an_update);
    tcase_add_loop_test(tc, operands_are_persisted_exactly_once, 0, 2);
    tcase_add_test(tc, persisted_segments_are_kept_if_asked);
    tcase_add_test(tc, persisted_segments_are_dropped_otherwise);
    suite_add_tcase(s, tc);

    tc = tcase_create("failures");
    tcase_add_test(tc, failing_lower_level_is_retried_with_growing_pauses);
    tcase_add_test(tc, flush_reports_the_failure_until_it_is_over);
    tcase_add_test(tc, caller_is_asked_before_an_update);
    tcase_add_loop_test(tc, failing_iterator_of_the_lower_level_is_reported, 0,
                        4);
    suite_add_tcase(s, tc);

    tc = tcase_create("goals");
    tcase_add_test(tc, goal_is_not_put_off_by_later_batches);
    tcase_add_loop_test(tc, failure_between_two_waits_is_told, 0, 2);
    tcase_add_test(tc, goal_of_a_memory_collection_is_reached);
    suite_add_tcase(s, tc);
    return s;
}
