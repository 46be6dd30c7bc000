/*
 * The search index of a segment: a hash table, which is the membership filter
 * as well, and samples of the keys in order (FORMAT.md, "Index").  It has the
 * same layout in memory and in a file.
 */
#ifndef MOSS_SEGMENT_SEGMENT_INDEX_H
#define MOSS_SEGMENT_SEGMENT_INDEX_H

#include "segment/segment.h"

enum {
    INDEX_PART_BITS = 20,
    INDEX_PART = 1 << INDEX_PART_BITS, /* entries with a table of their own */
    INDEX_GROUP = 4096,                /* entries with a prefix of their own */
    INDEX_STEP = 16,                   /* entries from sample to sample */
    INDEX_PREFIX_MAX = 52,             /* bytes of the top prefix */
    INDEX_SMALL = 1 << 13              /* entries that a get may index itself */
};

struct segment_index {
    const uint8_t *body; /* index_bytes(n) */
    size_t n;            /* entries */
    size_t n_parts, n_groups;
    const uint8_t *groups, *parts; /* heads, in body */
    size_t mem_bytes;              /* of body, if it is the index's own */
    /* The bytes that all keys share, or the first of them. */
    size_t skip;
    uint8_t prefix[INDEX_PREFIX_MAX];
};

/* How large the index of n entries is. */
uint64_t index_bytes(uint64_t n);
/* Where the part of it begins that index_open() looks at; to the end. */
uint64_t index_tail_off(uint64_t n);

/* The hash that points are looked up by. */
uint64_t index_hash(struct moss_slice key);

/*
 * Give seg, which nobody else knows yet, the index that lies at body in its
 * region 2; the bytes from index_tail_off() on have been verified.  MOSS_NOMEM,
 * or MOSS_CORRUPT if it is not the index of so many entries.
 */
MOSS_MUST_CHECK enum moss_status
index_attach(struct segment *seg, const uint8_t *body);

/*
 * Build the index of seg in memory, unless it has one.  Any thread; best
 * effort: without memory, or if an entry cannot be read, there is none.
 */
void index_build(struct segment *seg);
void index_free(struct segment_index *x); /* NULL is fine */

/* ------------------------------------------------------------------ */
/* Searching                                                          */
/* ------------------------------------------------------------------ */

/* MOSS_NOT_FOUND if it cannot be in any part. */
MOSS_MUST_CHECK enum moss_status
index_locate(const struct segment *seg, const struct segment_index *x,
             struct moss_slice key, uint64_t hash, struct index_place *place);
/* Ask for the memory of that place. */
void
index_prefetch(const struct segment_index *x, const struct index_place *place);
/* The entry with that key, or MOSS_NOT_FOUND. */
MOSS_MUST_CHECK enum moss_status
index_find(const struct segment *seg, const struct segment_index *x,
           const struct index_place *place, struct moss_slice key,
           struct entry *out);

/*
 * The first entry with a key >= key is one of [*from, *to], where *to may be
 * the number of entries.
 */
MOSS_MUST_CHECK enum moss_status
index_narrow(const struct segment *seg, const struct segment_index *x,
             struct moss_slice key, size_t *from, size_t *to);

/* Ask for the bytes of the entries from i to behind j, j > i. */
void index_prefetch_bytes(const struct segment *seg,
                          const struct segment_index *x, size_t i, size_t j);

/* ------------------------------------------------------------------ */
/* Building as a stream                                               */
/* ------------------------------------------------------------------ */

struct index_builder;

/* Where the bytes of an index go, in order. */
typedef enum moss_status (*index_sink)(void *ctx, const void *bytes, size_t n);

/* For at most max entries; memory is bounded whatever their number. */
MOSS_MUST_CHECK enum moss_status
index_builder_new(uint64_t max, index_sink sink, void *ctx,
                  struct index_builder **out);
/*
 * Keys come in order, and last until the next call; off is where the entry
 * lies in the byte array.  Fails if the sink does.
 */
MOSS_MUST_CHECK enum moss_status
index_builder_add(struct index_builder *b, struct moss_slice key, uint64_t off);
/* n entries of a segment in memory, whose bytes will lie from off on. */
MOSS_MUST_CHECK enum moss_status
index_builder_add_run(struct index_builder *b, const uint64_t *kvs, size_t n,
                      const uint8_t *buf, uint64_t off);
/* After it the sink has had index_bytes(n) bytes for n added keys. */
MOSS_MUST_CHECK enum moss_status index_builder_finish(struct index_builder *b);
void index_builder_free(struct index_builder *b); /* NULL is fine */

/* For tests: take this for the hash of every key; NULL: the real one. */
void index_set_hash(uint64_t (*hash)(struct moss_slice key));

#endif
