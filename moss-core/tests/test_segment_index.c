/* The search index of a segment: points, order, and damage. */
#include "segment/segment_index.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/coding.h"
#include "base/reaper.h"
#include "base/sync.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"
#include "support/operators.h"
#include "support/segments.h"

Suite *suite_segment_index(void);

/* What key i of n looks like; ascending in i. */
typedef size_t (*key_maker)(size_t i, uint8_t *buf);

enum { KEY_MAX = 700 };

static size_t
decimal_key(size_t i, uint8_t *buf)
{
    return (size_t)snprintf((char *)buf, KEY_MAX, "%020zu", 3 * i);
}

/* Ends early, and so is followed by keys with zeros. */
static size_t
zeros_key(size_t i, uint8_t *buf)
{
    memset(buf, 0, KEY_MAX);
    buf[0] = (uint8_t)(i / 300 >> 8);
    buf[1] = (uint8_t)(i / 300);
    return i == 0 ? 0 : 2 + i % 300;
}

/* Shares more than samples keep. */
static size_t
long_shared_key(size_t i, uint8_t *buf)
{
    memset(buf, 'p', 600);
    return 600 + (size_t)snprintf((char *)buf + 600, 20, "%07zu", i);
}

/* Groups of keys with prefixes of their own. */
static size_t
nested_key(size_t i, uint8_t *buf)
{
    return (size_t)snprintf((char *)buf, KEY_MAX, "customer/%06zu/%s/%0*zu",
                            i / 500, "order", (int)(4 + i / 500 % 9),
                            2 * (i % 500));
}

static struct segment *
make_segment(key_maker make, size_t n)
{
    struct segment_builder *b = NULL;
    uint8_t key[KEY_MAX];
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += make(i, key) + 8;
    assert_ok(segment_builder_new(n, bytes, &b));
    for (size_t i = 0; i < n; i++) {
        size_t len = make(i, key);

        segment_builder_add(b, MOSS_OP_SET, moss_slice(key, len),
                            moss_slice(&i, sizeof(i)));
    }
    return segment_builder_finish(b);
}

static void
assert_finds(const struct segment *seg, struct moss_slice key, size_t i)
{
    struct entry e;

    assert_ok(segment_find(seg, key, &e));
    ck_assert(slice_equal(e.key, key));
    ck_assert_uint_eq(load_le64(e.value.bytes), i);
}

/* Every key is found where it is, and nothing beside it. */
static void
assert_index_works(const struct segment *seg, key_maker make)
{
    uint8_t buf[KEY_MAX + 1];
    struct entry e;
    size_t pos;

    for (size_t i = 0; i < seg->n; i++) {
        struct moss_slice key = moss_slice(buf, make(i, buf));

        assert_finds(seg, key, i);
        assert_ok(segment_seek(seg, key, &pos));
        ck_assert_uint_eq(pos, i);
        /* The least key behind it. */
        buf[key.len++] = 0;
        assert_ok(segment_seek(seg, key, &pos));
        ck_assert_uint_eq(pos, i + 1);
        if (i + 1 < seg->n) {
            assert_ok(segment_entry(seg, i + 1, &e));
            if (slice_equal(e.key, key))
                continue;
        }
        assert_status(segment_find(seg, key, &e), MOSS_NOT_FOUND);
    }
    assert_ok(segment_seek(seg, moss_slice(NULL, 0), &pos));
    ck_assert_uint_eq(pos, 0);
    memset(buf, 0xff, sizeof(buf));
    assert_ok(segment_seek(seg, moss_slice(buf, 40), &pos));
    ck_assert_uint_eq(pos, seg->n);
    assert_status(segment_find(seg, moss_slice(buf, 40), &e), MOSS_NOT_FOUND);
}

static const key_maker makers[] = { decimal_key, zeros_key, long_shared_key,
                                    nested_key };
static const size_t sizes[] = { 1, 2, 15, 16, 17, 208, 4095, 4096, 4097, 9000 };

START_TEST(an_index_finds_every_key_and_no_other)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct segment *seg = make_segment(makers[_i], sizes[i]);

        index_build(seg);
        ck_assert_ptr_nonnull(segment_index(seg));
        assert_index_works(seg, makers[_i]);
        segment_unref(seg);
    }
}
END_TEST

static size_t
short_key(size_t i, uint8_t *buf)
{
    buf[0] = (uint8_t)(i >> 24);
    buf[1] = (uint8_t)(i >> 16);
    buf[2] = (uint8_t)(i >> 8);
    buf[3] = (uint8_t)i;
    return 4;
}

START_TEST(parts_join_without_a_gap)
{
    struct segment *seg = make_segment(short_key, 2 * INDEX_PART + 5);
    uint8_t buf[KEY_MAX];
    struct entry e;
    size_t pos;

    index_build(seg);
    ck_assert_uint_eq(segment_index(seg)->n_parts, 3);
    for (size_t i = 0; i < seg->n; i += i % INDEX_PART < 9 ? 1 : 997) {
        struct moss_slice key = moss_slice(buf, short_key(i, buf));

        assert_finds(seg, key, i);
        assert_ok(segment_seek(seg, key, &pos));
        ck_assert_uint_eq(pos, i);
    }
    for (size_t i = INDEX_PART - 9; i < INDEX_PART + 9; i++) {
        struct moss_slice key = moss_slice(buf, short_key(i, buf));

        assert_finds(seg, key, i);
        assert_ok(segment_seek(seg, key, &pos));
        ck_assert_uint_eq(pos, i);
    }
    assert_status(segment_find(seg, moss_slice(buf, 3), &e), MOSS_NOT_FOUND);
    assert_status(
        segment_find(seg, moss_slice(buf, short_key(seg->n, buf)), &e),
        MOSS_NOT_FOUND);
    segment_unref(seg);
}
END_TEST

/* Memory and a file have the same layout: what goes out has that size. */
static enum moss_status
count_bytes(void *ctx, const void *bytes, size_t n)
{
    uint64_t *sum = ctx;

    (void)bytes;
    *sum += n;
    return MOSS_OK;
}

START_TEST(an_index_is_as_large_as_foretold)
{
    static const size_t counts[] = {
        1, 13, 14, 4096, INDEX_PART, INDEX_PART + 1
    };

    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        struct index_builder *b = NULL;
        uint64_t sum = 0;
        uint8_t key[KEY_MAX];

        /* More room than it takes must not matter. */
        assert_ok(index_builder_new(counts[i] + 5000, count_bytes, &sum, &b));
        for (size_t k = 0; k < counts[i]; k++)
            assert_ok(index_builder_add(b, moss_slice(key, short_key(k, key)),
                                        4 * k));
        assert_ok(index_builder_finish(b));
        index_builder_free(b);
        ck_assert_uint_eq(sum, index_bytes(counts[i]));
    }
}
END_TEST

/* ------------------------------------------------------------------ */
/* Hashes that somebody chose                                         */
/* ------------------------------------------------------------------ */

static uint64_t
same_hash(struct moss_slice key)
{
    (void)key;
    return UINT64_MAX; /* the last bucket: those behind it are the first */
}

/* Some places are wanted by many, all with one tag. */
static uint64_t
few_hashes(struct moss_slice key)
{
    return key.len == 0 ? 0 : (uint64_t)(key.bytes[key.len - 1] % 5) << 60;
}

START_TEST(equal_hashes_slow_down_but_find)
{
    static const size_t counts[] = { 10, 700, 1000, 1100, 3000 };

    index_set_hash(_i == 0 ? same_hash : few_hashes);
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        struct segment *seg = make_segment(nested_key, counts[i]);

        index_build(seg);
        assert_index_works(seg, nested_key);
        segment_unref(seg);
    }
    index_set_hash(NULL);
}
END_TEST

/* ------------------------------------------------------------------ */
/* When an index is made                                              */
/* ------------------------------------------------------------------ */

/* Get absent keys until n searches are counted. */
static void
search_often(const struct segment *seg, size_t n)
{
    struct entry e;

    for (size_t i = 0; i < n; i++)
        assert_status(segment_find(seg, moss_str("a"), &e), MOSS_NOT_FOUND);
}

START_TEST(gets_make_the_index_that_they_want)
{
    struct segment *seg = make_segment(decimal_key, 320);

    ck_assert(!segment_is_read(seg));
    search_often(seg, 40);
    ck_assert_ptr_null(segment_index(seg));
    ck_assert(segment_is_read(seg));
    search_often(seg, 1);
    ck_assert_ptr_nonnull(segment_index(seg));
    assert_index_works(seg, decimal_key);
    segment_unref(seg);
}
END_TEST

START_TEST(a_large_segment_gets_its_index_from_the_reaper)
{
    struct segment *seg = make_segment(decimal_key, 3 * INDEX_SMALL);

    search_often(seg, seg->n / 32 + 1);
    reaper_drain();
    ck_assert_ptr_nonnull(segment_index(seg));
    assert_index_works(seg, decimal_key);
    segment_unref(seg);
    reaper_drain();
}
END_TEST

static void
find_all(void *arg)
{
    assert_index_works(arg, nested_key);
}

/* Only one of them makes the index; the others search meanwhile. */
START_TEST(several_threads_want_the_same_index)
{
    struct segment *seg =
        make_segment(nested_key, _i == 0 ? 2000 : INDEX_SMALL + 1);
    struct thread threads[4];

    for (int i = 0; i < 4; i++)
        assert_ok(thread_start(&threads[i], "reader", find_all, seg));
    for (int i = 0; i < 4; i++)
        thread_join(&threads[i]);
    reaper_drain();
    ck_assert_ptr_nonnull(segment_index(seg));
    segment_unref(seg);
}
END_TEST

START_TEST(a_merge_of_what_is_read_has_an_index)
{
    struct segment *segs[2] = { make_segment(decimal_key, INDEX_SMALL),
                                make_segment(nested_key, 100) };
    struct segment *quiet = NULL, *read = NULL;

    assert_ok(segstack_merge(segs, 2, NULL, NULL, &quiet));
    ck_assert_ptr_null(segment_index(quiet));
    search_often(segs[1], 1);
    assert_ok(segstack_merge(segs, 2, NULL, NULL, &read));
    ck_assert_ptr_nonnull(segment_index(read));
    /* Not for ever: nobody has read this one. */
    ck_assert(!segment_is_read(read));
    segment_unref(segs[0]);
    segment_unref(segs[1]);
    segment_unref(quiet);
    segment_unref(read);
}
END_TEST

START_TEST(without_memory_gets_do_without)
{
    struct segment *seg = make_segment(decimal_key, 320);

    for (uint64_t nth = 1; nth <= 3; nth++) {
        fail_alloc_install();
        fail_alloc_nth(nth);
        index_build(seg);
        ck_assert(fail_alloc_tripped());
        ck_assert_ptr_null(segment_index(seg));
        ck_assert_int_eq(fail_alloc_live(), 0);
        fail_alloc_remove();
    }
    fail_alloc_install();
    fail_alloc_from(1);
    search_often(seg, 30);
    assert_index_works(seg, decimal_key);
    ck_assert_ptr_null(segment_index(seg));
    fail_alloc_remove();
    segment_unref(seg);
}
END_TEST

START_TEST(a_get_asks_many_segments)
{
    struct segment *segs[50];
    struct segstack *stack = NULL;
    char text[16];

    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof(text), "k%02d=%d all=%d", i, i, i);
        segs[i] = segment_of(text, NULL);
        if (i % 2 == 0)
            index_build(segs[i]);
    }
    assert_ok(segstack_new(NULL, segs, 50, &stack));
    for (int i = 0; i < 50; i++) {
        struct moss_value v;

        snprintf(text, sizeof(text), "k%02d", i);
        assert_ok(segstack_get(stack, NULL, moss_str(text), &v));
        snprintf(text, sizeof(text), "%d", i);
        assert_slice(v.bytes, text);
        assert_ok(segstack_get(stack, NULL, moss_str("all"), &v));
        assert_slice(v.bytes, "49");
        segment_unref(segs[i]);
    }
    segstack_unref(stack);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Damage                                                             */
/* ------------------------------------------------------------------ */

/*
 * A body of any content, in memory of exactly its size, never makes a search
 * leave it or give what was not sought.
 */
START_TEST(no_content_of_an_index_leads_astray)
{
    struct segment *good = make_segment(nested_key, 5000);
    size_t bytes = (size_t)index_bytes(good->n);
    uint8_t *body = must_alloc(aligned_alloc(64, (bytes + 63) / 64 * 64));
    uint8_t buf[KEY_MAX];
    struct rng rng;
    size_t pos;

    rng_init(&rng, test_seed(4000) + (uint64_t)_i);
    index_build(good);
    for (int round = 0; round < 40; round++) {
        struct segment *seg = mapped_of(good, &rng);
        uint64_t flips =
            rng_below(&rng, 3) == 0 ? 3000 : 1 + rng_below(&rng, 9);

        memcpy(body, segment_index(good)->body, bytes);
        for (uint64_t k = 0; k < flips; k++)
            body[rng_below(&rng, bytes)] = (uint8_t)rng_next(&rng);
        /* Mostly it is at least taken for an index. */
        if (round % 5 != 0)
            memcpy(body + bytes - 64, segment_index(good)->body + bytes - 64,
                   64);
        if (index_attach(seg, body) == MOSS_OK) {
            for (int k = 0; k < 500; k++) {
                size_t i = (size_t)rng_below(&rng, seg->n);
                struct moss_slice key = moss_slice(buf, nested_key(i, buf));
                struct entry e;

                if (segment_find(seg, key, &e) == MOSS_OK)
                    ck_assert(slice_equal(e.key, key));
                if (segment_seek(seg, key, &pos) == MOSS_OK)
                    ck_assert_uint_le(pos, seg->n);
            }
        }
        segment_unref(seg);
    }
    free(body);
    segment_unref(good);
}
END_TEST

START_TEST(an_index_of_other_entries_is_refused)
{
    struct segment *good = make_segment(decimal_key, 100);
    struct rng rng;
    struct segment *seg;
    uint8_t *tail;

    index_build(good);
    rng_init(&rng, 1);
    seg = mapped_of(good, &rng);
    tail =
        (uint8_t *)(uintptr_t)segment_index(good)->body + index_bytes(100) - 64;
    store_le64(tail, 99);
    assert_status(index_attach(seg, segment_index(good)->body), MOSS_CORRUPT);
    store_le64(tail, 100);
    store_le64(tail + 8, INDEX_PREFIX_MAX + 1);
    assert_status(index_attach(seg, segment_index(good)->body), MOSS_CORRUPT);
    ck_assert_ptr_null(segment_index(seg));
    segment_unref(seg);
    segment_unref(good);
}
END_TEST

Suite *
suite_segment_index(void)
{
    Suite *s = suite_create("segment_index");
    TCase *tc = tcase_create("segment_index");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, an_index_finds_every_key_and_no_other, 0, 4);
    tcase_add_test(tc, parts_join_without_a_gap);
    tcase_add_test(tc, an_index_is_as_large_as_foretold);
    tcase_add_loop_test(tc, equal_hashes_slow_down_but_find, 0, 2);
    tcase_add_test(tc, gets_make_the_index_that_they_want);
    tcase_add_test(tc, a_large_segment_gets_its_index_from_the_reaper);
    tcase_add_loop_test(tc, several_threads_want_the_same_index, 0, 2);
    tcase_add_test(tc, a_merge_of_what_is_read_has_an_index);
    tcase_add_test(tc, without_memory_gets_do_without);
    tcase_add_test(tc, a_get_asks_many_segments);
    tcase_add_loop_test(tc, no_content_of_an_index_leads_astray, 0, 3);
    tcase_add_test(tc, an_index_of_other_entries_is_refused);
    suite_add_tcase(s, tc);
    return s;
}
