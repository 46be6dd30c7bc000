/*
 * From the marker that a connection sees to the moss state that it names.
 *
 * Four sources, tried in this order: the newest published state; another
 * connection's prepared batch whose transaction SQLite has committed while
 * its xCommit is still to come, which is published here; a recent state that
 * the collection keeps; and the log.  The log's chain is walked back from the
 * marker until a state is met that we have: the newest published one (then
 * the transactions after it are published, as they are committed), a recent
 * one or a footer of the store (then they are laid over it, for this
 * connection alone).
 *
 * All states are matched by number and id, never by number alone.
 */
#include "txn.h"

#include <string.h>

SQLITE_EXTENSION_INIT3

/* How long a first writer waits for what others have written. */
#define FLUSH_WAIT_MS 30000

/* --------------------------------------------------- the state that is held */

/* More than these are not kept by name only. */
#define KEPT_NAMES 4

/* The first ones will be asked for again: they are not made anew. */
static void
children_drop(struct conn_store *cs, unsigned keep)
{
    struct child_state **at = &cs->children;

    while (*at != NULL) {
        struct child_state *c = *at;

        moss_snapshot_unref(c->snap);
        c->snap = NULL;
        if (keep > 0) {
            keep--;
            at = &c->next;
        } else {
            *at = c->next;
            sqlite3_free(c->collection);
            sqlite3_free(c);
        }
    }
}

static void
chain_drop(struct conn_store *cs)
{
    for (size_t i = 0; i < cs->n_chain; i++)
        record_release(&cs->chain[i]);
    sqlite3_free(cs->chain);
    cs->chain = NULL;
    cs->n_chain = 0;
}

void
read_drop(struct conn_store *cs)
{
    children_drop(cs, KEPT_NAMES);
    chain_drop(cs);
    moss_snapshot_unref(cs->snap);
    cs->snap = NULL;
}

void
read_release(struct conn_store *cs)
{
    read_drop(cs);
    children_drop(cs, 0);
}

/* Hold snap, which is taken over. */
static void
hold(struct conn_store *cs, struct moss_snapshot *snap)
{
    read_drop(cs);
    cs->snap = snap;
}

/* ------------------------------------------------- states without the log */

enum moss_status
state_in_memory(struct shared_store *ss, struct moss_tag tag, bool recent,
                struct moss_snapshot **out)
{
    struct moss_snapshot *other = NULL;
    enum moss_status st;

    *out = NULL;
    if (ss->readonly) {
        if (!moss_tag_equal(moss_snapshot_tag(ss->fixed), tag))
            return MOSS_NOT_FOUND;
        *out = moss_snapshot_ref(ss->fixed);
        return MOSS_OK;
    }
    sqlite3_mutex_enter(ss->mu);
    if (ss->collection == NULL) {
        st = MOSS_CLOSED;
    } else {
        if (ss->prepared != NULL &&
            moss_tag_equal(moss_prepared_tag(ss->prepared), tag)) {
            moss_prepared_publish(ss->prepared);
            ss->prepared = NULL;
        }
        st = moss_collection_snapshot(ss->collection, out);
        if (st == MOSS_OK && !moss_tag_equal(moss_snapshot_tag(*out), tag)) {
            other = *out;
            *out = NULL;
            st = recent ? moss_collection_snapshot_at(ss->collection, tag, out)
                        : MOSS_NOT_FOUND;
        }
    }
    sqlite3_mutex_leave(ss->mu);
    moss_snapshot_unref(other);
    return st;
}

/* ---------------------------------------------------------------- readers */

/* Neither memory, log nor history leads to the marker's state. */
static int
report_unreachable(struct table *t, struct conn_store *cs,
                   const struct marker *m)
{
    struct moss_tag newest = { 0, 0 };
    struct moss_snapshot *snap;

    if (shared_store_newest(cs->shared, &snap) == MOSS_OK)
        newest = moss_snapshot_tag(snap);
    moss_snapshot_unref(snap);
    if (newest.n > m->tag.n)
        return error_report(t, SQLITE_BUSY_SNAPSHOT,
                            "moss: transaction %llu is no longer kept by the"
                            " store %s: restart the reading transaction",
                            m->tag.n, shared_store_name(cs->shared));
    return error_report(t, SQLITE_CORRUPT,
                        "moss: database %s is at transaction %llu, but the"
                        " store %s at %llu, and the log does not lead there",
                        cs->file, m->tag.n, shared_store_name(cs->shared),
                        newest.n);
}

/* By way of the log: publish what is committed, or build an old state. */
static int
resolve_by_log(struct table *t, struct conn_store *cs, const struct marker *m)
{
    struct log_ref log = conn_store_log(cs);
    struct moss_snapshot *snap;
    enum moss_status st;
    struct walk w;
    char *err = NULL;
    int rc = walk_back(&w, &log, cs->shared, m, true, &err);

    if (rc == SQLITE_OK && w.met == MET_NEWEST) {
        rc = walk_replay(cs->shared, &w, &err);
        walk_release(&w);
        if (rc != SQLITE_OK)
            return report_text(t, rc, &err);
        st = state_in_memory(cs->shared, m->tag, true, &snap);
        if (st == MOSS_OK)
            hold(cs, snap);
        else if (st == MOSS_NOT_FOUND)
            return report_unreachable(t, cs, m);
        else
            return error_status(t, st, NULL, "read the newest state");
        return SQLITE_OK;
    }
    if (rc != SQLITE_OK)
        return report_text(t, rc, &err);
    /* Others may have published it while the log was walked. */
    st = state_in_memory(cs->shared, m->tag, true, &snap);
    if (st != MOSS_NOT_FOUND) {
        walk_release(&w);
        if (st < 0)
            return error_status(t, st, NULL, "read the marker's state");
        hold(cs, snap);
        return SQLITE_OK;
    }
    if (w.met == MET_OLDER) {
        hold(cs, w.snap);
        cs->chain = w.chain;
        cs->n_chain = w.n;
        w.snap = NULL;
        w.chain = NULL;
        w.n = 0;
        walk_release(&w);
        return SQLITE_OK;
    }
    walk_release(&w);
    return report_unreachable(t, cs, m);
}

/* Make cs hold the state of m. */
static int
resolve(struct table *t, struct conn_store *cs, const struct marker *m)
{
    struct moss_snapshot *snap;
    enum moss_status st = state_in_memory(cs->shared, m->tag, true, &snap);

    /* One that never wrote follows those who do. */
    if (st == MOSS_NOT_FOUND && !marker_claims(m) && !cs->shared->memory)
        st = shared_store_newest(cs->shared, &snap);
    if (st == MOSS_OK) {
        hold(cs, snap);
        return SQLITE_OK;
    }
    if (st < 0)
        return error_status(t, st, NULL, "read the marker's state");
    return resolve_by_log(t, cs, m);
}

/*
 * What is open for reading only stands still, and another process may have
 * gone on until the log does not lead back to it.
 */
static bool
may_be_behind(const struct conn_store *cs, const struct marker *m)
{
    return cs->shared->readonly && cs->open_cursors == 0 &&
           moss_snapshot_tag(cs->shared->fixed).n < m->tag.n;
}

/* Make cs hold the state of the marker it has seen. */
static int
resolve_seen(struct table *t, struct conn_store *cs)
{
    struct marker m = cs->seen;
    int rc = resolve(t, cs, &m);

    if (rc != SQLITE_CORRUPT || !may_be_behind(cs, &m))
        return rc;
    rc = conn_store_reopen(t, cs);
    return rc == SQLITE_OK ? resolve(t, cs, &m) : rc;
}

/* In a shared cache a reader may have asked to see what may be undone. */
static int
reads_uncommitted(struct conn_store *cs, bool *out)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(cs->conn->db, "PRAGMA read_uncommitted", -1,
                                &stmt, NULL);

    *out = false;
    if (rc != SQLITE_OK)
        return rc == SQLITE_AUTH ? SQLITE_OK : rc;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        *out = sqlite3_column_int(stmt, 0) != 0;
    return sqlite3_finalize(stmt);
}

static int
refresh_newest(struct table *t, struct conn_store *cs)
{
    struct moss_snapshot *snap;
    enum moss_status st;

    if (cs->snap != NULL && cs->open_cursors > 0)
        return SQLITE_OK;
    st = shared_store_newest(cs->shared, &snap);
    if (st != MOSS_OK)
        return error_status(t, st, NULL, "read the newest state");
    if (snap == cs->snap)
        moss_snapshot_unref(snap);
    else
        hold(cs, snap);
    return SQLITE_OK;
}

static int
check_marker(struct table *t, const struct conn_store *cs,
             const struct marker *m)
{
    if (memcmp(m->store_id, cs->row.id, STORE_ID_BYTES) == 0)
        return SQLITE_OK;
    return error_report(t, SQLITE_CORRUPT,
                        "moss: the log %s._moss_log_%d is another store's",
                        cs->schema, cs->row.no);
}

/* The marker as the connection sees it now, into cs->seen. */
static int
see_marker(struct table *t, struct conn_store *cs)
{
    struct log_ref log = conn_store_log(cs);
    struct marker m;
    char *err = NULL;
    int rc = log_read_marker(&log, &m, &err);

    if (rc != SQLITE_OK)
        return report_text(t, rc, &err);
    rc = check_marker(t, cs, &m);
    if (rc != SQLITE_OK)
        return rc;
    if (!moss_tag_equal(m.tag, cs->seen.tag))
        read_drop(cs);
    cs->seen = m;
    return SQLITE_OK;
}

/*
 * May the marker's transaction be one that is not committed yet?  Its batch
 * waits then for its xCommit (it is offered before the marker is written).
 */
static bool
is_in_doubt(struct shared_store *ss, struct moss_tag tag)
{
    bool doubt;

    sqlite3_mutex_enter(ss->mu);
    doubt = ss->prepared != NULL &&
            moss_tag_equal(moss_prepared_tag(ss->prepared), tag);
    sqlite3_mutex_leave(ss->mu);
    return doubt;
}

int
read_refresh(struct table *t)
{
    struct conn_store *cs = t->store;
    unsigned version = 0;
    bool uncommitted;
    int rc = conn_store_upgrade(t, cs, false);

    if (rc != SQLITE_OK)
        return rc;
    if (conn_store_role(cs) != ROLE_HOME)
        return refresh_newest(t, cs);
    /* SQLite looks for a name among those of all databases. */
    rc = sqlite3_file_control(cs->conn->db, cs->is_main ? NULL : cs->schema,
                              SQLITE_FCNTL_DATA_VERSION, &version);
    if (rc != SQLITE_OK || !cs->seen_valid || version != cs->seen_version) {
        bool has_version = rc == SQLITE_OK;

        cs->seen_valid = false;
        rc = reads_uncommitted(cs, &uncommitted);
        if (rc == SQLITE_OK)
            rc = see_marker(t, cs);
        if (rc != SQLITE_OK)
            return rc;
        if (uncommitted && is_in_doubt(cs->shared, cs->seen.tag))
            return refresh_newest(t, cs);
        cs->seen_valid = has_version && !uncommitted;
        cs->seen_version = version;
    }
    if (cs->snap != NULL)
        return SQLITE_OK;
    rc = resolve_seen(t, cs);
    if (rc != SQLITE_OK)
        cs->seen_valid = false;
    return rc;
}

/* ---------------------------------------------------------------- writers */

/* The store is ahead of the database, or of another history. */
static int
align_to_history(struct table *t, struct conn_store *cs, struct walk *w)
{
    struct moss_error why = { .status = MOSS_OK };
    enum moss_status st = shared_store_rebase(cs->shared, w, &why);
    char *err = NULL;
    int rc;

    if (st != MOSS_OK)
        return error_status(t, st, &why, "go back to the database's state");
    rc = walk_replay(cs->shared, w, &err);
    return rc == SQLITE_OK ? rc : report_text(t, rc, &err);
}

static int
align_by_log(struct table *t, struct conn_store *cs, const struct marker *m)
{
    struct log_ref log = conn_store_log(cs);
    struct walk w;
    char *err = NULL;
    int rc = walk_back(&w, &log, cs->shared, m, false, &err);

    if (rc != SQLITE_OK)
        return report_text(t, rc, &err);
    if (w.met == MET_NEWEST)
        rc = report_text(t, walk_replay(cs->shared, &w, &err), &err);
    else if (w.met == MET_OLDER)
        rc = align_to_history(t, cs, &w);
    else if (cs->shared->memory)
        rc = error_report(t, SQLITE_READONLY,
                          "moss: the rows of %s in memory have been changed"
                          " by way of a copy of this database, or of what it"
                          " is a copy of: only one of them can change them",
                          t->name);
    else
        rc = error_report(t, SQLITE_CORRUPT,
                          "moss: the store %s has no state of the database"
                          " %s's transaction %llu (id %016llx): one of them"
                          " was replaced",
                          shared_store_name(cs->shared), cs->file, m->tag.n,
                          m->tag.id);
    walk_release(&w);
    return rc;
}

/*
 * A database that writes to the store for the first time goes on from the
 * newest state, whoever made it.  What its first record refers to has to be a
 * commit point, as nobody else's log may be there later.
 */
static int
align_to_newest(struct table *t, struct conn_store *cs, struct marker *m)
{
    struct moss_error why = { .status = MOSS_OK };
    enum moss_status st =
        moss_collection_flush(cs->shared->collection, FLUSH_WAIT_MS, &why);

    if (st == MOSS_TIMEOUT)
        return error_report(t, SQLITE_BUSY,
                            "moss: the store %s takes too long to persist",
                            cs->shared->dir);
    if (st != MOSS_OK)
        return error_status(t, st, &why, "persist what others have written");
    m->tag = moss_collection_tag(cs->shared->collection);
    m->prev_id = 0;
    return SQLITE_OK;
}

int
read_align(struct table *t, struct marker *marker)
{
    struct conn_store *cs = t->store;
    struct log_ref log = conn_store_log(cs);
    struct moss_snapshot *snap;
    enum moss_status st;
    char *err = NULL;
    int rc = log_read_marker(&log, marker, &err);

    if (rc != SQLITE_OK)
        return report_text(t, rc, &err);
    rc = check_marker(t, cs, marker);
    if (rc == SQLITE_OK && !marker_claims(marker) && !cs->shared->memory)
        rc = align_to_newest(t, cs, marker);
    if (rc != SQLITE_OK)
        return rc;
    st = state_in_memory(cs->shared, marker->tag, false, &snap);
    if (st == MOSS_NOT_FOUND) {
        rc = align_by_log(t, cs, marker);
        if (rc != SQLITE_OK)
            return rc;
        st = state_in_memory(cs->shared, marker->tag, false, &snap);
        if (st == MOSS_NOT_FOUND)
            return error_report(t, SQLITE_CORRUPT,
                                "moss: the log of %s does not lead to its"
                                " marker",
                                cs->file);
    }
    if (st != MOSS_OK)
        return error_status(t, st, NULL, "read the newest state");
    hold(cs, snap);
    return SQLITE_OK;
}

/* ------------------------------------------------------------ collections */

static int
lay_staged(struct shared_store *ss, const struct record *r, const char *path,
           bool clears, struct moss_snapshot **snap)
{
    struct moss_staged *staged;
    enum moss_status st;
    char *err = NULL;
    int rc = stage_open(ss, r, &staged, &err);

    sqlite3_free(err); /* the caller names what it could not read */
    if (rc != SQLITE_OK)
        return rc == SQLITE_NOTFOUND ? SQLITE_BUSY_SNAPSHOT : rc;
    if (clears) {
        moss_snapshot_unref(*snap);
        *snap = NULL;
    }
    st = stage_overlay(staged, path, ss->merge, snap);
    moss_staged_free(staged);
    return error_code(st);
}

/* Lay the changes that a record makes to one collection over *snap. */
static int
lay_record(struct shared_store *ss, const struct record *r, const char *path,
           struct moss_snapshot **snap)
{
    const struct moss_merge_operator *merge = ss->merge;
    struct moss_batch *batch, *at;
    struct moss_snapshot *next = NULL;
    enum moss_status st;
    bool clears;
    int rc = payload_clears(r->payload, r->n_payload, path, &clears);

    if (rc == SQLITE_OK && stage_is_named(r))
        return lay_staged(ss, r, path, clears, snap);
    if (rc == SQLITE_OK)
        rc = batch_from_payload(r->payload, r->n_payload, r->tag, &batch);
    if (rc != SQLITE_OK)
        return rc;
    if (clears) {
        moss_snapshot_unref(*snap);
        *snap = NULL;
    }
    st = batch_at_path(batch, moss_str(path), &at);
    if (st == MOSS_OK && clears)
        st = moss_snapshot_empty(merge, snap);
    if (st == MOSS_OK && moss_batch_count(at) > 0 && *snap == NULL)
        st = moss_snapshot_empty(merge, snap);
    if (st == MOSS_OK && moss_batch_count(at) > 0) {
        st = moss_snapshot_overlay(*snap, at, 0, moss_batch_count(at), &next);
        if (st == MOSS_OK) {
            moss_snapshot_unref(*snap);
            *snap = next;
        }
    }
    moss_batch_free(batch);
    return error_code(st);
}

static int
child_build(struct conn_store *cs, const char *path, struct moss_snapshot **out)
{
    enum moss_status st = snapshot_at_path(cs->snap, path, out);
    int rc = st == MOSS_NOT_FOUND ? SQLITE_OK : error_code(st);

    if (st != MOSS_OK)
        *out = NULL;
    for (size_t i = cs->n_chain; i > 0 && rc == SQLITE_OK; i--)
        rc = lay_record(cs->shared, &cs->chain[i - 1], path, out);
    /* A record without changes to it may have made the collection. */
    if (rc == SQLITE_OK && *out == NULL && cs->n_chain > 0)
        rc = error_code(moss_snapshot_empty(cs->shared->merge, out));
    return rc;
}

/* A child that is asked for, in front of the others; NULL without memory. */
static struct child_state *
child_new(struct conn_store *cs, const char *path)
{
    struct child_state *c = sqlite3_malloc64(sizeof *c);

    if (c != NULL)
        c->collection = sqlite3_mprintf("%s", path);
    if (c == NULL || c->collection == NULL) {
        sqlite3_free(c);
        return NULL;
    }
    c->snap = NULL;
    c->next = cs->children;
    cs->children = c;
    return c;
}

int
read_collection(struct conn_store *cs, const char *path,
                struct moss_snapshot **out)
{
    struct child_state *c = cs->children;
    int rc = SQLITE_OK;

    *out = NULL;
    while (c != NULL && strcmp(c->collection, path) != 0)
        c = c->next;
    if (c == NULL)
        c = child_new(cs, path);
    if (c == NULL)
        return SQLITE_NOMEM;
    if (c->snap == NULL)
        rc = child_build(cs, path, &c->snap);
    if (rc != SQLITE_OK || c->snap == NULL) {
        moss_snapshot_unref(c->snap);
        c->snap = NULL;
        return rc;
    }
    *out = moss_snapshot_ref(c->snap);
    return SQLITE_OK;
}
