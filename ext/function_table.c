/*
 * What the table-valued functions tell: counters and histograms of a table's
 * store, its segments, the store's commit points and collections.
 *
 * Counters and histograms are of the whole store, as its tables share its
 * threads and files.
 */
#include "function.h"

#include <string.h>
#include <time.h>

#include "commit_point.h"
#include "txn.h"

SQLITE_EXTENSION_INIT3

/* ---------------------------------------------------------------- stats */

static void
add_stat(void *arg, const char *name, uint64_t value)
{
    struct rows *rows = arg;

    rows_text(rows, name);
    rows_int(rows, value);
}

static int
store_stats(struct call *call, struct shared_store *ss)
{
    struct moss_store_stats stats;
    struct moss_error why = { .status = MOSS_OK };
    uint64_t files, bytes;
    enum moss_status st;

    moss_store_stats(ss->store, &stats);
    moss_store_stats_each(&stats, add_stat, call->rows);
    st = moss_store_disk_use(ss->store, &files, &bytes, &why);
    if (st != MOSS_OK)
        return call_error(call, error_code(st), "%s: %s: %s", call->function,
                          ss->dir, moss_status_name(st));
    add_stat(call->rows, "disk_files", files);
    add_stat(call->rows, "disk_bytes", bytes);
    return SQLITE_OK;
}

int
function_stats(struct call *call)
{
    struct moss_collection_stats stats;
    struct shared_store *ss;
    struct table *t;
    bool has_collection;
    int rc = call_table(call, &t);

    if (rc != SQLITE_OK)
        return rc;
    ss = t->store->shared;
    sqlite3_mutex_enter(ss->mu);
    has_collection = ss->collection != NULL;
    if (has_collection)
        moss_collection_stats(ss->collection, &stats);
    sqlite3_mutex_leave(ss->mu);
    if (has_collection)
        moss_collection_stats_each(&stats, add_stat, call->rows);
    return ss->store == NULL ? SQLITE_OK : store_stats(call, ss);
}

static void
add_histogram(struct rows *rows, const struct moss_histogram *h)
{
    for (size_t i = 0; i < MOSS_HISTOGRAM_BINS; i++) {
        uint64_t first, last;

        if (h->bins[i] == 0)
            continue;
        moss_histogram_bin(i, &first, &last);
        rows_text(rows, h->name);
        rows_int(rows, first);
        rows_int(rows, last);
        rows_int(rows, h->bins[i]);
    }
}

int
function_histograms(struct call *call)
{
    struct moss_histogram of_store[MOSS_STORE_HISTOGRAMS];
    struct moss_histogram *h;
    struct shared_store *ss;
    struct table *t;
    size_t n = 0;
    int rc = call_table(call, &t);

    if (rc != SQLITE_OK)
        return rc;
    h = sqlite3_malloc64(MOSS_COLLECTION_HISTOGRAMS * sizeof(*h));
    if (h == NULL)
        return SQLITE_NOMEM;
    ss = t->store->shared;
    sqlite3_mutex_enter(ss->mu);
    if (ss->collection != NULL) {
        moss_collection_histograms(ss->collection, h);
        n = MOSS_COLLECTION_HISTOGRAMS;
    }
    sqlite3_mutex_leave(ss->mu);
    for (size_t i = 0; i < n; i++)
        add_histogram(call->rows, &h[i]);
    sqlite3_free(h);
    if (ss->store == NULL)
        return SQLITE_OK;
    moss_store_histograms(ss->store, of_store);
    for (size_t i = 0; i < MOSS_STORE_HISTOGRAMS; i++)
        add_histogram(call->rows, &of_store[i]);
    return SQLITE_OK;
}

/* ------------------------------------------------------------- segments */

static enum moss_status
add_segment(void *arg, const struct moss_segment_info *info)
{
    struct rows *rows = arg;

    rows_int(rows, info->level);
    rows_int(rows, info->entries);
    rows_int(rows, info->deletions);
    rows_int(rows, info->merges);
    rows_int(rows, info->key_bytes);
    rows_int(rows, info->value_bytes);
    rows_int(rows, info->is_indexed);
    if (info->in_file) {
        rows_text(rows, info->file);
        rows_int(rows, info->offset);
    } else {
        rows_null(rows);
        rows_null(rows);
    }
    return MOSS_OK;
}

int
function_segments(struct call *call)
{
    struct moss_snapshot *snap;
    struct table *t;
    enum moss_status st;
    int rc = call_table(call, &t);

    if (rc != SQLITE_OK)
        return rc;
    rc = table_snapshot(t, &snap);
    if (rc != SQLITE_OK)
        return call_table_error(call, t, rc);
    st = moss_snapshot_each_segment(snap, add_segment, call->rows);
    moss_snapshot_unref(snap);
    table_cursor_closed(t);
    return error_code(st);
}

/* -------------------------------------------------------------- commits */

static void
add_time(struct rows *rows, uint64_t unix_seconds)
{
    time_t seconds = (time_t)unix_seconds;
    struct tm tm;
    char text[32];

    /* As datetime() writes it; Go moss does not tell. */
    if (unix_seconds == 0 || gmtime_r(&seconds, &tm) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
        rows_null(rows);
    else
        rows_text(rows, text);
}

struct commit_lister {
    struct call *call;
    struct table *t;
};

/* Those that have the table: what is listed can be read. */
static int
add_commit(void *arg, const struct commit_point *p)
{
    const struct commit_lister *l = arg;
    struct rows *rows = l->call->rows;
    struct moss_snapshot *snap;
    uint64_t entries, bytes;
    enum moss_status st = snapshot_at_path(p->top, l->t->collection, &snap);

    if (st == MOSS_NOT_FOUND)
        return SQLITE_OK;
    if (st == MOSS_OK)
        st = moss_snapshot_estimate(snap, NULL, NULL, &entries, &bytes);
    moss_snapshot_unref(snap);
    if (st != MOSS_OK)
        return error_status(l->t, st, NULL, "read the history of the store");
    rows_int(rows, (uint64_t)p->id);
    add_time(rows, p->info.unix_seconds);
    if (p->info.unix_seconds == 0 && p->info.tag.n == 0)
        rows_null(rows);
    else
        rows_int(rows, p->info.tag.n);
    rows_int(rows, entries);
    rows_int(rows, bytes);
    rows_text(rows, p->info.data_file);
    rows_int(rows, p->info.offset);
    return rows_error(rows);
}

int
function_commits(struct call *call)
{
    struct commit_lister l = { .call = call };
    int rc = call_table(call, &l.t);

    if (rc != SQLITE_OK)
        return rc;
    rc = commit_point_each(l.t, add_commit, &l);
    return rc == SQLITE_OK ? rc : call_table_error(call, l.t, rc);
}

/* ---------------------------------------------------------- collections */

#define MAX_DEPTH 64

struct tree {
    struct call *call;
    struct moss_snapshot *snap; /* whose children are listed */
    const char *path;
    int depth;
};

static enum moss_status list_tree(const struct tree *tree);

static enum moss_status
list_child(void *arg, struct moss_slice name)
{
    const struct tree *parent = arg;
    struct tree child = { .call = parent->call, .depth = parent->depth + 1 };
    char *path;
    enum moss_status st;

    /* What a table was declared as is nothing that users keep there. */
    if (name.len == strlen(DECLARATION_CHILD) &&
        memcmp(name.bytes, DECLARATION_CHILD, name.len) == 0)
        return MOSS_OK;
    path = sqlite3_mprintf("%s%s%.*s", parent->path,
                           *parent->path == '\0' ? "" : "/", (int)name.len,
                           (const char *)name.bytes);
    if (path == NULL)
        return MOSS_NOMEM;
    child.path = path;
    st = moss_snapshot_child(parent->snap, name, &child.snap);
    if (st == MOSS_OK)
        st = list_tree(&child);
    moss_snapshot_unref(child.snap);
    sqlite3_free(path);
    return st;
}

/* A collection, then its children. */
static enum moss_status
list_tree(const struct tree *tree)
{
    struct rows *rows = tree->call->rows;
    uint64_t entries, bytes;
    size_t in_memory, lower;
    enum moss_status st =
        moss_snapshot_estimate(tree->snap, NULL, NULL, &entries, &bytes);

    if (st != MOSS_OK)
        return st;
    moss_snapshot_segments(tree->snap, &in_memory, &lower);
    rows_text(rows, tree->path);
    rows_int(rows, entries);
    rows_int(rows, bytes);
    rows_int(rows, in_memory + lower);
    return tree->depth == MAX_DEPTH
               ? MOSS_OK
               : moss_snapshot_children(tree->snap, list_child, (void *)tree);
}

static int
list_store(struct call *call, struct moss_snapshot *top)
{
    struct tree tree = { .call = call, .snap = top, .path = "" };
    enum moss_status st = list_tree(&tree);

    return st == MOSS_OK
               ? SQLITE_OK
               : call_error(call, error_code(st), "%s: %s: %s", call->function,
                            call->target, moss_status_name(st));
}

/* The newest commit point of the store in that directory; no lock is taken. */
static int
list_directory(struct call *call)
{
    const char *schema = call->schema == NULL ? "main" : call->schema;
    char *dir = schema_path(call->conn->db, schema, call->target);
    struct moss_store_options options = {
        .os = registry_os(),
        .readonly = true,
        .no_create = true,
    };
    struct moss_error why = { .status = MOSS_OK };
    struct moss_snapshot *top = NULL;
    struct moss_store *store;
    enum moss_status st;
    int rc = SQLITE_NOMEM;

    if (dir == NULL)
        return rc;
    st = moss_store_open(dir, &options, &store, &why);
    if (st == MOSS_OK) {
        st = moss_store_snapshot(store, &top);
        moss_store_close(store);
    }
    if (st == MOSS_CANTOPEN || st == MOSS_NOT_FOUND) {
        rc = call_error(call, SQLITE_CANTOPEN,
                        "%s: '%s' is neither a moss table nor is there a store"
                        " in %s",
                        call->function, call->target, dir);
    } else if (st != MOSS_OK) {
        sqlite3_free(call->text);
        call->text = error_text(st, &why, "open the store");
        rc = call->text == NULL ? SQLITE_NOMEM : error_code(st);
    } else {
        rc = list_store(call, top);
    }
    moss_snapshot_unref(top);
    sqlite3_free(dir);
    return rc;
}

int
function_collections(struct call *call)
{
    struct moss_snapshot *top;
    struct table *t;
    enum moss_status st;
    int rc = call_table(call, &t);

    if (rc == SQLITE_NOTFOUND)
        return list_directory(call);
    if (rc != SQLITE_OK)
        return rc;
    st = shared_store_newest(t->store->shared, &top);
    if (st != MOSS_OK)
        return error_code(st);
    rc = list_store(call, top);
    moss_snapshot_unref(top);
    return rc;
}
