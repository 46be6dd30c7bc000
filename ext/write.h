/* xUpdate: INSERT, UPDATE, DELETE and REPLACE. */
#ifndef MOSS_EXT_WRITE_H
#define MOSS_EXT_WRITE_H

#include "ext.h"

int write_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv,
                 sqlite3_int64 *rowid);

#endif
