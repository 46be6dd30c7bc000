/* Filling in a struct moss_error. */
#ifndef MOSS_BASE_ERROR_H
#define MOSS_BASE_ERROR_H

#include "moss.h"

/*
 * Describe a failure and return status.  err and path may be NULL; what is a
 * static string.  sys_errno is taken from errno when status is MOSS_IO,
 * MOSS_FULL, MOSS_CANTOPEN or MOSS_READONLY, and 0 otherwise.
 */
enum moss_status error_set(struct moss_error *err, enum moss_status status,
                           const char *what, const char *path, uint64_t offset);
/* Zero it; NULL is fine. */
void error_clear(struct moss_error *err);

#endif
