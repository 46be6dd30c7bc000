/* What is merged, and when a file is left behind: figures only. */
#include <check.h>

#include "moss.h"
#include "store/policy.h"
#include "support/fixture.h"

Suite *suite_policy(void);

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)

static struct policy p;
static struct policy_run runs[2000];
static size_t n_runs;
static uint64_t written;

static void
setup(void)
{
    ck_assert(policy_init(&p, &(struct moss_store_options){ 0 }));
    memset(runs, 0, sizeof runs);
    n_runs = 0;
    written = 0;
}

static void
push(uint64_t bytes, bool apart)
{
    runs[n_runs++] = (struct policy_run){ bytes, bytes, apart };
}

/* An update of so many bytes, none of which hides an older one. */
static void
update(uint64_t bytes, uint64_t budget)
{
    size_t keep = policy_keep(&p, runs, n_runs, bytes, budget);

    ck_assert_uint_le(keep, n_runs);
    while (n_runs > keep)
        bytes += runs[--n_runs].bytes;
    push(bytes, false);
    written += bytes;
}

START_TEST(large_updates_are_written_once)
{
    /* Until there are too many of them, and a full compaction is due. */
    for (int i = 0; i < 31; i++)
        update(128 * MIB, UINT64_MAX);
    ck_assert_uint_eq(written, 31 * 128 * MIB);
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 128 * MIB, 768 * MIB), 31);
    push(128 * MIB, false);
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 128 * MIB, 768 * MIB), 26);
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 128 * MIB, MIB), 32);
}
END_TEST

START_TEST(small_updates_are_written_a_logarithmic_number_of_times)
{
    for (int i = 1; i <= 10000; i++) {
        update(64 * KIB, UINT64_MAX);
        ck_assert_uint_le(n_runs, POLICY_MAX_SEGMENTS);
    }
    /* By doubling up to 8 MiB, and once more to eight times that. */
    ck_assert_uint_le(written, 10 * 10000 * 64 * KIB);
}
END_TEST

START_TEST(what_is_small_joins_at_once)
{
    push(900 * MIB, false);
    push(100 * KIB, false);
    push(50 * KIB, false);
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, MIB, UINT64_MAX), 1);
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 20 * KIB, UINT64_MAX), 3);
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 25 * KIB, UINT64_MAX), 1);
    /* Not where its bytes may not die. */
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, MIB, 60 * KIB), 2);
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, MIB, 0), 3);
}
END_TEST

START_TEST(a_full_level_is_merged)
{
    for (int i = 0; i < 6; i++)
        push(16 * MIB, false);
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 16 * MIB, UINT64_MAX), 6);
    push(16 * MIB, false);
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 16 * MIB, UINT64_MAX), 0);
    /* A segment three times as large is of the next level. */
    runs[0].bytes = 48 * MIB;
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 16 * MIB, UINT64_MAX), 7);
}
END_TEST

START_TEST(options_steer_the_levels)
{
    const struct moss_store_options o = { .compaction_level_multiplier = 9,
                                          .compaction_level_max_segments = 2 };

    ck_assert(policy_init(&p, &o));
    push(80 * MIB, false);
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 10 * MIB, UINT64_MAX), 1);
    push(10 * MIB, false);
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 10 * MIB, UINT64_MAX), 0);
    runs[0].bytes = 90 * MIB;
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 10 * MIB, UINT64_MAX), 2);
}
END_TEST

START_TEST(segments_apart_from_the_update_do_not_count)
{
    for (int i = 0; i < 15; i++)
        push(10 * MIB, true);
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 10 * MIB, UINT64_MAX), 15);
    /* Until there are many. */
    push(10 * MIB, true);
    ck_assert_uint_lt(policy_keep(&p, runs, n_runs, 10 * MIB, UINT64_MAX), 16);
}
END_TEST

START_TEST(there_are_never_too_many_segments)
{
    const struct moss_store_options o = { .compaction_level_max_segments =
                                              1000 };

    ck_assert(policy_init(&p, &o));
    for (int i = 0; i < 31; i++)
        push(MIB * 9, false);
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 9 * MIB, UINT64_MAX), 31);
    push(MIB * 9, false);
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 9 * MIB, UINT64_MAX), 16);
    /* Without room for it, it is the caller's to see to it. */
    ck_assert_uint_eq(policy_keep(&p, runs, n_runs, 9 * MIB, 0), 32);
}
END_TEST

START_TEST(a_large_oldest_segment_may_have_more_above_it)
{
    push(1000 * MIB, false);
    for (int i = 0; i < 30; i++)
        push(10 * MIB, false);
    ck_assert(!policy_too_many(runs, n_runs, 10 * MIB));
    push(10 * MIB, false);
    ck_assert(!policy_too_many(runs, n_runs, 10 * MIB));
    ck_assert(policy_too_many(runs, n_runs, 300 * MIB));
    runs[0].bytes = UINT64_MAX / 2;
    while (n_runs < 95)
        push(MIB, false);
    ck_assert(!policy_too_many(runs, n_runs, MIB));
    push(MIB, false);
    ck_assert(policy_too_many(runs, n_runs, MIB));
}
END_TEST

START_TEST(leveled_compaction_leaves_two_segments_at_most)
{
    push(100, false);
    ck_assert_uint_eq(policy_keep_leveled(runs, 0), 0);
    ck_assert_uint_eq(policy_keep_leveled(runs, 1), 1);
    push(20, false);
    ck_assert_uint_eq(policy_keep_leveled(runs, 2), 2);
    push(20, false);
    ck_assert_uint_eq(policy_keep_leveled(runs, 3), 1);
    push(10, false);
    ck_assert_uint_eq(policy_keep_leveled(runs, 4), 0);
}
END_TEST

START_TEST(dead_bytes_are_bounded_by_part_and_sum)
{
    ck_assert_uint_eq(policy_dead_limit(&p, 0), 64 * MIB);
    ck_assert_uint_gt(policy_dead_limit(&p, 100 * MIB), 249 * MIB);
    ck_assert_uint_lt(policy_dead_limit(&p, 100 * MIB), 250 * MIB);
    ck_assert_uint_eq(policy_dead_limit(&p, 1000 * MIB), 768 * MIB);

    ck_assert(policy_init(
        &p, &(struct moss_store_options){ .compaction_percentage = 0.5 }));
    ck_assert_uint_eq(policy_dead_limit(&p, 1000), 1000);
    ck_assert(
        policy_init(&p, &(struct moss_store_options){ .max_dead_bytes = 5 }));
    ck_assert_uint_eq(policy_dead_limit(&p, 1000), 5);
    ck_assert(policy_init(
        &p, &(struct moss_store_options){ .max_dead_bytes = 1500,
                                          .compaction_percentage = 0.5 }));
    ck_assert_uint_eq(policy_dead_limit(&p, 1000), 1000);
    ck_assert_uint_eq(policy_dead_limit(&p, 2000), 1500);
}
END_TEST

Suite *
suite_policy(void)
{
    Suite *s = suite_create("policy");
    TCase *tc = tcase_create("policy");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, large_updates_are_written_once);
    tcase_add_test(tc, small_updates_are_written_a_logarithmic_number_of_times);
    tcase_add_test(tc, what_is_small_joins_at_once);
    tcase_add_test(tc, a_full_level_is_merged);
    tcase_add_test(tc, options_steer_the_levels);
    tcase_add_test(tc, segments_apart_from_the_update_do_not_count);
    tcase_add_test(tc, there_are_never_too_many_segments);
    tcase_add_test(tc, a_large_oldest_segment_may_have_more_above_it);
    tcase_add_test(tc, leveled_compaction_leaves_two_segments_at_most);
    tcase_add_test(tc, dead_bytes_are_bounded_by_part_and_sum);
    suite_add_tcase(s, tc);
    return s;
}
