/*
 * Segments: counting references, reading entries, searching.
 *
 * An entry is two words in a sorted array that point into a byte array.  A
 * segment that was built here is trusted; one that is mapped from a file is
 * not: each entry is checked when it is read, and the bytes it needs are
 * verified before they are looked at, so that no content of a file can make a
 * reader leave the two regions.  If such a segment is not sorted, searches
 * give wrong answers, but they end.
 *
 * A search compares numbers made of the 8 bytes behind the prefix that all
 * keys share, and looks at whole keys only when these are equal.
 *
 * Segments are immutable; everything here may run on any thread.
 */
#include "segment/segment.h"

#include <assert.h>

#include "base/coding.h"
#include "base/mem.h"
#include "segment/segment_index.h"

/*
 * An index is made when as many gets have searched in vain for one as make up
 * for it: a search costs about as much as indexing so many entries.  A large
 * one would keep the get waiting that makes it: it is left to the reaper.
 */
enum { INDEX_MIN = 16, ENTRIES_A_SEARCH = 8, ENTRIES_A_SEARCH_LARGE = 32 };

/* Checksums are made per block of this size, in both regions. */
enum { BLOCK = 4096, BLOCK_ENTRIES = BLOCK / 16, AHEAD = 128 * 1024 };

struct segment *
segment_ref(struct segment *seg)
{
    refs_inc(&seg->refs);
    return seg;
}

static void
release(struct segment *seg)
{
    index_free(atomic_load_explicit(&seg->index, memory_order_relaxed));
    seg->ops->release(seg);
}

static void
release_later(struct reap *r)
{
    release(container_of(r, struct segment, reap));
}

void
segment_unref(struct segment *seg)
{
    if (seg == NULL || !refs_dec(&seg->refs))
        return;
    if (seg->big)
        reaper_defer(&seg->reap, release_later);
    else
        release(seg);
}

/* ------------------------------------------------------------------ */
/* Entries of untrusted segments                                      */
/* ------------------------------------------------------------------ */

static enum moss_status
verify(const struct segment *seg, int region, size_t off, size_t n)
{
    if (seg->ops->verify == NULL)
        return MOSS_OK;
    return seg->ops->verify(seg, region, off, n);
}

/*
 * How much a reader verifies at once that has had `before` verified next to
 * what it wants now: enough to keep checksums streaming, little enough that
 * what was verified is still in the processor's cache when it is read.
 */
static size_t
ahead(size_t before, size_t least, size_t most)
{
    size_t n = 2 * before;

    n = n < least ? least : n;
    return n < most ? n : most;
}

/* Verify the whole blocks around entry i, and those it is heading for. */
static enum moss_status
verify_entry(const struct segment *seg, size_t i, struct segment_window *w)
{
    size_t first = i / BLOCK_ENTRIES * BLOCK_ENTRIES;
    size_t last = first + BLOCK_ENTRIES;
    size_t n = ahead(w->last - w->first, BLOCK_ENTRIES, AHEAD / 16);
    size_t from = first, to;
    enum moss_status st;

    if (w->first <= i && i < w->last)
        return MOSS_OK;
    if (last > seg->n)
        last = seg->n;
    to = last;
    if (first == w->last && first > 0)
        to = first + n < seg->n ? first + n : seg->n;
    else if (last == w->first)
        from = last > n ? (last - n) / BLOCK_ENTRIES * BLOCK_ENTRIES : 0;
    st = verify(seg, 0, from * 16, (to - from) * 16);
    if (st < 0 && to - from > last - first) {
        /* What is damaged may lie further on. */
        from = first;
        to = last;
        st = verify(seg, 0, from * 16, (to - from) * 16);
    }
    if (st < 0)
        return st;
    w->first = from;
    w->last = to;
    return MOSS_OK;
}

/* Verify the whole blocks around the bytes [off, end); likewise. */
static enum moss_status
verify_bytes(const struct segment *seg, size_t off, size_t end,
             struct segment_window *w)
{
    size_t lo = off / BLOCK * BLOCK, hi = seg->buf_bytes;
    size_t n = ahead(w->hi - w->lo, BLOCK, AHEAD);
    size_t from = lo, to;
    enum moss_status st;

    if (w->lo <= off && end <= w->hi)
        return MOSS_OK;
    if (hi - end >= BLOCK)
        hi = (size_t)align_up(end, BLOCK);
    to = hi;
    if (w->lo <= off && off <= w->hi && w->hi > 0) {
        if (to - lo < n)
            to = n < seg->buf_bytes - lo ? lo + n : seg->buf_bytes;
    } else if (w->lo <= end && end <= w->hi) {
        if (hi - lo < n)
            from = hi > n ? (hi - n) / BLOCK * BLOCK : 0;
    }
    st = verify(seg, 1, from, to - from);
    if (st < 0 && to - from > hi - lo) {
        from = lo;
        to = hi;
        st = verify(seg, 1, from, to - from);
    }
    if (st < 0)
        return st;
    w->lo = from;
    w->hi = to;
    return MOSS_OK;
}

enum moss_status
segment_entry_checked(const struct segment *seg, size_t i,
                      struct segment_window *w, struct entry *out)
{
    const uint64_t *words = seg->kvs + 2 * i;
    enum moss_status st;
    uint64_t op, off;
    size_t len;

    assert(i < seg->n);
    st = w == NULL ? verify(seg, 0, i * 16, 16) : verify_entry(seg, i, w);
    if (st < 0)
        return st;
    op = words[0] >> ENTRY_OP_SHIFT & ENTRY_OP_MASK;
    len = (size_t)((words[0] >> ENTRY_KEY_SHIFT & ENTRY_KEY_MASK) +
                   (words[0] & ENTRY_VALUE_MASK));
    if (op < MOSS_OP_SET || op > MOSS_OP_MERGE)
        return MOSS_CORRUPT;
    if (len == 0) {
        out->op = (enum moss_op)op;
        out->key = out->value = moss_slice("", 0);
        return MOSS_OK;
    }
    off = words[1];
    if (off > seg->buf_bytes || len > seg->buf_bytes - off)
        return MOSS_CORRUPT;
    st = w == NULL ? verify(seg, 1, (size_t)off, len)
                   : verify_bytes(seg, (size_t)off, (size_t)off + len, w);
    if (st < 0)
        return st;
    entry_decode(words, seg->buf, out);
    return MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* Searching                                                          */
/* ------------------------------------------------------------------ */

/* A key that is sought, made ready for comparing with those of a segment. */
struct probe {
    struct moss_slice key;
    size_t skip;     /* bytes that need no comparison */
    uint64_t prefix; /* the 8 bytes behind them */
};

/*
 * < 0 if the entry key k sorts before the probe.  A corrupt segment may have
 * keys shorter than its prefix.
 */
static inline int
probe_compare(const struct probe *p, struct moss_slice k)
{
    if (k.len >= p->skip) {
        uint64_t v = load_prefix(k.bytes + p->skip, k.len - p->skip);

        if (v != p->prefix)
            return v < p->prefix ? -1 : 1;
    }
    return slice_compare(k, p->key);
}

/*
 * Make the probe for a segment with entries.  *side is < 0 if key sorts
 * before all of them, > 0 if behind all, because it lacks their prefix.
 */
static enum moss_status
probe_init(struct probe *p, const struct segment *seg, struct moss_slice key,
           int *side)
{
    size_t skip = seg->prefix_len;
    enum moss_status st;
    struct entry first;

    if (key.len == 0)
        key.bytes = (const uint8_t *)"";
    p->key = key;
    p->skip = 0;
    *side = 0;
    if (skip > 0) {
        st = segment_entry(seg, 0, &first);
        if (st < 0)
            return st;
        if (first.key.len >= skip) {
            size_t n = key.len < skip ? key.len : skip;

            *side = n == 0 ? 0 : memcmp(key.bytes, first.key.bytes, n);
            if (*side == 0 && key.len < skip)
                *side = -1;
            p->skip = skip;
        }
    }
    if (*side == 0)
        p->prefix = load_prefix(key.bytes + p->skip, key.len - p->skip);
    return MOSS_OK;
}

/*
 * The first entry in [from, to) that does not sort before the probe.  While
 * a key is on its way from memory, so are the words of both entries that may
 * come next.
 */
static enum moss_status
search(const struct segment *seg, const struct probe *p, size_t from, size_t to,
       size_t *pos)
{
    struct segment_window w = segment_window(seg);

    while (from < to) {
        size_t mid = from + (to - from) / 2;
        struct entry e;
        enum moss_status st;

        prefetch((uintptr_t)(seg->kvs + 2 * (from + (mid - from) / 2)));
        prefetch((uintptr_t)(seg->kvs + 2 * (mid + (to - mid) / 2)));
        st = segment_entry_near(seg, mid, &w, &e);
        if (st < 0)
            return st;
        if (probe_compare(p, e.key) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    *pos = from;
    return MOSS_OK;
}

/* So many entries have all their memory asked for before they are searched. */
enum { NEAR = 2 * INDEX_STEP };

/* Ask for the words of the entries and for their bytes. */
static void
prefetch_entries(const struct segment *seg, const struct segment_index *x,
                 size_t from, size_t to)
{
    if (from >= to || to - from > NEAR)
        return;
    for (size_t i = from; i < to; i += 4)
        prefetch((uintptr_t)(seg->kvs + 2 * i));
    index_prefetch_bytes(seg, x, from, to);
}

enum moss_status
segment_narrow(const struct segment *seg, struct moss_slice key, size_t *from,
               size_t *to)
{
    const struct segment_index *x = segment_index(seg);
    size_t lo, hi;
    enum moss_status st;

    if (x == NULL || *from >= *to)
        return MOSS_OK;
    if (key.len == 0)
        key.bytes = (const uint8_t *)"";
    st = index_narrow(seg, x, key, &lo, &hi);
    if (st < 0)
        return st;
    if (hi <= *from) {
        *to = *from;
    } else if (lo >= *to) {
        *from = *to;
    } else {
        *from = lo > *from ? lo : *from;
        *to = hi < *to ? hi : *to;
        prefetch_entries(seg, x, *from, *to);
    }
    return MOSS_OK;
}

enum moss_status
segment_search_in(const struct segment *seg, struct moss_slice key, size_t from,
                  size_t to, size_t *pos)
{
    struct probe p;
    enum moss_status st;
    int side;

    *pos = from;
    if (from >= to)
        return MOSS_OK;
    st = probe_init(&p, seg, key, &side);
    if (st < 0)
        return st;
    if (side != 0) {
        *pos = side < 0 ? from : to;
        return MOSS_OK;
    }
    return search(seg, &p, from, to, pos);
}

enum moss_status
segment_seek_in(const struct segment *seg, struct moss_slice key, size_t from,
                size_t to, size_t *pos)
{
    enum moss_status st = MOSS_OK;

    *pos = from;
    if (to > from && to - from > INDEX_STEP)
        st = segment_narrow(seg, key, &from, &to);
    return st < 0 ? st : segment_search_in(seg, key, from, to, pos);
}

/* Narrow [*from, *to) down from its beginning, or from its end. */
static enum moss_status
gallop(const struct segment *seg, const struct probe *p, bool backwards,
       size_t *from, size_t *to)
{
    for (size_t step = 1; step < *to - *from; step *= 2) {
        size_t at = backwards ? *to - step : *from + step - 1;
        struct entry e;
        bool before;
        enum moss_status st = segment_entry(seg, at, &e);

        if (st < 0)
            return st;
        before = probe_compare(p, e.key) < 0;
        if (before)
            *from = at + 1;
        else
            *to = at;
        if (before == backwards)
            break;
    }
    return MOSS_OK;
}

static enum moss_status
gallop_in(const struct segment *seg, struct moss_slice key, bool backwards,
          size_t from, size_t to, size_t *pos)
{
    struct probe p;
    enum moss_status st;
    int side;

    *pos = from;
    if (from >= to)
        return MOSS_OK;
    st = probe_init(&p, seg, key, &side);
    if (st < 0)
        return st;
    if (side != 0) {
        *pos = side < 0 ? from : to;
        return MOSS_OK;
    }
    st = gallop(seg, &p, backwards, &from, &to);
    return st < 0 ? st : search(seg, &p, from, to, pos);
}

enum moss_status
segment_gallop(const struct segment *seg, struct moss_slice key, size_t from,
               size_t to, size_t *pos)
{
    return gallop_in(seg, key, false, from, to, pos);
}

enum moss_status
segment_gallop_back(const struct segment *seg, struct moss_slice key,
                    size_t from, size_t to, size_t *pos)
{
    return gallop_in(seg, key, true, from, to, pos);
}

enum moss_status
segment_seek(const struct segment *seg, struct moss_slice key, size_t *pos)
{
    return segment_seek_in(seg, key, 0, seg->n, pos);
}

/* True if key sorts behind the last key; saves a search in many segments. */
static enum moss_status
is_behind_last(const struct segment *seg, const struct probe *p, bool *behind)
{
    struct entry last;
    enum moss_status st = segment_entry(seg, seg->n - 1, &last);

    if (st < 0)
        return st;
    *behind = probe_compare(p, last.key) < 0;
    return MOSS_OK;
}

static enum moss_status
find_by_order(const struct segment *seg, struct moss_slice key,
              struct entry *out)
{
    struct probe p;
    enum moss_status st;
    bool behind;
    size_t pos;
    int side;

    if (seg->n == 0)
        return MOSS_NOT_FOUND;
    st = probe_init(&p, seg, key, &side);
    if (st < 0)
        return st;
    if (side != 0)
        return MOSS_NOT_FOUND;
    st = is_behind_last(seg, &p, &behind);
    if (st < 0)
        return st;
    if (behind)
        return MOSS_NOT_FOUND;
    st = search(seg, &p, 0, seg->n, &pos);
    if (st < 0)
        return st;
    if (pos == seg->n)
        return MOSS_NOT_FOUND;
    st = segment_entry(seg, pos, out);
    if (st < 0)
        return st;
    return slice_equal(out->key, p.key) ? MOSS_OK : MOSS_NOT_FOUND;
}

struct index_job {
    struct reap reap;
    struct segment *seg; /* one reference */
};

static void
run_index_job(struct reap *r)
{
    struct index_job *job = container_of(r, struct index_job, reap);

    index_build(job->seg);
    segment_unref(job->seg);
    mem_free(job);
}

/* Have an index made of a large segment; without memory it goes without. */
static void
build_index_later(struct segment *seg)
{
    struct index_job *job = mem_alloc(sizeof(*job));

    if (job == NULL)
        return;
    job->seg = segment_ref(seg);
    reaper_defer(&job->reap, run_index_job);
}

/* A get comes to seg, which has no index; is one due? */
static const struct segment_index *
count_search(struct segment *seg)
{
    bool is_large = seg->n > INDEX_SMALL;
    unsigned before;

    if (seg->n < INDEX_MIN)
        return NULL;
    before = atomic_fetch_add_explicit(&seg->searches, 1, memory_order_relaxed);
    /* Only the get that comes to this number tries, and only once. */
    if (before !=
        seg->n / (is_large ? ENTRIES_A_SEARCH_LARGE : ENTRIES_A_SEARCH))
        return NULL;
    if (is_large)
        build_index_later(seg);
    else
        index_build(seg);
    return segment_index(seg);
}

void
segment_probe(struct segment_probe *p, const struct segment *seg,
              struct moss_slice key, uint64_t hash)
{
    /* Segments are const to their readers; what is known of them is not. */
    struct segment *self = (struct segment *)(uintptr_t)seg;

    p->seg = seg;
    p->st = MOSS_OK;
    p->index = segment_index(seg);
    if (p->index == NULL) {
        p->index = count_search(self);
        if (p->index == NULL)
            return;
    } else if (atomic_load_explicit(&seg->searches, memory_order_relaxed) ==
               0) {
        atomic_store_explicit(&self->searches, 1, memory_order_relaxed);
    }
    p->st = index_locate(seg, p->index, key, hash, &p->place);
    if (p->st == MOSS_OK)
        index_prefetch(p->index, &p->place);
}

enum moss_status
segment_probe_find(const struct segment_probe *p, struct moss_slice key,
                   struct entry *out)
{
    if (p->st != MOSS_OK)
        return p->st;
    if (p->index == NULL)
        return find_by_order(p->seg, key, out);
    return index_find(p->seg, p->index, &p->place, key, out);
}

enum moss_status
segment_find(const struct segment *seg, struct moss_slice key,
             struct entry *out)
{
    struct segment_probe p;

    segment_probe(&p, seg, key, index_hash(key));
    return segment_probe_find(&p, key, out);
}

void
segment_init_prefix(struct segment *seg)
{
    struct entry first, last;
    size_t max;

    seg->prefix_len = seg->stride = 0;
    seg->first_key = seg->last_key = moss_slice(NULL, 0);
    if (seg->n == 0 || segment_entry(seg, 0, &first) < 0 ||
        segment_entry(seg, seg->n - 1, &last) < 0)
        return;
    seg->first_key = first.key;
    seg->last_key = last.key;
    max = first.key.len < last.key.len ? first.key.len : last.key.len;
    seg->prefix_len = shared_bytes(first.key.bytes, last.key.bytes, max);
    max = first.key.len + first.value.len;
    if (max > 0 && seg->buf_bytes / seg->n == max &&
        seg->buf_bytes % seg->n == 0 && first.key.bytes == seg->buf &&
        last.key.bytes == seg->buf + seg->buf_bytes - max)
        seg->stride = max;
}
