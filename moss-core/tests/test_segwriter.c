/* Writing segments: the buffer, the layout, the checksums. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/coding.h"
#include "base/reaper.h"
#include "base/sync.h"
#include "segment/segment_index.h"
#include "store/bufwriter.h"
#include "store/mapped.h"
#include "store/segwriter.h"
#include "support/fault_os.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/segments.h"

Suite *suite_segwriter(void);

static struct mem_os *mem;
static struct fault_os *fault;
static struct moss_os *os;
static struct file *file;
static struct moss_error err;

static void
setup(void)
{
    mem = mem_os_new();
    fault = fault_os_new(mem_os_base(mem));
    os = fault_os_base(fault);
    assert_ok(
        file_open(os, "/f", MOSS_OPEN_WRITE | MOSS_OPEN_CREATE, &file, &err));
}

static void
teardown(void)
{
    file_unref(file);
    reaper_drain();
    fault_os_free(fault);
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    mem_os_free(mem);
}

START_TEST(buffered_bytes_arrive_in_order_with_a_sum_a_block)
{
    static const size_t totals[] = { 0, 1, 4096, 4097, 100000, 5000000 };
    static const uint64_t hints[] = { 0, 10000, (uint64_t)8 << 20 };
    size_t n = totals[_i / 3], done = 0;
    uint8_t *bytes = malloc(n + 1), *got = malloc(n + 4);
    struct bufwriter w;
    struct buf sums;
    struct rng r;

    rng_init(&r, (uint64_t)_i);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)rng_next(&r);
    buf_init(&sums);
    assert_ok(bufwriter_init(&w, file, 8192, hints[_i % 3], 9, &sums, &err));
    while (done < n) {
        size_t part = (size_t)rng_below(&r, 20000);

        part = part < n - done ? part : n - done;
        assert_ok(bufwriter_append(&w, bytes + done, part));
        done += part;
    }
    assert_ok(bufwriter_end_blocks(&w));
    assert_ok(bufwriter_append(&w, "tail", 4));
    assert_ok(bufwriter_finish(&w));
    bufwriter_release(&w);
    bufwriter_release(&w);
    assert_ok(file_read(file, 8192, got, n, &err));
    ck_assert(memcmp(bytes, got, n) == 0);
    assert_ok(file_read(file, 8192 + n, got, 4, &err));
    ck_assert_mem_eq(got, "tail", 4);
    ck_assert_uint_eq(sums.len, 4 * extras_blocks(n));
    for (size_t b = 0; b < sums.len / 4; b++) {
        size_t at = b * 4096, len = n - at < 4096 ? n - at : 4096;

        ck_assert_uint_eq(load_le32(sums.bytes + 4 * b),
                          extras_sum(bytes + at, len, 9, 8192 + at));
    }
    buf_release(&sums);
    free(bytes);
    free(got);
}
END_TEST

/* The same with a pump that writes what is full. */
START_TEST(pumped_bytes_arrive_in_order_with_a_sum_a_block)
{
    static const size_t totals[] = { 0, 5000000, 4 << 20, 9000000 };
    size_t n = totals[_i];
    uint8_t *bytes = malloc(n + 1), *got = malloc(n + 4);
    struct pump *pump;
    struct bufwriter w;
    struct buf sums;
    struct rng r;

    rng_init(&r, (uint64_t)_i);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)rng_next(&r);
    buf_init(&sums);
    assert_ok(pump_new(&pump));
    assert_ok(bufwriter_init(&w, file, 8192, 8 << 20, 9, &sums, &err));
    bufwriter_use_pump(&w, pump);
    for (size_t done = 0, part; done < n; done += part) {
        part = (size_t)rng_below(&r, 3000000);
        part = part < n - done ? part : n - done;
        assert_ok(bufwriter_append(&w, bytes + done, part));
    }
    assert_ok(bufwriter_end_blocks(&w));
    assert_ok(bufwriter_append(&w, "tail", 4));
    assert_ok(bufwriter_finish(&w));
    bufwriter_release(&w);
    bufwriter_release(&w);
    pump_free(pump);
    assert_ok(file_read(file, 8192, got, n + 4, &err));
    ck_assert(memcmp(bytes, got, n) == 0);
    ck_assert_mem_eq(got + n, "tail", 4);
    ck_assert_uint_eq(sums.len, 4 * extras_blocks(n));
    for (size_t b = 0; b < sums.len / 4; b++) {
        size_t at = b * 4096, len = n - at < 4096 ? n - at : 4096;

        ck_assert_uint_eq(load_le32(sums.bytes + 4 * b),
                          extras_sum(bytes + at, len, 9, 8192 + at));
    }
    buf_release(&sums);
    free(bytes);
    free(got);
}
END_TEST

/* Whichever of the three pieces fails: it is known when the blocks end. */
START_TEST(failure_of_the_pump_is_reported)
{
    uint8_t *bytes = calloc(1, 6 << 20);
    enum moss_status st = MOSS_OK;
    struct pump *pump;
    struct bufwriter w;

    assert_ok(pump_new(&pump));
    assert_ok(bufwriter_init(&w, file, 0, 6 << 20, 9, NULL, &err));
    bufwriter_use_pump(&w, pump);
    fault_os_fail_nth(fault, FAULT_WRITE, (unsigned)_i + 1, MOSS_FULL, ENOSPC);
    for (int i = 0; i < 6 && st == MOSS_OK; i++)
        st = bufwriter_append(&w, bytes, 1 << 20);
    if (st == MOSS_OK)
        st = bufwriter_end_blocks(&w);
    assert_status(st, MOSS_FULL);
    ck_assert_int_eq(err.status, MOSS_FULL);
    ck_assert_uint_eq(err.offset, (uint64_t)_i << 21);
    bufwriter_release(&w);
    pump_free(pump);
    free(bytes);
}
END_TEST

START_TEST(large_regions_are_written_in_large_pieces)
{
    uint8_t *bytes = calloc(1, 10 << 20);
    struct bufwriter w;

    assert_ok(bufwriter_init(&w, file, 0, 10 << 20, 9, NULL, &err));
    fault_os_reset_counts(fault);
    assert_ok(bufwriter_append(&w, bytes, 10 << 20));
    assert_ok(bufwriter_finish(&w));
    ck_assert_uint_eq(fault_os_count(fault, FAULT_WRITE), 5);
    bufwriter_release(&w);
    free(bytes);
}
END_TEST

static uint64_t started_from, started_to;

static void
note_start(struct moss_file *f, uint64_t off, size_t n)
{
    (void)f;
    ck_assert_uint_eq(off, started_to);
    started_to = off + n;
}

/* So that the sync at the end finds little to do. */
START_TEST(large_pieces_are_on_their_way_to_the_disk_at_once)
{
    uint8_t *bytes = calloc(1, 5 << 20);
    struct moss_file_ops ops = *file->f->ops;
    const struct moss_file_ops *usual = file->f->ops;
    struct bufwriter w;

    ops.start_sync = note_start;
    file->f->ops = &ops;
    started_from = started_to = 8192;
    assert_ok(bufwriter_init(&w, file, started_from, 5 << 20, 9, NULL, &err));
    assert_ok(bufwriter_append(&w, bytes, 5 << 20));
    assert_ok(bufwriter_finish(&w));
    ck_assert_uint_eq(started_to - started_from, 4 << 20);
    bufwriter_release(&w);
    file->f->ops = usual;
    free(bytes);
}
END_TEST

/* The segment at loc, as text; to be freed. */
static char *
read_back(const struct segment_loc *loc)
{
    struct segment *seg = NULL;
    char *text;

    assert_ok(mapped_segment_new(file, NULL, loc, 9, &seg, &err));
    text = segment_text(seg);
    segment_unref(seg);
    return text;
}

static struct segwriter
writer(const struct moss_merge_operator *merge)
{
    struct segwriter w = {
        .file = file, .nonce = 9, .merge = merge, .pos = 4096
    };

    return w;
}

START_TEST(segment_is_written_as_it_is)
{
    struct segment *seg = segment_of("a=1 -b c+2 d=", &merge_append);
    struct segwriter w = writer(NULL);
    struct segment_loc loc;
    char *text;

    assert_ok(segwriter_copy(&w, seg, &loc, &err));
    ck_assert_uint_eq(loc.kvs_off, 4096);
    ck_assert_uint_eq(loc.kvs_bytes, 64);
    ck_assert_uint_eq(loc.buf_off, 8192);
    ck_assert_uint_eq(loc.buf_bytes, 6);
    ck_assert_uint_eq(loc.n_set, 2);
    ck_assert_uint_eq(loc.n_del, 1);
    ck_assert_uint_eq(loc.key_bytes, 4);
    ck_assert_uint_eq(loc.value_bytes, 2);
    ck_assert(loc.has_extras);
    ck_assert_uint_eq(w.pos, 12288);
    ck_assert(loc_is_sound(&loc, 12288));
    text = read_back(&loc);
    ck_assert_str_eq(text, "a=1 -b c+2 d=");
    free(text);
    segment_unref(seg);
}
END_TEST

START_TEST(segments_are_merged_on_the_way)
{
    struct segment *segs[] = { segment_of("a=1 b=1 c=1", &merge_append),
                               segment_of("-a b+2 d=2", &merge_append) };
    struct segwriter w = writer(&merge_append);
    struct segment_loc loc;
    char *text;

    assert_ok(segwriter_merge(&w, segs, 2, NULL, &loc, &err));
    text = read_back(&loc);
    ck_assert_str_eq(text, "b=12 c=1 d=2");
    free(text);
    segment_unref(segs[0]);
    segment_unref(segs[1]);
}
END_TEST

START_TEST(nothing_left_writes_nothing)
{
    struct segment *segs[] = { segment_of("a=1", NULL),
                               segment_of("-a", NULL) };
    struct segwriter w = writer(NULL);
    struct segment_loc loc;

    fault_os_reset_counts(fault);
    assert_ok(segwriter_merge(&w, segs, 2, NULL, &loc, &err));
    ck_assert_uint_eq(loc.kvs_bytes, 0);
    ck_assert_uint_eq(w.pos, 4096);
    ck_assert_uint_eq(fault_os_count(fault, FAULT_WRITE), 0);
    segment_unref(segs[0]);
    segment_unref(segs[1]);
}
END_TEST

START_TEST(refusing_operator_is_reported_and_the_place_is_free)
{
    struct segment *segs[] = { segment_of("k=1", NULL),
                               segment_of("k+2", &merge_fail) };
    struct segwriter w = writer(&merge_fail);
    struct segment_loc loc;

    assert_status(segwriter_merge(&w, segs, 2, NULL, &loc, &err),
                  MOSS_MERGE_FAILED);
    ck_assert_uint_eq(w.pos, 4096);
    segment_unref(segs[0]);
    segment_unref(segs[1]);
}
END_TEST

START_TEST(changed_block_is_noticed_when_it_is_used)
{
    struct segment *seg = segment_of("a=1 b=2", NULL), *mapped = NULL;
    struct segwriter w = writer(NULL);
    struct segment_loc loc;
    struct entry e;

    assert_ok(segwriter_copy(&w, seg, &loc, &err));
    segment_unref(seg);
    assert_ok(file_write(file, loc.buf_off + 1, "X", 1, &err));
    assert_ok(mapped_segment_new(file, NULL, &loc, 9, &mapped, &err));
    assert_status(segment_entry(mapped, 0, &e), MOSS_CORRUPT);
    /* Unless nothing can have happened to it. */
    mapped_segment_written(mapped);
    assert_ok(segment_entry(mapped, 0, &e));
    assert_slice(e.value, "X");
    segment_unref(mapped);
    /* The value put back, the header of another file. */
    assert_ok(file_write(file, loc.buf_off + 1, "1", 1, &err));
    assert_ok(mapped_segment_new(file, NULL, &loc, 8, &mapped, &err));
    assert_status(segment_entry(mapped, 0, &e), MOSS_CORRUPT);
    segment_unref(mapped);
    assert_ok(mapped_segment_new(file, NULL, &loc, 9, &mapped, &err));
    assert_ok(segment_entry(mapped, 0, &e));
    assert_slice(e.value, "1");
    segment_unref(mapped);
}
END_TEST

/* ------------------------------------------------------------------ */
/* The index                                                          */
/* ------------------------------------------------------------------ */

enum { INDEXED = 3000 };

/* INDEXED entries, the i-th with a key of 12 bytes and i as its value. */
static struct segment *
numbers(void)
{
    struct segment_builder *b = NULL;
    char key[16];

    assert_ok(segment_builder_new(INDEXED, (size_t)INDEXED * 20, &b));
    for (size_t i = 0; i < INDEXED; i++) {
        snprintf(key, sizeof key, "%012zu", 2 * i);
        segment_builder_add(b, MOSS_OP_SET, moss_str(key),
                            moss_slice(&i, sizeof i));
    }
    return segment_builder_finish(b);
}

/* What a get of number i gives; checks that it is not another entry. */
static enum moss_status
find_number(const struct segment *seg, size_t i)
{
    char key[16];
    struct entry e;
    enum moss_status st;

    snprintf(key, sizeof key, "%012zu", 2 * i);
    st = segment_find(seg, moss_str(key), &e);
    if (st == MOSS_OK)
        ck_assert_mem_eq(e.value.bytes, &i, sizeof i);
    return st;
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

START_TEST(a_segment_brings_its_index_along)
{
    struct segment *seg = numbers(), *mapped = NULL;
    struct segwriter w = writer(NULL);
    struct segment_loc loc;

    if (_i == 0)
        assert_ok(segwriter_copy(&w, seg, &loc, &err));
    else
        assert_ok(segwriter_merge(&w, &seg, 1, NULL, &loc, &err));
    ck_assert_uint_eq(index_of(&loc).bytes, extras_index_bytes(INDEXED));
    assert_ok(mapped_segment_new(file, NULL, &loc, 9, &mapped, &err));
    ck_assert_ptr_nonnull(segment_index(mapped));
    for (size_t i = 0; i < INDEXED; i++) {
        size_t pos;
        struct entry e;

        assert_ok(find_number(mapped, i));
        assert_ok(segment_entry(seg, i, &e));
        assert_ok(segment_seek(mapped, e.key, &pos));
        ck_assert_uint_eq(pos, i);
    }
    assert_status(find_number(mapped, INDEXED), MOSS_NOT_FOUND);
    segment_unref(mapped);
    segment_unref(seg);
}
END_TEST

START_TEST(an_index_keeps_to_its_bounds)
{
    static const struct {
        uint64_t min_key_bytes, max_bytes;
        bool wanted;
    } cases[] = {
        { 0, 0, true },
        { (uint64_t)INDEXED * 12, 0, true },
        { (uint64_t)INDEXED * 12 + 1, 0, false },
        { 0, 100, false },
        { 0, 1 << 20, true },
    };
    struct segment *seg = numbers(), *few = segment_of("a=1 b=2", NULL);
    struct segment_loc loc;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct segwriter w = writer(NULL);

        w.index_min_key_bytes = cases[i].min_key_bytes;
        w.index_max_bytes = cases[i].max_bytes;
        assert_ok(segwriter_copy(&w, seg, &loc, &err));
        ck_assert_int_eq(index_of(&loc).bytes > 0, cases[i].wanted);
        assert_ok(segwriter_copy(&w, few, &loc, &err));
        ck_assert_int_eq(index_of(&loc).bytes > 0, false);
    }
    segment_unref(few);
    segment_unref(seg);
}
END_TEST

START_TEST(a_damaged_index_is_noticed_or_not_used)
{
    struct segment *seg = numbers();
    struct segwriter w = writer(NULL);
    struct segment_loc loc;
    struct extras_index index;
    size_t corrupt = 0;

    assert_ok(segwriter_copy(&w, seg, &loc, &err));
    index = index_of(&loc);
    for (uint64_t at = 0; at < index.bytes; at += 611) {
        struct segment *mapped = NULL;
        uint8_t byte, bad;

        assert_ok(file_read(file, index.off + at, &byte, 1, &err));
        bad = (uint8_t)(byte ^ 0x10);
        assert_ok(file_write(file, index.off + at, &bad, 1, &err));
        assert_ok(mapped_segment_new(file, NULL, &loc, 9, &mapped, &err));
        for (size_t i = 0; i < INDEXED; i += 7) {
            enum moss_status st = find_number(mapped, i);

            if (st != MOSS_OK)
                assert_status(st, MOSS_CORRUPT);
            corrupt += st != MOSS_OK;
        }
        segment_unref(mapped);
        assert_ok(file_write(file, index.off + at, &byte, 1, &err));
    }
    ck_assert_uint_gt(corrupt, 0);
    segment_unref(seg);
}
END_TEST

/*
 * A scan has checksums compared ahead of itself; what is damaged there does
 * not keep it from what comes before.
 */
START_TEST(a_scan_comes_as_far_as_the_damage)
{
    struct segment *seg = numbers(), *mapped = NULL;
    struct segstack *stack = NULL;
    struct moss_iterator *it = NULL;
    struct segwriter w = writer(NULL);
    struct segment_loc loc;
    size_t bad = (size_t)(_i % 2 == 0 ? 2500 : 500), n = 0;
    enum moss_status st;

    assert_ok(segwriter_copy(&w, seg, &loc, &err));
    /* An entry has 20 bytes; its value ends with zeros. */
    assert_ok(file_write(file, loc.buf_off + 20 * bad + 19, "X", 1, &err));
    assert_ok(mapped_segment_new(file, NULL, &loc, 9, &mapped, &err));
    assert_ok(segstack_new(NULL, &mapped, 1, &stack));
    assert_ok(segstack_iterate(stack, NULL, NULL, NULL, NULL, &it));
    do {
        st = _i < 2 ? moss_iterator_next(it) : moss_iterator_prev(it);
        n += st == MOSS_OK;
    } while (st == MOSS_OK);
    assert_status(st, MOSS_CORRUPT);
    /* At most a block of 204 entries before the bad one is lost. */
    if (_i >= 2)
        bad = INDEXED - 1 - bad;
    ck_assert_uint_le(n, bad);
    ck_assert_uint_ge(n + 206, bad);
    moss_iterator_free(it);
    segstack_unref(stack);
    segment_unref(mapped);
    segment_unref(seg);
}
END_TEST

/* Read all entries of a segment that others read for the first time, too. */
static void
read_all(void *arg)
{
    const struct segment *seg = arg;
    struct entry e;

    for (size_t i = 0; i < seg->n; i++) {
        assert_ok(segment_entry(seg, seg->n - 1 - i, &e));
        ck_assert_uint_eq(e.value.bytes[0], e.key.bytes[e.key.len - 1]);
    }
}

START_TEST(several_threads_check_the_same_blocks)
{
    enum { N = 4000, THREADS = 4 };
    struct segwriter w = writer(NULL);
    struct segment_builder *b = NULL;
    struct segment *seg, *mapped = NULL;
    struct segment_loc loc;
    struct thread threads[THREADS];

    assert_ok(segment_builder_new(N, (size_t)N * 28, &b));
    for (uint32_t i = 0; i < N; i++) {
        uint8_t key[4], value[24] = { (uint8_t)i };

        for (int k = 0; k < 4; k++)
            key[k] = (uint8_t)(i >> (24 - 8 * k));
        segment_builder_add(b, MOSS_OP_SET, moss_slice(key, 4),
                            moss_slice(value, 24));
    }
    seg = segment_builder_finish(b);
    assert_ok(segwriter_copy(&w, seg, &loc, &err));
    segment_unref(seg);
    assert_ok(mapped_segment_new(file, NULL, &loc, 9, &mapped, &err));
    for (int i = 0; i < THREADS; i++)
        assert_ok(thread_start(&threads[i], "reader", read_all, mapped));
    for (int i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    segment_unref(mapped);
}
END_TEST

Suite *
suite_segwriter(void)
{
    Suite *s = suite_create("segwriter");
    TCase *tc = tcase_create("segwriter");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, buffered_bytes_arrive_in_order_with_a_sum_a_block,
                        0, 18);
    tcase_add_loop_test(tc, pumped_bytes_arrive_in_order_with_a_sum_a_block, 0,
                        4);
    tcase_add_loop_test(tc, failure_of_the_pump_is_reported, 0, 3);
    tcase_add_test(tc, large_regions_are_written_in_large_pieces);
    tcase_add_test(tc, large_pieces_are_on_their_way_to_the_disk_at_once);
    tcase_add_test(tc, segment_is_written_as_it_is);
    tcase_add_test(tc, segments_are_merged_on_the_way);
    tcase_add_test(tc, nothing_left_writes_nothing);
    tcase_add_test(tc, refusing_operator_is_reported_and_the_place_is_free);
    tcase_add_test(tc, changed_block_is_noticed_when_it_is_used);
    tcase_add_loop_test(tc, a_segment_brings_its_index_along, 0, 2);
    tcase_add_test(tc, an_index_keeps_to_its_bounds);
    tcase_add_test(tc, a_damaged_index_is_noticed_or_not_used);
    tcase_add_loop_test(tc, a_scan_comes_as_far_as_the_damage, 0, 4);
    tcase_add_test(tc, several_threads_check_the_same_blocks);
    suite_add_tcase(s, tc);
    return s;
}
