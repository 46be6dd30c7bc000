/* Preparing a statement anew when more is known about it. */
#ifndef MOSS_EXT_ANEW_H
#define MOSS_EXT_ANEW_H

#include "plan.h"

/*
 * Should the statement be prepared anew, since it is known now that the terms
 * of its plan have parameters on the right?  To be asked by the first xFilter
 * of the first cursor that it opens, which then returns SQLITE_SCHEMA.
 * writing is the statement if it changes something, else NULL.
 */
bool
anew_is_due(struct vtab *v, sqlite3_stmt *writing, const struct plan *plan);
/* A statement has opened a cursor: none is being prepared anew. */
void anew_opened(struct vtab *v);
/*
 * In xBestIndex: is it that statement which is being prepared?  Once: the
 * answer is for the caller.
 */
bool anew_is_known(struct vtab *v);
void anew_release(struct vtab *v);

#endif
