/*
 * The transaction half of the extension: what its files know of each other.
 * (The log is in log.h, pending changes are in pending.h.)
 *
 * A shared store is an open store of the process.  A conn_store is one store
 * as one connection uses it; it owns the connection's transaction on that
 * store, however many virtual table objects take part.  See ext/DESIGN.md,
 * "Transactions".
 *
 * Locks: SQLite's own come first, then the registry's mutex, then a shared
 * store's mu.  No SQL runs with one of ours held.
 */
#ifndef MOSS_EXT_TXN_H
#define MOSS_EXT_TXN_H

#include "ext.h"
#include "log.h"
#include "moss_os.h"

#include <stdatomic.h>

struct pending;
struct pending_table;

/* ------------------------------------------------------------ catalog.c */

/* A store as a database's catalog lists it. */
struct store_row {
    int no; /* names its log: _moss_log_<no> */
    uint8_t id[STORE_ID_BYTES];
    char *path; /* as recorded: relative to the database file; NULL: memory */
    bool async;
    bool is_default; /* its place follows from the database's name */
    bool merges;     /* it has tables with MERGE columns */
    struct tuning tuning;
};
void store_row_release(struct store_row *row);

/* A table as a database's catalog lists it. */
struct table_row {
    int store;
    char *collection; /* path; "" is the top level */
    bool made;        /* by CREATE: DROP deletes it.  Else: attached */
    bool typed;
    char *columns; /* as recorded; NULL: by a version that did not */
};
void table_row_release(struct table_row *row);

/*
 * All of these run SQL on conn's database and give SQLite codes; *err
 * (sqlite3_malloc'd, may stay NULL) says more.  SQLITE_NOTFOUND: no such row,
 * SQLITE_NOTADB is never used.  changes() after DDL counts the catalog's row;
 * last_insert_rowid() is put back.
 */
int catalog_exists(sqlite3 *db, const char *schema, bool *out, char **err);
int catalog_create(sqlite3 *db, const char *schema, char **err);
int catalog_find_table(sqlite3 *db, const char *schema, const char *name,
                       struct table_row *out, char **err);
int catalog_add_table(sqlite3 *db, const char *schema, const char *name,
                      const struct table_row *row, char **err);
/* Forget name; a collection made by CREATE is listed as dropped. */
int catalog_drop_table(sqlite3 *db, const char *schema, const char *name,
                       char **err);
/*
 * May the catalog have other columns for a table than its declaration?  That
 * is a column of the catalog itself, so that the schema which SQLite has in
 * memory says it: reading a row would begin a read transaction, which lasts
 * until the user's ends.  To be set before columns are recorded.
 */
bool catalog_has_appended(sqlite3 *db, const char *schema);
int catalog_mark_appended(sqlite3 *db, const char *schema, char **err);
/* Record other columns for all tables over a collection. */
int
catalog_set_columns(sqlite3 *db, const char *schema, int store,
                    const char *collection, const char *columns, char **err);
int catalog_rename_table(sqlite3 *db, const char *schema, const char *from,
                         const char *to, char **err);
int catalog_store(sqlite3 *db, const char *schema, int no,
                  struct store_row *out, char **err);
/* The store with that recorded path and durability; path NULL: memory. */
int catalog_find_store(sqlite3 *db, const char *schema, const char *path,
                       bool async, struct store_row *out, char **err);
/*
 * Choose row->no, write the row, make the store's log.  start is the tag that
 * the store stands at.
 */
int catalog_add_store(sqlite3 *db, const char *schema, struct store_row *row,
                      struct moss_tag start, char **err);
/* Write row->tuning. */
int catalog_tune_store(sqlite3 *db, const char *schema,
                       const struct store_row *row, char **err);
/* Does a table of this database use the store? */
int catalog_store_is_used(sqlite3 *db, const char *schema, int store, bool *out,
                          char **err);
/* A table of this database over the collection; SQLITE_NOTFOUND. */
int
catalog_find_user(sqlite3 *db, const char *schema, int store,
                  const char *collection, struct table_row *out, char **err);
/* Does a table of this database use the collection? */
int catalog_uses(sqlite3 *db, const char *schema, int store,
                 const char *collection, bool *out, char **err);
/* Call each for the dropped collections of a store, then unlist them. */
int catalog_sweep(sqlite3 *db, const char *schema, int store,
                  int (*each)(void *arg, const char *collection), void *arg,
                  char **err);

/* -------------------------------------------------------- declaration.c */

/*
 * The child of a table's collection that records the declaration.  No index
 * can have this name.
 */
#define DECLARATION_CHILD "~declaration"

/*
 * Read a record; *columns is sqlite3_malloc'd.  MOSS_NOT_FOUND: it has none.
 */
enum moss_status
declaration_read(struct moss_snapshot *snap, enum codec *codec, char **columns);
/* Record the codec and columns in the transaction, which t has joined. */
int declaration_write(struct table *t, const char *columns);
/*
 * Make columns, which begin with those of t, the columns of all tables over
 * the collection, in the transaction, which t has joined.  They become known
 * when the tables are connected to again.
 */
int declaration_extend(struct table *t, const char *columns);
/*
 * t is declared over a collection with that record (columns NULL: unknown):
 * takes over its columns if t has none, else they must be the same.
 */
int declaration_attach(struct table *t, enum codec codec, const char *columns);
/* Does the store have the operator that t's MERGE columns need? */
int declaration_operator(struct table *t);
/* Once for each table object: does the collection fit its declaration? */
int declaration_check(struct table *t);

/* ----------------------------------------------------------- registry.c */

/* A transaction in the ring that is not in a footer yet. */
struct live_record {
    struct moss_tag tag;
    struct log_place place;
    bool staged; /* its changes are in a staged batch */
};

/* What is told to the error log, see notice.c. */
enum notice {
    NOTICE_PERSIST,
    NOTICE_MERGE,
    NOTICE_OPERANDS,
    NOTICE_HINDRANCE,
    NOTICE_N
};

struct noticed {
    atomic_int status;  /* an enum moss_status; MOSS_OK: nothing */
    atomic_bool is_new; /* since the last success */
};

struct shared_store {
    struct shared_store *next;
    int refs; /* guarded by the registry's mutex */

    /* Constant after registry_open(). */
    bool memory, async;
    bool readonly; /* fixed is read, there is no collection */
    struct moss_snapshot *fixed;
    uint64_t dev, ino;          /* of the directory; memory: 0 */
    char *dir;                  /* for messages; memory: NULL */
    uint8_t id[STORE_ID_BYTES]; /* memory: the key */
    /*
     * Of a store in memory, the database that connections of this process
     * share by name: the registry has a reference of its own then, as nobody
     * tells when that database goes.  Guarded by the registry's mutex.
     */
    char *shared_name;
    const struct moss_merge_operator *merge;
    struct tuning tuning;
    struct moss_store *store; /* memory: NULL */
    /* What makes the marker durable; set once, by the home database. */
    _Atomic(struct home_files *) home_files;
    /* Counts the store's changes of home, from 1. */
    atomic_uint home_version;
    /* May the catalog list collections to be swept? */
    atomic_bool maybe_dropped;
    /* May there be staged batches that nobody names? */
    atomic_bool maybe_staged;
    /* Open for reading only, and another process has gone on: open it anew. */
    atomic_bool stale;
    /* What the error log was told of. */
    struct noticed noticed[NOTICE_N];

    /* Guards what follows. */
    sqlite3_mutex *mu;
    struct moss_collection *collection;
    /* Between xSync and xCommit of some connection: */
    struct moss_prepared *prepared;
    /* The ring beyond the newest footer, oldest first. */
    struct live_record *live;
    size_t n_live, cap_live;
    struct moss_tag ring_tag; /* of the newest record that live covers */
    bool ring_known;
};

struct open_request {
    const char *dir;         /* NULL: memory */
    const uint8_t *id;       /* memory: which; else NULL or what it must be */
    bool create;             /* a store that is not there yet */
    const char *shared_name; /* memory: see shared_store; may be NULL */
    bool readonly;           /* will never write: leave no trace */
    bool reading;            /* so if the store was never written by moss */
    bool async;
    const struct moss_merge_operator *merge;
    bool merges; /* rows may be merged, unless the store has another operator */
    const struct tuning *tuning;
    const struct moss_store_identity *identity;
};

/*
 * Find or open a store; one reference in *out.  MOSS_BUSY: another process
 * has it.  *detail gives the library's error.
 */
enum moss_status
registry_open(const struct open_request *request, struct shared_store **out,
              struct moss_error *detail);
/* The last one persists and closes the store. */
void registry_unref(struct shared_store *ss);

/* Call each for the open stores of the process, with the registry locked. */
void registry_each(void (*each)(void *arg, struct shared_store *ss), void *arg);
/* The store that is open for writing in place of a read-only one, or NULL. */
struct shared_store *registry_writable(const struct shared_store *readonly);

/* The newest published state.  Takes mu. */
enum moss_status
shared_store_newest(struct shared_store *ss, struct moss_snapshot **out);
/* For messages: its directory, or "in memory". */
const char *shared_store_name(const struct shared_store *ss);

/* Set by the home database before its first commit. */
enum moss_status
shared_store_set_home_files(struct shared_store *ss, const char *database);

/* The operating system that stores use; for tests of a static build. */
struct moss_os *registry_os(void);

/* ------------------------------------------------------------- notice.c */

/*
 * Callbacks of a collection and of a store, whose ctx is the shared_store: the
 * error log is told of background failures, once each, and of their end; and
 * of what a store goes on without: a damaged file, a compaction.
 */
void notice_error(void *ctx, const struct moss_error *err);
void notice_event(void *ctx, enum moss_event event, uint64_t ns);

/* --------------------------------------------------------------- ring.c */

/*
 * The writer's view of the ring; see "The ring" in DESIGN.md.  All of them
 * want SQLite's write lock and give SQLite codes.
 */

/* Fill shared->live from the chain that ends in m. */
int ring_learn(const struct log_ref *log, struct shared_store *shared,
               const struct marker *m, char **err);
/*
 * Where a record of len bytes goes after the marker base.  Waits for the
 * persister or grows the ring if there is no room; SQLITE_BUSY if waiting was
 * in vain.  *capacity is the ring's size.
 */
int ring_place(const struct log_ref *log, struct shared_store *shared,
               const struct marker *base, uint64_t len, uint64_t *capacity,
               struct log_place *out, char **err);
/* Grow the ring ahead of need if that would make room for len bytes. */
int ring_reserve(const struct log_ref *log, struct shared_store *shared,
                 const struct marker *base, uint64_t len, uint64_t *capacity,
                 char **err);
/* Room for one more live record, so that ring_add() cannot fail. */
int ring_prepare_add(struct shared_store *shared);
/* The record of m was committed after base.  shared->mu held. */
void ring_add(struct shared_store *shared, const struct marker *base,
              const struct marker *m, bool staged);

/* --------------------------------------------------------------- conn.c */

struct conn {
    sqlite3 *db;
    int refs;             /* guarded by the connection's own mutex */
    struct conn *next;    /* that have the module; guarded by SQLite's APP1 */
    struct table *tables; /* the table objects that there are */
    struct conn_store *stores;
};

/* What a database may do with a store. */
enum role {
    ROLE_HOME,  /* its marker decides; it writes */
    ROLE_GUEST, /* reads the newest published state */
    ROLE_ASYNC  /* no marker: newest state, writes are visible at once */
};

/* A (child) collection in the state that a conn_store reads now. */
struct child_state {
    struct child_state *next;
    char *collection;
    struct moss_snapshot *snap; /* NULL: not asked for in this state */
};

struct conn_store {
    struct conn_store *next;
    struct conn *conn;
    char *schema;
    bool is_main; /* schema is the name of the main database */
    char *file;   /* of that schema when it was opened; "" for memory */
    struct store_row row;
    struct shared_store *shared;

    /* Reading: the marker last read, and its state. */
    bool seen_valid;
    unsigned seen_version; /* SQLITE_FCNTL_DATA_VERSION at that time */
    struct marker seen;
    struct moss_snapshot *snap; /* NULL: none is held */
    /* Transactions beyond snap, newest first: an old state made anew. */
    struct record *chain;
    size_t n_chain;
    struct child_state *children; /* of snap and chain, as asked for */
    unsigned open_cursors;

    /* What conn_store_role() found when the store's home was home_version. */
    enum role role;
    unsigned home_version;
    unsigned taken_version; /* when it was last sure to be the home */

    /* The transaction; valid while active.  snap is its base then. */
    bool active;
    unsigned participants;
    bool ddl;   /* a moss table was created or dropped in it */
    bool swept; /* the dropped collections are in sweep */
    struct marker base;
    struct pending *pending;
    struct bytes sweep; /* names of dropped collections, NUL-terminated */
    uint64_t capacity;  /* of the ring */
    uint64_t reserved;  /* until so many changes there is no look at it */

    /* What the last xSync wrote. */
    bool synced;
    uint64_t synced_version;
    struct marker written;
    bool staged; /* a staged batch was made for it */
    struct moss_tag staged_tag;
    struct moss_prepared *prepared; /* ROLE_ASYNC only; else in shared */
};

/* Find t->store and t->collection from the catalog.  Sets zErrMsg. */
int table_resolve(struct table *t);
/*
 * The connection's object for a store that its catalog lists, opened if need
 * be.  create: the store may be made.  Reports on t.
 */
int conn_store_open(struct table *t, const struct store_row *row, bool create,
                    struct conn_store **out);
/* The object of that store if it has been opened, or NULL. */
struct conn_store *conn_find_store(struct conn *conn, const char *schema,
                                   const struct store_row *row);
/* The default store of a database file; sqlite3_malloc'd, or NULL. */
char *store_default_path(const char *file, bool async);
/*
 * Has sqlite3_interrupt() been called?  nothing is a statement that does
 * nothing: SELECT 1.
 */
bool conn_is_interrupted(sqlite3_stmt *nothing);
struct log_ref conn_store_log(const struct conn_store *cs);
enum role conn_store_role(struct conn_store *cs);
/*
 * A path as store= has it, made absolute or relative to the process's
 * directory; sqlite3_malloc'd, NULL without memory.
 */
char *schema_path(sqlite3 *db, const char *schema, const char *path);
/* Does the schema live in memory (by its VFS, not by its name)? */
bool schema_is_memory(sqlite3 *db, const char *schema);
/*
 * Leave a store that is open for reading only for the one that is open for
 * writing: if somebody has it (wanted false), or by opening it.  Without
 * effect where that cannot be.  Reports on t.
 */
int conn_store_upgrade(struct table *t, struct conn_store *cs, bool wanted);
/* Open a store anew that is open for reading only.  Reports on t. */
int conn_store_reopen(struct table *t, struct conn_store *cs);
/* Record this database as the store's home unless it is.  Reports on t. */
int conn_store_take_home(struct table *t, struct conn_store *cs);
/*
 * The same, away from another database that may be using it: SQLITE_BUSY
 * unless all that it has committed is in the store.
 */
int conn_store_adopt(struct table *t, struct conn_store *cs);
/*
 * Report rc with the message *err, if there is one, and free it.  By address:
 * rc is often the result of a call, in the same argument list, that sets it.
 */
int report_text(struct table *t, int rc, char **err);

/* --------------------------------------------------------------- table.c */

/* What of a table is meant: its rows, or index number part. */
#define TABLE_ROWS (-1)

/* The path of the table's collection or of an index; NULL without memory. */
const char *table_path(struct table *t, int part);
/* Its pending changes, in the transaction that is open. */
int table_pending(struct table *t, int part, struct pending_table **out);

/* ---------------------------------------------------------------- txn.c */

/*
 * Begin the transaction of t->store, on behalf of t.  Idempotent; makes t a
 * participant.
 */
int txn_join(struct table *t);
/*
 * t is about to leave for good.  If it is the last participant, put back the
 * marker that an xSync before a refused COMMIT has written.
 */
int txn_take_back(struct table *t);
/* Why t's database cannot write to its store: SQLITE_READONLY. */
int report_guest(struct table *t, const struct conn_store *cs);
/* t gets no further callback: the last participant ends the transaction. */
void txn_leave(struct table *t);
/* Forget it, whatever became of it. */
void txn_end(struct conn_store *cs);

/* ------------------------------------------------------------ changes.c */

/* What there is to commit. */
struct extent {
    bool any;       /* there is something */
    bool all;       /* the pending batch is right as it is */
    uint64_t bytes; /* about what a payload with all changes takes */
};
/*
 * After DDL a collection may be gone that there are changes to: a CREATE that
 * was undone comes with no callback.
 */
int changes_look(struct table *t, struct conn_store *cs, struct extent *out);
int changes_used(struct table *t, struct conn_store *cs,
                 struct pending_table *p, bool *out);
/*
 * All changes, drops included, as a batch: the pending one itself, or, where
 * that will not do, a copy, which comes in *owned, too.
 */
int changes_batch(struct table *t, struct conn_store *cs,
                  const struct extent *extent, struct moss_batch **batch,
                  struct moss_batch **owned);
/* The same as a record's payload. */
int changes_payload(struct table *t, struct conn_store *cs,
                    const struct extent *extent, struct bytes *out);

/*
 * The dropped collections that the batch is to delete: take from the list
 * what a rollback to a savepoint has brought back since.
 */
int changes_filter_sweep(struct table *t, struct conn_store *cs);
/* Their names, one after the other; begins and ends with NULL. */
const char *changes_next_dropped(const struct conn_store *cs, const char *name);

/* -------------------------------------------------------------- stage.c */

/* A batch whose payload would be larger is staged. */
#define STAGE_BYTES ((uint64_t)512 << 10)

/*
 * Make a staged batch of the transaction's changes, named by tag, and prepare
 * it; payload becomes what the log is to say of it.  SQLITE_NOTFOUND: such
 * changes cannot be staged, and nothing has happened.
 */
int stage_prepare(struct table *t, struct conn_store *cs, struct moss_tag tag,
                  struct moss_prepared **out, struct bytes *payload);
/* The one that an earlier xSync of this transaction made is not wanted. */
void stage_take_back(struct conn_store *cs);
/*
 * Remove the staged batches that nobody names any more, if there may be some.
 * Only the writer, once the ring is known.
 */
void stage_sweep(struct shared_store *ss);

/* Are a record's changes in a staged batch? */
bool stage_is_named(const struct record *r);
/*
 * Open the one that r names, to be freed with moss_staged_free().
 * SQLITE_NOTFOUND: its file is gone, as those of old records are.
 */
int stage_open(struct shared_store *ss, const struct record *r,
               struct moss_staged **out, char **err);
/*
 * Lay the changes that staged has for a collection over *snap, which may be
 * NULL if the collection begins there.
 */
enum moss_status stage_overlay(struct moss_staged *staged, const char *path,
                               const struct moss_merge_operator *merge,
                               struct moss_snapshot **snap);

/* --------------------------------------------------------------- read.c */

/* Let go of the state that is held; release: for good. */
void read_drop(struct conn_store *cs);
void read_release(struct conn_store *cs);
/*
 * Bring cs->seen and cs->snap up to what the connection's own transaction
 * sees.  Sets t's zErrMsg.
 */
int read_refresh(struct table *t);
/*
 * The writer's form, with SQLite's write lock held: the collection is made
 * to stand exactly at the marker, cs->snap is that state.
 */
int read_align(struct table *t, struct marker *marker);
/* A collection in the state held by cs.  NULL in *out: it does not exist. */
int read_collection(struct conn_store *cs, const char *path,
                    struct moss_snapshot **out);
/*
 * The state of tag if memory has it: the newest, a prepared one that is
 * committed (it is published), or, where recent ones will do, a recent one.
 * MOSS_NOT_FOUND.
 */
enum moss_status state_in_memory(struct shared_store *ss, struct moss_tag tag,
                                 bool recent, struct moss_snapshot **out);

/* --------------------------------------------------------------- walk.c */

/* The changes of a payload as a batch. */
int batch_from_payload(const uint8_t *p, size_t n, struct moss_tag tag,
                       struct moss_batch **out);
/* Does a payload empty that collection? */
int payload_clears(const uint8_t *p, size_t n, const char *path, bool *out);
/* A path's names; *n is how many.  MOSS_INVALID: more than PATH_NAMES. */
#define PATH_NAMES 33
enum moss_status
path_split(const char *path, struct moss_slice names[], size_t *n);
/* The child of batch or snap that a path names; "" is itself. */
enum moss_status batch_at_path(struct moss_batch *batch, struct moss_slice path,
                               struct moss_batch **out);
enum moss_status snapshot_at_path(struct moss_snapshot *snap, const char *path,
                                  struct moss_snapshot **out);

/* Where a walk back from a marker ended. */
enum meeting {
    MET_NEWEST, /* the newest published state; snap is NULL */
    MET_OLDER,  /* a recent state or a footer */
    MET_NOTHING /* the log ends before any state that we have */
};

struct walk {
    struct record *chain; /* newest first */
    size_t n, cap;
    enum meeting met;
    struct moss_snapshot *snap;
    struct moss_tag *tags; /* of the store's history, newest first */
    size_t n_tags, cap_tags;
};

/*
 * Walk the chain of records back from m to a state that is at hand; recent:
 * states that only memory has will do.  Release w after SQLITE_OK.
 */
int
walk_back(struct walk *w, const struct log_ref *log, struct shared_store *ss,
          const struct marker *m, bool recent, char **err);
void walk_release(struct walk *w);
/* Is tag that of a transaction which has been walked over? */
bool walk_leads_from(const struct walk *w, struct moss_tag tag);
/*
 * Publish the transactions of a walk that met the newest state, or that the
 * store was brought to; those that others have published are passed over.
 */
int walk_replay(struct shared_store *ss, const struct walk *w, char **err);

/*
 * registry.c: make the commit point that w met the newest; what the store had
 * beyond it is of a history that the database does not know.  Only the writer.
 * Nothing happens if others, who may read the log while it is walked, have
 * brought the store to one of w's transactions: it leads on from there.
 */
enum moss_status
shared_store_rebase(struct shared_store *ss, const struct walk *w,
                    struct moss_error *detail);

#endif
