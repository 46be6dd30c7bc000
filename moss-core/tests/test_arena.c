/* The pool of large blocks. */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/os_posix.h"
#include "base/sync.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"

Suite *suite_arena(void);

enum { MIB = 1 << 20 };

static void
teardown(void)
{
    arena_trim();
}

/* Sizes around each border: of ordinary memory, classes and huge pages. */
static const size_t sizes[] = {
    0,       1,           63,          4096,         MIB - 1,
    MIB,     MIB + 1,     2 * MIB - 1, 2 * MIB,      2 * MIB + 1,
    3 * MIB, 5 * MIB + 7, 16 * MIB,    17 * MIB - 1,
};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

START_TEST(a_block_has_all_its_bytes_aligned)
{
    size_t n = sizes[_i];
    uint8_t *p = arena_alloc(n);

    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq((uintptr_t)p % 64, 0);
    if (n >= ARENA_MIN)
        ck_assert_uint_eq((uintptr_t)p % OS_HUGE_PAGE, 0);
    memset(p, 0xa5, n);
    arena_free(p, n);
}
END_TEST

START_TEST(blocks_do_not_overlap)
{
    uint8_t *blocks[SIZES];

    for (uint8_t i = 0; i < SIZES; i++) {
        blocks[i] = arena_alloc(sizes[i]);
        ck_assert_ptr_nonnull(blocks[i]);
        memset(blocks[i], i, sizes[i]);
    }
    for (uint8_t i = 0; i < SIZES; i++) {
        for (size_t k = 0; k < sizes[i]; k += 4096)
            ck_assert_uint_eq(blocks[i][k], i);
        if (sizes[i] > 0)
            ck_assert_uint_eq(blocks[i][sizes[i] - 1], i);
        arena_free(blocks[i], sizes[i]);
    }
}
END_TEST

START_TEST(a_freed_block_serves_a_size_of_its_class)
{
    void *p = arena_alloc(9 * MIB);
    void *q;

    arena_free(p, 9 * MIB);
    q = arena_alloc(9 * MIB - 100);
    ck_assert_ptr_eq(p, q);
    arena_free(q, 9 * MIB - 100);
    arena_free(NULL, 5);
}
END_TEST

START_TEST(a_freed_block_does_not_serve_a_larger_class)
{
    void *p = arena_alloc(8 * MIB);
    uint8_t *q;

    arena_free(p, 8 * MIB);
    q = arena_alloc(8 * MIB + 1);
    ck_assert_ptr_nonnull(q);
    memset(q, 1, 8 * MIB + 1);
    arena_free(q, 8 * MIB + 1);
}
END_TEST

/* How much of this process is in memory. */
static size_t
address_space(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%zu", &pages), 1);
    fclose(f);
    return pages * 4096;
}

/*
 * 100 blocks of 16 MiB, all idle in the end: the bound is 64 MiB.  Counted
 * is address space; the blocks are never touched beyond their first page.
 */
START_TEST(idle_blocks_are_bounded_and_trimmed)
{
    size_t before = address_space(), idle;
    void *blocks[100];

    for (int i = 0; i < 100; i++) {
        blocks[i] = arena_alloc(16 * MIB);
        ck_assert_ptr_nonnull(blocks[i]);
    }
    ck_assert_uint_ge(address_space() - before, (size_t)1600 * MIB);
    for (int i = 0; i < 100; i++)
        arena_free(blocks[i], 16 * MIB);
    idle = address_space() - before;
    ck_assert_uint_le(idle, (size_t)78 * MIB);
    ck_assert_uint_ge(idle, (size_t)48 * MIB);
    arena_trim();
    ck_assert_uint_le(address_space() - before, (size_t)16 * MIB);
}
END_TEST

START_TEST(the_hook_can_fail_a_block)
{
    size_t n = sizes[_i];
    void *p;

    fail_alloc_install();
    fail_alloc_nth(1);
    ck_assert_ptr_null(arena_alloc(n));
    p = arena_alloc(n);
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(fail_alloc_live(), 1);
    arena_free(p, n);
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
}
END_TEST

START_TEST(a_block_too_large_is_out_of_memory)
{
    fail_alloc_install();
    ck_assert_ptr_null(arena_alloc(SIZE_MAX));
    ck_assert_ptr_null(arena_alloc((size_t)1 << 62));
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
}
END_TEST

static void
alloc_and_free(void *arg)
{
    struct rng *r = arg;
    struct {
        uint8_t *p;
        size_t n;
    } held[8] = { { NULL, 0 } };

    for (int i = 0; i < 300; i++) {
        size_t k = (size_t)rng_below(r, 8);

        if (held[k].p != NULL) {
            ck_assert_uint_eq(held[k].p[0], k + 1);
            ck_assert_uint_eq(held[k].p[held[k].n - 1], k + 1);
        }
        arena_free(held[k].p, held[k].n);
        held[k].n = (size_t)MIB / 2 + (size_t)rng_below(r, 4 * MIB);
        held[k].p = arena_alloc(held[k].n);
        ck_assert_ptr_nonnull(held[k].p);
        held[k].p[0] = (uint8_t)(k + 1);
        held[k].p[held[k].n - 1] = (uint8_t)(k + 1);
    }
    for (size_t k = 0; k < 8; k++)
        arena_free(held[k].p, held[k].n);
}

START_TEST(threads_share_the_pool)
{
    struct thread threads[4];
    struct rng rngs[4];

    for (size_t i = 0; i < 4; i++) {
        rng_init(&rngs[i], i);
        assert_ok(thread_start(&threads[i], "arena", alloc_and_free, &rngs[i]));
    }
    for (size_t i = 0; i < 4; i++)
        thread_join(&threads[i]);
}
END_TEST

Suite *
suite_arena(void)
{
    Suite *s = suite_create("arena");
    TCase *tc = tcase_create("arena");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, a_block_has_all_its_bytes_aligned, 0, SIZES);
    tcase_add_test(tc, blocks_do_not_overlap);
    tcase_add_test(tc, a_freed_block_serves_a_size_of_its_class);
    tcase_add_test(tc, a_freed_block_does_not_serve_a_larger_class);
    tcase_add_test(tc, idle_blocks_are_bounded_and_trimmed);
    tcase_add_loop_test(tc, the_hook_can_fail_a_block, 0, SIZES);
    tcase_add_test(tc, a_block_too_large_is_out_of_memory);
    tcase_add_test(tc, threads_share_the_pool);
    suite_add_tcase(s, tc);
    return s;
}
