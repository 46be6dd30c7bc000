/* Segments of other kinds than Go moss's. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/coding.h"
#include "base/reaper.h"
#include "moss.h"
#include "store/encoded.h"
#include "store/segwriter.h"
#include "store/store.h"
#include "support/mem_os.h"
#include "support/operators.h"
#include "support/segments.h"
#include "support/stores.h"
#include "support/toy_kinds.h"

Suite *suite_encoded(void);

#define DIR "/store"

static struct mem_os *mem;
static struct driver d;
static bool no_mmap;

static struct moss_store_options
options(const char *kind)
{
    return (struct moss_store_options){ .os = mem_os_base(mem),
                                        .merge = &merge_append,
                                        .no_mmap = no_mmap,
                                        .compaction = MOSS_COMPACTION_DISABLE,
                                        .kinds = toy_kinds,
                                        .n_kinds = TOY_KINDS,
                                        .persist_kind = kind };
}

static enum moss_status
open_with(const char *kind)
{
    struct moss_store_options o = options(kind);

    driver_close(&d);
    return driver_open(&d, DIR, &o);
}

static enum moss_status
open_without_kinds(void)
{
    struct moss_store_options o = { .os = mem_os_base(mem) };

    driver_close(&d);
    return driver_open(&d, DIR, &o);
}

static void
setup(void)
{
    mem = mem_os_new();
    memset(&d, 0, sizeof d);
    no_mmap = false;
}

static void
teardown(void)
{
    driver_close(&d);
    reaper_drain();
    ck_assert_uint_eq(mem_os_open_files(mem), 0);
    mem_os_free(mem);
}

/* The kinds of the newest commit point's segments: "a veil a ", of all. */
static void
assert_kinds(const char *want)
{
    struct commit *c = store_current(d.store);
    char got[256] = "";

    for (size_t i = 0; i < c->footer->n_colls; i++) {
        for (size_t k = 0; k < c->footer->colls[i]->n_locs; k++) {
            const struct segment_loc *loc = &c->footer->colls[i]->locs[k];

            strcat(got, loc_is_encoded(loc) ? loc->kind : "a");
            strcat(got, " ");
        }
    }
    commit_unref(c);
    ck_assert_str_eq(got, want);
}

static void
compact_now(enum moss_compact_kind kind)
{
    struct moss_compact_options o = { .kind = kind };

    assert_ok(moss_store_compact(d.store, &o, &d.err));
}

/* ------------------------------------------------------------------ */
/* Reading back                                                       */
/* ------------------------------------------------------------------ */

START_TEST(what_is_written_reads_back)
{
    const char *kind = toy_kinds[_i % TOY_KINDS].name;
    char want[32];

    no_mmap = _i >= TOY_KINDS;
    (void)snprintf(want, sizeof want, "%s %s ", kind, kind);
    assert_ok(open_with(kind));
    assert_ok(driver_apply(&d, "a=1 k+2 kid{x=1111111111111111111111111111}"));
    assert_kinds(want);
    assert_tree(d.newest, "a=1 k=2 kid{x=1111111111111111111111111111}");
    assert_ok(open_with(NULL));
    assert_kinds(want);
    assert_tree(d.newest, "a=1 k=2 kid{x=1111111111111111111111111111}");
}
END_TEST

/* Also what a reader is told of it. */
START_TEST(counts_are_of_what_is_decoded)
{
    struct moss_commit_info info;
    struct moss_snapshot *snap = NULL;

    assert_ok(open_with("veil"));
    assert_ok(driver_apply(&d, "aa=111 -b k+22"));
    assert_ok(open_with(NULL));
    assert_ok(moss_store_snapshot(d.store, &snap));
    assert_ok(moss_store_commit_info(d.store, snap, &info));
    moss_snapshot_unref(snap);
    ck_assert_uint_eq(info.segments, 1);
    ck_assert_uint_eq(info.entries, 2);
    ck_assert_uint_eq(info.bytes, 8);
}
END_TEST

START_TEST(file_holds_what_encode_made)
{
    char *path;
    uint8_t *bytes;
    size_t n;

    assert_ok(open_with("veil"));
    assert_ok(driver_apply(&d, "name=secret"));
    path = driver_data_path(&d);
    bytes = file_read_all(mem_os_base(mem), path, &n);
    ck_assert_ptr_null(memmem(bytes, n, "namesecret", 10));
    ck_assert_ptr_nonnull(memmem(bytes, n, "\"Kind\":\"veil\"", 13));
    free(bytes);
    free(path);
}
END_TEST

/* Random bytes and runs, longer than a piece. */
START_TEST(large_segments_go_in_pieces)
{
    enum { VALUE = 700000, VALUES = 8 };
    struct moss_batch *batch = NULL;
    struct moss_value v;
    uint8_t *value = malloc(VALUE);
    struct rng r;
    char key[2] = "a";

    assert_ok(open_with(toy_kinds[_i].name));
    rng_init(&r, 5);
    assert_ok(moss_batch_new(0, 0, &batch));
    for (int i = 0; i < VALUES; i++, key[0]++) {
        for (size_t k = 0; k < VALUE; k++)
            value[k] = i % 2 == 0 ? (uint8_t)i : (uint8_t)rng_next(&r);
        assert_ok(
            moss_batch_set(batch, moss_str(key), moss_slice(value, VALUE)));
    }
    assert_ok(driver_apply_batch(&d, batch, (struct moss_tag){ 1, 1 }));
    moss_batch_free(batch);
    assert_ok(open_with(NULL));
    rng_init(&r, 5);
    key[0] = 'a';
    for (int i = 0; i < VALUES; i++, key[0]++) {
        for (size_t k = 0; k < VALUE; k++)
            value[k] = i % 2 == 0 ? (uint8_t)i : (uint8_t)rng_next(&r);
        assert_ok(moss_snapshot_get(d.newest, moss_str(key), &v));
        ck_assert_uint_eq(v.bytes.len, VALUE);
        ck_assert(memcmp(v.bytes.bytes, value, VALUE) == 0);
        moss_value_release(&v);
    }
    free(value);
    ck_assert_uint_ge(toy_kinds_encoded(), 6);
    ck_assert_uint_eq(toy_kinds_largest(), MOSS_SEGMENT_PIECE);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Mixing and compacting                                              */
/* ------------------------------------------------------------------ */

static void
write_mixed(void)
{
    assert_ok(open_with(NULL));
    assert_ok(driver_apply(&d, "a=1 b=1 c=1"));
    assert_ok(open_with("rle"));
    assert_ok(driver_apply(&d, "b=2 k+2"));
    assert_ok(open_with("veil"));
    assert_ok(driver_apply(&d, "-c k+3"));
    assert_kinds("a rle veil ");
    assert_tree(d.newest, "a=1 b=2 k=23");
}

START_TEST(leveled_compaction_writes_the_kind_chosen)
{
    write_mixed();
    compact_now(MOSS_COMPACT_LEVELED);
    assert_kinds("veil ");
    assert_ok(open_with("rle"));
    assert_tree(d.newest, "a=1 b=2 k=23");
}
END_TEST

START_TEST(full_compaction_writes_the_kind_chosen)
{
    static const char *const kinds[] = { "veil", "rle", "a" };
    static const char *const want[] = { "veil ", "rle ", "a " };

    write_mixed();
    for (int i = 0; i < 3; i++) {
        assert_ok(open_with(kinds[i]));
        compact_now(MOSS_COMPACT_FULL);
        assert_kinds(want[i]);
        assert_ok(open_with(NULL));
        assert_tree(d.newest, "a=1 b=2 k=23");
    }
    /* Nothing is left of the others. */
    assert_ok(open_without_kinds());
    assert_tree(d.newest, "a=1 b=2 k=23");
}
END_TEST

START_TEST(updates_compact_to_the_kind_chosen)
{
    write_mixed();
    moss_store_set_compaction(d.store, _i == 0 ? MOSS_COMPACTION_ALLOW
                                               : MOSS_COMPACTION_FORCE);
    assert_ok(driver_apply(&d, "d=4 k+4"));
    assert_kinds("veil ");
    assert_ok(open_with(NULL));
    assert_tree(d.newest, "a=1 b=2 d=4 k=234");
}
END_TEST

START_TEST(history_goes_through_all_kinds)
{
    static const char *const states[] = { "a=1 b=2 k=23", "a=1 b=2 c=1 k=2",
                                          "a=1 b=1 c=1", "" };
    struct moss_snapshot *snap = NULL, *older = NULL;

    write_mixed();
    assert_ok(moss_store_snapshot(d.store, &snap));
    for (int i = 0; i < 4; i++) {
        assert_tree(snap, states[i]);
        if (i == 1) {
            d.lower->ops->close(d.lower);
            d.lower = NULL;
            assert_ok(moss_store_revert(d.store, snap, &d.err));
        }
        if (i < 3)
            assert_ok(moss_store_previous(d.store, snap, &older, &d.err));
        moss_snapshot_unref(snap);
        snap = older;
        older = NULL;
    }
    assert_ok(open_with(NULL));
    assert_tree(d.newest, states[1]);
    assert_kinds("a rle ");
}
END_TEST

START_TEST(staged_batches_are_of_the_usual_kind)
{
    struct moss_batch *piece = batch_of("a=1 b=2");
    struct moss_staged *staged = NULL;
    struct moss_staged_info info;
    unsigned before = toy_kinds_encoded();

    assert_ok(open_with("veil"));
    assert_ok(
        moss_staged_begin(d.store, (struct moss_tag){ 7, 7 }, &staged, &d.err));
    assert_ok(moss_staged_add(staged, piece, &d.err));
    assert_ok(moss_staged_finish(staged, &info, &d.err));
    moss_staged_free(staged);
    assert_ok(moss_staged_open(d.store, &info, &staged, &d.err));
    moss_staged_free(staged);
    moss_batch_free(piece);
    ck_assert_uint_eq(toy_kinds_encoded(), before);
}
END_TEST

/* ------------------------------------------------------------------ */
/* What is not known                                                  */
/* ------------------------------------------------------------------ */

START_TEST(unknown_kind_is_named)
{
    struct moss_store_options o = options(NULL);

    write_mixed();
    o.n_kinds = 1;
    driver_close(&d);
    assert_status(driver_open(&d, DIR, &o), MOSS_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(d.err.path, "\"veil\""));
    ck_assert_ptr_nonnull(strstr(d.err.path, DIR "/data-"));
    driver_close(&d);
    o.readonly = true;
    assert_status(driver_open(&d, DIR, &o), MOSS_UNSUPPORTED);
    assert_ok(open_with(NULL));
    assert_tree(d.newest, "a=1 b=2 k=23");
}
END_TEST

/* As Go moss writes it for a loader of somebody's own. */
START_TEST(kind_of_another_library_is_not_passed_over)
{
    static const char text[] =
        "{\"SegmentLocs\":[{\"Kind\":\"veil\",\"KvsOffset\":4096,\"KvsBytes\":"
        "5,\"BufOffset\":8192,\"BufBytes\":3,\"TotOpsSet\":1,\"TotOpsDel\":0,"
        "\"TotKeyByte\":1,\"TotValByte\":1%s}],\"PrevFooterOffset\":0,"
        "\"ChildFooters\":null}";
    struct commit_env env = { .kinds = toy_kinds, .n_kinds = TOY_KINDS };
    struct commit_place place = { NULL, 1, NULL };
    struct footer *f = footer_new();
    struct commit *c = NULL;
    struct moss_error err;
    char line[512];
    int n = snprintf(line, sizeof line, text, "");

    f->off = 12288;
    assert_ok(footer_get_json(f, (const uint8_t *)line, (size_t)n));
    ck_assert_str_eq(f->top.locs[0].kind, "veil");
    ck_assert(!f->top.locs[0].has_extras);
    assert_ok(file_open(mem_os_base(mem), "/f",
                        MOSS_OPEN_WRITE | MOSS_OPEN_CREATE, &place.file, &err));
    env.no_mmap = true;
    assert_status(commit_load(&env, &place, f, &c, &err), MOSS_UNSUPPORTED);
    file_unref(place.file);

    /* What only we write is not in another's footer. */
    n = snprintf(line, sizeof line, text, ",\"Entries\":1,\"Bytes\":2");
    f = footer_new();
    f->off = 12288;
    assert_status(footer_get_json(f, (const uint8_t *)line, (size_t)n),
                  MOSS_CORRUPT);
    footer_free(f);
}
END_TEST

START_TEST(options_must_make_sense)
{
    static const struct moss_segment_kind *const veil = &toy_kinds[TOY_VEIL];
    struct moss_segment_kind kinds[2] = { *veil, toy_kinds[TOY_RLE] };
    struct moss_store_options o = options("veil");
    static const char *const names[] = {
        NULL, "", "a", "name of it", "x\"y", "sixteen-letters-", "rle"
    };

    o.kinds = kinds;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        kinds[0].name = names[i];
        o.persist_kind = NULL;
        assert_status(driver_open(&d, DIR, &o), MOSS_INVALID);
    }
    kinds[0] = *veil;
    kinds[0].decode = NULL;
    assert_status(driver_open(&d, DIR, &o), MOSS_INVALID);
    kinds[0] = *veil;
    kinds[0].encode = NULL;
    assert_ok(driver_open(&d, DIR, &o));
    driver_close(&d);
    o.persist_kind = "veil";
    assert_status(driver_open(&d, DIR, &o), MOSS_INVALID);
    o.persist_kind = "other";
    assert_status(driver_open(&d, DIR, &o), MOSS_INVALID);
    kinds[0] = *veil;
    kinds[0].name = "fifteen-letters";
    o.persist_kind = kinds[0].name;
    assert_ok(driver_open(&d, DIR, &o));
    assert_ok(driver_apply(&d, "a=1"));
    assert_kinds("fifteen-letters ");
    driver_close(&d);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Damage                                                             */
/* ------------------------------------------------------------------ */

/* Its store and file, to be damaged. */
static uint8_t *
make_file(const char *kind, char **path, size_t *n)
{
    assert_ok(open_with(kind));
    assert_ok(driver_apply(&d, "a=1 bb=22222222222222222222222222222222 k+3"));
    compact_now(MOSS_COMPACT_FULL);
    *path = driver_data_path(&d);
    driver_close(&d);
    reaper_drain();
    return file_read_all(mem_os_base(mem), *path, n);
}

/* Nothing but the whole content, or an error: nothing else. */
START_TEST(every_flipped_byte_is_detected_or_harmless)
{
    char *path;
    size_t n, detected = 0;
    uint8_t *bytes = make_file(toy_kinds[_i].name, &path, &n);
    struct moss_store_options o = options(NULL);

    o.readonly = true;
    for (size_t at = 0; at < n; at++) {
        uint8_t was = bytes[at];
        enum moss_status st;

        bytes[at] ^= (uint8_t)(1 << at % 8);
        file_write_all(o.os, path, bytes, n);
        bytes[at] = was;
        st = driver_open(&d, DIR, &o);
        if (st == MOSS_OK)
            assert_tree(d.newest,
                        "a=1 bb=22222222222222222222222222222222 k=3");
        else
            ck_assert_msg(st == MOSS_CORRUPT || st == MOSS_UNSUPPORTED,
                          "byte %zu: %s", at, moss_status_name(st));
        detected += st != MOSS_OK;
        driver_close(&d);
    }
    /* More than half of them are zeros between the parts. */
    ck_assert_uint_gt(detected, 400);
    ck_assert_uint_lt(detected, n);
    free(bytes);
    free(path);
}
END_TEST

START_TEST(damaged_store_is_not_given_up_for_an_older_file)
{
    /* In the frames of entries, and of bytes. */
    static const size_t places[] = { 4096 + 20, 8192 + 18 };
    struct moss_store_options o = options("veil");
    unsigned decoded;
    char *path;
    uint8_t *bytes;
    size_t n;

    o.keep_files = true;
    assert_ok(driver_open(&d, DIR, &o));
    assert_ok(driver_apply(&d, "a=1"));
    compact_now(MOSS_COMPACT_FULL);
    assert_ok(driver_apply(&d, "b=2"));
    path = driver_data_path(&d);
    driver_close(&d);
    bytes = file_read_all(o.os, path, &n);
    bytes[places[_i]] ^= 1;
    file_write_all(o.os, path, bytes, n);
    decoded = toy_kinds_decoded();
    assert_status(driver_open(&d, DIR, &o), MOSS_CORRUPT);
    ck_assert_str_eq(d.err.path, path);
    /* Nor does decode get to see it. */
    ck_assert_uint_eq(toy_kinds_decoded(), decoded);
    driver_close(&d);
    bytes[places[_i]] ^= 1;
    file_write_all(o.os, path, bytes, n);
    assert_ok(driver_open(&d, DIR, &o));
    assert_tree(d.newest, "a=1 b=2");
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
    assert_ok(file_open(mem_os_base(mem), "/crafted",
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
    st = encoded_segment_new(file, NULL, loc, 9, kind, &seg, &err);
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
    struct moss_store_options o = options("veil");

    o.kinds = &kind;
    o.n_kinds = 1;
    fault = NO_FAULT;
    assert_ok(driver_open(&d, DIR, &o));
    assert_ok(driver_apply(&d, "a=1"));
    fault = (enum fault)_i;
    assert_status(driver_apply(&d, "b=2"), want[_i]);
    assert_tree(d.newest, "a=1");
    assert_ok(driver_apply(&d, "b=3"));
    driver_close(&d);
    if (_i >= DECODE_NOMEM) {
        fault = (enum fault)_i;
        assert_status(driver_open(&d, DIR, &o), want[_i]);
        driver_close(&d);
    }
    assert_ok(driver_open(&d, DIR, &o));
    assert_tree(d.newest, "a=1 b=3");
}
END_TEST

Suite *
suite_encoded(void)
{
    Suite *s = suite_create("encoded");
    TCase *tc = tcase_create("encoded");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, what_is_written_reads_back, 0, 2 * TOY_KINDS);
    tcase_add_test(tc, counts_are_of_what_is_decoded);
    tcase_add_test(tc, file_holds_what_encode_made);
    tcase_add_loop_test(tc, large_segments_go_in_pieces, 0, TOY_KINDS);
    tcase_add_test(tc, leveled_compaction_writes_the_kind_chosen);
    tcase_add_test(tc, full_compaction_writes_the_kind_chosen);
    tcase_add_loop_test(tc, updates_compact_to_the_kind_chosen, 0, 2);
    tcase_add_test(tc, history_goes_through_all_kinds);
    tcase_add_test(tc, staged_batches_are_of_the_usual_kind);
    tcase_add_test(tc, unknown_kind_is_named);
    tcase_add_test(tc, kind_of_another_library_is_not_passed_over);
    tcase_add_test(tc, options_must_make_sense);
    tcase_add_loop_test(tc, every_flipped_byte_is_detected_or_harmless, 0,
                        TOY_KINDS);
    tcase_add_loop_test(tc, damaged_store_is_not_given_up_for_an_older_file, 0,
                        2);
    tcase_add_test(tc, decoded_entries_are_not_trusted);
    tcase_add_loop_test(tc, kind_that_fails_loses_nothing, ENCODE_NOMEM,
                        FAULTS);
    suite_add_tcase(s, tc);
    return s;
}
