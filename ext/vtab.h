/* A table object of the SQL half: the seam's, and what planning needs. */
#ifndef MOSS_EXT_VTAB_H
#define MOSS_EXT_VTAB_H

#include "ext.h"
#include "schema.h"

/* A row that a statement which changes something has looked up. */
struct found {
    bool known;
    uint64_t version; /* see table_version() */
    struct bytes key, value;
};

/* What anew.c knows. */
struct anew {
    unsigned scans;
    unsigned times;            /* that something was prepared anew */
    bool trying;               /* tried was stopped a moment ago */
    const sqlite3_stmt *tried; /* only compared: it may be gone */
    char *message; /* of the statement that is prepared next, or NULL */
};

struct vtab {
    struct table table; /* first: SQLite and the seam see only this */
    sqlite3 *db;
    struct schema schema;
    bool utf16; /* the database's text encoding: see plan.c */
    struct anew anew;

    struct cursor *cursors; /* that are open, newest first */
    struct cursor *idle;    /* one that is closed, or NULL */
    struct found found;     /* by the cursor that was opened last */
    struct change *spare;   /* what xUpdate works with, or NULL */
};

#endif
