/*
 * Declarations are tried in a private database in memory, so that SQLite's own
 * parser reads them and its pragmas tell what came of them.  The table there
 * is called x.
 */
#ifndef MOSS_EXT_PRIVATE_H
#define MOSS_EXT_PRIVATE_H

#include "ext.h"

/* *err is sqlite3_malloc'd on failure, unless there is no memory. */

/* Run what format gives; it returns no rows. */
int private_run(sqlite3 *db, char **err, const char *format, ...);
int
private_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, char **err);
/*
 * Finalize stmt at the end of a loop over its rows, or when that was left
 * with rc, which comes back unless it is SQLITE_OK.
 */
int private_finish(sqlite3 *db, sqlite3_stmt *stmt, int rc, char **err);
/* rc, an error of the private database, as one of ours. */
int private_error(sqlite3 *db, int rc, char **err);

#endif
