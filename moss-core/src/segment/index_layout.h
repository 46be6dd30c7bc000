/* How an index is laid out: for segment_index.c, segment_index_build.c only. */
#ifndef MOSS_SEGMENT_INDEX_LAYOUT_H
#define MOSS_SEGMENT_INDEX_LAYOUT_H

#include "segment/segment_index.h"

enum {
    SLOTS = 16,        /* of 4 bytes: a bucket is a line of the cache */
    BUCKET_BYTES = 64, /* SLOTS of 4 bytes */
    BUCKET_FILL = 13,  /* slots that are used on average */
    PROBES_MAX = 64,   /* buckets in which an entry may be */
    SAMPLE_BYTES = 8,
    PLACE_BYTES = 4,
    HEAD_BYTES = 16, /* of a group or a part */
    TAIL_BYTES = 64,
    GROUPS_OF_PART = INDEX_PART / INDEX_GROUP,
    SAMPLES_OF_GROUP = INDEX_GROUP / INDEX_STEP
};

/* The bits of a slot: 12 of the hash, never all zero, and the entry. */
#define SLOT_TAG_MASK (~(uint32_t)(INDEX_PART - 1))

/* For a place that is not known. */
#define PLACE_NONE UINT32_MAX

static inline size_t
part_count(uint64_t n)
{
    return (size_t)((n + INDEX_PART - 1) / INDEX_PART);
}

static inline size_t
group_count(uint64_t n)
{
    return (size_t)((n + INDEX_GROUP - 1) / INDEX_GROUP);
}

/* Of a part of n entries. */
static inline size_t
bucket_count(size_t n)
{
    return (n + BUCKET_FILL - 1) / BUCKET_FILL;
}

static inline size_t
samples_bytes(size_t n)
{
    size_t bytes = (n + INDEX_STEP - 1) / INDEX_STEP * SAMPLE_BYTES;

    return (size_t)align_up(bytes, BUCKET_BYTES);
}

static inline size_t
places_bytes(size_t n)
{
    size_t bytes = (n + INDEX_STEP - 1) / INDEX_STEP * PLACE_BYTES;

    return (size_t)align_up(bytes, BUCKET_BYTES);
}

static inline size_t
part_bytes(size_t n)
{
    return bucket_count(n) * BUCKET_BYTES + samples_bytes(n) + places_bytes(n);
}

/* Entries of part i of an index over n. */
static inline size_t
part_size(size_t n, size_t i)
{
    size_t left = n - i * INDEX_PART;

    return left < INDEX_PART ? left : INDEX_PART;
}

static inline size_t
hash_bucket(uint64_t hash, size_t n_buckets)
{
    return (size_t)((hash >> 32) * n_buckets >> 32);
}

/* The tag where a slot has it; not zero, so that a slot in use is not. */
static inline uint32_t
hash_tag(uint64_t hash)
{
    uint32_t tag = (uint32_t)hash & SLOT_TAG_MASK;

    return tag != 0 ? tag : (uint32_t)INDEX_PART;
}

#endif
