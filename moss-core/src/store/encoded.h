/* Segments of kinds other than Go moss's (FORMAT.md, "Other kinds"). */
#ifndef MOSS_STORE_ENCODED_H
#define MOSS_STORE_ENCODED_H

#include "moss.h"
#include "segment/segment.h"
#include "store/bufwriter.h"
#include "store/extras.h"
#include "store/mapping.h"

/* Are these kinds that a store can be given, none of them twice? */
bool kinds_are_valid(const struct moss_segment_kind *kinds, size_t n);
/* The kind of that name, or NULL. */
const struct moss_segment_kind *
kind_find(const struct moss_segment_kind *kinds, size_t n, const char *name);

/* ------------------------------------------------------------------ */
/* Writing                                                            */
/* ------------------------------------------------------------------ */

/* What n bytes may take of the file. */
uint64_t encoded_room(uint64_t n);

/* Encodes what is appended to it, piece by piece, into a bufwriter. */
struct encoder {
    const struct moss_segment_kind *kind; /* borrowed */
    struct bufwriter *w;                  /* borrowed */
    uint64_t nonce;
    uint64_t off;    /* of the next frame in the file */
    uint64_t stored; /* bytes that all frames so far have */
    uint8_t *raw;    /* the piece that is filled */
    size_t len, cap;
    uint8_t *coded; /* a frame */
    size_t coded_cap;
};

/* Into w, which is at off; hint is how much is to be expected. */
MOSS_MUST_CHECK enum moss_status
encoder_init(struct encoder *e, const struct moss_segment_kind *kind,
             struct bufwriter *w, uint64_t off, uint64_t hint);
/* Idempotent; also of one that is all zero. */
void encoder_release(struct encoder *e);
MOSS_MUST_CHECK enum moss_status
encoder_append(struct encoder *e, const void *bytes, size_t n);
/* Write the last piece.  Only release may follow. */
MOSS_MUST_CHECK enum moss_status encoder_finish(struct encoder *e);

/* ------------------------------------------------------------------ */
/* Reading                                                            */
/* ------------------------------------------------------------------ */

/*
 * Decode the segment of file at loc, which is sound, into memory.  whole is a
 * mapping that it lies in, or NULL.  All of it is checked: MOSS_CORRUPT, but
 * with tolerant set not for pieces whose bytes are damaged in the file, as long
 * as it is certain where the others belong.  Who reads those gets it then.
 */
MOSS_MUST_CHECK enum moss_status
encoded_segment_new(struct file *file, struct mapping *whole,
                    const struct segment_loc *loc, uint64_t nonce,
                    const struct moss_segment_kind *kind, bool tolerant,
                    struct segment **out, struct moss_error *err);

#endif
