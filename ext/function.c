/*
 * Table-valued functions: eponymous virtual tables whose rows are all made in
 * xFilter.  What a function has to do is in its line of the list below.
 *
 * The moss table is found through SQLite: a statement over it is prepared, so
 * that names are resolved, an authorizer is asked, and the table object is
 * there; the connection knows all of its table objects.
 *
 * All of them are DIRECTONLY: they open the store of the table that they are
 * told, wherever it is, and must not do so for a view or trigger of a database
 * that somebody else made.
 */
#include "function.h"

#include <stdarg.h>
#include <string.h>

#include "record.h"
#include "txn.h"

SQLITE_EXTENSION_INIT3

static const struct function functions[] = {
    { "moss_stats", "name, value", function_stats },
    { "moss_histograms", "name, first, last, count", function_histograms },
    { "moss_segments",
      "level, entries, deletions, merges, key_bytes, value_bytes, indexed,"
      " file, offset",
      function_segments },
    { "moss_commits", "id, time, transactions, entries, bytes, file, offset",
      function_commits },
    { "moss_collections", "collection, entries, bytes, segments",
      function_collections },
};

#define N_FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

/* A function as one connection has it: the module's context. */
struct module {
    const struct function *function;
    struct conn *conn;
};

struct function_vtab {
    sqlite3_vtab base;
    const struct module *module;
    int n_columns; /* the hidden arguments follow them */
};

/* ----------------------------------------------------------------- rows */

struct cell {
    bool is_int;
    int64_t value;
    char *text; /* owned; NULL and no integer: NULL */
};

struct rows {
    struct cell *cells;
    size_t n, cap;
    int rc;
};

static void
rows_release(struct rows *r)
{
    for (size_t i = 0; i < r->n; i++)
        sqlite3_free(r->cells[i].text);
    sqlite3_free(r->cells);
    memset(r, 0, sizeof(*r));
}

/* A new cell, NULL; NULL without memory. */
static struct cell *
rows_add(struct rows *r)
{
    if (r->rc != SQLITE_OK)
        return NULL;
    if (r->n == r->cap) {
        size_t cap = r->cap == 0 ? 64 : 2 * r->cap;
        struct cell *grown = sqlite3_realloc64(r->cells, cap * sizeof(*grown));

        if (grown == NULL) {
            r->rc = SQLITE_NOMEM;
            return NULL;
        }
        r->cells = grown;
        r->cap = cap;
    }
    memset(&r->cells[r->n], 0, sizeof(r->cells[0]));
    return &r->cells[r->n++];
}

void
rows_int(struct rows *rows, uint64_t value)
{
    struct cell *c = rows_add(rows);

    if (c == NULL)
        return;
    c->is_int = true;
    c->value = (int64_t)value;
}

void
rows_null(struct rows *rows)
{
    (void)rows_add(rows);
}

void
rows_text(struct rows *rows, const char *text)
{
    struct cell *c = rows_add(rows);

    if (c == NULL || text == NULL)
        return;
    c->text = sqlite3_mprintf("%s", text);
    if (c->text == NULL)
        rows->rc = SQLITE_NOMEM;
}

int
rows_error(const struct rows *rows)
{
    return rows->rc;
}

/* ---------------------------------------------------------------- calls */

int
call_error(struct call *call, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    sqlite3_free(call->text);
    call->text = sqlite3_vmprintf(format, args);
    va_end(args);
    return call->text == NULL ? SQLITE_NOMEM : code;
}

int
call_table_error(struct call *call, struct table *t, int code)
{
    if (t->base.zErrMsg == NULL)
        return code;
    sqlite3_free(call->text);
    call->text = t->base.zErrMsg;
    t->base.zErrMsg = NULL;
    return code;
}

/* Does the schema have a table of the target's name? */
static bool
has_target(const struct call *call, const char *schema)
{
    return sqlite3_table_column_metadata(call->conn->db, schema, call->target,
                                         NULL, NULL, NULL, NULL, NULL,
                                         NULL) == SQLITE_OK;
}

/*
 * The schema in which SQLite would find the target: temp, main, then the
 * attached ones as they came.  NULL in *out: none.
 */
static int
find_schema(const struct call *call, char **out)
{
    sqlite3_stmt *stmt = NULL;
    int rc;

    *out = NULL;
    if (call->schema != NULL || has_target(call, "temp")) {
        *out =
            sqlite3_mprintf("%s", call->schema != NULL ? call->schema : "temp");
        return *out == NULL ? SQLITE_NOMEM : SQLITE_OK;
    }
    rc = sqlite3_prepare_v2(call->conn->db, "PRAGMA database_list", -1, &stmt,
                            NULL);
    while (rc == SQLITE_OK && *out == NULL &&
           sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 1);

        if (name == NULL || !has_target(call, name))
            continue;
        *out = sqlite3_mprintf("%s", name);
        if (*out == NULL)
            rc = SQLITE_NOMEM;
    }
    if (rc != SQLITE_OK) {
        sqlite3_finalize(stmt);
        return rc;
    }
    return sqlite3_finalize(stmt);
}

static struct table *
find_object(const struct call *call, const char *schema)
{
    struct table *t = call->conn->tables;

    while (t != NULL && (sqlite3_stricmp(t->schema, schema) != 0 ||
                         sqlite3_stricmp(t->name, call->target) != 0))
        t = t->next;
    return t;
}

static int
hold_table(struct call *call, const char *schema)
{
    char *sql =
        sqlite3_mprintf("SELECT 1 FROM \"%w\".\"%w\"", schema, call->target);
    int rc;

    if (sql == NULL)
        return SQLITE_NOMEM;
    rc = sqlite3_prepare_v2(call->conn->db, sql, -1, &call->hold, NULL);
    sqlite3_free(sql);
    if (rc == SQLITE_OK || rc == SQLITE_NOMEM)
        return rc;
    return call_error(call, rc, "%s", sqlite3_errmsg(call->conn->db));
}

int
call_table(struct call *call, struct table **out)
{
    char *schema;
    int rc = find_schema(call, &schema);

    *out = NULL;
    if (rc == SQLITE_OK && (schema == NULL || !has_target(call, schema)))
        rc =
            call_error(call, SQLITE_NOTFOUND, "%s: no such table: %s%s%s",
                       call->function, call->schema == NULL ? "" : call->schema,
                       call->schema == NULL ? "" : ".", call->target);
    if (rc == SQLITE_OK)
        rc = hold_table(call, schema);
    if (rc == SQLITE_OK) {
        *out = find_object(call, schema);
        if (*out == NULL)
            rc = call_error(call, SQLITE_NOTFOUND,
                            "%s: %s.%s is not a moss table", call->function,
                            schema, call->target);
    }
    sqlite3_free(schema);
    if (rc == SQLITE_OK) {
        rc = table_resolve(*out);
        if (rc != SQLITE_OK)
            rc = call_table_error(call, *out, rc);
    }
    return rc;
}

/* -------------------------------------------------------------- the table */

static int
function_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                 sqlite3_vtab **out, char **err)
{
    const struct module *m = aux;
    struct function_vtab *v;
    char *sql =
        sqlite3_mprintf("CREATE TABLE x(%s, target HIDDEN, schema HIDDEN)",
                        m->function->columns);
    int rc = SQLITE_NOMEM;

    (void)argc;
    (void)argv;
    (void)err;
    *out = NULL;
    if (sql != NULL)
        rc = sqlite3_declare_vtab(db, sql);
    sqlite3_free(sql);
    if (rc == SQLITE_OK)
        rc = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
    if (rc != SQLITE_OK)
        return rc;
    v = sqlite3_malloc64(sizeof(*v));
    if (v == NULL)
        return SQLITE_NOMEM;
    memset(v, 0, sizeof(*v));
    v->module = m;
    v->n_columns = 1;
    for (const char *p = m->function->columns; *p != '\0'; p++)
        v->n_columns += *p == ',';
    *out = &v->base;
    return SQLITE_OK;
}

static int
function_disconnect(sqlite3_vtab *vtab)
{
    sqlite3_free(vtab);
    return SQLITE_OK;
}

/* idxNum has a bit for each argument that is given. */
static int
function_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    const struct function_vtab *v = (const struct function_vtab *)vtab;
    int at[2] = { -1, -1 }, n = 0;

    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];
        int arg = c->iColumn - v->n_columns;

        if (arg < 0 || arg > 1 || c->op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        if (!c->usable)
            return SQLITE_CONSTRAINT;
        at[arg] = i;
    }
    info->idxNum = 0;
    for (int arg = 0; arg < 2; arg++) {
        if (at[arg] < 0)
            continue;
        info->idxNum |= 1 << arg;
        info->aConstraintUsage[at[arg]].argvIndex = ++n;
        info->aConstraintUsage[at[arg]].omit = 1;
    }
    info->estimatedCost = 1000;
    info->estimatedRows = 100;
    return SQLITE_OK;
}

/* --------------------------------------------------------------- cursors */

struct function_cursor {
    sqlite3_vtab_cursor base;
    struct rows rows;
    size_t at; /* the row */
};

static struct function_vtab *
vtab_of(const sqlite3_vtab_cursor *cur)
{
    return (struct function_vtab *)cur->pVtab;
}

static int
function_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
    struct function_cursor *c = sqlite3_malloc64(sizeof(*c));

    (void)vtab;
    *out = NULL;
    if (c == NULL)
        return SQLITE_NOMEM;
    memset(c, 0, sizeof(*c));
    *out = &c->base;
    return SQLITE_OK;
}

static int
function_close(sqlite3_vtab_cursor *cur)
{
    struct function_cursor *c = (struct function_cursor *)cur;

    rows_release(&c->rows);
    sqlite3_free(c);
    return SQLITE_OK;
}

/* The arguments as texts; a NULL one counts as not given. */
static int
read_arguments(struct call *call, int idx_num, sqlite3_value **argv)
{
    const char **args[2] = { &call->target, &call->schema };

    for (int arg = 0; arg < 2; arg++) {
        sqlite3_value *v = (idx_num >> arg & 1) != 0 ? *argv++ : NULL;

        if (v == NULL || sqlite3_value_type(v) == SQLITE_NULL)
            continue;
        *args[arg] = (const char *)sqlite3_value_text(v);
        if (*args[arg] == NULL)
            return SQLITE_NOMEM;
    }
    if (call->target == NULL)
        return call_error(call, SQLITE_ERROR,
                          "%s: the argument is the name of a moss table",
                          call->function);
    return SQLITE_OK;
}

static int
function_filter(sqlite3_vtab_cursor *cur, int idx_num, const char *idx_str,
                int argc, sqlite3_value **argv)
{
    struct function_cursor *c = (struct function_cursor *)cur;
    struct function_vtab *v = vtab_of(cur);
    const struct function *f = v->module->function;
    struct call call = {
        .conn = v->module->conn,
        .function = f->name,
        .rows = &c->rows,
    };
    int rc;

    (void)idx_str;
    (void)argc;
    rows_release(&c->rows);
    c->at = 0;
    rc = read_arguments(&call, idx_num, argv);
    if (rc == SQLITE_OK)
        rc = f->run(&call);
    if (rc == SQLITE_OK)
        rc = c->rows.rc;
    sqlite3_finalize(call.hold);
    if (rc == SQLITE_OK) {
        sqlite3_free(call.text);
        return SQLITE_OK;
    }
    rows_release(&c->rows);
    sqlite3_free(v->base.zErrMsg);
    v->base.zErrMsg = call.text;
    /* SQLite takes NOTFOUND for something else. */
    return rc == SQLITE_NOTFOUND ? SQLITE_ERROR : rc;
}

static int
function_next(sqlite3_vtab_cursor *cur)
{
    ((struct function_cursor *)cur)->at++;
    return SQLITE_OK;
}

static int
function_eof(sqlite3_vtab_cursor *cur)
{
    const struct function_cursor *c = (const struct function_cursor *)cur;

    return c->at * (size_t)vtab_of(cur)->n_columns >= c->rows.n;
}

static int
function_column(sqlite3_vtab_cursor *cur, sqlite3_context *ctx, int i)
{
    const struct function_cursor *c = (const struct function_cursor *)cur;
    int n = vtab_of(cur)->n_columns;
    const struct cell *cell;

    if (i >= n)
        return SQLITE_OK;
    cell = &c->rows.cells[c->at * (size_t)n + (size_t)i];
    if (cell->is_int)
        sqlite3_result_int64(ctx, cell->value);
    else if (cell->text != NULL)
        sqlite3_result_text(ctx, cell->text, -1, SQLITE_TRANSIENT);
    return SQLITE_OK;
}

static int
function_rowid(sqlite3_vtab_cursor *cur, sqlite3_int64 *rowid)
{
    *rowid = (sqlite3_int64)((const struct function_cursor *)cur)->at;
    return SQLITE_OK;
}

/* Without xCreate a module is a function: it needs no CREATE, nor takes one. */
static const sqlite3_module function_module = {
    .iVersion = 0,
    .xConnect = function_connect,
    .xBestIndex = function_best_index,
    .xDisconnect = function_disconnect,
    .xOpen = function_open,
    .xClose = function_close,
    .xFilter = function_filter,
    .xNext = function_next,
    .xEof = function_eof,
    .xColumn = function_column,
    .xRowid = function_rowid,
};

/* ----------------------------------------------------------- registering */

static void
module_free(void *arg)
{
    struct module *m = arg;

    conn_unref(m->conn);
    sqlite3_free(m);
}

static int
register_table(sqlite3 *db, struct conn *conn, const struct function *f)
{
    struct module *m = sqlite3_malloc64(sizeof(*m));

    if (m == NULL)
        return SQLITE_NOMEM;
    m->function = f;
    m->conn = conn_ref(conn);
    /* m is freed also if this fails. */
    return sqlite3_create_module_v2(db, f->name, &function_module, m,
                                    module_free);
}

int
functions_register(sqlite3 *db, struct conn *conn)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; rc == SQLITE_OK && i < N_FUNCTIONS; i++)
        rc = register_table(db, conn, &functions[i]);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(
            db, "moss_version", 0,
            SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
            function_version, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(
            db, "moss_debug", 0, SQLITE_UTF8 | SQLITE_DIRECTONLY,
            conn_ref(conn), function_debug, NULL, NULL, conn_unref);
    return rc;
}
