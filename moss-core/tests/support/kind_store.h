/* A store with toy kinds of segments, in memory. */
#ifndef MOSS_TESTS_SUPPORT_KIND_STORE_H
#define MOSS_TESTS_SUPPORT_KIND_STORE_H

#include "support/mem_os.h"
#include "support/stores.h"
#include "support/toy_kinds.h"

#define KIND_DIR "/store"

struct kind_store {
    struct mem_os *mem;
    struct driver d;
    bool no_mmap;
};

/* Nothing is open yet. */
void kind_store_init(struct kind_store *s);
/* Looks for files that are still open. */
void kind_store_release(struct kind_store *s);

/* To write segments of that kind; NULL: as Go moss.  Compacts nothing. */
struct moss_store_options
kind_store_options(struct kind_store *s, const char *kind);
/* Open with these, or open anew. */
enum moss_status kind_store_open(struct kind_store *s, const char *kind);
void kind_store_compact(struct kind_store *s, enum moss_compact_kind how);

#endif
