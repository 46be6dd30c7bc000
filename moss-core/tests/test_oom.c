/*
 * Every allocation of a collection's life fails once, in the caller or in a
 * background thread: the call says MOSS_NOMEM and has done nothing, or the
 * background work is done later.  Nothing leaks and nothing is lost.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "support/coll.h"
#include "support/fail_alloc.h"
#include "support/mem_os.h"
#include "support/operators.h"

/* The batches, and what they come to. */
static const char *const words[] = {
    "a=1 b=1 kid{a=1}",
    "a+2 -b c=3 kid{a+2 grandkid{x=1}} kin{}",
    "c+4 !kin d=5",
    "!kid kid{z=9} d+6",
};
static const char result[] = "a=12 c=34 d=56 kid{z=9}";
enum { BATCHES = sizeof(words) / sizeof(words[0]) };

struct life {
    bool in_memory;
    struct mem_os *os;
    struct moss_batch *batches[BATCHES];
    bool tripped; /* the failure came while it lived */
};

static void
life_init(struct life *l, bool in_memory)
{
    l->in_memory = in_memory;
    l->tripped = false;
    l->os = mem_os_new();
    for (int i = 0; i < BATCHES; i++) {
        l->batches[i] = batch_of(words[i]);
        moss_batch_set_tag(l->batches[i], tag_of((uint64_t)i + 1));
    }
}

static void
life_release(struct life *l)
{
    for (int i = 0; i < BATCHES; i++)
        moss_batch_free(l->batches[i]);
    mem_os_free(l->os);
}

/* A single failure passes: whoever asks again gets what he wants. */
#define until_it_works(expr)                                                   \
    do {                                                                       \
        enum moss_status st_ = (expr);                                         \
        while (st_ == MOSS_NOMEM)                                              \
            st_ = (expr);                                                      \
        assert_ok(st_);                                                        \
    } while (0)

static enum moss_status
open_once(struct life *l, struct moss_collection **out)
{
    struct moss_collection_options options = { .merge = &merge_append };
    struct moss_store_options store_options = { .os = mem_os_base(l->os),
                                                .merge = &merge_append };
    struct moss_lower *lower = NULL;
    struct moss_store *store;
    enum moss_status st;

    *out = NULL;
    if (l->in_memory)
        return moss_collection_open(&options, NULL, out);
    st = moss_store_open("/db", &store_options, &store, NULL);
    if (st != MOSS_OK)
        return st;
    st = moss_store_lower(store, &lower);
    moss_store_close(store);
    if (st == MOSS_OK)
        st = moss_collection_open(&options, lower, out);
    if (st != MOSS_OK && lower != NULL)
        lower->ops->close(lower);
    return st;
}

static enum moss_status
read_child(struct moss_collection *c)
{
    struct moss_snapshot *snap = NULL, *kid = NULL;
    struct moss_value value;
    enum moss_status st = moss_collection_snapshot(c, &snap);

    if (st == MOSS_OK)
        st = moss_snapshot_child(snap, moss_str("kid"), &kid);
    if (st == MOSS_OK) {
        st = moss_snapshot_get(kid, moss_str("none"), &value);
        st = st == MOSS_NOT_FOUND ? MOSS_OK : st;
    }
    moss_snapshot_unref(kid);
    moss_snapshot_unref(snap);
    return st;
}

static enum moss_status
read_value(struct moss_collection *c)
{
    struct moss_value value;
    enum moss_status st = moss_collection_get(c, moss_str("a"), &value);

    if (st == MOSS_OK)
        moss_value_release(&value);
    return st;
}

static enum moss_status
read_old(struct moss_collection *c)
{
    struct moss_snapshot *snap;
    enum moss_status st = moss_collection_snapshot_at(c, tag_of(1), &snap);

    if (st == MOSS_OK)
        moss_snapshot_unref(snap);
    return st;
}

static void
live(struct life *l)
{
    struct moss_collection *c;
    struct moss_prepared *dropped;

    until_it_works(open_once(l, &c));
    for (int i = 0; i < BATCHES; i++) {
        until_it_works(
            moss_collection_prepare(c, l->batches[i], MOSS_FOREVER, &dropped));
        moss_prepared_free(dropped);
        until_it_works(moss_collection_execute(c, l->batches[i]));
        until_it_works(read_child(c));
        until_it_works(read_value(c));
        until_it_works(read_old(c));
        if (i == 1)
            until_it_works(moss_collection_flush(c, MOSS_FOREVER, NULL));
    }
    until_it_works(moss_collection_wait_idle(c, MOSS_FOREVER));
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    until_it_works(open_once(l, &c));
    l->tripped = fail_alloc_tripped();
    fail_alloc_nth(0);
    if (!l->in_memory)
        assert_collection(c, result);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}

START_TEST(one_failed_allocation_loses_nothing)
{
    struct life l = { .tripped = true };
    uint64_t n;

    for (n = 1; l.tripped; n++) {
        settle_reaper();
        fail_alloc_install();
        life_init(&l, _i == 0);
        fail_alloc_nth(n);
        live(&l);
        life_release(&l);
        reaper_drain();
        ck_assert_int_eq(fail_alloc_live(), 0);
        fail_alloc_remove();
    }
    printf("oom: %d allocations\n", (int)n - 2);
    ck_assert_uint_gt(n, 100);
}
END_TEST

/*
 * No memory at all for a while: what was published before is all there, and
 * comes down once there is memory again.
 */
START_TEST(collection_survives_a_time_without_memory)
{
    struct moss_collection_stats stats;
    struct moss_collection *c;
    struct moss_snapshot *snap;
    struct life l;

    settle_reaper();
    fail_alloc_install();
    life_init(&l, _i == 0);
    assert_ok(open_once(&l, &c));
    for (int i = 0; i < BATCHES; i++)
        assert_ok(moss_collection_execute(c, l.batches[i]));
    fail_alloc_from(1);
    assert_status(moss_collection_execute(c, l.batches[0]), MOSS_NOMEM);
    assert_status(moss_collection_snapshot(c, &snap), MOSS_NOMEM);
    moss_collection_stats(c, &stats);
    fail_alloc_nth(0);
    ck_assert_uint_eq(stats.batches, BATCHES);
    assert_collection(c, result);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    assert_ok(open_once(&l, &c));
    if (_i == 1)
        assert_collection(c, result);
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
    life_release(&l);
    reaper_drain();
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
}
END_TEST

/*
 * A writer waits for room, and the merger, for whom the persister waits, has
 * no memory: the wait ends, wherever memory came to its end.
 */
START_TEST(writer_is_told_that_the_merger_has_no_memory)
{
    struct moss_collection_options options = { .max_dirty_ops = 3,
                                               .persist_delay_ms = 3600000 };
    struct moss_batch *big = batch_of("b=1 c=2 d=3");
    bool tripped = true;
    uint64_t n;

    for (n = 1; tripped; n++) {
        struct over_toy o;
        struct moss_prepared *p;
        enum moss_status st;

        settle_reaper();
        fail_alloc_install(); /* before there are threads that allocate */
        over_toy_open(&o, &options);
        run(o.c, "a=1");
        fail_alloc_from(n);
        st = moss_collection_prepare(o.c, big, MOSS_FOREVER, &p);
        tripped = fail_alloc_tripped();
        fail_alloc_nth(0);
        ck_assert(st == MOSS_OK || (st == MOSS_NOMEM && tripped));
        moss_prepared_free(p);
        assert_ok(moss_collection_flush(o.c, MOSS_FOREVER, NULL));
        run(o.c, "b=1 c=2 d=3");
        assert_collection(o.c, "a=1 b=1 c=2 d=3");
        over_toy_close(&o);
        settle_reaper();
        fail_alloc_remove();
    }
    ck_assert_uint_gt(n, 15);
    moss_batch_free(big);
}
END_TEST

Suite *suite_oom(void);

Suite *
suite_oom(void)
{
    Suite *s = suite_create("oom");
    TCase *tc = tcase_create("oom");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, one_failed_allocation_loses_nothing, 0, 2);
    tcase_add_loop_test(tc, collection_survives_a_time_without_memory, 0, 2);
    tcase_add_test(tc, writer_is_told_that_the_merger_has_no_memory);
    suite_add_tcase(s, tc);
    return s;
}
