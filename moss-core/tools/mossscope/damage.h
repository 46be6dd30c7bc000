/* Which parts of a segment in a file can be used. */
#ifndef MOSSSCOPE_DAMAGE_H
#define MOSSSCOPE_DAMAGE_H

#include "scope.h"
#include "store/extras.h"

struct damage {
    bool header; /* that of its checksums: none of them could be compared */
    uint64_t kvs_blocks, n_blocks; /* those of the entry array come first */
    uint64_t n_bad;
    uint8_t *bad; /* a bit for each block; NULL: all are good */

    struct extras_index index; /* where it is; bytes 0: nowhere */
    uint64_t n_bad_index;      /* blocks of it */
    uint64_t bad_index_off;    /* of the first of them, in the file */
};

enum entry_state {
    ENTRY_GOOD,
    ENTRY_DAMAGED, /* in a block whose checksum is wrong */
    ENTRY_NO_OP,   /* neither set, delete nor merge */
    ENTRY_OUTSIDE  /* points outside the byte array */
};

/* Compare all checksums of the segment, which lies at loc. */
void damage_find(const struct segment *seg, const struct segment_loc *loc,
                 uint64_t nonce, struct damage *d);
void damage_release(struct damage *d);

bool damage_is_bad(const struct damage *d, uint64_t block);
/* Where block lies in the file. */
uint64_t damage_block_off(const struct damage *d, const struct segment_loc *loc,
                          uint64_t block);

/* Entry i, decoded if it is good. */
enum entry_state damage_entry(const struct segment *seg, const struct damage *d,
                              size_t i, struct entry *e);

#endif
