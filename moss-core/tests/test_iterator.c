/* Iterators over stacks: both directions, bounds, seeks, failures. */
#include "stack/segstack.h"

#include <stdlib.h>

#include "base/mem.h"
#include "stack/snapshot.h"
#include "support/dump.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"
#include "support/foreign.h"
#include "support/operators.h"
#include "support/segments.h"

/* A snapshot over segments of these words, oldest first, up to a NULL. */
static struct moss_snapshot *
snapshot_of(struct moss_snapshot *lower, const char *const *texts)
{
    struct segment *segs[8] = { NULL };
    struct segstack *stack;
    size_t n = 0;

    for (; texts[n] != NULL; n++)
        segs[n] = segment_of(texts[n], &merge_append);
    assert_ok(segstack_new(lower, segs, n, &stack));
    while (n > 0)
        segment_unref(segs[--n]);
    return snapshot_of_stack(stack);
}

#define SNAPSHOT(lower, ...)                                                   \
    snapshot_of(lower, (const char *const[]){ __VA_ARGS__, NULL })

static void
assert_on(const struct moss_iterator *it, const char *k, const char *v)
{
    struct moss_slice key, value;

    moss_iterator_current(it, &key, &value);
    assert_slice(key, k);
    assert_slice(value, v);
}

START_TEST(newer_entries_hide_older_ones)
{
    struct moss_snapshot *snap =
        SNAPSHOT(NULL, "a=1 b=1 c=1 d=1", "b=2 -c", "a=3 e=3");

    assert_snapshot(snap, "a=3 b=2 d=1 e=3");
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(operands_of_all_segments_are_combined_at_once)
{
    struct moss_snapshot *snap =
        SNAPSHOT(NULL, "a=1 b=1 c+1", "a+2 -b c+2", "a+3 b+3 c+3");

    assert_snapshot(snap, "a=123 b=3 c=123");
    moss_snapshot_unref(snap);
}
END_TEST

/* merge_add refuses an existing value that is not of 8 bytes. */
START_TEST(operands_over_a_deletion_find_nothing)
{
    struct segment *segs[3], *merged;
    struct segstack *stack;
    struct moss_iterator *it;
    struct moss_value value;

    segs[0] = segment_of("a=1", NULL);
    segs[1] = segment_of("-a", NULL);
    segs[2] = segment_of("a+12345678", &merge_add);
    assert_ok(segstack_new(NULL, segs, 3, &stack));
    assert_ok(segstack_get(stack, &merge_add, moss_str("a"), &value));
    assert_slice(value.bytes, "12345678");
    moss_value_release(&value);
    assert_ok(segstack_iterate(stack, &merge_add, NULL, NULL, NULL, &it));
    assert_ok(moss_iterator_first(it));
    assert_on(it, "a", "12345678");
    moss_iterator_free(it);
    assert_ok(segstack_merge(segs, 3, NULL, &merge_add, &merged));
    ck_assert_uint_eq(merged->totals.n_set, 1);
    segment_unref(merged);
    segstack_unref(stack);
    for (size_t i = 0; i < 3; i++)
        segment_unref(segs[i]);
}
END_TEST

START_TEST(a_single_segment_hides_deletions_and_resolves_operands)
{
    struct moss_snapshot *snap = SNAPSHOT(NULL, "-a b=1 -c d+2 -e");
    char *text = dump_backwards(snap);

    assert_snapshot(snap, "b=1 d=2");
    ck_assert_str_eq(text, "d=2 b=1");
    free(text);
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(direction_may_change_at_any_entry)
{
    struct moss_snapshot *snap =
        SNAPSHOT(NULL, "a=1 c=1 e=1", "b=2 c=2 -d e=2", "d+3");
    struct moss_iterator *it;

    assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
    assert_ok(moss_iterator_seek(it, moss_str("c")));
    assert_on(it, "c", "2");
    assert_ok(moss_iterator_prev(it));
    assert_on(it, "b", "2");
    assert_ok(moss_iterator_next(it));
    assert_on(it, "c", "2");
    assert_ok(moss_iterator_next(it));
    assert_on(it, "d", "3");
    assert_ok(moss_iterator_prev(it));
    assert_on(it, "c", "2");
    moss_iterator_free(it);
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(fresh_iterators_begin_at_either_end)
{
    struct moss_snapshot *snap = SNAPSHOT(NULL, "a=1 b=1", "c=2");
    struct moss_iterator *it;

    assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
    assert_ok(moss_iterator_prev(it));
    assert_on(it, "c", "2");
    moss_iterator_free(it);
    assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
    assert_ok(moss_iterator_next(it));
    assert_on(it, "a", "1");
    moss_iterator_free(it);
    moss_snapshot_unref(snap);
}
END_TEST

/* _i 0: one segment; 1: two. */
START_TEST(done_stays_done_until_a_seek)
{
    struct moss_snapshot *snap =
        _i == 0 ? SNAPSHOT(NULL, "a=1 b=1") : SNAPSHOT(NULL, "a=1", "b=1");
    struct moss_iterator *it;

    assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
    assert_ok(moss_iterator_last(it));
    assert_status(moss_iterator_next(it), MOSS_DONE);
    assert_status(moss_iterator_next(it), MOSS_DONE);
    assert_status(moss_iterator_prev(it), MOSS_DONE);
    assert_status(moss_iterator_seek(it, moss_str("c")), MOSS_DONE);
    assert_ok(moss_iterator_seek_for_prev(it, moss_str("c")));
    assert_on(it, "b", "1");
    moss_iterator_free(it);
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(seeks_stop_at_the_bounds)
{
    struct moss_snapshot *snap = SNAPSHOT(NULL, "a=1 c=1 e=1", "b=2 d=2 f=2");
    struct moss_slice lo = moss_str("b"), hi = moss_str("e");
    struct moss_iterator *it;

    assert_ok(moss_snapshot_iterate(snap, &lo, &hi, &it));
    assert_ok(moss_iterator_seek(it, moss_str("")));
    assert_on(it, "b", "2");
    assert_status(moss_iterator_prev(it), MOSS_DONE);
    assert_ok(moss_iterator_seek_for_prev(it, moss_str("z")));
    assert_on(it, "d", "2");
    assert_status(moss_iterator_next(it), MOSS_DONE);
    assert_status(moss_iterator_seek(it, moss_str("e")), MOSS_DONE);
    assert_status(moss_iterator_seek_for_prev(it, moss_str("a")), MOSS_DONE);
    moss_iterator_free(it);
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(bounds_in_the_wrong_order_hold_nothing)
{
    struct moss_snapshot *snap = SNAPSHOT(NULL, "a=1 b=1", "c=1");
    struct moss_slice lo = moss_str("c"), hi = moss_str("a");
    struct moss_iterator *it;

    assert_ok(moss_snapshot_iterate(snap, &lo, &hi, &it));
    assert_status(moss_iterator_first(it), MOSS_DONE);
    assert_status(moss_iterator_last(it), MOSS_DONE);
    moss_iterator_free(it);
    moss_snapshot_unref(snap);
}
END_TEST

/* _i 0: one segment; 1: two. */
START_TEST(operands_without_operator_are_reported)
{
    struct segment *segs[2];
    struct segstack *stack;
    struct moss_iterator *it;

    segs[0] = segment_of("a=1 b+1 c=1", &merge_append);
    segs[1] = segment_of("c=2", &merge_append);
    assert_ok(segstack_new(NULL, segs, 1 + (size_t)_i, &stack));
    assert_ok(segstack_iterate(stack, NULL, NULL, NULL, NULL, &it));
    assert_ok(moss_iterator_next(it));
    assert_status(moss_iterator_next(it), MOSS_NO_OPERATOR);
    assert_status(moss_iterator_next(it), MOSS_NO_OPERATOR);
    assert_status(moss_iterator_prev(it), MOSS_NO_OPERATOR);
    assert_ok(moss_iterator_seek(it, moss_str("c")));
    moss_iterator_free(it);
    segstack_unref(stack);
    segment_unref(segs[0]);
    segment_unref(segs[1]);
}
END_TEST

START_TEST(a_refusing_operator_is_reported)
{
    struct segment *seg = segment_of("a+1", &merge_append);
    struct segstack *stack;
    struct moss_iterator *it;
    struct moss_value value;

    assert_ok(segstack_new(NULL, &seg, 1, &stack));
    assert_ok(segstack_iterate(stack, &merge_fail, NULL, NULL, NULL, &it));
    assert_status(moss_iterator_first(it), MOSS_MERGE_FAILED);
    assert_status(segstack_get(stack, &merge_fail, moss_str("a"), &value),
                  MOSS_MERGE_FAILED);
    moss_iterator_free(it);
    segstack_unref(stack);
    segment_unref(seg);
}
END_TEST

START_TEST(an_iterator_keeps_its_snapshot)
{
    struct moss_snapshot *snap = SNAPSHOT(NULL, "a=1", "b=2");
    struct moss_iterator *it;

    assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
    moss_snapshot_unref(snap);
    assert_ok(moss_iterator_last(it));
    assert_on(it, "b", "2");
    moss_iterator_free(it);
}
END_TEST

/* ---------------------------------------------------------------- lower */

START_TEST(a_foreign_lower_level_takes_part)
{
    struct model *m = model_new();
    struct moss_snapshot *lower, *snap;

    model_set(m, moss_str("a"), moss_str("0"));
    model_set(m, moss_str("b"), moss_str("0"));
    model_set(m, moss_str("c"), moss_str("0"));
    lower = foreign_new(m);
    snap = SNAPSHOT(lower, "a+1 -b d=1", "a+2");
    moss_snapshot_unref(lower);
    assert_snapshot(snap, "a=012 c=0 d=1");
    moss_snapshot_unref(snap);
    model_free(m);
    ck_assert_int_eq(foreign_live(), 0);
}
END_TEST

/* Every failure of the lower level is seen, none looks like an end. */
START_TEST(a_failing_lower_level_is_never_an_end)
{
    struct model *m = model_new();
    struct moss_snapshot *lower, *snap;
    struct moss_iterator *it;
    size_t seen = 0;
    enum moss_status st;

    model_set(m, moss_str("a"), moss_str("0"));
    model_set(m, moss_str("b"), moss_str("0"));
    model_set(m, moss_str("c"), moss_str("0"));
    lower = foreign_new(m);
    snap = SNAPSHOT(lower, "a=1 b+1 d=1");
    moss_snapshot_unref(lower);
    assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
    foreign_fail_nth(_i + 1);
    while ((st = moss_iterator_next(it)) == MOSS_OK)
        seen++;
    if (foreign_tripped()) {
        assert_status(st, MOSS_IO);
        assert_status(moss_iterator_prev(it), MOSS_IO);
    } else {
        assert_status(st, MOSS_DONE);
        ck_assert_uint_eq(seen, 4);
    }
    foreign_fail_nth(0);
    assert_ok(moss_iterator_first(it));
    assert_on(it, "a", "1");
    moss_iterator_free(it);
    moss_snapshot_unref(snap);
    model_free(m);
    ck_assert_int_eq(foreign_live(), 0);
}
END_TEST

START_TEST(a_failing_verification_is_reported)
{
    struct rng rng = { 1 };
    struct segment *seg = segment_of("a=1 b=1 c=1", NULL), *mapped;
    struct segstack *stack;
    struct moss_iterator *it;

    mapped = mapped_of(seg, &rng);
    segment_unref(seg);
    assert_ok(segstack_new(NULL, &mapped, 1, &stack));
    assert_ok(segstack_iterate(stack, NULL, NULL, NULL, NULL, &it));
    mapped_fail_nth(_i + 1);
    assert_status(moss_iterator_first(it), MOSS_CORRUPT);
    mapped_fail_nth(0);
    assert_ok(moss_iterator_first(it));
    moss_iterator_free(it);
    segstack_unref(stack);
    segment_unref(mapped);
    ck_assert_int_eq(mapped_live(), 0);
}
END_TEST

/* Two segments of two blocks each, whose entries take turns. */
START_TEST(a_merge_verifies_every_block)
{
    struct rng rng = { 1 };
    struct segment *segs[2];
    struct segstack *stack;
    struct moss_iterator *it;
    enum moss_status st;
    size_t seen = 1;

    for (size_t i = 0; i < 2; i++) {
        struct segment_builder *b;
        struct segment *seg;

        assert_ok(segment_builder_new(300, 600, &b));
        for (size_t n = i; n < 600; n += 2) {
            uint8_t key[2] = { (uint8_t)(n >> 8), (uint8_t)n };

            segment_builder_add(b, MOSS_OP_SET, moss_slice(key, 2),
                                moss_slice(NULL, 0));
        }
        seg = segment_builder_finish(b);
        segs[i] = mapped_of(seg, &rng);
        segment_unref(seg);
    }
    assert_ok(segstack_new(NULL, segs, 2, &stack));
    assert_ok(segstack_iterate(stack, NULL, NULL, NULL, NULL, &it));
    assert_ok(_i == 0 ? moss_iterator_first(it) : moss_iterator_last(it));
    mapped_fail_nth(1);
    while ((st = _i == 0 ? moss_iterator_next(it) : moss_iterator_prev(it)) ==
           MOSS_OK)
        seen++;
    assert_status(st, MOSS_CORRUPT);
    ck_assert_uint_gt(seen, 50);
    ck_assert_uint_lt(seen, 600);
    mapped_fail_nth(0);
    moss_iterator_free(it);
    segstack_unref(stack);
    segment_unref(segs[0]);
    segment_unref(segs[1]);
}
END_TEST

/* --------------------------------------------------------------- random */

/* The model's entries [lo, hi) and where an iterator should stand in it. */
struct track {
    const struct model *m;
    size_t lo, hi, pos;
    bool on, fresh;
};

static enum moss_status
random_move(struct rng *rng, struct moss_iterator *it, struct track *t)
{
    uint8_t buf[KEY_ROOM];
    struct moss_slice key, value;
    size_t at;
    bool was_on = t->on, was_fresh = t->fresh;

    t->fresh = false;
    switch (rng_below(rng, 10)) {
    case 0:
        t->on = t->lo < t->hi;
        t->pos = t->lo;
        return moss_iterator_first(it);
    case 1:
        t->on = t->lo < t->hi;
        t->pos = t->hi - 1;
        return moss_iterator_last(it);
    case 2:
        key = random_key(rng, buf);
        at = model_find(t->m, key);
        t->pos = at < t->lo ? t->lo : at;
        t->on = t->pos < t->hi;
        return moss_iterator_seek(it, key);
    case 3:
        key = random_key(rng, buf);
        at = model_find(t->m, key) + model_get(t->m, key, &value);
        at = at > t->hi ? t->hi : at;
        t->on = at > t->lo;
        t->pos = at - 1;
        return moss_iterator_seek_for_prev(it, key);
    case 4:
    case 5:
    case 6:
        t->pos = was_fresh ? t->lo : t->pos + 1;
        t->on = (was_on || was_fresh) && t->pos < t->hi;
        return moss_iterator_next(it);
    default:
        t->pos = was_fresh ? t->hi : t->pos;
        t->on = (was_on || was_fresh) && t->pos > t->lo;
        t->pos--;
        return moss_iterator_prev(it);
    }
}

static void
random_walk(struct rng *rng, struct moss_snapshot *snap, const struct model *m)
{
    uint8_t a[KEY_ROOM], b[KEY_ROOM];
    struct moss_slice lo = random_key(rng, a), hi = random_key(rng, b);
    bool has_lo = rng_below(rng, 2), has_hi = rng_below(rng, 2);
    struct track t = { m, 0, model_count(m), 0, false, true };
    struct moss_iterator *it;

    if (has_lo)
        t.lo = model_find(m, lo);
    if (has_hi)
        t.hi = model_find(m, hi);
    if (t.hi < t.lo)
        t.hi = t.lo;
    assert_ok(moss_snapshot_iterate(snap, has_lo ? &lo : NULL,
                                    has_hi ? &hi : NULL, &it));
    for (int i = 0; i < 40; i++) {
        struct moss_slice key, value, k, v;

        assert_status(random_move(rng, it, &t), t.on ? MOSS_OK : MOSS_DONE);
        if (!t.on)
            continue;
        moss_iterator_current(it, &key, &value);
        model_at(m, t.pos, &k, &v);
        ck_assert(slice_equal(key, k) && slice_equal(value, v));
    }
    moss_iterator_free(it);
}

START_TEST(random_stacks_read_as_the_model)
{
    struct rng rng;

    rng_init(&rng, test_seed(1000) + (uint64_t)_i);
    for (int round = 0; round < 60; round++) {
        struct model *m = model_new();
        struct moss_snapshot *lower = NULL, *snap;

        if (rng_below(&rng, 2) == 0) {
            segment_unref(random_layer(&rng, m, 30));
            lower = foreign_new(m);
        }
        snap = snapshot_of_stack(
            random_stack(&rng, m, 6, 1 + rng_below(&rng, 60), lower));
        moss_snapshot_unref(lower);
        assert_reads_as(snap, m);
        for (int i = 0; i < 10; i++)
            random_walk(&rng, snap, m);
        moss_snapshot_unref(snap);
        model_free(m);
    }
    ck_assert_int_eq(foreign_live() + mapped_live(), 0);
}
END_TEST

/* Any bytes as a segment: reads end, and stay within it. */
START_TEST(corrupt_segments_do_no_harm)
{
    struct rng rng;

    rng_init(&rng, test_seed(2000) + (uint64_t)_i);
    for (int round = 0; round < 200; round++) {
        size_t n = rng_below(&rng, 20), bytes = rng_below(&rng, 60);
        uint64_t kvs[40];
        uint8_t buf[60];
        struct segment *segs[2];
        struct segstack *stack;
        struct moss_iterator *it;

        for (size_t i = 0; i < n; i++) {
            kvs[2 * i] = (1 + rng_below(&rng, 3)) << ENTRY_OP_SHIFT |
                         rng_below(&rng, 12) << ENTRY_KEY_SHIFT |
                         rng_below(&rng, 12);
            kvs[2 * i + 1] = rng_below(&rng, bytes + 1);
            if (rng_below(&rng, 200) == 0)
                kvs[2 * i + rng_below(&rng, 2)] = rng_next(&rng);
        }
        for (size_t i = 0; i < bytes; i++)
            buf[i] = (uint8_t)rng_below(&rng, 3);
        segs[0] = mapped_new(kvs, n, buf, bytes);
        segs[1] = rng_below(&rng, 2) == 0
                      ? segment_ref(segs[0])
                      : segment_of("a=1 b+2", &merge_append);
        assert_ok(segstack_new(NULL, segs, 2, &stack));
        if (segstack_iterate(stack, &merge_append, NULL, NULL, NULL, &it) ==
            MOSS_OK) {
            enum moss_status st = MOSS_OK;

            for (int i = 0; i < 200 && st >= 0; i++)
                st = rng_below(&rng, 3) == 0 ? moss_iterator_prev(it)
                                             : moss_iterator_next(it);
            if (moss_iterator_last(it) == MOSS_OK)
                for (size_t i = 0; moss_iterator_prev(it) == MOSS_OK; i++)
                    ck_assert_uint_le(i, 2 * n + 2);
            moss_iterator_free(it);
        }
        segstack_unref(stack);
        segment_unref(segs[0]);
        segment_unref(segs[1]);
    }
    ck_assert_int_eq(mapped_live(), 0);
}
END_TEST

/* Reading with the _i-th allocation failing: MOSS_NOMEM, nothing lost. */
START_TEST(out_of_memory_leaves_iterators_usable)
{
    struct moss_snapshot *snap =
        SNAPSHOT(NULL, "a=1 b=1", "a+2", "a+3 b+3", "a+4", "a+5", "a+6");
    struct moss_iterator *it;
    enum moss_status st;

    fail_alloc_install();
    fail_alloc_nth((uint64_t)_i + 1);
    st = moss_snapshot_iterate(snap, NULL, NULL, &it);
    if (st == MOSS_OK) {
        st = moss_iterator_next(it);
        assert_status(st, fail_alloc_tripped() ? MOSS_NOMEM : MOSS_OK);
        fail_alloc_nth(0);
        assert_ok(moss_iterator_first(it));
        assert_on(it, "a", "123456");
        moss_iterator_free(it);
    } else {
        assert_status(st, MOSS_NOMEM);
        ck_assert_int_eq(_i, 0);
    }
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
    moss_snapshot_unref(snap);
}
END_TEST

Suite *suite_iterator(void);

Suite *
suite_iterator(void)
{
    Suite *s = suite_create("iterator");
    TCase *tc = tcase_create("iterator");

    tcase_add_test(tc, newer_entries_hide_older_ones);
    tcase_add_test(tc, operands_of_all_segments_are_combined_at_once);
    tcase_add_test(tc, operands_over_a_deletion_find_nothing);
    tcase_add_test(tc, a_single_segment_hides_deletions_and_resolves_operands);
    tcase_add_test(tc, direction_may_change_at_any_entry);
    tcase_add_test(tc, fresh_iterators_begin_at_either_end);
    tcase_add_loop_test(tc, done_stays_done_until_a_seek, 0, 2);
    tcase_add_test(tc, seeks_stop_at_the_bounds);
    tcase_add_test(tc, bounds_in_the_wrong_order_hold_nothing);
    tcase_add_loop_test(tc, operands_without_operator_are_reported, 0, 2);
    tcase_add_test(tc, a_refusing_operator_is_reported);
    tcase_add_test(tc, an_iterator_keeps_its_snapshot);
    tcase_add_test(tc, a_foreign_lower_level_takes_part);
    tcase_add_loop_test(tc, a_failing_lower_level_is_never_an_end, 0, 6);
    tcase_add_loop_test(tc, a_merge_verifies_every_block, 0, 2);
    tcase_add_loop_test(tc, a_failing_verification_is_reported, 0, 2);
    tcase_add_loop_test(tc, random_stacks_read_as_the_model, 0, 10);
    tcase_add_loop_test(tc, corrupt_segments_do_no_harm, 0, 5);
    tcase_add_loop_test(tc, out_of_memory_leaves_iterators_usable, 0, 5);
    suite_add_tcase(s, tc);
    return s;
}
