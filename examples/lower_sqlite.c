/*
 * A SQLite database as a collection's lower level.
 *
 *     moss_meta         one row: the top collection's id, the next free id,
 *                       the newest tag, and how many updates there were
 *     moss_collections  id, parent's id, name
 *     moss_entries      collection's id, key, value
 *
 * A snapshot is a read transaction on a connection of its own: in WAL mode
 * it reads the same, whatever is committed meanwhile.  An update is one write
 * transaction, which holds the tag, too.  It computes from the snapshot that
 * the last update gave back, and says what each key is to be; so it can be
 * repeated after a failure.
 *
 * A reader in the WAL keeps it from being overwritten, and there always is
 * one, the collection's.  When the WAL has grown long, an update first copies
 * it into the database file and gives the newest snapshot another connection,
 * which reads only that file.
 *
 * Threads: the writing connection is the persister's; reading connections are
 * serialized by SQLite.
 */
#include "lower.h"

#include <stdio.h>
#include <stdlib.h>

#include "lower_sqlite.h"

enum { LONG_WAL = 1000 /* pages */ };

/* Run a statement that gives no rows, and make it ready again. */
static enum moss_status
run(sqlite3_stmt *q)
{
    int rc = sqlite3_step(q);

    /* Reset gives the failure of the step once more. */
    (void)sqlite3_reset(q);
    return rc == SQLITE_ROW ? MOSS_CORRUPT : sql_status(rc);
}

enum { SET, DEL, LIVE, META, STATEMENTS };

static const char *const statements[STATEMENTS] = {
    [SET] = "REPLACE INTO moss_entries VALUES(?1, ?2, ?3)",
    [DEL] = "DELETE FROM moss_entries WHERE coll = ?1 AND key = ?2",
    [LIVE] = "INSERT INTO temp.live VALUES(?1, ?2, ?3)",
    [META] = ("UPDATE moss_meta SET top = ?1, next_id = ?2, tag_n = ?3,"
              " tag_id = ?4, updates = updates + 1 WHERE updates = ?5"),
};

struct lower {
    struct moss_lower base;
    char *path;
    const struct moss_merge_operator *merge;
    sqlite3 *db;
    sqlite3_stmt *q[STATEMENTS];
    struct snapshot *newest; /* what the last update gave; one reference */
    sqlite3_int64 next_id;   /* of collections; none is given twice */
    sqlite3_int64 updates;   /* how many are committed */
    int wal_pages;
    const char *why; /* an update failed; static */
};

static enum moss_status
write_entries(struct lower *l, sqlite3_int64 id,
              const struct moss_change *change, struct moss_snapshot *origin)
{
    struct moss_iterator *it;
    enum moss_status st = moss_change_resolve(change, l->merge, origin, &it),
                     moved;

    if (st != MOSS_OK)
        return st;
    moved = moss_iterator_first(it);
    while (st == MOSS_OK && moved == MOSS_OK) {
        bool is_set = moss_change_op(it) == MOSS_OP_SET;
        sqlite3_stmt *q = l->q[is_set ? SET : DEL];
        struct moss_slice key, value;
        int rc;

        moss_iterator_current(it, &key, &value);
        rc = sqlite3_bind_int64(q, 1, id);
        if (rc == SQLITE_OK)
            rc = sql_bind_bytes(q, 2, key);
        if (rc == SQLITE_OK && is_set)
            rc = sql_bind_bytes(q, 3, value);
        st = rc == SQLITE_OK ? run(q) : sql_status(rc);
        moved = moss_iterator_next(it);
    }
    moss_iterator_free(it);
    return st == MOSS_OK && moved < 0 ? moved : st;
}

/* A collection and all below it; parent 0 for the top, whose id is in *id. */
static enum moss_status
write_collection(struct lower *l, const struct moss_change *change,
                 sqlite3_int64 parent, sqlite3_int64 *id)
{
    struct moss_snapshot *origin;
    enum moss_status st = moss_change_origin(change, &l->newest->base, &origin);
    int rc;

    if (st != MOSS_OK)
        return st;
    *id = origin != NULL ? ((struct snapshot *)origin)->id : l->next_id++;
    rc = sqlite3_bind_int64(l->q[LIVE], 1, *id);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(l->q[LIVE], 2, parent);
    if (rc == SQLITE_OK)
        rc = sql_bind_bytes(l->q[LIVE], 3, change->name);
    st = rc == SQLITE_OK ? run(l->q[LIVE]) : sql_status(rc);
    if (st == MOSS_OK)
        st = write_entries(l, *id, change, origin);
    moss_snapshot_unref(origin);
    for (size_t i = 0; st == MOSS_OK && i < change->n_children; i++) {
        sqlite3_int64 child;

        st = write_collection(l, &change->children[i], *id, &child);
    }
    return st;
}

/* What is in no collection of the new tree goes. */
static enum moss_status
write_tree(struct lower *l)
{
    return sql_execute(l->db, "DELETE FROM moss_entries WHERE coll IN"
                              " (SELECT id FROM moss_collections"
                              "  WHERE id NOT IN (SELECT id FROM temp.live));"
                              "DELETE FROM moss_collections;"
                              "INSERT INTO moss_collections"
                              " SELECT * FROM temp.live;");
}

/* Fails if somebody else has changed the database since. */
static enum moss_status
write_meta(struct lower *l, sqlite3_int64 top, struct moss_tag tag)
{
    sqlite3_stmt *q = l->q[META];
    enum moss_status st;
    int rc = sqlite3_bind_int64(q, 1, top);

    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(q, 2, l->next_id);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(q, 3, (sqlite3_int64)tag.n);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(q, 4, (sqlite3_int64)tag.id);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(q, 5, l->updates);
    st = rc == SQLITE_OK ? run(q) : sql_status(rc);
    if (st == MOSS_OK && sqlite3_changes(l->db) != 1)
        st = MOSS_BUSY;
    return st;
}

static enum moss_status
write_changes(struct lower *l, const struct moss_changes *changes)
{
    sqlite3_int64 top;
    enum moss_status st =
        sql_execute(l->db, "BEGIN IMMEDIATE; DELETE FROM temp.live");

    if (st == MOSS_OK)
        st = write_collection(l, changes->top, 0, &top);
    if (st == MOSS_OK)
        st = write_tree(l);
    if (st == MOSS_OK)
        st = write_meta(l, top, changes->tag);
    if (st == MOSS_OK)
        st = sql_execute(l->db, "COMMIT");
    if (st == MOSS_OK)
        l->updates++;
    else
        l->why = sqlite3_errstr(sqlite3_errcode(l->db));
    if (st != MOSS_OK && !sqlite3_get_autocommit(l->db))
        (void)sql_execute(l->db,
                          "ROLLBACK"); /* the next BEGIN says if it failed */
    return st;
}

/*
 * Let the WAL be overwritten from its start: copy all of it into the database,
 * and let the newest snapshot read that.  Its content is the same, since
 * nothing was committed after it.
 */
static enum moss_status
shorten_wal(struct lower *l)
{
    struct view *v = l->newest->view;
    struct reader *r = NULL, *old;
    enum moss_status st = sql_status(sqlite3_wal_checkpoint_v2(
        l->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));

    if (st == MOSS_OK)
        st = sql_reader_open(l->path, &r);
    if (st != MOSS_OK)
        return st;
    sqlite3_mutex_enter(v->mu);
    old = v->reader;
    v->reader = r;
    sqlite3_mutex_leave(v->mu);
    sql_reader_unref(old);
    return MOSS_OK;
}

static int
note_wal(void *lower, sqlite3 *db, const char *schema, int pages)
{
    (void)db;
    (void)schema;
    ((struct lower *)lower)->wal_pages = pages;
    return SQLITE_OK;
}

/* What is committed by now, as l->newest. */
static enum moss_status
take_newest(struct lower *l)
{
    struct view *v;
    struct moss_snapshot *snap;
    enum moss_status st = sql_view_open(l->path, &v);

    if (st != MOSS_OK)
        return st;
    st = sql_snapshot_new(v, v->top, &snap);
    sql_view_unref(v);
    if (st != MOSS_OK)
        return st;
    if (l->newest != NULL)
        moss_snapshot_unref(&l->newest->base);
    l->newest = (struct snapshot *)snap;
    return MOSS_OK;
}

static enum moss_status
lower_update(struct moss_lower *base, const struct moss_changes *changes,
             struct moss_snapshot **out, struct moss_error *err)
{
    struct lower *l = (struct lower *)base;
    enum moss_status st = MOSS_OK;

    *out = NULL;
    l->why = "read";
    /* An attempt that was committed but not read again came after it. */
    if (l->wal_pages > LONG_WAL && l->updates == l->newest->view->updates)
        st = shorten_wal(l);
    if (st == MOSS_OK)
        st = write_changes(l, changes);
    if (st == MOSS_OK)
        st = take_newest(l);
    if (st == MOSS_OK) {
        *out = moss_snapshot_ref(&l->newest->base);
    } else {
        err->status = st;
        err->what = l->why;
        (void)snprintf(err->path, sizeof err->path, "%s", l->path);
    }
    return st;
}

static void
lower_close(struct moss_lower *base)
{
    struct lower *l = (struct lower *)base;

    moss_snapshot_unref(l->base.initial);
    if (l->newest != NULL)
        moss_snapshot_unref(&l->newest->base);
    for (int i = 0; i < STATEMENTS; i++)
        (void)sqlite3_finalize(l->q[i]);
    (void)sqlite3_close(l->db);
    free(l->path);
    free(l);
}

static const struct moss_lower_ops lower_ops = {
    .update = lower_update,
    .close = lower_close,
};

/* ------------------------------------------------------------------ */
/* Opening                                                            */
/* ------------------------------------------------------------------ */

static const char schema[] =
    "PRAGMA journal_mode = wal;"
    "PRAGMA synchronous = full;"
    "CREATE TABLE IF NOT EXISTS moss_meta(top, next_id, tag_n, tag_id,"
    " updates);"
    "CREATE TABLE IF NOT EXISTS moss_collections(id INTEGER PRIMARY KEY,"
    " parent INTEGER, name BLOB, UNIQUE(parent, name));"
    "CREATE TABLE IF NOT EXISTS moss_entries(coll INTEGER, key BLOB,"
    " value BLOB, PRIMARY KEY(coll, key)) WITHOUT ROWID;"
    "CREATE TEMP TABLE live(id INTEGER PRIMARY KEY, parent, name);"
    "INSERT INTO moss_meta SELECT 1, 2, 0, 0, 0"
    " WHERE NOT EXISTS (SELECT * FROM moss_meta);";

static enum moss_status
open_database(struct lower *l)
{
    enum moss_status st = sql_status(sqlite3_open_v2(
        l->path, &l->db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
        NULL));

    if (st == MOSS_OK)
        st = sql_execute(l->db, schema);
    if (st != MOSS_OK)
        return st;
    (void)sqlite3_wal_hook(l->db, note_wal, l);
    for (int i = 0; st == MOSS_OK && i < STATEMENTS; i++)
        st = sql_prepare(l->db, statements[i], &l->q[i]);
    if (st == MOSS_OK)
        st = take_newest(l);
    if (st != MOSS_OK)
        return st;
    l->next_id = l->newest->view->next_id;
    l->updates = l->newest->view->updates;
    l->base.initial = moss_snapshot_ref(&l->newest->base);
    return MOSS_OK;
}

enum moss_status
lower_sqlite_open(const char *path, const struct moss_merge_operator *merge,
                  struct moss_lower **out, struct moss_error *err)
{
    struct lower *l = calloc(1, sizeof *l);
    enum moss_status st = MOSS_NOMEM;

    *out = NULL;
    if (l != NULL) {
        l->base.ops = &lower_ops;
        l->merge = merge;
        l->path = malloc(strlen(path) + 1);
    }
    if (l != NULL && l->path != NULL) {
        memcpy(l->path, path, strlen(path) + 1);
        st = open_database(l);
    }
    if (st == MOSS_OK) {
        *out = &l->base;
        return MOSS_OK;
    }
    if (err != NULL) {
        memset(err, 0, sizeof *err);
        err->status = st;
        err->what = "open";
        (void)snprintf(err->path, sizeof err->path, "%s", path);
    }
    if (l != NULL)
        lower_close(&l->base);
    return st;
}
