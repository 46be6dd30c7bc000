/*
 * moss: an ordered key-value collection kept as a stack of immutable sorted
 * segments in memory, merged in the background and persisted by an
 * append-only, memory-mapped file store.
 *
 * Keys are byte strings, ordered as unsigned bytes, then by length.  A key is
 * at most MOSS_MAX_KEY bytes long and a value at most MOSS_MAX_VALUE; both may
 * be empty.
 *
 * Conventions.  Every function that can fail returns an enum moss_status:
 * negative values are failures, positive ones ordinary answers.  Pointer
 * parameters are borrowed for the call unless the comment says "takes over".
 * An out parameter is set to NULL (or zero) on entry and is valid only on
 * MOSS_OK.  Objects may be used from any thread; where an object wants one
 * thread at a time, its comment says so.
 */
#ifndef MOSS_H
#define MOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MOSS_API __attribute__((visibility("default")))
#define MOSS_MUST_CHECK __attribute__((warn_unused_result))
#else
#define MOSS_API
#define MOSS_MUST_CHECK
#endif

#define MOSS_VERSION "0.1.0"

#define MOSS_MAX_KEY ((size_t)0xffffff)    /* 2^24 - 1 bytes */
#define MOSS_MAX_VALUE ((size_t)0xfffffff) /* 2^28 - 1 bytes */

/* Wait as long as it takes. */
#define MOSS_FOREVER UINT64_MAX

enum moss_status {
    MOSS_OK = 0,

    /* Ordinary answers. */
    MOSS_NOT_FOUND = 1, /* no such key, child, commit or snapshot */
    MOSS_DONE = 2,      /* an iterator has no further entry */

    /* Failures. */
    MOSS_NOMEM = -1,
    MOSS_IO = -2,        /* a system call failed; see moss_error.sys_errno */
    MOSS_CORRUPT = -3,   /* stored bytes are not what the format allows */
    MOSS_BUSY = -4,      /* held by another process or another user */
    MOSS_TIMEOUT = -5,   /* the caller's timeout ran out */
    MOSS_CLOSED = -6,    /* the collection is closing or closed */
    MOSS_INVALID = -7,   /* an argument that no call may have */
    MOSS_TOO_BIG = -8,   /* a key or value over the limits above */
    MOSS_FULL = -9,      /* no space left on the device, or over quota */
    MOSS_READONLY = -10, /* the store was opened for reading, or is foreign */
    MOSS_UNSUPPORTED = -11,  /* format version, byte order or feature unknown */
    MOSS_NO_OPERATOR = -12,  /* a merge operand without its merge operator */
    MOSS_MERGE_FAILED = -13, /* the merge operator refused its operands */
    MOSS_CANTOPEN = -14,     /* the directory or file is missing */
    MOSS_FORKED = -15,       /* a parent's collection used after fork() */
    MOSS_ABORTED = -16,      /* ended before it was done, as was asked for */
    MOSS_EXISTS = -17        /* a child collection of that name is there */
};

/* A static name such as "MOSS_CORRUPT", for messages and logs. */
MOSS_API const char *moss_status_name(enum moss_status status);

/* Bytes that somebody else owns.  len 0 allows bytes to be NULL. */
struct moss_slice {
    const uint8_t *bytes;
    size_t len;
};

static inline struct moss_slice
moss_slice(const void *bytes, size_t len)
{
    struct moss_slice s = { (const uint8_t *)bytes, len };

    return s;
}

static inline struct moss_slice
moss_str(const char *text)
{
    return moss_slice(text, strlen(text));
}

/* What was at work in the background, and what becomes of it. */
enum moss_work {
    MOSS_WORK_NONE,     /* nothing: a call has failed */
    MOSS_WORK_PERSIST,  /* tried again until MOSS_EVENT_PERSISTED */
    MOSS_WORK_MERGE,    /* tried again until MOSS_EVENT_MERGED */
    MOSS_WORK_OPERANDS, /* the merge went on, but left these as they are */
    MOSS_WORK_TIDY      /* when idle or closing: left as it is, for now */
};

/*
 * The cause of a failure, for people.  Filled in by the functions that take
 * one (which may be NULL) and given to the error callback.
 */
struct moss_error {
    enum moss_status status;
    enum moss_work work; /* that failed, of a collection */
    int sys_errno;       /* 0 unless a system call failed */
    uint64_t offset;     /* in the file, where that makes sense */
    const char *what;    /* static: "footer checksum", "write", ... or NULL */
    char path[512]; /* the file or directory concerned, cut if longer; "" */
};

/*
 * What names a transaction: a number that counts up by one, and an id that
 * tells two histories with the same number apart.  {0, 0} is "none".
 */
struct moss_tag {
    uint64_t n;
    uint64_t id;
};

static inline bool
moss_tag_equal(struct moss_tag a, struct moss_tag b)
{
    return a.n == b.n && a.id == b.id;
}

/* Messages for people, the more of them the higher the level. */
enum moss_log_level {
    MOSS_LOG_NOTHING = 0,
    MOSS_LOG_ERRORS, /* background failures */
    MOSS_LOG_STEPS,  /* opening, closing, each merge and each update */
    MOSS_LOG_WAITS   /* and who waits for what */
};

/* ------------------------------------------------------------------ */
/* Values                                                             */
/* ------------------------------------------------------------------ */

/*
 * A value as a read gives it: bytes inside a segment, or memory that a merge
 * operator produced.  Release it before the snapshot it came from.
 */
struct moss_value {
    struct moss_slice bytes;
    void *owned; /* internal: NULL when bytes lie in a segment */
};

MOSS_API void moss_value_release(struct moss_value *value);

/*
 * Fill value, whatever was in it, with a copy of bytes that
 * moss_value_release() frees: for a lower level of your own whose get() has
 * bytes that do not last.  MOSS_NOMEM leaves an empty value.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_value_copy(struct moss_value *value, struct moss_slice bytes);

/* Of the other parts. */
struct moss_merge_operator; /* moss_merge.h */
struct moss_collection;     /* moss_collection.h */
struct moss_prepared;
struct moss_lower;     /* moss_lower.h */
struct moss_histogram; /* moss_stats.h */

/* ------------------------------------------------------------------ */
/* Batches                                                            */
/* ------------------------------------------------------------------ */

enum moss_op { MOSS_OP_SET = 1, MOSS_OP_DEL = 2, MOSS_OP_MERGE = 3 };

/*
 * An ordered list of changes that take effect together.  A key may be given
 * more than once: the last set or delete wins, merge operands after it add
 * up.  One thread at a time.
 */
struct moss_batch;

/* ops and bytes are hints of what will be added; 0 is fine. */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_batch_new(size_t ops, size_t bytes, struct moss_batch **out);
MOSS_API void moss_batch_free(struct moss_batch *batch);

/* Forget all changes, children and tag; keep the memory for reuse. */
MOSS_API void moss_batch_reset(struct moss_batch *batch);

/* Key and value are copied.  MOSS_TOO_BIG or MOSS_NOMEM leave it unchanged. */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_batch_set(struct moss_batch *batch, struct moss_slice key,
               struct moss_slice value);
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_batch_del(struct moss_batch *batch, struct moss_slice key);
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_batch_merge(struct moss_batch *batch, struct moss_slice key,
                 struct moss_slice operand);

/*
 * n bytes of the batch's own memory, to be filled by the caller, for a key and
 * its value right behind it, or for each of the two, one after the other.
 * They stay where they are until batch is reset, cleared, truncated or freed.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_batch_alloc(struct moss_batch *batch, size_t n, uint8_t **bytes);

/*
 * As set, del and merge, without copying key and value that were allocated
 * last, the value right behind the key; others are copied.  What was allocated
 * before them and not used yet is copied when it is used.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_batch_alloc_set(struct moss_batch *batch, struct moss_slice key,
                     struct moss_slice value);
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_batch_alloc_del(struct moss_batch *batch, struct moss_slice key);
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_batch_alloc_merge(struct moss_batch *batch, struct moss_slice key,
                       struct moss_slice operand);

/*
 * The changes of a child collection, made here if it is not there yet; to
 * ask for it is enough to create the collection.  *out belongs to batch.  A
 * name is UTF-8, 1 to 1024 bytes, has no NUL byte, does not begin with "."
 * and does not contain a footer's magic bytes; collections nest at most 32
 * deep below the top: else MOSS_INVALID.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_batch_child(struct moss_batch *batch, struct moss_slice name,
                 struct moss_batch **out);

/*
 * Delete a child collection with all that is in it.  Changes made to that
 * child in this batch before are dropped; a later moss_batch_child() for the
 * same name begins a new, empty collection.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_batch_del_child(struct moss_batch *batch, struct moss_slice name);

/*
 * Give a child collection another name.  All that is in it goes along, its
 * children and what this batch has changed in it before, too; it takes no
 * longer for large ones.  There has to be one of the name from and none of
 * the name to: MOSS_NOT_FOUND and MOSS_EXISTS, by this call if the batch says
 * so, else when the batch is prepared, by the newest published state, unless
 * the batch deletes the collection that this one is for later.  (If
 * another batch changes that before this one is published: a rename whose
 * collection is gone does nothing, unless this batch has changes for it, which
 * make it anew; and one whose new name is taken by then replaces that
 * collection, as a later publish wins.)
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_batch_rename_child(struct moss_batch *batch, struct moss_slice from,
                        struct moss_slice to);

/*
 * Empty the collection that batch is for: all entries that were in it before
 * this call are gone, those of this batch included; later changes stay.  It
 * takes no longer for large ones.  Child collections stay as they are.
 */
MOSS_API void moss_batch_clear(struct moss_batch *batch);

MOSS_API void moss_batch_set_tag(struct moss_batch *batch, struct moss_tag tag);
MOSS_API struct moss_tag moss_batch_tag(const struct moss_batch *batch);

/* Changes in this batch itself, children not counted. */
MOSS_API size_t moss_batch_count(const struct moss_batch *batch);
/* Key and value bytes of batch and all its children. */
MOSS_API size_t moss_batch_bytes(const struct moss_batch *batch);

/*
 * The i-th change in the order they were made, i < count.  The slices are
 * valid until batch is changed.
 */
MOSS_API enum moss_op
moss_batch_op(const struct moss_batch *batch, size_t i, struct moss_slice *key,
              struct moss_slice *value);

/*
 * Forget the changes after the first count.  Children are left alone; so is
 * moss_batch_clear(), before whose call there are no changes to go back to.
 */
MOSS_API void moss_batch_truncate(struct moss_batch *batch, size_t count);

/* ------------------------------------------------------------------ */
/* Snapshots                                                          */
/* ------------------------------------------------------------------ */

/*
 * An immutable, reference-counted view of a collection (or child collection)
 * at one instant.  Any number of threads may read one at the same time.  It
 * may outlive the collection and the store it came from.
 */
struct moss_snapshot;
struct moss_iterator;

MOSS_API struct moss_snapshot *moss_snapshot_ref(struct moss_snapshot *snap);
MOSS_API void moss_snapshot_unref(struct moss_snapshot *snap);

/*
 * Look up key.  On MOSS_OK release the value with moss_value_release().
 * MOSS_NOT_FOUND: key is absent or deleted.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_snapshot_get(struct moss_snapshot *snap, struct moss_slice key,
                  struct moss_value *value);

/*
 * Iterate over the keys k with *lo <= k < *hi; NULL is unbounded.  The bounds
 * are copied.  The iterator is not positioned yet; it keeps snap alive.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_snapshot_iterate(struct moss_snapshot *snap, const struct moss_slice *lo,
                      const struct moss_slice *hi, struct moss_iterator **out);

/*
 * Look up key and copy the first cap bytes of its value to buf, which belongs
 * to the caller; *len is the length of the whole value.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_snapshot_get_copy(struct moss_snapshot *snap, struct moss_slice key,
                       void *buf, size_t cap, size_t *len);

/*
 * Which parts of a snapshot to read; all zero: everything.  The segments in
 * memory are numbered from 0, the oldest; those of the lower level are not
 * counted.  Numbers beyond the last one mean no segment.  What is left out
 * counts as absent: a merge operand whose value is left out applies to
 * nothing.
 */
struct moss_read_options {
    bool skip_lower_level;     /* only what is in memory */
    bool include_deletions;    /* iterators stop at deleted keys, too */
    size_t min_segment_level;  /* leave out the segments below it */
    size_t max_segment_height; /* and those from it on; 0: none of them */
};

/*
 * As moss_snapshot_get() and moss_snapshot_iterate().  MOSS_UNSUPPORTED for
 * a snapshot of a lower level that is not of this library, unless options
 * (NULL: zero) are all zero.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_snapshot_get_with(struct moss_snapshot *snap, struct moss_slice key,
                       const struct moss_read_options *options,
                       struct moss_value *value);
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_snapshot_iterate_with(struct moss_snapshot *snap,
                           const struct moss_slice *lo,
                           const struct moss_slice *hi,
                           const struct moss_read_options *options,
                           struct moss_iterator **out);

/*
 * How many segments there are, in memory and of the lower level; 0 for what
 * is not of this library.
 */
MOSS_API void moss_snapshot_segments(struct moss_snapshot *snap,
                                     size_t *in_memory, size_t *lower);

/* A segment of a snapshot. */
struct moss_segment_info {
    size_t level;                        /* 0: the newest */
    uint64_t entries, deletions, merges; /* the first counts the others, too */
    uint64_t key_bytes, value_bytes;
    bool is_indexed; /* for gets, as yet */
    bool in_file;    /* of the store; else in memory */
    char file[64];   /* its name; "" in memory, or if it was decoded */
    uint64_t offset; /* of its entries there */
};

/*
 * Call each for the segments of a snapshot, children not included, newest
 * first, until it returns something else than MOSS_OK; that is returned.  The
 * lower level's are included if it is of this library.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status moss_snapshot_each_segment(
    struct moss_snapshot *snap,
    enum moss_status (*each)(void *arg, const struct moss_segment_info *info),
    void *arg);

/*
 * Read all segments that moss_snapshot_each_segment() tells of, and compare:
 * checksums (each block once for as long as its file is open), bounds and
 * order of the entries, totals.  MOSS_CORRUPT with the place in err.  go_on
 * (may be NULL) is called now and then with the entries looked at and how many
 * there are; false ends it with MOSS_ABORTED.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_snapshot_check(struct moss_snapshot *snap,
                    bool (*go_on)(void *ctx, uint64_t done, uint64_t total),
                    void *ctx, struct moss_error *err);

/* The child collection of that name, or MOSS_NOT_FOUND. */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_snapshot_child(struct moss_snapshot *snap, struct moss_slice name,
                    struct moss_snapshot **out);

/*
 * Call each with the name of every child collection, in byte order, until it
 * returns something else than MOSS_OK; that is returned.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_snapshot_children(struct moss_snapshot *snap,
                       enum moss_status (*each)(void *arg,
                                                struct moss_slice name),
                       void *arg);

/* The newest tag that the snapshot contains; {0, 0} if none. */
MOSS_API struct moss_tag moss_snapshot_tag(struct moss_snapshot *snap);

/*
 * Estimate how many entries lie in [*lo, *hi) and how many bytes their keys
 * and values have: O(segments * log entries).  Exact for one segment without
 * deletions.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_snapshot_estimate(struct moss_snapshot *snap, const struct moss_slice *lo,
                       const struct moss_slice *hi, uint64_t *entries,
                       uint64_t *bytes);

/*
 * A snapshot that reads as the changes [from, to) of batch, copied, over snap;
 * the batch's children and moss_batch_clear() are not looked at.  Laying
 * overlay on overlay keeps the number of segments logarithmic.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_snapshot_overlay(struct moss_snapshot *snap,
                      const struct moss_batch *batch, size_t from, size_t to,
                      struct moss_snapshot **out);

/*
 * An empty snapshot, to lay changes over.  merge may be NULL; it is copied,
 * its name is not.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_snapshot_empty(const struct moss_merge_operator *merge,
                    struct moss_snapshot **out);

/* ------------------------------------------------------------------ */
/* Iterators                                                          */
/* ------------------------------------------------------------------ */

/*
 * Each of these returns MOSS_OK when the iterator stands on an entry,
 * MOSS_DONE when there is none that way (next() after DONE stays DONE; so
 * does prev(); a seek positions it again), or a failure.  next() on a fresh
 * iterator goes to the first entry, prev() to the last.  Keys outside the
 * bounds are never visited, whatever is sought.  One thread at a time.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_iterator_first(struct moss_iterator *it);
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_iterator_last(struct moss_iterator *it);
/* To the first entry with a key >= key. */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_iterator_seek(struct moss_iterator *it, struct moss_slice key);
/* To the last entry with a key <= key. */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_iterator_seek_for_prev(struct moss_iterator *it, struct moss_slice key);
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_iterator_next(struct moss_iterator *it);
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_iterator_prev(struct moss_iterator *it);

/*
 * The entry it stands on.  The slices are valid until the iterator moves or
 * is freed; unless a merge operator made the value, or there is a lower level
 * that is not of this library, both stay valid as long as the snapshot.
 */
MOSS_API void
moss_iterator_current(const struct moss_iterator *it, struct moss_slice *key,
                      struct moss_slice *value);
/*
 * What the entry is: MOSS_OP_SET, also where an operator made the value, or,
 * if the iterator includes deletions, MOSS_OP_DEL, with an empty value.
 */
MOSS_API enum moss_op moss_iterator_op(const struct moss_iterator *it);
MOSS_API void moss_iterator_free(struct moss_iterator *it);

#ifdef __cplusplus
}
#endif

/* The whole API comes with this header; these are its other parts. */
#include "moss_collection.h"
#include "moss_lower.h"
#include "moss_merge.h"
#include "moss_stats.h"
#include "moss_store.h"
#include "moss_wait.h"

#endif
