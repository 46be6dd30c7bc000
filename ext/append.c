/*
 * The command 'columns': append columns to a table.  Rows are not touched: a
 * record that ends before a column has its DEFAULT there.
 *
 * What SQLite knows of the table comes from xConnect, which reads the catalog
 * if that is marked; the statement in sqlite_schema stays as it was.  So all
 * connections have to connect anew: the mark, later a view that is made and
 * dropped, changes the schema's version, which makes the others do it, before
 * their next statement; this one does it when it is told to forget its schema.
 */
#include "command.h"
#include "recorded.h"
#include "txn.h"

#include <string.h>

static int
refuse(struct vtab *v, const char *what)
{
    return error_report(&v->table, SQLITE_ERROR, "moss: %s: 'columns': %s",
                        v->table.name, what);
}

/* A column that older rows lack. */
static int
check_column(struct vtab *v, const struct column *c)
{
    if (c->default_text != NULL && c->fallback == NULL)
        return error_report(&v->table, SQLITE_ERROR,
                            "moss: %s: 'columns': the DEFAULT of column %s is"
                            " not constant",
                            v->table.name, c->name);
    if (c->not_null &&
        (c->fallback == NULL || sqlite3_value_type(c->fallback) == SQLITE_NULL))
        return error_report(&v->table, SQLITE_ERROR,
                            "moss: %s: 'columns': column %s is NOT NULL and"
                            " wants a DEFAULT that is not NULL",
                            v->table.name, c->name);
    return SQLITE_OK;
}

/* Does the declaration say the same as the table's, and more? */
static int
check_columns(struct vtab *v, const struct schema *next)
{
    enum fit fit;
    char *what;
    int rc = recorded_compare(&v->schema, next, &fit, &what);

    if (rc == SQLITE_OK && fit == FIT_SAME)
        rc = refuse(v, "no column is appended");
    else if (rc == SQLITE_OK && fit == FIT_MORE)
        rc = refuse(v, "the declaration lacks columns of the table: they are"
                       " repeated, and others follow");
    else if (rc == SQLITE_OK && fit == FIT_NOT)
        rc = error_report(&v->table, SQLITE_ERROR,
                          "moss: %s: 'columns': what the table has stays as it"
                          " is: %s",
                          v->table.name, what);
    sqlite3_free(what);
    for (int i = v->schema.n; rc == SQLITE_OK && i < next->n; i++)
        rc = check_column(v, &next->columns[i]);
    return rc;
}

static int
run(struct vtab *v, char *sql)
{
    char *err = NULL;
    int rc =
        sql == NULL ? SQLITE_NOMEM : sqlite3_exec(v->db, sql, NULL, NULL, &err);

    sqlite3_free(sql);
    if (rc != SQLITE_OK && err != NULL)
        rc = error_report(&v->table, rc, "moss: %s: 'columns': %s",
                          v->table.name, err);
    sqlite3_free(err);
    return rc;
}

/*
 * Change the schema's version in the database file.  The first time, the mark
 * in the catalog does it.
 */
static int
change_schema(struct vtab *v)
{
    uint64_t random;
    char *err = NULL;
    int rc;

    if (!catalog_has_appended(v->db, v->table.schema)) {
        rc = catalog_mark_appended(v->db, v->table.schema, &err);
        return report_text(&v->table, rc, &err);
    }
    sqlite3_randomness((int)sizeof(random), &random);
    rc = run(v, sqlite3_mprintf("CREATE VIEW \"%w\"._moss_%016llx AS SELECT 1",
                                v->table.schema, random));
    if (rc == SQLITE_OK)
        rc = run(v, sqlite3_mprintf("DROP VIEW \"%w\"._moss_%016llx",
                                    v->table.schema, random));
    return rc;
}

/*
 * Forget the schema of this connection.  The pragma turns writable_schema off
 * on its way.
 */
static int
forget_schema(struct vtab *v)
{
    int writable = 0;
    int rc = sqlite3_db_config(v->db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, -1,
                               &writable);

    if (rc == SQLITE_OK)
        rc = run(v, sqlite3_mprintf("PRAGMA writable_schema = RESET"));
    if (rc == SQLITE_OK && writable)
        rc = sqlite3_db_config(v->db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL);
    return rc;
}

/* Parse arg; *columns is what is to be recorded. */
static int
read_declaration(struct vtab *v, sqlite3_value *arg, char **columns,
                 struct schema *next)
{
    const char *text = (const char *)sqlite3_value_text(arg);
    char *err = NULL;
    int rc;

    memset(next, 0, sizeof(*next));
    *columns = NULL;
    if (sqlite3_value_type(arg) != SQLITE_TEXT)
        return refuse(v, "the argument is the text of all columns");
    if (text != NULL)
        *columns = decl_text(text);
    if (*columns == NULL)
        return SQLITE_NOMEM;
    rc = recorded_schema(*columns, v->table.decl.codec, next, &err);
    /* Hidden columns have names, too. */
    if (rc == SQLITE_OK)
        rc = schema_declare(next, v->table.name, &err);
    return report_text(&v->table, rc, &err);
}

int
command_columns(struct vtab *v, sqlite3_value *arg)
{
    struct schema next;
    char *columns;
    int rc;

    if (v->table.decl.codec == CODEC_RAW)
        return refuse(v, "a raw table has a key and a value");
    rc = read_declaration(v, arg, &columns, &next);
    if (rc == SQLITE_OK)
        rc = check_columns(v, &next);
    if (rc == SQLITE_OK && next.merges && !v->schema.merges) {
        v->table.merges = true;
        rc = table_need_merge(&v->table);
        v->table.merges = false;
    }
    /* The only step that may fail and leave the statement going comes first. */
    if (rc == SQLITE_OK)
        rc = change_schema(v);
    if (rc == SQLITE_OK)
        rc = declaration_extend(&v->table, columns);
    if (rc == SQLITE_OK)
        rc = forget_schema(v);
    schema_release(&next);
    sqlite3_free(columns);
    return rc;
}
