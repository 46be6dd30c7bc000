/* Writers that wait for the work in the background while others read. */
#include <check.h>
#include <limits.h>
#include <stdlib.h>

#include "collection/collection.h"
#include "support/coll.h"

Suite *suite_turns(void);

/* So large that what is owed for it is worth waiting for. */
enum { LARGE = 1 << 20 };

static struct over_toy o;
static struct moss_batch *batch;

/* A collection that takes there to be few processors, or many. */
static void
open_with(bool few, const struct moss_collection_options *options)
{
    struct moss_slice value = moss_slice(calloc(1, LARGE), LARGE);

    over_toy_open(&o, options);
    mutex_lock(&o.c->mu);
    o.c->turns.may_wait = few;
    mutex_unlock(&o.c->mu);
    ck_assert_ptr_nonnull(value.bytes);
    assert_ok(moss_batch_new(0, 0, &batch));
    assert_ok(moss_batch_set(batch, moss_slice("large", 5), value));
    free((void *)(uintptr_t)value.bytes);
}

static void
teardown(void)
{
    moss_batch_free(batch);
    over_toy_close(&o);
}

static void
write_large(void)
{
    assert_ok(moss_collection_execute(o.c, batch));
}

static void
read_now(void *collection)
{
    struct moss_snapshot *snap = NULL;

    assert_ok(moss_collection_snapshot(collection, &snap));
    moss_snapshot_unref(snap);
}

static void
read_elsewhere(void)
{
    struct thread reader;

    assert_ok(thread_start(&reader, "reader", read_now, o.c));
    thread_join(&reader);
}

/* An update that does not end by itself. */
static void
begin_update(void)
{
    toy_hold(o.toy);
    run(o.c, "a=1");
    toy_wait_held(o.toy);
}

static uint64_t
waits(void)
{
    struct moss_collection_stats stats;

    moss_collection_stats(o.c, &stats);
    ck_assert_uint_eq(stats.batch.waits_done, stats.writer_waits);
    return stats.writer_waits;
}

/* The update does not end: it is what is owed that does. */
START_TEST(batch_waits_for_an_update_but_not_for_ever)
{
    open_with(true, NULL);
    begin_update();
    read_elsewhere();
    write_large();
    ck_assert_uint_eq(waits(), 0); /* nothing was owed */
    write_large();
    ck_assert_uint_eq(waits(), 1);
    run(o.c, "b=1"); /* what the second one owes */
    ck_assert_uint_eq(waits(), 2);
    run(o.c, "c=1"); /* a little only, since then */
    ck_assert_uint_eq(waits(), 2);
    toy_let_go(o.toy);
}
END_TEST

START_TEST(nobody_waits_with_many_processors)
{
    open_with(false, NULL);
    begin_update();
    read_elsewhere();
    write_large();
    write_large();
    ck_assert_uint_eq(waits(), 0);
    toy_let_go(o.toy);
}
END_TEST

START_TEST(nobody_waits_while_nobody_reads)
{
    open_with(true, NULL);
    begin_update();
    write_large();
    write_large();
    ck_assert_uint_eq(waits(), 0);
    toy_let_go(o.toy);
}
END_TEST

START_TEST(nobody_waits_while_only_the_writer_reads)
{
    open_with(true, NULL);
    begin_update();
    for (int i = 0; i < 3; i++) {
        read_now(o.c);
        write_large();
    }
    ck_assert_uint_eq(waits(), 0);
    toy_let_go(o.toy);
}
END_TEST

START_TEST(who_read_long_ago_is_forgotten)
{
    open_with(true, NULL);
    begin_update();
    read_elsewhere();
    write_large();
    for (int i = 0; i < 100; i++) {
        struct moss_prepared *p;

        /* These do not wait. */
        assert_ok(moss_collection_prepare(o.c, batch, 0, &p));
        moss_prepared_publish(p);
    }
    write_large();
    ck_assert_uint_eq(waits(), 0);
    toy_let_go(o.toy);
}
END_TEST

START_TEST(nobody_waits_when_nothing_is_at_work)
{
    const struct moss_collection_options options = { .persist_delay_ms =
                                                         MOSS_FOREVER };

    open_with(true, &options);
    run(o.c, "a=1");
    read_elsewhere();
    write_large();
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    run(o.c, "b=1");
    ck_assert_uint_eq(waits(), 0);
}
END_TEST

START_TEST(batch_without_time_does_not_wait)
{
    struct moss_prepared *p;

    open_with(true, NULL);
    begin_update();
    read_elsewhere();
    write_large();
    assert_ok(moss_collection_prepare(o.c, batch, 0, &p));
    moss_prepared_free(p);
    ck_assert_uint_eq(waits(), 0);
    toy_let_go(o.toy);
}
END_TEST

/* A second of writing would make a batch wait for a second. */
START_TEST(what_is_owed_has_a_bound)
{
    uint64_t owed = 0;

    open_with(true, NULL);
    begin_update();
    read_elsewhere();
    mutex_lock(&o.c->mu);
    for (int i = 0; i < 3; i++) {
        turns_owe_locked(o.c, UINT64_MAX / 2);
        ck_assert(i == 0 || o.c->turns.owed_ns == owed);
        owed = o.c->turns.owed_ns;
    }
    mutex_unlock(&o.c->mu);
    ck_assert_uint_gt(owed, 0);
    ck_assert_uint_le(owed, 1000000000);
    toy_let_go(o.toy);
}
END_TEST

struct writer {
    struct moss_collection *c;
    enum moss_status st;
};

static void
write_until_closed(void *arg)
{
    struct writer *w = arg;

    do
        w->st = moss_collection_execute(w->c, batch);
    while (w->st == MOSS_OK);
}

static void
close_now(void *arg)
{
    struct writer *w = arg;

    w->st = moss_collection_close(w->c, 0, NULL);
}

static bool
is_waiting(struct moss_collection *c)
{
    struct moss_collection_stats stats;

    moss_collection_stats(c, &stats);
    return stats.writer_waits > stats.batch.waits_done;
}

/* So much is owed that nothing else would end the wait. */
START_TEST(close_ends_the_wait)
{
    struct writer writer, closer;
    struct thread writing, closing;

    open_with(true, NULL);
    begin_update();
    read_elsewhere();
    mutex_lock(&o.c->mu);
    o.c->turns.owed_ns = MOSS_FOREVER / 4;
    mutex_unlock(&o.c->mu);
    writer = closer = (struct writer){ o.c, MOSS_OK };
    assert_ok(thread_start(&writing, "writer", write_until_closed, &writer));
    while (!is_waiting(o.c))
        continue;
    assert_ok(thread_start(&closing, "closer", close_now, &closer));
    thread_join(&writing);
    assert_status(writer.st, MOSS_CLOSED);
    toy_let_go(o.toy);
    thread_join(&closing);
    assert_ok(closer.st);
    o.c = NULL;
}
END_TEST

START_TEST(processors_are_counted)
{
    ck_assert_uint_ge(sync_processors(), 1);
    ck_assert_uint_lt(sync_processors(), UINT_MAX);
}
END_TEST

Suite *
suite_turns(void)
{
    Suite *s = suite_create("turns");
    TCase *tc = tcase_create("waiting");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, batch_waits_for_an_update_but_not_for_ever);
    tcase_add_test(tc, nobody_waits_with_many_processors);
    tcase_add_test(tc, nobody_waits_while_nobody_reads);
    tcase_add_test(tc, nobody_waits_while_only_the_writer_reads);
    tcase_add_test(tc, who_read_long_ago_is_forgotten);
    tcase_add_test(tc, nobody_waits_when_nothing_is_at_work);
    tcase_add_test(tc, batch_without_time_does_not_wait);
    tcase_add_test(tc, what_is_owed_has_a_bound);
    tcase_add_test(tc, close_ends_the_wait);
    suite_add_tcase(s, tc);
    tc = tcase_create("processors");
    tcase_add_test(tc, processors_are_counted);
    suite_add_tcase(s, tc);
    return s;
}
