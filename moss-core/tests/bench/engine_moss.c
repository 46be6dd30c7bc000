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
moss_open(const char *dir)
{
    struct moss *e = calloc(1, sizeof(*e));
    struct moss_lower *lower = NULL;

    if (e == NULL)
        bench_fail("moss", "open", "out of memory");
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
moss_close(void *engine)
{
    struct moss *e = engine;

    moss_batch_free(e->batch);
    check("close", moss_collection_close(e->collection, MOSS_FOREVER, NULL));
    moss_store_close(e->store);
    free(e);
}

static void
moss_scan(void *engine, struct data_sum *sum)
{
    struct moss *e = engine;
    struct moss_snapshot *snap = NULL;
    struct moss_iterator *it = NULL;

    check("snapshot", moss_collection_snapshot(e->collection, &snap));
    check("iterate", moss_snapshot_iterate(snap, NULL, NULL, &it));
    enum moss_status st = moss_iterator_first(it);
    while (st == MOSS_OK) {
        struct moss_slice k, v;
        moss_iterator_current(it, &k, &v);
        data_sum_add(sum, k.bytes, k.len, v.bytes, v.len);
        st = moss_iterator_next(it);
    }
    if (st != MOSS_DONE)
        check("next", st);
    moss_iterator_free(it);
    moss_snapshot_unref(snap);
}

static void
moss_begin_gets(void *engine)
{
    (void)engine;
}

static void
moss_get(void *engine, const void *key, size_t key_len, struct data_sum *sum)
{
    struct moss *e = engine;
    struct moss_value value;

    check("get",
          moss_collection_get(e->collection, moss_slice(key, key_len), &value));
    data_sum_add(sum, key, key_len, value.bytes.bytes, value.bytes.len);
    moss_value_release(&value);
}

const struct engine engine_moss = {
    .name = "moss",
    .settings = "collection over a store, default options, drain = flush "
                "(syncs)",
    .version = moss_version,
    .open = moss_open,
    .put = moss_put,
    .commit = moss_commit,
    .drain = moss_drain,
    .close = moss_close,
    .scan = moss_scan,
    .begin_gets = moss_begin_gets,
    .get = moss_get,
};
