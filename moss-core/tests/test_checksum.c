/* The checksum: the same number whatever computes it. */
#include <check.h>
#include <stdlib.h>

#include "store/checksum.h"
#include "store/checksum_impl.h"
#include "support/fixture.h"

Suite *suite_checksum(void);

static void
assert_same(const uint8_t *bytes, size_t n, uint64_t seed)
{
    uint64_t want = checksum64_base(bytes, n, seed);

    ck_assert_uint_eq(checksum64(bytes, n, seed), want);
#ifdef CHECKSUM_X86
    if (__builtin_cpu_supports("avx2"))
        ck_assert_uint_eq(checksum64_avx2(bytes, n, seed), want);
    if (__builtin_cpu_supports("avx512f"))
        ck_assert_uint_eq(checksum64_avx512(bytes, n, seed), want);
#endif
}

START_TEST(every_vector_unit_gives_the_same_number)
{
    uint8_t *bytes = must_alloc(malloc(10000));
    struct rng rng;

    rng_init(&rng, test_seed(5000));
    for (size_t i = 0; i < 10000; i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    for (size_t n = 0; n < 1200; n++)
        assert_same(bytes + n % 9, n, n % 3 == 0 ? 0 : rng_next(&rng));
    for (int i = 0; i < 500; i++)
        assert_same(bytes + rng_below(&rng, 64), rng_below(&rng, 9900),
                    rng_next(&rng));
    assert_same(bytes, 4096, 7);
    free(bytes);
}
END_TEST

START_TEST(the_best_unit_is_chosen)
{
    ck_assert(checksum_best(false, false) == checksum64_base);
#ifdef CHECKSUM_X86
    ck_assert(checksum_best(false, true) == checksum64_avx2);
    ck_assert(checksum_best(true, true) == checksum64_avx512);
#endif
}
END_TEST

/* Files are full of them: XXH3 with 64 bits it is to stay. */
START_TEST(numbers_are_those_of_xxh3)
{
    ck_assert_uint_eq(checksum64("", 0, 0), 0x2d06800538d394c2u);
    ck_assert_uint_eq(checksum64("a", 1, 0), 0xe6c632b61e964e1fu);
    ck_assert_uint_ne(checksum64("a", 1, 1), checksum64("a", 1, 0));
}
END_TEST

Suite *
suite_checksum(void)
{
    Suite *s = suite_create("checksum");
    TCase *tc = tcase_create("checksum");

    tcase_add_test(tc, every_vector_unit_gives_the_same_number);
    tcase_add_test(tc, the_best_unit_is_chosen);
    tcase_add_test(tc, numbers_are_those_of_xxh3);
    suite_add_tcase(s, tc);
    return s;
}
