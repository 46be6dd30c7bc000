/*
 * Items travel in batches, which are jobs of a pump of the feed's own.  A few
 * of them go round: while the sink works on some, the caller fills the next.
 * Of a batch that is pending, the pump's thread alone may touch anything.
 *
 * The entries come from memory that the other thread's processor has seen
 * last, if any: so it is asked for some items ahead.
 *
 * One thread puts; the sink runs on the pump's.
 */
#include "store/feed.h"

#include "base/mem.h"
#include "base/pump.h"

enum {
    BATCHES = 4,
    BATCH_ITEMS = 1024,
    BATCH_BYTES = 256 << 10, /* or fewer items, if they have as many bytes */
    AHEAD = 8,               /* items whose bytes are on their way */
    LINES_AHEAD = 4          /* of each */
};

struct feed_batch {
    struct pump_job job;
    struct feed *feed;
    size_t n;
    uint64_t bytes;
    enum moss_status st; /* the sink's, as of this batch */
    struct feed_item items[BATCH_ITEMS];
};

struct feed {
    struct pump *pump;
    feed_sink sink;
    void *ctx;
    size_t filling;        /* the batch that the caller has */
    enum moss_status sunk; /* the pump's: stays a failure */
    struct feed_batch batches[BATCHES];
};

static void
prefetch_item(const struct feed_item *item)
{
    const struct entry *e = &item->e;
    size_t bytes = e->key.len + e->value.len;

    if (item->run.seg != NULL)
        return;
    for (size_t at = 0; at < bytes && at < 64 * LINES_AHEAD; at += 64)
        prefetch((uintptr_t)e->key.bytes + at);
}

static void
run_batch(struct pump_job *job)
{
    struct feed_batch *b = container_of(job, struct feed_batch, job);
    struct feed *f = b->feed;

    for (size_t i = 0; i < AHEAD && i < b->n; i++)
        prefetch_item(&b->items[i]);
    for (size_t i = 0; i < b->n && f->sunk == MOSS_OK; i++) {
        if (i + AHEAD < b->n)
            prefetch_item(&b->items[i + AHEAD]);
        f->sunk = f->sink(f->ctx, &b->items[i]);
    }
    b->st = f->sunk;
}

enum moss_status
feed_new(feed_sink sink, void *ctx, struct feed **out)
{
    struct feed *f = mem_alloc(sizeof(*f));

    *out = NULL;
    if (f == NULL)
        return MOSS_NOMEM;
    f->sink = sink;
    f->ctx = ctx;
    f->filling = 0;
    f->sunk = MOSS_OK;
    for (size_t i = 0; i < BATCHES; i++) {
        struct feed_batch *b = &f->batches[i];

        b->job = (struct pump_job){ .run = run_batch };
        b->feed = f;
        b->n = 0;
        b->bytes = 0;
        b->st = MOSS_OK;
    }
    if (pump_new(&f->pump) < 0) {
        mem_free(f);
        return MOSS_NOMEM;
    }
    *out = f;
    return MOSS_OK;
}

struct feed_item *
feed_room(struct feed *f)
{
    struct feed_batch *b = &f->batches[f->filling];

    return &b->items[b->n];
}

/* Hand the batch over and take up the oldest of the others. */
static enum moss_status
turn(struct feed *f)
{
    struct feed_batch *next;

    pump_submit(f->pump, &f->batches[f->filling].job);
    f->filling = (f->filling + 1) % BATCHES;
    next = &f->batches[f->filling];
    pump_wait(f->pump, &next->job);
    next->n = 0;
    next->bytes = 0;
    return next->st;
}

enum moss_status
feed_put(struct feed *f, uint64_t bytes, bool *turned)
{
    struct feed_batch *b = &f->batches[f->filling];

    b->n++;
    b->bytes += bytes;
    *turned = b->n == BATCH_ITEMS || b->bytes >= BATCH_BYTES;
    return *turned ? turn(f) : MOSS_OK;
}

enum moss_status
feed_drain(struct feed *f)
{
    enum moss_status st = MOSS_OK;

    if (f->batches[f->filling].n > 0)
        st = turn(f);
    for (size_t i = 0; i < BATCHES; i++)
        pump_wait(f->pump, &f->batches[i].job);
    return st < 0 ? st : f->sunk;
}

void
feed_free(struct feed *f)
{
    if (f == NULL)
        return;
    pump_free(f->pump);
    mem_free(f);
}
