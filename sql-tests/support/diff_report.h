/* What a run of the differential test did, counted. */
#ifndef SQL_TESTS_DIFF_REPORT_H
#define SQL_TESTS_DIFF_REPORT_H

#include <stdio.h>

#include "diff_side.h"

enum diff_section {
    DIFF_MODES,
    DIFF_KINDS,
    DIFF_ERRORS,
    DIFF_PLANS,
    DIFF_EXCUSED,
    DIFF_SECTIONS
};

struct diff_count {
    char *name;
    long n;
};

struct diff_report {
    struct {
        struct diff_count *at;
        size_t n, cap;
    } sections[DIFF_SECTIONS];
    long statements, rows, compared_errors;
};

void diff_report_count(struct diff_report *r, enum diff_section section,
                       const char *name);
/* Count a step that gave this on both sides. */
void diff_report_step(struct diff_report *r, const struct diff_step *step,
                      const struct diff_outcome *out);
void diff_report_print(struct diff_report *r, FILE *to);
void diff_report_release(struct diff_report *r);

#endif
