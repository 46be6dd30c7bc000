/*
 * Failures of the library as SQLite result codes and texts, by one table.
 */
#include "ext.h"

#include <stdarg.h>
#include <string.h>

static const struct {
    enum moss_status status;
    int code;
    const char *text;
} table[] = {
    { MOSS_OK, SQLITE_OK, "no error" },
    { MOSS_NOT_FOUND, SQLITE_NOTFOUND, "not found" },
    { MOSS_DONE, SQLITE_DONE, "no more entries" },
    { MOSS_NOMEM, SQLITE_NOMEM, "out of memory" },
    { MOSS_IO, SQLITE_IOERR, "disk I/O error" },
    { MOSS_CORRUPT, SQLITE_CORRUPT, "the store is damaged" },
    { MOSS_BUSY, SQLITE_BUSY,
      "the store is in use by another process or connection" },
    { MOSS_TIMEOUT, SQLITE_BUSY, "the wait for the store took too long" },
    { MOSS_CLOSED, SQLITE_MISUSE, "the store is closed" },
    { MOSS_INVALID, SQLITE_MISUSE, "invalid argument" },
    { MOSS_TOO_BIG, SQLITE_TOOBIG, "string or blob too big" },
    { MOSS_FULL, SQLITE_FULL, "no space left for the store" },
    { MOSS_READONLY, SQLITE_READONLY, "the store is read-only" },
    { MOSS_UNSUPPORTED, SQLITE_ERROR,
      "the store has a format that this version does not know" },
    { MOSS_NO_OPERATOR, SQLITE_ERROR,
      "the store holds merge operands: declare the table with merge='name'" },
    { MOSS_MERGE_FAILED, SQLITE_ERROR,
      "the merge operator refused a value or an operand" },
    { MOSS_CANTOPEN, SQLITE_CANTOPEN, "unable to open the store" },
    { MOSS_FORKED, SQLITE_MISUSE,
      "the store was opened before a fork; open the database again" },
    { MOSS_ABORTED, SQLITE_INTERRUPT, "interrupted" },
    { MOSS_EXISTS, SQLITE_ERROR, "a collection of that name exists" },
};

int
error_code(enum moss_status status)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].status == status)
            return table[i].code;
    }
    return SQLITE_INTERNAL;
}

static const char *
status_text(enum moss_status status)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].status == status)
            return table[i].text;
    }
    return moss_status_name(status);
}

static int
set_text(struct table *t, int code, char *text)
{
    sqlite3_free(t->base.zErrMsg);
    t->base.zErrMsg = text;
    return text == NULL ? SQLITE_NOMEM : code;
}

int
error_report(struct table *t, int code, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = sqlite3_vmprintf(format, args);
    va_end(args);
    return set_text(t, code, text);
}

char *
error_text(enum moss_status status, const struct moss_error *err,
           const char *doing)
{
    sqlite3_str *s = sqlite3_str_new(NULL);

    sqlite3_str_appendf(s, "moss: %s: %s", doing, status_text(status));
    if (err != NULL && err->status == status) {
        if (err->what != NULL)
            sqlite3_str_appendf(s, " (%s)", err->what);
        if (err->path[0] != '\0')
            sqlite3_str_appendf(s, ", %s", err->path);
        if (err->offset != 0)
            sqlite3_str_appendf(s, ", offset %llu",
                                (unsigned long long)err->offset);
        if (err->sys_errno != 0)
            sqlite3_str_appendf(s, ": %s", strerror(err->sys_errno));
    }
    return sqlite3_str_finish(s);
}

int
error_status(struct table *t, enum moss_status status,
             const struct moss_error *err, const char *doing)
{
    /* SQLite has its own text for this, and no memory for ours. */
    if (status == MOSS_NOMEM)
        return SQLITE_NOMEM;
    return set_text(t, error_code(status), error_text(status, err, doing));
}
