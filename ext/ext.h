/*
 * The seam between the two halves of the extension.
 *
 * The SQL half (moss_ext.c, vtab.c, decl.c, plan.c, cursor.c, write.c, key.c,
 * record.c, command.c) turns SQL into keys, values and key ranges.  The
 * transaction half (registry.c, conn.c, txn.c, pending.c, log.c, catalog.c)
 * decides which snapshot a statement reads and how a transaction becomes an
 * atomic batch.  They meet in the table_ functions below; error.c serves both.
 *
 * Everything here runs on the thread that uses the connection, with the
 * connection's mutex held by SQLite.  Functions that return int return a
 * SQLite result code; on failure they have set the table's zErrMsg unless
 * the code says it all (SQLITE_NOMEM).
 */
#ifndef MOSS_EXT_EXT_H
#define MOSS_EXT_EXT_H

#include <sqlite3ext.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "moss.h"

/* Defined in moss_ext.c; nothing in a build that is linked statically. */
SQLITE_EXTENSION_INIT3

struct conn;       /* conn.c: what belongs to one connection */
struct conn_store; /* txn.c: one store, as one connection uses it */

enum codec {
    CODEC_TYPED, /* any SQLite value, in an order-preserving encoding */
    CODEC_RAW    /* one key and one value column, stored as their bytes */
};

/* ---------------------------------------------------------------- tuning.c */

/* What a store can be told beside its place, by Go moss's names. */
enum tuning_option {
    TUNE_MIN_MERGE_PERCENTAGE,
    TUNE_MAX_DIRTY_OPS,
    TUNE_MAX_DIRTY_KEY_VAL_BYTES,
    TUNE_MERGER_CANCEL_CHECK_INTERVAL,
    TUNE_MERGER_IDLE_RUN_TIMEOUT_MS,
    TUNE_CACHE_PERSISTED,
    TUNE_DEFERRED_SORT,
    TUNE_COMPACTION_PERCENTAGE,
    TUNE_COMPACTION_LEVEL_MAX_SEGMENTS,
    TUNE_COMPACTION_LEVEL_MULTIPLIER,
    TUNE_COMPACTION_BUFFER_PAGES,
    TUNE_COMPACTION_SYNC,
    TUNE_COMPACTION_SYNC_AFTER_BYTES,
    TUNE_KEEP_FILES,
    TUNE_SEGMENT_KEYS_INDEX_MAX_BYTES,
    TUNE_SEGMENT_KEYS_INDEX_MIN_KEY_BYTES,
    TUNE_N
};

struct tuning {
    bool given[TUNE_N];
    double value[TUNE_N]; /* a flag is 0 or 1 */
};

/* The option of that name (n bytes, in any case), or TUNE_N. */
enum tuning_option tuning_find(const char *name, size_t n);
/* All their names, ", " before each; sqlite3_malloc'd, NULL without memory. */
char *tuning_names(void);
/* *err is sqlite3_malloc'd: what the value may be. */
int tuning_set(struct tuning *tuning, enum tuning_option option,
               const char *text, char **err);
/* ",name=value" for each that is given; sqlite3_malloc'd or NULL. */
char *tuning_text(const struct tuning *tuning);
/* The reverse, of the options that text begins with; false: it is damaged. */
bool tuning_parse(const char *text, struct tuning *out);
/* The first option that both give, but not alike, or TUNE_N. */
enum tuning_option
tuning_conflict(const struct tuning *a, const struct tuning *b);
const char *tuning_name(enum tuning_option option);
/* Give to those that it leaves open what more says; true if it had any. */
bool tuning_extend(struct tuning *tuning, const struct tuning *more);
void tuning_apply(const struct tuning *tuning,
                  struct moss_collection_options *collection,
                  struct moss_store_options *store);

/* ---------------------------------------------------------------- decl.c */

/* What the arguments of CREATE VIRTUAL TABLE say.  Strings are owned. */
struct decl {
    enum codec codec;
    char *store;      /* directory as written; NULL: the database's own */
    char *collection; /* path of an existing child, "" the top level; NULL:
                         one made by CREATE (with store=: the top level) */
    char *merge;      /* a merge operator's name (raw only); NULL: none */
    bool async;       /* durability='async' */
    bool readonly;    /* readonly=true */
    struct tuning tuning;
    /*
     * What is no option: columns and constraints, as one text in which they
     * are separated by commas, without comments and with single spaces; this
     * is what is recorded.  Those of a table without any, if none were given.
     */
    char *columns;
    bool has_columns; /* they were given */
};

/*
 * Parse the arguments, argv[0..argc) without module, schema and table name.
 * *err is sqlite3_malloc'd on failure.  decl_release() is idempotent.
 */
int decl_parse(int argc, const char *const *argv, struct decl *out, char **err);
void decl_release(struct decl *decl);
/* true, yes, on, 1 or false, no, off, 0; false if text is none of these. */
bool decl_flag(const char *text, bool *out);
/* The text of columns as it is recorded; sqlite3_malloc'd, NULL: no memory. */
char *decl_text(const char *columns);
/* Exchange decl->columns for a copy of columns. */
int decl_set_columns(struct decl *decl, const char *columns);

/* --------------------------------------------------------------- bytes.c */

/* A growing byte string in sqlite3_malloc memory. */
struct bytes {
    uint8_t *p;
    size_t n, cap;
};
void bytes_release(struct bytes *b);
/* Make room, so that appending n bytes neither fails nor moves b->p. */
int bytes_reserve(struct bytes *b, size_t n);
static inline int /* or NOMEM */
bytes_append(struct bytes *b, const void *p, size_t n)
{
    int rc = n <= b->cap - b->n ? SQLITE_OK : bytes_reserve(b, n);

    if (rc != SQLITE_OK)
        return rc;
    if (n > 0)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    return SQLITE_OK;
}

/* -------------------------------------------------------------- tables */

/*
 * A virtual table object.  SQLite makes and drops these as it likes, two for
 * one table at times: no state of a transaction hangs on it.
 */
struct table {
    sqlite3_vtab base;
    struct conn *conn;
    struct table *next; /* in the conn's list */
    char *schema;       /* "main", "temp" or an attached database's name */
    char *name;
    struct decl decl;

    /* Of the transaction half: found at first use. */
    struct conn_store *store; /* borrowed from conn */
    char *collection;         /* path of the child collection, see catalog.c */
    bool made;                /* by CREATE, not attached */
    bool joined;              /* takes part in store's transaction */
    bool fresh;               /* attached by the transaction that is open */
    bool writes;              /* that one may change it, or has made it */
    bool adopting;            /* its COMMIT makes this database store's home */

    /*
     * Its indexes: children of its collection.  Names and number are set when
     * it is made, and borrowed; the paths follow from the collection.
     */
    const char **children; /* owned, the names are not */
    char **index_paths;
    int n_indexes;
    bool fits;   /* the collection's record has been compared */
    bool merges; /* it has MERGE columns */
    bool narrow; /* the record has more columns than the table */
};

/*
 * conn.c: the module's context of one connection.  One reference each is with
 * the module, with every function, and with every table object: SQLite lets
 * go of a module that is replaced or dropped before it disconnects its tables.
 */
int conn_new(sqlite3 *db, struct conn **out);
/* Does the connection have the module?  Loading it again does nothing then. */
bool conn_is_loaded(sqlite3 *db);
struct conn *conn_ref(struct conn *conn);
void conn_unref(void *conn); /* as the destructor of functions */
/* As the destructor of the module: it can be loaded again. */
void conn_unload(void *conn);
/* t has schema and name, and is there for others to find; or no more. */
void conn_list_table(struct table *t);
void conn_unlist_table(struct table *t); /* unless it was not listed */

/*
 * xCreate, xDestroy and xRename, inside the user's transaction: write the
 * catalog, make or find the store.  CREATE comes in two steps.  The first
 * finds t->store and t->collection; a table over a collection that is there
 * already, declared without columns, gets those that are recorded with it,
 * into t->decl.  The second step lists the table.
 */
int table_create(struct table *t);
int table_enlist(struct table *t);
/*
 * The columns that the catalog has for the table, sqlite3_malloc'd; NULL if it
 * has those of the declaration or none, or cannot be read.
 */
int table_columns(struct table *t, char **out);
int table_destroy(struct table *t);
int table_rename(struct table *t, const char *name);
/*
 * Make this database the home of the table's store, at once or with the commit
 * of the statement that runs.
 */
int table_adopt(struct table *t);
/* xDisconnect and after xDestroy: t is about to be freed. */
void table_forget(struct table *t);

/*
 * The snapshot that a cursor opened now reads: the marker's state as this
 * connection sees it, with its own changes so far laid over.  The caller
 * owns one reference.
 */
int table_snapshot(struct table *t, struct moss_snapshot **out);
/*
 * To be called once for each table_snapshot() that succeeded, when its cursor
 * is closed: cursors that are open together share one state, and a connection
 * without any keeps none alive.
 */
void table_cursor_closed(struct table *t);

/*
 * What the connection has changed in t's store: another number whenever that
 * is something else, within one transaction; 0 before it has begun.
 */
uint64_t table_version(const struct table *t);

/*
 * Inside a writing transaction: the row under key as of now, own changes
 * included.  SQLITE_OK, SQLITE_NOTFOUND or a failure.  The value is valid
 * until the next change to the table, and is released by the caller.
 */
int table_get(struct table *t, struct moss_slice key, struct moss_value *value);
/* The greatest key, own changes included, likewise. */
int table_last(struct table *t, struct bytes *key);
/*
 * Room in the log for n changes of so many bytes, to the rows and to indexes:
 * what may fail but for memory fails here, not between two of them.
 */
int table_reserve(struct table *t, size_t bytes, int n);
int table_set(struct table *t, struct moss_slice key, struct moss_slice value);
int table_delete(struct table *t, struct moss_slice key);
/* operand is one of merge.h. */
int
table_merge(struct table *t, struct moss_slice key, struct moss_slice operand);
/*
 * The table has MERGE columns: the store has to have their operator, and is
 * noted to be opened with it.
 */
int table_need_merge(struct table *t);
/*
 * What changes between the two, in this table's store, is done as a whole: for
 * a statement of one row, which SQLite gives no savepoint to go back to when
 * it fails.  *outer is for the end, which comes unless the begin failed.
 */
int table_step_begin(struct table *t, int *outer);
void table_step_end(struct table *t, int outer, bool undo);
/* Delete all rows at once, whatever their number. */
int table_truncate(struct table *t);

/*
 * The same for index number i of the table.  A snapshot of it goes with the
 * table's that was taken just before, and is not counted as a cursor's.
 */
int table_index_snapshot(struct table *t, int i, struct moss_snapshot **out);
int table_index_get(struct table *t, int i, struct moss_slice key,
                    struct moss_value *value);
int table_index_set(struct table *t, int i, struct moss_slice key,
                    struct moss_slice value);
int table_index_delete(struct table *t, int i, struct moss_slice key);
struct moss_snapshot *table_index_peek(struct table *t, int i);

/* The module's transaction methods; vtab is a struct table's base. */
int txn_begin(sqlite3_vtab *vtab);
int txn_sync(sqlite3_vtab *vtab);
int txn_commit(sqlite3_vtab *vtab);
int txn_rollback(sqlite3_vtab *vtab);
int txn_savepoint(sqlite3_vtab *vtab, int n);
int txn_release(sqlite3_vtab *vtab, int n);
int txn_rollback_to(sqlite3_vtab *vtab, int n);

/*
 * For planners' estimates only: the newest state of the table's collection
 * that is at hand without any I/O or SQL, or NULL.  The caller owns a
 * reference.  Never use it for rows: it may be ahead of the statement.
 */
struct moss_snapshot *table_peek(struct table *t);

#ifdef SQLITE_CORE
struct moss_os;
/*
 * Only where the extension is linked statically: the operating system that
 * stores opened from now on use; NULL restores the system's own.  For tests.
 */
MOSS_API void moss_ext_set_os(struct moss_os *os);
#endif

/* ---------------------------------------------------------------- vtab.c */

extern const sqlite3_module moss_module;

/* -------------------------------------------------------------- backup.c */

/* Register moss_backup().  conn lives as long as the module. */
int backup_register(sqlite3 *db, struct conn *conn);

/* --------------------------------------------------------------- error.c */

/* The SQLite result code for a status, by one table. */
int error_code(enum moss_status status);

/*
 * Set the table's zErrMsg from a printf format (sqlite3_mprintf's) and give
 * back code; SQLITE_NOMEM if there is no memory for the text.
 */
int error_report(struct table *t, int code, const char *format, ...);

/*
 * The same for a failure of the library: code from the status, the text says
 * what, where (path, offset) and the system's own reason.  err may be NULL.
 */
int error_status(struct table *t, enum moss_status status,
                 const struct moss_error *err, const char *doing);

/* As error_status(), but the text comes back, sqlite3_malloc'd or NULL. */
char *error_text(enum moss_status status, const struct moss_error *err,
                 const char *doing);

#endif
