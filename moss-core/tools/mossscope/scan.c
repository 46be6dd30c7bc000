/*
 * One pass over all segments of a collection side by side, which finds for
 * each key what a reader sees of it: the newest set, with the operands above
 * it, or nothing.  A collection has a few dozen segments at most, so the
 * least key is found by looking at all of them.
 */
#include <inttypes.h>

#include "base/mem.h"
#include "stats.h"

struct place {
    const struct segment *seg;
    struct segment_window window;
    size_t pos;
    struct entry e;
    bool has_entry;
};

static enum moss_status
place_load(struct place *p)
{
    p->has_entry = p->pos < p->seg->n;
    if (!p->has_entry)
        return MOSS_OK;
    return segment_entry_checked(p->seg, p->pos, &p->window, &p->e);
}

/* The least key that one of the places stands on; false: none is left. */
static bool
least_key(const struct place *places, size_t n, struct moss_slice *key)
{
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        if (places[i].has_entry &&
            (!found || slice_compare(places[i].e.key, *key) < 0)) {
            *key = places[i].e.key;
            found = true;
        }
    }
    return found;
}

static size_t
bucket_of(uint64_t size)
{
    size_t b = 0;

    while (size > 0 && b < HISTOGRAM_BUCKETS - 1) {
        size >>= 1;
        b++;
    }
    return b;
}

static void
sizes_add(struct sizes *s, uint64_t size)
{
    if (s->n == 0 || size < s->min)
        s->min = size;
    if (size > s->max)
        s->max = size;
    s->n++;
    s->sum += size;
    s->buckets[bucket_of(size)]++;
}

/* Count the entries of key, the newest first, and step over them. */
static enum moss_status
count_key(struct place *places, size_t n, struct moss_slice key,
          struct scan *scan)
{
    bool hidden = false, seen = false;

    for (size_t i = n; i-- > 0;) {
        struct place *p = &places[i];
        enum moss_status st;

        if (!p->has_entry || slice_compare(p->e.key, key) != 0)
            continue;
        if (!hidden && p->e.op != MOSS_OP_DEL) {
            scan->segments[i].visible++;
            scan->segments[i].visible_bytes +=
                16 + p->e.key.len + p->e.value.len;
            sizes_add(&scan->values, p->e.value.len);
            seen = true;
        }
        hidden = hidden || p->e.op != MOSS_OP_MERGE;
        p->pos++;
        st = place_load(p);
        if (st < 0)
            return st;
    }
    if (seen) {
        scan->visible++;
        sizes_add(&scan->keys, key.len);
    }
    return MOSS_OK;
}

enum scope_exit
scan_stack(const struct segstack *stack, struct scan *out)
{
    struct place *places = mem_zalloc(stack->n + 1, sizeof *places);
    struct moss_slice key = { NULL, 0 };
    enum moss_status st = MOSS_OK;
    uint64_t done = 0;

    memset(out, 0, sizeof *out);
    out->segments = mem_zalloc(stack->n + 1, sizeof *out->segments);
    if (places == NULL || out->segments == NULL)
        scope_must(MOSS_NOMEM);
    for (size_t i = 0; i < stack->n && st == MOSS_OK; i++) {
        places[i].seg = stack->segs[i];
        st = place_load(&places[i]);
    }
    while (st == MOSS_OK && least_key(places, stack->n, &key)) {
        st = count_key(places, stack->n, key, out);
        progress_show(++done, 0);
    }
    mem_free(places);
    if (st == MOSS_OK)
        return SCOPE_OK;
    (void)scope_failed("a segment cannot be read; see check", st, NULL);
    return st == MOSS_CORRUPT ? SCOPE_PROBLEMS : SCOPE_FAILED;
}

void
scan_release(struct scan *scan)
{
    mem_free(scan->segments);
    scan->segments = NULL;
}

/* ------------------------------------------------------------------ */
/* Histograms                                                         */
/* ------------------------------------------------------------------ */

static uint64_t
bucket_from(size_t b)
{
    return b == 0 ? 0 : (uint64_t)1 << (b - 1);
}

static uint64_t
bucket_to(size_t b)
{
    return b == 0 ? 0 : ((uint64_t)1 << b) - 1;
}

void
sizes_join(struct sizes *s, const struct sizes *other)
{
    if (other->n > 0 && (s->n == 0 || other->min < s->min))
        s->min = other->min;
    if (other->max > s->max)
        s->max = other->max;
    s->n += other->n;
    s->sum += other->sum;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        s->buckets[i] += other->buckets[i];
}

void
sizes_put_text(const struct sizes *s, const char *what)
{
    static const char bar[] = "########################################";
    uint64_t most = 1;

    (void)printf("%s (%" PRIu64 "):\n", what, s->n);
    for (size_t b = 0; b < HISTOGRAM_BUCKETS; b++)
        most = s->buckets[b] > most ? s->buckets[b] : most;
    for (size_t b = 0; b < HISTOGRAM_BUCKETS; b++) {
        double part = (double)s->buckets[b] / (double)most;
        int length = (int)(part * (double)(sizeof bar - 1) + 0.999);

        if (s->buckets[b] == 0)
            continue;
        (void)printf("%10" PRIu64 " - %-10" PRIu64 " %12" PRIu64
                     " %6.2f%% %.*s\n",
                     bucket_from(b), bucket_to(b), s->buckets[b],
                     100.0 * (double)s->buckets[b] / (double)s->n, length, bar);
    }
}

void
sizes_put_json(struct json_out *w, const char *name, const struct sizes *s,
               bool buckets)
{
    json_open(w, name, '{');
    json_uint(w, "n", s->n);
    json_uint(w, "bytes", s->sum);
    json_uint(w, "min", s->min);
    json_uint(w, "max", s->max);
    if (buckets) {
        json_open(w, "buckets", '[');
        for (size_t b = 0; b < HISTOGRAM_BUCKETS; b++) {
            if (s->buckets[b] == 0)
                continue;
            json_open(w, NULL, '{');
            json_uint(w, "from", bucket_from(b));
            json_uint(w, "to", bucket_to(b));
            json_uint(w, "n", s->buckets[b]);
            json_close(w, '}');
        }
        json_close(w, ']');
    }
    json_close(w, '}');
}
