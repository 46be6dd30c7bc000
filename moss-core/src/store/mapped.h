/* A segment that lies in a file. */
#ifndef MOSS_STORE_MAPPED_H
#define MOSS_STORE_MAPPED_H

#include "segment/segment.h"
#include "store/extras.h"
#include "store/mapping.h"

/*
 * The segment of file at loc, which is sound.  whole is a mapping that it lies
 * in as far as loc_end(), and takes its own reference to; if NULL, the segment
 * is read into memory instead.  With a mapping nothing is read but the first
 * and the last key.
 */
MOSS_MUST_CHECK enum moss_status
mapped_segment_new(struct file *file, struct mapping *whole,
                   const struct segment_loc *loc, uint64_t nonce,
                   struct segment **out, struct moss_error *err);

/* Ranges of the entry array (region 0) and the byte array (1) to be lacking. */
struct lacking {
    struct lacking_range {
        int region;
        uint64_t from, to;
    } * ranges; /* owned */
    size_t n;
};
/* MOSS_NOMEM. */
MOSS_MUST_CHECK enum moss_status
lacking_add(struct lacking *l, int region, uint64_t from, uint64_t to);
void lacking_release(struct lacking *l);

/*
 * The segment at loc, which is encoded, from what it decodes to: entries, then
 * bytes, in memory from arena_alloc(), which is taken over, failure or not.
 * What is lacking of them is MOSS_CORRUPT to who reads it; moved from *lacking
 * on success.
 */
MOSS_MUST_CHECK enum moss_status
mapped_segment_decoded(const struct segment_loc *loc, void *memory,
                       struct lacking *lacking, struct segment **out);

/*
 * seg, which nobody else knows yet, lies where this process has just written
 * and synced it: its checksums were made of the bytes it was written from, and
 * need not be compared.
 */
void mapped_segment_written(struct segment *seg);

/* Where a segment made here lies. */
const struct segment_loc *mapped_segment_loc(const struct segment *seg);
/* Was it made here? */
bool mapped_segment_is(const struct segment *seg);
/* The path of its file; NULL if it was decoded.  Borrowed from it. */
const char *mapped_segment_path(const struct segment *seg);

#endif
