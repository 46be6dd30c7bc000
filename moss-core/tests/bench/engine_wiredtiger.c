/*
 * WiredTiger: a B-tree with a cache of its own, here without its log, so that
 * drain() is a checkpoint.
 */
#include "bench.h"

#ifdef HAVE_WIREDTIGER

#include <stdio.h>
#include <stdlib.h>
#include <wiredtiger.h>

static const char table[] = "table:bench";

struct wt {
    WT_CONNECTION *conn;
    WT_SESSION *session;
    WT_CURSOR *cursor;
    bool in_batch;
};

static void
check(const char *doing, int rc)
{
    if (rc != 0)
        bench_fail("wiredtiger", doing, wiredtiger_strerror(rc));
}

static const char *
wt_version(void)
{
    return wiredtiger_version(NULL, NULL, NULL);
}

static WT_SESSION *
session_open(WT_CONNECTION *conn)
{
    WT_SESSION *s = NULL;

    check("session", conn->open_session(conn, NULL, "isolation=snapshot", &s));
    return s;
}

static WT_CURSOR *
cursor_open(WT_SESSION *s)
{
    WT_CURSOR *c = NULL;

    check("cursor", s->open_cursor(s, table, NULL, NULL, &c));
    return c;
}

/* Its pages take about twice their bytes on disk. */
static uint64_t
wt_cache(const struct setting *s)
{
    return setting_cache(s) * 2;
}

static void *
wt_open(const char *dir, const struct setting *s)
{
    struct wt *e = bench_alloc(1, sizeof(*e));
    char config[512];

    snprintf(config, sizeof(config),
             "create,cache_size=%lluM,session_max=100,"
             "eviction=(threads_min=1,threads_max=1),"
             "eviction_target=90,eviction_trigger=97,"
             "eviction_dirty_target=70,eviction_dirty_trigger=90",
             (unsigned long long)(wt_cache(s) >> 20));
    check("open", wiredtiger_open(dir, NULL, config, &e->conn));
    e->session = session_open(e->conn);
    check("create",
          e->session->create(e->session, table,
                             "key_format=u,value_format=u,leaf_page_max=32K,"
                             "checksum=uncompressed"));
    e->cursor = cursor_open(e->session);
    return e;
}

static void
wt_put(void *engine, const void *key, size_t key_len, const void *value,
       size_t value_len)
{
    struct wt *e = engine;
    WT_ITEM k = { .data = key, .size = key_len };
    WT_ITEM v = { .data = value, .size = value_len };

    if (!e->in_batch)
        check("begin", e->session->begin_transaction(e->session, NULL));
    e->in_batch = true;
    e->cursor->set_key(e->cursor, &k);
    e->cursor->set_value(e->cursor, &v);
    check("insert", e->cursor->insert(e->cursor));
}

static void
wt_commit(void *engine)
{
    struct wt *e = engine;

    check("commit", e->session->commit_transaction(e->session, NULL));
    e->in_batch = false;
}

static void
wt_drain(void *engine)
{
    struct wt *e = engine;

    check("checkpoint", e->session->checkpoint(e->session, NULL));
}

static void
wt_compact(void *engine)
{
    struct wt *e = engine;

    check("compact", e->session->compact(e->session, table, "timeout=0"));
    wt_drain(e);
}

static void
wt_close(void *engine)
{
    struct wt *e = engine;

    check("close", e->conn->close(e->conn, "leak_memory=false"));
    free(e);
}

/* A session in a transaction, a cursor for gets and one for walks. */
struct reader {
    WT_SESSION *session;
    WT_CURSOR *get, *walk;
};

static void *
wt_reader(void *engine)
{
    struct wt *e = engine;
    struct reader *r = bench_alloc(1, sizeof(*r));

    r->session = session_open(e->conn);
    r->get = cursor_open(r->session);
    r->walk = cursor_open(r->session);
    check("begin", r->session->begin_transaction(r->session, NULL));
    return r;
}

static void
wt_renew(void *reader)
{
    struct reader *r = reader;

    check("rollback", r->session->rollback_transaction(r->session, NULL));
    check("begin", r->session->begin_transaction(r->session, NULL));
}

static void
wt_end_reader(void *reader)
{
    struct reader *r = reader;

    check("session close", r->session->close(r->session, NULL));
    free(r);
}

static bool
wt_get(void *reader, const void *key, size_t key_len, struct found *value)
{
    struct reader *r = reader;
    WT_ITEM k = { .data = key, .size = key_len };
    WT_ITEM v;

    r->get->set_key(r->get, &k);
    int rc = r->get->search(r->get);
    if (rc == WT_NOTFOUND)
        return false;
    check("search", rc);
    check("value", r->get->get_value(r->get, &v));
    value->bytes = v.data;
    value->len = v.size;
    return true;
}

/* 0, WT_NOTFOUND, or an end of the process. */
static int
start(WT_CURSOR *c, const struct walk *w)
{
    WT_ITEM k = { .data = w->from, .size = w->from_len };
    int exact = 0;

    if (w->from == NULL) {
        check("reset", c->reset(c));
        return w->backwards ? c->prev(c) : c->next(c);
    }
    c->set_key(c, &k);
    int rc = c->search_near(c, &exact);
    return rc == 0 && exact < 0 ? c->next(c) : rc;
}

static void
wt_walk(void *reader, const struct walk *w, struct data_sum *sum)
{
    struct reader *r = reader;
    WT_CURSOR *c = r->walk;
    int rc = start(c, w);

    for (uint64_t n = 0; rc == 0;) {
        WT_ITEM k, v;
        check("key", c->get_key(c, &k));
        check("value", c->get_value(c, &v));
        walk_entry(w, sum, k.data, k.size, v.data, v.size);
        n++;
        if (n == w->limit)
            return;
        rc = w->backwards ? c->prev(c) : c->next(c);
    }
    if (rc != WT_NOTFOUND)
        check("walk", rc);
}

const struct engine engine_wiredtiger = {
    .name = "wiredtiger",
    .settings = "no log, drain = checkpoint, a cache for all the data (at "
                "most 12 GiB) with high marks for eviction, no compression",
    .version = wt_version,
    .open = wt_open,
    .put = wt_put,
    .commit = wt_commit,
    .drain = wt_drain,
    .compact = wt_compact,
    .close = wt_close,
    .reader = wt_reader,
    .renew = wt_renew,
    .end_reader = wt_end_reader,
    .get = wt_get,
    .walk = wt_walk,
};

#endif
