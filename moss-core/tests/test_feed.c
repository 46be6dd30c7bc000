/* What a merge gives, written on another thread. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/sync.h"
#include "store/feed.h"
#include "store/mapped.h"
#include "store/segwriter.h"
#include "support/coll.h"
#include "support/fail_alloc.h"
#include "support/fault_os.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/segments.h"

Suite *suite_feed(void);

static struct moss_error err;

/* ------------------------------------------------------------------ */
/* The feed                                                           */
/* ------------------------------------------------------------------ */

enum { ITEMS = 20000 };

/* Takes items numbered by the bytes of their values, until it fails. */
struct eater {
    size_t n, fails_at;
    uintptr_t thread;
};

static enum moss_status
eat(void *ctx, const struct feed_item *item)
{
    struct eater *eater = ctx;

    if (eater->n == eater->fails_at)
        return MOSS_FULL;
    ck_assert_uint_eq(item->run.seg == NULL ? item->e.key.len : item->run.from,
                      eater->n);
    eater->n++;
    eater->thread = thread_self_mark();
    return MOSS_OK;
}

/* Put item i, a run or an entry of so many bytes. */
static enum moss_status
put(struct feed *f, size_t i, uint64_t bytes, size_t *turns)
{
    static const struct segment none;
    struct feed_item *item = feed_room(f);
    bool turned = false;
    enum moss_status st;

    item->run.seg = i % 3 == 0 ? &none : NULL;
    item->run.from = i;
    item->e.key = moss_slice(NULL, i);
    item->e.value = moss_slice(NULL, 0);
    st = feed_put(f, bytes, &turned);
    *turns += turned;
    return st;
}

START_TEST(items_arrive_in_order_on_another_thread)
{
    struct eater eater = { 0, SIZE_MAX, 0 };
    size_t turns = 0;
    struct feed *f;

    assert_ok(feed_new(eat, &eater, &f));
    for (size_t i = 0; i < ITEMS; i++) {
        assert_ok(put(f, i, _i == 0 ? 1 : 100000, &turns));
        if (i % 7777 == 0) {
            assert_ok(feed_drain(f));
            ck_assert_uint_eq(eater.n, i + 1);
        }
    }
    assert_ok(feed_drain(f));
    assert_ok(feed_drain(f)); /* nothing is left */
    ck_assert_uint_eq(eater.n, ITEMS);
    ck_assert(eater.thread != thread_self_mark());
    /* Large items do not wait for many others. */
    ck_assert_uint_ge(turns, _i == 0 ? ITEMS / 2000 : ITEMS / 4);
    feed_free(f);
}
END_TEST

/* Where it fails: at once, later, in the last batch. */
START_TEST(failure_of_the_sink_is_reported_and_ends_it)
{
    static const size_t places[] = { 0, 5000, ITEMS - 1 };
    struct eater eater = { 0, places[_i], 0 };
    enum moss_status st = MOSS_OK;
    size_t turns = 0;
    struct feed *f;

    assert_ok(feed_new(eat, &eater, &f));
    for (size_t i = 0; i < ITEMS && st == MOSS_OK; i++)
        st = put(f, i, 1, &turns);
    if (_i < 2)
        assert_status(st, MOSS_FULL);
    assert_status(feed_drain(f), MOSS_FULL);
    ck_assert_uint_eq(eater.n, places[_i]);
    feed_free(f);
}
END_TEST

START_TEST(feed_is_freed_with_items_in_it)
{
    struct eater eater = { 0, SIZE_MAX, 0 };
    size_t turns = 0;
    struct feed *f;

    assert_ok(feed_new(eat, &eater, &f));
    for (size_t i = 0; i < 5000; i++)
        assert_ok(put(f, i, 1, &turns));
    feed_free(f);
    ck_assert_uint_le(eater.n, 5000);
    feed_free(NULL);
}
END_TEST

/* The feed, its pump, and what the pump's thread needs. */
START_TEST(without_memory_there_is_no_feed)
{
    struct eater eater = { 0, SIZE_MAX, 0 };
    struct feed *f = NULL;
    int64_t before;

    settle_reaper();
    fail_alloc_install();
    before = fail_alloc_live();
    for (uint64_t n = 1; n <= 3; n++) {
        fail_alloc_nth(n);
        assert_status(feed_new(eat, &eater, &f), MOSS_NOMEM);
        ck_assert(fail_alloc_tripped());
        ck_assert_ptr_null(f);
        ck_assert_int_eq(fail_alloc_live(), before);
    }
    fail_alloc_nth(0);
    fail_alloc_remove();
}
END_TEST

/* ------------------------------------------------------------------ */
/* Large merges                                                       */
/* ------------------------------------------------------------------ */

enum { SEGMENTS = 3, ENTRIES = 50000, VALUE = 100 };

static struct mem_os *mem;
static struct fault_os *fault;
static struct file *file;
static struct segment *segs[SEGMENTS];

/*
 * Entries among about 1.5 times as many keys, in places one after the other;
 * one in 16 is a deletion.
 */
static struct segment *
large_segment(struct rng *r)
{
    struct segment_builder *b = NULL;
    size_t at = 0;

    assert_ok(segment_builder_new(ENTRIES, ENTRIES * (16 + VALUE), &b));
    for (size_t i = 0; i < ENTRIES; i++) {
        uint8_t value[VALUE];
        char key[16];
        bool is_del = rng_below(r, 16) == 0;

        at += i / 1000 % 2 == 0 ? 1 : 1 + rng_below(r, 3);
        snprintf(key, sizeof key, "k%012zu", at);
        for (size_t k = 0; k < sizeof value; k++)
            value[k] = (uint8_t)(i + k * at);
        segment_builder_add(
            b, is_del ? MOSS_OP_DEL : MOSS_OP_SET, moss_str(key),
            moss_slice(value, is_del ? 0 : rng_below(r, VALUE)));
    }
    return segment_builder_finish(b);
}

static void
setup(void)
{
    struct rng r;

    mem = mem_os_new();
    fault = fault_os_new(mem_os_base(mem));
    assert_ok(file_open(fault_os_base(fault), "/f",
                        MOSS_OPEN_WRITE | MOSS_OPEN_CREATE, &file, &err));
    rng_init(&r, 1);
    for (size_t i = 0; i < SEGMENTS; i++)
        segs[i] = large_segment(&r);
}

static void
teardown(void)
{
    for (size_t i = 0; i < SEGMENTS; i++)
        segment_unref(segs[i]);
    file_unref(file);
    settle_reaper();
    fault_os_free(fault);
    mem_os_free(mem);
}

static struct segwriter
writer(void)
{
    struct segwriter w = { .file = file, .nonce = 9, .pos = 4096 };

    return w;
}

/* seg has the entries of want. */
static void
assert_same_entries(const struct segment *seg, const struct segment *want)
{
    ck_assert_uint_eq(seg->n, want->n);
    for (size_t i = 0; i < want->n; i++) {
        struct entry a, b;

        assert_ok(segment_entry(seg, i, &a));
        assert_ok(segment_entry(want, i, &b));
        ck_assert_int_eq(a.op, b.op);
        ck_assert(slice_equal(a.key, b.key) && slice_equal(a.value, b.value));
    }
}

/* _i: without and with something below, so that deletions go or stay. */
START_TEST(large_merge_writes_what_is_merged_in_memory)
{
    struct segment *want = NULL, *got = NULL;
    struct segstack *below = NULL;
    struct segwriter w = writer();
    struct segment_loc loc;

    if (_i == 1)
        assert_ok(segstack_new(NULL, NULL, 0, &below));
    assert_ok(segwriter_merge(&w, segs, SEGMENTS, below, &loc, &err));
    assert_ok(segstack_merge(segs, SEGMENTS, below, NULL, &want));
    assert_ok(mapped_segment_new(file, NULL, &loc, 9, &got, &err));
    assert_same_entries(got, want);
    ck_assert_uint_eq(loc.n_del, want->totals.n_del);
    ck_assert_uint_eq(loc.n_set, want->totals.n_set);
    ck_assert_uint_eq(loc.key_bytes, want->totals.key_bytes);
    ck_assert_uint_eq(loc.value_bytes, want->totals.value_bytes);
    for (size_t i = 0; i < want->n; i += 97) {
        struct entry e, found;

        assert_ok(segment_entry(want, i, &e));
        assert_ok(segment_find(got, e.key, &found));
        ck_assert(slice_equal(found.value, e.value));
    }
    segment_unref(got);
    segment_unref(want);
    segstack_unref(below);
}
END_TEST

/*
 * An operand for each key that has a value, in a file that counts them as
 * values; as Go moss wrote it, without checksums.
 */
static struct segment *
miscounted_operands(struct segwriter *w)
{
    struct segment_builder *b = NULL;
    struct segment *seg = NULL, *operands;
    struct segment_loc loc;

    assert_ok(segment_builder_new(ENTRIES, ENTRIES * 32, &b));
    for (size_t i = 0; i < segs[0]->n; i++) {
        struct entry e;
        char value[16];

        assert_ok(segment_entry(segs[0], i, &e));
        snprintf(value, sizeof value, "+%zu", i * i);
        if (e.op == MOSS_OP_SET)
            segment_builder_add(b, MOSS_OP_MERGE, e.key, moss_str(value));
    }
    operands = segment_builder_finish(b);
    assert_ok(segwriter_copy(w, operands, &loc, &err));
    segment_unref(operands);
    loc.has_extras = false;
    loc.n_set = loc_entries(&loc);
    assert_ok(mapped_segment_new(file, NULL, &loc, 9, &seg, &err));
    return seg;
}

START_TEST(values_of_miscounted_operands_last_until_they_are_written)
{
    struct segwriter w = writer();
    struct segment *some[] = { segs[0], segs[1], miscounted_operands(&w) };
    struct segment *want = NULL, *got = NULL;
    struct segment_loc loc;

    w.merge = &merge_append;
    assert_ok(segwriter_merge(&w, some, 3, NULL, &loc, &err));
    assert_ok(segstack_merge(some, 3, NULL, &merge_append, &want));
    assert_ok(mapped_segment_new(file, NULL, &loc, 9, &got, &err));
    assert_same_entries(got, want);
    segment_unref(got);
    segment_unref(want);
    segment_unref(some[2]);
}
END_TEST

/* In slices: after each of them all of it is with the stream. */
START_TEST(large_merge_can_go_on_by_and_by)
{
    struct segment *want = NULL, *got = NULL;
    struct segwriting *g = NULL;
    struct segwriter w = writer();
    enum moss_status st = MOSS_OK;
    struct segment_loc loc;
    uint64_t sum = 0;

    assert_ok(segwriting_new(&w, segs, SEGMENTS, NULL, &g, &err));
    while (st == MOSS_OK) {
        uint64_t written = 0;

        st = segwriting_go_on(g, 1000000, &written, &loc);
        sum += written;
        ck_assert(st != MOSS_OK || written >= 1000000);
    }
    assert_status(st, MOSS_DONE);
    segwriting_free(g);
    ck_assert_uint_eq(sum, loc.kvs_bytes + loc.buf_bytes);
    assert_ok(segstack_merge(segs, SEGMENTS, NULL, NULL, &want));
    assert_ok(mapped_segment_new(file, NULL, &loc, 9, &got, &err));
    assert_same_entries(got, want);
    segment_unref(got);
    segment_unref(want);
}
END_TEST

/* Whichever write fails, until a merge comes through. */
START_TEST(failure_in_a_large_merge_leaves_the_place_free)
{
    enum moss_status st = MOSS_FULL;
    unsigned n = 0;

    while (st != MOSS_OK) {
        struct segwriter w = writer();
        struct segment_loc loc;

        fault_os_fail_nth(fault, FAULT_WRITE, ++n, MOSS_FULL, ENOSPC);
        st = segwriter_merge(&w, segs, SEGMENTS, NULL, &loc, &err);
        if (st == MOSS_OK)
            break;
        assert_status(st, MOSS_FULL);
        ck_assert_int_eq(err.status, MOSS_FULL);
        ck_assert_str_eq(err.what, "write");
        ck_assert_uint_eq(w.pos, 4096);
    }
    ck_assert_uint_gt(n, 4); /* some of them the pump's */
}
END_TEST

/* Is asked for a while, by the thread that made it. */
struct asked {
    struct file_watch base;
    uintptr_t thread;
    uint64_t bytes, max;
};

static enum moss_status
ask(struct file_watch *base, size_t n)
{
    struct asked *asked = container_of(base, struct asked, base);

    ck_assert(asked->thread == thread_self_mark());
    asked->bytes += n;
    return asked->bytes > asked->max ? MOSS_ABORTED : MOSS_OK;
}

START_TEST(large_merge_asks_its_caller_whether_to_go_on)
{
    struct asked asked = { { ask }, thread_self_mark(), 0, UINT64_MAX };
    struct segwriter w = writer();
    struct segment_loc loc;
    uint64_t all;

    file->watch = &asked.base;
    assert_ok(segwriter_merge(&w, segs, SEGMENTS, NULL, &loc, &err));
    all = loc.kvs_bytes + loc.buf_bytes;
    ck_assert_uint_gt(asked.bytes, all - (1 << 20));
    asked.bytes = 0;
    asked.max = all / 2;
    w = writer();
    assert_status(segwriter_merge(&w, segs, SEGMENTS, NULL, &loc, &err),
                  MOSS_ABORTED);
    ck_assert_int_eq(err.status, MOSS_ABORTED);
    ck_assert_uint_eq(w.pos, 4096);
    ck_assert_uint_lt(asked.bytes, all - (1 << 20));
    file->watch = NULL;
}
END_TEST

Suite *
suite_feed(void)
{
    Suite *s = suite_create("feed");
    TCase *tc = tcase_create("feed"), *merge = tcase_create("merge");

    tcase_add_loop_test(tc, items_arrive_in_order_on_another_thread, 0, 2);
    tcase_add_loop_test(tc, failure_of_the_sink_is_reported_and_ends_it, 0, 3);
    tcase_add_test(tc, feed_is_freed_with_items_in_it);
    tcase_add_test(tc, without_memory_there_is_no_feed);
    suite_add_tcase(s, tc);
    tcase_add_checked_fixture(merge, setup, teardown);
    tcase_add_loop_test(merge, large_merge_writes_what_is_merged_in_memory, 0,
                        2);
    tcase_add_test(merge,
                   values_of_miscounted_operands_last_until_they_are_written);
    tcase_add_test(merge, large_merge_can_go_on_by_and_by);
    tcase_add_test(merge, failure_in_a_large_merge_leaves_the_place_free);
    tcase_add_test(merge, large_merge_asks_its_caller_whether_to_go_on);
    suite_add_tcase(s, merge);
    return s;
}
