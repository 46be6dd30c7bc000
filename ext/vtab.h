/* A table object of the SQL half: the seam's, and what planning needs. */
#ifndef MOSS_EXT_VTAB_H
#define MOSS_EXT_VTAB_H

#include "ext.h"
#include "schema.h"

struct vtab {
    struct table table; /* first: SQLite and the seam see only this */
    sqlite3 *db;
    struct schema schema;
    bool utf16; /* the database's text encoding: see plan.c */

    /* Open cursors, and the one of a writing statement that reads the past. */
    int cursors;
    const void *past_cursor;
};

#endif
