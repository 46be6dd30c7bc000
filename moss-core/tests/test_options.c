/* Options of collections, and asking the merger. */
#include <stdio.h>
#include <stdlib.h>

#include "collection/collection.h"
#include "support/coll.h"
#include "support/fail_alloc.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/segments.h"

Suite *suite_options(void);

/* ------------------------------------------------------------ read-only */

START_TEST(a_read_only_collection_takes_no_batch)
{
    struct moss_collection_options options = { .read_only = true };
    struct moss_batch *batch = batch_of("a=2");
    struct moss_prepared *p;
    struct over_toy o;

    over_toy_open(&o, NULL);
    run(o.c, "a=1");
    assert_ok(moss_collection_close(o.c, MOSS_FOREVER, NULL));
    o.options = options;
    assert_ok(moss_collection_open(&o.options, toy_lower(o.toy), &o.c));
    assert_status(moss_collection_execute(o.c, batch), MOSS_READONLY);
    assert_status(moss_collection_prepare(o.c, batch, 0, &p), MOSS_READONLY);
    ck_assert_ptr_null(p);
    assert_status(moss_collection_notify_merger(o.c, true, MOSS_FOREVER),
                  MOSS_READONLY);
    ck_assert(!o.c->started);
    assert_get(o.c, "a", "1");
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    moss_batch_free(batch);
    over_toy_close(&o);
}
END_TEST

START_TEST(a_collection_in_memory_lies_over_its_initial_snapshot)
{
    struct moss_collection_options options = { .merge = &merge_append };
    struct moss_collection *c;
    struct over_store o;

    over_store_open(&o, &options);
    run(o.c, "a=1 b=1 kid{c=1}");
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    assert_ok(moss_collection_snapshot(o.c, &options.initial));
    assert_ok(moss_collection_close(o.c, MOSS_FOREVER, NULL));
    o.c = NULL;
    assert_ok(moss_collection_open(&options, NULL, &c));
    moss_snapshot_unref(options.initial);
    run(c, "a+2 -b kid{c+2} kin{ }");
    assert_collection(c, "a=12 kid{c=12} kin{}");
    assert_ok(moss_collection_notify_merger(c, true, MOSS_FOREVER));
    assert_collection(c, "a=12 kid{c=12} kin{}");
    run(c, "* !kid");
    assert_collection(c, "kin{}");
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    over_store_close(&o);
}
END_TEST

/* A store that may not be written is read as a collection like this. */
START_TEST(a_read_only_collection_reads_a_read_only_store)
{
    struct moss_collection_options options = { .read_only = true };
    struct moss_store_options store_options;
    struct moss_store *store;
    struct moss_collection *c;
    struct over_store o;

    over_store_open(&o, NULL);
    run(o.c, "a=1 kid{b=2}");
    assert_ok(moss_collection_close(o.c, MOSS_FOREVER, NULL));
    o.c = NULL;
    store_options = o.store_options;
    store_options.readonly = true;
    assert_ok(moss_store_open("/db", &store_options, &store, NULL));
    assert_ok(moss_store_snapshot(store, &options.initial));
    assert_ok(moss_collection_open(&options, NULL, &c));
    moss_snapshot_unref(options.initial);
    moss_store_close(store);
    assert_collection(c, "a=1 kid{b=2}");
    assert_get(c, "a", "1");
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    over_store_close(&o);
}
END_TEST

START_TEST(options_are_told_with_their_defaults)
{
    struct moss_collection_options options = { .merge = &merge_append,
                                               .max_dirty_ops = 7 };
    struct moss_collection_options got;
    struct moss_collection *c;

    assert_ok(moss_collection_open(&options, NULL, &c));
    moss_collection_options_get(c, &got);
    ck_assert_str_eq(got.merge->name, merge_append.name);
    ck_assert_uint_eq(got.max_dirty_ops, 7);
    ck_assert_uint_eq(got.max_dirty_bytes, 256 << 20);
    ck_assert_uint_eq(got.cancel_check_interval, 10000);
    ck_assert(got.min_merge_ratio > 0.79 && got.min_merge_ratio < 0.81);
    ck_assert(!got.read_only);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

/* Each bound alone, with the other one unset. */
START_TEST(each_bound_works_alone)
{
    struct moss_collection_options options = { .max_dirty_ops = _i ? 0 : 2,
                                               .max_dirty_bytes = _i ? 40 : 0 };
    struct moss_batch *batch = batch_of("c=3");
    struct moss_prepared *p;
    struct over_toy o;

    over_toy_open(&o, &options);
    toy_hold(o.toy);
    run(o.c, "a=1");
    run(o.c, "b=2");
    assert_status(moss_collection_prepare(o.c, batch, 0, &p), MOSS_TIMEOUT);
    toy_let_go(o.toy);
    assert_ok(moss_collection_execute(o.c, batch));
    moss_batch_free(batch);
    assert_collection(o.c, "a=1 b=2 c=3");
    over_toy_close(&o);
}
END_TEST

/* ------------------------------------------------------------ the merger */

/* Text that makes a segment too large for small ones above to join it. */
static void
run_large(struct moss_collection *c)
{
    run(c, "a=1 b=11111111111111111111111111111111111111111111111111111111");
    assert_ok(moss_collection_notify_merger(c, false, MOSS_FOREVER));
    run(c, "a+2");
    assert_ok(moss_collection_notify_merger(c, false, MOSS_FOREVER));
}

static uint64_t
mid_segments(struct moss_collection *c)
{
    struct moss_collection_stats stats;

    moss_collection_stats(c, &stats);
    ck_assert_uint_eq(stats.top_segments, 0);
    return stats.mid_segments;
}

START_TEST(the_merger_merges_all_when_asked)
{
    struct moss_collection_options options = { .merge = &merge_append };
    struct moss_collection_stats stats;
    struct moss_collection *c;

    assert_ok(moss_collection_open(&options, NULL, &c));
    assert_ok(moss_collection_notify_merger(c, true, MOSS_FOREVER));
    run_large(c);
    ck_assert_uint_eq(mid_segments(c), 2);
    assert_ok(moss_collection_notify_merger(c, true, MOSS_FOREVER));
    ck_assert_uint_eq(mid_segments(c), 1);
    run(c, "a+3");
    assert_ok(moss_collection_notify_merger(c, true, MOSS_FOREVER));
    ck_assert_uint_eq(mid_segments(c), 1);
    assert_get(c, "a", "123");
    assert_ok(moss_collection_notify_merger(c, true, 0));
    moss_collection_stats(c, &stats);
    ck_assert_uint_eq(stats.notify.begun, 6);
    ck_assert_uint_eq(stats.notify.done, 6);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

START_TEST(all_is_merged_once_for_each_goal)
{
    struct moss_collection *c;
    struct moss_goal goal;

    assert_ok(moss_collection_open(NULL, NULL, &c));
    run(c, "a=1");
    assert_ok(moss_collection_ask(c, MOSS_GOAL_MERGED_ALL, &goal));
    assert_ok(moss_collection_await(c, &goal, MOSS_FOREVER, NULL));
    ck_assert_uint_eq(mid_segments(c), 1);
    run(c, "b=2"); /* too little to be merged by itself */
    assert_ok(moss_collection_await(c, &goal, 0, NULL));
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

START_TEST(the_merger_merges_all_over_a_lower_level)
{
    struct moss_collection_options options = { .merge = &merge_append };
    struct over_toy o;

    over_toy_open(&o, &options);
    run(o.c, "a=1");
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    toy_hold(o.toy);
    run(o.c, "a+2 b=2");
    assert_status(moss_collection_flush(o.c, 0, NULL), MOSS_TIMEOUT);
    toy_wait_held(o.toy);
    run_large(o.c);
    ck_assert_uint_ge(mid_segments(o.c), 2);
    assert_ok(moss_collection_notify_merger(o.c, true, MOSS_FOREVER));
    ck_assert_uint_eq(mid_segments(o.c), 1);
    assert_get(o.c, "a", "12");
    toy_let_go(o.toy);
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    assert_get(o.c, "a", "12");
    over_toy_close(&o);
}
END_TEST

START_TEST(an_idle_merger_merges_all)
{
    struct moss_collection_options options = { .merge = &merge_append,
                                               .idle_run_timeout_ms = 1 };
    struct moss_collection_stats stats = { .batches = 0 };
    struct moss_collection *c;
    struct heard heard;

    heard_init(&heard);
    heard_listen(&heard, &options);
    assert_ok(moss_collection_open(&options, NULL, &c));
    run_large(c);
    for (unsigned n = 1; stats.merger.idle_runs == 0 || stats.mid_segments != 1;
         n++) {
        heard_wait_merged(&heard, n);
        moss_collection_stats(c, &stats);
    }
    assert_get(c, "a", "12");
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    heard_release(&heard);
}
END_TEST

START_TEST(a_merge_can_be_stopped)
{
    struct segment *segs[2] = { segment_of("a=1 c=1 e=1", NULL),
                                segment_of("b=2 d=2 f=2", NULL) };
    struct segment *out = NULL;
    atomic_bool now;
    struct merge_stop stop = { &now, 1 };

    atomic_init(&now, true);
    assert_status(segstack_merge_until(segs, 2, NULL, NULL, &stop, false, &out),
                  MOSS_ABORTED);
    ck_assert_ptr_null(out);
    stop.every = 100;
    assert_ok(segstack_merge_until(segs, 2, NULL, NULL, &stop, false, &out));
    segment_unref(out);
    atomic_store(&now, false);
    stop.every = 1;
    assert_ok(segstack_merge_until(segs, 2, NULL, NULL, &stop, false, &out));
    ck_assert_uint_eq(out->n, 6);
    segment_unref(out);
    segment_unref(segs[0]);
    segment_unref(segs[1]);
}
END_TEST

/* An operator whose first call in the background lasts until the close. */
static struct {
    struct mutex mu;
    struct condvar changed;
    struct moss_collection *c;
    bool armed, called;
    unsigned calls;
} slow;

static enum moss_status
slow_full(void *ctx, struct moss_slice key, const struct moss_slice *existing,
          const struct moss_slice *operands, size_t n, struct moss_output *out)
{
    struct moss_snapshot *snap;
    bool wait;

    (void)ctx;
    mutex_lock(&slow.mu);
    wait = slow.armed && !slow.called;
    slow.calls += slow.armed;
    slow.called = slow.called || wait;
    condvar_broadcast(&slow.changed);
    mutex_unlock(&slow.mu);
    while (wait && moss_collection_snapshot(slow.c, &snap) == MOSS_OK)
        moss_snapshot_unref(snap);
    return merge_append.full(merge_append.ctx, key, existing, operands, n, out);
}

static const struct moss_merge_operator slow_append = { "append", slow_full,
                                                        NULL, NULL };

START_TEST(closing_gives_up_a_long_merge)
{
    struct moss_collection_options options = { .merge = &slow_append,
                                               .cancel_check_interval = 1 };

    memset(&slow, 0, sizeof(slow));
    assert_ok(mutex_init(&slow.mu));
    assert_ok(condvar_init(&slow.changed));
    assert_ok(moss_collection_open(&options, NULL, &slow.c));
    run(slow.c, "a=1 b=1 c=1 d=1 e=1 f=1");
    assert_ok(moss_collection_notify_merger(slow.c, true, MOSS_FOREVER));
    run(slow.c, "a+2 b+2 c+2 d+2 e+2 f+2");
    slow.armed = true;
    assert_ok(moss_collection_notify_merger(slow.c, true, 0));
    mutex_lock(&slow.mu);
    while (!slow.called)
        condvar_wait(&slow.changed, &slow.mu);
    mutex_unlock(&slow.mu);
    assert_ok(moss_collection_close(slow.c, MOSS_FOREVER, NULL));
    ck_assert_uint_eq(slow.calls, 1);
    condvar_destroy(&slow.changed);
    mutex_destroy(&slow.mu);
}
END_TEST

/* --------------------------------------------------------- deferred sort */

static struct moss_collection_options deferred = { .merge = &merge_append,
                                                   .deferred_sort = true };

static bool
is_sorted(struct moss_collection *c)
{
    struct state *s = collection_state(c);
    bool sorted = top_node_section(s->top) != NULL;

    state_unref(s);
    return sorted;
}

START_TEST(a_deferred_batch_is_sorted_by_its_first_reader)
{
    struct moss_collection_stats stats;
    struct moss_collection *c;

    assert_ok(moss_collection_open(&deferred, NULL, &c));
    run(c, "c=1 a=1 b=1 a=2 kid{y=1 x=1 -x}");
    run(c, "-b d=4 !kin");
    ck_assert(!is_sorted(c));
    moss_collection_stats(c, &stats);
    ck_assert_uint_eq(stats.top_ops, 9);
    ck_assert_uint_eq(stats.top_segments, 3);
    ck_assert(!is_sorted(c));
    assert_collection(c, "a=2 c=1 d=4 kid{y=1}");
    ck_assert(is_sorted(c));
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    assert_collection(c, "a=2 c=1 d=4 kid{y=1}");
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

START_TEST(what_can_fail_is_not_deferred)
{
    struct moss_batch *batch = batch_of("x>y");
    struct moss_collection *c;

    assert_ok(moss_collection_open(&deferred, NULL, &c));
    run(c, "b=1 a=1 kid{a=1}");
    ck_assert(!is_sorted(c));
    run(c, "a+2");
    ck_assert(is_sorted(c));
    run(c, "b=2 kid{a+2}");
    ck_assert(is_sorted(c));
    run(c, "kid>kin");
    ck_assert(is_sorted(c));
    assert_status(moss_collection_execute(c, batch), MOSS_NOT_FOUND);
    moss_batch_free(batch);
    run(c, "c=3");
    ck_assert(!is_sorted(c));
    assert_collection(c, "a=12 b=2 c=3 kin{a=12}");
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

START_TEST(deferred_batches_are_persisted)
{
    struct over_store o;

    over_store_open(&o, &deferred);
    for (int i = 0; i < 30; i++)
        run(o.c, "b=2 a=1 kid{d=4 c=3}");
    over_store_reopen(&o);
    assert_collection(o.c, "a=1 b=2 kid{c=3 d=4}");
    over_store_close(&o);
}
END_TEST

START_TEST(sorting_later_survives_a_lack_of_memory)
{
    bool tripped = true;

    settle_reaper();
    fail_alloc_install(); /* before there are threads */
    for (uint64_t n = 1; tripped; n++) {
        struct moss_snapshot *snap;
        struct moss_collection *c;
        enum moss_status st;

        assert_ok(moss_collection_open(&deferred, NULL, &c));
        run(c, "b=2 a=1 kid{d=4 c=3}");
        fail_alloc_nth(n);
        st = moss_collection_snapshot(c, &snap);
        tripped = fail_alloc_tripped();
        fail_alloc_nth(0);
        /* Without memory a stack is not cached, which is no failure. */
        ck_assert(st == MOSS_OK || (tripped && st == MOSS_NOMEM));
        if (st == MOSS_OK)
            moss_snapshot_unref(snap);
        assert_collection(c, "a=1 b=2 kid{c=3 d=4}");
        assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    }
    fail_alloc_remove();
}
END_TEST

START_TEST(preparing_for_later_survives_a_lack_of_memory)
{
    struct moss_batch *batch = batch_of("b=2 a=1 kid{d=4 c=3}");
    struct moss_collection *c;
    bool tripped = true;

    settle_reaper();
    fail_alloc_install(); /* before there are threads */
    assert_ok(moss_collection_open(&deferred, NULL, &c));
    run(c, "z=1");
    for (uint64_t n = 1; tripped; n++) {
        struct moss_prepared *p;
        enum moss_status st;
        int64_t live = fail_alloc_live();

        fail_alloc_nth(n);
        st = moss_collection_prepare(c, batch, MOSS_FOREVER, &p);
        tripped = fail_alloc_tripped();
        fail_alloc_nth(0);
        assert_status(st, tripped ? MOSS_NOMEM : MOSS_OK);
        moss_prepared_free(p);
        ck_assert_int_le(fail_alloc_live(), live); /* a thread began */
    }
    moss_batch_free(batch);
    assert_collection(c, "z=1");
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    fail_alloc_remove();
}
END_TEST

static void
read_often(void *collection)
{
    struct moss_collection *c = collection;

    for (int i = 0; i < 200; i++) {
        struct moss_value value;
        enum moss_status st = moss_collection_get(c, moss_str("a"), &value);

        ck_assert(st == MOSS_OK || st == MOSS_NOT_FOUND);
        moss_value_release(&value);
    }
}

START_TEST(readers_sort_at_the_same_time)
{
    struct moss_collection *c;
    struct thread readers[2];

    assert_ok(moss_collection_open(&deferred, NULL, &c));
    for (int i = 0; i < 2; i++)
        assert_ok(thread_start(&readers[i], "reader", read_often, c));
    for (int i = 0; i < 200; i++)
        run(c, "c=3 b=2 a=1 kid{b=1 a=1}");
    for (int i = 0; i < 2; i++)
        thread_join(&readers[i]);
    assert_collection(c, "a=1 b=2 c=3 kid{a=1 b=1}");
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

/* ------------------------------------------------------------------ get */

/* Go moss's Collection.Get gave older values, and lost bases. */
START_TEST(get_sees_the_newest_through_all_sections)
{
    struct moss_collection_options options = { .merge = &merge_append };
    struct over_toy o;

    over_toy_open(&o, &options);
    run(o.c, "a=1 b=1 c=1");
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    toy_hold(o.toy);
    run(o.c, "a+2 b=2 -c d+1"); /* goes to base */
    assert_status(moss_collection_flush(o.c, 0, NULL), MOSS_TIMEOUT);
    toy_wait_held(o.toy);
    run(o.c, "a+3 -b c=3"); /* goes to mid */
    assert_ok(moss_collection_notify_merger(o.c, true, MOSS_FOREVER));
    run(o.c, "a+4 b+4 c+4 d+4"); /* stays in top */
    assert_get(o.c, "a", "1234");
    assert_get(o.c, "b", "4");
    assert_get(o.c, "c", "34");
    assert_get(o.c, "d", "14");
    run(o.c, "-a c=5");
    assert_get(o.c, "a", "(none)");
    assert_get(o.c, "c", "5");
    assert_ok(moss_collection_notify_merger(o.c, true, MOSS_FOREVER));
    assert_get(o.c, "b", "4");
    assert_get(o.c, "d", "14");
    toy_let_go(o.toy);
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    assert_get(o.c, "a", "(none)");
    assert_get(o.c, "b", "4");
    assert_get(o.c, "c", "5");
    assert_get(o.c, "d", "14");
    over_toy_close(&o);
}
END_TEST

Suite *
suite_options(void)
{
    Suite *s = suite_create("options");
    TCase *tc = tcase_create("options");

    tcase_add_test(tc, a_read_only_collection_takes_no_batch);
    tcase_add_test(tc, a_collection_in_memory_lies_over_its_initial_snapshot);
    tcase_add_test(tc, a_read_only_collection_reads_a_read_only_store);
    tcase_add_test(tc, options_are_told_with_their_defaults);
    tcase_add_loop_test(tc, each_bound_works_alone, 0, 2);
    suite_add_tcase(s, tc);

    tc = tcase_create("merger");
    tcase_add_test(tc, the_merger_merges_all_when_asked);
    tcase_add_test(tc, all_is_merged_once_for_each_goal);
    tcase_add_test(tc, the_merger_merges_all_over_a_lower_level);
    tcase_add_test(tc, an_idle_merger_merges_all);
    tcase_add_test(tc, a_merge_can_be_stopped);
    tcase_add_test(tc, closing_gives_up_a_long_merge);
    suite_add_tcase(s, tc);

    tc = tcase_create("deferred sort");
    tcase_add_test(tc, a_deferred_batch_is_sorted_by_its_first_reader);
    tcase_add_test(tc, what_can_fail_is_not_deferred);
    tcase_add_test(tc, deferred_batches_are_persisted);
    tcase_add_test(tc, sorting_later_survives_a_lack_of_memory);
    tcase_add_test(tc, preparing_for_later_survives_a_lack_of_memory);
    tcase_add_test(tc, readers_sort_at_the_same_time);
    suite_add_tcase(s, tc);

    tc = tcase_create("get");
    tcase_add_test(tc, get_sees_the_newest_through_all_sections);
    suite_add_tcase(s, tc);
    return s;
}
