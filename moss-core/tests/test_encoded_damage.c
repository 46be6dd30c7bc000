/* Damage to segments of other kinds than Go moss's, and kinds that fail. */
#include <check.h>
#include <stdlib.h>

#include "base/coding.h"
#include "base/reaper.h"
#include "moss.h"
#include "store/encoded.h"
#include "store/store.h"
#include "support/kind_store.h"
#include "support/operators.h"

Suite *suite_encoded_damage(void);

static struct kind_store s;

static void
setup(void)
{
    kind_store_init(&s);
}

static void
teardown(void)
{
    kind_store_release(&s);
}

/* ------------------------------------------------------------------ */
/* Damage                                                             */
/* ------------------------------------------------------------------ */

/* Its store and file, to be damaged. */
static uint8_t *
make_file(const char *kind, char **path, size_t *n)
{
    assert_ok(kind_store_open(&s, kind));
    assert_ok(
        driver_apply(&s.d, "a=1 bb=22222222222222222222222222222222 k+3"));
    kind_store_compact(&s, MOSS_COMPACT_FULL);
    *path = driver_data_path(&s.d);
    driver_close(&s.d);
    reaper_drain();
    return file_read_all(mem_os_base(s.mem), *path, n);
}

/* Is it this value, or is it said that it cannot be read?  True: it is. */
static bool
reads(struct moss_snapshot *snap, const char *key, const char *want)
{
    struct moss_value v;
    enum moss_status st = moss_snapshot_get(snap, moss_str(key), &v);

    if (st == MOSS_OK) {
        assert_slice(v.bytes, want);
        moss_value_release(&v);
        return true;
    }
    assert_status(st, MOSS_CORRUPT);
    return false;
}

/* How many keys an iterator finds before it ends or fails; all are right. */
static size_t
count_keys(struct moss_snapshot *snap, const char *const *keys, size_t n,
           enum moss_status *end)
{
    struct moss_iterator *it = NULL;
    struct moss_slice key, value;
    size_t i = 0;

    assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
    while ((*end = moss_iterator_next(it)) == MOSS_OK) {
        moss_iterator_current(it, &key, &value);
        ck_assert_uint_lt(i, n);
        assert_slice(key, keys[i++]);
    }
    moss_iterator_free(it);
    return i;
}

/* Nothing but the right content, or an error: nothing else. */
START_TEST(every_flipped_byte_is_detected_or_harmless)
{
    static const char *const keys[] = { "a", "bb", "k" };
    char *path;
    size_t n, detected = 0, refused = 0;
    uint8_t *bytes = make_file(toy_kinds[_i].name, &path, &n);
    struct moss_store_options o = kind_store_options(&s, NULL);

    o.readonly = true;
    for (size_t at = 0; at < n; at++) {
        uint8_t was = bytes[at];
        enum moss_status st, end;
        bool whole;

        bytes[at] ^= (uint8_t)(1 << at % 8);
        file_write_all(o.os, path, bytes, n);
        bytes[at] = was;
        st = driver_open(&s.d, KIND_DIR, &o);
        if (st < 0) {
            ck_assert_msg(st == MOSS_CORRUPT || st == MOSS_UNSUPPORTED,
                          "byte %zu: %s", at, moss_status_name(st));
            refused++;
            driver_close(&s.d);
            continue;
        }
        whole = reads(s.d.newest, "a", "1");
        whole = reads(s.d.newest, "bb", "22222222222222222222222222222222") &&
                whole;
        whole = reads(s.d.newest, "k", "3") && whole;
        if (count_keys(s.d.newest, keys, 3, &end) < 3)
            assert_status(end, MOSS_CORRUPT);
        else
            ck_assert(whole == (end == MOSS_DONE));
        detected += !whole;
        driver_close(&s.d);
    }
    /* More than half of them are zeros between the parts. */
    ck_assert_uint_gt(detected, 20);
    ck_assert_uint_gt(refused, 300);
    ck_assert_uint_lt(detected + refused, n);
    free(bytes);
    free(path);
}
END_TEST

START_TEST(damaged_piece_is_told_to_who_reads_it)
{
    /* In the frames of entries, and of bytes. */
    static const size_t places[] = { 4096 + 20, 8192 + 18 };
    struct moss_store_options o = kind_store_options(&s, "veil");
    unsigned decoded;
    char *path;
    uint8_t *bytes;
    size_t n;

    o.keep_files = true;
    assert_ok(driver_open(&s.d, KIND_DIR, &o));
    assert_ok(driver_apply(&s.d, "a=1"));
    kind_store_compact(&s, MOSS_COMPACT_FULL);
    assert_ok(driver_apply(&s.d, "b=2"));
    path = driver_data_path(&s.d);
    driver_close(&s.d);
    bytes = file_read_all(o.os, path, &n);
    bytes[places[_i]] ^= 1;
    file_write_all(o.os, path, bytes, n);
    decoded = toy_kinds_decoded();
    /* It is not given up for the older file. */
    assert_ok(driver_open(&s.d, KIND_DIR, &o));
    /* Nor does decode get to see what is damaged. */
    ck_assert_uint_eq(toy_kinds_decoded(), decoded + 3);
    ck_assert(!reads(s.d.newest, "a", "1"));
    ck_assert(reads(s.d.newest, "b", "2"));
    driver_close(&s.d);
    bytes[places[_i]] ^= 1;
    file_write_all(o.os, path, bytes, n);
    assert_ok(driver_open(&s.d, KIND_DIR, &o));
    assert_tree(s.d.newest, "a=1 b=2");
    free(bytes);
    free(path);
}
END_TEST

enum { VALUE = 700000, VALUES = 8 };

/* One segment whose bytes are in six frames; where they begin in the file. */
static uint64_t
make_pieces(char **path)
{
    struct moss_batch *batch = NULL;
    uint8_t *value = malloc(VALUE);
    struct commit *c;
    uint64_t off;

    assert_ok(kind_store_open(&s, "veil"));
    assert_ok(moss_batch_new(0, 0, &batch));
    for (int i = 0; i < VALUES; i++) {
        char key[2] = { (char)('a' + i), '\0' };

        memset(value, i, VALUE);
        assert_ok(
            moss_batch_set(batch, moss_str(key), moss_slice(value, VALUE)));
    }
    assert_ok(driver_apply_batch(&s.d, batch, (struct moss_tag){ 1, 1 }));
    moss_batch_free(batch);
    free(value);
    c = store_current(s.d.store);
    off = c->footer->top.locs[0].buf_off;
    commit_unref(c);
    *path = driver_data_path(&s.d);
    driver_close(&s.d);
    reaper_drain();
    return off;
}

/*
 * So many values can be read from the first one on, and from the last one
 * back; those are right.
 */
static void
assert_readable(int from_first, int from_last)
{
    for (int back = 0; back < 2; back++) {
        struct moss_iterator *it = NULL;
        struct moss_slice key, value;
        enum moss_status st;
        int n = 0;

        assert_ok(moss_snapshot_iterate(s.d.newest, NULL, NULL, &it));
        for (;; n++) {
            int i = back ? VALUES - 1 - n : n;

            st = back ? moss_iterator_prev(it) : moss_iterator_next(it);
            if (st != MOSS_OK)
                break;
            moss_iterator_current(it, &key, &value);
            ck_assert_int_eq(key.bytes[0], 'a' + i);
            ck_assert_uint_eq(value.len, VALUE);
            for (size_t k = 0; k < VALUE; k++)
                ck_assert_int_eq(value.bytes[k], i);
        }
        assert_status(st, MOSS_CORRUPT);
        ck_assert_int_eq(n, back ? from_last : from_first);
        moss_iterator_free(it);
    }
}

static enum moss_status
note_in_file(void *arg, const struct moss_segment_info *info)
{
    *(bool *)arg = info->in_file && info->offset > 0;
    return MOSS_OK;
}

START_TEST(only_what_is_damaged_is_lost)
{
    bool in_file = false;
    /* A frame has a head of 16 bytes, a whole piece, and three bytes more. */
    const uint64_t frame = 16 + MOSS_SEGMENT_PIECE + 3;
    char *path;
    uint64_t off = make_pieces(&path);
    struct moss_os *os = mem_os_base(s.mem);
    size_t n;
    uint8_t *bytes = file_read_all(os, path, &n);

    /* The middle of the third piece: what lies in [2, 3) MiB. */
    bytes[off + 2 * frame + 500000] ^= 1;
    file_write_all(os, path, bytes, n);
    assert_ok(kind_store_open(&s, NULL));
    assert_readable(2, 3);
    assert_ok(moss_snapshot_each_segment(s.d.newest, note_in_file, &in_file));
    ck_assert(in_file);
    /* Its head, of which one at most may be in doubt; and the piece before. */
    bytes[off + 2 * frame + 8] ^= 1;
    file_write_all(os, path, bytes, n);
    assert_ok(kind_store_open(&s, NULL));
    assert_readable(1, 3);
    bytes[off + 4 * frame + 8] ^= 1;
    file_write_all(os, path, bytes, n);
    assert_status(kind_store_open(&s, NULL), MOSS_CORRUPT);
    ck_assert_str_eq(s.d.err.path, path);
    bytes[off + 4 * frame + 8] ^= 1;
    /* A length. */
    bytes[off + 2 * frame] ^= 1;
    file_write_all(os, path, bytes, n);
    assert_status(kind_store_open(&s, NULL), MOSS_CORRUPT);
    free(bytes);
    free(path);
}
END_TEST

static unsigned n_told;

static void
count_told(void *ctx, const struct moss_error *err)
{
    (void)ctx;
    assert_status(err->status, MOSS_CORRUPT);
    n_told++;
}

/* What cannot be read is not left out of what is written anew. */
START_TEST(compactions_drop_nothing_that_is_damaged)
{
    char *path;
    uint64_t off = make_pieces(&path);
    struct moss_store_options o = kind_store_options(&s, "veil");
    const struct moss_compact_options full = { .kind = MOSS_COMPACT_FULL };
    struct moss_value v;
    size_t n;
    uint8_t *bytes = file_read_all(o.os, path, &n);

    bytes[off + 2 * (16 + MOSS_SEGMENT_PIECE + 3) + 500000] ^= 1;
    file_write_all(o.os, path, bytes, n);
    o.compaction = MOSS_COMPACTION_ALLOW;
    o.max_dead_bytes = 1;
    o.merge = &merge_append;
    o.on_error = count_told;
    n_told = 0;
    o.compaction_slice_bytes = _i == 0 ? 0 : 100000;
    assert_ok(driver_open(&s.d, KIND_DIR, &o));
    assert_status(moss_store_compact(s.d.store, &full, &s.d.err), MOSS_CORRUPT);
    for (int i = 0; i < 40; i++)
        assert_ok(driver_apply(&s.d, "a=1"));
    assert_ok(driver_apply(&s.d, "d+1")); /* over what is damaged */
    ck_assert_uint_eq(driver_stats(&s.d).compactions, 0);
    /* Not each of them has tried it. */
    ck_assert_uint_gt(n_told, 0);
    ck_assert_uint_lt(n_told, 4);
    ck_assert(reads(s.d.newest, "a", "1"));
    ck_assert(!reads(s.d.newest, "d", ""));
    driver_close(&s.d);
    free(bytes);
    bytes = file_read_all(o.os, path, &n);
    bytes[off + 2 * (16 + MOSS_SEGMENT_PIECE + 3) + 500000] ^= 1;
    file_write_all(o.os, path, bytes, n);
    assert_ok(driver_open(&s.d, KIND_DIR, &o));
    assert_ok(driver_apply(&s.d, "a=1"));
    ck_assert_uint_eq(driver_stats(&s.d).compactions, _i == 0);
    for (char key[2] = "b"; key[0] < 'a' + VALUES; key[0]++) {
        assert_ok(moss_snapshot_get(s.d.newest, moss_str(key), &v));
        ck_assert_uint_ge(v.bytes.len, VALUE);
        moss_value_release(&v);
    }
    assert_ok(moss_snapshot_get(s.d.newest, moss_str("d"), &v));
    ck_assert_uint_eq(v.bytes.len, VALUE + 1);
    moss_value_release(&v);
    free(bytes);
    free(path);
}
END_TEST

/* A segment as an encoder that lies, but sums right, would make it. */
static enum moss_status
load_crafted(const uint64_t *kvs, size_t entries, struct segment_loc *loc)
{
    static const uint8_t bytes[] = "abc";
    const struct moss_segment_kind *kind = &toy_kinds[TOY_VEIL];
    struct file *file = NULL;
    struct segment *seg = NULL;
    struct bufwriter kw, bw;
    struct encoder ke, be;
    struct buf sums;
    struct extras_index none = { 0, 0 };
    struct moss_error err;
    uint8_t words[64], header[EXTRAS_HEADER_INDEX];
    enum moss_status st;

    buf_init(&sums);
    for (size_t i = 0; i < 2 * entries; i++)
        store_le64(words + 8 * i, kvs[i]);
    assert_ok(file_open(mem_os_base(s.mem), "/crafted",
                        MOSS_OPEN_WRITE | MOSS_OPEN_CREATE, &file, &err));
    assert_ok(bufwriter_init(&kw, file, 4096, 4096, 9, &sums, &err));
    assert_ok(bufwriter_init(&bw, file, 8192, 4096, 9, &sums, &err));
    assert_ok(encoder_init(&ke, kind, &kw, 4096, 100));
    assert_ok(encoder_init(&be, kind, &bw, 8192, 100));
    assert_ok(encoder_append(&ke, words, 16 * entries));
    assert_ok(encoder_append(&be, bytes, 3));
    assert_ok(encoder_finish(&ke));
    assert_ok(encoder_finish(&be));
    loc->kvs_off = 4096;
    loc->kvs_bytes = ke.stored;
    loc->buf_off = 8192;
    loc->buf_bytes = be.stored;
    loc->has_extras = true;
    strcpy(loc->kind, kind->name);
    assert_ok(bufwriter_end_blocks(&kw));
    assert_ok(
        bufwriter_append(&kw, header, extras_encode(loc, &none, 9, header)));
    assert_ok(bufwriter_finish(&kw));
    assert_ok(bufwriter_end_blocks(&bw));
    while ((8192 + bw.len) % 8 != 0)
        assert_ok(bufwriter_append(&bw, "", 1));
    assert_ok(bufwriter_append(&bw, sums.bytes, sums.len));
    assert_ok(bufwriter_finish(&bw));
    ck_assert(loc_is_sound(loc, 12288));
    st = encoded_segment_new(file, NULL, loc, 9, kind, true, &seg, &err);
    segment_unref(seg);
    encoder_release(&ke);
    encoder_release(&be);
    bufwriter_release(&kw);
    bufwriter_release(&bw);
    buf_release(&sums);
    file_unref(file);
    return st;
}

#define WORD(op, key, value)                                                   \
    ((uint64_t)(op) << ENTRY_OP_SHIFT | (uint64_t)(key) << ENTRY_KEY_SHIFT |   \
     (uint64_t)(value))

START_TEST(decoded_entries_are_not_trusted)
{
    /* a=b, c */
    const uint64_t good[] = { WORD(1, 1, 1), 0, WORD(2, 1, 0), 2 };
    const struct {
        uint64_t kvs[4];
        const char *what;
    } bad[] = {
        { { WORD(1, 1, 1), 0, WORD(2, 1, 0), 3 }, "behind the bytes" },
        { { WORD(1, 1, 1), 0, WORD(2, 1, 0), UINT64_MAX }, "far behind" },
        { { WORD(1, 1, 1), 1, WORD(2, 1, 0), 0 }, "out of order" },
        { { WORD(1, 1, 1), 0, WORD(2, 1, 0), 0 }, "the same key" },
        { { WORD(1, 1, 1), 0, WORD(4, 1, 0), 2 }, "unknown operation" },
        { { WORD(1, 1, 1), 0, WORD(1, 1, 0), 2 }, "another total" },
        { { WORD(1, 1, 0), 0, WORD(2, 1, 0), 2 }, "another length" },
    };
    const struct segment_loc totals = { .n_set = 1,
                                        .n_del = 1,
                                        .key_bytes = 2,
                                        .value_bytes = 1,
                                        .entries = 2,
                                        .bytes = 3 };
    struct segment_loc loc = totals;

    assert_ok(load_crafted(good, 2, &loc));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        loc = totals;
        ck_assert_msg(load_crafted(bad[i].kvs, 2, &loc) == MOSS_CORRUPT, "%s",
                      bad[i].what);
    }
    loc = totals;
    loc.entries = 3;
    assert_status(load_crafted(good, 2, &loc), MOSS_CORRUPT);
    loc = totals;
    loc.bytes = 4;
    assert_status(load_crafted(good, 2, &loc), MOSS_CORRUPT);
    loc = totals;
    loc.entries = (uint64_t)1 << 50;
    assert_status(load_crafted(good, 2, &loc), MOSS_CORRUPT);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Kinds that fail                                                    */
/* ------------------------------------------------------------------ */

/* What goes wrong, once. */
static enum fault {
    NO_FAULT,
    ENCODE_NOMEM,
    ENCODE_ABORTED, /* which means more where it comes from elsewhere */
    ENCODE_OVERFLOW,
    DECODE_NOMEM,
    DECODE_REFUSES,
    DECODE_SHORT,
    DECODE_WRONG,
    FAULTS
} fault;

static bool
is_now(enum fault which)
{
    if (fault != which)
        return false;
    fault = NO_FAULT;
    return true;
}

static enum moss_status
bad_encode(void *ctx, struct moss_slice in, uint8_t *out, size_t room,
           size_t *written)
{
    enum moss_status st =
        toy_kinds[TOY_VEIL].encode(ctx, in, out, room, written);

    if (is_now(ENCODE_OVERFLOW))
        *written = room + 1;
    if (is_now(ENCODE_NOMEM))
        return MOSS_NOMEM;
    return is_now(ENCODE_ABORTED) ? MOSS_ABORTED : st;
}

static enum moss_status
bad_decode(void *ctx, struct moss_slice in, uint8_t *out, size_t room,
           size_t *written)
{
    enum moss_status st =
        toy_kinds[TOY_VEIL].decode(ctx, in, out, room, written);

    if (is_now(DECODE_SHORT))
        --*written;
    /* In a value, where nothing but the checksum tells. */
    if (room < 16 && is_now(DECODE_WRONG))
        out[room - 1] ^= 1;
    if (is_now(DECODE_NOMEM))
        return MOSS_NOMEM;
    return is_now(DECODE_REFUSES) ? MOSS_ABORTED : st;
}

START_TEST(kind_that_fails_loses_nothing)
{
    static const struct moss_segment_kind kind = { "veil", bad_encode,
                                                   bad_decode, NULL };
    static const enum moss_status want[FAULTS] = {
        [ENCODE_NOMEM] = MOSS_NOMEM,      [ENCODE_ABORTED] = MOSS_INVALID,
        [ENCODE_OVERFLOW] = MOSS_INVALID, [DECODE_NOMEM] = MOSS_NOMEM,
        [DECODE_REFUSES] = MOSS_CORRUPT,  [DECODE_SHORT] = MOSS_CORRUPT,
        [DECODE_WRONG] = MOSS_CORRUPT,
    };
    struct moss_store_options o = kind_store_options(&s, "veil");

    o.kinds = &kind;
    o.n_kinds = 1;
    fault = NO_FAULT;
    assert_ok(driver_open(&s.d, KIND_DIR, &o));
    assert_ok(driver_apply(&s.d, "a=1"));
    fault = (enum fault)_i;
    assert_status(driver_apply(&s.d, "b=2"), want[_i]);
    assert_tree(s.d.newest, "a=1");
    assert_ok(driver_apply(&s.d, "b=3"));
    driver_close(&s.d);
    if (_i >= DECODE_NOMEM) {
        fault = (enum fault)_i;
        assert_status(driver_open(&s.d, KIND_DIR, &o), want[_i]);
        driver_close(&s.d);
    }
    assert_ok(driver_open(&s.d, KIND_DIR, &o));
    assert_tree(s.d.newest, "a=1 b=3");
}
END_TEST

Suite *
suite_encoded_damage(void)
{
    Suite *suite = suite_create("encoded_damage");
    TCase *tc = tcase_create("encoded_damage");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, every_flipped_byte_is_detected_or_harmless, 0,
                        TOY_KINDS);
    tcase_add_loop_test(tc, damaged_piece_is_told_to_who_reads_it, 0, 2);
    tcase_add_test(tc, only_what_is_damaged_is_lost);
    tcase_add_loop_test(tc, compactions_drop_nothing_that_is_damaged, 0, 2);
    tcase_add_test(tc, decoded_entries_are_not_trusted);
    tcase_add_loop_test(tc, kind_that_fails_loses_nothing, ENCODE_NOMEM,
                        FAULTS);
    suite_add_tcase(suite, tc);
    return suite;
}
