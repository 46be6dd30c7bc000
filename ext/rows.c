/*
 * The rows and index entries of a table as the SQL half uses them: the state
 * that a cursor reads; looking up and changing by key.
 */
#include "pending.h"
#include "txn.h"

#include <string.h>

SQLITE_EXTENSION_INIT3

/* Changes between two looks at the ring's size, and what they may take. */
#define RESERVE_EVERY 256
#define RESERVE_BYTES ((uint64_t)64 << 10)

/* ---------------------------------------------------------------- reading */

/* A collection of the table in the state that its store object holds. */
static int
table_base(struct table *t, int part, struct moss_snapshot **out)
{
    struct conn_store *cs = t->store;
    const char *path = table_path(t, part);
    struct pending_table *p = NULL;
    int rc = path == NULL ? SQLITE_NOMEM : declaration_check(t);

    if (rc != SQLITE_OK)
        return rc;
    rc = read_collection(cs, path, out);
    if (rc != SQLITE_OK)
        return error_report(t, rc, "moss: cannot read collection '%s'",
                            t->collection);
    if (*out != NULL)
        return SQLITE_OK;
    if (cs->active)
        p = pending_find(cs->pending, path);
    /* What async commits wrote may be lost with the process. */
    if ((p != NULL && pending_created(p)) || cs->row.async)
        return error_code(moss_snapshot_empty(cs->shared->merge, out));
    return error_report(t, SQLITE_CANTOPEN,
                        "moss: the store %s has lost the collection '%s' of"
                        " table %s",
                        shared_store_name(cs->shared), path, t->name);
}

/* The transaction's own changes to a part that has a base, or NULL. */
static struct pending_table *
own_changes(struct table *t, int part)
{
    return t->store->active
               ? pending_find(t->store->pending, table_path(t, part))
               : NULL;
}

/* The base with own changes laid over, as of now. */
static int
table_laid(struct table *t, int part, struct moss_snapshot **out)
{
    struct pending_table *p;
    struct moss_snapshot *base;
    int rc = table_base(t, part, &base);

    if (rc != SQLITE_OK)
        return rc;
    p = own_changes(t, part);
    if (p == NULL) {
        *out = base;
        return SQLITE_OK;
    }
    rc = pending_overlay(p, base, out);
    moss_snapshot_unref(base);
    return rc;
}

static int
table_state(struct table *t, struct moss_snapshot **out)
{
    int rc = t->store->active ? SQLITE_OK : read_refresh(t);

    return rc == SQLITE_OK ? table_laid(t, TABLE_ROWS, out) : rc;
}

/* The state of now, for a cursor. */
static int
sight(struct table *t, int part, struct sight *out)
{
    struct pending_table *p;
    struct moss_snapshot *base;
    int rc = table_base(t, part, &base);

    if (rc != SQLITE_OK)
        return rc;
    p = own_changes(t, part);
    if (p == NULL) {
        sight_fix(out, base);
        return SQLITE_OK;
    }
    pending_sight(p, base, out);
    moss_snapshot_unref(base);
    return SQLITE_OK;
}

int
table_sight(struct table *t, struct sight *out)
{
    int rc = table_resolve(t);

    if (rc == SQLITE_OK && !t->store->active)
        rc = read_refresh(t);
    if (rc == SQLITE_OK)
        rc = sight(t, TABLE_ROWS, out);
    if (rc == SQLITE_OK)
        t->store->open_cursors++;
    return rc;
}

uint64_t
table_version(const struct table *t)
{
    return t->store->active ? pending_version(t->store->pending) + 1 : 0;
}

int
table_index_sight(struct table *t, int i, struct sight *out)
{
    return sight(t, i, out);
}

int
table_snapshot(struct table *t, struct moss_snapshot **out)
{
    int rc;

    *out = NULL;
    rc = table_resolve(t);
    if (rc == SQLITE_OK)
        rc = table_state(t, out);
    if (rc == SQLITE_OK)
        t->store->open_cursors++;
    return rc;
}

int
table_index_snapshot(struct table *t, int i, struct moss_snapshot **out)
{
    *out = NULL;
    return table_laid(t, i, out);
}

void
table_cursor_closed(struct table *t)
{
    struct conn_store *cs = t->store;

    cs->open_cursors--;
    if (cs->open_cursors == 0 && !cs->active &&
        sqlite3_get_autocommit(cs->conn->db))
        read_drop(cs);
}

static struct moss_snapshot *
peek(struct table *t, int part)
{
    struct moss_snapshot *top = NULL, *snap = NULL;
    const char *path;

    if (t->store == NULL ||
        shared_store_newest(t->store->shared, &top) != MOSS_OK)
        return NULL;
    path = table_path(t, part);
    if (path == NULL || snapshot_at_path(top, path, &snap) != MOSS_OK)
        snap = NULL;
    moss_snapshot_unref(top);
    return snap;
}

struct moss_snapshot *
table_peek(struct table *t)
{
    return peek(t, TABLE_ROWS);
}

struct moss_snapshot *
table_index_peek(struct table *t, int i)
{
    return peek(t, i);
}

/* ---------------------------------------------------------------- writing */

static int
note_dropped(void *arg, const char *collection)
{
    struct conn_store *cs = arg;

    if (collection == NULL || *collection == '\0')
        return SQLITE_CORRUPT;
    return bytes_append(&cs->sweep, collection, strlen(collection) + 1);
}

/*
 * Once in a transaction, and only from a statement that changes rows (its
 * own count is set after what nested statements counted).
 */
static int
sweep(struct table *t, struct conn_store *cs)
{
    char *err = NULL;
    int rc;

    if (cs->swept || !atomic_load(&cs->shared->maybe_dropped))
        return SQLITE_OK;
    rc = catalog_sweep(t->conn->db, t->schema, cs->row.no, note_dropped, cs,
                       &err);
    cs->swept = rc == SQLITE_OK;
    return report_text(t, rc, &err);
}

/*
 * Make the ring large enough while changes() is not ours to set, before so
 * many changes with so many bytes: SQLite does not undo a row whose statement
 * fails.
 */
static int
reserve(struct table *t, struct conn_store *cs, size_t more, uint64_t n)
{
    struct log_ref log = conn_store_log(cs);
    uint64_t end = pending_version(cs->pending) + n, bytes;
    char *err = NULL;

    if (cs->row.async || cs->shared->memory || end < cs->reserved)
        return SQLITE_OK;
    cs->reserved = end + RESERVE_EVERY;
    /* More than that goes to a file of its own. */
    bytes = pending_bytes(cs->pending) + more;
    if (bytes > STAGE_BYTES)
        bytes = STAGE_BYTES;
    return report_text(t,
                       ring_reserve(&log, cs->shared, &cs->base,
                                    bytes + RESERVE_BYTES, &cs->capacity, &err),
                       &err);
}

/* The pending changes of t or of an index, for one more. */
static int
table_writable(struct table *t, int part, struct pending_table **out)
{
    int rc;

    *out = NULL;
    /* SQLite would not tell of a rollback to a savepoint before CREATE. */
    if (t->fresh && !sqlite3_get_autocommit(t->conn->db))
        return error_report(t, SQLITE_LOCKED,
                            "moss: table %s was declared over existing data"
                            " in this transaction: commit before changing it",
                            t->name);
    rc = txn_join(t);
    if (rc == SQLITE_OK && t->narrow)
        return error_report(t, SQLITE_READONLY,
                            "moss: the collection '%s' of table %s has columns"
                            " that database %s does not know: append them to"
                            " the table",
                            t->collection, t->name, t->store->file);
    if (rc == SQLITE_OK)
        rc = sweep(t, t->store);
    if (rc == SQLITE_OK)
        rc = table_pending(t, part, out);
    return rc;
}

int
table_reserve(struct table *t, size_t bytes, int n)
{
    struct pending_table *p;
    int rc = table_writable(t, TABLE_ROWS, &p);

    return rc == SQLITE_OK ? reserve(t, t->store, bytes, (uint64_t)n) : rc;
}

/* A row that operands of this transaction belong to. */
static int
get_merged(struct table *t, struct moss_slice key, struct moss_value *value)
{
    struct moss_snapshot *snap;
    enum moss_status st;
    int rc = table_state(t, &snap);

    if (rc != SQLITE_OK)
        return rc;
    st = moss_snapshot_get(snap, key, value);
    moss_snapshot_unref(snap); /* the pending changes still hold it */
    if (st == MOSS_NOT_FOUND)
        return SQLITE_NOTFOUND;
    return st == MOSS_OK ? SQLITE_OK : error_status(t, st, NULL, "read a row");
}

/*
 * A row of the base; p: the changes to the same collection, or NULL.  What is
 * found lies in the base, which p or the store object holds.
 */
static int
get_base(struct table *t, int part, struct pending_table *p,
         struct moss_slice key, struct moss_value *value)
{
    struct moss_snapshot *base = p == NULL ? NULL : pending_base(p);
    bool noted = base != NULL;
    enum moss_status st;
    int rc;

    if (!noted) {
        rc = table_base(t, part, &base);
        if (rc != SQLITE_OK)
            return rc;
        if (p != NULL)
            pending_note_base(p, base);
    }
    st = moss_snapshot_get(base, key, value);
    if (!noted)
        moss_snapshot_unref(base);
    if (st == MOSS_NOT_FOUND)
        return SQLITE_NOTFOUND;
    return st == MOSS_OK ? SQLITE_OK : error_status(t, st, NULL, "read a row");
}

static int
get(struct table *t, int part, struct moss_slice key, struct moss_value *value)
{
    const char *path;
    struct pending_table *p;
    enum moss_op op;
    int rc = txn_join(t);

    memset(value, 0, sizeof *value);
    if (rc != SQLITE_OK)
        return rc;
    path = table_path(t, part);
    if (path == NULL)
        return SQLITE_NOMEM;
    p = pending_find(t->store->pending, path);
    if (p != NULL && pending_get(p, key, &op, &value->bytes))
        return op == MOSS_OP_MERGE ? get_merged(t, key, value)
               : op == MOSS_OP_SET ? SQLITE_OK
                                   : SQLITE_NOTFOUND;
    return get_base(t, part, p, key, value);
}

int
table_get(struct table *t, struct moss_slice key, struct moss_value *value)
{
    return get(t, TABLE_ROWS, key, value);
}

int
table_index_get(struct table *t, int i, struct moss_slice key,
                struct moss_value *value)
{
    return get(t, i, key, value);
}

/* The last key of a snapshot. */
static int
last_of(struct table *t, struct moss_snapshot *snap, struct bytes *key)
{
    struct moss_iterator *it;
    struct moss_slice k, value;
    enum moss_status st = moss_snapshot_iterate(snap, NULL, NULL, &it);
    int rc = SQLITE_OK;

    if (st == MOSS_OK)
        st = moss_iterator_last(it);
    if (st == MOSS_OK) {
        moss_iterator_current(it, &k, &value);
        rc = bytes_append(key, k.bytes, k.len);
    }
    moss_iterator_free(it);
    if (st == MOSS_DONE)
        return SQLITE_NOTFOUND;
    return st == MOSS_OK ? rc : error_status(t, st, NULL, "read a row");
}

int
table_last(struct table *t, struct bytes *key)
{
    struct pending_table *p;
    struct moss_snapshot *snap;
    struct moss_slice last;
    int rc = table_writable(t, TABLE_ROWS, &p);

    if (rc != SQLITE_OK)
        return rc;
    if (pending_last(p, &last))
        return bytes_append(key, last.bytes, last.len);
    rc = table_state(t, &snap);
    if (rc != SQLITE_OK)
        return rc;
    rc = last_of(t, snap, key);
    moss_snapshot_unref(snap);
    if (rc == SQLITE_OK)
        pending_note_last(p, moss_slice(key->p, key->n));
    return rc;
}

static int
set(struct table *t, int part, struct moss_slice key, struct moss_slice value)
{
    struct pending_table *p;
    int rc = table_writable(t, part, &p);

    if (rc == SQLITE_OK && part == TABLE_ROWS)
        rc = reserve(t, t->store, key.len + value.len, 1);
    return rc == SQLITE_OK ? pending_set(p, key, value) : rc;
}

static int delete (struct table *t, int part, struct moss_slice key)
{
    struct pending_table *p;
    int rc = table_writable(t, part, &p);

    if (rc == SQLITE_OK && part == TABLE_ROWS)
        rc = reserve(t, t->store, key.len, 1);
    return rc == SQLITE_OK ? pending_del(p, key) : rc;
}

int
table_set(struct table *t, struct moss_slice key, struct moss_slice value)
{
    return set(t, TABLE_ROWS, key, value);
}

int
table_merge(struct table *t, struct moss_slice key, struct moss_slice operand)
{
    struct pending_table *p;
    int rc = table_writable(t, TABLE_ROWS, &p);

    if (rc == SQLITE_OK)
        rc = reserve(t, t->store, key.len + operand.len, 1);
    return rc == SQLITE_OK ? pending_merge(p, key, operand) : rc;
}

int
table_index_set(struct table *t, int i, struct moss_slice key,
                struct moss_slice value)
{
    return set(t, i, key, value);
}

int
table_delete(struct table *t, struct moss_slice key)
{
    return delete (t, TABLE_ROWS, key);
}

int
table_index_delete(struct table *t, int i, struct moss_slice key)
{
    return delete (t, i, key);
}

/* Is it there?  What is lost is not to come back as an empty collection. */
static int
find_part(struct table *t, int part)
{
    struct moss_snapshot *base;
    int rc = table_base(t, part, &base);

    if (rc == SQLITE_OK)
        moss_snapshot_unref(base);
    return rc;
}

static int
truncate_part(struct table *t, int part)
{
    struct pending_table *p;
    int rc = table_writable(t, part, &p);

    return rc == SQLITE_OK ? pending_clear(p, t->store->shared->merge) : rc;
}

int
table_truncate(struct table *t)
{
    int rc = table_reserve(t, 0, t->n_indexes + 1);

    for (int i = TABLE_ROWS; rc == SQLITE_OK && i < t->n_indexes; i++)
        rc = find_part(t, i);
    for (int i = TABLE_ROWS; rc == SQLITE_OK && i < t->n_indexes; i++)
        rc = truncate_part(t, i);
    return rc;
}
