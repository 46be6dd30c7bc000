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

/* Whether updates compact. */
enum moss_compaction {
    MOSS_COMPACTION_ALLOW = 0, /* when the options below say that it is due */
    MOSS_COMPACTION_DISABLE,   /* no update rewrites what is in the store */
    MOSS_COMPACTION_FORCE      /* a full one with every update that can */
};

/* How many bytes at most a segment kind encodes at a time. */
enum { MOSS_SEGMENT_PIECE = 1 << 20 };

/*
 * A form that segments can have in the file, other than Go moss's: compressed,
 * say, or encrypted.  Go moss does not open a store that has segments of
 * another kind than its own, "a", which is built in.  A segment is cut into
 * pieces of MOSS_SEGMENT_PIECE bytes at most, which are encoded one by one.
 * Whatever decode gives is checked; a piece that comes back as another is
 * MOSS_CORRUPT.
 *
 * Segments of other kinds are decoded into memory, all of them, when the store
 * or an older commit point is opened and when they were written; they have no
 * search index in the file.  What is damaged in the file is MOSS_CORRUPT for
 * those who read it; if that leaves open where the rest belongs, for opening.
 */
struct moss_segment_kind {
    /* Recorded with each segment: 1 to 15 letters, digits, "-", "_", ".". */
    const char *name;

    /*
     * Write what the piece in becomes to out, which has room bytes, an eighth
     * and 1024 more than in; *written says how many they are.  MOSS_OK,
     * MOSS_NOMEM, or MOSS_TOO_BIG: the piece is stored as it is, for anybody
     * to read.  Anything else fails the update with MOSS_INVALID.  By one
     * thread at a time.  NULL: such segments are only read.
     */
    enum moss_status (*encode)(void *ctx, struct moss_slice in, uint8_t *out,
                               size_t room, size_t *written);
    /*
     * The reverse: room is just how long the piece was.  MOSS_OK or
     * MOSS_NOMEM; anything else is MOSS_CORRUPT.  By several threads at once.
     */
    enum moss_status (*decode)(void *ctx, struct moss_slice in, uint8_t *out,
                               size_t room, size_t *written);
    void *ctx;
};

/*
 * Zero means the default everywhere.  Copied by moss_store_open().
 *
 * A leveled compaction merges an update's segment with newer segments of the
 * store and appends the result to the data file; history stays.  A full one
 * writes all content, one segment for each collection, into a new data file.
 */
struct moss_store_options {
    /*
     * Default moss_os_posix().  It is to stay for the life of the process:
     * what a compaction has left behind is closed later, on a thread.
     */
    struct moss_os *os;
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

    enum moss_compaction compaction;

    /*
     * Leveled: segments belong to one level while none is this many times as
     * large as all newer ones of the level together (default 3; Go moss: 9),
     * and are merged when an update would make them more than so many
     * (default 7; Go moss: 4).  Segments whose keys lie apart from the
     * update's do not count.  What comes to less than 8 MiB is merged right
     * away, what comes to more than 256 MiB is left to a full compaction.
     */
    unsigned compaction_level_multiplier;
    unsigned compaction_level_max_segments;

    /*
     * Full: due when the bytes in the data file that the newest commit point
     * does not need, or that newer entries hide, are more than this part of
     * it (default 0.65, and 64 MiB more), or more than max_dead_bytes (default
     * 768 MiB), or when a collection would have more than 32 segments.  If
     * max_dead_bytes alone is given, it alone counts of the first two.
     * Leveled compactions keep to the same bounds.
     */
    double compaction_percentage;
    uint64_t max_dead_bytes;

    /* Writes have at most so many pages of 4096 bytes; default 512. */
    unsigned compaction_buffer_pages;
    /*
     * Compactions sync the file on their way, whenever so many bytes were
     * written (default 16000000), and leveled ones sync even with no_sync.
     * A full one is synced before it takes the old file's place in any case.
     * As in Go moss, the number has no effect without compaction_sync.
     */
    bool compaction_sync;
    uint64_t compaction_sync_after_bytes;

    /*
     * Of a full compaction, an update writes at most about twice so many bytes,
     * or eight times its own, with what is left over to the next updates, so
     * that these are not held up (default 256 MiB).
     */
    uint64_t compaction_slice_bytes;

    /*
     * Updates do not wait for the disk.  The store survives the process being
     * killed; after a power cut what was not synced may be gone, and content
     * may be MOSS_CORRUPT.  Full compactions and closing sync all the same.
     */
    bool no_sync;

    /*
     * Older data files are not removed when a compaction leaves them behind,
     * nor at opening, and moss_store_previous() goes on into them.  So an older
     * file can take the place of a damaged newest one: see on_error.
     */
    bool keep_files;

    /*
     * Segments with fewer bytes of keys get no search index in the file
     * (default 16 KiB), nor those whose index might take more than max bytes
     * (default: no bound).  Go moss indexes fewer keys where ours has all.
     */
    uint64_t segment_keys_index_min_key_bytes;
    uint64_t segment_keys_index_max_bytes;

    /*
     * The kinds of segments that can be read besides "a", and of them the name
     * of the one that is written (default "a").  Other segments stay as they
     * are until they are merged; a full compaction writes all of them anew.
     * The kinds are borrowed until the store is closed and no collection uses
     * it any more.
     */
    const struct moss_segment_kind *kinds;
    size_t n_kinds;
    const char *persist_kind;

    /*
     * What moss_store_open() found damaged and went on without: the newest
     * data file, as it has no good footer.  The store is as an older one says,
     * which is there after a crash, or with keep_files: then the commit points
     * of the damaged one are lost.  A writer names it "moss-damaged-...".  log
     * is given the same as a line of text, of the level MOSS_LOG_ERRORS.
     * On the thread that opens, before moss_store_open() returns.
     *
     * Also, on the thread of an update, why a compaction came to nothing:
     * what it could not read (MOSS_CORRUPT), or no room (MOSS_FULL).  The
     * update has been written without one, and nothing is lost but what is
     * damaged.  That one must not use the store; log is not given it.
     */
    void (*on_error)(void *ctx, const struct moss_error *err);
    void (*log)(void *ctx, enum moss_log_level level, const char *text);
    void *ctx; /* handed to both */
};

/*
 * Open the store in directory dir, which is created (one level) unless
 * no_create.  One writer at a time: MOSS_BUSY if another process, or this
 * one, has it open for writing.  A relative dir is looked up at each use: do
 * not change the working directory then.  What was moved or removed while it
 * is open takes no updates: MOSS_CANTOPEN.
 *
 * MOSS_CORRUPT: there are data files, but none has a good footer.
 * MOSS_UNSUPPORTED: written by a newer version or for another byte order, or
 * with segments of a kind that is not among options->kinds: the error's path
 * names it.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_store_open(const char *dir, const struct moss_store_options *options,
                struct moss_store **out, struct moss_error *err);

/*
 * Drop the caller's handle.  Snapshots taken from it stay valid.  The lock
 * is released once a collection over this store is closed, too.
 */
MOSS_API void moss_store_close(struct moss_store *store);

/*
 * The same; if abort is set, a compaction that is going on, whoever began it,
 * stops soon, and no other begins.  An update that was being compacted is
 * appended instead.
 */
MOSS_API void moss_store_close_ex(struct moss_store *store, bool abort);

/* The newest commit point. */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_store_snapshot(struct moss_store *store, struct moss_snapshot **out);

/*
 * The commit point before snap, which came from moss_store_snapshot() or
 * from this function: MOSS_NOT_FOUND at the end of the history.  It ends with
 * the file that the last full compaction made, unless keep_files is set: then
 * it goes on in the older file, if that is still there.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_store_previous(struct moss_store *store, struct moss_snapshot *snap,
                    struct moss_snapshot **out, struct moss_error *err);

/* What a commit point is. */
struct moss_commit_info {
    struct moss_tag tag;   /* the newest transaction in it; {0, 0} if none */
    uint64_t unix_seconds; /* 0: not known, as of Go moss */
    uint64_t collections;  /* with children and the top-level one */
    uint64_t segments;
    uint64_t entries;      /* in all segments, hidden ones and deletions too */
    uint64_t deletions;    /* of these */
    uint64_t bytes;        /* their keys and values */
    uint64_t disk_bytes;   /* what it needs of its file */
    char data_file[32];    /* its name */
    uint64_t offset;       /* of its footer there */
    uint64_t footer_bytes; /* the footer's length */
};

/* Of a snapshot as moss_store_previous() takes it; else MOSS_INVALID. */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_store_commit_info(struct moss_store *store, struct moss_snapshot *snap,
                       struct moss_commit_info *out);

/*
 * Make snap, a commit point of this store, its newest one, durably: a copy
 * of its footer is appended.  What came between stays in the history.  No
 * collection may be open over the store.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_store_revert(struct moss_store *store, struct moss_snapshot *snap,
                  struct moss_error *err);

/* How to compact on demand. */
enum moss_compact_kind { MOSS_COMPACT_FULL = 0, MOSS_COMPACT_LEVELED };

struct moss_compact_options {
    /*
     * LEVELED leaves each collection with two segments at most, of which the
     * older one is more than twice as large as the newer one.
     */
    enum moss_compact_kind kind;

    /*
     * Called now and then from the caller's thread with the bytes written and
     * about how many there will be.  May be NULL.  false ends the compaction.
     */
    bool (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
};

/*
 * Compact now; nothing happens where there is nothing to merge and nothing to
 * leave behind.  Waits for an update that is going on; updates wait for it.  A
 * collection over the store reads what it has until its next update, or
 * moss_collection_notify_idle().
 * MOSS_ABORTED: progress ended it, or moss_store_close_ex(); the store is as
 * before.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_store_compact(struct moss_store *store,
                   const struct moss_compact_options *options,
                   struct moss_error *err);

/*
 * Write what snap reads as a new store in directory dir, durably, one segment
 * for each collection, with tag as its newest one; dir is made like
 * moss_store_open() makes it.  Of how, only progress counts; NULL is fine.
 * After a failure, MOSS_ABORTED if progress ended it, dir may have files.
 *
 * MOSS_EXISTS: there is a store with content.  MOSS_UNSUPPORTED: snap comes
 * from a lower level that is not of this library.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_store_copy(const char *dir, const struct moss_store_options *options,
                struct moss_snapshot *snap, struct moss_tag tag,
                const struct moss_compact_options *how, struct moss_error *err);

/*
 * Change options.compaction, from the next update on.  MOSS_INVALID, and no
 * change, if it is none of enum moss_compaction.
 */
MOSS_API enum moss_status
moss_store_set_compaction(struct moss_store *store,
                          enum moss_compaction compaction);

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

/* ------------------------------------------------------------------ */
/* Staged batches                                                     */
/* ------------------------------------------------------------------ */

/*
 * A large batch in a file of its own in the store's directory, so that it
 * needs no memory of its size: made in pieces, durable before it is published,
 * and found again after a crash.  One thread at a time.
 */
struct moss_staged;

/* What tells a staged batch from all others; for the caller's log. */
struct moss_staged_info {
    struct moss_tag tag;
    uint64_t length;   /* of the file */
    uint64_t checksum; /* of what in it vouches for the rest */
};

/* Zero means the default.  Copied by moss_staged_begin(). */
struct moss_staged_options {
    /* For who does not count on it after a power cut. */
    bool no_sync;
    /*
     * Asked before each write, on the caller's thread; false ends it with
     * MOSS_ABORTED.  NULL: it goes on.
     */
    bool (*go_on)(void *ctx);
    void *ctx;
};

/*
 * Begin one, named by tag, which is not {0, 0}.  options may be NULL.
 * MOSS_BUSY if there is one of that name; MOSS_READONLY.  The store stays open
 * until it is freed.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_staged_begin(struct moss_store *store, struct moss_tag tag,
                  const struct moss_staged_options *options,
                  struct moss_staged **out, struct moss_error *err);

/*
 * Add the changes of piece, children included, which take effect after those
 * of earlier pieces.  They are not copied in memory; sorting them takes 32
 * bytes for each while it goes on.  MOSS_UNSUPPORTED if piece deletes, renames
 * or clears collections.  After another failure the batch can only be freed.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_staged_add(struct moss_staged *staged, const struct moss_batch *piece,
                struct moss_error *err);

/* Changes to one collection. */
struct moss_staged_part {
    const struct moss_slice *path; /* its names, from the top */
    size_t n_path;
    /* Its changes from that number on; children and clear are left out. */
    const struct moss_batch *batch;
    size_t from;
};

/* The same for one collection.  Without changes it is made, at least. */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_staged_add_part(struct moss_staged *staged,
                     const struct moss_staged_part *part,
                     struct moss_error *err);

/*
 * Also delete a child collection of the top level, or empty the one that path
 * names, which has a part: before the changes take effect.  The file does not
 * say so: whoever opens it again has to.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_staged_del_child(struct moss_staged *staged, struct moss_slice name);
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_staged_clear(struct moss_staged *staged, const struct moss_slice *path,
                  size_t n);

/*
 * Make all of it durable.  Where merge operands do not prevent it, each
 * collection's pieces become one segment first.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_staged_finish(struct moss_staged *staged, struct moss_staged_info *info,
                   struct moss_error *err);

/*
 * Open one that was finished before, and read all of it: MOSS_NOT_FOUND if it
 * is not there, MOSS_CORRUPT if it is damaged or another than info says.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_staged_open(struct moss_store *store, const struct moss_staged_info *info,
                 struct moss_staged **out, struct moss_error *err);

/*
 * Prepare a finished batch for c, the collection over its store, as
 * moss_collection_prepare() does; c reads it from its file from then on, and
 * persisting streams it from there.  The file is removed when a transaction
 * of its number, or a higher one, is durable in the store.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_staged_prepare(struct moss_staged *staged, struct moss_collection *c,
                    uint64_t timeout_ms, struct moss_prepared **out);

/*
 * A finished batch's changes to the collection that path names, laid over
 * snap without copying them; see moss_snapshot_overlay().
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_staged_overlay(struct moss_staged *staged, const struct moss_slice *path,
                    size_t n, struct moss_snapshot *snap,
                    struct moss_snapshot **out);

/* Is there anything, perhaps an empty collection, for that path? */
MOSS_API bool moss_staged_has(struct moss_staged *staged,
                              const struct moss_slice *path, size_t n);

/*
 * Let go of it.  Its file is removed unless it was finished.  What reads it
 * keeps it open.  NULL is fine.
 */
MOSS_API void moss_staged_free(struct moss_staged *staged);

/* Remove the file of the staged batch of that tag, if there is one. */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_staged_remove(struct moss_store *store, struct moss_tag tag,
                   struct moss_error *err);

/*
 * Remove the files of staged batches that keep says no to; keep NULL: those
 * whose number is not above that of the newest commit point, which is synced
 * first where updates do not sync.  Not while one of them is being made.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_staged_sweep(struct moss_store *store,
                  bool (*keep)(void *ctx, struct moss_tag tag), void *ctx,
                  struct moss_error *err);

/* ------------------------------------------------------------------ */
/* Statistics                                                         */
/* ------------------------------------------------------------------ */

/* Counted since the store was opened, children included. */
struct moss_store_stats {
    /* Of the newest data file and commit point, now. */
    char data_file[32];  /* its name */
    uint64_t file_bytes; /* all of it */
    uint64_t live_bytes; /* what the commit point needs */
    uint64_t dead_bytes; /* the rest */
    /* Of all data files; as file_bytes if the directory cannot be read. */
    uint64_t disk_bytes;
    uint64_t segments;
    uint64_t max_segments;            /* of one collection */
    uint64_t base_bytes, above_bytes; /* in the oldest segments, in others */

    uint64_t footers_written, segments_written, bytes_written, syncs;
    uint64_t persists; /* updates */

    uint64_t compactions;         /* full ones */
    uint64_t partial_compactions; /* leveled ones */
    uint64_t compaction_before_bytes, compaction_written_bytes;
    /* The file's size before and after the last one. */
    uint64_t last_compaction_before_bytes, last_compaction_after_bytes;
    /* How much smaller or larger the file was after compactions. */
    uint64_t compaction_decrease_bytes, compaction_increase_bytes;
    uint64_t max_compaction_decrease_bytes, max_compaction_increase_bytes;
};
MOSS_API void
moss_store_stats(struct moss_store *store, struct moss_store_stats *out);

/*
 * Call each for what Go moss counts, too, under its names: num_bytes_used_disk
 * is disk_bytes.
 */
MOSS_API void
moss_store_stats_each(const struct moss_store_stats *stats,
                      void (*each)(void *arg, const char *name, uint64_t value),
                      void *arg);
/*
 * All of it as one JSON object, Go's names first; as snprintf() writes it, see
 * moss_histogram_text().
 */
MOSS_API size_t moss_store_stats_json(const struct moss_store_stats *stats,
                                      char *text, size_t cap);

/*
 * How many data files there are in the directory, and their bytes; on failure
 * 0.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_store_disk_use(struct moss_store *store, uint64_t *files, uint64_t *bytes,
                    struct moss_error *err);

enum { MOSS_STORE_HISTOGRAMS = 3 };

/* So many: PersistFooterUsecs, PersistUsecs and CompactUsecs, in order. */
MOSS_API void
moss_store_histograms(struct moss_store *store, struct moss_histogram *out);

#ifdef __cplusplus
}
#endif

#endif
