/*
 * Iterators where entries of one segment follow each other for long, which are
 * stepped through without the heap, and where segments lie apart from each
 * other, which are gone through like one: both must read as with the heap.
 */
#include <stdio.h>
#include <stdlib.h>

#include "stack/segstack.h"
#include "support/fixture.h"
#include "support/operators.h"
#include "support/segments.h"

Suite *suite_iterator_run(void);

enum { KEYS = 3000, SEGS = 4, SEGS_APART = 8 };

/* What the stack says of key i: 0 nothing, else the value's number. */
static unsigned content[KEYS];

static struct moss_slice
make_key(size_t i, char *buf)
{
    return moss_slice(buf, (size_t)sprintf(buf, "key%05zu", 7 * i));
}

/*
 * A segment with runs of the keys [i, to): each begins anywhere and is of any
 * length.  Among them deletions and, if there is something below, operands.
 */
static struct segment *
make_runs(struct rng *rng, unsigned number, size_t i, size_t to)
{
    struct segment_builder *b = NULL;
    struct segment *seg, *mapped;

    assert_ok(segment_builder_new(KEYS, (size_t)KEYS * 20, &b));
    while (i < to) {
        size_t end = i + rng_below(rng, 200);
        char key[16], value[16];

        for (; i < end && i < to; i++) {
            struct moss_slice k = make_key(i, key);
            unsigned v = number * 10000 + (unsigned)i + 1;

            snprintf(value, sizeof(value), "%u", v);
            if (rng_below(rng, 100) == 0) {
                segment_builder_add(b, MOSS_OP_DEL, k, moss_str(""));
                content[i] = 0;
            } else if (rng_below(rng, 100) == 0 && content[i] == 0) {
                segment_builder_add(b, MOSS_OP_MERGE, k, moss_str(value));
                content[i] = v;
            } else {
                segment_builder_add(b, MOSS_OP_SET, k, moss_str(value));
                content[i] = v;
            }
        }
        i += rng_below(rng, 300);
    }
    seg = segment_builder_finish(b);
    if (rng_below(rng, 2) == 0)
        return seg;
    mapped = mapped_of(seg, rng);
    segment_unref(seg);
    return mapped;
}

static struct segstack *
make_stack(struct rng *rng, size_t n)
{
    struct segment *segs[SEGS];
    struct segstack *stack = NULL;

    memset(content, 0, sizeof(content));
    for (size_t i = 0; i < n; i++)
        segs[i] = make_runs(rng, (unsigned)i + 1, 0, KEYS);
    assert_ok(segstack_new(NULL, segs, n, &stack));
    for (size_t i = 0; i < n; i++)
        segment_unref(segs[i]);
    return stack;
}

/*
 * Segments that have a part of the keys each, in any order, some of them
 * nothing or one key, and among them now and then one that has of all keys.
 */
static struct segstack *
make_stack_apart(struct rng *rng)
{
    struct segment *segs[SEGS_APART];
    struct segstack *stack = NULL;
    size_t at[SEGS_APART + 1] = { 0 }, order[SEGS_APART];

    memset(content, 0, sizeof(content));
    for (size_t i = 0; i < SEGS_APART; i++) {
        size_t j = rng_below(rng, i + 1);
        size_t n = rng_below(rng, 4) == 0 ? rng_below(rng, 3)
                                          : rng_below(rng, KEYS / 4);

        at[i + 1] = at[i] + n < KEYS ? at[i] + n : KEYS;
        order[i] = order[j];
        order[j] = i;
    }
    for (size_t i = 0; i < SEGS_APART; i++) {
        bool wide = rng_below(rng, 12) == 0;

        segs[i] = make_runs(rng, (unsigned)i + 1, wide ? 0 : at[order[i]],
                            wide ? KEYS : at[order[i] + 1]);
    }
    assert_ok(segstack_new(NULL, segs, SEGS_APART, &stack));
    for (size_t i = 0; i < SEGS_APART; i++)
        segment_unref(segs[i]);
    return stack;
}

/* The next key that is there from i on, that way; KEYS if none. */
static size_t
there(size_t i, bool backwards)
{
    while (i < KEYS && content[i] == 0)
        i = backwards ? i - 1 : i + 1; /* below 0 is above KEYS, too */
    return i < KEYS ? i : KEYS;
}

static void
assert_at(struct moss_iterator *it, enum moss_status st, size_t i)
{
    struct moss_slice key, value;
    char want[16], number[16];

    if (i == KEYS) {
        assert_status(st, MOSS_DONE);
        return;
    }
    assert_ok(st);
    moss_iterator_current(it, &key, &value);
    ck_assert(slice_equal(key, make_key(i, want)));
    snprintf(number, sizeof(number), "%u", content[i]);
    ck_assert(slice_equal(value, moss_str(number)));
}

/* Walk with turns and seeks now and then. */
static void
walk(struct rng *rng, struct moss_iterator *it)
{
    size_t at = there(0, false);
    bool backwards = false;
    char buf[16];

    assert_at(it, moss_iterator_first(it), at);
    for (int step = 0; step < 4 * KEYS; step++) {
        if (at == KEYS || rng_below(rng, 700) == 0) {
            size_t i = (size_t)rng_below(rng, KEYS);

            backwards = rng_below(rng, 2) == 0;
            at = there(i, backwards);
            assert_at(it,
                      backwards
                          ? moss_iterator_seek_for_prev(it, make_key(i, buf))
                          : moss_iterator_seek(it, make_key(i, buf)),
                      at);
            continue;
        }
        if (rng_below(rng, 150) == 0)
            backwards = !backwards;
        at = there(backwards ? at - 1 : at + 1, backwards);
        assert_at(it,
                  backwards ? moss_iterator_prev(it) : moss_iterator_next(it),
                  at);
    }
}

static void
assert_gets(const struct segstack *stack)
{
    for (size_t i = 0; i < KEYS; i++) {
        struct moss_value value;
        char key[16], number[16];
        enum moss_status st =
            segstack_get(stack, &merge_append, make_key(i, key), &value);

        assert_status(st, content[i] == 0 ? MOSS_NOT_FOUND : MOSS_OK);
        if (st != MOSS_OK)
            continue;
        snprintf(number, sizeof(number), "%u", content[i]);
        ck_assert(slice_equal(value.bytes, moss_str(number)));
        moss_value_release(&value);
    }
}

START_TEST(runs_read_as_the_model)
{
    struct rng rng;

    rng_init(&rng, test_seed(6000) + (uint64_t)_i);
    for (int round = 0; round < 5; round++) {
        struct segstack *stack = make_stack(&rng, 1 + (size_t)_i % SEGS);
        struct moss_iterator *it = NULL;

        assert_ok(
            segstack_iterate(stack, &merge_append, NULL, NULL, NULL, &it));
        walk(&rng, it);
        moss_iterator_free(it);
        segstack_unref(stack);
    }
    ck_assert_int_eq(mapped_live(), 0);
}
END_TEST

START_TEST(segments_apart_read_as_the_model)
{
    struct rng rng;

    rng_init(&rng, test_seed(6200) + (uint64_t)_i);
    for (int round = 0; round < 5; round++) {
        struct segstack *stack = make_stack_apart(&rng);
        struct moss_iterator *it = NULL;

        assert_ok(
            segstack_iterate(stack, &merge_append, NULL, NULL, NULL, &it));
        assert_gets(stack);
        walk(&rng, it);
        moss_iterator_free(it);
        segstack_unref(stack);
    }
    ck_assert_int_eq(mapped_live(), 0);
}
END_TEST

/* Seeks from behind either bound, and into the middle. */
static void
seek_within(struct rng *rng, struct moss_iterator *it, size_t from, size_t to)
{
    for (int round = 0; round < 20; round++) {
        size_t i = (size_t)rng_below(rng, KEYS), at;
        char buf[16];
        struct moss_slice key = make_key(i, buf);

        at = there(i < from ? from : i, false);
        assert_at(it, moss_iterator_seek(it, key), at < to ? at : KEYS);
        if (to == 0)
            continue;
        at = there(i < to ? i : to - 1, true);
        at = at == KEYS || at < from ? KEYS : at;
        assert_at(it, moss_iterator_seek_for_prev(it, key), at);
    }
}

/* A run ends where the other segment's bound lets it begin. */
START_TEST(bounds_cut_runs_short)
{
    struct rng rng;
    struct segstack *stack;
    char lo_buf[16], hi_buf[16];

    rng_init(&rng, test_seed(6100) + (uint64_t)_i);
    stack = _i == 0 ? make_stack(&rng, 3) : make_stack_apart(&rng);
    for (int round = 0; round < 100; round++) {
        size_t from = (size_t)rng_below(&rng, KEYS);
        size_t to = from + (size_t)rng_below(&rng, KEYS - from);
        struct moss_slice lo = make_key(from, lo_buf);
        struct moss_slice hi = make_key(to, hi_buf);
        struct moss_iterator *it = NULL;
        enum moss_status st;

        assert_ok(segstack_iterate(stack, &merge_append, NULL, &lo, &hi, &it));
        st = moss_iterator_first(it);
        for (size_t i = there(from, false); i < to; i = there(i + 1, false)) {
            assert_at(it, st, i);
            st = moss_iterator_next(it);
        }
        assert_status(st, MOSS_DONE);
        st = moss_iterator_last(it);
        for (size_t i = to == 0 ? KEYS : there(to - 1, true);
             i != KEYS && i >= from; i = i == 0 ? KEYS : there(i - 1, true)) {
            assert_at(it, st, i);
            st = moss_iterator_prev(it);
        }
        assert_status(st, MOSS_DONE);
        seek_within(&rng, it, from, to);
        moss_iterator_free(it);
    }
    segstack_unref(stack);
}
END_TEST

/* At an operand no run goes on, least of all one of the segment before. */
START_TEST(a_run_ends_with_its_segment)
{
    struct segment *segs[] = { segment_of("a=1 b=2 c=3 d=4", NULL),
                               segment_of("x+5 y=6", &merge_append) };
    struct moss_slice hi = moss_str("y"), key, value;
    struct moss_iterator *it;
    struct segstack *stack;

    assert_ok(segstack_new(NULL, segs, 2, &stack));
    ck_assert_uint_eq(stack->n_chains, 1);
    assert_ok(segstack_iterate(stack, &merge_append, NULL, NULL, &hi, &it));
    for (int i = 0; i < 5; i++)
        assert_ok(moss_iterator_next(it));
    moss_iterator_current(it, &key, &value);
    assert_slice(key, "x");
    assert_slice(value, "5");
    assert_status(moss_iterator_next(it), MOSS_DONE);
    moss_iterator_free(it);
    segstack_unref(stack);
    segment_unref(segs[0]);
    segment_unref(segs[1]);
}
END_TEST

Suite *
suite_iterator_run(void)
{
    Suite *s = suite_create("iterator_run");
    TCase *tc = tcase_create("iterator_run");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, runs_read_as_the_model, 0, 8);
    tcase_add_loop_test(tc, segments_apart_read_as_the_model, 0, 8);
    tcase_add_test(tc, a_run_ends_with_its_segment);
    tcase_add_loop_test(tc, bounds_cut_runs_short, 0, 6);
    suite_add_tcase(s, tc);
    return s;
}
