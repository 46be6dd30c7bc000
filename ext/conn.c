/*
 * What belongs to one connection: the stores it uses, and how a table finds
 * its store.
 *
 * A conn_store is kept until the connection closes, although virtual table
 * objects come and go with every change of schema; it is let go earlier only
 * when its database has been detached.
 */
#include "txn.h"

#include <string.h>

SQLITE_EXTENSION_INIT3

#define DEFAULT_SUFFIX "-moss"

/*
 * The connections of the process that have the module.  Two of these for one
 * connection would each have their own changes of one transaction.
 */
static struct conn *loaded;

static sqlite3_mutex *
loaded_lock(void)
{
    sqlite3_mutex *m = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);

    sqlite3_mutex_enter(m);
    return m;
}

bool
conn_is_loaded(sqlite3 *db)
{
    sqlite3_mutex *lock = loaded_lock();
    const struct conn *c = loaded;

    while (c != NULL && c->db != db)
        c = c->next;
    sqlite3_mutex_leave(lock);
    return c != NULL;
}

int
conn_new(sqlite3 *db, struct conn **out)
{
    sqlite3_mutex *lock;

    *out = sqlite3_malloc64(sizeof **out);
    if (*out == NULL)
        return SQLITE_NOMEM;
    memset(*out, 0, sizeof **out);
    (*out)->db = db;
    (*out)->refs = 1;
    lock = loaded_lock();
    (*out)->next = loaded;
    loaded = *out;
    sqlite3_mutex_leave(lock);
    return SQLITE_OK;
}

struct conn *
conn_ref(struct conn *conn)
{
    conn->refs++;
    return conn;
}

void
conn_unload(void *conn)
{
    sqlite3_mutex *lock = loaded_lock();
    struct conn **p = &loaded;

    while (*p != conn)
        p = &(*p)->next;
    *p = (*p)->next;
    sqlite3_mutex_leave(lock);
    conn_unref(conn);
}

void
conn_list_table(struct table *t)
{
    t->next = t->conn->tables;
    t->conn->tables = t;
}

void
conn_unlist_table(struct table *t)
{
    struct table **p = &t->conn->tables;

    while (*p != NULL && *p != t)
        p = &(*p)->next;
    if (*p == t)
        *p = t->next;
}

static void
conn_store_free(struct conn_store *cs)
{
    txn_end(cs);
    read_release(cs);
    registry_unref(cs->shared);
    store_row_release(&cs->row);
    bytes_release(&cs->sweep);
    sqlite3_free(cs->schema);
    sqlite3_free(cs->file);
    sqlite3_free(cs);
}

void
conn_unref(void *arg)
{
    struct conn *conn = arg;

    if (--conn->refs > 0)
        return;
    while (conn->stores != NULL) {
        struct conn_store *cs = conn->stores;

        conn->stores = cs->next;
        conn_store_free(cs);
    }
    sqlite3_free(conn);
}

int
report_text(struct table *t, int rc, char **err)
{
    if (rc != SQLITE_OK && *err != NULL)
        rc = error_report(t, rc, "%s", *err);
    sqlite3_free(*err);
    *err = NULL;
    return rc;
}

/* ------------------------------------------------------------ the database */

static const char *
schema_file(sqlite3 *db, const char *schema)
{
    const char *file = sqlite3_db_filename(db, schema);

    return file == NULL ? "" : file;
}

bool
schema_is_memory(sqlite3 *db, const char *schema)
{
    char *vfs = NULL;
    bool memory = *schema_file(db, schema) == '\0';

    if (memory)
        return true;
    if (sqlite3_file_control(db, schema, SQLITE_FCNTL_VFSNAME, &vfs) ==
            SQLITE_OK &&
        vfs != NULL)
        memory = strncmp(vfs, "memdb", 5) == 0;
    sqlite3_free(vfs);
    return memory;
}

char *
schema_path(sqlite3 *db, const char *schema, const char *path)
{
    const char *file = schema_file(db, schema);
    const char *slash = strrchr(file, '/');

    if (path[0] == '/' || slash == NULL)
        return sqlite3_mprintf("%s", path);
    return sqlite3_mprintf("%.*s/%s", (int)(slash - file), file, path);
}

char *
store_default_path(const char *file, bool async)
{
    return sqlite3_mprintf("%s" DEFAULT_SUFFIX "%s", file,
                           async ? "-async" : "");
}

/* A statement that does nothing fails once the connection is interrupted. */
bool
conn_is_interrupted(sqlite3_stmt *nothing)
{
    int rc = sqlite3_step(nothing);

    (void)sqlite3_reset(nothing);
    return rc == SQLITE_INTERRUPT;
}

/* The directory of a store; sqlite3_malloc'd, NULL without memory. */
static char *
store_directory(sqlite3 *db, const char *schema, const struct store_row *row)
{
    if (row->is_default)
        return sqlite3_mprintf("%s" DEFAULT_SUFFIX "%s",
                               schema_file(db, schema),
                               row->async ? "-async" : "");
    return schema_path(db, schema, row->path);
}

/* Who this database is, to be recorded as the store's home. */
static void
home_identity(sqlite3 *db, const char *schema, struct moss_store_identity *out)
{
    struct moss_os *os = registry_os();
    struct moss_file_id id;
    const char *file = schema_file(db, schema);

    memset(out, 0, sizeof *out);
    if (schema_is_memory(db, schema))
        return;
    sqlite3_snprintf((int)sizeof out->home_path, out->home_path, "%s", file);
    if (os->ops->identify(os, file, &id) == MOSS_OK) {
        out->home_dev = id.dev;
        out->home_ino = id.ino;
    }
}

/* --------------------------------------------------------------- the role */

static bool
same_file(const struct moss_store_identity *a,
          const struct moss_store_identity *b)
{
    return a->home_dev == b->home_dev && a->home_ino == b->home_ino;
}

/* Is the database that the store names as its home still where it says? */
static bool
home_stands(const struct moss_store_identity *home)
{
    struct moss_os *os = registry_os();
    struct moss_file_id id;

    return os->ops->identify(os, home->home_path, &id) == MOSS_OK &&
           id.dev == home->home_dev && id.ino == home->home_ino;
}

/*
 * Has the store gone beyond the last transaction that this database knows to
 * be its own?  If that cannot be found out, whoever reads the marker next says
 * why.
 */
static bool
store_is_ahead(struct conn_store *cs)
{
    struct log_ref log = conn_store_log(cs);
    struct moss_snapshot *newest;
    struct moss_tag tag;
    struct marker m;
    char *err = NULL;
    int rc = log_read_marker(&log, &m, &err);

    sqlite3_free(err);
    if (rc != SQLITE_OK || !marker_claims(&m) ||
        shared_store_newest(cs->shared, &newest) != MOSS_OK)
        return false;
    tag = moss_snapshot_tag(newest);
    moss_snapshot_unref(newest);
    return tag.n > m.tag.n || (tag.n == m.tag.n && tag.id != m.tag.id);
}

static enum role
find_role(struct conn_store *cs)
{
    struct moss_store_identity home, us;

    if (cs->shared->memory)
        return ROLE_HOME;
    moss_store_identity(cs->shared->store, &home);
    home_identity(cs->conn->db, cs->schema, &us);
    if (cs->row.async && cs->shared->readonly)
        return ROLE_GUEST;
    if (cs->row.async)
        return home.home_path[0] == '\0' || same_file(&home, &us) ||
                       cs->row.is_default
                   ? ROLE_ASYNC
                   : ROLE_GUEST;
    if (us.home_path[0] == '\0')
        return ROLE_GUEST; /* a database in memory owns nothing on disk */
    if (home.home_path[0] == '\0' || same_file(&home, &us))
        return ROLE_HOME;
    if (memcmp(home.store_id, cs->row.id, STORE_ID_BYTES) != 0)
        return ROLE_GUEST;
    /* Moved together, or restored: it takes over with its first write. */
    if (cs->row.is_default || strcmp(home.home_path, us.home_path) == 0)
        return ROLE_HOME;
    /* Elsewhere it may be one that was the home long ago: nothing is lost. */
    return home_stands(&home) || store_is_ahead(cs) ? ROLE_GUEST : ROLE_HOME;
}

enum role
conn_store_role(struct conn_store *cs)
{
    unsigned version = atomic_load(&cs->shared->home_version);

    if (cs->home_version != version) {
        cs->role = find_role(cs);
        cs->home_version = version;
    }
    return cs->role;
}

/* Is all that anybody has committed in the store?  mu held. */
static bool
is_settled(struct shared_store *ss)
{
    return ss->prepared == NULL && ss->collection != NULL &&
           moss_tag_equal(moss_collection_tag(ss->collection),
                          moss_collection_persisted_tag(ss->collection));
}

static int
take_home(struct table *t, struct conn_store *cs, bool adopt)
{
    struct moss_error why = { .status = MOSS_OK };
    struct moss_store_identity home, us;
    unsigned version = atomic_load(&cs->shared->home_version);
    enum moss_status st = MOSS_OK;

    if (cs->shared->memory || cs->taken_version == version)
        return SQLITE_OK;
    st = shared_store_set_home_files(cs->shared, cs->file);
    if (st != MOSS_OK)
        return SQLITE_NOMEM;
    home_identity(cs->conn->db, cs->schema, &us);
    /* Two databases may want a store that nobody owns: one gets it. */
    sqlite3_mutex_enter(cs->shared->mu);
    version = atomic_load(&cs->shared->home_version);
    moss_store_identity(cs->shared->store, &home);
    bool ours =
        same_file(&home, &us) && strcmp(home.home_path, us.home_path) == 0;
    bool lost = !ours && cs->home_version != version;
    bool busy = adopt && !ours && !cs->row.async && !is_settled(cs->shared);

    if (!ours && !lost && !busy)
        st = moss_store_set_home(cs->shared->store, us.home_path, us.home_dev,
                                 us.home_ino, &why);
    if (!ours && !lost && !busy && st == MOSS_OK) {
        version = atomic_fetch_add(&cs->shared->home_version, 1) + 1;
        cs->shared->ring_known = false; /* it was another log's */
    }
    sqlite3_mutex_leave(cs->shared->mu);
    if (busy && !lost)
        return error_report(t, SQLITE_BUSY,
                            "moss: database %s is writing to the store %s",
                            home.home_path, cs->shared->dir);
    if (lost)
        return error_report(t, SQLITE_READONLY,
                            "moss: the store %s has just become that of"
                            " database %s",
                            cs->shared->dir, home.home_path);
    if (st != MOSS_OK)
        return error_status(t, st, &why, "record the store's home");
    cs->taken_version = version;
    return SQLITE_OK;
}

int
conn_store_take_home(struct table *t, struct conn_store *cs)
{
    return take_home(t, cs, false);
}

int
conn_store_adopt(struct table *t, struct conn_store *cs)
{
    return take_home(t, cs, true);
}

/* ---------------------------------------------------------------- opening */

struct log_ref
conn_store_log(const struct conn_store *cs)
{
    struct log_ref log = { cs->conn->db, cs->schema, cs->row.no };

    return log;
}

/* Forget stores of databases that are no longer attached. */
static void
conn_prune(struct conn *conn)
{
    struct conn_store **p = &conn->stores;

    while (*p != NULL) {
        struct conn_store *cs = *p;
        const char *file = sqlite3_db_filename(conn->db, cs->schema);

        if (cs->active || (file != NULL && strcmp(file, cs->file) == 0)) {
            p = &cs->next;
        } else {
            *p = cs->next;
            conn_store_free(cs);
        }
    }
}

struct conn_store *
conn_find_store(struct conn *conn, const char *schema,
                const struct store_row *row)
{
    struct conn_store *cs = conn->stores;

    while (cs != NULL &&
           (strcmp(cs->schema, schema) != 0 || cs->row.no != row->no ||
            memcmp(cs->row.id, row->id, STORE_ID_BYTES) != 0))
        cs = cs->next;
    return cs;
}

static int
report_open(struct table *t, enum moss_status st, const struct moss_error *why,
            const char *dir)
{
    if (st == MOSS_BUSY)
        return error_report(t, SQLITE_BUSY,
                            "moss: another process has the store %s open;"
                            " one process at a time can use it",
                            dir);
    if (st == MOSS_CANTOPEN && *dir == '\0')
        return error_report(t, SQLITE_CANTOPEN,
                            "moss: the rows of %s were in memory, and are"
                            " gone with the database that they were made in",
                            t->name);
    if (st == MOSS_CANTOPEN)
        return error_report(t, SQLITE_CANTOPEN, "moss: there is no store in %s",
                            dir);
    return error_status(t, st, why, "open the store");
}

/*
 * A row's store is what stands in its directory, or nothing is.  A new row
 * (number 0) has no say yet: it takes the id of what stands there.
 */
static int
check_identity(struct table *t, const struct conn_store *cs)
{
    struct moss_store_identity id;

    if (cs->shared->memory || !cs->row.is_default || cs->row.no == 0)
        return SQLITE_OK;
    moss_store_identity(cs->shared->store, &id);
    if (memcmp(id.store_id, cs->row.id, STORE_ID_BYTES) == 0)
        return SQLITE_OK;
    return error_report(t, SQLITE_CANTOPEN,
                        "moss: %s holds another store than the one that"
                        " database %s has in its catalog",
                        cs->shared->dir, cs->file);
}

/*
 * Open the store of cs, or find it open.  reading: a store that only Go moss
 * has written may stay as it is.
 */
static int
open_shared(struct table *t, struct conn_store *cs, bool create, bool reading,
            struct shared_store **out)
{
    struct moss_error why = { .status = MOSS_OK };
    struct moss_store_identity identity;
    struct open_request request = {
        .id = cs->row.id,
        .create = create,
        .async = cs->row.async,
        .merges = cs->row.is_default || cs->row.path == NULL ||
                  cs->row.merges || t->merges,
        .tuning = &cs->row.tuning,
        .identity = &identity,
    };
    enum moss_status st;
    char *dir = NULL;

    home_identity(t->conn->db, t->schema, &identity);
    memcpy(identity.store_id, cs->row.id, STORE_ID_BYTES);
    if (t->decl.merge != NULL) {
        request.merge = moss_merge_builtin(t->decl.merge);
        sqlite3_snprintf((int)sizeof identity.merge_name, identity.merge_name,
                         "%s", t->decl.merge);
    }
    /* Names that begin so are shared by the process's connections. */
    if (cs->row.path == NULL && cs->file[0] == '/')
        request.shared_name = cs->file;
    if (cs->row.path != NULL) {
        dir = store_directory(t->conn->db, t->schema, &cs->row);
        if (dir == NULL)
            return SQLITE_NOMEM;
        request.dir = dir;
        /* A database in memory can never become a store's home. */
        request.readonly = !create && !cs->row.async &&
                           (identity.home_path[0] == '\0' || t->decl.readonly);
        request.reading =
            reading && !create && !cs->row.async && !cs->row.is_default;
    }
    st = registry_open(&request, out, &why);
    int rc = st == MOSS_OK ? SQLITE_OK
                           : report_open(t, st, &why, dir == NULL ? "" : dir);

    sqlite3_free(dir);
    return rc;
}

static int
conn_store_fill(struct table *t, const struct store_row *row, bool create,
                struct conn_store *cs)
{
    int rc;

    cs->conn = t->conn;
    cs->row = *row;
    cs->row.path = row->path == NULL ? NULL : sqlite3_mprintf("%s", row->path);
    cs->schema = sqlite3_mprintf("%s", t->schema);
    cs->is_main = strcmp(t->schema, "main") == 0;
    cs->file = sqlite3_mprintf("%s", schema_file(t->conn->db, t->schema));
    if (cs->schema == NULL || cs->file == NULL ||
        (row->path != NULL && cs->row.path == NULL))
        return SQLITE_NOMEM;
    rc = open_shared(t, cs, create, true, &cs->shared);
    return rc == SQLITE_OK ? check_identity(t, cs) : rc;
}

/* Use ss, which is taken over, from now on. */
static void
exchange_shared(struct conn_store *cs, struct shared_store *ss)
{
    read_drop(cs);
    cs->seen_valid = false;
    registry_unref(cs->shared);
    cs->shared = ss;
    cs->home_version = cs->taken_version = 0;
}

int
conn_store_reopen(struct table *t, struct conn_store *cs)
{
    struct shared_store *fresh;
    int rc;

    atomic_store(&cs->shared->stale, true);
    rc = open_shared(t, cs, false, true, &fresh);
    if (rc == SQLITE_OK)
        exchange_shared(cs, fresh);
    return rc;
}

int
conn_store_upgrade(struct table *t, struct conn_store *cs, bool wanted)
{
    struct shared_store *writable;
    int rc;

    if (!cs->shared->readonly || *cs->file == '\0')
        return SQLITE_OK;
    writable = registry_writable(cs->shared);
    if (writable == NULL && wanted) {
        rc = open_shared(t, cs, false, false, &writable);
        if (rc != SQLITE_OK)
            return rc;
    }
    if (writable != NULL)
        exchange_shared(cs, writable);
    return SQLITE_OK;
}

int
conn_store_open(struct table *t, const struct store_row *row, bool create,
                struct conn_store **out)
{
    struct conn_store *cs;
    int rc;

    conn_prune(t->conn);
    *out = conn_find_store(t->conn, t->schema, row);
    if (*out != NULL) {
        /* After DETACH and ATTACH the file's versions are counted anew. */
        if (!(*out)->active)
            (*out)->seen_valid = false;
        return SQLITE_OK;
    }
    cs = sqlite3_malloc64(sizeof *cs);
    if (cs == NULL)
        return SQLITE_NOMEM;
    memset(cs, 0, sizeof *cs);
    rc = conn_store_fill(t, row, create, cs);
    if (rc != SQLITE_OK) {
        conn_store_free(cs);
        return rc;
    }
    cs->next = t->conn->stores;
    t->conn->stores = cs;
    *out = cs;
    return SQLITE_OK;
}

/* ------------------------------------------------------ a table's own store */

static int
resolve_row(struct table *t, const struct table_row *row)
{
    struct store_row store;
    char *err = NULL;
    int rc;

    if (row->typed != (t->decl.codec == CODEC_TYPED))
        return error_report(t, SQLITE_CORRUPT,
                            "moss: the catalog says that table %s is %s, its"
                            " declaration says otherwise",
                            t->name, row->typed ? "typed" : "raw");
    /* SQLite was given them when it last read the schema. */
    if (row->columns != NULL && strcmp(row->columns, t->decl.columns) != 0)
        return error_report(t, SQLITE_SCHEMA,
                            "moss: the columns of table %s have changed",
                            t->name);
    rc = catalog_store(t->conn->db, t->schema, row->store, &store, &err);
    if (rc == SQLITE_NOTFOUND)
        return error_report(t, SQLITE_CANTOPEN,
                            "moss: the catalog of %s lists no store %d",
                            t->schema, row->store);
    if (rc != SQLITE_OK)
        return report_text(t, rc, &err);
    rc = conn_store_open(t, &store, false, &t->store);
    store_row_release(&store);
    return rc;
}

int
table_resolve(struct table *t)
{
    struct table_row row;
    bool exists;
    char *err = NULL;
    int rc;

    if (t->store != NULL)
        return SQLITE_OK;
    rc = catalog_exists(t->conn->db, t->schema, &exists, &err);
    if (rc == SQLITE_OK && !exists)
        return error_report(t, SQLITE_CANTOPEN,
                            "moss: database %s has no table _moss_catalog"
                            " that says where %s is",
                            t->schema, t->name);
    if (rc == SQLITE_OK)
        rc = catalog_find_table(t->conn->db, t->schema, t->name, &row, &err);
    if (rc == SQLITE_NOTFOUND)
        return error_report(t, SQLITE_CANTOPEN,
                            "moss: table %s is not in %s._moss_catalog",
                            t->name, t->schema);
    if (rc != SQLITE_OK)
        return report_text(t, rc, &err);
    rc = resolve_row(t, &row);
    if (rc == SQLITE_OK) {
        t->collection = row.collection;
        t->made = row.made;
        row.collection = NULL;
    }
    table_row_release(&row);
    return rc;
}
