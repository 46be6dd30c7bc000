/*
 * A table as the SQL half uses it: created, dropped and renamed.
 */
#include "pending.h"
#include "txn.h"

#include <string.h>

SQLITE_EXTENSION_INIT3

/* ------------------------------------------------------------ collections */

const char *
table_path(struct table *t, int part)
{
    if (part == TABLE_ROWS)
        return t->collection;
    if (t->index_paths[part] == NULL)
        t->index_paths[part] =
            sqlite3_mprintf("%s/%s", t->collection, t->children[part]);
    return t->index_paths[part];
}

int
table_pending(struct table *t, int part, struct pending_table **out)
{
    const char *path = table_path(t, part);

    *out = NULL;
    return path == NULL
               ? SQLITE_NOMEM
               : pending_open(t->store->pending, path, t->collection, out);
}

/* ----------------------------------------------------------------- create */

/*
 * A name that was never used before: what of the table's name reads well,
 * and 64 random bits.
 */
static char *
collection_name(const char *table)
{
    char text[49];
    uint64_t random;
    size_t n = 0;

    while (table[n] != '\0' && n < sizeof text - 1) {
        char c = table[n];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                     (c >= 'A' && c <= 'Z');

        text[n++] = plain ? c : '_';
    }
    text[n] = '\0';
    sqlite3_randomness((int)sizeof random, &random);
    return sqlite3_mprintf("%s~%016llx", text, random);
}

/*
 * A collection without a record is of Go moss or a program, and raw; or a
 * table's that an older version made: then the catalog lists it.
 */
static int
find_unrecorded(struct table *t, const char *path, enum codec *codec,
                char **columns)
{
    struct table_row row;
    char *err = NULL;
    int rc = catalog_find_user(t->conn->db, t->schema, t->store->row.no, path,
                               &row, &err);

    *codec = CODEC_RAW;
    if (rc == SQLITE_NOTFOUND) {
        sqlite3_free(err);
        return SQLITE_OK;
    }
    if (rc != SQLITE_OK)
        return report_text(t, rc, &err);
    *codec = row.typed ? CODEC_TYPED : CODEC_RAW;
    *columns = row.columns;
    row.columns = NULL;
    table_row_release(&row);
    return SQLITE_OK;
}

/*
 * A child of the store's newest state, or the top level, and what is recorded
 * of it.
 */
static int
find_attached(struct table *t, const char *path, enum codec *codec,
              char **columns)
{
    struct moss_snapshot *top = NULL, *at = NULL, *record = NULL;
    enum moss_status st;

    *columns = NULL;
    st = shared_store_newest(t->store->shared, &top);
    if (st == MOSS_OK)
        st = snapshot_at_path(top, path, &at);
    moss_snapshot_unref(top);
    if (st == MOSS_NOT_FOUND)
        return error_report(t, SQLITE_CANTOPEN,
                            "moss: the store %s has no collection '%s'",
                            shared_store_name(t->store->shared), path);
    if (st == MOSS_OK)
        st = moss_snapshot_child(at, moss_str(DECLARATION_CHILD), &record);
    if (st == MOSS_OK)
        st = declaration_read(record, codec, columns);
    moss_snapshot_unref(record);
    moss_snapshot_unref(at);
    if (st == MOSS_NOT_FOUND)
        return find_unrecorded(t, path, codec, columns);
    return st == MOSS_OK ? SQLITE_OK
                         : error_status(t, st, NULL, "find the collection");
}

static int
attach(struct table *t)
{
    const char *path = t->decl.collection == NULL ? "" : t->decl.collection;
    enum codec codec;
    char *columns;
    int rc;

    t->collection = sqlite3_mprintf("%s", path[0] == '/' ? path + 1 : path);
    if (t->collection == NULL)
        return SQLITE_NOMEM;
    t->fresh = true;
    rc = find_attached(t, t->collection, &codec, &columns);
    if (rc == SQLITE_OK)
        rc = declaration_attach(t, codec, columns);
    sqlite3_free(columns);
    return rc;
}

static enum moss_status
count_child(void *arg, struct moss_slice name)
{
    size_t *n = arg;

    (void)name;
    ++*n;
    return MOSS_OK;
}

/*
 * The default store of a database that lists none yet.  What stands there
 * must be empty (of a CREATE that was rolled back): never old rows.
 */
static int
check_vacant(struct table *t, struct shared_store *ss)
{
    struct moss_snapshot *snap;
    struct moss_tag tag;
    uint64_t entries = 0, bytes = 0;
    size_t children = 0;
    enum moss_status st;

    st = shared_store_newest(ss, &snap);
    if (st != MOSS_OK)
        return error_status(t, st, NULL, "look at the store");
    tag = moss_snapshot_tag(snap);
    st = moss_snapshot_children(snap, count_child, &children);
    if (st == MOSS_OK)
        st = moss_snapshot_estimate(snap, NULL, NULL, &entries, &bytes);
    moss_snapshot_unref(snap);
    if (st != MOSS_OK)
        return error_status(t, st, NULL, "look at the store");
    if (tag.n == 0 && children == 0 && entries == 0)
        return SQLITE_OK;
    return error_report(t, SQLITE_CANTOPEN,
                        "moss: %s holds the store of a database that is gone:"
                        " remove it, or name another with store=",
                        ss->dir);
}

/* A store that the catalog does not list yet. */
static int
add_store(struct table *t, struct store_row *row)
{
    struct moss_store_identity identity;
    struct moss_snapshot *newest;
    char *err = NULL;
    bool create =
        row->is_default || row->path == NULL || t->decl.codec == CODEC_TYPED;
    int rc;

    sqlite3_randomness(STORE_ID_BYTES, row->id);
    /* Number 0 is no store's; the row gets its own below. */
    rc = conn_store_open(t, row, create && t->decl.collection == NULL,
                         &t->store);
    if (rc != SQLITE_OK)
        return rc;
    if (!t->store->shared->memory) {
        moss_store_identity(t->store->shared->store, &identity);
        /* A store of Go moss gets our id with its first write. */
        for (int i = 0; i < STORE_ID_BYTES; i++)
            if (identity.store_id[i] != 0) {
                memcpy(row->id, identity.store_id, STORE_ID_BYTES);
                break;
            }
        if (row->is_default)
            rc = check_vacant(t, t->store->shared);
    }
    if (rc == SQLITE_OK)
        rc = error_code(shared_store_newest(t->store->shared, &newest));
    if (rc != SQLITE_OK)
        return rc;
    /* One whose home is gone is taken over as it is. */
    rc = report_text(t,
                     catalog_add_store(t->conn->db, t->schema, row,
                                       moss_snapshot_tag(newest), &err),
                     &err);
    moss_snapshot_unref(newest);
    if (rc != SQLITE_OK)
        return rc;
    memcpy(t->store->row.id, row->id, STORE_ID_BYTES);
    t->store->row.no = row->no;
    return SQLITE_OK;
}

/*
 * A store that no table uses and that somebody has removed is made anew: its
 * log begins again, too.
 */
static int
restart_log(struct table *t, struct conn_store *cs)
{
    struct log_ref log = conn_store_log(cs);
    struct moss_snapshot *newest;
    struct marker m;
    char *err = NULL;
    int rc;

    if (cs->row.async || cs->shared->memory || cs->shared->readonly)
        return SQLITE_OK;
    rc = report_text(t, log_read_marker(&log, &m, &err), &err);
    if (rc == SQLITE_OK)
        rc = error_code(shared_store_newest(cs->shared, &newest));
    if (rc != SQLITE_OK)
        return rc;
    bool is_new = moss_snapshot_tag(newest).n == 0 && m.tag.n > 0;

    moss_snapshot_unref(newest);
    if (!is_new)
        return SQLITE_OK;
    rc = check_vacant(t, cs->shared);
    if (rc != SQLITE_OK)
        return rc;
    m.tag = (struct moss_tag){ 0, 0 };
    m.prev_id = 0;
    m.last = (struct log_place){ 0, 0, 0 };
    return report_text(t, log_write_marker(&log, &m, &err), &err);
}

/* A store that the catalog lists. */
static int
use_store(struct table *t, const struct store_row *row)
{
    char *err = NULL;
    bool used;
    int rc = report_text(
        t, catalog_store_is_used(t->conn->db, t->schema, row->no, &used, &err),
        &err);

    if (rc == SQLITE_OK)
        rc = conn_store_open(t, row, row->is_default && !used, &t->store);
    if (rc != SQLITE_OK || used)
        return rc;
    return restart_log(t, t->store);
}

/* Options that the table gives must be those of the store, or new ones. */
static int
tune_store(struct table *t, struct store_row *row)
{
    enum tuning_option other = tuning_conflict(&row->tuning, &t->decl.tuning);
    char *err = NULL;

    if (other != TUNE_N)
        return error_report(t, SQLITE_ERROR,
                            "moss: %s=%.15g: it belongs to the store, where"
                            " an earlier table has set it to %.15g",
                            tuning_name(other), t->decl.tuning.value[other],
                            row->tuning.value[other]);
    if (!tuning_extend(&row->tuning, &t->decl.tuning))
        return SQLITE_OK;
    return report_text(t, catalog_tune_store(t->conn->db, t->schema, row, &err),
                       &err);
}

/* Find or make the store that the declaration asks for. */
static int
create_store(struct table *t)
{
    sqlite3 *db = t->conn->db;
    bool memory = schema_is_memory(db, t->schema);
    struct store_row row;
    const char *path = t->decl.store;
    bool async;
    char *err = NULL;
    int rc;

    if (path == NULL && !memory)
        path = "";                         /* beside the database file */
    async = t->decl.async && path != NULL; /* memory has no disk to wait for */
    rc = catalog_find_store(db, t->schema, path, async, &row, &err);
    if (rc == SQLITE_OK) {
        rc = tune_store(t, &row);
        if (rc == SQLITE_OK)
            rc = use_store(t, &row);
    } else if (rc == SQLITE_NOTFOUND) {
        memset(&row, 0, sizeof row);
        row.async = async;
        row.tuning = t->decl.tuning;
        row.is_default = path != NULL && path[0] == '\0';
        row.path = path == NULL ? NULL : sqlite3_mprintf("%s", path);
        rc = path != NULL && row.path == NULL ? SQLITE_NOMEM
                                              : add_store(t, &row);
    } else {
        rc = report_text(t, rc, &err);
    }
    store_row_release(&row);
    return rc;
}

int
table_create(struct table *t)
{
    bool exists;
    char *err = NULL;
    int rc = report_text(
        t, catalog_exists(t->conn->db, t->schema, &exists, &err), &err);

    err = NULL;
    t->writes = true; /* xBegin does not come before the next transaction */
    if (rc == SQLITE_OK && !exists)
        rc = report_text(t, catalog_create(t->conn->db, t->schema, &err), &err);
    if (rc == SQLITE_OK)
        rc = create_store(t);
    if (rc != SQLITE_OK)
        return rc;
    if (t->decl.collection != NULL ||
        (t->decl.store != NULL && t->decl.codec == CODEC_RAW))
        return attach(t);
    t->collection = collection_name(t->name);
    t->made = true;
    return t->collection == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

int
table_need_merge(struct table *t)
{
    struct conn_store *cs = t->store;
    struct store_row row;
    char *err = NULL;
    int rc = declaration_operator(t);

    if (rc != SQLITE_OK || cs->row.is_default || cs->row.path == NULL)
        return rc;
    rc = catalog_store(t->conn->db, t->schema, cs->row.no, &row, &err);
    if (rc == SQLITE_OK && !row.merges) {
        row.merges = true;
        rc = catalog_tune_store(t->conn->db, t->schema, &row, &err);
    }
    store_row_release(&row);
    return report_text(t, rc, &err);
}

/* A collection that begins with this transaction, empty. */
static int
mark_created(struct table *t, int part)
{
    struct pending_table *pending;
    int rc = table_pending(t, part, &pending);

    if (rc == SQLITE_OK)
        pending_mark_created(pending);
    return rc;
}

int
table_enlist(struct table *t)
{
    struct table_row row = {
        .store = t->store->row.no,
        .collection = t->collection,
        .made = t->made,
        .typed = t->decl.codec == CODEC_TYPED,
        .columns = t->decl.columns,
    };
    char *err = NULL;
    int rc = t->merges ? table_need_merge(t) : SQLITE_OK;

    if (rc != SQLITE_OK)
        return rc;
    if (!t->made && t->n_indexes > 0)
        return error_report(t, SQLITE_ERROR,
                            "moss: INDEX and UNIQUE cannot be declared over an"
                            " existing collection");
    rc = report_text(
        t, catalog_add_table(t->conn->db, t->schema, t->name, &row, &err),
        &err);
    if (rc != SQLITE_OK || !t->made)
        return rc;
    rc = txn_join(t);
    if (rc != SQLITE_OK)
        return rc;
    t->store->ddl = true;
    rc = mark_created(t, TABLE_ROWS);
    for (int i = 0; rc == SQLITE_OK && i < t->n_indexes; i++)
        rc = mark_created(t, i);
    if (rc != SQLITE_OK)
        return rc;
    return declaration_write(t, t->decl.columns);
}

/*
 * Does the declaration say all columns?  Not if they came with a collection,
 * nor, perhaps, if some were appended.
 */
static bool
is_declared_whole(struct table *t)
{
    bool attached = t->decl.collection != NULL || t->decl.store != NULL;

    return (t->decl.has_columns || !attached) &&
           !catalog_has_appended(t->conn->db, t->schema);
}

int
table_columns(struct table *t, char **out)
{
    struct table_row row;
    bool exists;
    char *err = NULL;
    int rc;

    *out = NULL;
    if (is_declared_whole(t))
        return SQLITE_OK;
    rc = catalog_exists(t->conn->db, t->schema, &exists, &err);
    if (rc == SQLITE_OK && exists)
        rc = catalog_find_table(t->conn->db, t->schema, t->name, &row, &err);
    sqlite3_free(err);
    if (rc == SQLITE_OK && exists) {
        *out = row.columns;
        row.columns = NULL;
        table_row_release(&row);
    }
    /*
     * What else can go wrong is said when the table is used.  After
     * SQLITE_SCHEMA the statement that wants the table finds that out, too,
     * and begins anew.
     */
    return rc == SQLITE_NOMEM || rc == SQLITE_INTERRUPT ||
                   (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED ||
                   (rc & 0xff) == SQLITE_IOERR
               ? rc
               : SQLITE_OK;
}

/* -------------------------------------------------------- drop and rename */

static bool
has_changes(const struct table *t)
{
    const struct pending_table *p =
        pending_find(t->store->pending, t->collection);

    return p != NULL && (pending_cleared(p) || pending_count(p) > 0);
}

int
table_destroy(struct table *t)
{
    struct conn_store *cs = t->store;
    bool exists;
    char *err = NULL;
    int rc;

    if (t->joined && cs->participants == 1 && pending_is_kept(cs->pending))
        return error_report(t, SQLITE_LOCKED,
                            "moss: table %s has changes that a savepoint may"
                            " bring back: release it, then drop the table",
                            t->name);
    if (t->joined && !t->made && has_changes(t))
        return error_report(t, SQLITE_LOCKED,
                            "moss: table %s has changes to a collection that"
                            " stays: commit, then drop the table",
                            t->name);
    rc = report_text(t, catalog_exists(t->conn->db, t->schema, &exists, &err),
                     &err);
    err = NULL;
    if (rc == SQLITE_OK && exists)
        rc = catalog_drop_table(t->conn->db, t->schema, t->name, &err);
    /* A catalog that is damaged lists nothing, and must not hold up DROP. */
    if (rc == SQLITE_CORRUPT)
        rc = SQLITE_OK;
    if (rc != SQLITE_OK)
        return report_text(t, rc, &err);
    sqlite3_free(err);
    rc = txn_take_back(t);
    if (rc != SQLITE_OK)
        return rc;
    if (cs != NULL) {
        cs->ddl = true;
        atomic_store(&cs->shared->maybe_dropped, true);
    }
    txn_leave(t);
    return SQLITE_OK;
}

int
table_rename(struct table *t, const char *name)
{
    char *err = NULL;

    return report_text(
        t, catalog_rename_table(t->conn->db, t->schema, t->name, name, &err),
        &err);
}

void
table_forget(struct table *t)
{
    txn_leave(t);
    for (int i = 0; i < t->n_indexes; i++) {
        sqlite3_free(t->index_paths[i]);
        t->index_paths[i] = NULL;
    }
    sqlite3_free(t->collection);
    t->collection = NULL;
    t->store = NULL;
}
