/*
 * The record of a table's declaration beside its rows: a child collection of
 * the table's collection, with the entries "codec" (typed or raw) and
 * "columns" (the text of struct decl).  It is written in the transaction that
 * makes the collection and goes wherever the collection goes, so that another
 * database, which does not have the catalog, knows what the bytes are.
 *
 * Collections without it were made by Go moss or a program that uses the
 * library, and are raw; or by an older version of this extension, and are what
 * the catalog says.
 */
#include "merge.h"
#include "recorded.h"
#include "pending.h"
#include "txn.h"

#include <string.h>

SQLITE_EXTENSION_INIT3

static char *
child_path(const char *collection)
{
    return sqlite3_mprintf("%s%s" DECLARATION_CHILD, collection,
                           *collection == '\0' ? "" : "/");
}

/* A copy of an entry as text. */
static enum moss_status
read_entry(struct moss_snapshot *snap, const char *key, char **out)
{
    struct moss_value value = { 0 };
    enum moss_status st = moss_snapshot_get(snap, moss_str(key), &value);

    *out = NULL;
    if (st != MOSS_OK)
        return st;
    *out = sqlite3_malloc64(value.bytes.len + 1);
    if (*out == NULL) {
        st = MOSS_NOMEM;
    } else {
        memcpy(*out, value.bytes.bytes, value.bytes.len);
        (*out)[value.bytes.len] = '\0';
    }
    moss_value_release(&value);
    return st;
}

enum moss_status
declaration_read(struct moss_snapshot *snap, enum codec *codec, char **columns)
{
    char *text = NULL;
    enum moss_status st = read_entry(snap, "codec", &text);

    *columns = NULL;
    if (st == MOSS_OK)
        *codec = strcmp(text, "raw") == 0 ? CODEC_RAW : CODEC_TYPED;
    if (st == MOSS_OK)
        st = read_entry(snap, "columns", columns);
    sqlite3_free(text);
    return st;
}

static int
write_entry(struct pending_table *p, const char *key, const char *value)
{
    return pending_set(p, moss_str(key), moss_str(value));
}

int
declaration_write(struct table *t, const char *columns)
{
    struct pending_table *p;
    char *path = child_path(t->collection);
    int rc = path == NULL
                 ? SQLITE_NOMEM
                 : pending_open(t->store->pending, path, t->collection, &p);

    sqlite3_free(path);
    if (rc == SQLITE_OK)
        rc = write_entry(p, "codec",
                         t->decl.codec == CODEC_RAW ? "raw" : "typed");
    if (rc == SQLITE_OK)
        rc = write_entry(p, "columns", columns);
    return rc;
}

/* ------------------------------------------------------------- comparing */

static int
report_codec(struct table *t, int code, const char *collection)
{
    bool raw = t->decl.codec == CODEC_RAW;

    return error_report(t, code,
                        "moss: table %s does not fit the collection '%s': it"
                        " is %s there and %s here",
                        t->name, collection, raw ? "typed" : "raw",
                        raw ? "raw" : "typed");
}

static const char *
fit_text(enum fit fit, const char *what)
{
    if (fit == FIT_MORE)
        return "there are further columns";
    return fit == FIT_FEWER ? "there are fewer columns" : what;
}

int
declaration_attach(struct table *t, enum codec codec, const char *columns)
{
    enum fit fit;
    char *what = NULL;
    int rc;

    if (codec != t->decl.codec)
        return report_codec(t, SQLITE_ERROR, t->collection);
    if (columns == NULL)
        return SQLITE_OK;
    if (!t->decl.has_columns)
        return decl_set_columns(&t->decl, columns);
    rc = recorded_fit(columns, codec, t->decl.columns, &fit, &what);
    if (rc == SQLITE_OK && fit != FIT_SAME)
        rc = error_report(t, SQLITE_ERROR,
                          "moss: table %s does not fit the collection '%s':"
                          " %s; it was declared (%s)",
                          t->name, t->collection, fit_text(fit, what), columns);
    else
        rc = report_text(t, rc, &what);
    sqlite3_free(what);
    return rc;
}

/* What the connection sees of the record; NULL: nothing. */
static int
read_seen(struct table *t, enum codec *codec, char **columns)
{
    struct moss_snapshot *snap;
    char *path = child_path(t->collection);
    enum moss_status st;
    int rc =
        path == NULL ? SQLITE_NOMEM : read_collection(t->store, path, &snap);

    *columns = NULL;
    sqlite3_free(path);
    if (rc != SQLITE_OK || snap == NULL)
        return rc;
    st = declaration_read(snap, codec, columns);
    moss_snapshot_unref(snap);
    if (st == MOSS_OK || st == MOSS_NOT_FOUND)
        return SQLITE_OK;
    return error_status(t, st, NULL, "read the collection's declaration");
}

/* Does this transaction write the record? */
static int
is_pending(struct table *t, bool *out)
{
    char *path;

    *out = false;
    if (!t->store->active)
        return SQLITE_OK;
    path = child_path(t->collection);
    if (path == NULL)
        return SQLITE_NOMEM;
    struct pending_table *p = pending_find(t->store->pending, path);

    *out = p != NULL && pending_count(p) > 0;
    sqlite3_free(path);
    return SQLITE_OK;
}

int
declaration_operator(struct table *t)
{
    const struct shared_store *ss = t->store->shared;

    if (!t->merges || ss->merge == &merge_rows)
        return SQLITE_OK;
    if (ss->merge != NULL)
        return error_report(t, SQLITE_ERROR,
                            "moss: table %s has MERGE columns, but the merge"
                            " operator of the store %s is '%s'",
                            t->name, shared_store_name(ss), ss->merge->name);
    return error_report(t, SQLITE_BUSY,
                        "moss: table %s has MERGE columns, and the store %s was"
                        " opened without them: use it first on a connection,"
                        " when no other uses the store",
                        t->name, shared_store_name(ss));
}

int
declaration_check(struct table *t)
{
    enum codec codec;
    enum fit fit = FIT_SAME;
    char *columns, *what = NULL;
    bool pending;
    int rc;

    if (t->fits)
        return SQLITE_OK;
    rc = declaration_operator(t);
    if (rc == SQLITE_OK)
        rc = is_pending(t, &pending);
    if (rc != SQLITE_OK || pending)
        return rc;
    rc = read_seen(t, &codec, &columns);
    if (rc == SQLITE_OK && columns != NULL && codec != t->decl.codec)
        rc = report_codec(t, SQLITE_CORRUPT, t->collection);
    else if (rc == SQLITE_OK && columns != NULL)
        rc = recorded_fit(columns, codec, t->decl.columns, &fit, &what);
    if (rc != SQLITE_OK && what != NULL)
        rc = report_text(t, rc, &what);
    if (rc == SQLITE_OK && fit == FIT_NOT)
        rc = error_report(t, SQLITE_CORRUPT,
                          "moss: table %s does not fit the collection '%s': %s",
                          t->name, t->collection, what);
    t->fits = rc == SQLITE_OK;
    t->narrow = fit == FIT_MORE;
    sqlite3_free(what);
    sqlite3_free(columns);
    return rc;
}

/*
 * The record may have columns already that another database has appended: it
 * is not made shorter.
 */
static int
fits_record(struct table *t, const char *columns, bool *write)
{
    enum codec codec;
    enum fit fit = FIT_FEWER;
    char *there, *what = NULL;
    bool pending;
    int rc = is_pending(t, &pending);

    *write = true;
    if (rc != SQLITE_OK || pending)
        return rc;
    rc = read_seen(t, &codec, &there);
    if (rc == SQLITE_OK && there != NULL)
        rc = recorded_fit(there, codec, columns, &fit, &what);
    if (rc != SQLITE_OK && what != NULL)
        rc = report_text(t, rc, &what);
    if (rc == SQLITE_OK && fit == FIT_NOT)
        rc = error_report(t, SQLITE_ERROR,
                          "moss: %s: 'columns': the collection has others: %s",
                          t->name, what);
    *write = fit == FIT_FEWER;
    sqlite3_free(what);
    sqlite3_free(there);
    return rc;
}

int
declaration_extend(struct table *t, const char *columns)
{
    char *err = NULL;
    bool write;
    int rc;

    if (t->fresh && !sqlite3_get_autocommit(t->conn->db))
        return error_report(t, SQLITE_LOCKED,
                            "moss: table %s was declared over existing data"
                            " in this transaction: commit before changing it",
                            t->name);
    rc = fits_record(t, columns, &write);
    if (rc == SQLITE_OK)
        rc = report_text(t,
                         catalog_set_columns(t->conn->db, t->schema,
                                             t->store->row.no, t->collection,
                                             columns, &err),
                         &err);
    return rc == SQLITE_OK && write ? declaration_write(t, columns) : rc;
}
