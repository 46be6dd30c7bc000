/*
 * Text that is assembled in the caller's memory: it goes on counting when that
 * is full, so that the caller learns how much it takes.
 */
#include "base/textout.h"

#include <stdarg.h>
#include <stdio.h>

void
textout_add(struct textout *out, const char *format, ...)
{
    size_t room = out->len < out->cap ? out->cap - out->len : 0;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(room > 0 ? out->text + out->len : NULL, room, format, args);
    va_end(args);
    if (n > 0)
        out->len += (size_t)n;
}
