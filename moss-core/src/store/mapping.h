/* A range of a file in memory. */
#ifndef MOSS_STORE_MAPPING_H
#define MOSS_STORE_MAPPING_H

#include "base/reaper.h"
#include "base/refs.h"
#include "store/file.h"

struct mapping {
    struct refs refs;
    struct file *file; /* one reference */
    uint64_t off;      /* of bytes[0] in the file */
    const uint8_t *bytes;
    size_t n;
    void *copy; /* bytes, if read into memory; NULL if mapped */
    struct reap reap;
};

/*
 * The range [off, off+n), n > 0, which the caller has checked to lie in the
 * file; off is a multiple of the page.  copy reads it into memory instead of
 * mapping it.
 */
MOSS_MUST_CHECK enum moss_status
mapping_new(struct file *file, uint64_t off, size_t n, bool copy,
            struct mapping **out, struct moss_error *err);
struct mapping *mapping_ref(struct mapping *map);
/* NULL is fine.  The last one of a large mapping goes to the reaper. */
void mapping_unref(struct mapping *map);

#endif
