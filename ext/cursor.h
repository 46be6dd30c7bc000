/* Cursors: the reading methods of the module. */
#ifndef MOSS_EXT_CURSOR_H
#define MOSS_EXT_CURSOR_H

#include "ext.h"

/*
 * May the row under key, which the statement under way is about to change,
 * come from a cursor on a past commit?  The cursor that the statement opened
 * first on the table tells, if it reads today's rows and has that one, unless
 * the row is changed by a trigger, whose cursors are among the statement's;
 * else it is yes as soon as one that reads the past has given out keys and
 * has this one.  Cursors of statements that only read do not count.
 */
int cursor_gave_past(sqlite3_vtab *vtab, struct moss_slice key, bool *out);

struct vtab;
/* To be called before v is freed. */
void cursor_free_idle(struct vtab *v);

int cursor_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out);
int cursor_close(sqlite3_vtab_cursor *cur);
int cursor_filter(sqlite3_vtab_cursor *cur, int idx_num, const char *idx_str,
                  int argc, sqlite3_value **argv);
int cursor_next(sqlite3_vtab_cursor *cur);
int cursor_eof(sqlite3_vtab_cursor *cur);
int cursor_rowid(sqlite3_vtab_cursor *cur, sqlite3_int64 *rowid);
int cursor_column(sqlite3_vtab_cursor *cur, sqlite3_context *ctx, int column);

#endif
