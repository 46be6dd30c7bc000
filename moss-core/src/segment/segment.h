/*
 * A segment: an immutable, sorted array of entries and the bytes that they
 * point into, in memory or mapped from a file, in the same layout (FORMAT.md,
 * "Segments").  Keys are unique within a segment.
 */
#ifndef MOSS_SEGMENT_SEGMENT_H
#define MOSS_SEGMENT_SEGMENT_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/reaper.h"
#include "base/refs.h"
#include "moss.h"

struct segment;
struct segment_index;

/* Word 0 of an entry; word 1 is the offset of the key in the byte array. */
#define ENTRY_OP_SHIFT 56
#define ENTRY_KEY_SHIFT 32
#define ENTRY_OP_MASK 0xfu
#define ENTRY_KEY_MASK ((uint64_t)MOSS_MAX_KEY)
#define ENTRY_VALUE_MASK ((uint64_t)MOSS_MAX_VALUE)

struct entry {
    enum moss_op op;
    struct moss_slice key, value;
};

struct segment_totals {
    uint64_t n_set, n_del, n_merge, key_bytes, value_bytes;
};

/* What a segment's memory comes from; the methods are for mapped ones. */
struct segment_ops {
    /*
     * Check the bytes [off, off+n) of the segment's region before their first
     * use; region 0 is the entry array, 1 the byte array, 2 the index, if that
     * came with it.  NULL: nothing to check.  Any thread.
     */
    enum moss_status (*verify)(const struct segment *seg, int region,
                               size_t off, size_t n);
    /* Free the memory and seg itself.  Runs on the reaper or in unref. */
    void (*release)(struct segment *seg);
};

struct segment {
    struct refs refs;
    const struct segment_ops *ops;
    const uint64_t *kvs; /* 2 words an entry */
    size_t n;            /* entries */
    const uint8_t *buf;
    size_t buf_bytes;
    struct segment_totals totals;
    /*
     * Bytes that all keys share; comparisons begin behind them.  0 is always
     * right.
     */
    size_t prefix_len;
    /* Of its entries, in buf; bytes NULL: not known. */
    struct moss_slice first_key, last_key;
    /* Of each entry's key and value, if all are of the same size; else 0. */
    size_t stride;
    /* No batch that its entries come from has a smaller number; 0: unknown. */
    uint64_t since;
    /* Set once, and then owned; NULL: none.  Only what follows may change. */
    _Atomic(struct segment_index *) index;
    /* Gets that had to do without an index; if it has one, 1 after a get. */
    atomic_uint searches;
    bool trusted; /* built here: entries need no check of their bounds */
    bool big;     /* the last reference goes to the reaper */
    struct reap reap;
};

struct segment *segment_ref(struct segment *seg);
void segment_unref(struct segment *seg); /* NULL is fine */

/*
 * What one reader knows to be verified already: the entries [first, last) and
 * the bytes [lo, hi).  Make it with segment_window().
 */
struct segment_window {
    size_t first, last;
    size_t lo, hi;
};

/* All of it if there is nothing to verify, else nothing. */
static inline struct segment_window
segment_window(const struct segment *seg)
{
    struct segment_window all = { 0, seg->n, 0, seg->buf_bytes };
    struct segment_window none = { 0, 0, 0, 0 };

    return seg->trusted || seg->ops->verify == NULL ? all : none;
}

/*
 * segment_entry() for segments that are not trusted.  w may be NULL.  A reader
 * that goes on in one direction has more and more verified at a time.
 */
MOSS_MUST_CHECK enum moss_status
segment_entry_checked(const struct segment *seg, size_t i,
                      struct segment_window *w, struct entry *out);

/*
 * Ask for the memory at p, which need not be a good address.  Inlined always:
 * gcc takes a function that only asks for memory to be without effect, and
 * drops its calls.
 */
__attribute__((always_inline)) static inline void
prefetch(uintptr_t p)
{
    __builtin_prefetch((const void *)p);
}

/* How many of the first max bytes at a and b agree. */
static inline size_t
shared_bytes(const uint8_t *a, const uint8_t *b, size_t max)
{
    size_t n = 0;

    while (n < max && a[n] == b[n])
        n++;
    return n;
}

/* The entry with these two words, in a byte array they are known to fit. */
static inline void
entry_decode(const uint64_t *words, const uint8_t *buf, struct entry *out)
{
    size_t key_len = (size_t)(words[0] >> ENTRY_KEY_SHIFT & ENTRY_KEY_MASK);

    out->op = (enum moss_op)(words[0] >> ENTRY_OP_SHIFT & ENTRY_OP_MASK);
    out->key.bytes = buf + words[1];
    out->key.len = key_len;
    out->value.bytes = out->key.bytes + key_len;
    out->value.len = (size_t)(words[0] & ENTRY_VALUE_MASK);
}

/*
 * Entry i, which is in the window, if its bytes are and it is sound, else
 * false: then ask segment_entry_checked().
 */
__attribute__((always_inline)) static inline bool
segment_entry_in(const struct segment *seg, size_t i,
                 const struct segment_window *w, struct entry *out)
{
    const uint64_t *words = seg->kvs + 2 * i;
    uint64_t op, len, off;

    op = words[0] >> ENTRY_OP_SHIFT & ENTRY_OP_MASK;
    len = (words[0] >> ENTRY_KEY_SHIFT & ENTRY_KEY_MASK) +
          (words[0] & ENTRY_VALUE_MASK);
    off = words[1];
    if (op - MOSS_OP_SET > MOSS_OP_MERGE - MOSS_OP_SET || off < w->lo ||
        off > w->hi || len > w->hi - off)
        return false;
    entry_decode(words, seg->buf, out);
    return true;
}

/* Entry i < n, by way of the window that a reader keeps. */
MOSS_MUST_CHECK static inline enum moss_status
segment_entry_near(const struct segment *seg, size_t i,
                   struct segment_window *w, struct entry *out)
{
    if (i >= w->first && i < w->last && segment_entry_in(seg, i, w, out))
        return MOSS_OK;
    return segment_entry_checked(seg, i, w, out);
}

/*
 * Entry i < n.  MOSS_CORRUPT if it points outside the byte array, has an
 * unknown operation or fails its checksum.  Never reads outside the regions.
 */
MOSS_MUST_CHECK static inline enum moss_status
segment_entry(const struct segment *seg, size_t i, struct entry *out)
{
    if (!seg->trusted)
        return segment_entry_checked(seg, i, NULL, out);
    entry_decode(seg->kvs + 2 * i, seg->buf, out);
    return MOSS_OK;
}

/* The position of the first entry with a key >= key, n if there is none. */
MOSS_MUST_CHECK enum moss_status
segment_seek(const struct segment *seg, struct moss_slice key, size_t *pos);

/* The same among the entries [from, to); to if there is none. */
MOSS_MUST_CHECK enum moss_status
segment_seek_in(const struct segment *seg, struct moss_slice key, size_t from,
                size_t to, size_t *pos);

/*
 * segment_seek_in() in two steps, so that the memory for several segments can
 * be under way at the same time.  The first brings [*from, *to) down to what
 * has to be looked at, and asks for that; the position may be *to.
 */
MOSS_MUST_CHECK enum moss_status
segment_narrow(const struct segment *seg, struct moss_slice key, size_t *from,
               size_t *to);
MOSS_MUST_CHECK enum moss_status
segment_search_in(const struct segment *seg, struct moss_slice key, size_t from,
                  size_t to, size_t *pos);

/* The same result, quick if it lies close behind from. */
MOSS_MUST_CHECK enum moss_status
segment_gallop(const struct segment *seg, struct moss_slice key, size_t from,
               size_t to, size_t *pos);
/* And if it lies close before to. */
MOSS_MUST_CHECK enum moss_status
segment_gallop_back(const struct segment *seg, struct moss_slice key,
                    size_t from, size_t to, size_t *pos);

static inline const struct segment_index *
segment_index(const struct segment *seg)
{
    return atomic_load_explicit(&seg->index, memory_order_acquire);
}

/* Have gets come to it? */
static inline bool
segment_is_read(const struct segment *seg)
{
    return atomic_load_explicit(&seg->searches, memory_order_relaxed) > 0;
}

/* Where in an index's table a key's place is. */
struct index_place {
    size_t part;
    size_t bucket;
    uint32_t tag;
};

/*
 * A get from one segment, in two steps, so that the memory for several can be
 * under way at the same time.  hash is index_hash(key).
 */
struct segment_probe {
    const struct segment *seg;
    const struct segment_index *index; /* NULL: none */
    struct index_place place;
    enum moss_status st; /* of the first step */
};
void segment_probe(struct segment_probe *p, const struct segment *seg,
                   struct moss_slice key, uint64_t hash);
/* The entry with that key; MOSS_NOT_FOUND. */
MOSS_MUST_CHECK enum moss_status
segment_probe_find(const struct segment_probe *p, struct moss_slice key,
                   struct entry *out);

/* Both steps. */
MOSS_MUST_CHECK enum moss_status
segment_find(const struct segment *seg, struct moss_slice key,
             struct entry *out);

/*
 * Set what is known from the first and last entry: these keys, prefix_len and
 * stride.  Leaves them 0 if the entries cannot be read.
 */
void segment_init_prefix(struct segment *seg);

/*
 * True if it was built here: its byte array holds the entries in key order,
 * without gaps.
 */
bool segment_is_packed(const struct segment *seg);

/* Key and value bytes and the entry array. */
static inline uint64_t
segment_bytes(const struct segment *seg)
{
    return seg->totals.key_bytes + seg->totals.value_bytes + 16 * seg->n;
}

/* ------------------------------------------------------------------ */
/* Building in memory                                                 */
/* ------------------------------------------------------------------ */

/* Takes entries in key order, each key once.  One owner. */
struct segment_builder;

/* For at most n entries with at most bytes of keys and values. */
MOSS_MUST_CHECK enum moss_status
segment_builder_new(size_t n, size_t bytes, struct segment_builder **out);
/* The same, for a segment that is expected to go soon, like others now made. */
MOSS_MUST_CHECK enum moss_status
segment_builder_new_brief(size_t n, size_t bytes, struct segment_builder **out);
/* Key and value are copied.  Room was given by new: cannot fail. */
void segment_builder_add(struct segment_builder *b, enum moss_op op,
                         struct moss_slice key, struct moss_slice value);
/*
 * Add n >= 1 entries as they are; behind the key and value of each follow
 * those of the next in buf.  Room was given by new: cannot fail.
 */
void segment_builder_add_run(struct segment_builder *b, const uint64_t *kvs,
                             size_t n, const uint8_t *buf);
/*
 * Make sure of room for n more entries with bytes of keys and values, for
 * those who cannot know at first.  Moves *b; on failure it is as it was.
 */
MOSS_MUST_CHECK enum moss_status
segment_builder_reserve(struct segment_builder **b, size_t n, size_t bytes);
/* Takes over b.  The segment may have no entries. */
struct segment *segment_builder_finish(struct segment_builder *b);
void segment_builder_free(struct segment_builder *b); /* NULL is fine */

#endif
