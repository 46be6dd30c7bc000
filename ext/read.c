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

/* How long publishing a replayed transaction waits for dirty memory. */
#define REPLAY_WAIT_MS 30000

/* ---------------------------------------------------------------- paths */

/* Cut the first name off a path; names are separated by '/'. */
static struct moss_slice
path_next(struct moss_slice *path)
{
    struct moss_slice name = *path;
    const uint8_t *slash =
        path->len == 0 ? NULL : memchr(path->bytes, '/', path->len);

    if (slash == NULL) {
        path->len = 0;
        return name;
    }
    name.len = (size_t)(slash - path->bytes);
    path->bytes += name.len + 1;
    path->len -= name.len + 1;
    return name;
}

enum moss_status
batch_at_path(struct moss_batch *batch, struct moss_slice path,
              struct moss_batch **out)
{
    enum moss_status st = MOSS_OK;

    while (path.len > 0 && st == MOSS_OK)
        st = moss_batch_child(batch, path_next(&path), &batch);
    *out = batch;
    return st;
}

enum moss_status
snapshot_at_path(struct moss_snapshot *snap, const char *path,
                 struct moss_snapshot **out)
{
    struct moss_slice left = moss_str(path);
    enum moss_status st = MOSS_OK;

    *out = moss_snapshot_ref(snap);
    while (left.len > 0 && st == MOSS_OK) {
        struct moss_snapshot *child;

        st = moss_snapshot_child(*out, path_next(&left), &child);
        moss_snapshot_unref(*out);
        *out = child;
    }
    return st;
}

/* ------------------------------------------------- a payload as a batch */

struct batch_builder {
    struct moss_batch *top;
    struct moss_batch *at; /* the collection of the changes that follow */
};

static int
build_collection(void *arg, struct moss_slice path)
{
    struct batch_builder *b = arg;

    return error_code(batch_at_path(b->top, path, &b->at));
}

static int
build_drop(void *arg, struct moss_slice path)
{
    struct batch_builder *b = arg;

    return error_code(moss_batch_del_child(b->top, path));
}

static int
build_op(void *arg, enum moss_op op, struct moss_slice key,
         struct moss_slice value)
{
    struct batch_builder *b = arg;

    switch (op) {
    case MOSS_OP_SET:
        return error_code(moss_batch_set(b->at, key, value));
    case MOSS_OP_DEL:
        return error_code(moss_batch_del(b->at, key));
    case MOSS_OP_MERGE:
        return error_code(moss_batch_merge(b->at, key, value));
    }
    return SQLITE_CORRUPT;
}

int
batch_from_payload(const uint8_t *p, size_t n, struct moss_tag tag,
                   struct moss_batch **out)
{
    struct batch_builder b = { NULL, NULL };
    struct payload_visitor v = { build_collection, build_drop, build_op, &b };
    int rc = error_code(moss_batch_new(0, n, &b.top));

    *out = NULL;
    if (rc != SQLITE_OK)
        return rc;
    b.at = b.top;
    moss_batch_set_tag(b.top, tag);
    rc = payload_visit(p, n, &v);
    if (rc == SQLITE_OK)
        *out = b.top;
    else
        moss_batch_free(b.top);
    return rc;
}

/* --------------------------------------------------- the state that is held */

static void
children_drop(struct conn_store *cs)
{
    while (cs->children != NULL) {
        struct child_state *c = cs->children;

        cs->children = c->next;
        moss_snapshot_unref(c->snap);
        sqlite3_free(c->collection);
        sqlite3_free(c);
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
    children_drop(cs);
    chain_drop(cs);
    moss_snapshot_unref(cs->snap);
    cs->snap = NULL;
}

/* Hold snap, which is taken over. */
static void
hold(struct conn_store *cs, struct moss_snapshot *snap)
{
    read_drop(cs);
    cs->snap = snap;
}

/* ------------------------------------------------- states without the log */

/*
 * The state of tag if memory has it: the newest, a prepared one that is
 * committed (it is published), or a recent one.  MOSS_NOT_FOUND.
 */
static enum moss_status
state_in_memory(struct shared_store *ss, struct moss_tag tag, bool recent,
                struct moss_snapshot **out)
{
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
        if (moss_tag_equal(moss_collection_tag(ss->collection), tag))
            st = moss_collection_snapshot(ss->collection, out);
        else if (recent)
            st = moss_collection_snapshot_at(ss->collection, tag, out);
        else
            st = MOSS_NOT_FOUND;
    }
    sqlite3_mutex_leave(ss->mu);
    return st;
}

/* The footer with that tag; MOSS_NOT_FOUND. */
static enum moss_status
state_in_history(struct shared_store *ss, struct moss_tag tag,
                 struct moss_snapshot **out)
{
    struct moss_snapshot *snap = NULL;
    enum moss_status st = MOSS_NOT_FOUND;

    *out = NULL;
    if (ss->store != NULL)
        st = moss_store_snapshot(ss->store, &snap);
    while (st == MOSS_OK && !moss_tag_equal(moss_snapshot_tag(snap), tag)) {
        struct moss_snapshot *older;

        st = moss_store_previous(ss->store, snap, &older, NULL);
        moss_snapshot_unref(snap);
        snap = st == MOSS_OK ? older : NULL;
    }
    *out = snap;
    return st;
}

/* -------------------------------------------------------- walking the log */

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
};

static void
walk_release(struct walk *w)
{
    for (size_t i = 0; i < w->n; i++)
        record_release(&w->chain[i]);
    sqlite3_free(w->chain);
    moss_snapshot_unref(w->snap);
    memset(w, 0, sizeof *w);
}

static int
walk_push(struct walk *w, const struct record *r)
{
    if (w->n == w->cap) {
        size_t cap = w->cap == 0 ? 16 : 2 * w->cap;
        struct record *grown =
            sqlite3_realloc64(w->chain, cap * sizeof *grown);

        if (grown == NULL)
            return SQLITE_NOMEM;
        w->chain = grown;
        w->cap = cap;
    }
    w->chain[w->n++] = *r;
    return SQLITE_OK;
}

/* Is tag's state at hand?  Sets met and snap. */
static enum moss_status
walk_meets(struct walk *w, struct shared_store *ss, struct moss_tag tag,
           bool recent)
{
    enum moss_status st;

    sqlite3_mutex_enter(ss->mu);
    if (ss->collection != NULL &&
        moss_tag_equal(moss_collection_tag(ss->collection), tag)) {
        w->met = MET_NEWEST;
        sqlite3_mutex_leave(ss->mu);
        return MOSS_OK;
    }
    sqlite3_mutex_leave(ss->mu);
    st = recent ? state_in_memory(ss, tag, true, &w->snap) : MOSS_NOT_FOUND;
    if (st == MOSS_NOT_FOUND)
        st = state_in_history(ss, tag, &w->snap);
    if (st == MOSS_OK)
        w->met = MET_OLDER;
    return st;
}

/* recent: states that only memory has count, too. */
static int
walk_back(struct walk *w, const struct log_ref *log, struct shared_store *ss,
          const struct marker *m, bool recent, char **err)
{
    struct moss_tag tag = m->tag;
    struct log_place place = m->last;
    int rc = SQLITE_OK;

    memset(w, 0, sizeof *w);
    for (;;) {
        enum moss_status st = walk_meets(w, ss, tag, recent);
        struct record r;

        if (st == MOSS_OK)
            return SQLITE_OK;
        if (st < 0) {
            *err = error_text(st, NULL, "look for an older state");
            rc = error_code(st);
            break;
        }
        rc = log_read_record(log, place, tag, &r, err);
        if (rc != SQLITE_OK)
            break;
        rc = walk_push(w, &r);
        if (rc != SQLITE_OK) {
            record_release(&r);
            break;
        }
        tag = r.prev;
        place = r.prev_place;
    }
    if (rc == SQLITE_NOTFOUND) {
        w->met = MET_NOTHING;
        return SQLITE_OK;
    }
    walk_release(w);
    return rc;
}

/* Publish one replayed transaction unless somebody else has meanwhile. */
static int
replay_one(struct shared_store *ss, const struct record *r, char **err)
{
    struct moss_batch *batch;
    struct moss_prepared *p = NULL;
    enum moss_status st;
    int rc = batch_from_payload(r->payload, r->n_payload, r->tag, &batch);

    if (rc != SQLITE_OK) {
        if (rc == SQLITE_CORRUPT)
            *err = sqlite3_mprintf("moss: the log's record of transaction"
                                   " %llu is damaged",
                                   r->tag.n);
        return rc;
    }
    /* With mu held throughout: a writer may be exchanging the collection. */
    sqlite3_mutex_enter(ss->mu);
    st = ss->collection == NULL
             ? MOSS_CLOSED
             : moss_collection_prepare(ss->collection, batch, REPLAY_WAIT_MS,
                                       &p);
    if (st == MOSS_OK &&
        moss_tag_equal(moss_collection_tag(ss->collection), r->prev))
        moss_prepared_publish(p);
    else
        moss_prepared_free(p);
    sqlite3_mutex_leave(ss->mu);
    moss_batch_free(batch);
    if (st == MOSS_OK)
        return SQLITE_OK;
    *err = error_text(st, NULL, "replay the log");
    return st == MOSS_TIMEOUT ? SQLITE_BUSY : error_code(st);
}

static int
replay(struct shared_store *ss, const struct walk *w, char **err)
{
    int rc = SQLITE_OK;

    for (size_t i = w->n; i > 0 && rc == SQLITE_OK; i--)
        rc = replay_one(ss, &w->chain[i - 1], err);
    return rc;
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
        rc = replay(cs->shared, &w, &err);
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
    if (w.met == MET_OLDER) {
        hold(cs, w.snap);
        cs->chain = w.chain;
        cs->n_chain = w.n;
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

    if (st == MOSS_OK) {
        hold(cs, snap);
        return SQLITE_OK;
    }
    if (st < 0)
        return error_status(t, st, NULL, "read the marker's state");
    return resolve_by_log(t, cs, m);
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
        return rc;
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

int
read_refresh(struct table *t)
{
    struct conn_store *cs = t->store;
    unsigned version = 0;
    bool uncommitted;
    int rc;

    if (conn_store_role(cs) != ROLE_HOME)
        return refresh_newest(t, cs);
    rc = sqlite3_file_control(cs->conn->db, cs->schema,
                              SQLITE_FCNTL_DATA_VERSION, &version);
    if (rc != SQLITE_OK || !cs->seen_valid || version != cs->seen_version) {
        cs->seen_valid = false;
        if (reads_uncommitted(cs, &uncommitted) != SQLITE_OK || uncommitted)
            return refresh_newest(t, cs);
        int seen = see_marker(t, cs);

        if (seen != SQLITE_OK)
            return seen;
        cs->seen_valid = rc == SQLITE_OK;
        cs->seen_version = version;
    }
    if (cs->snap != NULL)
        return SQLITE_OK;
    rc = resolve(t, cs, &cs->seen);
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
    enum moss_status st = shared_store_rebase(cs->shared, w->snap, &why);
    char *err = NULL;
    int rc;

    if (st != MOSS_OK)
        return error_status(t, st, &why, "go back to the database's state");
    rc = replay(cs->shared, w, &err);
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
        rc = report_text(t, replay(cs->shared, &w, &err), &err);
    else if (w.met == MET_OLDER)
        rc = align_to_history(t, cs, &w);
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

/* Lay the changes that a record makes to one collection over *snap. */
static int
lay_record(const struct record *r, const char *path,
           const struct moss_merge_operator *merge,
           struct moss_snapshot **snap)
{
    struct moss_batch *batch, *at;
    struct moss_snapshot *next = NULL;
    enum moss_status st;
    int rc = batch_from_payload(r->payload, r->n_payload, r->tag, &batch);

    if (rc != SQLITE_OK)
        return rc;
    st = batch_at_path(batch, moss_str(path), &at);
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
child_build(struct conn_store *cs, const char *path,
            struct moss_snapshot **out)
{
    enum moss_status st = snapshot_at_path(cs->snap, path, out);
    int rc = st == MOSS_NOT_FOUND ? SQLITE_OK : error_code(st);

    if (st != MOSS_OK)
        *out = NULL;
    for (size_t i = cs->n_chain; i > 0 && rc == SQLITE_OK; i--)
        rc = lay_record(&cs->chain[i - 1], path, cs->shared->merge, out);
    /* A record without changes to it may have made the collection. */
    if (rc == SQLITE_OK && *out == NULL && cs->n_chain > 0)
        rc = error_code(moss_snapshot_empty(cs->shared->merge, out));
    return rc;
}

int
read_collection(struct conn_store *cs, const char *path,
                struct moss_snapshot **out)
{
    struct child_state *c = cs->children;
    int rc;

    *out = NULL;
    while (c != NULL && strcmp(c->collection, path) != 0)
        c = c->next;
    if (c == NULL) {
        struct moss_snapshot *snap;

        rc = child_build(cs, path, &snap);
        if (rc != SQLITE_OK || snap == NULL) {
            moss_snapshot_unref(snap);
            return rc;
        }
        c = sqlite3_malloc64(sizeof *c);
        if (c != NULL)
            c->collection = sqlite3_mprintf("%s", path);
        if (c == NULL || c->collection == NULL) {
            sqlite3_free(c);
            moss_snapshot_unref(snap);
            return SQLITE_NOMEM;
        }
        c->snap = snap;
        c->next = cs->children;
        cs->children = c;
    }
    *out = moss_snapshot_ref(c->snap);
    return SQLITE_OK;
}
