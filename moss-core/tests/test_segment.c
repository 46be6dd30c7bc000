/* Segments: building, searching, and not trusting what is mapped. */
#include "segment/segment.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "support/fail_alloc.h"
#include "support/fixture.h"
#include "support/operators.h"
#include "support/segments.h"

static size_t
position(const struct segment *seg, const char *key)
{
    size_t pos;

    assert_ok(segment_seek(seg, moss_str(key), &pos));
    return pos;
}

START_TEST(seek_finds_the_first_key_not_less)
{
    struct segment *seg = segment_of("ab=1 ad=2 af=3", NULL);

    ck_assert_uint_eq(position(seg, ""), 0);
    ck_assert_uint_eq(position(seg, "a"), 0);
    ck_assert_uint_eq(position(seg, "ab"), 0);
    ck_assert_uint_eq(position(seg, "ab0"), 1);
    ck_assert_uint_eq(position(seg, "ac"), 1);
    ck_assert_uint_eq(position(seg, "af"), 2);
    ck_assert_uint_eq(position(seg, "ag"), 3);
    ck_assert_uint_eq(position(seg, "b"), 3);
    segment_unref(seg);
}
END_TEST

START_TEST(find_gives_the_entry_or_not_found)
{
    struct segment *seg = segment_of("ab=1 -ad af+3", &merge_append);
    struct entry e;

    assert_ok(segment_find(seg, moss_str("ad"), &e));
    ck_assert_int_eq(e.op, MOSS_OP_DEL);
    assert_ok(segment_find(seg, moss_str("af"), &e));
    ck_assert_int_eq(e.op, MOSS_OP_MERGE);
    assert_slice(e.value, "3");
    assert_status(segment_find(seg, moss_str("a"), &e), MOSS_NOT_FOUND);
    assert_status(segment_find(seg, moss_str("ac"), &e), MOSS_NOT_FOUND);
    assert_status(segment_find(seg, moss_str("b"), &e), MOSS_NOT_FOUND);
    assert_status(segment_find(seg, moss_str(""), &e), MOSS_NOT_FOUND);
    segment_unref(seg);
}
END_TEST

START_TEST(keys_that_end_early_differ_from_keys_with_zeros)
{
    struct segment_builder *b;
    struct segment *seg;
    struct moss_slice none = { NULL, 0 };
    struct entry e;

    assert_ok(segment_builder_new(3, 10, &b));
    segment_builder_add(b, MOSS_OP_SET, none, moss_str("x"));
    segment_builder_add(b, MOSS_OP_SET, moss_slice("\0", 1), moss_str("y"));
    segment_builder_add(b, MOSS_OP_SET, moss_slice("\0\0\0", 3), none);
    seg = segment_builder_finish(b);
    assert_ok(segment_find(seg, none, &e));
    assert_slice(e.value, "x");
    assert_ok(segment_find(seg, moss_slice("\0", 1), &e));
    assert_slice(e.value, "y");
    assert_status(segment_find(seg, moss_slice("\0\0", 2), &e), MOSS_NOT_FOUND);
    assert_ok(segment_find(seg, moss_slice("\0\0\0", 3), &e));
    ck_assert_uint_eq(e.value.len, 0);
    segment_unref(seg);
}
END_TEST

START_TEST(an_empty_segment_finds_nothing)
{
    struct segment_builder *b;
    struct segment *seg;
    struct entry e;

    assert_ok(segment_builder_new(0, 0, &b));
    seg = segment_builder_finish(b);
    ck_assert_uint_eq(position(seg, "a"), 0);
    assert_status(segment_find(seg, moss_str("a"), &e), MOSS_NOT_FOUND);
    segment_unref(seg);
}
END_TEST

START_TEST(totals_count_entries_and_bytes)
{
    struct segment *seg = segment_of("aa=1 -bb cc+333", &merge_append);

    ck_assert_uint_eq(seg->totals.n_set, 1);
    ck_assert_uint_eq(seg->totals.n_del, 1);
    ck_assert_uint_eq(seg->totals.n_merge, 1);
    ck_assert_uint_eq(seg->totals.key_bytes, 6);
    ck_assert_uint_eq(seg->totals.value_bytes, 4);
    ck_assert_uint_eq(segment_bytes(seg), 10 + 48);
    segment_unref(seg);
}
END_TEST

START_TEST(a_builder_grows_when_asked)
{
    struct segment_builder *b;
    struct segment *seg;
    char key[8];

    assert_ok(segment_builder_new(1, 1, &b));
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof(key), "%04d", i);
        assert_ok(segment_builder_reserve(&b, 1, 7));
        segment_builder_add(b, MOSS_OP_SET, moss_str(key), moss_str("abc"));
    }
    seg = segment_builder_finish(b);
    ck_assert_uint_eq(seg->n, 500);
    ck_assert_uint_eq(position(seg, "0123"), 123);
    segment_unref(seg);
}
END_TEST

/* Much room, little used: the segment does not keep it. */
START_TEST(unused_room_is_given_back)
{
    struct segment_builder *b;
    struct segment *seg;

    assert_ok(segment_builder_new(1000, ARENA_MIN, &b));
    segment_builder_add(b, MOSS_OP_SET, moss_str("a"), moss_str("1"));
    seg = segment_builder_finish(b);
    ck_assert(!seg->big);
    ck_assert_uint_eq(seg->n, 1);
    segment_unref(seg);
}
END_TEST

START_TEST(a_big_segment_goes_to_the_reaper)
{
    struct segment_builder *b;
    struct segment *seg;
    uint8_t *value = must_alloc(calloc(1, ARENA_MIN));

    fail_alloc_install();
    assert_ok(segment_builder_new(1, ARENA_MIN + 1, &b));
    segment_builder_add(b, MOSS_OP_SET, moss_str("a"),
                        moss_slice(value, ARENA_MIN));
    free(value);
    seg = segment_builder_finish(b);
    ck_assert(seg->big);
    segment_unref(seg);
    reaper_drain();
    arena_trim();
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
}
END_TEST

START_TEST(sizes_that_overflow_are_out_of_memory)
{
    struct segment_builder *b;

    assert_status(segment_builder_new(SIZE_MAX / 16, 0, &b), MOSS_NOMEM);
    assert_status(segment_builder_new(1, SIZE_MAX, &b), MOSS_NOMEM);
    ck_assert_ptr_null(b);
}
END_TEST

START_TEST(a_failed_reserve_keeps_the_builder)
{
    struct segment_builder *b;
    struct segment *seg;
    struct entry e;

    fail_alloc_install();
    assert_ok(segment_builder_new(1, 2, &b));
    segment_builder_add(b, MOSS_OP_SET, moss_str("a"), moss_str("1"));
    fail_alloc_nth(1);
    assert_status(segment_builder_reserve(&b, 1, 2), MOSS_NOMEM);
    seg = segment_builder_finish(b);
    assert_ok(segment_find(seg, moss_str("a"), &e));
    segment_unref(seg);
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
}
END_TEST

/* --------------------------------------------------- untrusted segments */

/* Read entry 0 of a segment with one entry of these words over "abcd". */
static enum moss_status
read_entry(uint64_t word0, uint64_t word1, struct entry *e)
{
    uint64_t kvs[2] = { word0, word1 };
    struct segment *seg = mapped_new(kvs, 1, "abcd", 4);
    enum moss_status st = segment_entry(seg, 0, e);

    /* The segment's bytes go with it. */
    segment_unref(seg);
    return st;
}

static uint64_t
word(uint64_t op, uint64_t key_len, uint64_t value_len)
{
    return op << ENTRY_OP_SHIFT | key_len << ENTRY_KEY_SHIFT | value_len;
}

START_TEST(entries_outside_the_bytes_are_corrupt)
{
    struct entry e;

    assert_ok(read_entry(word(1, 2, 2), 0, &e));
    assert_ok(read_entry(word(1, 0, 0), 12345, &e));
    assert_status(read_entry(word(1, 2, 3), 0, &e), MOSS_CORRUPT);
    assert_status(read_entry(word(1, 1, 0), 4, &e), MOSS_CORRUPT);
    assert_status(read_entry(word(1, 1, 1), UINT64_MAX, &e), MOSS_CORRUPT);
    assert_status(read_entry(word(1, MOSS_MAX_KEY, MOSS_MAX_VALUE), 0, &e),
                  MOSS_CORRUPT);
    assert_status(read_entry(word(0, 1, 1), 0, &e), MOSS_CORRUPT);
    assert_status(read_entry(word(4, 1, 1), 0, &e), MOSS_CORRUPT);
}
END_TEST

START_TEST(reserved_bits_are_ignored)
{
    struct entry e;

    assert_ok(
        read_entry(word(2, 1, 0) | (uint64_t)0xf << 60 | 0xfu << 28, 0, &e));
    ck_assert_int_eq(e.op, MOSS_OP_DEL);
    ck_assert_uint_eq(e.key.len, 1);
    ck_assert_uint_eq(e.value.len, 0);
}
END_TEST

START_TEST(what_fails_verification_is_not_read)
{
    struct rng rng = { 1 };
    struct segment *seg = segment_of("a=1 b=2 c=3", NULL), *mapped;
    struct entry e;
    size_t pos;

    mapped = mapped_of(seg, &rng);
    segment_unref(seg);
    for (int i = 1; i <= 2; i++) {
        mapped_fail_nth(i);
        assert_status(segment_entry(mapped, 0, &e), MOSS_CORRUPT);
        mapped_fail_nth(i);
        assert_status(segment_seek(mapped, moss_str("b"), &pos), MOSS_CORRUPT);
        mapped_fail_nth(i);
        assert_status(segment_find(mapped, moss_str("b"), &e), MOSS_CORRUPT);
    }
    mapped_fail_nth(0);
    assert_ok(segment_find(mapped, moss_str("b"), &e));
    segment_unref(mapped);
}
END_TEST

/* A window spares verifying a block again, and no other. */
START_TEST(a_window_covers_whole_blocks)
{
    struct segment_builder *b;
    struct segment *seg, *mapped;
    struct segment_window w = { 0, 0, 0, 0 };
    struct rng rng = { 1 };
    struct entry e;
    uint8_t key[2];

    assert_ok(segment_builder_new(300, 600, &b));
    for (size_t i = 0; i < 300; i++) {
        key[0] = (uint8_t)(i >> 8);
        key[1] = (uint8_t)i;
        segment_builder_add(b, MOSS_OP_SET, moss_slice(key, 2),
                            moss_slice(NULL, 0));
    }
    seg = segment_builder_finish(b);
    mapped = mapped_of(seg, &rng);
    assert_ok(segment_entry_checked(mapped, 0, &w, &e));
    mapped_fail_nth(1);
    for (size_t i = 0; i < 256; i++)
        assert_ok(segment_entry_checked(mapped, i, &w, &e));
    assert_status(segment_entry_checked(mapped, 256, &w, &e), MOSS_CORRUPT);
    assert_ok(segment_entry_checked(mapped, 256, &w, &e));
    segment_unref(seg);
    segment_unref(mapped);
}
END_TEST

/* --------------------------------------------------------------- random */

START_TEST(random_searches_agree_with_a_scan)
{
    struct rng rng;

    rng_init(&rng, test_seed(3000) + (uint64_t)_i);
    for (int round = 0; round < 100; round++) {
        struct model *m = model_new();
        struct segment *seg = random_layer(&rng, m, 80);

        for (int i = 0; i < 50; i++) {
            uint8_t buf[KEY_ROOM];
            struct moss_slice key = random_key(&rng, buf);
            size_t from = rng_below(&rng, seg->n + 1);
            size_t to = from + rng_below(&rng, seg->n - from + 1);
            size_t want = from, pos;
            struct entry e;

            while (want < to) {
                assert_ok(segment_entry(seg, want, &e));
                if (slice_compare(e.key, key) >= 0)
                    break;
                want++;
            }
            assert_ok(segment_seek_in(seg, key, from, to, &pos));
            ck_assert_uint_eq(pos, want);
            assert_ok(segment_gallop(seg, key, from, to, &pos));
            ck_assert_uint_eq(pos, want);
        }
        segment_unref(seg);
        model_free(m);
    }
    ck_assert_int_eq(mapped_live(), 0);
}
END_TEST

Suite *suite_segment(void);

Suite *
suite_segment(void)
{
    Suite *s = suite_create("segment");
    TCase *tc = tcase_create("segment");

    tcase_add_test(tc, seek_finds_the_first_key_not_less);
    tcase_add_test(tc, find_gives_the_entry_or_not_found);
    tcase_add_test(tc, keys_that_end_early_differ_from_keys_with_zeros);
    tcase_add_test(tc, an_empty_segment_finds_nothing);
    tcase_add_test(tc, totals_count_entries_and_bytes);
    tcase_add_test(tc, a_builder_grows_when_asked);
    tcase_add_test(tc, unused_room_is_given_back);
    tcase_add_test(tc, a_big_segment_goes_to_the_reaper);
    tcase_add_test(tc, sizes_that_overflow_are_out_of_memory);
    tcase_add_test(tc, a_failed_reserve_keeps_the_builder);
    tcase_add_test(tc, entries_outside_the_bytes_are_corrupt);
    tcase_add_test(tc, reserved_bits_are_ignored);
    tcase_add_test(tc, what_fails_verification_is_not_read);
    tcase_add_test(tc, a_window_covers_whole_blocks);
    tcase_add_loop_test(tc, random_searches_agree_with_a_scan, 0, 5);
    suite_add_tcase(s, tc);
    return s;
}
