/* A commit point in memory: a footer with its segments, ready to be read. */
#ifndef MOSS_STORE_COMMIT_H
#define MOSS_STORE_COMMIT_H

#include "base/refs.h"
#include "moss.h"
#include "stack/segstack.h"
#include "store/footer.h"
#include "store/mapping.h"

/* What all commit points of one opened store have in common. */
struct commit_env {
    uint64_t opening; /* tells the openings of this process apart */
    bool no_mmap;
    bool has_merge;
    const struct moss_segment_kind *kinds; /* borrowed; that can be read */
    size_t n_kinds;
    struct moss_merge_operator merge;
};

struct commit {
    struct refs refs;
    struct commit_env env;
    struct file *file; /* one reference */
    uint64_t number;   /* of the data file */
    bool has_nonce;
    uint64_t nonce;
    struct footer *footer;
    struct moss_tag tag; /* its own, or of the nearest older one that has any */
    uint64_t live_bytes; /* of the file, that this commit point needs */
    struct segstack **stacks; /* of each collection, by its index */
};

/* Where a commit point lies. */
struct commit_place {
    struct file *file;
    uint64_t number;
    const uint64_t *nonce; /* NULL: the file has none */
};

/*
 * Make a commit point of a footer that was read, which is taken over, failure
 * or not.  Maps the segments and reads none of their data.
 */
MOSS_MUST_CHECK enum moss_status
commit_load(const struct commit_env *env, const struct commit_place *place,
            struct footer *footer, struct commit **out, struct moss_error *err);

/*
 * A commit point without segments yet: the caller gives each collection its
 * stack.  Takes over footer on success.
 */
MOSS_MUST_CHECK enum moss_status
commit_new(const struct commit_env *env, const struct commit_place *place,
           struct footer *footer, struct commit **out);

/* What the error of a kind that was not given says; its path names the kind. */
#define COMMIT_UNKNOWN_KIND "unknown kind of segment"

/*
 * The segment at loc, of whatever kind.  whole is a mapping that it lies in,
 * or NULL.  was_written: just now, so nothing of it may be damaged.
 * MOSS_UNSUPPORTED: of a kind that was not given.
 */
MOSS_MUST_CHECK enum moss_status
commit_segment(const struct commit_env *env, const struct commit_place *place,
               struct mapping *whole, const struct segment_loc *loc,
               bool was_written, struct segment **out, struct moss_error *err);

struct commit *commit_ref(struct commit *c);
void commit_unref(struct commit *c); /* NULL is fine */

/* The nonce of its file, as footer_read() wants it. */
const uint64_t *commit_nonce(const struct commit *c);

/* A snapshot of its top level; its children are found from there. */
MOSS_MUST_CHECK enum moss_status
commit_snapshot(struct commit *c, struct moss_snapshot **out);
/* The commit point that snap is the top level of, or NULL.  Borrowed. */
struct commit *commit_of(struct moss_snapshot *snap);

#endif
