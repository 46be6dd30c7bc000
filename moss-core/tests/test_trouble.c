/*
 * Pauses after background failures: how they grow, and that nothing but those
 * who may do so cuts them short.
 */
#include "base/error.h"
#include "collection/collection.h"
#include "support/coll.h"

START_TEST(pauses_double_up_to_five_seconds)
{
    static const uint64_t want[] = { 10,  20,   40,   80,   160, 320,
                                     640, 1280, 2560, 5000, 5000 };
    struct trouble t = { .pause_ms = 0 };
    struct moss_error err;

    error_clear(&err);
    err.status = MOSS_IO;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        uint64_t before = sync_now_ns();

        trouble_note(&t, &err);
        ck_assert_uint_eq(t.pause_ms, want[i]);
        ck_assert_uint_ge(t.retry_ns, before + want[i] * 1000000);
        ck_assert_uint_le(t.retry_ns, sync_now_ns() + want[i] * 1000000);
        ck_assert_uint_eq(t.failures, i + 1);
        assert_status(t.error.status, MOSS_IO);
    }
    trouble_clear(&t);
    assert_status(t.error.status, MOSS_OK);
    ck_assert_uint_eq(t.retry_ns, 0);
    trouble_note(&t, &err);
    ck_assert_uint_eq(t.pause_ms, 10);
}
END_TEST

/*
 * As if the failure had been followed by a pause that does not end.  An
 * attempt that is going on would end it: wait until there is none.
 */
static void
pause_for_good(struct moss_collection *c)
{
    mutex_lock(&c->mu);
    while (c->at_work > 0)
        condvar_wait(&c->progress, &c->mu);
    ck_assert_uint_ne(c->persist_trouble.retry_ns, 0);
    c->persist_trouble.retry_ns = MOSS_FOREVER - 1;
    mutex_unlock(&c->mu);
}

/* A failing lower level, paused after n failures in a row. */
static void
over_paused_toy(struct over_toy *o, unsigned failures)
{
    over_toy_open(o, NULL);
    toy_fail_next(o->toy, UINT32_MAX, MOSS_IO);
    run(o->c, "a=1");
    heard_wait_errors(&o->heard, failures);
    pause_for_good(o->c);
}

static unsigned
failures_so_far(struct moss_collection *c)
{
    struct moss_collection_stats stats;

    moss_collection_stats(c, &stats);
    return (unsigned)stats.persist_errors;
}

/*
 * Writers, readers and merges go on; none of them makes the persister try.
 * It has a thread of its own, so this could pass by luck, but not fail by it.
 */
START_TEST(batches_do_not_cut_a_pause_short)
{
    struct over_toy o;
    unsigned before;

    over_paused_toy(&o, 3);
    before = toy_updates(o.toy);
    for (int i = 0; i < 500; i++) {
        run(o.c, "a=1 b=2 kid{c=3}");
        assert_get(o.c, "a", "1");
    }
    ck_assert_uint_eq(toy_updates(o.toy), before);
    toy_fail_next(o.toy, 0, MOSS_OK);
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    assert_toy(&o, "a=1 b=2 kid{c=3}");
    over_toy_close(&o);
}
END_TEST

/* Each makes one attempt and tells how that went. */
START_TEST(flush_and_close_try_at_once_and_tell)
{
    struct over_toy o;
    struct moss_error err;
    unsigned before;

    over_paused_toy(&o, 2);
    before = failures_so_far(o.c);
    assert_status(moss_collection_flush(o.c, MOSS_FOREVER, &err), MOSS_IO);
    ck_assert_str_eq(err.what, "toy");
    ck_assert_uint_gt(failures_so_far(o.c), before);
    pause_for_good(o.c);
    assert_status(moss_collection_wait_idle(o.c, MOSS_FOREVER), MOSS_IO);
    pause_for_good(o.c);
    assert_status(moss_collection_close(o.c, 0, &err), MOSS_IO);
    ck_assert_str_eq(err.what, "toy");
    o.c = NULL;
    assert_toy(&o, "");
    over_toy_close(&o);
}
END_TEST

START_TEST(success_ends_the_trouble)
{
    struct over_toy o;

    over_paused_toy(&o, 4);
    toy_fail_next(o.toy, 0, MOSS_OK);
    assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
    mutex_lock(&o.c->mu);
    ck_assert_uint_eq(o.c->persist_trouble.pause_ms, 0);
    ck_assert_uint_eq(o.c->persist_trouble.retry_ns, 0);
    assert_status(o.c->persist_trouble.error.status, MOSS_OK);
    mutex_unlock(&o.c->mu);
    over_toy_close(&o);
}
END_TEST

Suite *suite_trouble(void);

Suite *
suite_trouble(void)
{
    Suite *s = suite_create("trouble");
    TCase *tc = tcase_create("trouble");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, pauses_double_up_to_five_seconds);
    tcase_add_test(tc, batches_do_not_cut_a_pause_short);
    tcase_add_test(tc, flush_and_close_try_at_once_and_tell);
    tcase_add_test(tc, success_ends_the_trouble);
    suite_add_tcase(s, tc);
    return s;
}
