/* Segments of other kinds than Go moss's. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "moss.h"
#include "store/store.h"
#include "support/kind_store.h"

Suite *suite_encoded(void);

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

static enum moss_status
open_without_kinds(void)
{
    struct moss_store_options o = { .os = mem_os_base(s.mem) };

    driver_close(&s.d);
    return driver_open(&s.d, KIND_DIR, &o);
}

/* The kinds of the newest commit point's segments: "a veil a ", of all. */
static void
assert_kinds(const char *want)
{
    struct commit *c = store_current(s.d.store);
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

/* ------------------------------------------------------------------ */
/* Reading back                                                       */
/* ------------------------------------------------------------------ */

START_TEST(what_is_written_reads_back)
{
    const char *kind = toy_kinds[_i % TOY_KINDS].name;
    char want[32];

    s.no_mmap = _i >= TOY_KINDS;
    (void)snprintf(want, sizeof want, "%s %s ", kind, kind);
    assert_ok(kind_store_open(&s, kind));
    assert_ok(
        driver_apply(&s.d, "a=1 k+2 kid{x=1111111111111111111111111111}"));
    assert_kinds(want);
    assert_tree(s.d.newest, "a=1 k=2 kid{x=1111111111111111111111111111}");
    assert_ok(kind_store_open(&s, NULL));
    assert_kinds(want);
    assert_tree(s.d.newest, "a=1 k=2 kid{x=1111111111111111111111111111}");
}
END_TEST

/* Also what a reader is told of it. */
START_TEST(counts_are_of_what_is_decoded)
{
    struct moss_commit_info info;
    struct moss_snapshot *snap = NULL;

    assert_ok(kind_store_open(&s, "veil"));
    assert_ok(driver_apply(&s.d, "aa=111 -b k+22"));
    assert_ok(kind_store_open(&s, NULL));
    assert_ok(moss_store_snapshot(s.d.store, &snap));
    assert_ok(moss_store_commit_info(s.d.store, snap, &info));
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

    assert_ok(kind_store_open(&s, "veil"));
    assert_ok(driver_apply(&s.d, "name=secret"));
    path = driver_data_path(&s.d);
    bytes = file_read_all(mem_os_base(s.mem), path, &n);
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

    assert_ok(kind_store_open(&s, toy_kinds[_i].name));
    rng_init(&r, 5);
    assert_ok(moss_batch_new(0, 0, &batch));
    for (int i = 0; i < VALUES; i++, key[0]++) {
        for (size_t k = 0; k < VALUE; k++)
            value[k] = i % 2 == 0 ? (uint8_t)i : (uint8_t)rng_next(&r);
        assert_ok(
            moss_batch_set(batch, moss_str(key), moss_slice(value, VALUE)));
    }
    assert_ok(driver_apply_batch(&s.d, batch, (struct moss_tag){ 1, 1 }));
    moss_batch_free(batch);
    assert_ok(kind_store_open(&s, NULL));
    rng_init(&r, 5);
    key[0] = 'a';
    for (int i = 0; i < VALUES; i++, key[0]++) {
        for (size_t k = 0; k < VALUE; k++)
            value[k] = i % 2 == 0 ? (uint8_t)i : (uint8_t)rng_next(&r);
        assert_ok(moss_snapshot_get(s.d.newest, moss_str(key), &v));
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
    assert_ok(kind_store_open(&s, NULL));
    assert_ok(driver_apply(&s.d, "a=1 b=1 c=1"));
    assert_ok(kind_store_open(&s, "rle"));
    assert_ok(driver_apply(&s.d, "b=2 k+2"));
    assert_ok(kind_store_open(&s, "veil"));
    assert_ok(driver_apply(&s.d, "-c k+3"));
    assert_kinds("a rle veil ");
    assert_tree(s.d.newest, "a=1 b=2 k=23");
}

START_TEST(leveled_compaction_writes_the_kind_chosen)
{
    write_mixed();
    kind_store_compact(&s, MOSS_COMPACT_LEVELED);
    assert_kinds("veil ");
    assert_ok(kind_store_open(&s, "rle"));
    assert_tree(s.d.newest, "a=1 b=2 k=23");
}
END_TEST

START_TEST(full_compaction_writes_the_kind_chosen)
{
    static const char *const kinds[] = { "veil", "rle", "a" };
    static const char *const want[] = { "veil ", "rle ", "a " };

    write_mixed();
    for (int i = 0; i < 3; i++) {
        assert_ok(kind_store_open(&s, kinds[i]));
        kind_store_compact(&s, MOSS_COMPACT_FULL);
        assert_kinds(want[i]);
        assert_ok(kind_store_open(&s, NULL));
        assert_tree(s.d.newest, "a=1 b=2 k=23");
    }
    /* Nothing is left of the others. */
    assert_ok(open_without_kinds());
    assert_tree(s.d.newest, "a=1 b=2 k=23");
}
END_TEST

START_TEST(updates_compact_to_the_kind_chosen)
{
    write_mixed();
    moss_store_set_compaction(s.d.store, _i == 0 ? MOSS_COMPACTION_ALLOW
                                                 : MOSS_COMPACTION_FORCE);
    assert_ok(driver_apply(&s.d, "d=4 k+4"));
    assert_kinds("veil ");
    assert_ok(kind_store_open(&s, NULL));
    assert_tree(s.d.newest, "a=1 b=2 d=4 k=234");
}
END_TEST

START_TEST(history_goes_through_all_kinds)
{
    static const char *const states[] = { "a=1 b=2 k=23", "a=1 b=2 c=1 k=2",
                                          "a=1 b=1 c=1", "" };
    struct moss_snapshot *snap = NULL, *older = NULL;

    write_mixed();
    assert_ok(moss_store_snapshot(s.d.store, &snap));
    for (int i = 0; i < 4; i++) {
        assert_tree(snap, states[i]);
        if (i == 1) {
            s.d.lower->ops->close(s.d.lower);
            s.d.lower = NULL;
            assert_ok(moss_store_revert(s.d.store, snap, &s.d.err));
        }
        if (i < 3)
            assert_ok(moss_store_previous(s.d.store, snap, &older, &s.d.err));
        moss_snapshot_unref(snap);
        snap = older;
        older = NULL;
    }
    assert_ok(kind_store_open(&s, NULL));
    assert_tree(s.d.newest, states[1]);
    assert_kinds("a rle ");
}
END_TEST

START_TEST(staged_batches_are_of_the_usual_kind)
{
    struct moss_batch *piece = batch_of("a=1 b=2");
    struct moss_staged *staged = NULL;
    struct moss_staged_info info;
    unsigned before = toy_kinds_encoded();

    assert_ok(kind_store_open(&s, "veil"));
    assert_ok(moss_staged_begin(s.d.store, (struct moss_tag){ 7, 7 }, NULL,
                                &staged, &s.d.err));
    assert_ok(moss_staged_add(staged, piece, &s.d.err));
    assert_ok(moss_staged_finish(staged, &info, &s.d.err));
    moss_staged_free(staged);
    assert_ok(moss_staged_open(s.d.store, &info, &staged, &s.d.err));
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
    struct moss_store_options o = kind_store_options(&s, NULL);

    write_mixed();
    o.n_kinds = 1;
    driver_close(&s.d);
    assert_status(driver_open(&s.d, KIND_DIR, &o), MOSS_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(s.d.err.path, "\"veil\""));
    ck_assert_ptr_nonnull(strstr(s.d.err.path, KIND_DIR "/data-"));
    driver_close(&s.d);
    o.readonly = true;
    assert_status(driver_open(&s.d, KIND_DIR, &o), MOSS_UNSUPPORTED);
    assert_ok(kind_store_open(&s, NULL));
    assert_tree(s.d.newest, "a=1 b=2 k=23");
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
    assert_ok(file_open(mem_os_base(s.mem), "/f",
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
    struct moss_store_options o = kind_store_options(&s, "veil");
    static const char *const names[] = {
        NULL, "", "a", "name of it", "x\"y", "sixteen-letters-", "rle"
    };

    o.kinds = kinds;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        kinds[0].name = names[i];
        o.persist_kind = NULL;
        assert_status(driver_open(&s.d, KIND_DIR, &o), MOSS_INVALID);
    }
    kinds[0] = *veil;
    kinds[0].decode = NULL;
    assert_status(driver_open(&s.d, KIND_DIR, &o), MOSS_INVALID);
    kinds[0] = *veil;
    kinds[0].encode = NULL;
    assert_ok(driver_open(&s.d, KIND_DIR, &o));
    driver_close(&s.d);
    o.persist_kind = "veil";
    assert_status(driver_open(&s.d, KIND_DIR, &o), MOSS_INVALID);
    o.persist_kind = "other";
    assert_status(driver_open(&s.d, KIND_DIR, &o), MOSS_INVALID);
    kinds[0] = *veil;
    kinds[0].name = "fifteen-letters";
    o.persist_kind = kinds[0].name;
    assert_ok(driver_open(&s.d, KIND_DIR, &o));
    assert_ok(driver_apply(&s.d, "a=1"));
    assert_kinds("fifteen-letters ");
    driver_close(&s.d);
}
END_TEST

Suite *
suite_encoded(void)
{
    Suite *suite = suite_create("encoded");
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
    suite_add_tcase(suite, tc);
    return suite;
}
