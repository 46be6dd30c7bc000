/* Histograms, and text in the caller's memory. */
#include <stdlib.h>

#include "base/histogram.h"
#include "base/sync.h"
#include "base/textout.h"
#include "support/fixture.h"

Suite *suite_histogram(void);

static struct histogram histogram;
static struct moss_histogram copy;

static void
setup(void)
{
    memset(&histogram, 0, sizeof(histogram));
}

static const struct moss_histogram *
read_it(void)
{
    histogram_read(&histogram, "Name", &copy);
    return &copy;
}

START_TEST(bins_cover_all_numbers_without_gap)
{
    uint64_t first, last, next = 0;

    for (size_t i = 0; i < MOSS_HISTOGRAM_BINS; i++) {
        moss_histogram_bin(i, &first, &last);
        ck_assert_uint_eq(first, next);
        ck_assert_uint_ge(last, first);
        ck_assert_uint_le(last - first, first / 4);
        next = last + 1;
    }
    ck_assert_uint_eq(next, 0);
    moss_histogram_bin(MOSS_HISTOGRAM_BINS, &first, &last);
    ck_assert_uint_eq(last, 0);
}
END_TEST

START_TEST(a_value_is_counted_in_the_bin_that_has_it)
{
    uint64_t first, last;

    for (size_t i = 0; i < MOSS_HISTOGRAM_BINS; i++) {
        moss_histogram_bin(i, &first, &last);
        setup();
        histogram_add(&histogram, first, 1);
        histogram_add(&histogram, last, 2);
        ck_assert_uint_eq(read_it()->bins[i], 3);
        ck_assert_uint_eq(copy.total, 3);
        ck_assert_uint_eq(copy.sum, first + 2 * last);
        ck_assert_str_eq(copy.name, "Name");
    }
}
END_TEST

START_TEST(quantiles_are_the_last_of_their_bins)
{
    ck_assert_uint_eq(moss_histogram_quantile(read_it(), 0.5), 0);
    for (uint64_t i = 1; i <= 100; i++)
        histogram_add(&histogram, i, 1);
    read_it();
    ck_assert_uint_eq(moss_histogram_quantile(&copy, 0), 1);
    ck_assert_uint_eq(moss_histogram_quantile(&copy, 0.03), 3);
    ck_assert_uint_eq(moss_histogram_quantile(&copy, 0.5), 55);
    ck_assert_uint_eq(moss_histogram_quantile(&copy, 1), 111);
}
END_TEST

START_TEST(histograms_add_up)
{
    struct moss_histogram sum;

    histogram_add(&histogram, 5, 2);
    sum = *read_it();
    histogram_add(&histogram, 70, 1);
    moss_histogram_add(&sum, read_it());
    ck_assert_uint_eq(sum.total, 5);
    ck_assert_uint_eq(sum.sum, 90);
    ck_assert_uint_eq(sum.bins[5], 4);
    ck_assert_uint_eq(moss_histogram_quantile(&sum, 1), 79);
}
END_TEST

START_TEST(the_picture_has_a_line_for_each_power_of_four)
{
    char text[1000];
    size_t n;

    histogram_add(&histogram, 0, 1);
    histogram_add(&histogram, 4, 1);
    histogram_add(&histogram, 15, 2);
    histogram_add(&histogram, 1000, 6);
    n = moss_histogram_text(read_it(), "> ", text, sizeof(text));
    ck_assert_str_eq(
        text,
        "> Name (10 Total)\n"
        "> [   0 -    3]          1  10.00% #####\n"
        "> [   4 -   15]          3  30.00% ###############\n"
        "> [ 256 - 1023]          6  60.00% ##############################\n");
    ck_assert_uint_eq(n, strlen(text));
}
END_TEST

START_TEST(an_empty_picture_is_its_name)
{
    char text[100];

    moss_histogram_text(read_it(), NULL, text, sizeof(text));
    ck_assert_str_eq(text, "Name (0 Total)\n");
}
END_TEST

START_TEST(the_largest_value_has_its_line)
{
    char text[200];

    histogram_add(&histogram, UINT64_MAX, 1);
    moss_histogram_text(read_it(), NULL, text, sizeof(text));
    ck_assert_ptr_nonnull(
        strstr(text, "[ 4611686018427387904 - 18446744073709551615] "));
}
END_TEST

START_TEST(text_too_long_is_cut_and_measured)
{
    char text[8];
    size_t n = moss_histogram_text(read_it(), NULL, text, sizeof(text));

    ck_assert_str_eq(text, "Name (0");
    ck_assert_uint_eq(n, strlen("Name (0 Total)\n"));
    ck_assert_uint_eq(moss_histogram_text(&copy, NULL, NULL, 0), n);
}
END_TEST

START_TEST(a_histogram_as_json)
{
    char text[100];

    histogram_add(&histogram, 1, 2);
    histogram_add(&histogram, 100, 1);
    moss_histogram_json(read_it(), text, sizeof(text));
    ck_assert_str_eq(text, "{\"name\":\"Name\",\"total\":3,\"sum\":102,"
                           "\"bins\":[[1,1,2],[96,111,1]]}");
}
END_TEST

static void
add_many(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < 1000; i++)
        histogram_add(&histogram, i, 1);
}

START_TEST(threads_add_at_the_same_time)
{
    struct thread t;

    assert_ok(thread_start(&t, "adder", add_many, NULL));
    add_many(NULL);
    thread_join(&t);
    ck_assert_uint_eq(read_it()->total, 2000);
    ck_assert_uint_eq(copy.sum, 999 * 1000);
}
END_TEST

Suite *
suite_histogram(void)
{
    Suite *s = suite_create("histogram");
    TCase *tc = tcase_create("histogram");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, bins_cover_all_numbers_without_gap);
    tcase_add_test(tc, a_value_is_counted_in_the_bin_that_has_it);
    tcase_add_test(tc, quantiles_are_the_last_of_their_bins);
    tcase_add_test(tc, histograms_add_up);
    tcase_add_test(tc, the_picture_has_a_line_for_each_power_of_four);
    tcase_add_test(tc, an_empty_picture_is_its_name);
    tcase_add_test(tc, the_largest_value_has_its_line);
    tcase_add_test(tc, text_too_long_is_cut_and_measured);
    tcase_add_test(tc, a_histogram_as_json);
    tcase_add_test(tc, threads_add_at_the_same_time);
    suite_add_tcase(s, tc);
    return s;
}
