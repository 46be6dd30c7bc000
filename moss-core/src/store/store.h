/* An opened store: what its files share. */
#ifndef MOSS_STORE_STORE_H
#define MOSS_STORE_STORE_H

#include <stdatomic.h>

#include "base/histogram.h"
#include "base/refs.h"
#include "base/sync.h"
#include "moss.h"
#include "store/commit.h"
#include "store/identity.h"
#include "store/lockfile.h"
#include "store/plan.h"
#include "store/policy.h"

struct gradual;

struct moss_store {
    /* Constant after moss_store_open(). */
    struct moss_os *os;
    char *dir;
    struct commit_env env;
    bool readonly, no_create, no_sync, keep_files, compaction_sync;
    uint64_t sync_after_bytes; /* of a compaction; 0: never */
    size_t write_max;
    uint64_t slice_bytes; /* of a full compaction, within one update */
    uint64_t index_min_key_bytes, index_max_bytes;
    struct policy policy;
    const struct moss_segment_kind *persist_kind; /* NULL: Go moss's */
    struct moss_store_identity wanted;            /* for a file that has none */
    void (*on_error)(void *ctx, const struct moss_error *err);
    void (*log)(void *ctx, enum moss_log_level level, const char *text);
    void *ctx;
    struct lockfile *lock; /* NULL: readonly */

    struct refs refs; /* the handle, and an open lower level */

    /* Relaxed: they take effect some time after they are set. */
    atomic_int compaction; /* enum moss_compaction */
    atomic_bool abort;     /* no compaction goes on */

    /*
     * Owned by who holds the writer's role.  must_rewrite: the data file is
     * not to be written to any more, because bytes of it may be lost that a
     * second sync would not report, or because a newer file may be there.
     */
    bool must_rewrite;
    uint64_t next_number;    /* of the next data file */
    struct gradual *gradual; /* a compaction that goes on; NULL: none */
    /*
     * Bytes of segments that the last compaction of an idle store could not
     * merge, as they have operands that the operator refuses, or there is no
     * operator: to try it again each time would write them again each time.
     */
    uint64_t stuck_bytes;
    /*
     * A compaction has met what it could not read, or a full disk: until the
     * file ends there, updates do not try one again.  0: none has.
     */
    uint64_t hindered_until;
    /*
     * An update has met a full disk when it was too late to append it without
     * what it merged: the next one merges nothing.
     */
    bool merges_nothing;

    /* Guards what follows; innermost.  Held to copy and swap: no I/O. */
    struct mutex mu;
    struct condvar role_free; /* writers wait; the one before wakes */
    bool is_writing GUARDED_BY(mu);
    bool has_lower GUARDED_BY(mu);
    struct commit *current GUARDED_BY(mu); /* one reference */
    struct identity identity GUARDED_BY(mu);
    struct moss_store_stats stats GUARDED_BY(mu); /* what is counted */
    uint64_t file_end GUARDED_BY(mu);             /* of the data file */
    /* Of staged batches that were prepared, whose files are still there. */
    struct moss_tag *staged GUARDED_BY(mu); /* owned */
    size_t n_staged GUARDED_BY(mu);

    struct histogram footer_usecs, persist_usecs, compact_usecs;
};

/* A handle with nothing open yet. */
MOSS_MUST_CHECK enum moss_status
store_new(const char *dir, const struct moss_store_options *options,
          struct moss_store **out);
struct moss_store *store_ref(struct moss_store *s);
void store_unref(struct moss_store *s);

static inline bool
compaction_is_valid(enum moss_compaction compaction)
{
    return compaction == MOSS_COMPACTION_ALLOW ||
           compaction == MOSS_COMPACTION_DISABLE ||
           compaction == MOSS_COMPACTION_FORCE;
}

/* The newest commit point; one reference for the caller. */
struct commit *store_current(struct moss_store *s);
struct identity store_identity(struct moss_store *s);

/*
 * "dir/name" of a data file, to be freed with mem_free(), or NULL; kind is one
 * of the functions in datafile.h.
 */
char *store_path(const struct moss_store *s,
                 void (*kind)(uint64_t number, char *out), uint64_t number);

/* What is found in a data file. */
struct loaded {
    struct commit *commit; /* the newest one; one reference */
    struct identity id;
    uint64_t size;
    bool has_footer; /* a good one: the file is the store, if it loads or not */
};

/*
 * Load the commit point whose footer is at off in the data file of that
 * number; off 0: the newest one.
 */
MOSS_MUST_CHECK enum moss_status
store_load(struct moss_store *s, uint64_t number, uint64_t off, bool writable,
           struct loaded *out, struct moss_error *err);

/* ------------------------------------------------------------------ */
/* Writing (store_write.c)                                            */
/* ------------------------------------------------------------------ */

/*
 * Take the writer's role, which one thread at a time has: it alone writes to
 * the files, and calls what is below.  Waits for it.
 */
void store_begin_write(struct moss_store *s) EXCLUDES(s->mu);
/* The same if nobody has it; false: not taken. */
bool store_try_begin_write(struct moss_store *s) EXCLUDES(s->mu);
void store_end_write(struct moss_store *s) EXCLUDES(s->mu);

/*
 * Make the plan the newest commit point, durably: at the end of the data file,
 * or all of it in a new one where that is due or must be.  Chooses what is
 * merged.  The plan is used up.  *out, unless out is NULL, gets a snapshot of
 * it.  On failure the store stands as before.
 */
MOSS_MUST_CHECK enum moss_status
store_write(struct moss_store *s, struct plan *plan, struct moss_snapshot **out,
            struct moss_error *err);

/* The same with what was chosen, always at the end of the data file. */
struct watch;
MOSS_MUST_CHECK enum moss_status
store_append(struct moss_store *s, struct plan *plan, struct watch *watch,
             struct moss_snapshot **out, struct moss_error *err);

/* Write commit's footer at pos, and sync unless it need not be. */
MOSS_MUST_CHECK enum moss_status
store_write_footer(struct moss_store *s, struct commit *commit, uint64_t pos,
                   bool sync, struct moss_error *err);

/*
 * Tell other processes, and make commit, whose footer is on disk, the newest
 * one.  *commit is taken over on success, and then NULL.
 */
MOSS_MUST_CHECK enum moss_status
store_publish(struct moss_store *s, struct commit **commit,
              const struct identity *id, struct moss_error *err);

/*
 * Complete *id with what the store's opener wants recorded; *changed says
 * whether there was anything.
 */
MOSS_MUST_CHECK enum moss_status
store_complete_identity(struct moss_store *s, struct identity *id,
                        bool *changed);
/* Write *id into the data file, durably, and hold on to it. */
MOSS_MUST_CHECK enum moss_status
store_record_identity(struct moss_store *s, struct file *file,
                      const struct identity *id, struct moss_error *err);

/* The same, or, where the file is not to be written to, in a new one. */
MOSS_MUST_CHECK enum moss_status
store_save_identity(struct moss_store *s, const struct identity *id,
                    struct moss_error *err);
/* The newest commit point is durable, whether updates sync or not. */
MOSS_MUST_CHECK enum moss_status
store_settle(struct moss_store *s, struct moss_error *err);

/* Sync file; after a failure only a new file will do. */
MOSS_MUST_CHECK enum moss_status
store_sync(struct moss_store *s, struct file *file, struct moss_error *err);
/* A writer of segments to file from pos on. */
struct segwriter store_segwriter(struct moss_store *s, struct file *file,
                                 uint64_t nonce, uint64_t pos);

/* ------------------------------------------------------------------ */
/* Staged batches (staged_sweep.c)                                    */
/* ------------------------------------------------------------------ */

/*
 * Transactions up to number n are durable: the files of staged batches that
 * were prepared and whose numbers are not higher are removed.
 */
void store_staged_done(struct moss_store *s, uint64_t n) EXCLUDES(s->mu);

/* ------------------------------------------------------------------ */
/* Counting (store_stats.c)                                           */
/* ------------------------------------------------------------------ */

/* Count what w has written. */
void
store_count(struct moss_store *s, const struct segwriter *w) EXCLUDES(s->mu);

/* A compaction under way. */
struct compaction_count {
    uint64_t start_ns;
    uint64_t file_bytes;   /* before it */
    uint64_t before_bytes; /* to be merged */
};
void count_begin(struct compaction_count *c, struct moss_store *s,
                 uint64_t before_bytes) EXCLUDES(s->mu);
/* It is done; written are the bytes that it wrote. */
void count_end(const struct compaction_count *c, struct moss_store *s,
               bool full, uint64_t written) EXCLUDES(s->mu);
/* Add the time since start_ns, of moss_os, to h. */
void count_usecs(struct moss_store *s, struct histogram *h, uint64_t start_ns);

/* ------------------------------------------------------------------ */
/* Compaction (compact.c)                                             */
/* ------------------------------------------------------------------ */

/* Follows what a compaction writes, and ends it.  One thread. */
struct watch {
    struct file_watch base;
    struct moss_store *store; /* borrowed */
    struct file *file;        /* borrowed */
    uint64_t done, total;
    uint64_t unsynced;
    bool (*progress)(void *ctx, uint64_t done, uint64_t total); /* or NULL */
    void *ctx;
};

void watch_init(struct watch *w, struct moss_store *s);
/* Follow what is written to file, about total bytes. */
void watch_begin(struct watch *w, struct file *file, uint64_t total);
void watch_end(struct watch *w);

/*
 * Choose what plan, which lies over newest, merges; *in_new_file: it is time
 * for a full compaction.
 */
MOSS_MUST_CHECK enum moss_status
compact_choose(struct moss_store *s, const struct commit *newest,
               struct plan *plan, bool *in_new_file);

/*
 * Like store_write(), but always all of it in a new file, which gets id (NULL:
 * as it is).  watch may be NULL.
 */
MOSS_MUST_CHECK enum moss_status
compact(struct moss_store *s, struct plan *plan, const struct identity *id,
        struct watch *watch, struct moss_snapshot **out,
        struct moss_error *err);

/*
 * Whatever does a store good that is left alone; with closing, only what is
 * worth waiting for.
 */
MOSS_MUST_CHECK enum moss_status
compact_idle(struct moss_store *s, bool closing, struct watch *watch,
             struct moss_error *err);

/*
 * About how many bytes of c newer segments hide in older ones; 0 if there can
 * be no more than enough (garbage.c).
 */
uint64_t garbage_hidden(const struct commit *c, uint64_t enough);

#endif
