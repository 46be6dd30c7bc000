/*
 * A segment: an immutable, sorted array of entries and the bytes that they
 * point into, in memory or mapped from a file, in the same layout (FORMAT.md,
 * "Segments").  Keys are unique within a segment.
 */
#ifndef MOSS_SEGMENT_SEGMENT_H
#define MOSS_SEGMENT_SEGMENT_H

#include "base/base.h"
#include "base/reaper.h"
#include "base/refs.h"
#include "moss.h"

struct segment;

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
     * use; region 0 is the entry array, 1 the byte array.  NULL: nothing to
     * check.  Any thread.
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
    bool trusted; /* built here: entries need no check of their bounds */
    bool big;     /* the last reference goes to the reaper */
    struct reap reap;
};

struct segment *segment_ref(struct segment *seg);
void segment_unref(struct segment *seg); /* NULL is fine */

/*
 * Entry i < n.  MOSS_CORRUPT if it points outside the byte array, has an
 * unknown operation or fails its checksum.  Never reads outside the regions.
 */
MOSS_MUST_CHECK enum moss_status
segment_entry(const struct segment *seg, size_t i, struct entry *out);

/* The position of the first entry with a key >= key, n if there is none. */
MOSS_MUST_CHECK enum moss_status
segment_seek(const struct segment *seg, struct moss_slice key, size_t *pos);

/* The entry with that key; MOSS_NOT_FOUND. */
MOSS_MUST_CHECK enum moss_status
segment_find(const struct segment *seg, struct moss_slice key,
             struct entry *out);

/*
 * Set prefix_len from the first and last key; for segments mapped from a
 * file.  Leaves it 0 if they cannot be read.
 */
void segment_init_prefix(struct segment *seg);

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
/* Key and value are copied.  Room was given by new: cannot fail. */
void segment_builder_add(struct segment_builder *b, enum moss_op op,
                         struct moss_slice key, struct moss_slice value);
/* Takes over b.  *out may have no entries. */
struct segment *segment_builder_finish(struct segment_builder *b);
void segment_builder_free(struct segment_builder *b);

#endif
