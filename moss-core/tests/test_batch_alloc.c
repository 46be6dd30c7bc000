/* Batches whose memory the caller fills. */
#include <stdio.h>
#include <stdlib.h>

#include "segment/batch_impl.h"
#include "support/coll.h"
#include "support/fail_alloc.h"
#include "support/model.h"
#include "support/operators.h"

Suite *suite_batch_alloc(void);

static struct moss_batch *batch;

static void
setup(void)
{
    assert_ok(moss_batch_new(0, 0, &batch));
}

static void
teardown(void)
{
    moss_batch_free(batch);
}

static struct moss_slice
alloc(const char *text)
{
    uint8_t *bytes;

    assert_ok(moss_batch_alloc(batch, strlen(text), &bytes));
    memcpy(bytes, text, strlen(text));
    return moss_slice(bytes, strlen(text));
}

/* What the batch makes of an empty collection. */
static void
assert_batch(const char *text)
{
    struct moss_snapshot *empty, *over;

    assert_ok(moss_snapshot_empty(&merge_append, &empty));
    assert_ok(
        moss_snapshot_overlay(empty, batch, 0, moss_batch_count(batch), &over));
    assert_snapshot(over, text);
    moss_snapshot_unref(over);
    moss_snapshot_unref(empty);
}

static const uint8_t *
key_of(size_t i)
{
    struct moss_slice key, value;

    (void)moss_batch_op(batch, i, &key, &value);
    return key.bytes;
}

START_TEST(what_is_written_in_place_stays_there)
{
    struct moss_slice key = alloc("b"), value = alloc("two"), both;

    assert_ok(moss_batch_alloc_set(batch, key, value));
    ck_assert_ptr_eq(key_of(0), key.bytes);
    both = alloc("aone"); /* one allocation for key and value */
    assert_ok(moss_batch_alloc_set(batch, moss_slice(both.bytes, 1),
                                   moss_slice(both.bytes + 1, 3)));
    ck_assert_ptr_eq(key_of(1), both.bytes);
    assert_ok(moss_batch_alloc_del(batch, alloc("c")));
    key = alloc("d");
    assert_ok(moss_batch_alloc_merge(batch, key, alloc("four")));
    ck_assert_uint_eq(moss_batch_count(batch), 4);
    ck_assert_uint_eq(moss_batch_bytes(batch), 14);
    ck_assert(!batch->has_gaps);
    assert_batch("a=one b=two d=four");
}
END_TEST

START_TEST(operations_mix)
{
    assert_ok(moss_batch_set(batch, moss_str("a"), moss_str("1")));
    assert_ok(moss_batch_alloc_merge(batch, alloc("a"), alloc("2")));
    assert_ok(moss_batch_merge(batch, moss_str("a"), moss_str("3")));
    assert_ok(moss_batch_alloc_del(batch, alloc("b")));
    assert_batch("a=123");
    ck_assert_uint_eq(moss_batch_bytes(batch), 7);
}
END_TEST

START_TEST(what_is_lent_survives_other_changes)
{
    struct moss_slice key = alloc("k"), value = alloc("v");
    char text[8];

    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "x%02d", i);
        assert_ok(moss_batch_set(batch, moss_str(text), moss_str("1")));
    }
    ck_assert_int_eq(key.bytes[0], 'k'); /* though the array has grown */
    assert_ok(moss_batch_alloc_set(batch, key, value));
    moss_batch_truncate(batch, 2);
    assert_batch("x00=1 x01=1");
    ck_assert_uint_eq(moss_batch_bytes(batch), 8);
}
END_TEST

START_TEST(many_may_be_lent_and_used_in_any_order)
{
    struct moss_slice keys[50], values[50];
    struct model *m = model_new();
    char text[16], *want;

    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof(text), "key%02d", i * 7 % 50);
        keys[i] = alloc(text);
        snprintf(text, sizeof(text), "value%d", i);
        values[i] = alloc(text);
    }
    for (int i = 49; i >= 0; i -= 2)
        assert_ok(moss_batch_alloc_set(batch, keys[i], values[i]));
    for (int i = 0; i < 50; i += 2)
        assert_ok(moss_batch_alloc_set(batch, keys[i], values[i]));
    for (int i = 0; i < 50; i++)
        model_set(m, keys[i], values[i]);
    want = model_dump(m);
    assert_batch(want);
    ck_assert_uint_eq(moss_batch_bytes(batch), 50 * 5 + 40 * 7 + 10 * 6);
    free(want);
    model_free(m);
}
END_TEST

START_TEST(the_rest_of_an_allocation_is_given_back)
{
    struct moss_slice room = alloc("abcdefgh");

    assert_ok(moss_batch_alloc_set(batch, moss_slice(room.bytes, 1),
                                   moss_slice(room.bytes + 1, 2)));
    ck_assert_ptr_eq(alloc("i").bytes, room.bytes + 3);
    ck_assert(!batch->has_gaps);
    assert_batch("a=bc");
}
END_TEST

START_TEST(a_gap_before_a_key_in_order_is_skipped)
{
    struct moss_slice unused = alloc("????");
    struct moss_slice key = alloc("a");

    (void)unused;
    assert_ok(moss_batch_alloc_set(batch, key, alloc("1")));
    assert_ok(moss_batch_alloc_set(batch, alloc("b"), alloc("2")));
    assert_batch("a=1 b=2");
    ck_assert_uint_eq(moss_batch_bytes(batch), 4);
    moss_batch_truncate(batch, 0);
    assert_ok(moss_batch_set(batch, moss_str("c"), moss_str("3")));
    assert_batch("c=3");
    ck_assert(!batch->has_gaps);
}
END_TEST

START_TEST(any_bytes_may_be_given)
{
    struct moss_slice key = alloc("a"), value = alloc("1");

    assert_ok(moss_batch_alloc_set(batch, moss_str("b"), moss_str("2")));
    assert_ok(moss_batch_alloc_set(batch, key, value));
    /* Twice, from the batch's own memory, while it grows. */
    for (int i = 0; i < 1000; i++)
        assert_ok(moss_batch_alloc_merge(batch, key, value));
    moss_batch_truncate(batch, 3);
    assert_batch("a=11 b=2");
}
END_TEST

START_TEST(empty_keys_and_values_are_fine)
{
    uint8_t *bytes;

    assert_ok(moss_batch_alloc(batch, 0, &bytes));
    ck_assert_ptr_nonnull(bytes);
    assert_ok(
        moss_batch_alloc_set(batch, moss_slice(bytes, 0), moss_slice(NULL, 0)));
    assert_batch("=");
}
END_TEST

START_TEST(limits_hold)
{
    static uint8_t big[MOSS_MAX_KEY + 1];
    struct moss_slice key = moss_slice(big, sizeof(big));
    uint8_t *bytes;

    assert_status(moss_batch_alloc(batch, SIZE_MAX, &bytes), MOSS_TOO_BIG);
    ck_assert_ptr_null(bytes);
    assert_status(moss_batch_alloc_del(batch, key), MOSS_TOO_BIG);
    assert_ok(moss_batch_alloc(batch, sizeof(big), &bytes));
    memset(bytes, 'x', sizeof(big));
    assert_status(moss_batch_alloc_del(batch, moss_slice(bytes, sizeof(big))),
                  MOSS_TOO_BIG);
    assert_ok(moss_batch_alloc_del(batch, moss_slice(bytes, MOSS_MAX_KEY)));
    ck_assert_uint_eq(moss_batch_bytes(batch), MOSS_MAX_KEY);
}
END_TEST

START_TEST(a_batch_with_room_does_not_allocate)
{
    struct moss_batch *roomy;

    assert_ok(moss_batch_new(10, 20, &roomy));
    moss_batch_free(batch);
    batch = roomy;
    fail_alloc_install();
    for (int i = 0; i < 10; i++)
        assert_ok(moss_batch_alloc_set(batch, alloc("k"), alloc("v")));
    ck_assert_uint_eq(fail_alloc_count(), 0);
    fail_alloc_remove();
    assert_batch("k=v");
}
END_TEST

START_TEST(reset_gives_up_what_is_lent)
{
    (void)alloc("only lent");
    moss_batch_reset(batch);
    assert_ok(moss_batch_set(batch, moss_str("a"), moss_str("1")));
    ck_assert_uint_eq(moss_batch_bytes(batch), 2);
    ck_assert(!batch->has_gaps);
    for (int i = 0; i < 100; i++)
        (void)alloc("lent while it grows");
    ck_assert_ptr_nonnull(batch->retired);
    moss_batch_clear(batch);
    ck_assert_ptr_null(batch->retired);
    assert_batch("");
}
END_TEST

START_TEST(a_failed_allocation_has_done_nothing)
{
    bool tripped = true;

    for (uint64_t n = 1; tripped; n++) {
        struct moss_slice first, key;
        uint8_t *bytes = NULL;
        enum moss_status st;

        moss_batch_free(batch);
        assert_ok(moss_batch_new(0, 0, &batch));
        first = alloc("lent");
        key = alloc("k");
        fail_alloc_install();
        fail_alloc_nth(n);
        st = moss_batch_alloc(batch, 1000, &bytes);
        if (st == MOSS_OK)
            st = moss_batch_alloc_set(batch, key, moss_str("v"));
        if (st == MOSS_OK)
            st = moss_batch_alloc_del(batch, first);
        tripped = fail_alloc_tripped();
        fail_alloc_remove();
        assert_status(st, tripped ? MOSS_NOMEM : MOSS_OK);
        ck_assert_mem_eq(first.bytes, "lent", 4);
        assert_batch(moss_batch_count(batch) == 0 ? "" : "k=v");
    }
    ck_assert_uint_eq(moss_batch_count(batch), 2);
}
END_TEST

START_TEST(children_lend_of_their_own)
{
    struct moss_batch *top = batch;
    struct moss_collection *c;

    assert_ok(moss_batch_child(top, moss_str("kid"), &batch));
    assert_ok(moss_batch_alloc_set(batch, alloc("a"), alloc("1")));
    batch = top;
    assert_ok(moss_batch_alloc_set(batch, alloc("b"), alloc("2")));
    ck_assert_uint_eq(moss_batch_bytes(batch), 4);
    assert_ok(moss_collection_open(NULL, NULL, &c));
    assert_ok(moss_collection_execute(c, batch));
    assert_collection(c, "b=2 kid{a=1}");
    assert_ok(moss_collection_close(c, MOSS_FOREVER, NULL));
}
END_TEST

Suite *
suite_batch_alloc(void)
{
    Suite *s = suite_create("batch_alloc");
    TCase *tc = tcase_create("batch_alloc");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_is_written_in_place_stays_there);
    tcase_add_test(tc, operations_mix);
    tcase_add_test(tc, what_is_lent_survives_other_changes);
    tcase_add_test(tc, many_may_be_lent_and_used_in_any_order);
    tcase_add_test(tc, the_rest_of_an_allocation_is_given_back);
    tcase_add_test(tc, a_gap_before_a_key_in_order_is_skipped);
    tcase_add_test(tc, any_bytes_may_be_given);
    tcase_add_test(tc, empty_keys_and_values_are_fine);
    tcase_add_test(tc, limits_hold);
    tcase_add_test(tc, a_batch_with_room_does_not_allocate);
    tcase_add_test(tc, reset_gives_up_what_is_lent);
    tcase_add_test(tc, a_failed_allocation_has_done_nothing);
    tcase_add_test(tc, children_lend_of_their_own);
    suite_add_tcase(s, tc);
    return s;
}
