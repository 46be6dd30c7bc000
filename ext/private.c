/*
 * The private database in memory that declarations are tried in; see
 * private.h.
 */
#include "private.h"

#include <stdarg.h>
#include <string.h>

int
private_error(sqlite3 *db, int rc, char **err)
{
    if (rc == SQLITE_NOMEM || *err != NULL)
        return rc;
    *err = sqlite3_mprintf("moss: %s", sqlite3_errmsg(db));
    return *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
}

int
private_finish(sqlite3 *db, sqlite3_stmt *stmt, int rc, char **err)
{
    int end = sqlite3_finalize(stmt);

    if (rc == SQLITE_OK && end != SQLITE_OK)
        return private_error(db, end, err);
    return rc;
}

int
private_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, char **err)
{
    int rc = sqlite3_prepare_v2(db, sql, -1, out, NULL);

    return rc == SQLITE_OK ? rc : private_error(db, rc, err);
}

int
private_run(sqlite3 *db, char **err, const char *format, ...)
{
    sqlite3_stmt *stmt = NULL;
    const char *tail = NULL;
    char *sql;
    va_list args;
    int rc;

    va_start(args, format);
    sql = sqlite3_vmprintf(format, args);
    va_end(args);
    if (sql == NULL)
        return SQLITE_NOMEM;
    rc = sqlite3_prepare_v2(db, sql, -1, &stmt, &tail);
    if (rc == SQLITE_OK && sqlite3_step(stmt) != SQLITE_DONE)
        rc = sqlite3_errcode(db);
    sqlite3_finalize(stmt);
    if (rc == SQLITE_OK && tail[strspn(tail, "; \t\n\v\f\r")] != '\0') {
        *err = sqlite3_mprintf("moss: more than columns in \"%s\"", sql);
        rc = *err == NULL ? SQLITE_NOMEM : SQLITE_ERROR;
    }
    sqlite3_free(sql);
    return rc == SQLITE_OK ? rc : private_error(db, rc, err);
}
