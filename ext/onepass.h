/* UPDATE and DELETE of one row, in one pass. */
#ifndef MOSS_EXT_ONEPASS_H
#define MOSS_EXT_ONEPASS_H

#include "plan.h"

/*
 * Should the statement be prepared anew, since it is known now that its plan
 * finds one row at most?  Then xFilter, of the first cursor that it opens,
 * returns SQLITE_SCHEMA.
 */
bool
onepass_is_due(struct vtab *v, sqlite3_stmt *writing, const struct plan *plan);
/* A statement has opened a cursor: none is being prepared anew. */
void onepass_opened(struct vtab *v);
/*
 * In xBestIndex: is it that statement which is being prepared?  Once: the
 * answer is for the caller.
 */
bool onepass_is_known(struct vtab *v);

#endif
