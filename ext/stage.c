/*
 * Large transactions: their changes go to a file of their own in the store,
 * which the log's record names; ext/DESIGN.md, "Large transactions".
 *
 * The file is written at xSync, from the pending changes, without a copy of
 * them in memory, and synced before the marker can be seen, as the marker may
 * become durable at any time from then on.  Only PRAGMA synchronous = OFF
 * leaves that out, under which a power cut may cost a database anyway.
 *
 * A transaction that is rolled back may have won all the same (an error after
 * its marker became visible), so its file stays until the next writer, who
 * sees the marker, sweeps what is named by nobody.
 */
#include "pending.h"
#include "txn.h"

#include <string.h>

SQLITE_EXTENSION_INIT3

/* How long preparing waits for room; see txn.c. */
#define PREPARE_WAIT_MS 30000

/* ----------------------------------------------------------------- making */

/* Would a power cut be allowed to cost what was committed? */
static int
is_synchronous(struct conn_store *cs, bool *out)
{
    sqlite3_stmt *stmt;
    char *sql = sqlite3_mprintf("PRAGMA \"%w\".synchronous", cs->schema);
    int rc;

    *out = true;
    if (sql == NULL)
        return SQLITE_NOMEM;
    rc = sqlite3_prepare_v2(cs->conn->db, sql, -1, &stmt, NULL);
    sqlite3_free(sql);
    if (rc != SQLITE_OK)
        return rc == SQLITE_AUTH ? SQLITE_OK : rc;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        *out = sqlite3_column_int(stmt, 0) != 0;
    return sqlite3_finalize(stmt);
}

static bool
goes_on(void *nothing)
{
    return !conn_is_interrupted(nothing);
}

static int
report_staging(struct table *t, enum moss_status st,
               const struct moss_error *why)
{
    if (st == MOSS_OK)
        return SQLITE_OK;
    if (st == MOSS_UNSUPPORTED)
        return SQLITE_NOTFOUND;
    if (st == MOSS_ABORTED)
        return SQLITE_INTERRUPT;
    return error_status(t, st, why, "stage the transaction");
}

/* The changes to one collection; payload says what the file cannot. */
static int
add_table(struct table *t, struct moss_staged *staged, struct pending_table *p,
          struct bytes *payload)
{
    struct moss_error why = { .status = MOSS_OK };
    struct moss_slice names[PATH_NAMES];
    struct moss_staged_part part = { .path = names,
                                     .batch = pending_changes(p),
                                     .from = pending_from(p) };
    enum moss_status st =
        path_split(pending_collection(p), names, &part.n_path);
    int rc;

    if (st == MOSS_OK)
        st = moss_staged_add_part(staged, &part, &why);
    if (st != MOSS_OK || !pending_cleared(p))
        return report_staging(t, st, &why);
    st = moss_staged_clear(staged, names, part.n_path);
    rc = report_staging(t, st, &why);
    if (rc == SQLITE_OK)
        rc = payload_collection(payload, pending_collection(p));
    return rc == SQLITE_OK ? payload_clear(payload) : rc;
}

static int
add_tables(struct table *t, struct conn_store *cs, struct moss_staged *staged,
           struct bytes *payload)
{
    int rc = SQLITE_OK;

    for (struct pending_table *p = pending_first(cs->pending);
         p != NULL && rc == SQLITE_OK; p = pending_next(p)) {
        bool used;

        rc = changes_used(t, cs, p, &used);
        if (rc == SQLITE_OK && used)
            rc = add_table(t, staged, p, payload);
    }
    return rc;
}

static int
add_drops(struct table *t, struct conn_store *cs, struct moss_staged *staged,
          struct bytes *payload)
{
    const char *name = NULL;
    int rc = payload_begin(payload, 0);

    while (rc == SQLITE_OK && (name = changes_next_dropped(cs, name)) != NULL) {
        rc = report_staging(t, moss_staged_del_child(staged, moss_str(name)),
                            NULL);
        if (rc == SQLITE_OK)
            rc = payload_drop(payload, name);
    }
    return rc;
}

static int
fill(struct table *t, struct conn_store *cs, struct moss_staged *staged,
     struct bytes *payload)
{
    struct moss_error why = { .status = MOSS_OK };
    struct moss_staged_info info;
    int rc = add_drops(t, cs, staged, payload);

    if (rc == SQLITE_OK)
        rc = add_tables(t, cs, staged, payload);
    if (rc == SQLITE_OK)
        rc = report_staging(t, moss_staged_finish(staged, &info, &why), &why);
    return rc == SQLITE_OK ? payload_staged(payload, &info) : rc;
}

static int
stage(struct table *t, struct conn_store *cs, struct moss_tag tag,
      struct moss_staged **out, struct bytes *payload)
{
    struct moss_staged_options options = { .go_on = goes_on };
    struct moss_error why = { .status = MOSS_OK };
    sqlite3_stmt *nothing = NULL;
    bool synchronous;
    int rc = is_synchronous(cs, &synchronous);

    *out = NULL;
    options.no_sync = !synchronous;
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(cs->conn->db, "SELECT 1", -1, &nothing, NULL);
    if (rc == SQLITE_AUTH)
        options.go_on = NULL;
    else if (rc != SQLITE_OK)
        return rc;
    options.ctx = nothing;
    rc = report_staging(
        t, moss_staged_begin(cs->shared->store, tag, &options, out, &why),
        &why);
    if (rc == SQLITE_OK)
        rc = fill(t, cs, *out, payload);
    if (rc != SQLITE_OK) {
        moss_staged_free(*out);
        *out = NULL;
    }
    (void)sqlite3_finalize(nothing); /* what it said was heard */
    return rc;
}

int
stage_prepare(struct table *t, struct conn_store *cs, struct moss_tag tag,
              struct moss_prepared **out, struct bytes *payload)
{
    struct moss_staged *staged;
    enum moss_status st;
    int rc;

    *out = NULL;
    pending_drop_index(cs->pending);
    rc = stage(t, cs, tag, &staged, payload);
    if (rc != SQLITE_OK)
        return rc;
    cs->staged = true;
    cs->staged_tag = tag;
    st = moss_staged_prepare(staged, cs->shared->collection, PREPARE_WAIT_MS,
                             out);
    moss_staged_free(staged);
    if (st == MOSS_TIMEOUT)
        return error_report(t, SQLITE_BUSY,
                            "moss: the store %s takes too long to persist",
                            cs->shared->dir);
    return st == MOSS_OK ? SQLITE_OK
                         : error_status(t, st, NULL, "prepare the transaction");
}

void
stage_take_back(struct conn_store *cs)
{
    if (!cs->staged)
        return;
    cs->staged = false;
    if (moss_staged_remove(cs->shared->store, cs->staged_tag, NULL) != MOSS_OK)
        atomic_store(&cs->shared->maybe_staged, true);
}

/* --------------------------------------------------------------- sweeping */

/* Is there a live record of a transaction with that tag? */
static bool
is_live(void *ctx, struct moss_tag tag)
{
    struct shared_store *ss = ctx;
    bool found = false;

    sqlite3_mutex_enter(ss->mu);
    for (size_t i = 0; i < ss->n_live && !found; i++)
        found = ss->live[i].staged && moss_tag_equal(ss->live[i].tag, tag);
    sqlite3_mutex_leave(ss->mu);
    return found;
}

void
stage_sweep(struct shared_store *ss)
{
    struct moss_error why = { .status = MOSS_OK };
    enum moss_status st;

    if (!atomic_load(&ss->maybe_staged))
        return;
    st = moss_staged_sweep(ss->store, is_live, ss, &why);
    /* They only take room: no reason to fail a transaction. */
    if (st != MOSS_OK)
        sqlite3_log(error_code(st), "moss: sweeping the store %s: %s", ss->dir,
                    moss_status_name(st));
    else
        atomic_store(&ss->maybe_staged, false);
}

/* ---------------------------------------------------------------- reading */

static int
skip_path(void *arg, struct moss_slice path)
{
    (void)arg;
    (void)path;
    return SQLITE_OK;
}

static int
skip_clear(void *arg)
{
    (void)arg;
    return SQLITE_OK;
}

/* A change: there is nothing staged then. */
static int
stop_at_op(void *arg, enum moss_op op, struct moss_slice key,
           struct moss_slice value)
{
    (void)arg;
    (void)op;
    (void)key;
    (void)value;
    return SQLITE_DONE;
}

static int
note_staged(void *arg, uint64_t length, uint64_t checksum)
{
    struct moss_staged_info *info = arg;

    info->length = length;
    info->checksum = checksum;
    return SQLITE_OK;
}

static void
find_staged(const struct record *r, struct moss_staged_info *info)
{
    struct payload_visitor v = { skip_path,  skip_path, skip_clear,
                                 stop_at_op, info,      note_staged };

    memset(info, 0, sizeof *info);
    /* Whatever is wrong with it is found by who reads it. */
    (void)payload_visit(r->payload, r->n_payload, &v);
    info->tag = r->tag;
}

bool
stage_is_named(const struct record *r)
{
    struct moss_staged_info info;

    find_staged(r, &info);
    return info.length > 0;
}

/* Telling a staged batch again what its file does not say. */
struct redo {
    struct moss_staged *staged;
    struct moss_slice path; /* the collection of the last call */
};

static int
redo_collection(void *arg, struct moss_slice path)
{
    struct redo *redo = arg;

    redo->path = path;
    return SQLITE_OK;
}

static int
redo_drop(void *arg, struct moss_slice path)
{
    struct redo *redo = arg;

    return error_code(moss_staged_del_child(redo->staged, path));
}

static int
redo_clear(void *arg)
{
    struct redo *redo = arg;
    struct moss_slice names[PATH_NAMES];
    char *path = sqlite3_mprintf("%.*s", (int)redo->path.len, redo->path.bytes);
    size_t n;
    enum moss_status st;

    if (path == NULL)
        return SQLITE_NOMEM;
    st = path_split(path, names, &n);
    if (st == MOSS_OK)
        st = moss_staged_clear(redo->staged, names, n);
    sqlite3_free(path);
    return error_code(st);
}

static int
skip_staged(void *arg, uint64_t length, uint64_t checksum)
{
    (void)arg;
    (void)length;
    (void)checksum;
    return SQLITE_OK;
}

int
stage_open(struct shared_store *ss, const struct record *r,
           struct moss_staged **out, char **err)
{
    struct moss_error why = { .status = MOSS_OK };
    struct moss_staged_info info;
    struct redo redo = { NULL, { NULL, 0 } };
    struct payload_visitor v = { redo_collection, redo_drop, redo_clear,
                                 stop_at_op,      &redo,     skip_staged };
    enum moss_status st;
    int rc;

    find_staged(r, &info);
    st = moss_staged_open(ss->store, &info, out, &why);
    if (st == MOSS_NOT_FOUND)
        return SQLITE_NOTFOUND;
    if (st != MOSS_OK) {
        *err = error_text(st, &why, "read a staged transaction");
        return error_code(st);
    }
    redo.staged = *out;
    rc = payload_visit(r->payload, r->n_payload, &v);
    if (rc == SQLITE_OK)
        return rc;
    moss_staged_free(*out);
    *out = NULL;
    return rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
}

enum moss_status
stage_overlay(struct moss_staged *staged, const char *path,
              const struct moss_merge_operator *merge,
              struct moss_snapshot **snap)
{
    struct moss_slice names[PATH_NAMES];
    struct moss_snapshot *next;
    size_t n;
    enum moss_status st = path_split(path, names, &n);

    if (st != MOSS_OK || !moss_staged_has(staged, names, n))
        return st;
    if (*snap == NULL)
        st = moss_snapshot_empty(merge, snap);
    if (st == MOSS_OK)
        st = moss_staged_overlay(staged, names, n, *snap, &next);
    if (st != MOSS_OK)
        return st;
    moss_snapshot_unref(*snap);
    *snap = next;
    return MOSS_OK;
}
