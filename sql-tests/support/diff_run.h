/* The two sides of the differential test, run step by step and compared. */
#ifndef SQL_TESTS_DIFF_RUN_H
#define SQL_TESTS_DIFF_RUN_H

#include "diff_report.h"

struct diff_pair {
    struct diff_side ordinary;
    struct diff_side moss;
    bool apart; /* after an allowed difference: their contents may differ */
};

/* Open new databases for both sides in dir, which is emptied. */
void diff_pair_open(struct diff_pair *pair, const struct diff_mode *mode,
                    const char *dir);
void diff_pair_close(struct diff_pair *pair);

/*
 * Run step on both sides.  NULL if they agree; otherwise what differs, to be
 * given to sqlite3_free().  *out is what the ordinary side did; release it.
 * report may be NULL.
 */
char *diff_pair_run(struct diff_pair *pair, const struct diff_step *step,
                    struct diff_report *report, struct diff_outcome *out);

/*
 * The smallest part of steps found that makes the sides differ in the same
 * respect as wanted says, run on new databases in dir; the last of steps is
 * where they did.  The result shares the memory of steps: free its array
 * only.  *difference is what the smallest part gives (sqlite3_free it), NULL
 * if not even the whole repeats.
 */
struct diff_steps
diff_shrink(const struct diff_steps *steps, const struct diff_mode *mode,
            const char *dir, const char *wanted, char **difference);

#endif
