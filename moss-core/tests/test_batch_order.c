/* Reading a batch in key order. */
#include <check.h>
#include <stdlib.h>

#include "segment/batch_order.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"

Suite *suite_batch_order(void);

/* The number in the value of key's last change, by looking at all of them. */
static size_t
last_change(const struct moss_batch *batch, size_t from, struct moss_slice key)
{
    struct moss_slice other, value;
    size_t i = moss_batch_count(batch);

    while (i-- > from) {
        (void)moss_batch_op(batch, i, &other, &value);
        if (slice_equal(key, other))
            return i;
    }
    ck_abort_msg("a key that is not there");
    return 0;
}

static void
check_order(const struct moss_batch *batch, size_t from)
{
    size_t n = moss_batch_count(batch), seen = 0, keys = 0;
    struct batch_order *o;
    struct moss_slice prev = { NULL, 0 };
    struct entry e;

    assert_ok(batch_order_new(batch, from, n, &o));
    for (; batch_order_next(o, &e); keys++) {
        struct moss_slice key, value;
        size_t i = last_change(batch, from, e.key);

        ck_assert(keys == 0 || slice_compare(prev, e.key) < 0);
        ck_assert_int_eq(moss_batch_op(batch, i, &key, &value), e.op);
        ck_assert(slice_equal(value, e.value));
        prev = e.key;
    }
    batch_order_free(o);
    for (size_t i = from; i < n; i++) {
        struct moss_slice key, value;

        (void)moss_batch_op(batch, i, &key, &value);
        seen += last_change(batch, from, key) == i;
    }
    ck_assert_uint_eq(keys, seen);
}

START_TEST(each_key_comes_once_with_its_last_change)
{
    uint64_t seed = test_seed(11);
    struct rng r;

    rng_init(&r, seed);
    for (int round = 0; round < 60; round++) {
        unsigned keys = 1 + (unsigned)(rng_next(&r) % 400);
        unsigned n = (unsigned)(rng_next(&r) % 300);
        bool ascending = rng_next(&r) % 4 == 0;
        struct moss_batch *batch;

        assert_ok(moss_batch_new(0, 0, &batch));
        for (unsigned i = 0; i < n; i++) {
            uint8_t key[3];
            unsigned k = ascending ? i : (unsigned)(rng_next(&r) % keys);
            struct moss_slice s = moss_slice(key, k % 5 == 0 ? 2 : 3);

            key[0] = 'k';
            key[1] = (uint8_t)(k >> 8);
            key[2] = (uint8_t)k;
            if (rng_next(&r) % 5 == 0)
                assert_ok(moss_batch_del(batch, s));
            else
                assert_ok(moss_batch_set(batch, s, moss_slice(&i, sizeof i)));
        }
        check_order(batch, 0);
        check_order(batch, n / 3);
        moss_batch_free(batch);
    }
}
END_TEST

START_TEST(operands_and_wrong_ranges_are_refused)
{
    struct moss_batch *batch;
    struct batch_order *o;

    assert_ok(moss_batch_new(0, 0, &batch));
    assert_ok(moss_batch_set(batch, moss_str("b"), moss_str("1")));
    assert_status(batch_order_new(batch, 0, 2, &o), MOSS_INVALID);
    assert_status(batch_order_new(batch, 1, 0, &o), MOSS_INVALID);
    assert_ok(moss_batch_merge(batch, moss_str("a"), moss_str("1")));
    assert_status(batch_order_new(batch, 0, 2, &o), MOSS_INVALID);
    ck_assert_ptr_null(o);
    moss_batch_free(batch);
}
END_TEST

START_TEST(any_failed_allocation_is_reported)
{
    struct moss_batch *batch;
    struct batch_order *o;
    enum moss_status st = MOSS_NOMEM;

    fail_alloc_install();
    assert_ok(moss_batch_new(0, 0, &batch));
    for (const char *k = "zyxab"; *k != '\0'; k++)
        assert_ok(moss_batch_set(batch, moss_slice(k, 1), moss_str("1")));
    for (unsigned n = 1; st != MOSS_OK; n++) {
        fail_alloc_nth(n);
        st = batch_order_new(batch, 0, 5, &o);
        fail_alloc_nth(0);
        ck_assert(st == MOSS_OK || st == MOSS_NOMEM);
        ck_assert_uint_lt(n, 10);
    }
    batch_order_free(o);
    moss_batch_free(batch);
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
}
END_TEST

Suite *
suite_batch_order(void)
{
    Suite *s = suite_create("batch_order");
    TCase *tc = tcase_create("batch_order");

    tcase_add_test(tc, each_key_comes_once_with_its_last_change);
    tcase_add_test(tc, operands_and_wrong_ranges_are_refused);
    tcase_add_test(tc, any_failed_allocation_is_reported);
    suite_add_tcase(s, tc);
    return s;
}
