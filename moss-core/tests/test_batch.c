/* Batches, and the segments they become. */
#include "segment/batch.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "support/dump.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"
#include "support/operators.h"
#include "support/segments.h"

/* The segments' texts with " | " between, to be freed. */
static char *
segments_text(const struct moss_batch *batch, size_t from, size_t to,
              const struct moss_merge_operator *merge)
{
    struct segment **segs;
    char *text = NULL;
    size_t n, len;
    FILE *f = must_alloc(open_memstream(&text, &len));

    assert_ok(batch_segments(batch, from, to, merge, &segs, &n));
    for (size_t i = 0; i < n; i++) {
        char *one = segment_text(segs[i]);

        fprintf(f, "%s%s", i > 0 ? " | " : "", one);
        free(one);
        segment_unref(segs[i]);
    }
    mem_free(segs);
    fclose(f);
    return text;
}

static void
assert_segments(const char *changes, const struct moss_merge_operator *merge,
                const char *want)
{
    struct moss_batch *batch = batch_of(changes);
    char *text = segments_text(batch, 0, moss_batch_count(batch), merge);

    ck_assert_str_eq(text, want);
    free(text);
    moss_batch_free(batch);
}

START_TEST(changes_are_sorted_by_key)
{
    assert_segments("b=1 a=2 -c aa=3", NULL, "a=2 aa=3 b=1 -c");
    assert_segments("a=1 b=2 c=3", NULL, "a=1 b=2 c=3");
    assert_segments("c=1 b=2 a=3", NULL, "a=3 b=2 c=1");
}
END_TEST

START_TEST(the_last_change_of_a_key_wins)
{
    assert_segments("a=1 b=1 a=2 -b a=3", NULL, "a=3 -b");
    assert_segments("-a a=1 b=1 b=1", NULL, "a=1 b=1");
}
END_TEST

START_TEST(operands_apply_to_what_the_batch_set)
{
    assert_segments("a=1 a+2 a+3", &merge_append, "a=123");
    assert_segments("a=1 -a a+2 a+3", &merge_append, "a=23");
    assert_segments("a+1 a=2", &merge_append, "a=2");
}
END_TEST

/* merge_add refuses an existing value that is not of 8 bytes. */
START_TEST(operands_over_a_deletion_find_nothing)
{
    assert_segments("-a a+12345678", &merge_add, "a=12345678");
}
END_TEST

START_TEST(operands_alone_are_combined)
{
    assert_segments("a+1 b=0 a+2 a+3", &merge_append, "a+123 b=0");
    assert_segments("a+1 b=0", &merge_append, "a+1 b=0");
}
END_TEST

/* Without partial(), the i-th operand goes to the i-th segment. */
START_TEST(operands_that_do_not_combine_make_segments)
{
    struct moss_merge_operator no_partial = merge_append;

    no_partial.partial = NULL;
    assert_segments("c+1 a+1 a+2 b=1 a+3 c+2", &no_partial,
                    "a+1 b=1 c+1 | a+2 c+2 | a+3");
}
END_TEST

START_TEST(operands_need_an_operator)
{
    struct moss_batch *batch = batch_of("a=1 b+2");
    struct segment **segs;
    size_t n;

    assert_status(batch_segments(batch, 0, 2, NULL, &segs, &n),
                  MOSS_NO_OPERATOR);
    ck_assert_ptr_null(segs);
    assert_ok(batch_segments(batch, 0, 1, NULL, &segs, &n));
    segment_unref(segs[0]);
    mem_free(segs);
    moss_batch_free(batch);
}
END_TEST

START_TEST(a_range_of_changes_is_a_batch_of_its_own)
{
    struct moss_batch *batch = batch_of("a=1 c=2 b=3 a=4 d=5");
    char *text = segments_text(batch, 1, 4, NULL);
    struct segment **segs;
    size_t n;

    ck_assert_str_eq(text, "a=4 b=3 c=2");
    free(text);
    assert_ok(batch_segments(batch, 2, 2, NULL, &segs, &n));
    ck_assert_uint_eq(n, 0);
    assert_status(batch_segments(batch, 2, 6, NULL, &segs, &n), MOSS_INVALID);
    moss_batch_free(batch);
}
END_TEST

START_TEST(a_refusing_operator_leaves_nothing)
{
    struct moss_batch *batch = batch_of("a=1 a+2 b+3");
    struct segment **segs;
    size_t n;

    fail_alloc_install();
    assert_status(batch_segments(batch, 0, 3, &merge_fail, &segs, &n),
                  MOSS_MERGE_FAILED);
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
    moss_batch_free(batch);
}
END_TEST

START_TEST(changes_are_given_back_in_order)
{
    struct moss_batch *batch = batch_of("b=1 -a c+2");
    struct moss_slice key, value;

    ck_assert_uint_eq(moss_batch_count(batch), 3);
    ck_assert_uint_eq(moss_batch_bytes(batch), 5);
    ck_assert_int_eq(moss_batch_op(batch, 1, &key, &value), MOSS_OP_DEL);
    assert_slice(key, "a");
    ck_assert_int_eq(moss_batch_op(batch, 2, &key, &value), MOSS_OP_MERGE);
    assert_slice(key, "c");
    assert_slice(value, "2");
    moss_batch_free(batch);
}
END_TEST

START_TEST(an_empty_key_with_an_empty_value_is_a_change)
{
    struct moss_slice none = { NULL, 0 }, key, value;
    struct moss_batch *batch;
    char *text;

    assert_ok(moss_batch_new(0, 0, &batch));
    assert_ok(moss_batch_set(batch, none, none));
    ck_assert_int_eq(moss_batch_op(batch, 0, &key, &value), MOSS_OP_SET);
    ck_assert_uint_eq(key.len + value.len, 0);
    text = segments_text(batch, 0, 1, NULL);
    ck_assert_str_eq(text, "=");
    free(text);
    moss_batch_free(batch);
}
END_TEST

START_TEST(truncate_forgets_the_last_changes)
{
    struct moss_batch *batch = batch_of("aa=1 ab=2 b=3");
    char *text;

    moss_batch_truncate(batch, 9);
    ck_assert_uint_eq(moss_batch_count(batch), 3);
    moss_batch_truncate(batch, 1);
    ck_assert_uint_eq(moss_batch_bytes(batch), 3);
    batch_add(batch, "ac=4 a=5");
    text = segments_text(batch, 0, 3, NULL);
    ck_assert_str_eq(text, "a=5 aa=1 ac=4");
    free(text);
    moss_batch_free(batch);
}
END_TEST

START_TEST(reset_forgets_all_but_the_memory)
{
    struct moss_tag tag = { 3, 4 };
    struct moss_batch *batch = batch_of("aa=1 ab=2 kid{x=1} !old");
    const struct batch_child *children;

    moss_batch_set_tag(batch, tag);
    moss_batch_reset(batch);
    ck_assert_uint_eq(moss_batch_count(batch), 0);
    ck_assert_uint_eq(moss_batch_bytes(batch), 0);
    ck_assert_uint_eq(batch_children(batch, &children), 0);
    ck_assert_uint_eq(moss_batch_tag(batch).n, 0);
    fail_alloc_install();
    batch_add(batch, "b=1 c=2");
    ck_assert_uint_eq(fail_alloc_count(), 0);
    fail_alloc_remove();
    moss_batch_free(batch);
}
END_TEST

START_TEST(keys_and_values_have_limits)
{
    struct moss_batch *batch;
    struct moss_slice none = { NULL, 0 };
    struct moss_slice long_key = { (const uint8_t *)"", MOSS_MAX_KEY + 1 };
    struct moss_slice long_value = { (const uint8_t *)"", MOSS_MAX_VALUE + 1 };

    assert_ok(moss_batch_new(0, 0, &batch));
    assert_status(moss_batch_set(batch, long_key, none), MOSS_TOO_BIG);
    assert_status(moss_batch_del(batch, long_key), MOSS_TOO_BIG);
    assert_status(moss_batch_merge(batch, none, long_value), MOSS_TOO_BIG);
    ck_assert_uint_eq(moss_batch_count(batch), 0);
    moss_batch_free(batch);
}
END_TEST

START_TEST(a_failed_change_leaves_the_batch_as_it_was)
{
    struct moss_batch *batch = batch_of("a=1");
    uint8_t big[1000] = { 0 };

    fail_alloc_install();
    fail_alloc_nth(1);
    assert_status(
        moss_batch_set(batch, moss_str("b"), moss_slice(big, sizeof(big))),
        MOSS_NOMEM);
    fail_alloc_remove();
    ck_assert_uint_eq(moss_batch_count(batch), 1);
    ck_assert_uint_eq(moss_batch_bytes(batch), 2);
    moss_batch_free(batch);
}
END_TEST

/* ------------------------------------------------------------- children */

START_TEST(children_are_kept_in_order_of_mention)
{
    struct moss_batch *batch = batch_of("z{a=1} !b z{c=2} !z b{ }");
    const struct batch_child *children;

    ck_assert_uint_eq(batch_children(batch, &children), 2);
    assert_slice(children[0].name, "z");
    ck_assert(children[0].deleted && children[0].batch == NULL);
    assert_slice(children[1].name, "b");
    ck_assert(children[1].deleted && children[1].batch != NULL);
    moss_batch_free(batch);
}
END_TEST

START_TEST(a_child_is_made_once)
{
    struct moss_batch *batch = batch_of("kid{a=1 grandkid{b=22}}");
    struct moss_batch *kid, *again;

    assert_ok(moss_batch_child(batch, moss_str("kid"), &kid));
    assert_ok(moss_batch_child(batch, moss_str("kid"), &again));
    ck_assert_ptr_eq(kid, again);
    ck_assert_uint_eq(moss_batch_count(kid), 1);
    ck_assert_uint_eq(moss_batch_count(batch), 0);
    ck_assert_uint_eq(moss_batch_bytes(batch), 5);
    moss_batch_free(batch);
}
END_TEST

START_TEST(names_are_utf8_and_harmless)
{
    static const char *const bad[] = {
        "",         ".",
        ".a",       "\x80",
        "a\xff",    "\xc3",
        "\xc0\x80", "\xe0\x80\x80",
        "a0m1o2sb", "\xed\xa0\x80",
        "3s4p5s",   "\xf4\x90\x80\x80",
        "\xc1\xbf", "\xf0\x80\x80\x80",
    };
    static const char *const good[] = {
        "a",           "a.b",          "\xc3\xa4",
        "0m1o2",       "\xe2\x82\xac", "\xf0\x9f\x8c\xb1 moss",
        "\xef\xbf\xbf"
    };
    uint8_t longest[1025];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(batch_check_child_name(moss_str(bad[i])) == MOSS_INVALID,
                      "bad name %zu", i);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_ok(batch_check_child_name(moss_str(good[i])));
    memset(longest, 'x', sizeof(longest));
    assert_ok(batch_check_child_name(moss_slice(longest, 1024)));
    assert_status(batch_check_child_name(moss_slice(longest, 1025)),
                  MOSS_INVALID);
    assert_status(batch_check_child_name(moss_slice("a\0b", 3)), MOSS_INVALID);
}
END_TEST

START_TEST(bad_names_are_refused)
{
    struct moss_batch *batch, *kid;
    const struct batch_child *children;

    assert_ok(moss_batch_new(0, 0, &batch));
    assert_status(moss_batch_child(batch, moss_str(".x"), &kid), MOSS_INVALID);
    ck_assert_ptr_null(kid);
    assert_status(moss_batch_del_child(batch, moss_str("")), MOSS_INVALID);
    ck_assert_uint_eq(batch_children(batch, &children), 0);
    moss_batch_free(batch);
}
END_TEST

START_TEST(nesting_has_a_bound)
{
    struct moss_batch *batch, *at, *kid;
    int depth = 0;

    assert_ok(moss_batch_new(0, 0, &batch));
    at = batch;
    while (moss_batch_child(at, moss_str("kid"), &kid) == MOSS_OK) {
        at = kid;
        depth++;
        ck_assert_int_le(depth, 1000);
    }
    ck_assert_int_eq(depth, 32);
    moss_batch_free(batch);
}
END_TEST

/* ------------------------------------------------------------------ oom */

/* Everything a batch does, each allocation failing once. */
START_TEST(every_allocation_may_fail)
{
    static const char *const keys[] = { "b", "a", "c", "a", "b", "a" };
    struct moss_merge_operator no_partial = merge_append;
    enum moss_status st;
    bool tripped;

    no_partial.partial = NULL;
    fail_alloc_install();
    for (uint64_t i = 1;; i++) {
        struct moss_batch *batch = NULL, *kid;
        struct segment **segs = NULL;
        size_t n = 0;

        fail_alloc_nth(i);
        st = moss_batch_new(0, 0, &batch);
        for (size_t k = 0; st == MOSS_OK && k < 6; k++)
            st = moss_batch_merge(batch, moss_str(keys[k]), moss_str("1"));
        if (st == MOSS_OK)
            st = moss_batch_child(batch, moss_str("kid"), &kid);
        if (st == MOSS_OK)
            st = moss_batch_set(kid, moss_str("a"), moss_str("1"));
        if (st == MOSS_OK)
            st = moss_batch_del_child(batch, moss_str("other"));
        if (st == MOSS_OK)
            st = batch_segments(batch, 0, 6, &no_partial, &segs, &n);
        tripped = fail_alloc_tripped();
        assert_status(st, tripped ? MOSS_NOMEM : MOSS_OK);
        ck_assert_uint_eq(n, tripped ? 0 : 3);
        for (size_t k = 0; k < n; k++)
            segment_unref(segs[k]);
        mem_free(segs);
        moss_batch_free(batch);
        ck_assert_int_eq(fail_alloc_live(), 0);
        if (!tripped)
            break;
    }
    fail_alloc_remove();
}
END_TEST

/* --------------------------------------------------------------- random */

START_TEST(random_batches_read_as_the_model)
{
    struct rng rng;

    rng_init(&rng, test_seed(4000) + (uint64_t)_i);
    for (int round = 0; round < 50; round++) {
        struct model *m = model_new();
        struct segstack *stack =
            random_stack(&rng, m, 1, 1 + rng_below(&rng, 2000), NULL);
        struct moss_snapshot *snap = snapshot_of_stack(stack);

        assert_reads_as(snap, m);
        moss_snapshot_unref(snap);
        model_free(m);
    }
}
END_TEST

/*
 * Keys that are hard to sort by their first bytes.  _i: the kind.  The value
 * is the number of the change, so that the order of equal keys shows.
 */
static size_t
hard_key(struct rng *rng, int kind, uint8_t *key)
{
    size_t len = 4 + rng_below(rng, 30);

    switch (kind) {
    case 0: /* random bytes */
        for (size_t i = 0; i < len; i++)
            key[i] = (uint8_t)rng_next(rng);
        return len;
    case 1: /* few values of each byte: long common beginnings */
        for (size_t i = 0; i < len; i++)
            key[i] = (uint8_t)("\0\0\0\xff"[rng_below(rng, 4)]);
        return len;
    case 2: /* decimal numbers behind one of two names */
        return (size_t)snprintf((char *)key, 40, "%s%012llu",
                                rng_below(rng, 2) ? "a common name" : "an",
                                (unsigned long long)rng_below(rng, 100000));
    case 3: /* nearly all alike */
        memset(key, 'x', 32);
        key[rng_below(rng, 32)] = (uint8_t)rng_below(rng, 2000) == 0;
        return 24 + rng_below(rng, 9);
    default: /* zeros of some length */
        memset(key, 0, 40);
        return rng_below(rng, 40);
    }
}

START_TEST(hard_keys_are_sorted)
{
    size_t n = 20000;
    struct moss_batch *batch;
    struct segment **segs;
    struct entry prev, e;
    struct rng rng;
    size_t n_segs;

    rng_init(&rng, test_seed(5000));
    assert_ok(moss_batch_new(n, 0, &batch));
    for (uint32_t i = 0; i < n; i++) {
        uint8_t key[41];
        size_t len = hard_key(&rng, _i, key);

        assert_ok(moss_batch_set(batch, moss_slice(key, len),
                                 moss_slice(&i, sizeof(i))));
    }
    assert_ok(batch_segments(batch, 0, n, NULL, &segs, &n_segs));
    ck_assert_uint_eq(n_segs, 1);
    ck_assert_uint_gt(segs[0]->n, 1);
    assert_ok(segment_entry(segs[0], 0, &prev));
    for (size_t i = 1; i < segs[0]->n; i++) {
        assert_ok(segment_entry(segs[0], i, &e));
        ck_assert_int_lt(slice_compare(prev.key, e.key), 0);
        prev = e;
    }
    for (uint32_t i = (uint32_t)n; i > 0; i--) {
        struct moss_slice key, value;
        uint32_t newest;

        moss_batch_op(batch, i - 1, &key, &value);
        assert_ok(segment_find(segs[0], key, &e));
        memcpy(&newest, e.value.bytes, sizeof(newest));
        ck_assert_uint_ge(newest, i - 1);
    }
    segment_unref(segs[0]);
    mem_free(segs);
    moss_batch_free(batch);
}
END_TEST

Suite *suite_batch(void);

Suite *
suite_batch(void)
{
    Suite *s = suite_create("batch");
    TCase *tc = tcase_create("batch");

    tcase_add_test(tc, changes_are_sorted_by_key);
    tcase_add_test(tc, the_last_change_of_a_key_wins);
    tcase_add_test(tc, operands_apply_to_what_the_batch_set);
    tcase_add_test(tc, operands_over_a_deletion_find_nothing);
    tcase_add_test(tc, operands_alone_are_combined);
    tcase_add_test(tc, operands_that_do_not_combine_make_segments);
    tcase_add_test(tc, operands_need_an_operator);
    tcase_add_test(tc, a_range_of_changes_is_a_batch_of_its_own);
    tcase_add_test(tc, a_refusing_operator_leaves_nothing);
    tcase_add_test(tc, changes_are_given_back_in_order);
    tcase_add_test(tc, an_empty_key_with_an_empty_value_is_a_change);
    tcase_add_test(tc, truncate_forgets_the_last_changes);
    tcase_add_test(tc, reset_forgets_all_but_the_memory);
    tcase_add_test(tc, keys_and_values_have_limits);
    tcase_add_test(tc, a_failed_change_leaves_the_batch_as_it_was);
    tcase_add_test(tc, children_are_kept_in_order_of_mention);
    tcase_add_test(tc, a_child_is_made_once);
    tcase_add_test(tc, names_are_utf8_and_harmless);
    tcase_add_test(tc, bad_names_are_refused);
    tcase_add_test(tc, nesting_has_a_bound);
    tcase_add_test(tc, every_allocation_may_fail);
    tcase_add_loop_test(tc, random_batches_read_as_the_model, 0, 4);
    tcase_add_loop_test(tc, hard_keys_are_sorted, 0, 5);
    suite_add_tcase(s, tc);
    return s;
}
