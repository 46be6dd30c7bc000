/* Merging segments, and the changes that lower levels are given. */
#include "stack/segstack.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/coding.h"
#include "stack/snapshot.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"
#include "support/foreign.h"
#include "support/operators.h"
#include "support/segments.h"

enum { MAX = 8 };

struct fixture {
    struct segment *segs[MAX];
    size_t n;
    struct segstack *below; /* NULL: nothing */
};

/* Segments of these words, oldest first; below: words or NULL. */
static void
setup(struct fixture *fx, const char *below, const char *const *texts)
{
    memset(fx, 0, sizeof(*fx));
    for (; texts[fx->n] != NULL; fx->n++)
        fx->segs[fx->n] = segment_of(texts[fx->n], &merge_append);
    if (below != NULL) {
        struct segment *seg = segment_of(below, &merge_append);

        assert_ok(segstack_new(NULL, &seg, 1, &fx->below));
        segment_unref(seg);
    }
}

#define SETUP(fx, below, ...)                                                  \
    setup(fx, below, (const char *const[]){ __VA_ARGS__, NULL })

static void
teardown(struct fixture *fx)
{
    for (size_t i = 0; i < fx->n; i++)
        segment_unref(fx->segs[i]);
    segstack_unref(fx->below);
}

static void
assert_merged(const struct fixture *fx, const struct moss_merge_operator *merge,
              const char *want)
{
    struct segment *merged;
    char *text;

    assert_ok(segstack_merge(fx->segs, fx->n, fx->below, merge, &merged));
    text = segment_text(merged);
    ck_assert_str_eq(text, want);
    free(text);
    segment_unref(merged);
}

static struct moss_merge_operator
without_partial(void)
{
    struct moss_merge_operator op = merge_append;

    op.partial = NULL;
    return op;
}

START_TEST(the_newest_entry_of_a_key_is_left)
{
    struct fixture fx;

    SETUP(&fx, NULL, "a=1 b=1 d=1", "b=2 c=2", "a=3 e=3");
    assert_merged(&fx, NULL, "a=3 b=2 c=2 d=1 e=3");
    teardown(&fx);
}
END_TEST

START_TEST(deletions_vanish_over_nothing)
{
    struct fixture fx;

    SETUP(&fx, NULL, "a=1 b=1 -c", "-a -x");
    assert_merged(&fx, NULL, "b=1");
    teardown(&fx);
}
END_TEST

START_TEST(deletions_stay_over_something)
{
    struct fixture fx;

    SETUP(&fx, "z=1", "a=1 b=1 -c", "-a -x");
    assert_merged(&fx, NULL, "-a b=1 -c -x");
    teardown(&fx);
}
END_TEST

START_TEST(operands_over_nothing_become_values)
{
    struct fixture fx;
    struct moss_merge_operator op = without_partial();

    SETUP(&fx, NULL, "a=1 -b c+1 d=1", "a+2 b+2 c+2 d+2", "a+3 -d e+3");
    assert_merged(&fx, &op, "a=123 b=2 c=12 e=3");
    assert_merged(&fx, &merge_append, "a=123 b=2 c=12 e=3");
    teardown(&fx);
}
END_TEST

START_TEST(operands_over_something_combine_partially)
{
    struct fixture fx;

    SETUP(&fx, "c=0", "c+1 d+1 a=1 -b", "c+2 a+2 b+2", "c+3");
    assert_merged(&fx, &merge_append, "a=12 b=2 c+123 d+1");
    teardown(&fx);
}
END_TEST

START_TEST(operands_that_do_not_combine_read_below)
{
    struct fixture fx;
    struct moss_merge_operator op = without_partial();

    SETUP(&fx, "c=0", "c+1 d+1 e+1", "c+2 d+2");
    assert_merged(&fx, &op, "c=012 d=12 e+1");
    teardown(&fx);
}
END_TEST

START_TEST(without_operator_only_single_operands_pass)
{
    struct fixture fx;
    struct segment *merged;

    SETUP(&fx, NULL, "a+1 -b", "b+2 c=1");
    assert_merged(&fx, NULL, "a+1 b+2 c=1");
    teardown(&fx);
    SETUP(&fx, NULL, "a+1", "a+2");
    assert_status(segstack_merge(fx.segs, 2, NULL, NULL, &merged),
                  MOSS_NO_OPERATOR);
    ck_assert_ptr_null(merged);
    teardown(&fx);
    SETUP(&fx, "z=1", "-a", "a+2");
    assert_status(segstack_merge(fx.segs, 2, fx.below, NULL, &merged),
                  MOSS_NO_OPERATOR);
    teardown(&fx);
}
END_TEST

START_TEST(a_failure_below_is_reported)
{
    struct moss_merge_operator op = without_partial();
    struct model *m = model_new();
    struct moss_snapshot *lower = foreign_new(m);
    struct segstack *below;
    struct segment *merged;
    struct fixture fx;

    SETUP(&fx, NULL, "a+1", "a+2");
    assert_ok(segstack_new(lower, NULL, 0, &below));
    foreign_fail_nth(1);
    assert_status(segstack_merge(fx.segs, 2, below, &op, &merged), MOSS_IO);
    foreign_fail_nth(0);
    segstack_unref(below);
    moss_snapshot_unref(lower);
    model_free(m);
    teardown(&fx);
}
END_TEST

START_TEST(a_failure_stays)
{
    struct fixture fx;
    struct segmerge *m;
    struct entry e;

    SETUP(&fx, NULL, "a=1 b+1 c=1", "c=2");
    assert_ok(segmerge_new(fx.segs, 2, NULL, &merge_fail, &m));
    assert_ok(segmerge_next(m, &e));
    assert_status(segmerge_next(m, &e), MOSS_MERGE_FAILED);
    assert_status(segmerge_next(m, &e), MOSS_MERGE_FAILED);
    segmerge_free(m);
    teardown(&fx);
}
END_TEST

START_TEST(done_stays)
{
    struct fixture fx;
    struct segmerge *m;
    struct entry e;

    SETUP(&fx, NULL, "a=1");
    assert_ok(segmerge_new(fx.segs, 1, NULL, NULL, &m));
    assert_ok(segmerge_next(m, &e));
    assert_status(segmerge_next(m, &e), MOSS_DONE);
    assert_status(segmerge_next(m, &e), MOSS_DONE);
    segmerge_free(m);
    assert_ok(segmerge_new(NULL, 0, NULL, NULL, &m));
    assert_status(segmerge_next(m, &e), MOSS_DONE);
    segmerge_free(m);
    teardown(&fx);
}
END_TEST

/* Values that an operator makes may be larger than all that went in. */
static enum moss_status
blow_up(void *ctx, struct moss_slice key, const struct moss_slice *existing,
        const struct moss_slice *operands, size_t n, struct moss_output *out)
{
    static const char block[1000];
    enum moss_status st = MOSS_OK;

    (void)ctx, (void)key, (void)existing, (void)operands, (void)n;
    for (int i = 0; i < 300 && st == MOSS_OK; i++)
        st = moss_output_append(out, block, sizeof(block));
    return st;
}

START_TEST(values_may_grow)
{
    static const struct moss_merge_operator op = { "grow", blow_up, NULL,
                                                   NULL };
    struct fixture fx;
    struct segment *merged;

    SETUP(&fx, NULL, "a+1 b+1 c+1", "a+2 b+2");
    assert_ok(segstack_merge(fx.segs, 2, NULL, &op, &merged));
    ck_assert_uint_eq(merged->totals.value_bytes, 900000);
    segment_unref(merged);
    teardown(&fx);
}
END_TEST

/* Numbers from first on, the n of them that are step apart, as keys. */
static struct segment *
segment_of_numbers(int first, int n, int step, const char *tail,
                   const char *value)
{
    struct segment_builder *b;
    char key[16];

    assert_ok(segment_builder_new((size_t)n, (size_t)n * 8, &b));
    for (int i = 0; i < n; i++) {
        snprintf(key, sizeof(key), "%04d%s", first + i * step, tail);
        segment_builder_add(b, MOSS_OP_SET, moss_str(key), moss_str(value));
    }
    return segment_builder_finish(b);
}

/*
 * Segments that follow each other, and a newer one that breaks their runs:
 * with keys that they have (_i 0), or with others (_i 1).
 */
START_TEST(runs_are_copied_as_they_are)
{
    const char *tail = _i == 0 ? "" : "x";
    struct segment *segs[4], *merged;
    size_t at = 0;

    for (int s = 0; s < 3; s++)
        segs[s] = segment_of_numbers(s * 100, 100, 1, "", "o");
    segs[3] = segment_of_numbers(25, 6, 50, tail, "n");
    assert_ok(segstack_merge(segs, 4, NULL, NULL, &merged));
    ck_assert_uint_eq(merged->n, _i == 0 ? 300 : 306);
    for (int i = 0; i < 300; i++) {
        bool newer = i % 50 == 25;
        char key[16];
        struct entry e;

        snprintf(key, sizeof(key), "%04d", i);
        assert_ok(segment_entry(merged, at++, &e));
        assert_slice(e.key, key);
        assert_slice(e.value, newer && _i == 0 ? "n" : "o");
        if (newer && _i == 1) {
            assert_ok(segment_entry(merged, at++, &e));
            assert_slice(e.value, "n");
        }
    }
    segment_unref(merged);
    for (size_t i = 0; i < 4; i++)
        segment_unref(segs[i]);
}
END_TEST

/* What is out of order must not get into a segment that is trusted. */
START_TEST(segments_out_of_order_are_corrupt)
{
    uint64_t first = (uint64_t)1 << ENTRY_OP_SHIFT | (uint64_t)1
                                                         << ENTRY_KEY_SHIFT;
    uint64_t kvs[6] = { first, 0, first, 2, first, 1 };
    struct segment *segs[2], *merged;

    segs[0] = mapped_new(kvs, 3, "abc", 3);
    segs[1] = segment_of("b=1", NULL);
    assert_status(segstack_merge(segs, 1, NULL, NULL, &merged), MOSS_CORRUPT);
    assert_status(segstack_merge(segs, 2, NULL, NULL, &merged), MOSS_CORRUPT);
    segment_unref(segs[0]);
    segment_unref(segs[1]);
}
END_TEST

/* -------------------------------------------------------------- changes */

/* All entries of a change, to be freed. */
static char *
change_text(const struct segstack *stack,
            const struct moss_merge_operator *merge)
{
    struct moss_change change = { .segments = stack };
    struct moss_iterator *it;
    enum moss_status st;
    char *text = NULL;
    size_t len;
    FILE *f = must_alloc(open_memstream(&text, &len));

    assert_ok(moss_change_iterate(&change, merge, &it));
    for (st = moss_iterator_first(it); st == MOSS_OK;
         st = moss_iterator_next(it)) {
        struct moss_slice key, value;
        char *k, *v;

        moss_iterator_current(it, &key, &value);
        k = text_of(key);
        v = text_of(value);
        fprintf(f, "%c%s%s ", "?=-+"[moss_change_op(it)], k, v);
        free(k);
        free(v);
    }
    assert_status(st, MOSS_DONE);
    moss_iterator_free(it);
    fclose(f);
    return text;
}

static void
assert_change(const struct fixture *fx, const struct moss_merge_operator *merge,
              const char *want)
{
    struct segstack *stack;
    char *text;

    assert_ok(segstack_new(NULL, fx->segs, fx->n, &stack));
    text = change_text(stack, merge);
    ck_assert_str_eq(text, want);
    free(text);
    segstack_unref(stack);
}

START_TEST(a_change_gives_deletions_and_operands)
{
    struct moss_merge_operator op = without_partial();
    struct fixture fx;

    SETUP(&fx, NULL, "a=1 -b c+1 d+1 e=1", "a+2 c+2 -e", "a+3 c+3 f=1");
    assert_change(&fx, &merge_append, "=a123 -b +c123 +d1 -e =f1 ");
    assert_change(&fx, &op, "=a123 -b +c1 +c2 +c3 +d1 -e =f1 ");
    assert_change(&fx, NULL, "=a1 +a2 +a3 -b +c1 +c2 +c3 +d1 -e =f1 ");
    teardown(&fx);
}
END_TEST

START_TEST(a_change_can_be_read_again_but_not_backwards)
{
    struct fixture fx;
    struct segstack *stack;
    struct moss_change change = { .segments = NULL };
    struct moss_iterator *it;

    SETUP(&fx, NULL, "a+1 b=1", "a+2");
    assert_ok(segstack_new(NULL, fx.segs, fx.n, &stack));
    change.segments = stack;
    assert_ok(moss_change_iterate(&change, NULL, &it));
    assert_ok(moss_iterator_next(it));
    assert_ok(moss_iterator_first(it));
    assert_slice(it->value, "1");
    assert_ok(moss_iterator_next(it));
    assert_slice(it->value, "2");
    assert_status(moss_iterator_prev(it), MOSS_UNSUPPORTED);
    assert_status(moss_iterator_last(it), MOSS_UNSUPPORTED);
    assert_status(moss_iterator_seek(it, moss_str("a")), MOSS_UNSUPPORTED);
    moss_iterator_free(it);
    change.segments = NULL;
    assert_ok(moss_change_iterate(&change, NULL, &it));
    assert_status(moss_iterator_next(it), MOSS_DONE);
    moss_iterator_free(it);
    segstack_unref(stack);
    teardown(&fx);
}
END_TEST

/* ------------------------------------------------------ memory, random */

START_TEST(every_allocation_may_fail)
{
    struct moss_merge_operator op = without_partial();
    struct fixture fx;
    bool tripped;

    SETUP(&fx, "a=0", "a+1 b=1", "a+2", "a+3", "a+4", "a+5", "a+6 c+1");
    fail_alloc_install();
    for (uint64_t i = 1;; i++) {
        struct segment *merged;
        enum moss_status st;

        fail_alloc_nth(i);
        st = segstack_merge(fx.segs, fx.n, fx.below, &op, &merged);
        tripped = fail_alloc_tripped();
        assert_status(st, tripped ? MOSS_NOMEM : MOSS_OK);
        segment_unref(merged);
        ck_assert_int_eq(fail_alloc_live(), 0);
        if (!tripped)
            break;
    }
    fail_alloc_remove();
    teardown(&fx);
}
END_TEST

/* Merging any part of a stack changes nothing for its readers. */
START_TEST(random_merges_keep_the_contents)
{
    struct moss_merge_operator op = without_partial();
    struct rng rng;

    rng_init(&rng, test_seed(6000) + (uint64_t)_i);
    for (int round = 0; round < 100; round++) {
        struct model *m = model_new();
        struct segstack *stack =
            random_stack(&rng, m, 8, 1 + rng_below(&rng, 100), NULL);
        size_t from = rng_below(&rng, stack->n + 1);
        size_t to = from + rng_below(&rng, stack->n - from + 1);
        struct segment *segs[9], *merged;
        struct segstack *below = NULL, *after;
        struct moss_snapshot *snap;
        size_t n = 0;

        if (from > 0)
            assert_ok(segstack_new(NULL, stack->segs, from, &below));
        assert_ok(segstack_merge(stack->segs + from, to - from, below,
                                 rng_below(&rng, 2) ? &merge_append : &op,
                                 &merged));
        for (size_t i = 0; i < from; i++)
            segs[n++] = stack->segs[i];
        segs[n++] = merged;
        for (size_t i = to; i < stack->n; i++)
            segs[n++] = stack->segs[i];
        assert_ok(segstack_new(NULL, segs, n, &after));
        segment_unref(merged);
        segstack_unref(below);
        segstack_unref(stack);
        snap = snapshot_of_stack(after);
        assert_reads_as(snap, m);
        moss_snapshot_unref(snap);
        model_free(m);
    }
    ck_assert_int_eq(mapped_live(), 0);
}
END_TEST

Suite *suite_segmerge(void);

Suite *
suite_segmerge(void)
{
    Suite *s = suite_create("segmerge");
    TCase *tc = tcase_create("segmerge");

    tcase_add_test(tc, the_newest_entry_of_a_key_is_left);
    tcase_add_test(tc, deletions_vanish_over_nothing);
    tcase_add_test(tc, deletions_stay_over_something);
    tcase_add_test(tc, operands_over_nothing_become_values);
    tcase_add_test(tc, operands_over_something_combine_partially);
    tcase_add_test(tc, operands_that_do_not_combine_read_below);
    tcase_add_test(tc, without_operator_only_single_operands_pass);
    tcase_add_test(tc, a_failure_below_is_reported);
    tcase_add_test(tc, a_failure_stays);
    tcase_add_test(tc, done_stays);
    tcase_add_test(tc, values_may_grow);
    tcase_add_loop_test(tc, runs_are_copied_as_they_are, 0, 2);
    tcase_add_test(tc, segments_out_of_order_are_corrupt);
    tcase_add_test(tc, a_change_gives_deletions_and_operands);
    tcase_add_test(tc, a_change_can_be_read_again_but_not_backwards);
    tcase_add_test(tc, every_allocation_may_fail);
    tcase_add_loop_test(tc, random_merges_keep_the_contents, 0, 5);
    suite_add_tcase(s, tc);
    return s;
}
