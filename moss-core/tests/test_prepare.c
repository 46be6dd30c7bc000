/* Prepared batches: their independence, their order, and admission. */
#include <stdlib.h>
#include <string.h>

#include "support/coll.h"
#include "support/fail_alloc.h"
#include "support/operators.h"

static struct moss_collection *
open_in_memory(void)
{
    struct moss_collection_options options = { .merge = &merge_append };
    struct moss_collection *c;

    assert_ok(moss_collection_open(&options, NULL, &c));
    return c;
}

static void
close_now(struct moss_collection *c)
{
    assert_ok(moss_collection_close(c, 0, NULL));
}

START_TEST(prepared_batch_is_invisible)
{
    struct moss_collection *c = open_in_memory();
    struct moss_prepared *p;

    run(c, "a=1");
    p = prepared_of(c, "a=2 kid{b=2}");
    assert_collection(c, "a=1");
    moss_prepared_publish(p);
    assert_collection(c, "a=2 kid{b=2}");
    close_now(c);
}
END_TEST

START_TEST(dropped_batch_leaves_nothing)
{
    struct moss_collection *c = open_in_memory();
    struct moss_collection_stats stats;

    moss_prepared_free(prepared_of(c, "a=2 kid{b=2}"));
    moss_prepared_free(NULL);
    assert_collection(c, "");
    moss_collection_stats(c, &stats);
    ck_assert_uint_eq(stats.batches, 0);
    close_now(c);
}
END_TEST

START_TEST(prepared_batch_is_a_copy)
{
    struct moss_collection *c = open_in_memory();
    struct moss_batch *batch = batch_of("a=1");
    struct moss_prepared *p;

    moss_batch_set_tag(batch, tag_of(3));
    assert_ok(moss_collection_prepare(c, batch, 0, &p));
    moss_batch_reset(batch);
    batch_add(batch, "a=2");
    moss_batch_free(batch);
    ck_assert(moss_tag_equal(moss_prepared_tag(p), tag_of(3)));
    moss_prepared_publish(p);
    assert_collection(c, "a=1");
    close_now(c);
}
END_TEST

/*
 * Two batches prepared on the same state, published in either order: the
 * later publish wins.
 */
struct pair {
    const char *before, *first, *second, *after;
};
static const struct pair pairs[] = {
    { "", "a=1 b=1", "a=2 c=2", "a=2 b=1 c=2" },
    { "", "kid{a=1}", "kid{b=2}", "kid{a=1 b=2}" },
    { "", "kid{a=1}", "kin{b=2}", "kid{a=1} kin{b=2}" },
    { "kid{x=0}", "!kid", "kid{a=1}", "kid{a=1}" },
    { "kid{x=0}", "kid{a=1}", "!kid", "" },
    { "kid{x=0}", "!kid kid{a=1}", "kid{b=2}", "kid{a=1 b=2}" },
    { "kid{x=0}", "kid{b=2}", "!kid kid{a=1}", "kid{a=1}" },
    { "kid{x=0}", "!kid kid{a=1}", "!kid kid{b=2}", "kid{b=2}" },
    { "kid{x=0}", "!kid", "kid{y{a=1}}", "kid{y{a=1}}" },
    { "kid{y{x=0}}", "!kid", "kid{y{a=1}}", "kid{y{a=1}}" },
    { "kid{y{x=0}}", "kid{!y}", "kid{y{a=1}}", "kid{y{a=1}}" },
    { "a=1", "a+2", "a+3", "a=123" },
};

START_TEST(later_publish_wins)
{
    const struct pair *pair = &pairs[_i / 2];
    bool prepared_in_order = _i % 2 == 0;
    struct moss_collection *c = open_in_memory();
    struct moss_prepared *first, *second;

    run(c, pair->before);
    if (prepared_in_order) {
        first = prepared_of(c, pair->first);
        second = prepared_of(c, pair->second);
    } else {
        second = prepared_of(c, pair->second);
        first = prepared_of(c, pair->first);
    }
    moss_prepared_publish(first);
    moss_prepared_publish(second);
    assert_collection(c, pair->after);
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    assert_collection(c, pair->after);
    close_now(c);
}
END_TEST

START_TEST(batch_prepared_long_ago_fits_what_is_there)
{
    struct moss_collection *c = open_in_memory();
    struct moss_prepared *p = prepared_of(c, "kid{a=1}");

    run(c, "kid{old=1}");
    run(c, "!kid kin{x=1}");
    run(c, "kid{new=1}");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    moss_prepared_publish(p);
    assert_collection(c, "kid{a=1 new=1} kin{x=1}");
    close_now(c);
}
END_TEST

/* _i is 0 if the tree is as it was when the batch was prepared. */
START_TEST(publish_needs_no_memory)
{
    struct moss_collection *c;
    struct moss_prepared *p;

    settle_reaper();
    fail_alloc_install();
    c = open_in_memory();
    run(c, "a=0 kid{b=0}");
    p = prepared_of(c, "a=1 kid{b=1} kin{c=1}");
    if (_i == 1)
        run(c, "!kid");
    assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    fail_alloc_from(1);
    moss_prepared_publish(p);
    fail_alloc_nth(0);
    assert_collection(c, "a=1 kid{b=1} kin{c=1}");
    close_now(c);
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
}
END_TEST

struct publishing {
    struct moss_prepared *p;
};

static void
publish_it(void *arg)
{
    struct publishing *job = arg;

    moss_prepared_publish(job->p);
}

START_TEST(another_thread_may_publish)
{
    struct moss_collection *c = open_in_memory();
    struct publishing job = { prepared_of(c, "kid{a=1}") };
    struct thread thread;

    assert_ok(thread_start(&thread, "publisher", publish_it, &job));
    thread_join(&thread);
    assert_collection(c, "kid{a=1}");
    close_now(c);
}
END_TEST

/* ------------------------------------------------------------ admission */

static enum moss_status
try_prepare(struct moss_collection *c, const char *text, uint64_t timeout_ms,
            struct moss_prepared **out)
{
    struct moss_batch *batch = batch_of(text);
    enum moss_status st = moss_collection_prepare(c, batch, timeout_ms, out);

    moss_batch_free(batch);
    return st;
}

/* Each bound alone lets batches through, and holds. */
START_TEST(each_bound_works_alone)
{
    struct moss_collection_options options = { 0 };
    struct moss_prepared *p;
    struct over_toy o;

    if (_i == 0)
        options.max_dirty_ops = 2;
    else
        options.max_dirty_bytes = 40; /* an entry of two bytes takes 18 */
    over_toy_open(&o, &options);
    toy_hold(o.toy);
    run(o.c, "a=1");
    run(o.c, "b=2");
    assert_status(try_prepare(o.c, "c=3", 0, &p), MOSS_TIMEOUT);
    ck_assert_ptr_null(p);
    toy_let_go(o.toy);
    assert_ok(try_prepare(o.c, "c=3", MOSS_FOREVER, &p));
    moss_prepared_publish(p);
    assert_collection(o.c, "a=1 b=2 c=3");
    over_toy_close(&o);
}
END_TEST

START_TEST(batches_go_on_under_a_bound_on_operations)
{
    struct moss_collection_options options = { .max_dirty_ops = 1 };
    struct over_toy o;

    over_toy_open(&o, &options);
    for (int i = 0; i < 50; i++)
        run(o.c, "a=1");
    assert_collection(o.c, "a=1");
    over_toy_close(&o);
}
END_TEST

START_TEST(batch_above_a_bound_is_admitted_alone)
{
    struct moss_collection_options options = { .max_dirty_ops = 2 };
    struct moss_prepared *p;
    struct over_toy o;

    over_toy_open(&o, &options);
    toy_hold(o.toy);
    run(o.c, "a=1 b=2 c=3 d=4"); /* nothing is dirty: at once */
    assert_status(try_prepare(o.c, "e=1", 0, &p), MOSS_TIMEOUT);
    assert_status(try_prepare(o.c, "e=1 f=2 g=3", 0, &p), MOSS_TIMEOUT);
    toy_let_go(o.toy);
    assert_ok(try_prepare(o.c, "e=1 f=2 g=3", MOSS_FOREVER, &p));
    assert_toy(&o, "a=1 b=2 c=3 d=4"); /* it waited for all of that */
    moss_prepared_publish(p);
    over_toy_close(&o);
}
END_TEST

/* A prepared batch counts, but never keeps its owner waiting for itself. */
START_TEST(own_prepared_batches_do_not_block)
{
    struct moss_collection_options options = { .max_dirty_ops = 2 };
    struct moss_prepared *first, *second;
    struct over_toy o;

    over_toy_open(&o, &options);
    assert_ok(try_prepare(o.c, "a=1 b=1 c=1", MOSS_FOREVER, &first));
    assert_ok(try_prepare(o.c, "a=2 b=2 c=2", MOSS_FOREVER, &second));
    moss_prepared_publish(second);
    moss_prepared_publish(first);
    assert_collection(o.c, "a=1 b=1 c=1");
    over_toy_close(&o);
}
END_TEST

START_TEST(dropped_batch_gives_its_room_back)
{
    struct moss_collection_options options = { .max_dirty_ops = 3 };
    struct moss_prepared *p, *none;
    struct over_toy o;

    over_toy_open(&o, &options);
    toy_hold(o.toy);
    run(o.c, "a=1");
    assert_ok(try_prepare(o.c, "b=1 c=1", 0, &p));
    assert_status(try_prepare(o.c, "d=1", 0, &none), MOSS_TIMEOUT);
    moss_prepared_free(p);
    assert_ok(try_prepare(o.c, "d=1", 0, &p));
    moss_prepared_publish(p);
    toy_let_go(o.toy);
    over_toy_close(&o);
}
END_TEST

START_TEST(waiting_ends_with_the_background_failure)
{
    struct moss_collection_options options = { .max_dirty_ops = 1 };
    struct moss_prepared *p;
    struct over_toy o;

    over_toy_open(&o, &options);
    toy_fail_next(o.toy, UINT32_MAX, MOSS_FULL);
    run(o.c, "a=1");
    assert_status(try_prepare(o.c, "b=2", MOSS_FOREVER, &p), MOSS_FULL);
    toy_fail_next(o.toy, 0, MOSS_OK);
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    assert_ok(try_prepare(o.c, "b=2", MOSS_FOREVER, &p));
    moss_prepared_publish(p);
    over_toy_close(&o);
}
END_TEST

START_TEST(memory_collection_has_no_bounds)
{
    struct moss_collection_options options = { .max_dirty_ops = 1,
                                               .max_dirty_bytes = 1 };
    struct moss_collection *c;
    struct moss_prepared *p;

    assert_ok(moss_collection_open(&options, NULL, &c));
    run(c, "a=1 b=2");
    assert_ok(try_prepare(c, "c=3", 0, &p));
    moss_prepared_publish(p);
    assert_collection(c, "a=1 b=2 c=3");
    close_now(c);
}
END_TEST

/* --------------------------------------------------------------- closing */

struct waiter {
    struct moss_collection *c;
    const char *words;
    enum moss_status st;
};

static void
wait_for_room(void *arg)
{
    struct waiter *w = arg;
    struct moss_prepared *p;

    w->st = try_prepare(w->c, w->words, MOSS_FOREVER, &p);
    moss_prepared_free(p);
}

/* Return when a writer has begun to wait in c. */
static void
await_waiter(struct moss_collection *c)
{
    struct moss_collection_stats stats = { 0 };

    while (stats.writer_waits == 0)
        moss_collection_stats(c, &stats);
}

/* There would be room for a small one, but then for how many? */
START_TEST(small_batches_let_a_large_one_pass)
{
    struct moss_collection_options options = { .max_dirty_ops = 2 };
    struct moss_prepared *p;
    struct waiter large;
    struct thread waiting;
    struct over_toy o;

    over_toy_open(&o, &options);
    toy_hold(o.toy);
    run(o.c, "a=1");
    toy_wait_held(o.toy);
    large = (struct waiter){ o.c, "a=2 b=2 c=2", MOSS_OK };
    assert_ok(thread_start(&waiting, "waiter", wait_for_room, &large));
    await_waiter(o.c);
    assert_status(try_prepare(o.c, "b=1", 0, &p), MOSS_TIMEOUT);
    toy_let_go(o.toy);
    thread_join(&waiting);
    assert_ok(large.st);
    assert_ok(try_prepare(o.c, "b=1", 0, &p));
    moss_prepared_free(p);
    over_toy_close(&o);
}
END_TEST

static void
close_it(void *arg)
{
    struct waiter *w = arg;

    w->st = moss_collection_close(w->c, 0, NULL);
}

START_TEST(close_ends_the_wait_for_room)
{
    struct moss_collection_options options = { .max_dirty_ops = 1 };
    struct waiter waiter, closer;
    struct thread waiting, closing;
    struct over_toy o;

    over_toy_open(&o, &options);
    toy_hold(o.toy);
    run(o.c, "a=1");
    toy_wait_held(o.toy);
    waiter = closer = (struct waiter){ o.c, "b=2", MOSS_OK };
    assert_ok(thread_start(&waiting, "waiter", wait_for_room, &waiter));
    await_waiter(o.c);
    assert_ok(thread_start(&closing, "closer", close_it, &closer));
    thread_join(&waiting);
    assert_status(waiter.st, MOSS_CLOSED);
    toy_let_go(o.toy);
    thread_join(&closing);
    assert_ok(closer.st);
    o.c = NULL;
    assert_toy(&o, "a=1");
    over_toy_close(&o);
}
END_TEST

Suite *suite_prepare(void);

Suite *
suite_prepare(void)
{
    Suite *s = suite_create("prepare");
    TCase *tc = tcase_create("order");

    tcase_add_test(tc, prepared_batch_is_invisible);
    tcase_add_test(tc, dropped_batch_leaves_nothing);
    tcase_add_test(tc, prepared_batch_is_a_copy);
    tcase_add_loop_test(tc, later_publish_wins, 0,
                        2 * sizeof(pairs) / sizeof(pairs[0]));
    tcase_add_test(tc, batch_prepared_long_ago_fits_what_is_there);
    tcase_add_loop_test(tc, publish_needs_no_memory, 0, 2);
    tcase_add_test(tc, another_thread_may_publish);
    suite_add_tcase(s, tc);

    tc = tcase_create("admission");
    tcase_add_loop_test(tc, each_bound_works_alone, 0, 2);
    tcase_add_test(tc, batches_go_on_under_a_bound_on_operations);
    tcase_add_test(tc, batch_above_a_bound_is_admitted_alone);
    tcase_add_test(tc, own_prepared_batches_do_not_block);
    tcase_add_test(tc, dropped_batch_gives_its_room_back);
    tcase_add_test(tc, waiting_ends_with_the_background_failure);
    tcase_add_test(tc, memory_collection_has_no_bounds);
    tcase_add_test(tc, small_batches_let_a_large_one_pass);
    tcase_add_test(tc, close_ends_the_wait_for_room);
    suite_add_tcase(s, tc);
    return s;
}
