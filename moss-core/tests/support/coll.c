/* Collections under test. */
#include "support/coll.h"

#include <stdlib.h>
#include <string.h>

#include "base/reaper.h"
#include "support/mem_os.h"

struct moss_tag
tag_of(uint64_t n)
{
    return (struct moss_tag){ n, n * 100 };
}

void
run(struct moss_collection *c, const char *text)
{
    run_tagged(c, 0, text);
}

void
run_tagged(struct moss_collection *c, uint64_t n, const char *text)
{
    struct moss_batch *batch = batch_of(text);

    if (n != 0)
        moss_batch_set_tag(batch, tag_of(n));
    assert_ok(moss_collection_execute(c, batch));
    moss_batch_free(batch);
}

struct moss_prepared *
prepared_of(struct moss_collection *c, const char *text)
{
    struct moss_batch *batch = batch_of(text);
    struct moss_prepared *p;

    assert_ok(moss_collection_prepare(c, batch, 0, &p));
    moss_batch_free(batch);
    return p;
}

char *
get_text(struct moss_collection *c, const char *key)
{
    struct moss_value value;
    enum moss_status st = moss_collection_get(c, moss_str(key), &value);
    char *text;

    if (st == MOSS_NOT_FOUND)
        return must_alloc(strdup("(none)"));
    assert_ok(st);
    text = text_of(value.bytes);
    moss_value_release(&value);
    return text;
}

void
assert_get(struct moss_collection *c, const char *key, const char *want)
{
    char *got = get_text(c, key);

    ck_assert_str_eq(got, want);
    free(got);
}

void
assert_at(struct moss_collection *c, uint64_t n, const char *text)
{
    struct moss_snapshot *snap;

    assert_ok(moss_collection_snapshot_at(c, tag_of(n), &snap));
    assert_tree(snap, text);
    moss_snapshot_unref(snap);
}

/* ------------------------------------------------------------ callbacks */

static void
on_error(void *ctx, const struct moss_error *err)
{
    struct heard *h = ctx;

    mutex_lock(&h->mu);
    h->errors++;
    h->last_error = *err;
    condvar_broadcast(&h->changed);
    mutex_unlock(&h->mu);
}

static void
on_event(void *ctx, enum moss_event event, uint64_t ns)
{
    struct heard *h = ctx;

    mutex_lock(&h->mu);
    if ((size_t)event < sizeof(h->events) / sizeof(h->events[0])) {
        h->events[event]++;
        h->event_ns[event] += ns;
    }
    h->merged += event == MOSS_EVENT_MERGED;
    h->persisted += event == MOSS_EVENT_PERSISTED;
    h->close_start += event == MOSS_EVENT_CLOSE_START;
    h->closed += event == MOSS_EVENT_CLOSE;
    condvar_broadcast(&h->changed);
    mutex_unlock(&h->mu);
}

static enum moss_status
before_persist(void *ctx, struct moss_tag tag, struct moss_error *err)
{
    struct heard *h = ctx;
    enum moss_status st;

    mutex_lock(&h->mu);
    h->asked++;
    h->asked_tag = tag;
    st = h->answer;
    mutex_unlock(&h->mu);
    if (st != MOSS_OK) {
        err->status = st;
        err->what = "before_persist";
    }
    return st;
}

void
heard_init(struct heard *h)
{
    memset(h, 0, sizeof(*h));
    assert_ok(mutex_init(&h->mu));
    assert_ok(condvar_init(&h->changed));
}

void
heard_release(struct heard *h)
{
    condvar_destroy(&h->changed);
    mutex_destroy(&h->mu);
}

void
heard_listen(struct heard *h, struct moss_collection_options *options)
{
    options->on_error = on_error;
    options->on_event = on_event;
    options->before_persist = before_persist;
    options->ctx = h;
}

static void
wait_for(struct heard *h, const unsigned *count, unsigned n)
{
    mutex_lock(&h->mu);
    while (*count < n)
        condvar_wait(&h->changed, &h->mu);
    mutex_unlock(&h->mu);
}

void
heard_wait_errors(struct heard *h, unsigned n)
{
    wait_for(h, &h->errors, n);
}

void
heard_wait_merged(struct heard *h, unsigned n)
{
    wait_for(h, &h->merged, n);
}

/* --------------------------------------------------- over a toy lower level */

void
over_toy_open(struct over_toy *o, const struct moss_collection_options *options)
{
    memset(o, 0, sizeof(*o));
    if (options != NULL)
        o->options = *options;
    heard_init(&o->heard);
    heard_listen(&o->heard, &o->options);
    o->toy = toy_new(o->options.merge);
    assert_ok(moss_collection_open(&o->options, toy_lower(o->toy), &o->c));
}

void
over_toy_reopen(struct over_toy *o)
{
    assert_ok(moss_collection_close(o->c, MOSS_FOREVER, NULL));
    assert_ok(moss_collection_open(&o->options, toy_lower(o->toy), &o->c));
}

void
over_toy_close(struct over_toy *o)
{
    if (o->c != NULL)
        assert_ok(moss_collection_close(o->c, MOSS_FOREVER, NULL));
    toy_free(o->toy);
    heard_release(&o->heard);
}

void
assert_toy(struct over_toy *o, const char *text)
{
    struct moss_snapshot *snap = toy_snapshot(o->toy);

    assert_tree(snap, text);
    moss_snapshot_unref(snap);
}

/* -------------------------------------------------------- over a store */

static void
open_over_store(struct over_store *o)
{
    struct moss_lower *lower;
    struct moss_store *store;

    assert_ok(moss_store_open("/db", &o->store_options, &store, NULL));
    assert_ok(moss_store_lower(store, &lower));
    moss_store_close(store);
    assert_ok(moss_collection_open(&o->options, lower, &o->c));
}

void
over_store_open(struct over_store *o,
                const struct moss_collection_options *options)
{
    memset(o, 0, sizeof(*o));
    if (options != NULL)
        o->options = *options;
    o->os = mem_os_new();
    o->store_options.os = mem_os_base(o->os);
    o->store_options.merge = o->options.merge;
    open_over_store(o);
}

void
over_store_reopen(struct over_store *o)
{
    assert_ok(moss_collection_close(o->c, MOSS_FOREVER, NULL));
    open_over_store(o);
}

void
over_store_close(struct over_store *o)
{
    if (o->c != NULL)
        assert_ok(moss_collection_close(o->c, MOSS_FOREVER, NULL));
    mem_os_free(o->os);
}

static void
nothing(struct reap *r)
{
    (void)r;
}

void
settle_reaper(void)
{
    static struct reap job;

    reaper_defer(&job, nothing);
    reaper_drain();
}
