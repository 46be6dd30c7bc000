/* Text into memory of the caller's, as snprintf() writes it, in pieces. */
#ifndef MOSS_BASE_TEXTOUT_H
#define MOSS_BASE_TEXTOUT_H

#include <stddef.h>

struct textout {
    char *text; /* NULL only if cap is 0 */
    size_t cap;
    size_t len; /* of the whole text, also what did not fit */
};

/* Append; there is a NUL byte behind what fits. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void
textout_add(struct textout *out, const char *format, ...);

#endif
