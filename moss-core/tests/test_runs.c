/*
 * Runs of entries, which a merge into a file copies as blocks: the file must
 * be the same as if they had come one by one.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "segment/segment_index.h"
#include "store/segwriter.h"
#include "support/fixture.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/segments.h"

Suite *suite_runs(void);

enum { MAX_SEGS = 20, MAX_ENTRIES = 1500, ROUNDS = 40 };

static struct mem_os *mem;
static struct file *file;
static struct moss_error err;

static void
setup(void)
{
    mem = mem_os_new();
    assert_ok(file_open(mem_os_base(mem), "/f",
                        MOSS_OPEN_WRITE | MOSS_OPEN_CREATE, &file, &err));
}

static void
teardown(void)
{
    file_unref(file);
    mem_os_free(mem);
}

static enum moss_op
random_op(struct rng *r, unsigned kinds)
{
    if (rng_below(r, 8) > 0 || kinds == 0)
        return MOSS_OP_SET;
    return kinds == 1 || rng_below(r, 2) == 0 ? MOSS_OP_DEL : MOSS_OP_MERGE;
}

/*
 * n entries from *at on, which is then behind them.  kinds: sets alone (0),
 * deletions too (1), operands too (2).
 */
static struct segment *
random_run(struct rng *r, size_t *at, size_t n, unsigned kinds)
{
    static const char value[64] =
        "a value that is cut somewhere ..............";
    struct segment_builder *b = NULL;

    assert_ok(segment_builder_new(n, n * (24 + sizeof(value)), &b));
    for (size_t i = 0; i < n; i++) {
        size_t length = *at == 0 ? 0 : rng_below(r, sizeof(value));
        char key[24] = "";

        /* The least key of all is the empty one, with an empty value. */
        if (*at > 0)
            snprintf(key, sizeof(key), "k%09zu", *at);
        segment_builder_add(b, random_op(r, kinds), moss_str(key),
                            moss_slice(value, length));
        *at += 1 + rng_below(r, 3);
    }
    return segment_builder_finish(b);
}

/* Up to MAX_SEGS of them, most of which begin where the one before ends. */
static size_t
random_runs(struct rng *r, unsigned kinds, struct segment **segs)
{
    size_t n = 1 + rng_below(r, rng_below(r, 4) == 0 ? 1 : MAX_SEGS), at = 0;

    for (size_t i = 0; i < n; i++) {
        size_t back = rng_below(r, 6) == 0 ? rng_below(r, 200) : 0;

        at -= back < at ? back : 0;
        segs[i] = random_run(r, &at, 1 + rng_below(r, MAX_ENTRIES), kinds);
    }
    return n;
}

/* All that the merge gives, entry by entry. */
static struct segment *
merge_by_entries(struct segment *const *segs, size_t n,
                 const struct segstack *below)
{
    struct segment_builder *b = NULL;
    struct segmerge *m = NULL;
    enum moss_status st;
    struct entry e;

    assert_ok(segment_builder_new(1, 1, &b));
    assert_ok(segmerge_new(segs, n, below, &merge_append, &m));
    for (st = segmerge_next(m, &e); st == MOSS_OK; st = segmerge_next(m, &e)) {
        assert_ok(segment_builder_reserve(&b, 1, e.key.len + e.value.len));
        segment_builder_add(b, e.op, e.key, e.value);
    }
    assert_status(st, MOSS_DONE);
    segmerge_free(m);
    return segment_builder_finish(b);
}

static void
assert_same_bytes(uint64_t a, uint64_t b, size_t n)
{
    uint8_t *x = malloc(n + 1), *y = malloc(n + 1);

    assert_ok(file_read(file, a, x, n, &err));
    assert_ok(file_read(file, b, y, n, &err));
    ck_assert(memcmp(x, y, n) == 0);
    free(x);
    free(y);
}

/* Where the index of the segment at loc lies. */
static struct extras_index
index_of(const struct segment_loc *loc)
{
    uint8_t header[EXTRAS_HEADER_INDEX];
    struct extras_index index;

    assert_ok(file_read(file, loc->kvs_off + loc->kvs_bytes, header,
                        sizeof header, &err));
    ck_assert(extras_match(loc, 9, header, sizeof header, &index));
    return index;
}

static void
assert_same_segments(const struct segment_loc *a, const struct segment_loc *b)
{
    struct extras_index x, y;

    ck_assert_uint_eq(a->kvs_bytes, b->kvs_bytes);
    ck_assert_uint_eq(a->buf_bytes, b->buf_bytes);
    ck_assert_uint_eq(a->key_bytes, b->key_bytes);
    ck_assert_uint_eq(a->value_bytes, b->value_bytes);
    ck_assert_uint_eq(a->n_set, b->n_set);
    ck_assert_uint_eq(a->n_del, b->n_del);
    if (a->kvs_bytes == 0)
        return;
    assert_same_bytes(a->kvs_off, b->kvs_off, (size_t)a->kvs_bytes);
    assert_same_bytes(a->buf_off, b->buf_off, (size_t)a->buf_bytes);
    x = index_of(a);
    y = index_of(b);
    ck_assert_uint_eq(x.bytes, y.bytes);
    /* Without the checksums, which differ from place to place. */
    if (x.bytes > 0)
        assert_same_bytes(x.off, y.off, (size_t)index_bytes(a->kvs_bytes / 16));
}

/* _i: what changes there are, and whether something lies below. */
START_TEST(runs_are_written_as_their_entries_would_be)
{
    struct segment *opaque = segment_of("k000000001=1", NULL);
    struct segstack *below = NULL;
    size_t indexed = 0;
    struct rng r;

    rng_init(&r, (uint64_t)_i + 1);
    if (_i % 2 == 1)
        assert_ok(segstack_new(NULL, &opaque, 1, &below));
    for (int round = 0; round < ROUNDS; round++) {
        struct segwriter w = { .file = file,
                               .nonce = 9,
                               .merge = &merge_append,
                               .index_min_key_bytes = 1,
                               .pos = 4096 };
        struct segment *segs[MAX_SEGS], *merged;
        size_t n = random_runs(&r, (unsigned)_i / 2, segs);
        struct segment_loc one, other;

        assert_ok(segwriter_merge(&w, segs, n, below, &one, &err));
        merged = merge_by_entries(segs, n, below);
        assert_ok(segwriter_copy(&w, merged, &other, &err));
        assert_same_segments(&one, &other);
        indexed += one.kvs_bytes > 0 && index_of(&one).bytes > 0;
        segment_unref(merged);
        for (size_t i = 0; i < n; i++)
            segment_unref(segs[i]);
    }
    ck_assert_uint_gt(indexed, 0);
    segstack_unref(below);
    segment_unref(opaque);
}
END_TEST

/* The entries [from, to) of those of which the last of a group stands apart. */
static struct segment *
segment_of_group(int from, int to)
{
    struct segment_builder *b = NULL;
    char key[16];

    assert_ok(segment_builder_new((size_t)(to - from),
                                  (size_t)(to - from) * sizeof(key), &b));
    for (int i = from; i < to; i++) {
        snprintf(key, sizeof(key), "%c%06d", i < INDEX_GROUP - 1 ? 'a' : 'b',
                 i);
        segment_builder_add(b, MOSS_OP_SET, moss_str(key), moss_str("v"));
    }
    return segment_builder_finish(b);
}

/* The index needs its last key, which is neither first nor last of a run. */
START_TEST(a_group_of_the_index_may_end_within_a_run)
{
    struct segwriter w = { .file = file, .nonce = 9, .pos = 4096 };
    struct segment *segs[2] = { segment_of_group(0, 100),
                                segment_of_group(100, INDEX_GROUP + 500) };
    struct segment *merged = merge_by_entries(segs, 2, NULL);
    struct segment_loc one, other;

    assert_ok(segwriter_merge(&w, segs, 2, NULL, &one, &err));
    assert_ok(segwriter_copy(&w, merged, &other, &err));
    ck_assert_uint_gt(index_of(&one).bytes, 0);
    assert_same_segments(&one, &other);
    segment_unref(merged);
    segment_unref(segs[0]);
    segment_unref(segs[1]);
}
END_TEST

/* Some runs and some single entries, as it comes. */
START_TEST(runs_and_single_entries_can_be_asked_for_in_turn)
{
    struct segment *segs[MAX_SEGS], *merged;
    struct segmerge *m = NULL;
    size_t n, at = 0, long_runs = 0;
    struct rng r;

    rng_init(&r, (uint64_t)_i + 100);
    n = random_runs(&r, 0, segs);
    merged = merge_by_entries(segs, n, NULL);
    assert_ok(segmerge_new(segs, n, NULL, NULL, &m));
    while (at < merged->n) {
        struct segment_run run = { NULL, 0, 0 };
        size_t max = 1 + rng_below(&r, 100);
        struct entry want, e;

        if (rng_below(&r, 3) == 0 || !segmerge_next_run(m, max, &run)) {
            assert_ok(segment_entry(merged, at++, &want));
            assert_ok(segmerge_next(m, &e));
            ck_assert(slice_equal(e.key, want.key));
            ck_assert(slice_equal(e.value, want.value));
        }
        ck_assert_uint_le(run.to - run.from, max);
        long_runs += run.to - run.from > 1;
        for (size_t i = run.from; i < run.to; i++) {
            assert_ok(segment_entry(merged, at++, &want));
            assert_ok(segment_entry(run.seg, i, &e));
            ck_assert(slice_equal(e.key, want.key));
            ck_assert(slice_equal(e.value, want.value));
        }
    }
    ck_assert(!segmerge_next_run(m, 1, &(struct segment_run){ NULL, 0, 0 }));
    assert_status(segmerge_next(m, &(struct entry){ .op = MOSS_OP_SET }),
                  MOSS_DONE);
    ck_assert_uint_gt(long_runs, 0);
    segmerge_free(m);
    segment_unref(merged);
    for (size_t i = 0; i < n; i++)
        segment_unref(segs[i]);
}
END_TEST

Suite *
suite_runs(void)
{
    Suite *s = suite_create("runs");
    TCase *tc = tcase_create("runs");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, runs_are_written_as_their_entries_would_be, 0, 6);
    tcase_add_test(tc, a_group_of_the_index_may_end_within_a_run);
    tcase_add_loop_test(tc, runs_and_single_entries_can_be_asked_for_in_turn, 0,
                        20);
    suite_add_tcase(s, tc);
    return s;
}
