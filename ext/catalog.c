/*
 * The catalog: table _moss_catalog in each database file that has moss
 * tables.  It says which stores the database uses, and for each moss table
 * its store and collection.  It is written by plain SQL inside the user's
 * transaction, so DDL on moss tables is transactional because SQLite is.
 *
 *   kind     name            store  object               detail
 *   store    path or NULL    no     id in hex            default, async,
 *                                                        merges, options
 *   table    table name      no     collection's path    made, typed; after a
 *                                                        line feed the columns
 *   dropped  NULL            no     collection's path
 *
 * A further column, "appended", has no values.  It is there if columns were
 * ever appended to a table.
 *
 * A collection that CREATE made is not deleted by DROP, but listed as
 * dropped; the next writing transaction on its store deletes it in the same
 * batch and transaction that unlists it.  So a DROP that is rolled back has
 * lost nothing, and nothing is ever deleted that this database did not make.
 */
#include "txn.h"

#include <string.h>

SQLITE_EXTENSION_INIT3

#define CATALOG "\"%w\"._moss_catalog"

/* A column without values, see catalog_has_appended(). */
#define APPENDED "appended"

/* --------------------------------------------------------------- running */

/* The connection's last_insert_rowid() survives what runs between these. */
struct quiet {
    sqlite3 *db;
    sqlite3_int64 rowid;
};

static struct quiet
quiet_begin(sqlite3 *db)
{
    struct quiet q = { db, sqlite3_last_insert_rowid(db) };

    return q;
}

static int
quiet_end(struct quiet q, int rc)
{
    sqlite3_set_last_insert_rowid(q.db, q.rowid);
    return rc;
}

/* SQLITE_ERROR means that the catalog is not the table that we made. */
static int
catalog_failure(sqlite3 *db, const char *schema, int rc, char **err)
{
    if (rc == SQLITE_OK || rc == SQLITE_NOMEM)
        return rc;
    if (*err == NULL)
        *err = sqlite3_mprintf("moss: catalog %s._moss_catalog: %s", schema,
                               sqlite3_errmsg(db));
    return rc == SQLITE_ERROR ? SQLITE_CORRUPT : rc;
}

/* Prepare an mprintf'd statement; the format has the schema first. */
static int
catalog_prepare(sqlite3 *db, const char *schema, char *sql, sqlite3_stmt **out,
                char **err)
{
    int rc;

    *out = NULL;
    if (sql == NULL)
        return SQLITE_NOMEM;
    rc = sqlite3_prepare_v2(db, sql, -1, out, NULL);
    sqlite3_free(sql);
    return catalog_failure(db, schema, rc, err);
}

/* Run a statement that gives no row. */
static int
catalog_run(sqlite3 *db, const char *schema, char *sql, char **err)
{
    struct quiet q = quiet_begin(db);
    sqlite3_stmt *stmt;
    int rc = catalog_prepare(db, schema, sql, &stmt, err);

    if (rc != SQLITE_OK)
        return rc;
    (void)sqlite3_step(stmt);
    rc = catalog_failure(db, schema, sqlite3_finalize(stmt), err);
    return quiet_end(q, rc);
}

/*
 * Finish a query.  step is what its last sqlite3_step() gave; found says
 * whether the row that was wanted has been read.
 */
static int
catalog_finish(sqlite3 *db, const char *schema, sqlite3_stmt *stmt, bool found,
               char **err)
{
    int rc = catalog_failure(db, schema, sqlite3_finalize(stmt), err);

    return rc == SQLITE_OK && !found ? SQLITE_NOTFOUND : rc;
}

static char *
column_dup(sqlite3_stmt *stmt, int i)
{
    const char *text = (const char *)sqlite3_column_text(stmt, i);

    return sqlite3_mprintf("%s", text == NULL ? "" : text);
}

/* Does the comma-separated first line of text list word? */
static bool
lists(const char *text, const char *word)
{
    size_t n = strlen(word);

    while (text != NULL && *text != '\0' && *text != '\n') {
        size_t m = strcspn(text, ",\n");

        if (m == n && memcmp(text, word, n) == 0)
            return true;
        text += text[m] == ',' ? m + 1 : m;
    }
    return false;
}

/* ------------------------------------------------------------ the table */

int
catalog_exists(sqlite3 *db, const char *schema, bool *out, char **err)
{
    sqlite3_stmt *stmt;
    int rc = catalog_prepare(
        db, schema,
        sqlite3_mprintf("SELECT 1 FROM \"%w\".sqlite_schema"
                        " WHERE type = 'table' AND name = '_moss_catalog'",
                        schema),
        &stmt, err);

    *out = false;
    if (rc != SQLITE_OK)
        return rc;
    *out = sqlite3_step(stmt) == SQLITE_ROW;
    return catalog_failure(db, schema, sqlite3_finalize(stmt), err);
}

int
catalog_create(sqlite3 *db, const char *schema, char **err)
{
    return catalog_run(db, schema,
                       sqlite3_mprintf("CREATE TABLE " CATALOG
                                       "(kind TEXT, name TEXT COLLATE NOCASE,"
                                       " store INTEGER, object TEXT,"
                                       " detail TEXT)",
                                       schema),
                       err);
}

/* --------------------------------------------------------------- tables */

void
table_row_release(struct table_row *row)
{
    sqlite3_free(row->collection);
    sqlite3_free(row->columns);
    memset(row, 0, sizeof *row);
}

/* The row a statement over (store, object, detail) stands on. */
static int
table_row_read(sqlite3_stmt *stmt, struct table_row *out)
{
    const char *detail = (const char *)sqlite3_column_text(stmt, 2);
    const char *columns = detail == NULL ? NULL : strchr(detail, '\n');

    /* Not the top-level collection, whose path is empty. */
    if (sqlite3_column_type(stmt, 1) != SQLITE_TEXT)
        return SQLITE_CORRUPT;
    out->store = sqlite3_column_int(stmt, 0);
    out->made = lists(detail, "made");
    out->typed = lists(detail, "typed");
    if (columns != NULL) {
        out->columns = sqlite3_mprintf("%s", columns + 1);
        if (out->columns == NULL)
            return SQLITE_NOMEM;
    }
    out->collection = column_dup(stmt, 1);
    return out->collection == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

/* The first table row that an mprintf'd query gives. */
static int
table_query(sqlite3 *db, const char *schema, char *sql, struct table_row *out,
            char **err)
{
    sqlite3_stmt *stmt;
    bool found;
    int read = SQLITE_OK;
    int rc;

    memset(out, 0, sizeof *out);
    rc = catalog_prepare(db, schema, sql, &stmt, err);
    if (rc != SQLITE_OK)
        return rc;
    found = sqlite3_step(stmt) == SQLITE_ROW;
    if (found)
        read = table_row_read(stmt, out);
    rc = catalog_finish(db, schema, stmt, found, err);
    if (rc == SQLITE_OK)
        rc = read;
    if (rc == SQLITE_CORRUPT && *err == NULL)
        *err = sqlite3_mprintf("moss: %s._moss_catalog: bad table row", schema);
    if (rc != SQLITE_OK)
        table_row_release(out);
    return rc;
}

int
catalog_find_table(sqlite3 *db, const char *schema, const char *name,
                   struct table_row *out, char **err)
{
    return table_query(db, schema,
                       sqlite3_mprintf("SELECT store, object, detail"
                                       " FROM " CATALOG " WHERE kind = 'table'"
                                       " AND name = %Q",
                                       schema, name),
                       out, err);
}

int
catalog_find_user(sqlite3 *db, const char *schema, int store,
                  const char *collection, struct table_row *out, char **err)
{
    return table_query(db, schema,
                       sqlite3_mprintf("SELECT store, object, detail"
                                       " FROM " CATALOG " WHERE kind = 'table'"
                                       " AND store = %d AND object = %Q",
                                       schema, store, collection),
                       out, err);
}

int
catalog_add_table(sqlite3 *db, const char *schema, const char *name,
                  const struct table_row *row, char **err)
{
    return catalog_run(
        db, schema,
        sqlite3_mprintf(
            "INSERT INTO " CATALOG "(kind, name, store, object, detail)"
            " VALUES('table', %Q, %d, %Q, '%s,%s' || char(10) || %Q)",
            schema, name, row->store, row->collection,
            row->made ? "made" : "attached", row->typed ? "typed" : "raw",
            row->columns),
        err);
}

bool
catalog_has_appended(sqlite3 *db, const char *schema)
{
    return sqlite3_table_column_metadata(db, schema, "_moss_catalog", APPENDED,
                                         NULL, NULL, NULL, NULL,
                                         NULL) == SQLITE_OK;
}

int
catalog_mark_appended(sqlite3 *db, const char *schema, char **err)
{
    return catalog_run(
        db, schema,
        sqlite3_mprintf("ALTER TABLE " CATALOG " ADD COLUMN " APPENDED, schema),
        err);
}

int
catalog_set_columns(sqlite3 *db, const char *schema, int store,
                    const char *collection, const char *columns, char **err)
{
    return catalog_run(
        db, schema,
        sqlite3_mprintf("UPDATE " CATALOG " SET detail = substr(detail, 1,"
                        " instr(detail || char(10), char(10)) - 1)"
                        " || char(10) || %Q"
                        " WHERE kind = 'table' AND store = %d AND object = %Q",
                        schema, columns, store, collection),
        err);
}

int
catalog_drop_table(sqlite3 *db, const char *schema, const char *name,
                   char **err)
{
    int rc = catalog_run(db, schema,
                         sqlite3_mprintf("UPDATE " CATALOG
                                         " SET kind = 'dropped', name = NULL"
                                         " WHERE kind = 'table' AND name = %Q"
                                         " AND detail LIKE 'made,%%'",
                                         schema, name),
                         err);

    if (rc == SQLITE_OK)
        rc = catalog_run(db, schema,
                         sqlite3_mprintf("DELETE FROM " CATALOG
                                         " WHERE kind = 'table'"
                                         " AND name = %Q",
                                         schema, name),
                         err);
    return rc;
}

int
catalog_rename_table(sqlite3 *db, const char *schema, const char *from,
                     const char *to, char **err)
{
    return catalog_run(db, schema,
                       sqlite3_mprintf("UPDATE " CATALOG " SET name = %Q"
                                       " WHERE kind = 'table' AND name = %Q",
                                       schema, to, from),
                       err);
}

int
catalog_store_is_used(sqlite3 *db, const char *schema, int store, bool *out,
                      char **err)
{
    sqlite3_stmt *stmt;
    int rc = catalog_prepare(db, schema,
                             sqlite3_mprintf("SELECT 1 FROM " CATALOG
                                             " WHERE kind = 'table'"
                                             " AND store = %d",
                                             schema, store),
                             &stmt, err);

    *out = true;
    if (rc != SQLITE_OK)
        return rc;
    *out = sqlite3_step(stmt) == SQLITE_ROW;
    return catalog_failure(db, schema, sqlite3_finalize(stmt), err);
}

int
catalog_uses(sqlite3 *db, const char *schema, int store, const char *collection,
             bool *out, char **err)
{
    sqlite3_stmt *stmt;
    int rc = catalog_exists(db, schema, out, err);

    if (rc != SQLITE_OK || !*out)
        return rc;
    rc = catalog_prepare(db, schema,
                         sqlite3_mprintf("SELECT 1 FROM " CATALOG
                                         " WHERE kind = 'table'"
                                         " AND store = %d AND object = %Q",
                                         schema, store, collection),
                         &stmt, err);
    if (rc != SQLITE_OK)
        return rc;
    *out = sqlite3_step(stmt) == SQLITE_ROW;
    return catalog_failure(db, schema, sqlite3_finalize(stmt), err);
}

int
catalog_sweep(sqlite3 *db, const char *schema, int store,
              int (*each)(void *arg, const char *collection), void *arg,
              char **err)
{
    sqlite3_stmt *stmt;
    bool any = false;
    int called = SQLITE_OK;
    int rc = catalog_prepare(db, schema,
                             sqlite3_mprintf("SELECT object FROM " CATALOG
                                             " WHERE kind = 'dropped'"
                                             " AND store = %d",
                                             schema, store),
                             &stmt, err);

    if (rc != SQLITE_OK)
        return rc;
    while (called == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        any = true;
        called = each(arg, (const char *)sqlite3_column_text(stmt, 0));
    }
    rc = catalog_failure(db, schema, sqlite3_finalize(stmt), err);
    if (rc == SQLITE_OK)
        rc = called;
    if (rc != SQLITE_OK || !any)
        return rc;
    return catalog_run(db, schema,
                       sqlite3_mprintf("DELETE FROM " CATALOG
                                       " WHERE kind = 'dropped'"
                                       " AND store = %d",
                                       schema, store),
                       err);
}

/* --------------------------------------------------------------- stores */

void
store_row_release(struct store_row *row)
{
    sqlite3_free(row->path);
    memset(row, 0, sizeof *row);
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static bool
id_from_hex(const char *hex, uint8_t id[STORE_ID_BYTES])
{
    if (hex == NULL || strlen(hex) != 2 * STORE_ID_BYTES)
        return false;
    for (size_t i = 0; i < STORE_ID_BYTES; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        id[i] = (uint8_t)(16 * high + low);
    }
    return true;
}

static void
id_to_hex(const uint8_t id[STORE_ID_BYTES], char out[2 * STORE_ID_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < STORE_ID_BYTES; i++) {
        out[2 * i] = digits[id[i] >> 4];
        out[2 * i + 1] = digits[id[i] & 15];
    }
    out[2 * STORE_ID_BYTES] = '\0';
}

/* The options, which follow the first two words. */
static bool
read_tuning(const char *detail, struct tuning *out)
{
    const char *p = detail == NULL ? NULL : strchr(detail, ',');

    if (p != NULL)
        p = strchr(p + 1, ',');
    if (p != NULL && lists(p + 1, "merges"))
        p += strcspn(p + 1, ",") + 1;
    return tuning_parse(p == NULL ? "" : p, out);
}

/* The row a statement over (store, name, object, detail) stands on. */
static int
store_row_read(sqlite3_stmt *stmt, struct store_row *out)
{
    const char *detail = (const char *)sqlite3_column_text(stmt, 3);

    out->no = sqlite3_column_int(stmt, 0);
    out->async = lists(detail, "async");
    out->is_default = lists(detail, "default");
    out->merges = lists(detail, "merges");
    if (!read_tuning(detail, &out->tuning))
        return SQLITE_CORRUPT;
    if (!id_from_hex((const char *)sqlite3_column_text(stmt, 2), out->id))
        return SQLITE_CORRUPT;
    if (sqlite3_column_type(stmt, 1) == SQLITE_NULL)
        return SQLITE_OK;
    out->path = column_dup(stmt, 1);
    return out->path == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

/* The one store row that an mprintf'd query gives. */
static int
store_query(sqlite3 *db, const char *schema, char *sql, struct store_row *out,
            char **err)
{
    sqlite3_stmt *stmt;
    bool found;
    int read = SQLITE_OK;
    int rc;

    memset(out, 0, sizeof *out);
    rc = catalog_prepare(db, schema, sql, &stmt, err);
    if (rc != SQLITE_OK)
        return rc;
    found = sqlite3_step(stmt) == SQLITE_ROW;
    if (found)
        read = store_row_read(stmt, out);
    rc = catalog_finish(db, schema, stmt, found, err);
    if (rc == SQLITE_OK)
        rc = read;
    if (rc == SQLITE_CORRUPT && *err == NULL)
        *err = sqlite3_mprintf("moss: %s._moss_catalog: bad store row", schema);
    if (rc != SQLITE_OK)
        store_row_release(out);
    return rc;
}

int
catalog_store(sqlite3 *db, const char *schema, int no, struct store_row *out,
              char **err)
{
    return store_query(db, schema,
                       sqlite3_mprintf("SELECT store, name, object, detail"
                                       " FROM " CATALOG
                                       " WHERE kind = 'store' AND store = %d",
                                       schema, no),
                       out, err);
}

int
catalog_find_store(sqlite3 *db, const char *schema, const char *path,
                   bool async, struct store_row *out, char **err)
{
    return store_query(
        db, schema,
        sqlite3_mprintf("SELECT store, name, object, detail FROM " CATALOG
                        " WHERE kind = 'store' AND name IS %Q COLLATE BINARY"
                        " AND detail || ',' LIKE '%%,%s,%%'",
                        schema, path, async ? "async" : "full"),
        out, err);
}

static int
next_store_no(sqlite3 *db, const char *schema, int *out, char **err)
{
    sqlite3_stmt *stmt;
    int rc = catalog_prepare(
        db, schema,
        sqlite3_mprintf("SELECT ifnull(max(store), 0) + 1 FROM " CATALOG
                        " WHERE kind = 'store'",
                        schema),
        &stmt, err);

    *out = 1;
    if (rc != SQLITE_OK)
        return rc;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        *out = sqlite3_column_int(stmt, 0);
    return catalog_failure(db, schema, sqlite3_finalize(stmt), err);
}

static char *
store_detail(const struct store_row *row)
{
    char *options = tuning_text(&row->tuning);

    return options == NULL
               ? NULL
               : sqlite3_mprintf("%s,%s%s%z",
                                 row->is_default ? "default" : "attached",
                                 row->async ? "async" : "full",
                                 row->merges ? ",merges" : "", options);
}

int
catalog_tune_store(sqlite3 *db, const char *schema, const struct store_row *row,
                   char **err)
{
    char *detail = store_detail(row);
    int rc;

    if (detail == NULL)
        return SQLITE_NOMEM;
    rc = catalog_run(db, schema,
                     sqlite3_mprintf("UPDATE " CATALOG " SET detail = %Q"
                                     " WHERE kind = 'store' AND store = %d",
                                     schema, detail, row->no),
                     err);
    sqlite3_free(detail);
    return rc;
}

int
catalog_add_store(sqlite3 *db, const char *schema, struct store_row *row,
                  struct moss_tag start, char **err)
{
    char hex[2 * STORE_ID_BYTES + 1];
    struct log_ref log = { db, schema, 0 };
    char *detail;
    int rc = next_store_no(db, schema, &row->no, err);

    if (rc != SQLITE_OK)
        return rc;
    id_to_hex(row->id, hex);
    detail = store_detail(row);
    if (detail == NULL)
        return SQLITE_NOMEM;
    rc = catalog_run(db, schema,
                     sqlite3_mprintf("INSERT INTO " CATALOG
                                     "(kind, name, store, object, detail)"
                                     " VALUES('store', %Q, %d, '%s', %Q)",
                                     schema, row->path, row->no, hex, detail),
                     err);
    sqlite3_free(detail);
    if (rc != SQLITE_OK || row->async)
        return rc;
    log.store = row->no;
    return log_create(&log, row->id, start, err);
}
