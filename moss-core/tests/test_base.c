/* Slices, encodings, buffers, reference counts, statuses and errors. */
#include <errno.h>
#include <stdlib.h>

#include "base/base.h"
#include "base/buf.h"
#include "base/coding.h"
#include "base/error.h"
#include "base/refs.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"

Suite *suite_base(void);

static int
compare(const char *a, const char *b)
{
    return slice_compare(moss_str(a), moss_str(b));
}

START_TEST(slices_order_by_unsigned_bytes_then_length)
{
    ck_assert_int_lt(compare("a", "b"), 0);
    ck_assert_int_lt(compare("a", "ab"), 0);
    ck_assert_int_gt(compare("b", "ab"), 0);
    ck_assert_int_lt(compare("a", "\xff"), 0);
    ck_assert_int_lt(compare("", "a"), 0);
    ck_assert_int_eq(compare("ab", "ab"), 0);
    ck_assert_int_eq(slice_compare(moss_slice(NULL, 0), moss_str("")), 0);
}
END_TEST

START_TEST(slices_are_equal_only_byte_for_byte)
{
    ck_assert(slice_equal(moss_str("ab"), moss_str("ab")));
    ck_assert(slice_equal(moss_slice(NULL, 0), moss_str("")));
    ck_assert(!slice_equal(moss_str("ab"), moss_str("abc")));
    ck_assert(!slice_equal(moss_str("ab"), moss_str("ac")));
}
END_TEST

START_TEST(align_up_rounds_to_multiples)
{
    ck_assert_uint_eq(align_up(0, 4096), 0);
    ck_assert_uint_eq(align_up(1, 4096), 4096);
    ck_assert_uint_eq(align_up(4096, 4096), 4096);
    ck_assert_uint_eq(align_up(4097, 4096), 8192);
}
END_TEST

START_TEST(integers_are_stored_low_byte_first)
{
    static const uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 0x88 };
    uint8_t out[8];

    ck_assert_uint_eq(load_le32(bytes), 0x04030201U);
    ck_assert_uint_eq(load_le64(bytes), 0x8807060504030201U);
    store_le64(out, 0x8807060504030201U);
    ck_assert_mem_eq(out, bytes, 8);
    store_le32(out, 0x04030201U);
    ck_assert_mem_eq(out, bytes, 4);
}
END_TEST

START_TEST(prefixes_order_as_their_bytes)
{
    static const uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 0x88 };

    ck_assert_uint_eq(load_prefix(bytes, 8), 0x0102030405060788U);
    ck_assert_uint_eq(load_prefix(bytes, 3), 0x0102030000000000U);
    ck_assert_uint_eq(load_prefix(bytes, 0), 0);
}
END_TEST

START_TEST(buf_keeps_what_is_appended)
{
    struct buf b;

    buf_init(&b);
    for (int i = 0; i < 1000; i++)
        assert_ok(buf_append(&b, "0123456789", 10));
    ck_assert_uint_eq(b.len, 10000);
    ck_assert_mem_eq(b.bytes + 9990, "0123456789", 10);
    buf_clear(&b);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_ptr_nonnull(b.bytes);
    buf_release(&b);
    buf_release(&b);
    ck_assert_ptr_null(b.bytes);
}
END_TEST

START_TEST(buf_appends_nothing_from_nowhere)
{
    struct buf b;

    buf_init(&b);
    assert_ok(buf_append(&b, NULL, 0));
    ck_assert_uint_eq(b.len, 0);
    buf_release(&b);
}
END_TEST

START_TEST(buf_reserve_of_too_much_changes_nothing)
{
    struct buf b;

    buf_init(&b);
    assert_ok(buf_append(&b, "ab", 2));
    assert_status(buf_reserve(&b, SIZE_MAX - 1), MOSS_NOMEM);
    ck_assert_uint_eq(b.len, 2);
    ck_assert_mem_eq(b.bytes, "ab", 2);
    buf_release(&b);
}
END_TEST

START_TEST(buf_without_memory_keeps_its_bytes)
{
    static const char kilobyte[1024];
    struct buf b;

    fail_alloc_install();
    buf_init(&b);
    assert_ok(buf_append(&b, "ab", 2));
    fail_alloc_nth(1);
    assert_status(buf_append(&b, kilobyte, sizeof(kilobyte)), MOSS_NOMEM);
    ck_assert_mem_eq(b.bytes, "ab", 2);
    assert_ok(buf_append(&b, kilobyte, sizeof(kilobyte)));
    buf_release(&b);
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
}
END_TEST

START_TEST(the_last_reference_is_noticed)
{
    struct refs r;

    refs_init(&r);
    refs_inc(&r);
    ck_assert(!refs_dec(&r));
    ck_assert(refs_dec(&r));
}
END_TEST

START_TEST(every_status_has_a_name)
{
    for (int st = MOSS_EXISTS; st <= MOSS_DONE; st++) {
        const char *name = moss_status_name((enum moss_status)st);

        ck_assert_int_eq(strncmp(name, "MOSS_", 5), 0);
        ck_assert_str_ne(name, "MOSS_UNKNOWN");
        for (int other = MOSS_EXISTS; other < st; other++)
            ck_assert_str_ne(name, moss_status_name((enum moss_status)other));
    }
    ck_assert_str_eq(moss_status_name((enum moss_status)99), "MOSS_UNKNOWN");
}
END_TEST

START_TEST(an_error_says_what_where_and_why)
{
    struct moss_error err;

    errno = ENOSPC;
    assert_status(error_set(&err, MOSS_FULL, "write", "a/b", 7), MOSS_FULL);
    ck_assert_int_eq(err.status, MOSS_FULL);
    ck_assert_int_eq(err.sys_errno, ENOSPC);
    ck_assert_str_eq(err.what, "write");
    ck_assert_str_eq(err.path, "a/b");
    ck_assert_uint_eq(err.offset, 7);
    error_clear(&err);
    ck_assert_int_eq(err.status, MOSS_OK);
    ck_assert_str_eq(err.path, "");
}
END_TEST

START_TEST(an_error_of_our_own_has_no_errno)
{
    struct moss_error err;

    errno = EIO;
    assert_status(error_set(&err, MOSS_CORRUPT, "footer", NULL, 0),
                  MOSS_CORRUPT);
    ck_assert_int_eq(err.sys_errno, 0);
    ck_assert_str_eq(err.path, "");
}
END_TEST

START_TEST(an_error_cuts_a_long_path)
{
    struct moss_error err;
    char path[2000];

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_status(error_set(&err, MOSS_BUSY, "lock", path, 0), MOSS_BUSY);
    ck_assert_uint_eq(strlen(err.path), sizeof(err.path) - 1);
}
END_TEST

START_TEST(an_error_may_be_nobodys)
{
    assert_status(error_set(NULL, MOSS_IO, "read", "x", 0), MOSS_IO);
    error_clear(NULL);
}
END_TEST

Suite *
suite_base(void)
{
    Suite *s = suite_create("base");
    TCase *tc = tcase_create("base");

    tcase_add_test(tc, slices_order_by_unsigned_bytes_then_length);
    tcase_add_test(tc, slices_are_equal_only_byte_for_byte);
    tcase_add_test(tc, align_up_rounds_to_multiples);
    tcase_add_test(tc, integers_are_stored_low_byte_first);
    tcase_add_test(tc, prefixes_order_as_their_bytes);
    tcase_add_test(tc, buf_keeps_what_is_appended);
    tcase_add_test(tc, buf_appends_nothing_from_nowhere);
    tcase_add_test(tc, buf_reserve_of_too_much_changes_nothing);
    tcase_add_test(tc, buf_without_memory_keeps_its_bytes);
    tcase_add_test(tc, the_last_reference_is_noticed);
    tcase_add_test(tc, every_status_has_a_name);
    tcase_add_test(tc, an_error_says_what_where_and_why);
    tcase_add_test(tc, an_error_of_our_own_has_no_errno);
    tcase_add_test(tc, an_error_cuts_a_long_path);
    tcase_add_test(tc, an_error_may_be_nobodys);
    suite_add_tcase(s, tc);
    return s;
}
