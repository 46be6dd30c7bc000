/* xUpdate: INSERT, UPDATE, DELETE and REPLACE. */
#ifndef MOSS_EXT_WRITE_H
#define MOSS_EXT_WRITE_H

#include "ext.h"

struct vtab;

int write_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv,
                 sqlite3_int64 *rowid);
/* Give back the memory that is kept between calls. */
void write_free_spare(struct vtab *v);

#endif
