/* What the two halves of the SQLite lower level share; lower.h is for users. */
#ifndef EXAMPLES_LOWER_SQLITE_H
#define EXAMPLES_LOWER_SQLITE_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "moss.h"

/* A connection inside a read transaction. */
struct reader {
    atomic_uint refs;
    sqlite3 *db;
};

/* What the snapshots of one update share. */
struct view {
    atomic_uint refs;
    sqlite3_mutex *mu;
    struct reader *reader; /* guarded by mu; one reference */
    struct moss_tag tag;
    sqlite3_int64 top, next_id, updates;
};

struct snapshot {
    struct moss_snapshot base;
    atomic_uint refs;
    struct view *view; /* one reference */
    sqlite3_int64 id;  /* the collection's */
};

enum moss_status sql_status(int rc);
enum moss_status sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out);
enum moss_status sql_execute(sqlite3 *db, const char *sql);
int sql_bind_bytes(sqlite3_stmt *q, int i, struct moss_slice s);

/* Begin to read what is committed by now; one reference. */
enum moss_status sql_reader_open(const char *path, struct reader **out);
void sql_reader_unref(struct reader *r); /* NULL is fine */
enum moss_status sql_view_open(const char *path, struct view **out);
void sql_view_unref(struct view *v);

/* The collection of that id; takes its own reference to v. */
enum moss_status
sql_snapshot_new(struct view *v, sqlite3_int64 id, struct moss_snapshot **out);

#endif
