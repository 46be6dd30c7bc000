/* An opened store: what its files share. */
#ifndef MOSS_STORE_STORE_H
#define MOSS_STORE_STORE_H

#include "base/refs.h"
#include "base/sync.h"
#include "moss.h"
#include "store/commit.h"
#include "store/identity.h"
#include "store/lockfile.h"
#include "store/plan.h"

struct moss_store {
    /* Constant after moss_store_open(). */
    struct moss_os *os;
    char *dir;
    struct commit_env env;
    bool readonly, no_create, no_compaction, force_compaction;
    uint64_t max_dead_bytes;
    struct moss_store_identity wanted; /* for a file that has none */
    struct lockfile *lock;             /* NULL: readonly */

    struct refs refs; /* the handle, and an open lower level */

    /*
     * Owned by who holds the writer's role.  must_rewrite: the data file is
     * not to be written to any more, because bytes of it may be lost that a
     * second sync would not report, or because a newer file may be there.
     */
    bool must_rewrite;
    uint64_t next_number; /* of the next data file */

    /* Guards what follows; innermost.  Held to copy and swap: no I/O. */
    struct mutex mu;
    struct condvar role_free; /* writers wait; the one before wakes */
    bool is_writing GUARDED_BY(mu);
    bool has_lower GUARDED_BY(mu);
    struct commit *current GUARDED_BY(mu); /* one reference */
    struct identity identity GUARDED_BY(mu);
    struct moss_store_stats stats GUARDED_BY(mu); /* no names and sizes */
    uint64_t file_end GUARDED_BY(mu);             /* of the data file */
};

/* A handle with nothing open yet. */
MOSS_MUST_CHECK enum moss_status
store_new(const char *dir, const struct moss_store_options *options,
          struct moss_store **out);
struct moss_store *store_ref(struct moss_store *s);
void store_unref(struct moss_store *s);

/* The newest commit point; one reference for the caller. */
struct commit *store_current(struct moss_store *s);
struct identity store_identity(struct moss_store *s);

/*
 * "dir/name" of a data file, to be freed with mem_free(), or NULL; kind is one
 * of the functions in datafile.h.
 */
char *store_path(const struct moss_store *s,
                 void (*kind)(uint64_t number, char *out), uint64_t number);

/* ------------------------------------------------------------------ */
/* Writing (store_write.c)                                            */
/* ------------------------------------------------------------------ */

/*
 * Take the writer's role, which one thread at a time has: it alone writes to
 * the files, and calls what is below.  Waits for it.
 */
void store_begin_write(struct moss_store *s) EXCLUDES(s->mu);
void store_end_write(struct moss_store *s) EXCLUDES(s->mu);

/*
 * Make the plan the newest commit point, durably: at the end of the data file,
 * or all of it in a new one where that is due or must be.  The plan is used
 * up.  *out, unless out is NULL, gets a snapshot of it.  On failure the store
 * stands as before.
 */
MOSS_MUST_CHECK enum moss_status
store_write(struct moss_store *s, struct plan *plan, struct moss_snapshot **out,
            struct moss_error *err);

/* Write commit's footer at pos, and sync. */
MOSS_MUST_CHECK enum moss_status
store_write_footer(struct moss_store *s, struct commit *commit, uint64_t pos,
                   struct moss_error *err);

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

/* Sync file; after a failure only a new file will do. */
MOSS_MUST_CHECK enum moss_status
store_sync(struct moss_store *s, struct file *file, struct moss_error *err);
/* Count what w has written. */
void
store_count(struct moss_store *s, const struct segwriter *w) EXCLUDES(s->mu);

/* ------------------------------------------------------------------ */
/* Compaction (compact.c)                                             */
/* ------------------------------------------------------------------ */

/* Is it time to leave the dead bytes of newest's file behind? */
bool compact_is_due(struct moss_store *s, const struct commit *newest);

/*
 * Like store_write(), but always all of it in a new file, which gets id (NULL:
 * as it is).  History begins anew.
 */
MOSS_MUST_CHECK enum moss_status
compact(struct moss_store *s, struct plan *plan, const struct identity *id,
        struct moss_snapshot **out, struct moss_error *err);

#endif
