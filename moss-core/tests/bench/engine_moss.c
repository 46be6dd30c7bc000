/*
 * moss itself, through its C interface: a collection over a store, all
 * options left at their defaults.
 */
#include "bench.h"

#include <stdlib.h>

#include "moss.h"

struct moss {
    struct moss_store *store;
    struct moss_collection *collection;
    struct moss_batch *batch;
};

static void
check(const char *doing, enum moss_status st)
{
    if (st != MOSS_OK)
        bench_fail("moss", doing, moss_status_name(st));
}

static const char *
moss_version(void)
{
    return "moss " MOSS_VERSION;
}

static void *
moss_open(const char *dir, const struct setting *s)
{
    struct moss *e = bench_alloc(1, sizeof(*e));
    struct moss_lower *lower = NULL;

    (void)s;
    check("store open", moss_store_open(dir, NULL, &e->store, NULL));
    check("store lower", moss_store_lower(e->store, &lower));
    check("open", moss_collection_open(NULL, lower, &e->collection));
    check("batch", moss_batch_new(0, 0, &e->batch));
    return e;
}

static void
moss_put(void *engine, const void *key, size_t key_len, const void *value,
         size_t value_len)
{
    struct moss *e = engine;

    check("set", moss_batch_set(e->batch, moss_slice(key, key_len),
                                moss_slice(value, value_len)));
}

static void
moss_commit(void *engine)
{
    struct moss *e = engine;

    check("execute", moss_collection_execute(e->collection, e->batch));
    moss_batch_reset(e->batch);
}

static void
moss_drain(void *engine)
{
    struct moss *e = engine;

    check("flush", moss_collection_flush(e->collection, MOSS_FOREVER, NULL));
}

static void
moss_compact(void *engine)
{
    struct moss *e = engine;

    check("compact", moss_store_compact(e->store, NULL, NULL));
}

static void
moss_close(void *engine)
{
    struct moss *e = engine;

    moss_batch_free(e->batch);
    check("close", moss_collection_close(e->collection, MOSS_FOREVER, NULL));
    moss_store_close(e->store);
    free(e);
}

/* A snapshot, an iterator over it once there is a walk, the last value. */
struct reader {
    struct moss_collection *collection;
    struct moss_snapshot *snap;
    struct moss_iterator *it;
    struct moss_value value;
};

static void
forget(struct reader *r)
{
    moss_value_release(&r->value);
    r->value = (struct moss_value){ .owned = NULL };
    moss_iterator_free(r->it);
    r->it = NULL;
    moss_snapshot_unref(r->snap);
    r->snap = NULL;
}

static void
moss_renew(void *reader)
{
    struct reader *r = reader;

    forget(r);
    check("snapshot", moss_collection_snapshot(r->collection, &r->snap));
}

static void *
moss_reader(void *engine)
{
    struct moss *e = engine;
    struct reader *r = bench_alloc(1, sizeof(*r));

    r->collection = e->collection;
    moss_renew(r);
    return r;
}

static void
moss_end_reader(void *reader)
{
    forget(reader);
    free(reader);
}

static bool
moss_get(void *reader, const void *key, size_t key_len, struct found *value)
{
    struct reader *r = reader;

    moss_value_release(&r->value);
    enum moss_status st =
        moss_snapshot_get(r->snap, moss_slice(key, key_len), &r->value);
    if (st == MOSS_NOT_FOUND)
        return false;
    check("get", st);
    value->bytes = r->value.bytes.bytes;
    value->len = r->value.bytes.len;
    return true;
}

static enum moss_status
start(struct moss_iterator *it, const struct walk *w)
{
    if (w->from != NULL)
        return moss_iterator_seek(it, moss_slice(w->from, w->from_len));
    return w->backwards ? moss_iterator_last(it) : moss_iterator_first(it);
}

static void
moss_walk(void *reader, const struct walk *w, struct data_sum *sum)
{
    struct reader *r = reader;

    if (r->it == NULL)
        check("iterate", moss_snapshot_iterate(r->snap, NULL, NULL, &r->it));
    enum moss_status st = start(r->it, w);
    for (uint64_t n = 0; st == MOSS_OK;) {
        struct moss_slice k, v;
        moss_iterator_current(r->it, &k, &v);
        walk_entry(w, sum, k.bytes, k.len, v.bytes, v.len);
        n++;
        if (n == w->limit)
            return;
        st = w->backwards ? moss_iterator_prev(r->it)
                          : moss_iterator_next(r->it);
    }
    if (st != MOSS_DONE)
        check("walk", st);
}

const struct engine engine_moss = {
    .name = "moss",
    .settings = "collection over a store, default options; drain = flush, "
                "which syncs",
    .version = moss_version,
    .open = moss_open,
    .put = moss_put,
    .commit = moss_commit,
    .drain = moss_drain,
    .compact = moss_compact,
    .close = moss_close,
    .reader = moss_reader,
    .renew = moss_renew,
    .end_reader = moss_end_reader,
    .get = moss_get,
    .walk = moss_walk,
};
