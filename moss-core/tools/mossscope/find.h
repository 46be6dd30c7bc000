/* Finding segments in a file without a footer that names them. */
#ifndef MOSSSCOPE_FIND_H
#define MOSSSCOPE_FIND_H

#include "store/extras.h"
#include "store/mapping.h"

struct found {
    struct segment_loc loc;
    uint64_t nonce; /* of its checksums, if it has any */
};

struct found_list {
    struct found *items;
    size_t n;
};

/*
 * All segments between the offset from and the end of the file, of which map
 * holds everything from its second page on.  nonce: of the file, NULL if it is
 * not known; then segments of any nonce are taken.  foreign: also what looks
 * like a segment of Go moss, which has no mark of its own.
 */
void find_segments(const struct mapping *map, uint64_t from,
                   const uint64_t *nonce, bool foreign, struct found_list *out);
void found_release(struct found_list *list);

#endif
