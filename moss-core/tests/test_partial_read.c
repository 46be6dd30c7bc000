/* Reading parts of a snapshot, deletions, and copies of values. */
#include <stdio.h>
#include <stdlib.h>

#include "support/coll.h"
#include "support/fail_alloc.h"
#include "support/foreign.h"
#include "support/operators.h"

Suite *suite_partial_read(void);

/*
 * Over a lower level with "a=1 b=1 c=1", in memory three levels:
 *
 *     2   "-c"
 *     1   "-b e=5"
 *     0   "a+2 d=44444444444444444444444444444444444444444444444444"
 *
 * Each is larger than those above it, so that no writer merges them.
 */
static struct moss_collection_options options = {
    .merge = &merge_append,
    .persist_delay_ms = MOSS_FOREVER,
};
#define BIG "44444444444444444444444444444444444444444444444444"

static struct over_toy toy;
static struct over_store store;
static struct moss_snapshot *snap;
static bool over_store;

static void
fill(struct moss_collection *c)
{
    run(c, "a=1 b=1 c=1");
    assert_ok(moss_collection_flush(c, MOSS_FOREVER, NULL));
    run(c, "a+2 d=" BIG);
    run(c, "-b e=5");
    run(c, "-c");
    assert_ok(moss_collection_snapshot(c, &snap));
}

static void
setup_toy(void)
{
    over_store = false;
    over_toy_open(&toy, &options);
    fill(toy.c);
}

static void
setup_store(void)
{
    over_store = true;
    over_store_open(&store, &options);
    fill(store.c);
}

static void
teardown(void)
{
    moss_snapshot_unref(snap);
    if (over_store)
        over_store_close(&store);
    else
        over_toy_close(&toy);
}

/* Of the library's threads, none goes on. */
static void
close_collection(void)
{
    struct moss_collection **c = over_store ? &store.c : &toy.c;

    assert_ok(moss_collection_close(*c, MOSS_FOREVER, NULL));
    *c = NULL;
}

/* "a=1 -b", in one direction; to be freed. */
static char *
dump_with(const struct moss_read_options *chosen, bool backwards)
{
    char *text = must_alloc(calloc(1, 1000)), *end = text;
    struct moss_iterator *it;
    enum moss_status st;

    assert_ok(moss_snapshot_iterate_with(snap, NULL, NULL, chosen, &it));
    while ((st = backwards ? moss_iterator_prev(it) : moss_iterator_next(it)) ==
           MOSS_OK) {
        struct moss_slice key, value;
        char *k, *v;

        moss_iterator_current(it, &key, &value);
        k = text_of(key);
        v = text_of(value);
        if (moss_iterator_op(it) == MOSS_OP_DEL) {
            ck_assert_str_eq(v, "");
            end += sprintf(end, " -%s", k);
        } else {
            ck_assert_int_eq(moss_iterator_op(it), MOSS_OP_SET);
            end += sprintf(end, " %s=%s", k, v);
        }
        free(k);
        free(v);
    }
    assert_status(st, MOSS_DONE);
    ck_assert_int_eq(moss_iterator_op(it), MOSS_OP_SET);
    moss_iterator_free(it);
    return text;
}

static void
assert_reads(struct moss_read_options chosen, const char *forwards,
             const char *backwards)
{
    char *text = dump_with(&chosen, false);

    ck_assert_str_eq(text, forwards);
    free(text);
    text = dump_with(&chosen, true);
    ck_assert_str_eq(text, backwards);
    free(text);
}

static void
assert_gets(struct moss_read_options chosen, const char *key, const char *want)
{
    struct moss_value value;
    enum moss_status st =
        moss_snapshot_get_with(snap, moss_str(key), &chosen, &value);

    if (want == NULL) {
        assert_status(st, MOSS_NOT_FOUND);
        return;
    }
    assert_ok(st);
    assert_slice(value.bytes, want);
    moss_value_release(&value);
}

START_TEST(no_options_read_everything)
{
    char *text = dump_with(NULL, false);

    ck_assert_str_eq(text, " a=12 d=" BIG " e=5");
    free(text);
    assert_gets((struct moss_read_options){ 0 }, "a", "12");
}
END_TEST

START_TEST(the_lower_level_can_be_left_out)
{
    struct moss_read_options chosen = { .skip_lower_level = true };

    assert_reads(chosen, " a=2 d=" BIG " e=5", " e=5 d=" BIG " a=2");
    assert_gets(chosen, "a", "2");
    assert_gets(chosen, "b", NULL);
    assert_gets(chosen, "e", "5");
}
END_TEST

START_TEST(deletions_are_shown_both_ways)
{
    struct moss_read_options chosen = { .include_deletions = true };

    assert_reads(chosen, " a=12 -b -c d=" BIG " e=5",
                 " e=5 d=" BIG " -c -b a=12");
    chosen.skip_lower_level = true;
    assert_reads(chosen, " a=2 -b -c d=" BIG " e=5",
                 " e=5 d=" BIG " -c -b a=2");
    assert_gets(chosen, "b", NULL);
}
END_TEST

START_TEST(a_seek_stops_at_a_deletion)
{
    struct moss_read_options chosen = { .include_deletions = true };
    struct moss_slice key, value;
    struct moss_iterator *it;

    assert_ok(moss_snapshot_iterate_with(snap, NULL, NULL, &chosen, &it));
    assert_ok(moss_iterator_seek(it, moss_str("b")));
    moss_iterator_current(it, &key, &value);
    assert_slice(key, "b");
    ck_assert_int_eq(moss_iterator_op(it), MOSS_OP_DEL);
    assert_ok(moss_iterator_next(it));
    moss_iterator_current(it, &key, &value);
    assert_slice(key, "c");
    ck_assert_int_eq(moss_iterator_op(it), MOSS_OP_DEL);
    assert_ok(moss_iterator_prev(it)); /* turns round on a deletion */
    assert_ok(moss_iterator_prev(it));
    moss_iterator_current(it, &key, &value);
    assert_slice(key, "a");
    ck_assert_int_eq(moss_iterator_op(it), MOSS_OP_SET);
    assert_ok(moss_iterator_seek_for_prev(it, moss_str("cc")));
    moss_iterator_current(it, &key, &value);
    assert_slice(key, "c");
    moss_iterator_free(it);
}
END_TEST

START_TEST(levels_choose_segments)
{
    size_t in_memory, lower;

    moss_snapshot_segments(snap, &in_memory, &lower);
    ck_assert_uint_eq(in_memory, 3);
    ck_assert_uint_eq(lower, over_store);
    assert_reads((struct moss_read_options){ .max_segment_height = 1 },
                 " a=12 b=1 c=1 d=" BIG, " d=" BIG " c=1 b=1 a=12");
    assert_reads((struct moss_read_options){ .max_segment_height = 2 },
                 " a=12 c=1 d=" BIG " e=5", " e=5 d=" BIG " c=1 a=12");
    assert_reads((struct moss_read_options){ .min_segment_level = 1 },
                 " a=1 e=5", " e=5 a=1");
    assert_reads((struct moss_read_options){ .skip_lower_level = true,
                                             .include_deletions = true,
                                             .min_segment_level = 1,
                                             .max_segment_height = 2 },
                 " -b e=5", " e=5 -b");
    assert_gets((struct moss_read_options){ .min_segment_level = 1 }, "a", "1");
}
END_TEST

START_TEST(levels_beyond_the_stack_choose_nothing_more)
{
    assert_reads((struct moss_read_options){ .max_segment_height = SIZE_MAX },
                 " a=12 d=" BIG " e=5", " e=5 d=" BIG " a=12");
    assert_reads((struct moss_read_options){ .min_segment_level = 4 },
                 " a=1 b=1 c=1", " c=1 b=1 a=1");
    assert_reads((struct moss_read_options){ .min_segment_level = SIZE_MAX,
                                             .max_segment_height = 1,
                                             .skip_lower_level = true },
                 "", "");
}
END_TEST

START_TEST(bounds_hold_with_options)
{
    struct moss_read_options chosen = { .include_deletions = true };
    struct moss_slice lo = moss_str("b"), hi = moss_str("d");
    struct moss_slice key, value;
    struct moss_iterator *it;

    assert_ok(moss_snapshot_iterate_with(snap, &lo, &hi, &chosen, &it));
    assert_ok(moss_iterator_first(it));
    moss_iterator_current(it, &key, &value);
    assert_slice(key, "b");
    assert_ok(moss_iterator_last(it));
    moss_iterator_current(it, &key, &value);
    assert_slice(key, "c");
    assert_status(moss_iterator_next(it), MOSS_DONE);
    moss_iterator_free(it);
}
END_TEST

START_TEST(an_overlay_is_part_of_what_is_in_memory)
{
    struct moss_read_options chosen = { .skip_lower_level = true };
    struct moss_batch *batch = batch_of("f=6");
    struct moss_snapshot *over;

    assert_ok(moss_snapshot_overlay(snap, batch, 0, 1, &over));
    moss_snapshot_unref(snap);
    snap = over;
    assert_reads(chosen, " a=2 d=" BIG " e=5 f=6", " f=6 e=5 d=" BIG " a=2");
    chosen = (struct moss_read_options){ .max_segment_height = 3 };
    assert_gets(chosen, "f", NULL);
    assert_gets(chosen, "c", NULL);
    assert_gets(chosen, "a", "12");
    moss_batch_free(batch);
}
END_TEST

START_TEST(get_copies_into_the_callers_memory)
{
    char buf[4] = "xyz";
    size_t len;

    assert_ok(moss_snapshot_get_copy(snap, moss_str("a"), buf, 1, &len));
    ck_assert_uint_eq(len, 2);
    ck_assert_str_eq(buf, "1yz");
    assert_ok(moss_snapshot_get_copy(snap, moss_str("a"), buf, 4, &len));
    ck_assert_uint_eq(len, 2);
    ck_assert_str_eq(buf, "12z");
    assert_ok(moss_snapshot_get_copy(snap, moss_str("d"), NULL, 0, &len));
    ck_assert_uint_eq(len, strlen(BIG));
    assert_status(moss_snapshot_get_copy(snap, moss_str("c"), buf, 4, &len),
                  MOSS_NOT_FOUND);
    ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(options_survive_a_lack_of_memory)
{
    struct moss_read_options chosen = { .include_deletions = true,
                                        .skip_lower_level = true };
    bool tripped = true;

    close_collection(); /* its threads allocate, too */
    settle_reaper();
    fail_alloc_install();
    for (uint64_t n = 1; tripped; n++) {
        struct moss_iterator *it;
        struct moss_value value;
        enum moss_status st, got;

        fail_alloc_nth(n);
        got = moss_snapshot_get_with(snap, moss_str("a"), &chosen, &value);
        st = moss_snapshot_iterate_with(snap, NULL, NULL, &chosen, &it);
        tripped = fail_alloc_tripped();
        ck_assert(tripped == (got == MOSS_NOMEM || st == MOSS_NOMEM));
        if (got == MOSS_OK)
            moss_value_release(&value);
        if (st == MOSS_OK)
            moss_iterator_free(it);
        ck_assert_int_eq(fail_alloc_live(), 0);
    }
    fail_alloc_remove();
}
END_TEST

START_TEST(a_foreign_snapshot_knows_no_options)
{
    struct moss_read_options chosen = { .skip_lower_level = true };
    struct model *m = model_new();
    struct moss_snapshot *foreign;
    struct moss_iterator *it;
    struct moss_value value;
    size_t in_memory, lower;

    model_set(m, moss_str("a"), moss_str("1"));
    foreign = foreign_new(m);
    assert_status(moss_snapshot_iterate_with(foreign, NULL, NULL, &chosen, &it),
                  MOSS_UNSUPPORTED);
    ck_assert_ptr_null(it);
    assert_status(
        moss_snapshot_get_with(foreign, moss_str("a"), &chosen, &value),
        MOSS_UNSUPPORTED);
    assert_ok(moss_snapshot_get_with(foreign, moss_str("a"), NULL, &value));
    assert_slice(value.bytes, "1");
    moss_value_release(&value);
    assert_ok(moss_snapshot_iterate_with(foreign, NULL, NULL, NULL, &it));
    assert_ok(moss_iterator_first(it));
    ck_assert_int_eq(moss_iterator_op(it), MOSS_OP_SET);
    moss_iterator_free(it);
    moss_snapshot_segments(foreign, &in_memory, &lower);
    ck_assert_uint_eq(in_memory + lower, 0);
    moss_snapshot_unref(foreign);
    model_free(m);
}
END_TEST

START_TEST(a_copied_value_is_released)
{
    struct moss_value value;
    char bytes[] = "abc";

    fail_alloc_install();
    assert_ok(moss_value_copy(&value, moss_str(bytes)));
    bytes[0] = 'x';
    assert_slice(value.bytes, "abc");
    moss_value_release(&value);
    assert_ok(moss_value_copy(&value, moss_slice(NULL, 0)));
    ck_assert_ptr_nonnull(value.bytes.bytes);
    moss_value_release(&value);
    fail_alloc_nth(1);
    assert_status(moss_value_copy(&value, moss_str("a")), MOSS_NOMEM);
    ck_assert_uint_eq(value.bytes.len, 0);
    moss_value_release(&value);
    ck_assert_int_eq(fail_alloc_live(), 0);
    fail_alloc_remove();
}
END_TEST

static TCase *
over(const char *name, void (*setup)(void))
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, no_options_read_everything);
    tcase_add_test(tc, the_lower_level_can_be_left_out);
    tcase_add_test(tc, deletions_are_shown_both_ways);
    tcase_add_test(tc, a_seek_stops_at_a_deletion);
    tcase_add_test(tc, levels_choose_segments);
    tcase_add_test(tc, levels_beyond_the_stack_choose_nothing_more);
    tcase_add_test(tc, bounds_hold_with_options);
    tcase_add_test(tc, an_overlay_is_part_of_what_is_in_memory);
    tcase_add_test(tc, get_copies_into_the_callers_memory);
    tcase_add_test(tc, options_survive_a_lack_of_memory);
    return tc;
}

Suite *
suite_partial_read(void)
{
    Suite *s = suite_create("partial_read");
    TCase *tc = tcase_create("foreign");

    suite_add_tcase(s, over("over a toy", setup_toy));
    suite_add_tcase(s, over("over a store", setup_store));
    tcase_add_test(tc, a_foreign_snapshot_knows_no_options);
    tcase_add_test(tc, a_copied_value_is_released);
    suite_add_tcase(s, tc);
    return s;
}
