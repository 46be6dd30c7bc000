/* Verifying one segment. */
#ifndef MOSSSCOPE_CHECK_SEGMENT_H
#define MOSSSCOPE_CHECK_SEGMENT_H

#include "report.h"
#include "store/extras.h"

/* All borrowed. */
struct checked_segment {
    struct report *report;
    const char *file;        /* its name */
    const struct path *path; /* of the collection */
    const struct segment *seg;
    const struct segment_loc *loc;
    uint64_t nonce; /* of the file */
};

void check_segment(const struct checked_segment *s);

#endif
