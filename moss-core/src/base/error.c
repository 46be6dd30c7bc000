/*
 * The names of statuses, and the one place that fills in a struct moss_error.
 */
#include "base/error.h"

#include <errno.h>
#include <string.h>

const char *
moss_status_name(enum moss_status status)
{
    switch (status) {
    case MOSS_OK:
        return "MOSS_OK";
    case MOSS_NOT_FOUND:
        return "MOSS_NOT_FOUND";
    case MOSS_DONE:
        return "MOSS_DONE";
    case MOSS_NOMEM:
        return "MOSS_NOMEM";
    case MOSS_IO:
        return "MOSS_IO";
    case MOSS_CORRUPT:
        return "MOSS_CORRUPT";
    case MOSS_BUSY:
        return "MOSS_BUSY";
    case MOSS_TIMEOUT:
        return "MOSS_TIMEOUT";
    case MOSS_CLOSED:
        return "MOSS_CLOSED";
    case MOSS_INVALID:
        return "MOSS_INVALID";
    case MOSS_TOO_BIG:
        return "MOSS_TOO_BIG";
    case MOSS_FULL:
        return "MOSS_FULL";
    case MOSS_READONLY:
        return "MOSS_READONLY";
    case MOSS_UNSUPPORTED:
        return "MOSS_UNSUPPORTED";
    case MOSS_NO_OPERATOR:
        return "MOSS_NO_OPERATOR";
    case MOSS_MERGE_FAILED:
        return "MOSS_MERGE_FAILED";
    case MOSS_CANTOPEN:
        return "MOSS_CANTOPEN";
    case MOSS_FORKED:
        return "MOSS_FORKED";
    case MOSS_ABORTED:
        return "MOSS_ABORTED";
    case MOSS_EXISTS:
        return "MOSS_EXISTS";
    }
    return "MOSS_UNKNOWN"; /* not one of ours */
}

static bool
is_from_system(enum moss_status status)
{
    return status == MOSS_IO || status == MOSS_FULL ||
           status == MOSS_CANTOPEN || status == MOSS_READONLY;
}

enum moss_status
error_set(struct moss_error *err, enum moss_status status, const char *what,
          const char *path, uint64_t offset)
{
    int sys_errno = is_from_system(status) ? errno : 0;

    if (err == NULL)
        return status;
    error_clear(err);
    err->status = status;
    err->sys_errno = sys_errno;
    err->offset = offset;
    err->what = what;
    if (path != NULL) {
        size_t n = strnlen(path, sizeof(err->path) - 1);

        memcpy(err->path, path, n);
    }
    return status;
}

void
error_clear(struct moss_error *err)
{
    if (err != NULL)
        *err = (struct moss_error){ .status = MOSS_OK };
}
