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

struct vtab {
    struct table table; /* first: SQLite and the seam see only this */
    sqlite3 *db;
    struct schema schema;
    bool utf16;             /* the database's text encoding: see plan.c */
    bool one_pass;          /* what is prepared next is known: see onepass.c */
    bool not_prepared_anew; /* that was not to be, once */

    struct cursor *cursors; /* that are open, newest first */
    struct cursor *idle;    /* one that is closed, or NULL */
    struct found found;     /* by the cursor that was opened last */
    struct change *spare;   /* what xUpdate works with, or NULL */
};

#endif
