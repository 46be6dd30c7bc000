/* Rowids of new rows. */
#ifndef MOSS_EXT_ROWID_H
#define MOSS_EXT_ROWID_H

#include "record.h"
#include "vtab.h"

/* The next rowid of a table that has rowids; SQLITE_FULL if none is found. */
int rowid_next(struct vtab *v, struct datum *d);

#endif
