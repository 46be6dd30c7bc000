/* Cursors: the reading methods of the module. */
#ifndef MOSS_EXT_CURSOR_H
#define MOSS_EXT_CURSOR_H

#include "ext.h"

int cursor_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out);
int cursor_close(sqlite3_vtab_cursor *cur);
int cursor_filter(sqlite3_vtab_cursor *cur, int idx_num, const char *idx_str,
                  int argc, sqlite3_value **argv);
int cursor_next(sqlite3_vtab_cursor *cur);
int cursor_eof(sqlite3_vtab_cursor *cur);
int cursor_rowid(sqlite3_vtab_cursor *cur, sqlite3_int64 *rowid);
int cursor_column(sqlite3_vtab_cursor *cur, sqlite3_context *ctx, int column);

#endif
