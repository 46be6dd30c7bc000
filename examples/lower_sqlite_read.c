/*
 * Reading from SQLite: snapshots and iterators.
 *
 * A snapshot is a read transaction on a connection of its own: in WAL mode
 * it reads the same, whatever is committed meanwhile.  Snapshots of one update
 * share a view, in which the connection can be exchanged under a mutex;
 * whoever is reading goes on with the one it has.
 *
 * Any thread: SQLite serializes the calls on a connection.
 */
#include "lower_sqlite.h"

#include <stdio.h>
#include <stdlib.h>

enum { COUNTED = 10000 /* entries */ };

enum moss_status
sql_status(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return MOSS_OK;
    case SQLITE_NOMEM:
        return MOSS_NOMEM;
    case SQLITE_FULL:
        return MOSS_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return MOSS_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return MOSS_BUSY;
    case SQLITE_CANTOPEN:
        return MOSS_CANTOPEN;
    case SQLITE_READONLY:
        return MOSS_READONLY;
    case SQLITE_TOOBIG:
        return MOSS_TOO_BIG;
    default:
        return MOSS_IO;
    }
}

enum moss_status
sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
    return sql_status(sqlite3_prepare_v2(db, sql, -1, out, NULL));
}

/* An empty blob has no bytes to point to, but a NULL pointer would be NULL. */
int
sql_bind_bytes(sqlite3_stmt *q, int i, struct moss_slice s)
{
    return sqlite3_bind_blob64(q, i, s.len > 0 ? (const void *)s.bytes : "",
                               s.len, SQLITE_TRANSIENT);
}

static struct moss_slice
column_bytes(sqlite3_stmt *q, int i)
{
    const void *bytes = sqlite3_column_blob(q, i);

    return moss_slice(bytes, (size_t)sqlite3_column_bytes(q, i));
}

enum moss_status
sql_execute(sqlite3 *db, const char *sql)
{
    return sql_status(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

/* ------------------------------------------------------------------ */
/* Snapshots                                                          */
/* ------------------------------------------------------------------ */

void
sql_reader_unref(struct reader *r)
{
    if (r != NULL && atomic_fetch_sub(&r->refs, 1) == 1) {
        (void)sqlite3_close(r->db); /* ends the transaction */
        free(r);
    }
}

enum moss_status
sql_reader_open(const char *path, struct reader **out)
{
    struct reader *r = calloc(1, sizeof *r);
    enum moss_status st;

    *out = NULL;
    if (r == NULL)
        return MOSS_NOMEM;
    atomic_init(&r->refs, 1);
    st = sql_status(sqlite3_open_v2(
        path, &r->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX, NULL));
    /* It may meet a last connection that removes the WAL. */
    if (st == MOSS_OK)
        st = sql_status(sqlite3_busy_timeout(r->db, 5000));
    /* BEGIN alone takes no snapshot, the first read does. */
    if (st == MOSS_OK)
        st = sql_execute(r->db, "BEGIN; SELECT * FROM moss_meta");
    if (st == MOSS_OK)
        *out = r;
    else
        sql_reader_unref(r);
    return st;
}

/* The connection to read with; one reference. */
static struct reader *
view_reader(struct view *v)
{
    struct reader *r;

    sqlite3_mutex_enter(v->mu);
    r = v->reader;
    atomic_fetch_add(&r->refs, 1);
    sqlite3_mutex_leave(v->mu);
    return r;
}

void
sql_view_unref(struct view *v)
{
    if (atomic_fetch_sub(&v->refs, 1) != 1)
        return;
    sql_reader_unref(v->reader);
    sqlite3_mutex_free(v->mu);
    free(v);
}

static enum moss_status
view_load(struct view *v)
{
    sqlite3_stmt *q;
    enum moss_status st = sql_prepare(
        v->reader->db,
        "SELECT top, next_id, updates, tag_n, tag_id FROM moss_meta", &q);
    int rc;

    if (st != MOSS_OK)
        return st;
    rc = sqlite3_step(q);
    st = rc == SQLITE_DONE ? MOSS_CORRUPT : sql_status(rc);
    if (st == MOSS_OK) {
        v->top = sqlite3_column_int64(q, 0);
        v->next_id = sqlite3_column_int64(q, 1);
        v->updates = sqlite3_column_int64(q, 2);
        v->tag.n = (uint64_t)sqlite3_column_int64(q, 3);
        v->tag.id = (uint64_t)sqlite3_column_int64(q, 4);
    }
    (void)sqlite3_finalize(q);
    return st;
}

enum moss_status
sql_view_open(const char *path, struct view **out)
{
    struct view *v = calloc(1, sizeof *v);
    enum moss_status st = MOSS_NOMEM;

    *out = NULL;
    if (v == NULL)
        return MOSS_NOMEM;
    atomic_init(&v->refs, 1);
    v->mu = sqlite3_mutex_alloc(SQLITE_MUTEX_FAST);
    if (v->mu != NULL)
        st = sql_reader_open(path, &v->reader);
    if (st == MOSS_OK)
        st = view_load(v);
    if (st == MOSS_OK)
        *out = v;
    else
        sql_view_unref(v);
    return st;
}

static const struct moss_snapshot_ops snapshot_ops;

enum moss_status
sql_snapshot_new(struct view *v, sqlite3_int64 id, struct moss_snapshot **out)
{
    struct snapshot *s = calloc(1, sizeof *s);

    *out = NULL;
    if (s == NULL)
        return MOSS_NOMEM;
    s->base.ops = &snapshot_ops;
    atomic_init(&s->refs, 1);
    atomic_fetch_add(&v->refs, 1);
    s->view = v;
    s->id = id;
    *out = &s->base;
    return MOSS_OK;
}

static void
snapshot_ref(struct moss_snapshot *base)
{
    atomic_fetch_add(&((struct snapshot *)base)->refs, 1);
}

static void
snapshot_unref(struct moss_snapshot *base)
{
    struct snapshot *s = (struct snapshot *)base;

    if (atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    sql_view_unref(s->view);
    free(s);
}

/* Prepare sql, in which ?1 is the collection's id; *r is a reference. */
static enum moss_status
ask(struct snapshot *s, const char *sql, struct reader **r, sqlite3_stmt **q)
{
    enum moss_status st;

    *r = view_reader(s->view);
    st = sql_prepare((*r)->db, sql, q);
    if (st == MOSS_OK)
        st = sql_status(sqlite3_bind_int64(*q, 1, s->id));
    return st;
}

static void
answered(struct reader *r, sqlite3_stmt *q)
{
    (void)sqlite3_finalize(q);
    sql_reader_unref(r);
}

/* The first row of sql with ?2 bound; MOSS_NOT_FOUND if there is none. */
static enum moss_status
look_up(struct snapshot *s, const char *sql, struct moss_slice arg,
        struct reader **r, sqlite3_stmt **q)
{
    enum moss_status st;
    int rc;

    *q = NULL;
    st = ask(s, sql, r, q);
    if (st == MOSS_OK)
        st = sql_status(sql_bind_bytes(*q, 2, arg));
    if (st != MOSS_OK)
        return st;
    rc = sqlite3_step(*q);
    return rc == SQLITE_DONE ? MOSS_NOT_FOUND : sql_status(rc);
}

static enum moss_status
snapshot_get(struct moss_snapshot *base, struct moss_slice key,
             struct moss_value *value)
{
    struct reader *r;
    sqlite3_stmt *q;
    enum moss_status st =
        look_up((struct snapshot *)base,
                "SELECT value FROM moss_entries WHERE coll = ?1 AND key = ?2",
                key, &r, &q);

    if (st == MOSS_OK)
        st = moss_value_copy(value, column_bytes(q, 0));
    answered(r, q);
    return st;
}

static enum moss_status
snapshot_child(struct moss_snapshot *base, struct moss_slice name,
               struct moss_snapshot **out)
{
    struct snapshot *s = (struct snapshot *)base;
    struct reader *r;
    sqlite3_stmt *q;
    enum moss_status st = look_up(
        s, "SELECT id FROM moss_collections WHERE parent = ?1 AND name = ?2",
        name, &r, &q);

    if (st == MOSS_OK)
        st = sql_snapshot_new(s->view, sqlite3_column_int64(q, 0), out);
    answered(r, q);
    return st;
}

static enum moss_status
snapshot_children(struct moss_snapshot *base,
                  enum moss_status (*each)(void *arg, struct moss_slice),
                  void *arg)
{
    struct reader *r;
    sqlite3_stmt *q = NULL;
    enum moss_status st =
        ask((struct snapshot *)base,
            "SELECT name FROM moss_collections WHERE parent = ?1 ORDER BY name",
            &r, &q);

    while (st == MOSS_OK) {
        int rc = sqlite3_step(q);

        st = sql_status(rc);
        if (rc != SQLITE_ROW)
            break;
        st = each(arg, column_bytes(q, 0));
    }
    answered(r, q);
    return st;
}

static struct moss_tag
snapshot_tag(struct moss_snapshot *base)
{
    return ((struct snapshot *)base)->view->tag;
}

/* Counted, but no further than COUNTED. */
static enum moss_status
snapshot_estimate(struct moss_snapshot *base, const struct moss_slice *lo,
                  const struct moss_slice *hi, uint64_t *entries,
                  uint64_t *bytes)
{
    struct moss_slice empty = moss_slice("", 0);
    struct reader *r;
    sqlite3_stmt *q = NULL;
    enum moss_status st =
        ask((struct snapshot *)base,
            "SELECT count(*), ifnull(sum(n), 0) FROM"
            " (SELECT length(key) + length(value) AS n FROM moss_entries"
            "  WHERE coll = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3)"
            "  ORDER BY key LIMIT ?4)",
            &r, &q);

    if (st == MOSS_OK)
        st = sql_status(sql_bind_bytes(q, 2, lo == NULL ? empty : *lo));
    if (st == MOSS_OK && hi != NULL)
        st = sql_status(sql_bind_bytes(q, 3, *hi));
    if (st == MOSS_OK)
        st = sql_status(sqlite3_bind_int(q, 4, COUNTED));
    if (st == MOSS_OK)
        st = sql_status(sqlite3_step(q));
    if (st == MOSS_OK) {
        *entries = (uint64_t)sqlite3_column_int64(q, 0);
        *bytes = (uint64_t)sqlite3_column_int64(q, 1);
    }
    answered(r, q);
    return st;
}

/* ------------------------------------------------------------------ */
/* Iterators                                                          */
/* ------------------------------------------------------------------ */

struct iterator {
    struct moss_iterator base;
    struct snapshot *snap; /* one reference */
    struct reader *reader; /* one reference */
    struct moss_slice lo;  /* a copy */
    struct moss_slice hi;  /* a copy, if has_hi */
    bool has_hi, backwards;
    sqlite3_stmt *q; /* its row is the entry */
};

static int
compare(struct moss_slice a, struct moss_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n == 0 ? 0 : memcmp(a.bytes, b.bytes, n);

    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static enum moss_status
step(struct iterator *it)
{
    int rc = sqlite3_step(it->q);

    if (rc == SQLITE_DONE)
        return MOSS_DONE;
    if (rc != SQLITE_ROW)
        return sql_status(rc);
    it->base.key = column_bytes(it->q, 0);
    it->base.value = column_bytes(it->q, 1);
    return MOSS_OK;
}

/*
 * Go on from there: over the keys >= from, or > from if strict; backwards
 * over those <= or < from.  from NULL: all within the bounds.  It may lie in
 * the row of the query that is replaced.
 */
static enum moss_status
begin(struct iterator *it, bool backwards, const struct moss_slice *from,
      bool strict)
{
    struct moss_slice lo = it->lo, hi = it->hi;
    const char *above = ">=", *below = it->has_hi ? "<" : NULL;
    sqlite3_stmt *q;
    enum moss_status st;
    char sql[160];

    if (from != NULL && !backwards && compare(*from, lo) >= 0) {
        lo = *from;
        above = strict ? ">" : ">=";
    } else if (from != NULL && backwards &&
               (!it->has_hi || compare(*from, hi) < 0)) {
        hi = *from;
        below = strict ? "<" : "<=";
    }
    (void)snprintf(sql, sizeof sql,
                   "SELECT key, value FROM moss_entries WHERE coll = ?1"
                   " AND key %s ?2 AND %s %s ?3 ORDER BY key%s",
                   above, below == NULL ? "x''" : "key",
                   below == NULL ? "=" : below, backwards ? " DESC" : "");
    st = sql_prepare(it->reader->db, sql, &q);
    if (st == MOSS_OK)
        st = sql_status(sqlite3_bind_int64(q, 1, it->snap->id));
    if (st == MOSS_OK)
        st = sql_status(sql_bind_bytes(q, 2, lo));
    if (st == MOSS_OK)
        st = sql_status(sql_bind_bytes(q, 3, hi));
    (void)sqlite3_finalize(it->q);
    it->q = q;
    it->backwards = backwards;
    return st == MOSS_OK ? step(it) : st;
}

static enum moss_status
iterator_first(struct moss_iterator *base)
{
    return begin((struct iterator *)base, false, NULL, false);
}

static enum moss_status
iterator_last(struct moss_iterator *base)
{
    return begin((struct iterator *)base, true, NULL, false);
}

static enum moss_status
iterator_seek(struct moss_iterator *base, struct moss_slice key)
{
    return begin((struct iterator *)base, false, &key, false);
}

static enum moss_status
iterator_seek_for_prev(struct moss_iterator *base, struct moss_slice key)
{
    return begin((struct iterator *)base, true, &key, false);
}

static enum moss_status
iterator_next(struct moss_iterator *base)
{
    struct iterator *it = (struct iterator *)base;

    return it->backwards ? begin(it, false, &base->key, true) : step(it);
}

static enum moss_status
iterator_prev(struct moss_iterator *base)
{
    struct iterator *it = (struct iterator *)base;

    return it->backwards ? step(it) : begin(it, true, &base->key, true);
}

static void
iterator_free(struct moss_iterator *base)
{
    struct iterator *it = (struct iterator *)base;

    answered(it->reader, it->q);
    snapshot_unref(&it->snap->base);
    free((void *)(uintptr_t)it->lo.bytes);
    free((void *)(uintptr_t)it->hi.bytes);
    free(it);
}

static const struct moss_iterator_ops iterator_ops = {
    .first = iterator_first,
    .last = iterator_last,
    .seek = iterator_seek,
    .seek_for_prev = iterator_seek_for_prev,
    .next = iterator_next,
    .prev = iterator_prev,
    .free = iterator_free,
};

/* NULL: nothing. */
static enum moss_status
copy_bound(const struct moss_slice *bound, struct moss_slice *out)
{
    uint8_t *bytes = malloc(bound == NULL ? 1 : bound->len + 1);

    if (bytes == NULL)
        return MOSS_NOMEM;
    if (bound != NULL && bound->len > 0)
        memcpy(bytes, bound->bytes, bound->len);
    *out = moss_slice(bytes, bound == NULL ? 0 : bound->len);
    return MOSS_OK;
}

static enum moss_status
snapshot_iterate(struct moss_snapshot *base, const struct moss_slice *lo,
                 const struct moss_slice *hi, struct moss_iterator **out)
{
    struct iterator *it = calloc(1, sizeof *it);
    enum moss_status st;

    *out = NULL;
    if (it == NULL)
        return MOSS_NOMEM;
    it->base.ops = &iterator_ops;
    snapshot_ref(base);
    it->snap = (struct snapshot *)base;
    it->reader = view_reader(it->snap->view);
    it->has_hi = hi != NULL;
    st = copy_bound(lo, &it->lo);
    if (st == MOSS_OK)
        st = copy_bound(hi, &it->hi);
    if (st == MOSS_OK)
        *out = &it->base;
    else
        iterator_free(&it->base);
    return st;
}

static const struct moss_snapshot_ops snapshot_ops = {
    .get = snapshot_get,
    .iterate = snapshot_iterate,
    .child = snapshot_child,
    .children = snapshot_children,
    .tag = snapshot_tag,
    .estimate = snapshot_estimate,
    .ref = snapshot_ref,
    .unref = snapshot_unref,
};
