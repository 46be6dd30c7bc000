/*
 * mossStore: a directory of append-only, memory-mapped files as the lower
 * level of a collection, in the format of Go moss (FORMAT.md).
 */
#ifndef MOSS_STORE_H
#define MOSS_STORE_H

#include "moss.h"

#ifdef __cplusplus
extern "C" {
#endif

struct moss_os;
struct moss_store;

/*
 * Who a store belongs to and what it is.  All zero for a store that Go moss
 * wrote and this library has not written yet.
 */
struct moss_store_identity {
    uint8_t store_id[16];
    char home_path[1024]; /* the database file that owns it; "" if none */
    uint64_t home_dev, home_ino;
    char merge_name[64]; /* the merge operator's; "" if none */
};

/* Zero means the default everywhere.  Copied by moss_store_open(). */
struct moss_store_options {
    struct moss_os *os; /* default moss_os_posix() */
    const struct moss_merge_operator *merge;

    bool readonly;  /* creates, deletes, locks and repairs nothing */
    bool no_create; /* MOSS_CANTOPEN if there is no store in the directory */

    /*
     * Recorded when the store is created, or on its first write if it has no
     * identity.  A zero store_id is replaced by a random one.
     */
    const struct moss_store_identity *identity;

    /* Read with pread instead of mmap (see the README's limits). */
    bool no_mmap;

    /*
     * A full compaction is due when the data file holds more than this many
     * bytes that no footer needs beyond the live ones.  Default: live bytes
     * + 64 MiB, at most 768 MiB.
     */
    uint64_t max_dead_bytes;
    bool no_compaction;
    bool force_compaction; /* with every change set */
};

/*
 * Open the store in directory dir, which is created (one level) unless
 * no_create.  One writer at a time: MOSS_BUSY if another process, or this
 * one, has it open for writing.
 *
 * MOSS_CORRUPT: there are data files, but none has a good footer.
 * MOSS_UNSUPPORTED: written by a newer version or for another byte order.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_store_open(const char *dir, const struct moss_store_options *options,
                struct moss_store **out, struct moss_error *err);

/*
 * Drop the caller's handle.  Snapshots taken from it stay valid.  The lock
 * is released once a collection over this store is closed, too.
 */
MOSS_API void moss_store_close(struct moss_store *store);

/* The newest commit point. */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_store_snapshot(struct moss_store *store, struct moss_snapshot **out);

/*
 * The commit point before snap, which came from moss_store_snapshot() or
 * from this function: MOSS_NOT_FOUND at the end of the history.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_store_previous(struct moss_store *store, struct moss_snapshot *snap,
                    struct moss_snapshot **out, struct moss_error *err);

/*
 * Make snap, a commit point of this store, its newest one, durably: a copy
 * of its footer is appended.  What came between stays in the history.  No
 * collection may be open over the store.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_store_revert(struct moss_store *store, struct moss_snapshot *snap,
                  struct moss_error *err);

/*
 * The lower level that persists a collection into store, for
 * moss_collection_open(), which takes it over; it begins with the newest
 * commit point.  One at a time: MOSS_BUSY.  MOSS_READONLY if it is.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_store_lower(struct moss_store *store, struct moss_lower **out);

MOSS_API void
moss_store_identity(struct moss_store *store, struct moss_store_identity *out);
/* Record another home, durably.  The store id stays. */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_store_set_home(struct moss_store *store, const char *path, uint64_t dev,
                    uint64_t ino, struct moss_error *err);

struct moss_store_stats {
    uint64_t file_bytes, live_bytes; /* of the newest data file */
    uint64_t footers_written, segments_written, bytes_written, syncs;
    uint64_t compactions;
    uint64_t segments;  /* of the newest commit point, children included */
    char data_file[32]; /* its name */
};
MOSS_API void
moss_store_stats(struct moss_store *store, struct moss_store_stats *out);

#ifdef __cplusplus
}
#endif

#endif
