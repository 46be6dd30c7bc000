/* What check and salvage have found, line by line or as JSON. */
#ifndef MOSSSCOPE_REPORT_H
#define MOSSSCOPE_REPORT_H

#include "json_out.h"

struct report {
    bool json;
    struct json_out w;
    uint64_t problems;
};

void report_init(struct report *r, const struct args *a);
void report_end(struct report *r);

/* Something is wrong at off in the file called file. */
void
report_problem(struct report *r, const char *file, uint64_t off,
               const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Something is worth knowing. */
void report_note(struct report *r, const char *file, uint64_t off,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A key of a message as text; path as well.  To be freed with free(). */
char *report_text(struct moss_slice bytes);
char *report_path(const struct path *path);

#endif
