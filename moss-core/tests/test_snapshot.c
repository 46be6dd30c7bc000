/* Snapshots and overlays. */
#include "stack/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/dump.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"
#include "support/foreign.h"
#include "support/operators.h"
#include "support/segments.h"

/* Lay words over *snap, which is replaced. */
static void
overlay(struct moss_snapshot **snap, const char *text)
{
    struct moss_batch *batch = batch_of(text);
    struct moss_snapshot *over;

    assert_ok(
        moss_snapshot_overlay(*snap, batch, 0, moss_batch_count(batch), &over));
    moss_batch_free(batch);
    moss_snapshot_unref(*snap);
    *snap = over;
}

static struct moss_snapshot *
snapshot_of(const char *text)
{
    struct segment *seg = segment_of(text, &merge_append);
    struct segstack *stack;

    assert_ok(segstack_new(NULL, &seg, 1, &stack));
    segment_unref(seg);
    return snapshot_of_stack(stack);
}

START_TEST(an_empty_snapshot_has_nothing)
{
    struct moss_snapshot *snap, *kid;
    struct moss_value value;

    assert_ok(moss_snapshot_empty(NULL, &snap));
    assert_tree(snap, "");
    assert_status(moss_snapshot_get(snap, moss_str("a"), &value),
                  MOSS_NOT_FOUND);
    assert_status(moss_snapshot_child(snap, moss_str("a"), &kid),
                  MOSS_NOT_FOUND);
    ck_assert_uint_eq(moss_snapshot_tag(snap).n, 0);
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(get_resolves_operands_over_the_value)
{
    struct moss_snapshot *snap = snapshot_of("a=1 -b c=1 e+1");
    struct moss_value value;

    overlay(&snap, "a+2 b+2 -c d+4");
    assert_ok(moss_snapshot_get(snap, moss_str("a"), &value));
    assert_slice(value.bytes, "12");
    moss_value_release(&value);
    ck_assert_ptr_null(value.bytes.bytes);
    assert_ok(moss_snapshot_get(snap, moss_str("b"), &value));
    assert_slice(value.bytes, "2");
    moss_value_release(&value);
    assert_status(moss_snapshot_get(snap, moss_str("c"), &value),
                  MOSS_NOT_FOUND);
    assert_ok(moss_snapshot_get(snap, moss_str("d"), &value));
    assert_slice(value.bytes, "4");
    moss_value_release(&value);
    moss_snapshot_unref(snap);
}
END_TEST

/* A lower level may be a snapshot of this library, whose values are owned. */
START_TEST(get_releases_what_the_lower_level_made)
{
    struct moss_snapshot *lower = snapshot_of("a+1"), *snap;
    struct segment *seg = segment_of("a+2", &merge_append);
    struct segstack *stack;
    struct moss_value value;

    assert_ok(segstack_new(lower, &seg, 1, &stack));
    segment_unref(seg);
    moss_snapshot_unref(lower);
    snap = snapshot_of_stack(stack);
    assert_snapshot(snap, "a=12");
    fail_alloc_install();
    assert_ok(moss_snapshot_get(snap, moss_str("a"), &value));
    assert_slice(value.bytes, "12");
    moss_value_release(&value);
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(an_overlay_reads_as_the_changes_over_the_snapshot)
{
    struct moss_snapshot *snap = snapshot_of("a=1 b=1 c=1");
    struct moss_snapshot *base = moss_snapshot_ref(snap);

    overlay(&snap, "b=2 -c d=2");
    overlay(&snap, "a+3 d=3 c=3");
    assert_snapshot(snap, "a=13 b=2 c=3 d=3");
    assert_snapshot(base, "a=1 b=1 c=1");
    moss_snapshot_unref(snap);
    moss_snapshot_unref(base);
}
END_TEST

START_TEST(an_overlay_of_no_changes_is_the_snapshot)
{
    struct moss_snapshot *snap = snapshot_of("a=1"), *over;
    struct moss_batch *batch = batch_of("b=1");

    assert_ok(moss_snapshot_overlay(snap, batch, 1, 1, &over));
    assert_snapshot(over, "a=1");
    moss_snapshot_unref(over);
    assert_status(moss_snapshot_overlay(snap, batch, 0, 2, &over),
                  MOSS_INVALID);
    ck_assert_ptr_null(over);
    moss_batch_free(batch);
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(an_overlay_takes_a_range_of_changes)
{
    struct moss_snapshot *snap = snapshot_of("a=1"), *over;
    struct moss_batch *batch = batch_of("a=2 b=2 c=2 d=2");

    assert_ok(moss_snapshot_overlay(snap, batch, 1, 3, &over));
    moss_batch_free(batch);
    assert_snapshot(over, "a=1 b=2 c=2");
    moss_snapshot_unref(over);
    moss_snapshot_unref(snap);
}
END_TEST

/* A thousand overlays of a row each over one segment. */
START_TEST(overlays_keep_few_segments)
{
    struct moss_snapshot *snap = snapshot_of("a=0");
    struct model *m = model_new();

    model_set(m, moss_str("a"), moss_str("0"));
    for (int i = 0; i < 1000; i++) {
        char key[16], change[32];

        snprintf(key, sizeof(key), "%d", i * 7919 % 1000);
        snprintf(change, sizeof(change), "%s=1", key);
        overlay(&snap, change);
        model_set(m, moss_str(key), moss_str("1"));
        ck_assert_uint_le(snapshot_segments(snap)->n, 12);
    }
    assert_reads_as(snap, m);
    moss_snapshot_unref(snap);
    model_free(m);
}
END_TEST

/* Overlays that nobody holds any more do not stay as steps to the bottom. */
START_TEST(overlays_keep_no_overlays)
{
    struct moss_snapshot *snap = snapshot_of("a=0");

    fail_alloc_install();
    for (int i = 0; i < 100; i++)
        overlay(&snap, "b=1");
    ck_assert_int_le(fail_alloc_live(), 20);
    fail_alloc_remove();
    moss_snapshot_unref(snap);
}
END_TEST

/* The snapshot's own segments are not copied, however large the overlay. */
START_TEST(overlays_leave_the_base_alone)
{
    struct moss_snapshot *snap = snapshot_of("a=0");
    const struct segment *base = snapshot_segments(snap)->segs[0];

    for (int i = 0; i < 20; i++)
        overlay(&snap, "b=1 c=1 d=1");
    ck_assert_ptr_eq(snapshot_segments(snap)->segs[0], base);
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(deletions_in_overlays_hide_the_base)
{
    struct moss_snapshot *snap = snapshot_of("a=0 b=0 c=0");

    overlay(&snap, "-a");
    overlay(&snap, "-b");
    overlay(&snap, "-c");
    assert_snapshot(snap, "");
    overlay(&snap, "b=1");
    assert_snapshot(snap, "b=1");
    moss_snapshot_unref(snap);
}
END_TEST

/* Over nothing at all, deletions leave no segment. */
START_TEST(an_overlay_over_nothing_may_be_empty)
{
    struct moss_snapshot *snap;

    assert_ok(moss_snapshot_empty(&merge_append, &snap));
    overlay(&snap, "a=1");
    overlay(&snap, "-a");
    assert_snapshot(snap, "");
    ck_assert_uint_eq(snapshot_segments(snap)->n, 0);
    overlay(&snap, "b+1");
    overlay(&snap, "b+2");
    assert_snapshot(snap, "b=12");
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(an_overlay_keeps_children_and_tag)
{
    struct model *m = model_new();
    struct moss_snapshot *snap, *kid;

    model_set(m, moss_str("a"), moss_str("0"));
    snap = foreign_new(m);
    overlay(&snap, "b=1");
    overlay(&snap, "-a");
    assert_snapshot(snap, "b=1");
    ck_assert_uint_eq(moss_snapshot_tag(snap).n, 7);
    ck_assert_uint_eq(moss_snapshot_tag(snap).id, 70);
    assert_ok(moss_snapshot_child(snap, moss_str("kid"), &kid));
    assert_snapshot(kid, "a=0");
    moss_snapshot_unref(kid);
    assert_status(moss_snapshot_child(snap, moss_str("x"), &kid),
                  MOSS_NOT_FOUND);
    moss_snapshot_unref(snap);
    model_free(m);
    ck_assert_int_eq(foreign_live(), 0);
}
END_TEST

START_TEST(a_foreign_snapshot_has_no_operator)
{
    struct model *m = model_new();
    struct moss_snapshot *snap = foreign_new(m), *over;
    struct moss_batch *batch = batch_of("a+1");

    assert_status(moss_snapshot_overlay(snap, batch, 0, 1, &over),
                  MOSS_NO_OPERATOR);
    moss_batch_free(batch);
    moss_snapshot_unref(snap);
    model_free(m);
}
END_TEST

/* ------------------------------------------------------------ the family */

static int released;

static enum moss_status
no_child(void *owner, struct moss_slice name, struct moss_snapshot **out)
{
    (void)owner, (void)name, (void)out;
    return MOSS_NOT_FOUND;
}

static enum moss_status
two_children(void *owner, enum moss_status (*each)(void *, struct moss_slice),
             void *arg)
{
    enum moss_status st;

    (void)owner;
    st = each(arg, moss_str("a"));
    return st == MOSS_OK ? each(arg, moss_str("b")) : st;
}

static void
note_release(void *owner)
{
    (void)owner;
    released++;
}

static const struct snapshot_family family = { no_child, two_children,
                                               note_release };

static enum moss_status
stop_at_once(void *arg, struct moss_slice name)
{
    int *calls = arg;

    (void)name;
    *calls += 1;
    return MOSS_BUSY;
}

START_TEST(the_owner_lives_as_long_as_the_snapshot)
{
    struct moss_tag tag = { 1, 2 };
    struct moss_snapshot *snap;
    struct segstack *stack;
    int owner, calls = 0;

    assert_ok(segstack_new(NULL, NULL, 0, &stack));
    assert_ok(snapshot_new(stack, NULL, tag, &family, &owner, &snap));
    segstack_unref(stack);
    ck_assert_ptr_eq(snapshot_owner(snap, &family), &owner);
    ck_assert_ptr_null(snapshot_owner(snap, NULL));
    ck_assert(moss_tag_equal(moss_snapshot_tag(snap), tag));
    assert_status(moss_snapshot_children(snap, stop_at_once, &calls),
                  MOSS_BUSY);
    ck_assert_int_eq(calls, 1);
    overlay(&snap, "a=1");
    ck_assert_ptr_null(snapshot_owner(snap, &family));
    ck_assert_int_eq(released, 0);
    moss_snapshot_unref(snap);
    ck_assert_int_eq(released, 1);
}
END_TEST

/* ------------------------------------------------------------- estimates */

static void
assert_estimate(struct moss_snapshot *snap, const char *lo, const char *hi,
                uint64_t want, uint64_t want_bytes)
{
    struct moss_slice l = moss_str(lo), h = moss_str(hi);
    uint64_t entries, bytes;

    assert_ok(moss_snapshot_estimate(snap, lo[0] == '\0' ? NULL : &l,
                                     hi[0] == '\0' ? NULL : &h, &entries,
                                     &bytes));
    ck_assert_uint_eq(entries, want);
    ck_assert_uint_eq(bytes, want_bytes);
}

START_TEST(estimates_are_exact_for_one_segment)
{
    struct moss_snapshot *snap = snapshot_of("a=1 b=22 c=333 d=4");

    assert_estimate(snap, "", "", 4, 11);
    assert_estimate(snap, "b", "d", 2, 7);
    assert_estimate(snap, "bb", "", 2, 6);
    assert_estimate(snap, "", "b", 1, 2);
    assert_estimate(snap, "d", "a", 0, 0);
    assert_estimate(snap, "x", "z", 0, 0);
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(estimates_take_deletions_off)
{
    struct moss_snapshot *snap = snapshot_of("a=1 b=1 c=1 d=1");

    overlay(&snap, "-a -b");
    assert_estimate(snap, "", "", 2, 10);
    assert_estimate(snap, "a", "c", 0, 6);
    assert_estimate(snap, "c", "", 2, 4);
    moss_snapshot_unref(snap);
}
END_TEST

START_TEST(estimates_count_the_lower_level)
{
    struct model *m = model_new();
    struct moss_snapshot *snap;

    model_set(m, moss_str("a"), moss_str("0"));
    model_set(m, moss_str("b"), moss_str("0"));
    snap = foreign_new(m);
    overlay(&snap, "c=1");
    assert_estimate(snap, "", "", 3, 6);
    assert_estimate(snap, "b", "", 2, 4);
    moss_snapshot_unref(snap);
    model_free(m);
}
END_TEST

/* ------------------------------------------------------ memory, random */

START_TEST(every_allocation_may_fail)
{
    bool tripped = true;

    fail_alloc_install();
    for (uint64_t i = 1; tripped; i++) {
        struct moss_batch *batch = batch_of("a+1 b=1 a+2 c=1");
        struct moss_snapshot *snap = NULL, *over = NULL;
        enum moss_status st;

        fail_alloc_nth(i);
        st = moss_snapshot_empty(&merge_append, &snap);
        for (size_t k = 0; st == MOSS_OK && k < 4; k++) {
            st = moss_snapshot_overlay(snap, batch, k, k + 1, &over);
            if (st == MOSS_OK) {
                moss_snapshot_unref(snap);
                snap = over;
            }
        }
        tripped = fail_alloc_tripped();
        assert_status(st, tripped ? MOSS_NOMEM : MOSS_OK);
        fail_alloc_nth(0);
        if (st == MOSS_OK)
            assert_snapshot(snap, "a=12 b=1 c=1");
        moss_snapshot_unref(snap);
        moss_batch_free(batch);
        ck_assert_int_eq(fail_alloc_live(), 0);
    }
    fail_alloc_remove();
}
END_TEST

START_TEST(random_overlays_read_as_the_model)
{
    struct rng rng;

    rng_init(&rng, test_seed(7000) + (uint64_t)_i);
    for (int round = 0; round < 20; round++) {
        struct model *m = model_new();
        struct moss_snapshot *snap = snapshot_of_stack(
            random_stack(&rng, m, 4, 1 + rng_below(&rng, 50), NULL));

        for (int i = 0; i < 30; i++) {
            struct moss_batch *batch;
            struct moss_snapshot *over;
            size_t n = 1 + rng_below(&rng, 6);

            assert_ok(moss_batch_new(0, 0, &batch));
            for (size_t k = 0; k < n; k++)
                random_change(&rng, m, batch);
            assert_ok(moss_snapshot_overlay(snap, batch, 0, n, &over));
            moss_batch_free(batch);
            moss_snapshot_unref(snap);
            snap = over;
            assert_reads_as(snap, m);
        }
        moss_snapshot_unref(snap);
        model_free(m);
    }
}
END_TEST

Suite *suite_snapshot(void);

Suite *
suite_snapshot(void)
{
    Suite *s = suite_create("snapshot");
    TCase *tc = tcase_create("snapshot");

    tcase_add_test(tc, an_empty_snapshot_has_nothing);
    tcase_add_test(tc, get_resolves_operands_over_the_value);
    tcase_add_test(tc, get_releases_what_the_lower_level_made);
    tcase_add_test(tc, an_overlay_reads_as_the_changes_over_the_snapshot);
    tcase_add_test(tc, an_overlay_of_no_changes_is_the_snapshot);
    tcase_add_test(tc, an_overlay_takes_a_range_of_changes);
    tcase_add_test(tc, overlays_keep_few_segments);
    tcase_add_test(tc, overlays_keep_no_overlays);
    tcase_add_test(tc, overlays_leave_the_base_alone);
    tcase_add_test(tc, deletions_in_overlays_hide_the_base);
    tcase_add_test(tc, an_overlay_over_nothing_may_be_empty);
    tcase_add_test(tc, an_overlay_keeps_children_and_tag);
    tcase_add_test(tc, a_foreign_snapshot_has_no_operator);
    tcase_add_test(tc, the_owner_lives_as_long_as_the_snapshot);
    tcase_add_test(tc, estimates_are_exact_for_one_segment);
    tcase_add_test(tc, estimates_take_deletions_off);
    tcase_add_test(tc, estimates_count_the_lower_level);
    tcase_add_test(tc, every_allocation_may_fail);
    tcase_add_loop_test(tc, random_overlays_read_as_the_model, 0, 3);
    suite_add_tcase(s, tc);
    return s;
}
