/*
 * The module "moss": its method table, and the making and unmaking of table
 * objects.  SQLite makes one whenever it needs the table's declaration and
 * drops it with every schema change: it holds nothing that must survive.
 *
 * xConnect opens no store and fails only for lack of memory or for arguments
 * that CREATE would have refused: a table that cannot be connected to could
 * not be dropped either.
 */
#include "vtab.h"

#include <string.h>

#include "anew.h"
#include "cursor.h"
#include "found.h"
#include "plan.h"
#include "recorded.h"
#include "write.h"

static void
vtab_free(struct vtab *v)
{
    if (v == NULL)
        return;
    conn_unlist_table(&v->table);
    anew_release(v);
    cursor_free_idle(v);
    write_free_spare(v);
    found_release(v);
    sqlite3_free(v->table.schema);
    sqlite3_free(v->table.name);
    sqlite3_free(v->table.base.zErrMsg);
    sqlite3_free(v->table.children);
    sqlite3_free(v->table.index_paths);
    decl_release(&v->table.decl);
    schema_release(&v->schema);
    conn_unref(v->table.conn);
    sqlite3_free(v);
}

/*
 * Is the text of this connection's databases UTF-16?  Yes, if an authorizer
 * keeps us from asking: planning is more careful then.
 */
static int
read_encoding(sqlite3 *db, bool *utf16)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA encoding", -1, &stmt, NULL);

    *utf16 = true;
    if (rc == SQLITE_AUTH)
        return SQLITE_OK;
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);

        if (name == NULL)
            rc = SQLITE_NOMEM;
        else
            *utf16 = strcmp(name, "UTF-8") != 0;
    }
    if (rc == SQLITE_OK)
        return sqlite3_finalize(stmt);
    sqlite3_finalize(stmt);
    return rc;
}

/* Tell the seam of the indexes. */
static int
name_indexes(struct vtab *v)
{
    size_t n = (size_t)v->schema.n_indexes;
    struct table *t = &v->table;

    if (n == 0)
        return SQLITE_OK;
    t->children = sqlite3_malloc64(n * sizeof(*t->children));
    t->index_paths = sqlite3_malloc64(n * sizeof(*t->index_paths));
    if (t->children == NULL || t->index_paths == NULL)
        return SQLITE_NOMEM;
    memset(t->index_paths, 0, n * sizeof(*t->index_paths));
    for (size_t i = 0; i < n; i++)
        t->children[i] = v->schema.indexes[i].child;
    t->n_indexes = (int)n;
    return SQLITE_OK;
}

static int
read_schema(struct vtab *v, char **err)
{
    int rc;

    schema_release(&v->schema);
    rc = recorded_schema(v->table.decl.columns, v->table.decl.codec, &v->schema,
                         err);
    v->table.merges = rc == SQLITE_OK && v->schema.merges;
    return rc == SQLITE_OK ? name_indexes(v) : rc;
}

/* argv: module, schema and table name, then the arguments. */
static int
vtab_new(sqlite3 *db, struct conn *conn, int argc, const char *const *argv,
         struct vtab **out, char **err)
{
    struct vtab *v = sqlite3_malloc64(sizeof(*v));
    int rc = SQLITE_NOMEM;

    *out = NULL;
    if (v == NULL)
        return SQLITE_NOMEM;
    memset(v, 0, sizeof(*v));
    v->db = db;
    v->table.conn = conn_ref(conn);
    v->table.schema = sqlite3_mprintf("%s", argv[1]);
    v->table.name = sqlite3_mprintf("%s", argv[2]);
    if (v->table.schema != NULL && v->table.name != NULL)
        rc = decl_parse(argc - 3, argv + 3, &v->table.decl, err);
    if (rc != SQLITE_OK) {
        vtab_free(v);
        return rc;
    }
    conn_list_table(&v->table);
    *out = v;
    return SQLITE_OK;
}

/* Tell SQLite what the table is. */
static int
vtab_declare(struct vtab *v, char **err)
{
    int rc = schema_declare(&v->schema, v->table.name, err);

    if (rc == SQLITE_OK)
        rc = read_encoding(v->db, &v->utf16);
    if (rc == SQLITE_OK)
        rc = sqlite3_declare_vtab(v->db, v->schema.declaration);
    if (rc == SQLITE_OK)
        rc = sqlite3_vtab_config(v->db, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
    /* A schema from somewhere else must not make a view open a path. */
    if (rc == SQLITE_OK && v->table.decl.store != NULL)
        rc = sqlite3_vtab_config(v->db, SQLITE_VTAB_DIRECTONLY);
    return rc;
}

/* The columns are those of the catalog: some may have been appended. */
static int
read_columns(struct vtab *v, char **err)
{
    char *columns;
    int rc = table_columns(&v->table, &columns);

    if (rc == SQLITE_OK && columns != NULL)
        rc = decl_set_columns(&v->table.decl, columns);
    else if (rc != SQLITE_OK) /* as if SQLite had not read its schema */
        *err = sqlite3_mprintf("%s", sqlite3_errstr(rc));
    sqlite3_free(columns);
    return rc == SQLITE_OK ? read_schema(v, err) : rc;
}

static int
vtab_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
             sqlite3_vtab **out, char **err)
{
    struct vtab *v;
    int rc = vtab_new(db, aux, argc, argv, &v, err);

    *out = NULL;
    if (rc != SQLITE_OK)
        return rc;
    rc = read_columns(v, err);
    if (rc == SQLITE_OK)
        rc = vtab_declare(v, err);
    if (rc == SQLITE_OK)
        *out = &v->table.base;
    else
        vtab_free(v);
    return rc;
}

static int
vtab_create(sqlite3 *db, void *aux, int argc, const char *const *argv,
            sqlite3_vtab **out, char **err)
{
    struct vtab *v;
    int rc = vtab_new(db, aux, argc, argv, &v, err);

    *out = NULL;
    if (rc != SQLITE_OK)
        return rc;
    rc = read_schema(v, err);
    if (rc == SQLITE_OK)
        rc = table_create(&v->table);
    /* Of a collection that was there, the columns may come from it. */
    if (rc == SQLITE_OK && !v->table.made)
        rc = read_schema(v, err);
    if (rc == SQLITE_OK)
        rc = table_enlist(&v->table);
    if (rc == SQLITE_OK)
        rc = vtab_declare(v, err);
    if (rc == SQLITE_OK) {
        *out = &v->table.base;
        return SQLITE_OK;
    }
    if (*err == NULL) {
        *err = v->table.base.zErrMsg;
        v->table.base.zErrMsg = NULL;
    }
    table_forget(&v->table);
    vtab_free(v);
    return rc;
}

static int
vtab_disconnect(sqlite3_vtab *vtab)
{
    struct vtab *v = (struct vtab *)vtab;

    table_forget(&v->table);
    vtab_free(v);
    return SQLITE_OK;
}

static int
vtab_destroy(sqlite3_vtab *vtab)
{
    int rc = table_destroy((struct table *)vtab);

    if (rc == SQLITE_OK)
        return vtab_disconnect(vtab);
    /*
     * SQLite keeps the object, but takes no message from here: left behind,
     * it would be taken for the reason why a later COMMIT failed.
     */
    if (vtab->zErrMsg != NULL)
        sqlite3_log(rc, "%s", vtab->zErrMsg);
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg = NULL;
    return rc;
}

static int
vtab_rename(sqlite3_vtab *vtab, const char *name)
{
    return table_rename((struct table *)vtab, name);
}

const sqlite3_module moss_module = {
    .iVersion = 2,
    .xCreate = vtab_create,
    .xConnect = vtab_connect,
    .xBestIndex = plan_best_index,
    .xDisconnect = vtab_disconnect,
    .xDestroy = vtab_destroy,
    .xOpen = cursor_open,
    .xClose = cursor_close,
    .xFilter = cursor_filter,
    .xNext = cursor_next,
    .xEof = cursor_eof,
    .xColumn = cursor_column,
    .xRowid = cursor_rowid,
    .xUpdate = write_update,
    .xBegin = txn_begin,
    .xSync = txn_sync,
    .xCommit = txn_commit,
    .xRollback = txn_rollback,
    .xRename = vtab_rename,
    .xSavepoint = txn_savepoint,
    .xRelease = txn_release,
    .xRollbackTo = txn_rollback_to,
};
