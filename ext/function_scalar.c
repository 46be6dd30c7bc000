/*
 * moss_version(), and moss_debug(): what is open and what holds what, as JSON,
 * for people who look for the reason of something.
 */
#include "function.h"

#include <string.h>

#include "pending.h"
#include "txn.h"

SQLITE_EXTENSION_INIT3

void
function_version(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_text(ctx, MOSS_VERSION, -1, SQLITE_STATIC);
}

/* A JSON string. */
static void
put_text(sqlite3_str *out, const char *text)
{
    sqlite3_str_appendchar(out, 1, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            sqlite3_str_appendchar(out, 1, '\\');
        if (c < 0x20)
            sqlite3_str_appendf(out, "\\u%04x", c);
        else
            sqlite3_str_appendchar(out, 1, (char)c);
    }
    sqlite3_str_appendchar(out, 1, '"');
}

static void
put_bool(sqlite3_str *out, const char *name, bool value)
{
    sqlite3_str_appendf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void
put_number(sqlite3_str *out, const char *name, uint64_t value)
{
    sqlite3_str_appendf(out, ",\"%s\":%llu", name, value);
}

/* What the collection of a store says.  ss->mu held. */
static void
put_collection(sqlite3_str *out, struct shared_store *ss)
{
    struct moss_collection_stats stats;
    struct moss_old_snapshots old;

    if (ss->collection == NULL)
        return;
    moss_collection_stats(ss->collection, &stats);
    put_number(out, "transaction", moss_collection_tag(ss->collection).n);
    put_number(out, "persisted",
               moss_collection_persisted_tag(ss->collection).n);
    put_number(out, "dirtyBytes", stats.dirty_bytes);
    put_number(out, "persistErrors", stats.persist_errors);
    put_number(out, "recentSnapshots", stats.recent_snapshots);
    put_number(out, "recentBytes", stats.recent_bytes);
    if (moss_collection_old_snapshots(ss->collection, &old) == MOSS_OK) {
        put_number(out, "oldSnapshots", old.count);
        put_number(out, "oldestSnapshotMs", old.oldest_ns / 1000000);
        put_number(out, "pinnedBytes", old.pinned_bytes);
    }
    put_bool(out, "prepared", ss->prepared != NULL);
    put_number(out, "ringRecords", ss->n_live);
}

static void
put_store(void *arg, struct shared_store *ss)
{
    sqlite3_str *out = arg;
    const char *text = sqlite3_str_value(out);

    if (text != NULL && text[strlen(text) - 1] != '[')
        sqlite3_str_appendchar(out, 1, ',');
    sqlite3_str_appendall(out, "{\"store\":");
    put_text(out, shared_store_name(ss));
    put_number(out, "users", (uint64_t)ss->refs);
    put_bool(out, "async", ss->async);
    put_bool(out, "readonly", ss->readonly);
    sqlite3_mutex_enter(ss->mu);
    put_collection(out, ss);
    sqlite3_mutex_leave(ss->mu);
    sqlite3_str_appendchar(out, 1, '}');
}

static const char *
role_text(struct conn_store *cs)
{
    switch (conn_store_role(cs)) {
    case ROLE_HOME:
        return "home";
    case ROLE_ASYNC:
        return "async";
    case ROLE_GUEST:
    default:
        return "guest";
    }
}

static void
put_connection(sqlite3_str *out, struct conn *conn)
{
    for (struct conn_store *cs = conn->stores; cs != NULL; cs = cs->next) {
        sqlite3_str_appendall(out, "{\"schema\":");
        put_text(out, cs->schema);
        sqlite3_str_appendall(out, ",\"store\":");
        put_text(out, shared_store_name(cs->shared));
        sqlite3_str_appendf(out, ",\"role\":\"%s\"", role_text(cs));
        put_bool(out, "inTransaction", cs->active);
        put_number(out, "pendingBytes",
                   cs->active ? pending_bytes(cs->pending) : 0);
        put_number(out, "openCursors", cs->open_cursors);
        put_bool(out, "holdsState", cs->snap != NULL);
        put_number(out, "transaction", cs->seen.tag.n);
        sqlite3_str_appendall(out, cs->next == NULL ? "}" : "},");
    }
}

void
function_debug(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct conn *conn = sqlite3_user_data(ctx);
    sqlite3_str *out = sqlite3_str_new(NULL);
    int rc;

    (void)argc;
    (void)argv;
    sqlite3_str_appendall(out, "{\"stores\":[");
    registry_each(put_store, out);
    sqlite3_str_appendall(out, "],\"connection\":[");
    put_connection(out, conn);
    sqlite3_str_appendall(out, "]}");
    rc = sqlite3_str_errcode(out);
    if (rc == SQLITE_OK)
        sqlite3_result_text(ctx, sqlite3_str_finish(out), -1, sqlite3_free);
    else
        sqlite3_free(sqlite3_str_finish(out));
    if (rc != SQLITE_OK)
        sqlite3_result_error_code(ctx, rc);
}
