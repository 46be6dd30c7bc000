/*
 * Where a segment lies in a file, and what this library adds to it: the
 * checksums of its blocks and its index (FORMAT.md, "Extras").
 */
#ifndef MOSS_STORE_EXTRAS_H
#define MOSS_STORE_EXTRAS_H

#include "base/base.h"
#include "moss.h"
#include "segment/segment.h"

#define LOC_KIND 16u /* a kind's name, with the zero behind it */

/* A segment's location, as a footer has it. */
struct segment_loc {
    uint64_t kvs_off, kvs_bytes; /* the entry array */
    uint64_t buf_off, buf_bytes; /* the byte array */
    uint64_t n_set, n_del, key_bytes, value_bytes;
    bool has_extras; /* written by this library */

    /*
     * Of another kind than Go moss's: its name, else "".  kvs_bytes and
     * buf_bytes are then what is stored, and these what it decodes to.
     */
    char kind[LOC_KIND];
    uint64_t entries, bytes;
};

static inline bool
loc_is_encoded(const struct segment_loc *loc)
{
    return loc->kind[0] != '\0';
}

static inline uint64_t
loc_entries(const struct segment_loc *loc)
{
    return loc_is_encoded(loc) ? loc->entries : loc->kvs_bytes / 16;
}

/* Can a kind other than Go moss's have this name of n bytes? */
bool loc_kind_is_sound(const char *name, size_t n);

#define EXTRAS_BLOCK 4096u
#define EXTRAS_HEADER 88u        /* without an index */
#define EXTRAS_HEADER_INDEX 112u /* with one */
#define EXTRAS_HEADER_MAX 1024u  /* with sections of later versions */

/*
 * False unless all of the segment lies in [FILE_PAGE, end) as the format
 * wants it, its counts make sense, and so does the place of its extras.
 */
bool loc_is_sound(const struct segment_loc *loc, uint64_t end);
struct segment_totals loc_totals(const struct segment_loc *loc);

/* The blocks of a region of n bytes; the last one may be short. */
uint64_t extras_blocks(uint64_t n);
/* Where the checksums stand: directly behind the byte array, aligned. */
uint64_t extras_sums_off(const struct segment_loc *loc);
/* The first byte behind the segment and, if it has them, its extras. */
uint64_t loc_end(const struct segment_loc *loc);

/* What it takes of the disk. */
static inline uint64_t
loc_disk(const struct segment_loc *loc)
{
    return align_up(loc_end(loc), 4096) - loc->kvs_off;
}

/* Where the index lies: its body, then a checksum for each block of that. */
struct extras_index {
    uint64_t off, bytes; /* bytes 0: there is none */
};
/* How large it is for n entries, checksums included. */
uint64_t extras_index_bytes(uint64_t n);

/*
 * The header that stands directly behind the entry array.  Returns its length:
 * EXTRAS_HEADER, or EXTRAS_HEADER_INDEX if there is an index.
 */
size_t
extras_encode(const struct segment_loc *loc, const struct extras_index *index,
              uint64_t nonce, uint8_t out[EXTRAS_HEADER_INDEX]);
/*
 * Do the room bytes behind the entry array begin with the header of this
 * segment?  *index (may be NULL) is where it says that the index lies, if that
 * is a place for the index of so many entries.  Sections of kinds that are not
 * known here are passed over.
 */
bool
extras_match(const struct segment_loc *loc, uint64_t nonce,
             const uint8_t *bytes, uint64_t room, struct extras_index *index);
/* How many bytes there are between the entry array and the byte array. */
uint64_t extras_room(const struct segment_loc *loc);

/* The checksum of a block of n <= EXTRAS_BLOCK bytes at off in the file. */
uint32_t extras_sum(const void *bytes, size_t n, uint64_t nonce, uint64_t off);

#endif
