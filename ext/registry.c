/*
 * The open stores of the process.
 *
 * Every connection of the process that uses a store shares one collection: a
 * store on disk is known by its directory's device and inode, one in memory
 * by its id.  The registry's mutex is held while a store is opened or closed,
 * so that nobody meets the lock of a store that is about to be free.
 */
#include "merge.h"
#include "txn.h"

#include <stdatomic.h>
#include <string.h>

SQLITE_EXTENSION_INIT3

/* How long commits gather before the persister writes them. */
#define PERSIST_DELAY_MS 200
/* How long the last connection waits for the persister. */
#define CLOSE_TIMEOUT_MS 60000

/* What has to be on disk before a footer may name a transaction. */
struct home_files {
    struct home_files *before; /* of an earlier home: the persister may look */
    char *wal;
    char *journal;
    char *dir;
};

static _Atomic(sqlite3_mutex *) registry_mutex;
static struct shared_store *registry; /* guarded by registry_mutex */
static _Atomic(struct moss_os *) store_os;

struct moss_os *
registry_os(void)
{
    struct moss_os *os = atomic_load(&store_os);

    return os != NULL ? os : moss_os_posix();
}

#ifdef SQLITE_CORE
void
moss_ext_set_os(struct moss_os *os)
{
    atomic_store(&store_os, os);
}
#endif

/* Made once and kept; NULL without memory, or if SQLite has no threads. */
static sqlite3_mutex *
registry_lock(void)
{
    sqlite3_mutex *m = atomic_load(&registry_mutex);

    if (m == NULL) {
        sqlite3_mutex *fresh = sqlite3_mutex_alloc(SQLITE_MUTEX_FAST);

        if (atomic_compare_exchange_strong(&registry_mutex, &m, fresh))
            m = fresh;
        else
            sqlite3_mutex_free(fresh);
    }
    sqlite3_mutex_enter(m);
    return m;
}

/* ------------------------------------------------- before a footer */

static void
home_files_free(struct home_files *h)
{
    while (h != NULL) {
        struct home_files *before = h->before;

        sqlite3_free(h->wal);
        sqlite3_free(h->journal);
        sqlite3_free(h->dir);
        sqlite3_free(h);
        h = before;
    }
}

enum moss_status
shared_store_set_home_files(struct shared_store *ss, const char *database)
{
    struct home_files *old = atomic_load(&ss->home_files);
    struct home_files *h;
    const char *slash = strrchr(database, '/');
    size_t n = strlen(database);

    if (old != NULL && strncmp(old->wal, database, n) == 0 &&
        strcmp(old->wal + n, "-wal") == 0)
        return MOSS_OK;
    h = sqlite3_malloc64(sizeof *h);
    if (h == NULL)
        return MOSS_NOMEM;
    h->before = NULL;
    h->wal = sqlite3_mprintf("%s-wal", database);
    h->journal = sqlite3_mprintf("%s-journal", database);
    h->dir =
        slash == NULL
            ? sqlite3_mprintf(".")
            : sqlite3_mprintf("%.*s", (int)(slash - database) + 1, database);
    if (h->wal == NULL || h->journal == NULL || h->dir == NULL) {
        home_files_free(h);
        return MOSS_NOMEM;
    }
    h->before = old;
    if (!atomic_compare_exchange_strong(&ss->home_files, &old, h)) {
        h->before = NULL;
        home_files_free(h);
        return shared_store_set_home_files(ss, database);
    }
    return MOSS_OK;
}

/* Sync a file through a descriptor of our own; MOSS_CANTOPEN if it is not. */
static enum moss_status
sync_file(struct moss_os *os, const char *path)
{
    struct moss_file *file;
    enum moss_status st = os->ops->open(os, path, MOSS_OPEN_READ, &file);

    if (st != MOSS_OK)
        return st;
    st = file->ops->sync(file);
    file->ops->close(file);
    return st;
}

/*
 * Persister thread: make the marker durable that the next footer's tag comes
 * from.  In WAL mode it is in the -wal file (or has been checkpointed, which
 * syncs); in rollback modes a commit is the journal's removal, or what was
 * done to its head.
 */
static enum moss_status
sync_home(void *ctx, struct moss_tag tag, struct moss_error *err)
{
    struct shared_store *ss = ctx;
    struct home_files *h = atomic_load(&ss->home_files);
    struct moss_os *os = registry_os();
    enum moss_status st;

    (void)tag;
    if (h == NULL)
        return MOSS_OK;
    st = sync_file(os, h->wal);
    if (st == MOSS_CANTOPEN) {
        st = sync_file(os, h->journal);
        if (st == MOSS_OK || st == MOSS_CANTOPEN)
            st = os->ops->sync_dir(os, h->dir);
    }
    if (st < 0 && err != NULL) {
        memset(err, 0, sizeof *err);
        err->status = st;
        err->what = "sync of the database's log";
        sqlite3_snprintf((int)sizeof err->path, err->path, "%s", h->wal);
    }
    return st;
}

/* ----------------------------------------------------- opening, closing */

static enum moss_status
collection_open(struct shared_store *ss)
{
    struct moss_collection_options options = {
        .merge = ss->merge,
        .on_error = notice_error,
        .on_event = notice_event,
        .ctx = ss,
    };
    struct moss_lower *lower = NULL;
    enum moss_status st;

    tuning_apply(&ss->tuning, &options, NULL);
    if (!ss->memory) {
        options.persist_delay_ms = PERSIST_DELAY_MS;
        options.before_persist = sync_home;
        st = moss_store_lower(ss->store, &lower);
        if (st != MOSS_OK)
            return st;
    }
    st = moss_collection_open(&options, lower, &ss->collection);
    if (st != MOSS_OK && lower != NULL)
        lower->ops->close(lower);
    return st;
}

/*
 * Persist and close.  Where the disk fails, a store with a log gives up at the
 * first failure: what is not in a footer is replayed from the log.  One
 * without has nothing else, and tries as long as it may.
 */
static void
close_collection(struct shared_store *ss)
{
    struct moss_error why = { .status = MOSS_OK };
    uint64_t timeout_ms = CLOSE_TIMEOUT_MS;
    enum moss_status st;

    if (!ss->async &&
        moss_collection_flush(ss->collection, CLOSE_TIMEOUT_MS, NULL) < 0)
        timeout_ms = 0;
    st = moss_collection_close(ss->collection, timeout_ms, &why);
    if (st < 0)
        sqlite3_log(error_code(st), "moss: closing the store %s: %s",
                    shared_store_name(ss), moss_status_name(st));
}

static void
shared_store_free(struct shared_store *ss)
{
    if (ss == NULL)
        return;
    moss_prepared_free(ss->prepared);
    if (ss->collection != NULL)
        close_collection(ss);
    moss_snapshot_unref(ss->fixed);
    if (ss->store != NULL)
        moss_store_close(ss->store);
    home_files_free(atomic_load(&ss->home_files));
    sqlite3_mutex_free(ss->mu);
    sqlite3_free(ss->live);
    sqlite3_free(ss->shared_name);
    sqlite3_free(ss->dir);
    sqlite3_free(ss);
}

/* Has this library written to it? */
static bool
has_identity(struct moss_store *store)
{
    static const uint8_t none[STORE_ID_BYTES];
    struct moss_store_identity identity;

    moss_store_identity(store, &identity);
    return memcmp(identity.store_id, none, sizeof none) != 0;
}

/*
 * Open a store with the operator of MERGE columns, where it is wanted or the
 * store was written with it; where it was written with another one, without.
 */
static enum moss_status
open_store(const struct open_request *request,
           struct moss_store_options *options, struct moss_store **out,
           struct moss_error *detail)
{
    struct moss_store_identity identity;
    enum moss_status st;

    if (request->merge == NULL && request->merges)
        options->merge = &merge_rows;
    st = moss_store_open(request->dir, options, out, detail);
    if (st == MOSS_INVALID && options->merge != request->merge) {
        options->merge = NULL;
        st = moss_store_open(request->dir, options, out, detail);
    }
    if (st != MOSS_OK || options->merge != NULL)
        return st;
    moss_store_identity(*out, &identity);
    if (strcmp(identity.merge_name, merge_rows.name) != 0)
        return MOSS_OK;
    moss_store_close(*out);
    options->merge = &merge_rows;
    return moss_store_open(request->dir, options, out, detail);
}

static enum moss_status
open_on_disk(struct shared_store *ss, const struct open_request *request,
             struct moss_error *detail)
{
    struct moss_store_options options = {
        .os = registry_os(),
        .merge = request->merge,
        .no_create = !request->create,
        .identity = request->identity,
        .on_error = notice_error,
        .ctx = ss,
    };
    struct moss_store_identity identity;
    struct moss_file_id where;
    enum moss_status st;

    ss->dir = sqlite3_mprintf("%s", request->dir);
    if (ss->dir == NULL)
        return MOSS_NOMEM;
    tuning_apply(&ss->tuning, NULL, &options);
    options.readonly = request->readonly || request->reading;
    st = open_store(request, &options, &ss->store, detail);
    if (st == MOSS_OK && !request->readonly && request->reading &&
        has_identity(ss->store)) {
        moss_store_close(ss->store);
        ss->store = NULL;
        options.readonly = false;
        st = open_store(request, &options, &ss->store, detail);
    }
    if (st == MOSS_READONLY && !request->create) {
        options.readonly = true;
        st = open_store(request, &options, &ss->store, detail);
    }
    ss->readonly = options.readonly;
    ss->merge = options.merge;
    if (st != MOSS_OK)
        return st;
    st = options.os->ops->identify(options.os, request->dir, &where);
    if (st != MOSS_OK)
        return st == MOSS_NOT_FOUND ? MOSS_CANTOPEN : st;
    ss->dev = where.dev;
    ss->ino = where.ino;
    moss_store_identity(ss->store, &identity);
    memcpy(ss->id, identity.store_id, sizeof ss->id);
    return MOSS_OK;
}

static enum moss_status
open_in_memory(struct shared_store *ss, const struct open_request *request)
{
    if (!request->create)
        return MOSS_CANTOPEN;
    memcpy(ss->id, request->id, sizeof ss->id);
    if (ss->merge == NULL)
        ss->merge = &merge_rows;
    if (request->shared_name == NULL)
        return MOSS_OK;
    ss->shared_name = sqlite3_mprintf("%s", request->shared_name);
    if (ss->shared_name == NULL)
        return MOSS_NOMEM;
    ss->refs++;
    return MOSS_OK;
}

static enum moss_status
store_new(const struct open_request *request, struct shared_store **out,
          struct moss_error *detail)
{
    struct shared_store *ss = sqlite3_malloc64(sizeof *ss);
    enum moss_status st = MOSS_OK;

    *out = NULL;
    if (ss == NULL)
        return MOSS_NOMEM;
    memset(ss, 0, sizeof *ss);
    ss->refs = 1;
    ss->memory = request->dir == NULL;
    ss->async = request->async;
    ss->merge = request->merge;
    if (request->tuning != NULL)
        ss->tuning = *request->tuning;
    atomic_init(&ss->home_version, 1);
    atomic_init(&ss->maybe_dropped, true);
    atomic_init(&ss->maybe_staged, true);
    atomic_init(&ss->stale, false);
    for (int i = 0; i < NOTICE_N; i++) {
        atomic_init(&ss->noticed[i].status, MOSS_OK);
        atomic_init(&ss->noticed[i].is_new, false);
    }
    ss->mu = sqlite3_mutex_alloc(SQLITE_MUTEX_FAST);
    if (ss->memory)
        st = open_in_memory(ss, request);
    else
        st = open_on_disk(ss, request, detail);
    if (st == MOSS_OK)
        st = ss->readonly ? moss_store_snapshot(ss->store, &ss->fixed)
                          : collection_open(ss);
    if (st != MOSS_OK) {
        shared_store_free(ss);
        return st;
    }
    *out = ss;
    return MOSS_OK;
}

/* The open store that the request means, or NULL.  Registry locked. */
static struct shared_store *
registry_find(const struct open_request *request)
{
    struct moss_os *os = registry_os();
    struct moss_file_id where;
    struct shared_store *ss;

    if (request->dir != NULL &&
        os->ops->identify(os, request->dir, &where) != MOSS_OK)
        return NULL;
    for (ss = registry; ss != NULL; ss = ss->next) {
        if (atomic_load(&ss->stale))
            continue;
        if (request->dir == NULL && ss->memory &&
            memcmp(ss->id, request->id, sizeof ss->id) == 0)
            break;
        /* One that is open for reading only is of no use to a writer. */
        if (request->dir != NULL && !ss->memory && ss->dev == where.dev &&
            ss->ino == where.ino &&
            (request->readonly || request->reading || !ss->readonly))
            break;
    }
    return ss;
}

static enum moss_status
request_fits(const struct open_request *request, const struct shared_store *ss,
             struct moss_error *detail)
{
    const char *what = NULL;

    if (request->merge != NULL && request->merge != ss->merge)
        what = "the store is open with another merge operator";
    else if (!ss->readonly && !request->readonly && request->async != ss->async)
        what = "the store is open with another durability";
    if (what == NULL)
        return MOSS_OK;
    detail->status = MOSS_INVALID;
    detail->what = what;
    sqlite3_snprintf((int)sizeof detail->path, detail->path, "%s",
                     ss->dir == NULL ? "" : ss->dir);
    return MOSS_INVALID;
}

/* Drop a reference.  Registry locked. */
static void
registry_release(struct shared_store *ss)
{
    struct shared_store **p;

    if (--ss->refs > 0)
        return;
    for (p = &registry; *p != ss; p = &(*p)->next)
        continue;
    *p = ss->next;
    shared_store_free(ss);
}

/*
 * A database in memory is new under its name: an older one of that name is
 * gone, and with it what its store was kept for.
 */
static void
registry_forget_name(const char *name)
{
    struct shared_store *ss = registry;

    while (ss != NULL &&
           (ss->shared_name == NULL || strcmp(ss->shared_name, name) != 0))
        ss = ss->next;
    if (ss == NULL)
        return;
    sqlite3_free(ss->shared_name);
    ss->shared_name = NULL;
    registry_release(ss);
}

enum moss_status
registry_open(const struct open_request *request, struct shared_store **out,
              struct moss_error *detail)
{
    sqlite3_mutex *lock = registry_lock();
    struct shared_store *ss = registry_find(request);
    enum moss_status st = MOSS_OK;

    *out = NULL;
    if (ss != NULL) {
        st = request_fits(request, ss, detail);
        if (st == MOSS_OK)
            ss->refs++;
    } else {
        if (request->create && request->shared_name != NULL)
            registry_forget_name(request->shared_name);
        st = store_new(request, &ss, detail);
        if (st == MOSS_OK) {
            ss->next = registry;
            registry = ss;
        }
    }
    if (st == MOSS_OK)
        *out = ss;
    sqlite3_mutex_leave(lock);
    return st;
}

void
registry_unref(struct shared_store *ss)
{
    sqlite3_mutex *lock;

    if (ss == NULL)
        return;
    lock = registry_lock();
    registry_release(ss);
    sqlite3_mutex_leave(lock);
}

void
registry_each(void (*each)(void *arg, struct shared_store *ss), void *arg)
{
    sqlite3_mutex *lock = registry_lock();

    for (struct shared_store *ss = registry; ss != NULL; ss = ss->next)
        each(arg, ss);
    sqlite3_mutex_leave(lock);
}

struct shared_store *
registry_writable(const struct shared_store *readonly)
{
    sqlite3_mutex *lock = registry_lock();
    struct shared_store *ss = registry;

    while (ss != NULL && (ss->memory || ss->readonly || ss->async ||
                          ss->dev != readonly->dev || ss->ino != readonly->ino))
        ss = ss->next;
    if (ss != NULL)
        ss->refs++;
    sqlite3_mutex_leave(lock);
    return ss;
}

enum moss_status
shared_store_newest(struct shared_store *ss, struct moss_snapshot **out)
{
    enum moss_status st = MOSS_OK;

    *out = NULL;
    if (ss->readonly) {
        *out = moss_snapshot_ref(ss->fixed);
        return MOSS_OK;
    }
    sqlite3_mutex_enter(ss->mu);
    st = ss->collection == NULL ? MOSS_CLOSED
                                : moss_collection_snapshot(ss->collection, out);
    sqlite3_mutex_leave(ss->mu);
    return st;
}

const char *
shared_store_name(const struct shared_store *ss)
{
    return ss->dir == NULL ? "in memory" : ss->dir;
}

enum moss_status
shared_store_rebase(struct shared_store *ss, const struct walk *w,
                    struct moss_error *detail)
{
    enum moss_status st = MOSS_OK;

    sqlite3_mutex_enter(ss->mu);
    if (ss->collection != NULL &&
        walk_leads_from(w, moss_collection_tag(ss->collection))) {
        sqlite3_mutex_leave(ss->mu);
        return MOSS_OK;
    }
    moss_prepared_free(ss->prepared);
    ss->prepared = NULL;
    ss->ring_known = false;
    if (ss->collection != NULL)
        st = moss_collection_close(ss->collection, CLOSE_TIMEOUT_MS, detail);
    ss->collection = NULL;
    if (st == MOSS_OK)
        st = moss_store_revert(ss->store, w->snap, detail);
    /* Also after a failure: readers go on with what there is. */
    enum moss_status again = collection_open(ss);

    sqlite3_mutex_leave(ss->mu);
    return st != MOSS_OK ? st : again;
}
