/*
 * What many tests need: assertions on a status, temporary directories, files
 * copied between file systems, seeds.  All of it aborts the test on failure.
 */
#ifndef MOSS_TESTS_SUPPORT_FIXTURE_H
#define MOSS_TESTS_SUPPORT_FIXTURE_H

#include <check.h>
#include <stdint.h>

#include "moss.h"
#include "moss_os.h"

/*
 * Let an assertion that holds cost nothing.  check writes a record of each to
 * a file, to tell how far a crashing test got; random tests make millions.
 */
#define _mark_point(file, line) ((void)0)

/* Fail the test, naming both statuses, unless expr gives want. */
#define assert_status(expr, want)                                              \
    do {                                                                       \
        enum moss_status got_ = (expr);                                        \
        ck_assert_msg(got_ == (want), "%s is %s, not %s", #expr,               \
                      moss_status_name(got_), moss_status_name(want));         \
    } while (0)
#define assert_ok(expr) assert_status(expr, MOSS_OK)

/* Compare a slice with a string, both shown if they differ. */
#define assert_slice(slice, text)                                              \
    do {                                                                       \
        char *got_ = text_of(slice);                                           \
        ck_assert_str_eq(got_, text);                                          \
        free(got_);                                                            \
    } while (0)

/*
 * The bytes as text, to be freed: printable ASCII as it is, but for the
 * backslash, space and "=", which are, like all else, written \xNN.
 */
char *text_of(struct moss_slice bytes);

/* What malloc() gave, or abort(). */
void *must_alloc(void *p);

/* A new empty directory; remove it with temp_dir_remove(), which frees it. */
char *temp_dir_new(void);
/* With all that is in it.  NULL is fine. */
void temp_dir_remove(char *dir);
/* "dir/name", to be freed. */
char *path_join(const char *dir, const char *name);

/* A whole file, to be freed, and its length. */
uint8_t *file_read_all(struct moss_os *os, const char *path, size_t *n);
/* Make or replace a file; not synced. */
void file_write_all(struct moss_os *os, const char *path, const void *bytes,
                    size_t n);
/* Copy the files of a directory (not of those in it); makes dir `to`. */
void dir_copy(struct moss_os *from_os, const char *from, struct moss_os *to_os,
              const char *to);
/* The names in a directory, sorted, with spaces between, to be freed. */
char *dir_names(struct moss_os *os, const char *dir);

/* The environment's SEED, which is told on stdout then, or the fallback. */
uint64_t test_seed(uint64_t fallback);

/*
 * How often a random test of one thread repeats itself: n times, but fewer
 * under the thread sanitizer, which takes 50 times as long and looks for
 * something else.
 */
int test_rounds(int n);

/* Pseudo-random numbers, the same everywhere for a seed. */
struct rng {
    uint64_t state;
};
void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* 0 <= result < n, n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);

#endif
