/* A store that is written to: what import and salvage put entries into. */
#ifndef MOSSSCOPE_SINK_H
#define MOSSSCOPE_SINK_H

#include "text.h"

struct sink {
    struct moss_store *store;
    struct moss_collection *c;
    bool has_merge;
    uint64_t max_ops;
    uint64_t written;    /* changes that were executed */
    uint64_t ops, bytes; /* gathered since */

    /* One batch behind the other; the i-th takes i-th operands of keys. */
    struct moss_batch **batches;
    size_t n_batches, n_used;

    /* The last change. */
    struct path path;
    struct buf names, key;
    bool has_last;
};

/* All complain, and give SCOPE_OK or SCOPE_FAILED. */

/*
 * Open the store in a->dir or, where dir is given, in a new one there, which
 * must be empty or missing.  batch: so many changes at once.
 */
enum scope_exit sink_open(struct sink *s, const struct args *a, const char *dir,
                          uint64_t batch);
/* Make sure that there is such a collection. */
enum scope_exit sink_collection(struct sink *s, const struct path *path);
/*
 * Add a change behind those before.  nth: how many changes of this very entry
 * went before it (a value, operands).
 */
enum scope_exit
sink_put(struct sink *s, const struct path *path, enum moss_op op,
         struct moss_slice key, struct moss_slice value, size_t nth);
/* Flush, see that all is on disk, close.  keep false: drop what gathered. */
enum scope_exit sink_close(struct sink *s, bool keep);

#endif
