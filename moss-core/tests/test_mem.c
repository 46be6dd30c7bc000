/* The allocator and the hook under it. */
#include <stdlib.h>

#include "base/mem.h"
#include "moss_os.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"

Suite *suite_mem(void);

START_TEST(no_bytes_give_a_pointer)
{
    void *p = mem_alloc(0);
    void *q = mem_resize(NULL, 0, 8);

    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_nonnull(q);
    mem_free(p);
    mem_free(q);
    mem_free(NULL);
}
END_TEST

START_TEST(a_product_too_large_is_out_of_memory)
{
    int *p = mem_zalloc(4, sizeof(*p));

    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(p[3], 0);
    ck_assert_ptr_null(mem_zalloc(SIZE_MAX / 2, 3));
    ck_assert_ptr_null(mem_resize(p, SIZE_MAX / 2, 3));
    ck_assert_int_eq(p[3], 0);
    mem_free(p);
}
END_TEST

START_TEST(resize_and_dup_keep_the_bytes)
{
    char *p = mem_dup("abc", 4);

    p = mem_resize(p, 100000, 1);
    ck_assert_str_eq(p, "abc");
    mem_free(p);
    p = mem_dup(NULL, 0);
    ck_assert_ptr_nonnull(p);
    mem_free(p);
}
END_TEST

START_TEST(the_hook_sees_every_call)
{
    void *p, *q;

    fail_alloc_install();
    p = mem_alloc(10);
    q = mem_zalloc(2, 5);
    ck_assert_int_eq(fail_alloc_live(), 2);
    p = mem_resize(p, 2, 10);
    ck_assert_uint_eq(fail_alloc_count(), 3);
    mem_free(p);
    mem_free(q);
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
    p = mem_alloc(1);
    ck_assert_uint_eq(fail_alloc_count(), 3);
    mem_free(p);
}
END_TEST

START_TEST(without_a_hook_it_is_malloc)
{
    void *p;

    fail_alloc_install();
    moss_set_allocator(NULL);
    p = mem_resize(mem_alloc(1), 10, 1);
    ck_assert_ptr_nonnull(p);
    mem_free(p);
    fail_alloc_put();
    ck_assert_uint_eq(fail_alloc_count(), 0);
    mem_free(mem_alloc(1));
    ck_assert_uint_eq(fail_alloc_count(), 1);
    fail_alloc_remove();
}
END_TEST

START_TEST(the_hook_fails_the_nth_only)
{
    void *p;

    fail_alloc_install();
    fail_alloc_nth(2);
    p = mem_alloc(1);
    ck_assert(!fail_alloc_tripped());
    ck_assert_ptr_null(mem_resize(p, 2, 1));
    ck_assert(fail_alloc_tripped());
    p = mem_resize(p, 2, 1);
    ck_assert_ptr_nonnull(p);
    mem_free(p);
    fail_alloc_remove();
}
END_TEST

START_TEST(the_hook_fails_from_the_nth_on)
{
    void *p;

    fail_alloc_install();
    fail_alloc_from(2);
    p = mem_alloc(1);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_null(mem_dup("a", 1));
    ck_assert_ptr_null(mem_zalloc(1, 1));
    fail_alloc_nth(0);
    mem_free(p);
    p = mem_alloc(1);
    ck_assert_ptr_nonnull(p);
    mem_free(p);
    fail_alloc_remove();
}
END_TEST

Suite *
suite_mem(void)
{
    Suite *s = suite_create("mem");
    TCase *tc = tcase_create("mem");

    tcase_add_test(tc, no_bytes_give_a_pointer);
    tcase_add_test(tc, a_product_too_large_is_out_of_memory);
    tcase_add_test(tc, resize_and_dup_keep_the_bytes);
    tcase_add_test(tc, the_hook_sees_every_call);
    tcase_add_test(tc, without_a_hook_it_is_malloc);
    tcase_add_test(tc, the_hook_fails_the_nth_only);
    tcase_add_test(tc, the_hook_fails_from_the_nth_on);
    suite_add_tcase(s, tc);
    return s;
}
