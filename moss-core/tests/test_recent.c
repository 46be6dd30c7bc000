/* Snapshots by tag. */
#include <stdio.h>
#include <stdlib.h>

#include "support/coll.h"

static void
assert_gone(struct moss_collection *c, uint64_t n)
{
    struct moss_snapshot *snap;

    assert_status(moss_collection_snapshot_at(c, tag_of(n), &snap),
                  MOSS_NOT_FOUND);
    ck_assert_ptr_null(snap);
}

START_TEST(states_are_found_by_tag)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    run_tagged(o.c, 1, "a=1");
    run_tagged(o.c, 2, "a=2 kid{b=1}");
    run_tagged(o.c, 3, "a=3 !kid");
    assert_at(o.c, 1, "a=1");
    assert_at(o.c, 2, "a=2 kid{b=1}");
    assert_at(o.c, 3, "a=3");
    assert_gone(o.c, 4);
    assert_gone(o.c, 0);
    assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    assert_at(o.c, 1, "a=1");
    assert_at(o.c, 2, "a=2 kid{b=1}");
    assert_at(o.c, 3, "a=3");
    over_toy_close(&o);
}
END_TEST

/* A number alone is not enough. */
START_TEST(id_must_match)
{
    struct moss_tag other = tag_of(1);
    struct moss_snapshot *snap;
    struct over_toy o;

    over_toy_open(&o, NULL);
    other.id++;
    run_tagged(o.c, 1, "a=1");
    assert_status(moss_collection_snapshot_at(o.c, other, &snap),
                  MOSS_NOT_FOUND); /* asked of the newest state */
    run_tagged(o.c, 2, "a=1");
    assert_status(moss_collection_snapshot_at(o.c, other, &snap),
                  MOSS_NOT_FOUND); /* and of an older one */
    over_toy_close(&o);
}
END_TEST

/* The state right after the tagged batch, not what follows it untagged. */
START_TEST(untagged_batch_is_not_part_of_the_tags_state)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    run_tagged(o.c, 1, "a=1");
    run(o.c, "a=2");
    assert_at(o.c, 1, "a=1");
    run_tagged(o.c, 2, "a=3");
    assert_at(o.c, 1, "a=1");
    assert_at(o.c, 2, "a=3");
    over_toy_close(&o);
}
END_TEST

/* What was there when the collection was opened is a tag's state, too. */
START_TEST(opened_state_is_found_by_its_tag)
{
    struct over_toy o;

    over_toy_open(&o, NULL);
    run_tagged(o.c, 7, "a=1");
    over_toy_reopen(&o);
    assert_at(o.c, 7, "a=1");
    run_tagged(o.c, 8, "a=2");
    assert_at(o.c, 7, "a=1");
    assert_at(o.c, 8, "a=2");
    over_toy_close(&o);
}
END_TEST

START_TEST(number_of_states_is_bounded)
{
    struct moss_collection_options options = { .recent_snapshots = 3 };
    struct moss_collection_stats stats;
    struct over_toy o;
    char text[16];

    over_toy_open(&o, &options);
    for (uint64_t n = 1; n <= 10; n++) {
        snprintf(text, sizeof(text), "a=%d", (int)n);
        run_tagged(o.c, n, text);
    }
    moss_collection_stats(o.c, &stats);
    ck_assert_uint_eq(stats.recent_snapshots, 3);
    assert_gone(o.c, 6);
    assert_at(o.c, 7, "a=7");
    assert_at(o.c, 9, "a=9");
    assert_at(o.c, 10, "a=10"); /* the newest state itself */
    over_toy_close(&o);
}
END_TEST

static void
run_value(struct moss_collection *c, uint64_t n, size_t bytes)
{
    struct moss_batch *batch = batch_of("");
    char *value = must_alloc(calloc(1, bytes));

    assert_ok(moss_batch_set(batch, moss_str("key"), moss_slice(value, bytes)));
    moss_batch_set_tag(batch, tag_of(n));
    assert_ok(moss_collection_execute(c, batch));
    moss_batch_free(batch);
    free(value);
}

/* Ten overwritten values, of which the bound leaves room for three. */
START_TEST(memory_of_states_is_bounded)
{
    struct moss_collection_options options = { .recent_bytes = 350000 };
    struct moss_collection_stats stats;
    struct moss_snapshot *snap;
    struct moss_collection *c;

    assert_ok(moss_collection_open(&options, NULL, &c));
    for (uint64_t n = 1; n <= 10; n++) {
        run_value(c, n, 100000);
        assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
    }
    moss_collection_stats(c, &stats);
    ck_assert_uint_le(stats.recent_bytes, 350000);
    ck_assert_uint_gt(stats.recent_bytes, 250000);
    assert_gone(c, 5);
    assert_ok(moss_collection_snapshot_at(c, tag_of(9), &snap));
    moss_snapshot_unref(snap);
    assert_ok(moss_collection_snapshot_at(c, tag_of(10), &snap));
    moss_snapshot_unref(snap);
    assert_ok(moss_collection_close(c, 0, NULL));
}
END_TEST

/*
 * Of states that were read and persisted, one after the other, nothing is left
 * but the sets of keys that readers used, at least 4 KiB each.
 */
START_TEST(sets_of_keys_count_as_memory_of_states)
{
    struct moss_collection_options options = { .recent_bytes = 50000 };
    struct moss_collection_stats stats;
    struct moss_value value;
    struct over_toy o;
    char text[16];

    over_toy_open(&o, &options);
    for (uint64_t n = 1; n <= 40; n++) {
        snprintf(text, sizeof(text), "a=%d", (int)n);
        run_tagged(o.c, n, text);
        assert_ok(moss_collection_get(o.c, moss_str("a"), &value));
        moss_value_release(&value);
        assert_ok(moss_collection_wait_idle(o.c, MOSS_FOREVER));
    }
    moss_collection_stats(o.c, &stats);
    ck_assert_uint_le(stats.recent_bytes, 50000);
    ck_assert_uint_lt(stats.recent_snapshots, 16);
    ck_assert_uint_gt(stats.recent_snapshots, 8);
    assert_at(o.c, 39, "a=39");
    over_toy_close(&o);
}
END_TEST

/* A state above the bound by itself goes, the newest one is always there. */
START_TEST(newest_state_is_there_whatever_the_bound)
{
    struct moss_collection_options options = { .recent_bytes = 1 };
    struct moss_collection_stats stats;
    struct moss_snapshot *snap;
    struct moss_collection *c;

    assert_ok(moss_collection_open(&options, NULL, &c));
    for (uint64_t n = 1; n <= 3; n++) {
        run_value(c, n, 1000);
        assert_ok(moss_collection_wait_idle(c, MOSS_FOREVER));
        assert_ok(moss_collection_snapshot_at(c, tag_of(n), &snap));
        moss_snapshot_unref(snap);
    }
    moss_collection_stats(c, &stats);
    ck_assert_uint_le(stats.recent_bytes, 1);
    assert_ok(moss_collection_close(c, 0, NULL));
}
END_TEST

Suite *suite_recent(void);

Suite *
suite_recent(void)
{
    Suite *s = suite_create("recent");
    TCase *tc = tcase_create("recent");

    tcase_add_test(tc, states_are_found_by_tag);
    tcase_add_test(tc, id_must_match);
    tcase_add_test(tc, untagged_batch_is_not_part_of_the_tags_state);
    tcase_add_test(tc, opened_state_is_found_by_its_tag);
    tcase_add_test(tc, number_of_states_is_bounded);
    tcase_add_test(tc, memory_of_states_is_bounded);
    tcase_add_test(tc, sets_of_keys_count_as_memory_of_states);
    tcase_add_test(tc, newest_state_is_there_whatever_the_bound);
    suite_add_tcase(s, tc);
    return s;
}
