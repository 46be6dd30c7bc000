/*
 * The SQL benchmark's parts: the keys, the do-nothing table, the work, the
 * report.
 */
#ifndef MOSS_SQL_TESTS_BENCH_SQL_H
#define MOSS_SQL_TESTS_BENCH_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEY_LEN = 20, VALUE_LEN = 100, RANGE_ROWS = 1000, LIMIT_ROWS = 100 };
enum { MAX_RUNS = 99, MAX_COUNTS = 3 };

/* ---------------------------------------------------------------- keys.c */

/*
 * The text of the key that is i-th in order, of so many: KEY_LEN letters, not
 * terminated, that look random behind what the order needs.
 */
void key_text(uint64_t i, uint64_t rows, char key[KEY_LEN]);
/* Which one it is; of any other text, where it would stand. */
uint64_t key_rank(const void *key, size_t len, uint64_t rows);
/* A bijection of [0, rows), another one for every salt. */
uint64_t key_shuffle(uint64_t i, uint64_t rows, uint64_t salt);

/* --------------------------------------------------------------- blank.c */

/*
 * The module "blank": CREATE VIRTUAL TABLE t USING blank(<rows>) has the keys
 * of key_text() and values that are all alike, stores nothing, and finds a key
 * by arithmetic.  What it costs is what SQLite and its interface cost.
 */
int blank_register(sqlite3 *db);

/* ---------------------------------------------------------------- work.c */

enum measure {
    INSERTS,
    COMMITS_OFF,
    COMMITS_FULL,
    CLOSE,
    REOPEN,
    POINTS,
    POINTS_IN_TXN,
    SUM,
    COUNTS,
    LIMITS,
    UPDATES,
    DELETES,
    CLOSE_AGAIN,
    N_MEASURES
};

enum kind { MOSS, MOSS_ASYNC, ORDINARY, BLANK, N_KINDS };
extern const char *const kind_names[N_KINDS];

struct options {
    uint64_t counts[MAX_COUNTS];
    size_t n_counts;
    uint64_t batch;   /* rows of a transaction */
    uint64_t changes; /* updates and deletes, at most rows / 2 */
    uint64_t commits; /* of one row */
    uint64_t reads;   /* points; limits are a tenth of them */
    uint64_t cache_mib;
    size_t runs;
    bool cpu_clock; /* for the reads */
    bool kinds[N_KINDS];
    const char *dir;
};

/*
 * Do all the work on one kind of table in a database of its own in dir.  A
 * measure that does not apply is NAN; rates are per second, times in seconds.
 * What fails, or gives back what was not written, ends the process.
 */
void work_run(const struct options *o, enum kind kind, uint64_t rows,
              const char *dir, double result[N_MEASURES]);

/* -------------------------------------------------------------- report.c */

struct report {
    const struct options *o;
    uint64_t rows;
    double results[N_KINDS][MAX_RUNS][N_MEASURES];
};

/* A table of medians and ratios. */
void report_table(const struct report *r);
/* How the rates of many rows compare with those of few. */
void report_growth(const struct report *few, const struct report *many);

/* Print what and why, and exit. */
void bench_fail(const char *what, const char *why) __attribute__((noreturn));

#endif
