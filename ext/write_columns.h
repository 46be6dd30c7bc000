/* A row that is written (write.c), and its columns. */
#ifndef MOSS_EXT_WRITE_COLUMNS_H
#define MOSS_EXT_WRITE_COLUMNS_H

#include "index.h"

/* A value of the new row. */
struct cell {
    struct datum d;
    sqlite3_value *owned; /* what d's bytes lie in, if it was converted */
};

struct change {
    struct vtab *v;
    const struct schema *s;
    int conflict;         /* SQLITE_ABORT, SQLITE_REPLACE, ... */
    struct bytes old_key; /* the row to be updated or deleted */
    struct bytes key, value;
    struct moss_value row;  /* the old row of a table without indexes */
    struct image old;       /* and of one with them */
    struct entries entries; /* of the new row */
    struct image *victims;  /* rows that REPLACE deletes */
    int n_victims;
    struct cell *cells;        /* of each column */
    struct cell rowid;         /* of the key, if that is no column */
    struct datum *stored;      /* room for the columns of a record */
    uint8_t *notes;            /* of each part of the key */
    size_t room;               /* bytes of those three, from cells on */
    sqlite3_int64 given_rowid; /* what last_insert_rowid() becomes */
};

static inline bool
change_is_raw(const struct change *c)
{
    return c->v->table.decl.codec == CODEC_RAW;
}

/*
 * The columns of the new row; those that UPDATE does not set are there
 * already.  A rowid that is none is found out before anything else.
 */
int change_read_columns(const struct change *c, sqlite3_value **columns,
                        bool insert);
/* Give the columns that UPDATE does not set what the old row has. */
int change_keep_columns(const struct change *c, struct moss_slice row,
                        sqlite3_value **columns);
/* The one column of a raw table that is not the key. */
void change_keep_raw(const struct change *c, sqlite3_value **columns);

#endif
