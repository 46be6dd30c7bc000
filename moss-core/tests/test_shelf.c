/* Small blocks that go together. */
#include <check.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/shelf.h"
#include "base/sync.h"
#include "segment/segment.h"
#include "support/coll.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"

Suite *suite_shelf(void);

enum { PIECES = 400, THREADS = 4, ROUNDS = 3000 };

static int64_t before;

static void
setup(void)
{
    settle_reaper();
    fail_alloc_install();
    before = fail_alloc_live();
}

static void
teardown(void)
{
    ck_assert_int_eq(fail_alloc_live(), before);
    fail_alloc_remove();
    arena_trim();
}

struct piece {
    uint8_t *bytes;
    size_t n;
    uint8_t mark;
};

static struct piece
cut(struct rng *r, uint8_t mark)
{
    struct piece p = { NULL, rng_below(r, 40000), mark };

    p.bytes = shelf_alloc(p.n);
    ck_assert_ptr_nonnull(p.bytes);
    ck_assert_uint_eq((uintptr_t)p.bytes % 64, 0);
    memset(p.bytes, mark, p.n);
    return p;
}

static void
check_and_free(struct piece *p)
{
    for (size_t i = 0; i < p->n; i += 61)
        ck_assert_uint_eq(p->bytes[i], p->mark);
    if (p->n > 0)
        ck_assert_uint_eq(p->bytes[p->n - 1], p->mark);
    shelf_free(p->bytes, p->n);
}

/* In the order they were made, or backwards. */
START_TEST(pieces_have_all_their_bytes)
{
    struct piece pieces[PIECES];
    struct rng r;

    rng_init(&r, 1);
    for (size_t i = 0; i < PIECES; i++)
        pieces[i] = cut(&r, (uint8_t)i);
    /* They share what the allocator gives. */
    ck_assert_int_lt(fail_alloc_live() - before, 10);
    for (size_t i = 0; i < PIECES; i++)
        check_and_free(&pieces[_i == 0 ? i : PIECES - 1 - i]);
}
END_TEST

START_TEST(largest_piece_fits_and_nothing_is_kept)
{
    void *p = shelf_alloc(SHELF_MAX);

    ck_assert_ptr_nonnull(p);
    memset(p, 1, SHELF_MAX);
    ck_assert_int_gt(fail_alloc_live(), before);
    shelf_free(p, SHELF_MAX);
    ck_assert_int_eq(fail_alloc_live(), before);
    shelf_free(NULL, 5);
}
END_TEST

START_TEST(without_memory_there_is_no_piece)
{
    void *p;

    fail_alloc_nth(1);
    ck_assert_ptr_null(shelf_alloc(100));
    ck_assert(fail_alloc_tripped());
    fail_alloc_nth(0);
    p = shelf_alloc(100);
    ck_assert_ptr_nonnull(p);
    shelf_free(p, 100);
}
END_TEST

/* Pieces that one thread makes are freed by the next one. */
static struct mutex mu = MUTEX_INITIALIZER;
static struct piece shared[PIECES];

static void
exchange(void *arg)
{
    uint64_t seed = *(uint64_t *)arg;
    struct rng r;

    rng_init(&r, seed);
    for (int i = 0; i < ROUNDS; i++) {
        struct piece mine = cut(&r, (uint8_t)(seed + (uint64_t)i)), other;
        size_t at = rng_below(&r, PIECES);

        mutex_lock(&mu);
        other = shared[at];
        shared[at] = mine;
        mutex_unlock(&mu);
        if (other.bytes != NULL)
            check_and_free(&other);
    }
}

START_TEST(threads_may_free_what_others_made)
{
    struct thread threads[THREADS];
    uint64_t seeds[THREADS];

    memset(shared, 0, sizeof(shared));
    for (size_t i = 0; i < THREADS; i++) {
        seeds[i] = i + 1;
        assert_ok(thread_start(&threads[i], "exchange", exchange, &seeds[i]));
    }
    for (size_t i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    for (size_t i = 0; i < PIECES; i++) {
        if (shared[i].bytes != NULL)
            check_and_free(&shared[i]);
    }
}
END_TEST

/* Of any size, also where it is grown and shrunk. */
START_TEST(segments_for_a_short_time_are_like_others)
{
    static const size_t sizes[] = { 1, 1000, 100000, 2000000 };
    size_t n = sizes[_i];
    struct segment_builder *b = NULL;
    struct segment *seg;
    struct entry e;

    assert_ok(segment_builder_new_brief(2, n, &b));
    segment_builder_add(b, MOSS_OP_SET, moss_str("a"), moss_str(""));
    assert_ok(segment_builder_reserve(&b, 3, n));
    segment_builder_add(b, MOSS_OP_SET, moss_str("b"), moss_str(""));
    seg = segment_builder_finish(b);
    ck_assert_uint_eq(seg->n, 2);
    assert_ok(segment_find(seg, moss_str("b"), &e));
    segment_unref(seg);
    settle_reaper();
}
END_TEST

Suite *
suite_shelf(void)
{
    Suite *s = suite_create("shelf");
    TCase *tc = tcase_create("shelf");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, pieces_have_all_their_bytes, 0, 2);
    tcase_add_test(tc, largest_piece_fits_and_nothing_is_kept);
    tcase_add_test(tc, without_memory_there_is_no_piece);
    tcase_add_test(tc, threads_may_free_what_others_made);
    tcase_add_loop_test(tc, segments_for_a_short_time_are_like_others, 0, 4);
    suite_add_tcase(s, tc);
    return s;
}
