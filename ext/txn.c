/*
 * One transaction of a connection on one store; ext/DESIGN.md, "Transactions".
 *
 * SQLite decides, moss follows.  At xSync the batch is prepared and its
 * record and marker are written into the database file, as part of SQLite's
 * own transaction.  Whether that commits is for SQLite to say, and what says
 * it is the marker: xCommit only publishes what the marker then names, and
 * xRollback only forgets; a reader that sees the marker first publishes
 * itself (read.c).
 *
 * The transaction belongs to the conn_store.  Virtual table objects are
 * participants: each brings the same callbacks, of which the first one
 * counts; several objects may stand for one table after DDL.
 */
#include "txn.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

#include "pending.h"

SQLITE_EXTENSION_INIT3

/* How long xSync waits for room in memory; see ring.c on busy timeouts. */
#define PREPARE_WAIT_MS 30000

static struct table *
table_of(sqlite3_vtab *vtab)
{
    return (struct table *)vtab;
}

/* The transaction that a callback for t is about, or NULL. */
static struct conn_store *
active_store(const struct table *t)
{
    return t->joined && t->store->active ? t->store : NULL;
}

/* ------------------------------------------------------- begin and end */

int
report_guest(struct table *t, const struct conn_store *cs)
{
    struct moss_store_identity home;

    moss_store_identity(cs->shared->store, &home);
    if (*cs->file != '\0' && cs->shared->readonly)
        return error_report(t, SQLITE_READONLY,
                            "moss: the store %s can only be read",
                            cs->shared->dir);
    if (*cs->file == '\0')
        return error_report(t, SQLITE_READONLY,
                            "moss: a database in memory cannot own the store"
                            " %s: write to it from a database file, or with"
                            " durability='async'",
                            cs->shared->dir);
    return error_report(t, SQLITE_READONLY,
                        "moss: the store %s belongs to database %s;"
                        " database %s can only read it, or take it over with"
                        " INSERT INTO %s(%s) VALUES('adopt')",
                        cs->shared->dir, home.home_path, cs->file, t->name,
                        t->name);
}

static int
begin_home(struct table *t, struct conn_store *cs)
{
    int rc = read_align(t, &cs->base);
    struct log_ref log = conn_store_log(cs);
    char *err = NULL;

    if (rc == SQLITE_OK && !cs->shared->memory)
        rc =
            report_text(t, ring_learn(&log, cs->shared, &cs->base, &err), &err);
    if (rc == SQLITE_OK && !cs->shared->memory)
        stage_sweep(cs->shared);
    return rc;
}

static int
begin_async(struct table *t, struct conn_store *cs)
{
    memset(&cs->base, 0, sizeof cs->base);
    /* Open cursors keep theirs; what is written wants the newest. */
    read_drop(cs);
    return read_refresh(t);
}

static int
txn_start(struct table *t, struct conn_store *cs)
{
    int rc = conn_store_upgrade(t, cs, true);

    if (rc != SQLITE_OK)
        return rc;
    switch (conn_store_role(cs)) {
    case ROLE_HOME:
        if (cs->shared->readonly)
            return report_guest(t, cs);
        rc = begin_home(t, cs);
        break;
    case ROLE_ASYNC:
        rc = begin_async(t, cs);
        break;
    case ROLE_GUEST:
    default:
        return report_guest(t, cs);
    }
    if (rc == SQLITE_OK)
        rc = pending_new(&cs->pending);
    if (rc != SQLITE_OK)
        return rc;
    cs->active = true;
    cs->participants = 0;
    cs->ddl = cs->swept = cs->synced = cs->staged = false;
    cs->capacity = cs->base.ring_bytes;
    cs->reserved = 0;
    cs->sweep.n = 0;
    memset(&cs->written, 0, sizeof cs->written);
    return SQLITE_OK;
}

int
txn_join(struct table *t)
{
    int rc = table_resolve(t);

    if (rc != SQLITE_OK || t->joined)
        return rc;
    if (t->decl.readonly)
        return error_report(t, SQLITE_READONLY,
                            "moss: table %s was declared with readonly=true",
                            t->name);
    if (!t->store->active)
        rc = txn_start(t, t->store);
    if (rc != SQLITE_OK)
        return rc;
    t->store->participants++;
    t->joined = true;
    /* Another database may have been the home since, and appended columns. */
    t->fits = false;
    return declaration_check(t);
}

/* Drop the prepared batch that the last xSync left, if it still waits. */
static void
forget_prepared(struct conn_store *cs)
{
    struct shared_store *ss = cs->shared;
    struct moss_prepared *p = cs->prepared;

    cs->prepared = NULL;
    if (p == NULL && !cs->row.async && cs->written.tag.n > 0) {
        sqlite3_mutex_enter(ss->mu);
        if (ss->prepared != NULL &&
            moss_tag_equal(moss_prepared_tag(ss->prepared), cs->written.tag)) {
            p = ss->prepared;
            ss->prepared = NULL;
        }
        sqlite3_mutex_leave(ss->mu);
    }
    moss_prepared_free(p);
}

void
txn_end(struct conn_store *cs)
{
    if (!cs->active)
        return;
    forget_prepared(cs);
    pending_free(cs->pending);
    cs->pending = NULL;
    if (cs->staged) {
        /* It may have won all the same: the next writer will see. */
        cs->staged = false;
        atomic_store(&cs->shared->maybe_staged, true);
    }
    cs->active = false;
    cs->synced = false;
    cs->participants = 0;
    /* The marker may have moved, or moved back. */
    cs->seen_valid = false;
    read_drop(cs);
}

int
txn_take_back(struct table *t)
{
    struct conn_store *cs = t->store;
    char *err = NULL;

    if (!t->joined || cs->participants > 1 || !cs->synced || cs->row.async)
        return SQLITE_OK;
    struct log_ref log = conn_store_log(cs);

    return report_text(t, log_write_marker(&log, &cs->base, &err), &err);
}

void
txn_leave(struct table *t)
{
    if (!t->joined)
        return;
    t->joined = false;
    if (t->store->active && --t->store->participants == 0)
        txn_end(t->store);
}

/*
 * In a database that may not write, the first change says so: it may be the
 * command that makes it the store's home.
 */
int
txn_begin(sqlite3_vtab *vtab)
{
    struct table *t = table_of(vtab);
    int rc = table_resolve(t);

    t->writes = true;
    if (rc != SQLITE_OK || conn_store_role(t->store) == ROLE_GUEST)
        return rc;
    return txn_join(t);
}

/* ------------------------------------------------------------------ xSync */

/*
 * id_n = hash(id_(n-1), batch, 8 random bytes), never 0.  The name of a staged
 * batch has to be known before what is in it: its payload is empty.  So is one
 * that no log needs, of a store in memory.
 */
static struct moss_tag
next_tag(const struct marker *base, struct moss_slice payload)
{
    uint64_t seed[2] = { base->tag.id, 0 };
    struct moss_tag tag = { base->tag.n + 1, 0 };

    sqlite3_randomness((int)sizeof seed[1], &seed[1]);
    tag.id = XXH3_64bits_withSeed(payload.bytes, payload.len,
                                  XXH3_64bits(seed, sizeof seed));
    if (tag.id == 0)
        tag.id = 1;
    return tag;
}

static int
prepare(struct table *t, struct conn_store *cs, const struct moss_batch *batch,
        struct moss_prepared **out)
{
    enum moss_status st = moss_collection_prepare(cs->shared->collection, batch,
                                                  PREPARE_WAIT_MS, out);

    if (st == MOSS_OK)
        return SQLITE_OK;
    if (st == MOSS_TIMEOUT)
        return error_report(t, SQLITE_BUSY,
                            "moss: the store %s takes too long to persist",
                            cs->shared->dir);
    return error_status(t, st, NULL, "prepare the transaction");
}

/*
 * Record and marker into the database file; m is complete afterwards.  The
 * record takes over what the payload has.
 */
static int
write_log(struct table *t, struct conn_store *cs, struct bytes *payload,
          struct marker *m)
{
    struct log_ref log = conn_store_log(cs);
    struct record r = { .tag = m->tag,
                        .prev = cs->base.tag,
                        .prev_place = cs->base.last };
    char *err = NULL;
    int rc;

    if (cs->shared->memory)
        return report_text(t, log_write_marker(&log, m, &err), &err);
    record_encode(&r, payload);
    rc = ring_place(&log, cs->shared, &cs->base, r.bytes.n, &cs->capacity,
                    &r.place, &err);
    if (rc == SQLITE_OK)
        rc = ring_prepare_add(cs->shared);
    m->last = r.place;
    m->ring_bytes = cs->capacity;
    if (rc == SQLITE_OK)
        rc = log_write(&log, &r, m, &err);
    record_release(&r);
    return report_text(t, rc, &err);
}

/*
 * Hand p, which is taken over, to whoever sees its marker first.  Not if
 * another database has adopted the store since this one was sure to be its
 * home.
 */
static int
offer_prepared(struct table *t, struct conn_store *cs, struct moss_prepared *p)
{
    struct shared_store *ss = cs->shared;
    struct moss_prepared *old = p;
    bool ours;

    sqlite3_mutex_enter(ss->mu);
    ours = ss->memory || cs->taken_version == atomic_load(&ss->home_version);
    if (ours) {
        old = ss->prepared;
        ss->prepared = p;
    }
    sqlite3_mutex_leave(ss->mu);
    moss_prepared_free(old);
    return ours ? SQLITE_OK : report_guest(t, cs);
}

/*
 * p is offered before anybody can see the marker (see is_in_doubt() in
 * read.c).  Takes over p.
 */
static int
log_prepared(struct table *t, struct conn_store *cs, struct moss_prepared *p,
             struct bytes *payload, struct marker *m)
{
    int rc;

    cs->written = *m;
    rc = offer_prepared(t, cs, p);
    if (rc == SQLITE_OK)
        rc = write_log(t, cs, payload, m);
    if (rc == SQLITE_OK)
        cs->written = *m;
    else
        forget_prepared(cs);
    return rc;
}

static int
sync_home(struct table *t, struct conn_store *cs, const struct extent *extent)
{
    struct marker m = cs->base;
    struct moss_prepared *p = NULL;
    struct moss_batch *batch, *owned = NULL;
    struct bytes payload = { NULL, 0, 0 };
    int rc = changes_batch(t, cs, extent, &batch, &owned);

    if (rc == SQLITE_OK && !cs->shared->memory)
        rc = changes_payload(t, cs, extent, &payload);
    if (rc == SQLITE_OK) {
        m.prev_id = cs->base.tag.id;
        m.tag = next_tag(&cs->base, payload_of(&payload));
        moss_batch_set_tag(batch, m.tag);
        rc = prepare(t, cs, batch, &p);
    }
    if (rc == SQLITE_OK)
        rc = log_prepared(t, cs, p, &payload, &m);
    bytes_release(&payload);
    moss_batch_free(owned);
    return rc;
}

/* SQLITE_NOTFOUND: it has to go another way. */
static int
sync_staged(struct table *t, struct conn_store *cs)
{
    struct marker m = cs->base;
    struct moss_prepared *p = NULL;
    struct bytes payload = { NULL, 0, 0 };
    int rc;

    m.prev_id = cs->base.tag.id;
    m.tag = next_tag(&cs->base, payload_of(&payload));
    rc = stage_prepare(t, cs, m.tag, &p, &payload);
    if (rc == SQLITE_OK)
        rc = log_prepared(t, cs, p, &payload, &m);
    bytes_release(&payload);
    return rc;
}

static int
sync_async(struct table *t, struct conn_store *cs, const struct extent *extent)
{
    struct moss_batch *batch, *owned = NULL;
    int rc = changes_batch(t, cs, extent, &batch, &owned);

    if (rc == SQLITE_OK)
        rc = prepare(t, cs, batch, &cs->prepared);
    moss_batch_free(owned);
    return rc;
}

/*
 * After DDL: does the marker still say what the last xSync wrote?  Undoing a
 * CREATE may have undone that, log and all, without a callback.
 */
static int
check_written(struct table *t, struct conn_store *cs)
{
    struct log_ref log = conn_store_log(cs);
    struct marker m;
    bool exists;
    char *err = NULL;
    int rc;

    if (!cs->ddl || !cs->synced || cs->row.async)
        return SQLITE_OK;
    rc = catalog_exists(cs->conn->db, cs->schema, &exists, &err);
    if (rc == SQLITE_OK && exists)
        rc = log_read_marker(&log, &m, &err);
    if (rc != SQLITE_OK && rc != SQLITE_CORRUPT)
        return report_text(t, rc, &err);
    sqlite3_free(err);
    if (rc == SQLITE_OK && exists && moss_tag_equal(m.tag, cs->written.tag))
        return SQLITE_OK;
    forget_prepared(cs);
    cs->synced = false;
    return SQLITE_OK;
}

static int
sync_changes(struct table *t, struct conn_store *cs,
             const struct extent *extent)
{
    int rc;

    forget_prepared(cs);
    if (cs->row.async)
        return sync_async(t, cs, extent);
    rc = conn_store_take_home(t, cs);
    if (rc != SQLITE_OK)
        return rc;
    stage_take_back(cs);
    rc = extent->bytes > STAGE_BYTES && !cs->shared->memory ? sync_staged(t, cs)
                                                            : SQLITE_NOTFOUND;
    return rc == SQLITE_NOTFOUND ? sync_home(t, cs, extent) : rc;
}

static int
sync_store(struct table *t, struct conn_store *cs)
{
    struct extent extent;
    int rc = check_written(t, cs);

    if (rc != SQLITE_OK)
        return rc;
    if (cs->synced && cs->synced_version == pending_version(cs->pending))
        return SQLITE_OK;
    rc = changes_filter_sweep(t, cs);
    if (rc == SQLITE_OK)
        rc = pending_settle(cs->pending);
    if (rc == SQLITE_OK)
        rc = changes_look(t, cs, &extent);
    /* Once a marker is written, it has to be this transaction's last word. */
    if (rc != SQLITE_OK || (!extent.any && !cs->synced))
        return rc;
    rc = sync_changes(t, cs, &extent);
    if (rc == SQLITE_OK) {
        cs->synced = true;
        cs->synced_version = pending_version(cs->pending);
    }
    return rc;
}

int
txn_sync(sqlite3_vtab *vtab)
{
    struct table *t = table_of(vtab);
    struct conn_store *cs = active_store(t);

    return cs == NULL ? SQLITE_OK : sync_store(t, cs);
}

/* --------------------------------------------------- xCommit and xRollback */

static void
publish(struct conn_store *cs)
{
    struct shared_store *ss = cs->shared;

    if (cs->row.async) {
        moss_prepared_publish(cs->prepared);
        cs->prepared = NULL;
        return;
    }
    sqlite3_mutex_enter(ss->mu);
    /* Unless a reader has, or a later writer after it. */
    if (ss->prepared != NULL &&
        moss_tag_equal(moss_prepared_tag(ss->prepared), cs->written.tag)) {
        moss_prepared_publish(ss->prepared);
        ss->prepared = NULL;
    }
    if (!ss->memory)
        ring_add(ss, &cs->base, &cs->written, cs->staged);
    cs->staged = false; /* it is for the persister to remove */
    sqlite3_mutex_leave(ss->mu);
}

/*
 * The marker no longer claims an old history: the store can be taken over.  If
 * that fails the database stays what it is, a guest, as its next write says.
 */
static void
finish_adoption(struct table *t)
{
    int rc = conn_store_adopt(t, t->store);

    t->adopting = false;
    if (rc == SQLITE_OK)
        return;
    sqlite3_log(rc, "%s",
                t->base.zErrMsg == NULL ? "moss: adopt" : t->base.zErrMsg);
    sqlite3_free(t->base.zErrMsg);
    t->base.zErrMsg = NULL;
}

int
txn_commit(sqlite3_vtab *vtab)
{
    struct table *t = table_of(vtab);
    struct conn_store *cs = active_store(t);

    if (t->adopting)
        finish_adoption(t);
    if (cs != NULL) {
        if (cs->synced)
            publish(cs);
        if (cs->swept && !cs->ddl)
            atomic_store(&cs->shared->maybe_dropped, false);
        txn_end(cs);
    }
    t->joined = t->fresh = t->writes = false;
    return SQLITE_OK;
}

int
txn_rollback(sqlite3_vtab *vtab)
{
    struct table *t = table_of(vtab);
    struct conn_store *cs = active_store(t);

    if (cs != NULL)
        txn_end(cs);
    t->joined = t->fresh = t->writes = t->adopting = false;
    return SQLITE_OK;
}

/* ------------------------------------------------------------- savepoints */

int
txn_savepoint(sqlite3_vtab *vtab, int n)
{
    struct conn_store *cs = active_store(table_of(vtab));

    return cs == NULL ? SQLITE_OK : pending_savepoint(cs->pending, n);
}

int
txn_release(sqlite3_vtab *vtab, int n)
{
    struct conn_store *cs = active_store(table_of(vtab));

    if (cs != NULL)
        pending_release(cs->pending, n);
    return SQLITE_OK;
}

int
txn_rollback_to(sqlite3_vtab *vtab, int n)
{
    struct conn_store *cs = active_store(table_of(vtab));

    if (cs != NULL) {
        pending_rollback_to(cs->pending, n);
        cs->capacity = cs->base.ring_bytes; /* rows may have gone again */
        cs->reserved = 0;
    }
    return SQLITE_OK;
}

int
table_step_begin(struct table *t, int *outer)
{
    return pending_step_begin(t->store->pending, outer);
}

void
table_step_end(struct table *t, int outer, bool undo)
{
    pending_step_end(t->store->pending, outer, undo);
}
