/*
 * Searching in the index of a segment.
 *
 * Points.  The entries are divided into parts of 2^20 consecutive ones.  Each
 * part has a hash table of its own, made of buckets of one cache line: 16
 * slots with 12 bits of a key's hash and the number of the entry within the
 * part.  What does not fit into a bucket is in one of those behind it.  So a
 * get takes one line of the table, the two words of the entry, and its bytes;
 * and if the key is not there, mostly the one line only.  The part is found
 * by the first keys of the parts.
 *
 * Order.  The entries are divided into groups of 4096, each with the length
 * of the prefix that its keys share.  Of every 16th key the 8 bytes behind
 * that prefix are kept, and of the first key of a group those behind what all
 * keys of the segment share.  A search goes through the latter, then through
 * those of one group, and comes out with 16 entries to look at; more where
 * the kept bytes are equal.
 *
 *     | table, samples, places | ... | groups | parts | tail |
 *
 * In a segment from a file every piece of the index is verified before it is
 * used, and no number in it is trusted beyond the bounds it must keep: what
 * it finds is an entry with the key that was sought, or nothing.
 *
 * Immutable once built; any thread.
 */
#include "segment/segment_index.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/arena.h"
#include "base/coding.h"
#include "base/mem.h"
#include "segment/index_layout.h"

uint64_t
index_tail_off(uint64_t n)
{
    uint64_t full = n / INDEX_PART;
    size_t rest = (size_t)(n % INDEX_PART);

    return full * part_bytes(INDEX_PART) + part_bytes(rest) +
           (uint64_t)group_count(n) * HEAD_BYTES;
}

uint64_t
index_bytes(uint64_t n)
{
    return index_tail_off(n) + part_count(n) * HEAD_BYTES + TAIL_BYTES;
}

/* ------------------------------------------------------------------ */
/* Life                                                               */
/* ------------------------------------------------------------------ */

/* Make x of body; seg is what it indexes. */
static enum moss_status
init(struct segment_index *x, const struct segment *seg, const uint8_t *body)
{
    size_t n = seg->n;
    const uint8_t *tail = body + index_bytes(n) - TAIL_BYTES;
    struct entry first;
    enum moss_status st;

    memset(x, 0, sizeof(*x));
    if (n == 0 || load_le64(tail) != n ||
        load_le64(tail + 8) > INDEX_PREFIX_MAX)
        return MOSS_CORRUPT;
    x->body = body;
    x->n = n;
    x->n_parts = part_count(n);
    x->n_groups = group_count(n);
    x->parts = body + index_tail_off(n);
    x->groups = x->parts - x->n_groups * HEAD_BYTES;
    x->skip = (size_t)load_le64(tail + 8);
    st = segment_entry(seg, 0, &first);
    if (st < 0 || first.key.len < x->skip)
        return MOSS_CORRUPT;
    if (x->skip > 0)
        memcpy(x->prefix, first.key.bytes, x->skip);
    return MOSS_OK;
}

enum moss_status
index_attach(struct segment *seg, const uint8_t *body)
{
    struct segment_index *x = mem_alloc(sizeof(*x));
    enum moss_status st = x == NULL ? MOSS_NOMEM : init(x, seg, body);

    if (st < 0)
        mem_free(x);
    else
        atomic_store_explicit(&seg->index, x, memory_order_release);
    return st;
}

/* A sink into memory. */
static enum moss_status
put_bytes(void *ctx, const void *bytes, size_t n)
{
    uint8_t **at = ctx;

    if (n > 0)
        memcpy(*at, bytes, n);
    *at += n;
    return MOSS_OK;
}

static enum moss_status
fill(const struct segment *seg, uint8_t *body)
{
    struct index_builder *b = NULL;
    enum moss_status st = index_builder_new(seg->n, put_bytes, &body, &b);

    for (size_t i = 0; st == MOSS_OK && i < seg->n; i++) {
        struct entry e;

        st = segment_entry(seg, i, &e);
        if (st == MOSS_OK)
            st = index_builder_add(b, e.key, seg->kvs[2 * i + 1]);
    }
    if (st == MOSS_OK)
        st = index_builder_finish(b);
    index_builder_free(b);
    return st;
}

void
index_build(struct segment *seg)
{
    struct segment_index *x, *none = NULL;
    uint8_t *body;

    if (seg->n == 0 || segment_index(seg) != NULL)
        return;
    x = mem_zalloc(1, sizeof(*x));
    body = arena_alloc((size_t)index_bytes(seg->n));
    if (x == NULL || body == NULL || fill(seg, body) < 0 ||
        init(x, seg, body) < 0) {
        arena_free(body, (size_t)index_bytes(seg->n));
        mem_free(x);
        return;
    }
    x->mem_bytes = (size_t)index_bytes(seg->n);
    /* Another thread may have been first. */
    if (!atomic_compare_exchange_strong_explicit(
            &seg->index, &none, x, memory_order_acq_rel, memory_order_acquire))
        index_free(x);
}

void
index_free(struct segment_index *x)
{
    if (x == NULL)
        return;
    if (x->mem_bytes > 0)
        arena_free((void *)(uintptr_t)x->body, x->mem_bytes);
    mem_free(x);
}

/* ------------------------------------------------------------------ */
/* Heads                                                              */
/* ------------------------------------------------------------------ */

/*
 * The first key of a group or part: 8 of its bytes.  Behind them stands, of a
 * group, the length of the prefix that its keys share, of a part, times 2,
 * where its first entry lies, plus 1 if its table is in use.
 */
static inline uint64_t
head_prefix(const uint8_t *heads, size_t i)
{
    return load_le64(heads + i * HEAD_BYTES);
}

static inline uint64_t
head_second(const uint8_t *heads, size_t i)
{
    return load_le64(heads + i * HEAD_BYTES + 8);
}

/* See that n bytes of the index at p may be looked at. */
static inline enum moss_status
verify(const struct segment *seg, const struct segment_index *x,
       const uint8_t *p, size_t n)
{
    if (x->mem_bytes > 0 || seg->ops->verify == NULL)
        return MOSS_OK;
    return seg->ops->verify(seg, 2, (size_t)(p - x->body), n);
}

/* Does the key of entry i sort before key? */
static enum moss_status
is_before(const struct segment *seg, size_t i, struct moss_slice key,
          bool *before)
{
    struct entry e;
    enum moss_status st = segment_entry(seg, i, &e);

    if (st == MOSS_OK)
        *before = slice_compare(e.key, key) < 0;
    return st;
}

/*
 * How the prefix that all keys share compares with the beginning of key: > 0
 * if every key sorts behind it, < 0 if before; 0: *v has the 8 bytes of key
 * behind it.
 */
static inline int
side(const struct segment_index *x, struct moss_slice key, uint64_t *v)
{
    size_t n = key.len < x->skip ? key.len : x->skip;
    int c = n == 0 ? 0 : memcmp(x->prefix, key.bytes, n);

    if (c == 0 && key.len < x->skip)
        c = 1;
    if (c == 0)
        *v = load_prefix(key.bytes + x->skip, key.len - x->skip);
    return c;
}

/*
 * How many of the n heads, step entries apart, have a first key that sorts
 * before key, whose 8 bytes are v.
 */
static enum moss_status
heads_before(const struct segment *seg, const struct segment_index *x,
             const uint8_t *heads, size_t n, size_t step, uint64_t v,
             struct moss_slice key, size_t *out)
{
    size_t from = 0, to = n;

    while (from < to) {
        size_t mid = from + (to - from) / 2;
        enum moss_status st =
            verify(seg, x, heads + mid * HEAD_BYTES, HEAD_BYTES);
        uint64_t u;
        bool before;

        if (st < 0)
            return st;
        u = head_prefix(heads, mid);
        before = u < v;
        if (u == v)
            st = is_before(seg, mid * step, key, &before);
        if (st < 0)
            return st;
        if (before)
            from = mid + 1;
        else
            to = mid;
    }
    *out = from;
    return MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* Points                                                             */
/* ------------------------------------------------------------------ */

static inline const uint8_t *
part_at(const struct segment_index *x, size_t part)
{
    return x->body + part * part_bytes(INDEX_PART);
}

/* The last part whose first key is not behind key. */
static enum moss_status
find_part(const struct segment *seg, const struct segment_index *x,
          struct moss_slice key, size_t *part)
{
    size_t before = 0;
    uint64_t v = 0;
    enum moss_status st;
    struct entry e;

    if (side(x, key, &v) != 0)
        return MOSS_NOT_FOUND;
    st =
        heads_before(seg, x, x->parts, x->n_parts, INDEX_PART, v, key, &before);
    if (st < 0)
        return st;
    *part = before == 0 ? 0 : before - 1;
    if (before == x->n_parts || head_prefix(x->parts, before) != v)
        return MOSS_OK;
    /* It may be the first key of the next part itself. */
    st = segment_entry(seg, before * INDEX_PART, &e);
    if (st == MOSS_OK && slice_equal(e.key, key))
        *part = before;
    return st;
}

enum moss_status
index_locate(const struct segment *seg, const struct segment_index *x,
             struct moss_slice key, uint64_t hash, struct index_place *place)
{
    place->part = 0;
    if (x->n_parts > 1) {
        enum moss_status st = find_part(seg, x, key, &place->part);

        if (st != MOSS_OK)
            return st;
    }
    place->bucket =
        hash_bucket(hash, bucket_count(part_size(x->n, place->part)));
    place->tag = hash_tag(hash);
    return MOSS_OK;
}

void
index_prefetch(const struct segment_index *x, const struct index_place *place)
{
    prefetch(
        (uintptr_t)(part_at(x, place->part) + place->bucket * BUCKET_BYTES));
}

/* The slots of a bucket that have the tag, as bits. */
static inline uint32_t
matches(const uint8_t *bucket, uint32_t tag)
{
#ifdef __SSE2__
    __m128i t = _mm_set1_epi32((int)tag);
    __m128i mask = _mm_set1_epi32((int)SLOT_TAG_MASK);
    __m128i eq[4];

    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_load_si128((const void *)(bucket + 16 * i));

        eq[i] = _mm_cmpeq_epi32(_mm_and_si128(v, mask), t);
    }
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(
        _mm_packs_epi32(eq[0], eq[1]), _mm_packs_epi32(eq[2], eq[3])));
#else
    uint32_t bits = 0;

    for (uint32_t i = 0; i < SLOTS; i++) {
        if ((load_le32(bucket + 4 * i) & SLOT_TAG_MASK) == tag)
            bits |= (uint32_t)1 << i;
    }
    return bits;
#endif
}

/* ------------------------------------------------------------------ */
/* Where bytes lie                                                    */
/* ------------------------------------------------------------------ */

/*
 * Of every 16th entry the place in the byte array is kept.  It is used to ask
 * for memory only, and so needs neither to be verified nor to be right.
 * Entry i's, rounded down; false if it is not known.
 */
static inline bool
place_of(const struct segment_index *x, size_t i, uint64_t *off)
{
    size_t part = i / INDEX_PART, n = part_size(x->n, part);
    const uint8_t *places =
        part_at(x, part) + bucket_count(n) * BUCKET_BYTES + samples_bytes(n);
    uint32_t place =
        load_le32(places + i % INDEX_PART / INDEX_STEP * PLACE_BYTES);

    *off = (head_second(x->parts, part) >> 1) + place;
    return place != PLACE_NONE;
}

static void
index_prefetch_entry(const struct segment *seg, const struct segment_index *x,
                     size_t i)
{
    size_t next = (i / INDEX_STEP + 1) * INDEX_STEP;
    uint64_t off, end, size = seg->stride;
    uintptr_t p;

    if (size > 0) {
        off = size * i;
    } else {
        /* As far as the way to the next known place as it has come there. */
        if (!place_of(x, i, &off) || next >= x->n || !place_of(x, next, &end) ||
            end < off)
            return;
        size = (end - off) / INDEX_STEP;
        off += size * (i % INDEX_STEP);
        size += 64; /* it is not exact */
        off -= off < 32 ? off : 32;
    }
    p = (uintptr_t)seg->buf + (uintptr_t)off;
    for (uint64_t at = 0; at < size && at < 256; at += 64)
        prefetch(p + at);
    if (size < 256)
        prefetch(p + size - 1);
}

void
index_prefetch_bytes(const struct segment *seg, const struct segment_index *x,
                     size_t i, size_t j)
{
    uint64_t off, end = seg->buf_bytes;
    size_t next = (j + INDEX_STEP - 1) / INDEX_STEP * INDEX_STEP;

    if (seg->stride > 0) {
        /* Of each the beginning, where its key is. */
        for (; i < j; i++)
            prefetch((uintptr_t)seg->buf + i * seg->stride);
        return;
    }
    if (!place_of(x, i, &off) || (next < x->n && !place_of(x, next, &end)))
        return;
    for (int lines = 0; off < end && lines < 48; lines++, off += 64)
        prefetch((uintptr_t)seg->buf + (uintptr_t)off);
}

/* Among the entries that the slots of one bucket name. */
static enum moss_status
find_in_bucket(const struct segment *seg, const struct segment_index *x,
               size_t first, const uint8_t *bucket, uint32_t bits,
               struct moss_slice key, struct entry *out)
{
    for (; bits != 0; bits &= bits - 1) {
        uint32_t slot = load_le32(bucket + 4 * __builtin_ctz(bits));
        size_t i = first + (slot & ~SLOT_TAG_MASK);
        enum moss_status st;

        if (i >= seg->n)
            return MOSS_CORRUPT;
        prefetch((uintptr_t)(seg->kvs + 2 * i));
        index_prefetch_entry(seg, x, i);
        st = segment_entry(seg, i, out);
        if (st < 0)
            return st;
        if (slice_equal(out->key, key))
            return MOSS_OK;
    }
    return MOSS_NOT_FOUND;
}

/* A part without a table: by order. */
static enum moss_status
find_by_order(const struct segment *seg, size_t part, struct moss_slice key,
              struct entry *out)
{
    size_t from = part * INDEX_PART, to = from + part_size(seg->n, part), pos;
    enum moss_status st = segment_seek_in(seg, key, from, to, &pos);

    if (st == MOSS_OK && pos == to)
        return MOSS_NOT_FOUND;
    if (st == MOSS_OK)
        st = segment_entry(seg, pos, out);
    if (st == MOSS_OK && !slice_equal(out->key, key))
        return MOSS_NOT_FOUND;
    return st;
}

enum moss_status
index_find(const struct segment *seg, const struct segment_index *x,
           const struct index_place *place, struct moss_slice key,
           struct entry *out)
{
    const uint8_t *table = part_at(x, place->part);
    size_t n_buckets = bucket_count(part_size(x->n, place->part));
    size_t b = place->bucket;

    if ((head_second(x->parts, place->part) & 1) == 0)
        return find_by_order(seg, place->part, key, out);
    for (int i = 0; i < PROBES_MAX; i++) {
        const uint8_t *bucket = table + b * BUCKET_BYTES;
        enum moss_status st = verify(seg, x, bucket, BUCKET_BYTES);
        uint32_t bits;

        if (st < 0)
            return st;
        bits = matches(bucket, place->tag);
        if (bits != 0) {
            st = find_in_bucket(seg, x, place->part * INDEX_PART, bucket, bits,
                                key, out);
            if (st != MOSS_NOT_FOUND)
                return st;
        }
        if (load_le32(bucket + BUCKET_BYTES - 4) == 0)
            return MOSS_NOT_FOUND;
        b = b + 1 == n_buckets ? 0 : b + 1;
    }
    return MOSS_NOT_FOUND;
}

/* ------------------------------------------------------------------ */
/* Order                                                              */
/* ------------------------------------------------------------------ */

/* How many of the n samples are less than v, or not greater if or_equal. */
static size_t
samples_below(const uint8_t *samples, size_t n, uint64_t v, bool or_equal)
{
    size_t from = 0;

    while (n > 0) {
        size_t half = n / 2;
        uint64_t u = load_le64(samples + (from + half) * SAMPLE_BYTES);
        bool below = u < v || (or_equal && u == v);

        from = below ? from + half + 1 : from;
        n = below ? n - half - 1 : half;
    }
    return from;
}

/*
 * How the prefix that the keys of a group share compares with the beginning
 * of key, as side() says.  The group's first key is looked at only where
 * what its head has of it does not tell.
 */
static enum moss_status
group_side(const struct segment *seg, const struct segment_index *x, size_t g,
           size_t shared, struct moss_slice key, uint64_t v, int *out)
{
    size_t n = key.len < shared ? key.len : shared;
    struct entry first;
    enum moss_status st;

    if (shared <= x->skip + 8 && key.len >= shared) {
        unsigned shift = (unsigned)(8 * (x->skip + 8 - shared));
        uint64_t mask = shift == 64 ? 0 : UINT64_MAX << shift;
        uint64_t u = head_prefix(x->groups, g) & mask;

        v &= mask;
        *out = (u > v) - (u < v);
        return MOSS_OK;
    }
    st = segment_entry(seg, g * INDEX_GROUP, &first);
    if (st < 0)
        return st;
    if (first.key.len < shared)
        return MOSS_CORRUPT;
    *out = n == 0 ? 0 : memcmp(first.key.bytes, key.bytes, n);
    if (*out == 0 && key.len < shared)
        *out = 1;
    return MOSS_OK;
}

/* The same for the entries of one group, the first of which is before key. */
static enum moss_status
narrow_group(const struct segment *seg, const struct segment_index *x, size_t g,
             struct moss_slice key, uint64_t v, size_t *from, size_t *to)
{
    size_t first = g * INDEX_GROUP, left = x->n - first;
    size_t size = left < INDEX_GROUP ? left : INDEX_GROUP;
    size_t n = (size + INDEX_STEP - 1) / INDEX_STEP, lo, hi;
    size_t part = g / GROUPS_OF_PART;
    uint64_t shared = head_second(x->groups, g), u;
    const uint8_t *samples =
        part_at(x, part) + bucket_count(part_size(x->n, part)) * BUCKET_BYTES +
        g % GROUPS_OF_PART * SAMPLES_OF_GROUP * SAMPLE_BYTES;
    enum moss_status st;
    int c = 0;

    *from = first;
    *to = first + size;
    if (shared > MOSS_MAX_KEY || shared < x->skip)
        return MOSS_CORRUPT;
    st = group_side(seg, x, g, (size_t)shared, key, v, &c);
    if (st == MOSS_OK && c == 0)
        st = verify(seg, x, samples, n * SAMPLE_BYTES);
    if (st < 0)
        return st;
    if (c != 0) {
        /* The first key is before it: so are all. */
        *from = c < 0 ? *to : *from;
        return MOSS_OK;
    }
    u = load_prefix(key.bytes + shared, key.len - (size_t)shared);
    lo = samples_below(samples, n, u, false);
    hi = lo;
    if (lo < n && load_le64(samples + lo * SAMPLE_BYTES) == u)
        hi += samples_below(samples + lo * SAMPLE_BYTES, n - lo, u, true);
    if (lo > 0)
        *from = first + (lo - 1) * INDEX_STEP + 1;
    if (hi < n)
        *to = first + hi * INDEX_STEP;
    return MOSS_OK;
}

enum moss_status
index_narrow(const struct segment *seg, const struct segment_index *x,
             struct moss_slice key, size_t *from, size_t *to)
{
    uint64_t v = 0;
    size_t before;
    enum moss_status st;
    int c = side(x, key, &v);

    *from = *to = c < 0 ? x->n : 0;
    if (c != 0)
        return MOSS_OK;
    st = heads_before(seg, x, x->groups, x->n_groups, INDEX_GROUP, v, key,
                      &before);
    if (st < 0 || before == 0)
        return st;
    return narrow_group(seg, x, before - 1, key, v, from, to);
}
