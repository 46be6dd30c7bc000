/*
 * moss_backup(file [, schema]): a copy of a database with its stores, made
 * while others go on writing.
 *
 * One read transaction pins what is copied: SQLite's backup copies the file as
 * that transaction sees it, and the marker in it names the state that each
 * store's copy is made from.  So the copy is one commit, of ordinary tables and
 * moss tables alike.
 *
 * Everything is made under temporary names and synced; then the stores get
 * their names, the database file last.  Before that nobody can take what is
 * there for a database; a failure removes all of it, a crash leaves it.
 */
#include "txn.h"

#include <string.h>

SQLITE_EXTENSION_INIT3

/* Pages between two looks at whether the connection was interrupted. */
#define STEP_PAGES 512

/* A store of the database. */
struct copied {
    struct store_row row;
    struct conn_store *cs;
    struct moss_snapshot *snap; /* one reference; NULL: it is not copied */
    struct moss_tag tag;
    char *temporary, *final; /* its directory's paths */
    bool is_made, is_named;
};

struct backup {
    struct conn *conn;
    sqlite3 *db; /* conn's */
    const char *schema;
    sqlite3_vfs *vfs;
    struct moss_os *os;
    char *file, *temporary; /* the copy's paths */
    char *suffix;           /* of temporary names */
    sqlite3 *copy;
    sqlite3_stmt *pin;     /* its transaction stays open */
    sqlite3_stmt *nothing; /* to ask whether to go on */
    struct copied *stores;
    int n_stores;
    char *err; /* what failed; sqlite3_malloc'd, or NULL */
};

/* The first failure's text stands. */
static int
report(struct backup *b, int code, const char *format, ...)
{
    va_list ap;

    if (b->err != NULL)
        return code;
    va_start(ap, format);
    b->err = sqlite3_vmprintf(format, ap);
    va_end(ap);
    return b->err == NULL ? SQLITE_NOMEM : code;
}

static int
report_status(struct backup *b, enum moss_status st,
              const struct moss_error *why, const char *doing)
{
    if (st == MOSS_ABORTED)
        return SQLITE_INTERRUPT;
    if (b->err == NULL)
        b->err = error_text(st, why, doing);
    return error_code(st);
}

static int
report_copy(struct backup *b, int rc)
{
    return report(b, rc, "moss_backup: cannot write %s: %s", b->temporary,
                  sqlite3_errmsg(b->copy));
}

static bool
goes_on(void *ctx, uint64_t done, uint64_t total)
{
    struct backup *b = ctx;

    (void)done;
    (void)total;
    return !conn_is_interrupted(b->nothing);
}

/* --------------------------------------------------------------- the paths */

static bool
is_there(const struct backup *b, const char *path)
{
    struct moss_file_id id;

    return b->os->ops->identify(b->os, path, &id) != MOSS_NOT_FOUND;
}

static int
check_absent(struct backup *b, const char *path)
{
    if (path == NULL)
        return SQLITE_NOMEM;
    return is_there(b, path)
               ? report(b, SQLITE_CANTOPEN,
                        "moss_backup: %s is there already, and is not"
                        " overwritten",
                        path)
               : SQLITE_OK;
}

static int
find_paths(struct backup *b, const char *name)
{
    uint64_t random;
    int rc;

    b->vfs = NULL;
    if (!schema_is_memory(b->db, b->schema))
        (void)sqlite3_file_control(b->db, b->schema, SQLITE_FCNTL_VFS_POINTER,
                                   &b->vfs);
    if (b->vfs == NULL)
        b->vfs = sqlite3_vfs_find(NULL);
    b->file = sqlite3_malloc(b->vfs->mxPathname + 1);
    if (b->file == NULL)
        return SQLITE_NOMEM;
    rc = b->vfs->xFullPathname(b->vfs, name, b->vfs->mxPathname + 1, b->file);
    if (rc != SQLITE_OK && rc != SQLITE_OK_SYMLINK)
        return report(b, rc, "moss_backup: %s cannot be a file's name", name);
    sqlite3_randomness((int)sizeof random, &random);
    b->suffix = sqlite3_mprintf("-backup-%016llx", random);
    if (b->suffix == NULL)
        return SQLITE_NOMEM;
    b->temporary = sqlite3_mprintf("%s%s", b->file, b->suffix);
    if (b->temporary == NULL)
        return SQLITE_NOMEM;
    return check_absent(b, b->file);
}

/* "" or the directory with its slash. */
static int
directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? 0 : (int)(slash - path) + 1;
}

/* --------------------------------------------------------------- the source */

/* The transaction of this statement stays open until it is finalized. */
static int
pin_state(struct backup *b)
{
    char *sql =
        sqlite3_mprintf("SELECT count(*) FROM \"%w\".sqlite_schema", b->schema);
    int rc;

    if (sql == NULL)
        return SQLITE_NOMEM;
    if (sqlite3_txn_state(b->db, b->schema) < 0) {
        sqlite3_free(sql);
        return report(b, SQLITE_ERROR, "moss_backup: there is no database %s",
                      b->schema);
    }
    rc = sqlite3_prepare_v2(b->db, sql, -1, &b->pin, NULL);
    sqlite3_free(sql);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(b->db, "SELECT 1", -1, &b->nothing, NULL);
    if (rc == SQLITE_OK && sqlite3_step(b->pin) != SQLITE_ROW)
        rc = sqlite3_reset(b->pin);
    if (rc != SQLITE_OK)
        return report(b, rc, "%s", sqlite3_errmsg(b->db));
    if (sqlite3_txn_state(b->db, b->schema) == SQLITE_TXN_WRITE)
        return report(b, SQLITE_BUSY,
                      "moss_backup: the connection has changes to %s: commit"
                      " them first",
                      b->schema);
    return SQLITE_OK;
}

/* Let the table's module open its store, as any statement does. */
static int
touch_table(struct backup *b, const char *name)
{
    char *sql =
        sqlite3_mprintf("SELECT 1 FROM \"%w\".\"%w\" LIMIT 1", b->schema, name);
    sqlite3_stmt *stmt;
    int rc;

    if (sql == NULL)
        return SQLITE_NOMEM;
    rc = sqlite3_prepare_v2(b->db, sql, -1, &stmt, NULL);
    sqlite3_free(sql);
    if (rc == SQLITE_OK) {
        (void)sqlite3_step(stmt);
        rc = sqlite3_finalize(stmt);
    }
    return rc == SQLITE_OK ? rc : report(b, rc, "%s", sqlite3_errmsg(b->db));
}

/* Does the store's directory belong to this database, so that it is copied? */
static bool
is_own(const struct conn_store *cs)
{
    struct moss_store_identity home;

    if (cs->shared->memory || cs->row.is_default)
        return true;
    moss_store_identity(cs->shared->store, &home);
    return home.home_path[0] != '\0' &&
           (cs->role == ROLE_HOME || cs->role == ROLE_ASYNC);
}

/* Hold the state of a store that the pinned transaction sees. */
static int
hold_state(struct backup *b, struct copied *c)
{
    struct table t;
    int rc;

    memset(&t, 0, sizeof t);
    t.conn = b->conn;
    t.schema = (char *)(uintptr_t)b->schema;
    t.store = c->cs;
    t.collection = (char *)(uintptr_t) "";
    rc = read_refresh(&t);
    if (rc != SQLITE_OK) {
        rc = report(b, rc, "%s",
                    t.base.zErrMsg == NULL ? sqlite3_errstr(rc)
                                           : t.base.zErrMsg);
        sqlite3_free(t.base.zErrMsg);
        return rc;
    }
    if (!is_own(c->cs))
        return SQLITE_OK;
    if (c->cs->n_chain > 0)
        return report(b, SQLITE_BUSY_SNAPSHOT,
                      "moss_backup: the store %s has moved on, or is behind:"
                      " end the reading transaction, or write something first",
                      shared_store_name(c->cs->shared));
    c->snap = moss_snapshot_ref(c->cs->snap);
    if (!c->row.async)
        c->tag = c->cs->seen.tag;
    return SQLITE_OK;
}

static int
add_store(struct backup *b, int no)
{
    struct copied *more = sqlite3_realloc64(
        b->stores, (sqlite3_uint64)(b->n_stores + 1) * sizeof *more);
    struct copied *c;
    char *err = NULL;
    int rc;

    if (more == NULL)
        return SQLITE_NOMEM;
    b->stores = more;
    c = &b->stores[b->n_stores++];
    memset(c, 0, sizeof *c);
    rc = catalog_store(b->db, b->schema, no, &c->row, &err);
    if (rc != SQLITE_OK)
        rc = report(b, rc, "%s", err == NULL ? sqlite3_errstr(rc) : err);
    sqlite3_free(err);
    if (rc != SQLITE_OK)
        return rc;
    c->cs = conn_find_store(b->conn, b->schema, &c->row);
    if (c->cs == NULL)
        return report(b, SQLITE_CANTOPEN,
                      "moss_backup: no table leads to store %d of %s", no,
                      b->schema);
    return hold_state(b, c);
}

/* The stores that tables use; others have nothing to be copied. */
static int
hold_stores(struct backup *b)
{
    sqlite3_stmt *stmt = NULL;
    bool exists;
    char *sql, *err = NULL;
    int rc = catalog_exists(b->db, b->schema, &exists, &err);

    if (rc != SQLITE_OK)
        rc = report(b, rc, "%s", err == NULL ? sqlite3_errstr(rc) : err);
    sqlite3_free(err);
    if (rc != SQLITE_OK || !exists)
        return rc;
    sql = sqlite3_mprintf("SELECT store, min(name) FROM \"%w\"._moss_catalog"
                          " WHERE kind = 'table' GROUP BY store ORDER BY store",
                          b->schema);
    if (sql == NULL)
        return SQLITE_NOMEM;
    rc = sqlite3_prepare_v2(b->db, sql, -1, &stmt, NULL);
    sqlite3_free(sql);
    if (rc != SQLITE_OK)
        return report(b, rc, "%s", sqlite3_errmsg(b->db));
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        rc = touch_table(b, (const char *)sqlite3_column_text(stmt, 1));
        if (rc == SQLITE_OK)
            rc = add_store(b, sqlite3_column_int(stmt, 0));
    }
    int end = sqlite3_finalize(stmt);

    if (rc == SQLITE_OK && end != SQLITE_OK)
        rc = report(b, end, "%s", sqlite3_errmsg(b->db));
    return rc;
}

/* ----------------------------------------------------------- database file */

static int
copy_pages(struct backup *b)
{
    sqlite3_backup *pages =
        sqlite3_backup_init(b->copy, "main", b->db, b->schema);
    int rc = SQLITE_OK;

    if (pages == NULL)
        return report_copy(b, sqlite3_errcode(b->copy));
    while (rc == SQLITE_OK && goes_on(b, 0, 0))
        rc = sqlite3_backup_step(pages, STEP_PAGES);
    if (rc == SQLITE_OK) {
        (void)sqlite3_backup_finish(pages);
        return SQLITE_INTERRUPT;
    }
    if (sqlite3_backup_finish(pages) == SQLITE_OK && rc == SQLITE_DONE)
        return SQLITE_OK;
    return report(b, rc, "moss_backup: cannot copy the database to %s: %s",
                  b->temporary, sqlite3_errstr(rc));
}

/* In the copy's catalog, where its store is; its options stay. */
static int
write_row(struct backup *b, const struct copied *c)
{
    struct store_row row = c->row;
    const char *name = c->cs->shared->dir;
    char *sql, *err = NULL;
    int rc;

    row.is_default = c->snap != NULL && (row.is_default || row.path == NULL);
    if (c->snap != NULL)
        name = row.is_default ? "" : c->final + directory_length(c->final);
    sql = sqlite3_mprintf("UPDATE _moss_catalog SET name = %Q"
                          " WHERE kind = 'store' AND store = %d",
                          name, row.no);
    if (sql == NULL)
        return SQLITE_NOMEM;
    rc = sqlite3_exec(b->copy, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    if (rc == SQLITE_OK)
        rc = catalog_tune_store(b->copy, "main", &row, &err);
    sqlite3_free(err); /* the copy's connection has it, too */
    return rc == SQLITE_OK ? rc : report_copy(b, rc);
}

/* Choose the paths of the stores' copies; none may be there. */
static int
name_stores(struct backup *b)
{
    int rc = SQLITE_OK;

    for (int i = 0; i < b->n_stores && rc == SQLITE_OK; i++) {
        struct copied *c = &b->stores[i];

        if (c->snap == NULL)
            continue;
        c->final = c->row.is_default || c->row.path == NULL
                       ? store_default_path(b->file, c->row.async)
                       : sqlite3_mprintf("%s-moss-%d", b->file, c->row.no);
        c->temporary = sqlite3_mprintf("%s%s", c->final, b->suffix);
        if (c->final == NULL || c->temporary == NULL)
            return SQLITE_NOMEM;
        rc = check_absent(b, c->final);
    }
    return rc;
}

static int
copy_database(struct backup *b)
{
    int rc = sqlite3_open_v2(b->temporary, &b->copy,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                             b->vfs->zName);

    if (rc != SQLITE_OK)
        return report_copy(b, rc);
    rc = copy_pages(b);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(b->copy, "BEGIN", NULL, NULL, NULL);
    for (int i = 0; i < b->n_stores && rc == SQLITE_OK; i++)
        rc = write_row(b, &b->stores[i]);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(b->copy, "COMMIT", NULL, NULL, NULL);
        if (rc != SQLITE_OK)
            rc = report_copy(b, rc);
    }
    if (rc != SQLITE_OK)
        return rc;
    /* Closing moves what is in its -wal file into it. */
    rc = sqlite3_close(b->copy);
    if (rc == SQLITE_OK)
        b->copy = NULL;
    return rc;
}

/* ------------------------------------------------------------------ stores */

static int
copy_store(struct backup *b, struct copied *c)
{
    struct moss_compact_options how = { .progress = goes_on, .ctx = b };
    struct moss_error why = { .status = MOSS_OK };
    struct moss_store_identity id, old;
    struct moss_store_options options = { .os = b->os,
                                          .merge = c->cs->shared->merge,
                                          .identity = &id };
    struct moss_file_id where;
    enum moss_status st;

    memset(&id, 0, sizeof id);
    memcpy(id.store_id, c->row.id, STORE_ID_BYTES);
    if (c->cs->shared->store != NULL) {
        moss_store_identity(c->cs->shared->store, &old);
        memcpy(id.merge_name, old.merge_name, sizeof id.merge_name);
    }
    st = b->os->ops->identify(b->os, b->temporary, &where);
    if (st != MOSS_OK)
        return report_status(b, MOSS_IO, NULL, "find the copy");
    sqlite3_snprintf((int)sizeof id.home_path, id.home_path, "%s", b->file);
    id.home_dev = where.dev;
    id.home_ino = where.ino;
    c->is_made = true;
    st = moss_store_copy(c->temporary, &options, c->snap, c->tag, &how, &why);
    return st == MOSS_OK ? SQLITE_OK
                         : report_status(b, st, &why, "copy the store");
}

/* ---------------------------------------------------------------- the names */

static enum moss_status
sync_name(struct backup *b, const char *path)
{
    char *dir = sqlite3_mprintf("%.*s", directory_length(path), path);
    enum moss_status st =
        dir == NULL ? MOSS_NOMEM : b->os->ops->sync_dir(b->os, dir);

    sqlite3_free(dir);
    return st;
}

/* Also for a VFS that does not sync, and with synchronous off. */
static enum moss_status
sync_file(struct backup *b, const char *path)
{
    struct moss_file *file;
    enum moss_status st = b->os->ops->open(b->os, path, MOSS_OPEN_READ, &file);

    if (st != MOSS_OK)
        return st;
    st = file->ops->sync(file);
    file->ops->close(file);
    return st;
}

static int
give_names(struct backup *b)
{
    enum moss_status st = sync_file(b, b->temporary);
    int rc = check_absent(b, b->file);

    for (int i = 0; i < b->n_stores && st == MOSS_OK && rc == SQLITE_OK; i++) {
        struct copied *c = &b->stores[i];

        if (c->snap == NULL)
            continue;
        rc = check_absent(b, c->final);
        if (rc == SQLITE_OK)
            st = b->os->ops->rename(b->os, c->temporary, c->final);
        c->is_named = rc == SQLITE_OK && st == MOSS_OK;
    }
    /* The stores' names come first, whatever the power does. */
    if (rc == SQLITE_OK && st == MOSS_OK)
        st = sync_name(b, b->file);
    if (rc == SQLITE_OK && st == MOSS_OK)
        st = b->os->ops->rename(b->os, b->temporary, b->file);
    if (rc != SQLITE_OK)
        return rc;
    if (st != MOSS_OK)
        return report_status(b, st, NULL, "name the copy");
    sqlite3_free(b->temporary);
    b->temporary = NULL; /* nothing is to be removed any more */
    st = sync_name(b, b->file);
    return st == MOSS_OK ? SQLITE_OK
                         : report_status(b, st, NULL, "sync the copy's name");
}

/* ------------------------------------------------------------------ the end */

/* The names of a directory, to be removed after it was read. */
static void
note_name(void *arg, const char *name)
{
    struct bytes *names = arg;

    /* Without memory it stays, and so does the directory. */
    (void)bytes_append(names, name, strlen(name) + 1);
}

static void
remove_directory(struct backup *b, const char *dir)
{
    struct bytes names = { NULL, 0, 0 };

    (void)b->os->ops->list(b->os, dir, note_name, &names);
    for (size_t i = 0; i < names.n;) {
        const char *name = (const char *)names.p + i;
        char *path = sqlite3_mprintf("%s/%s", dir, name);

        if (path != NULL)
            (void)b->os->ops->remove(b->os, path);
        sqlite3_free(path);
        i += strlen(name) + 1;
    }
    bytes_release(&names);
    (void)b->os->ops->remove_dir(b->os, dir);
}

/* What was made and is not a copy; the failure has been reported. */
static void
remove_all(struct backup *b)
{
    static const char *const suffixes[] = { "", "-journal", "-wal", "-shm" };

    for (int i = 0; i < b->n_stores; i++)
        if (b->stores[i].is_made)
            remove_directory(b, b->stores[i].is_named ? b->stores[i].final
                                                      : b->stores[i].temporary);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *path = sqlite3_mprintf("%s%s", b->temporary, suffixes[i]);

        if (path != NULL && is_there(b, path))
            (void)b->vfs->xDelete(b->vfs, path, 0);
        sqlite3_free(path);
    }
}

static void
backup_release(struct backup *b)
{
    (void)sqlite3_close(b->copy);
    if (b->temporary != NULL && b->suffix != NULL)
        remove_all(b);
    for (int i = 0; i < b->n_stores; i++) {
        moss_snapshot_unref(b->stores[i].snap);
        store_row_release(&b->stores[i].row);
        sqlite3_free(b->stores[i].temporary);
        sqlite3_free(b->stores[i].final);
    }
    sqlite3_free(b->stores);
    (void)sqlite3_finalize(b->nothing);
    (void)sqlite3_finalize(b->pin);
    sqlite3_free(b->suffix);
    sqlite3_free(b->temporary);
    sqlite3_free(b->file);
    sqlite3_free(b->err);
}

static int
backup_run(struct backup *b, const char *name)
{
    int rc = pin_state(b);

    if (rc == SQLITE_OK)
        rc = find_paths(b, name);
    if (rc == SQLITE_OK)
        rc = hold_stores(b);
    if (rc == SQLITE_OK)
        rc = name_stores(b);
    if (rc == SQLITE_OK)
        rc = copy_database(b);
    /* The stores' states are held: nobody has to wait for the rest. */
    (void)sqlite3_finalize(b->pin);
    b->pin = NULL;
    for (int i = 0; i < b->n_stores && rc == SQLITE_OK; i++)
        if (b->stores[i].snap != NULL)
            rc = copy_store(b, &b->stores[i]);
    return rc == SQLITE_OK ? give_names(b) : rc;
}

static void
moss_backup(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct backup b;
    const char *name = (const char *)sqlite3_value_text(argv[0]);
    int rc;

    memset(&b, 0, sizeof b);
    b.conn = sqlite3_user_data(ctx);
    b.db = b.conn->db;
    b.os = registry_os();
    b.schema = argc > 1 ? (const char *)sqlite3_value_text(argv[1]) : "main";
    if (name == NULL || *name == '\0' || b.schema == NULL) {
        sqlite3_result_error(
            ctx, "moss_backup(file [, schema]): there is no name", -1);
        return;
    }
    rc = backup_run(&b, name);
    if (rc == SQLITE_OK) {
        sqlite3_result_text(ctx, b.file, -1, SQLITE_TRANSIENT);
    } else {
        if (b.err != NULL)
            sqlite3_result_error(ctx, b.err, -1);
        sqlite3_result_error_code(ctx, rc);
    }
    backup_release(&b);
}

int
backup_register(sqlite3 *db, struct conn *conn)
{
    const int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    int rc =
        sqlite3_create_function_v2(db, "moss_backup", 1, flags, conn_ref(conn),
                                   moss_backup, NULL, NULL, conn_unref);

    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db, "moss_backup", 2, flags,
                                        conn_ref(conn), moss_backup, NULL, NULL,
                                        conn_unref);
    return rc;
}
