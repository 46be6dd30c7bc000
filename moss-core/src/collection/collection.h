/*
 * struct moss_collection, as the files of this folder share it.  See
 * DESIGN.md for how its parts work together.
 */
#ifndef MOSS_COLLECTION_COLLECTION_H
#define MOSS_COLLECTION_COLLECTION_H

#include <stdatomic.h>

#include "base/histogram.h"
#include "base/sync.h"
#include "collection/recent.h"
#include "collection/state.h"
#include "moss.h"

/*
 * A snapshot kept for moss_collection_get(), for the threads that hash to it,
 * so that they write nothing that the other threads read.
 */
struct read_slot {
    struct mutex mu; /* no other lock is taken under it */
    uint64_t generation;
    struct moss_snapshot *snap;
    uint64_t gets, errors;
    char apart[64]; /* from the next one's cache line */
};

enum { READ_SLOTS = 16 };

struct pins;

/* See moss_collection_histograms(). */
struct histograms {
    struct histogram batch_bytes, batch_ops, batch_usecs;
    struct histogram merger_usecs;
    struct histogram key_bytes, value_bytes;
};

/* Errors of a background thread, and when it tries again. */
struct trouble {
    uint64_t failures;       /* counts up */
    struct moss_error error; /* status MOSS_OK: none; cleared by success */
    uint64_t pause_ms;       /* grows from failure to failure */
    uint64_t retry_ns;       /* not before, unless woken; 0: at once */
};

/* Of writers and the work in the background, beside readers: turns.c. */
struct turns {
    bool may_wait;    /* constant: there are few processors */
    uintptr_t writer; /* the thread that prepared last; 0: none */
    uint64_t
        read_seq; /* 1 + the newest batch when another last read; 0: never */
    uint64_t owed_ns; /* for batches since then that nobody has waited for */
};

struct moss_collection {
    /* Constant after moss_collection_open(). */
    struct moss_collection_options opts; /* defaults filled in */
    struct moss_merge_operator merge_op;
    const struct moss_merge_operator *merge; /* &merge_op or NULL */
    struct moss_lower *lower;                /* NULL: in memory only */
    struct segstack *opaque;                 /* an empty stack, see fold.h */
    uint64_t merger_idle_ms;                 /* 0: it does not merge then */
    struct merge_stop merge_stop;            /* on hurry */
    uint64_t process;                        /* that opened it */

    /* Changes whenever a snapshot taken now would be another one. */
    atomic_uint_fast64_t generation;
    atomic_uint_fast64_t next_id; /* incarnation ids */
    atomic_bool hurry;            /* closing: no long merges any more */

    struct read_slot slots[READ_SLOTS];
    struct histograms histograms;
    struct pins *pins; /* one reference; the snapshots that were taken */

    /* Held to start the threads, nothing else.  Before mu. */
    struct mutex start_mu;
    bool started GUARDED_BY(start_mu);
    struct thread merger, persister;

    /*
     * Guards what follows.  Held to swap pointers and to count: no I/O, no
     * callbacks, no allocation.  Nothing is locked under it.
     */
    struct mutex mu;
    struct condvar room;           /* writers; persister and close wake */
    struct condvar merger_work;    /* the merger; writers, persister wake */
    struct condvar persister_work; /* the persister; all others wake */
    struct condvar progress;       /* flush, wait_idle, close; both wake */

    struct state *state GUARDED_BY(mu); /* the newest; one reference */
    /* A snapshot of the newest generation, or NULL. */
    struct moss_snapshot *newest GUARDED_BY(mu);
    struct recents recents GUARDED_BY(mu);

    /* Admission. */
    struct size reserved GUARDED_BY(mu);   /* prepared, not published */
    unsigned waiting_alone GUARDED_BY(mu); /* writers above a bound */
    struct turns turns GUARDED_BY(mu);

    /* What merger and persister are asked to reach, by state.seq. */
    uint64_t merge_up_to GUARDED_BY(mu);
    uint64_t persist_up_to GUARDED_BY(mu); /* without a delay */
    /* How often all was to be merged into one segment, and was. */
    uint64_t merge_all_asked GUARDED_BY(mu);
    uint64_t merge_all_done GUARDED_BY(mu);
    uint64_t idle_merged_seq GUARDED_BY(mu); /* what an idle merge had */
    /* When the waiting persister looks again by itself; 0: it works. */
    uint64_t persister_looks_ns GUARDED_BY(mu);
    /* These cut the pause after a failure. */
    bool wake_persister GUARDED_BY(mu);
    bool wake_merger GUARDED_BY(mu);
    uint64_t dirty_since_ns GUARDED_BY(mu); /* where a persist delay begins */
    /* When to let the lower level tidy up, and after how long. */
    uint64_t idle_due_ns GUARDED_BY(mu); /* MOSS_FOREVER: it has */
    uint64_t idle_wait_ms GUARDED_BY(mu);
    /* How often that was asked for: in all, before what is going on, done. */
    uint64_t idle_asked GUARDED_BY(mu);
    uint64_t idle_seen GUARDED_BY(mu);
    uint64_t idle_done GUARDED_BY(mu);

    bool merging GUARDED_BY(mu);     /* mid must not be taken meanwhile */
    unsigned at_work GUARDED_BY(mu); /* background threads that are */
    uint64_t persist_attempts GUARDED_BY(mu);    /* begun */
    uint64_t last_failed_attempt GUARDED_BY(mu); /* 0: none */
    uint64_t merge_attempts GUARDED_BY(mu);      /* begun */
    uint64_t last_failed_merge GUARDED_BY(mu);   /* 0: none */
    struct trouble merge_trouble GUARDED_BY(mu);
    struct trouble persist_trouble GUARDED_BY(mu);

    bool closing GUARDED_BY(mu);   /* no new batches */
    bool stop GUARDED_BY(mu);      /* the threads are to end */
    unsigned users GUARDED_BY(mu); /* calls that wait inside */

    struct moss_collection_stats counters GUARDED_BY(mu);
};

/* MOSS_FORKED in a process that did not open c, else MOSS_OK. */
enum moss_status collection_check(const struct moss_collection *c);

/* Everything published is in the lower level, or there is none. */
bool collection_is_clean_locked(struct moss_collection *c) REQUIRES(c->mu);

/* What a swap leaves to be released once mu is not held any more. */
struct leftovers {
    struct state *state; /* NULL: none */
    struct moss_snapshot *newest;
};
void leftovers_release(struct leftovers *left);

/*
 * Make next, with the same content, the newest state: takes over the
 * reference.  The one before goes to left.
 */
void collection_swap_locked(struct moss_collection *c, struct state *next,
                            struct leftovers *left) REQUIRES(c->mu);
/* Readers are to take a new snapshot. */
void collection_new_generation_locked(struct moss_collection *c,
                                      struct leftovers *left) REQUIRES(c->mu);
/* Wake whoever waits for room, for progress, or to persist. */
void collection_wake_locked(struct moss_collection *c) REQUIRES(c->mu);

/* The newest state; one reference. */
struct state *collection_state(struct moss_collection *c);

/* Start the threads if they do not run yet. */
MOSS_MUST_CHECK enum moss_status collection_start(struct moss_collection *c);

/*
 * A call that waits inside c: close waits until it has left.  leave() may be
 * followed by the end of c.
 */
void collection_enter_locked(struct moss_collection *c) REQUIRES(c->mu);
void collection_leave_locked(struct moss_collection *c) REQUIRES(c->mu);

/* read.c */
MOSS_MUST_CHECK enum moss_status read_slots_init(struct moss_collection *c);
/* destroy: the mutexes too. */
void read_slots_release(struct moss_collection *c, bool destroy);
/* Give up snapshots of older generations, so that they pin no memory. */
void read_slots_refresh(struct moss_collection *c);

/* tidy.c: merge small neighbours at the newest end of top.  Best effort. */
void tidy_top(struct moss_collection *c);

/* turns.c */
void turns_init(struct turns *t);
/* The caller takes a snapshot. */
void turns_note_reader_locked(struct moss_collection *c) REQUIRES(c->mu);
/* A batch of so many bytes was published. */
void
turns_owe_locked(struct moss_collection *c, uint64_t bytes) REQUIRES(c->mu);
/*
 * The caller is to prepare a batch: while other threads read, wait for the work
 * in the background, for as long as the batches before have made it.
 */
void
turns_wait_locked(struct moss_collection *c, uint64_t deadline) REQUIRES(c->mu);

/* trouble.c */
void trouble_clear(struct trouble *t);
/*
 * Remember a failure and when to try again; for the thread that failed.  The
 * callback is called by trouble_report(), without the lock.
 */
void trouble_note(struct trouble *t, const struct moss_error *err);
void trouble_report(struct moss_collection *c, const struct moss_error *err);

/* report.c: callbacks.  Without a lock. */
void
collection_event(struct moss_collection *c, enum moss_event event, uint64_t ns);
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void
collection_log(struct moss_collection *c, enum moss_log_level level,
               const char *format, ...);
/* From bytes to MiB, for messages. */
double in_mib(uint64_t bytes);

/* read.c */
/* The calls of moss_collection_get(), which the slots count. */
void
read_slots_count(struct moss_collection *c, struct moss_collection_stats *out);

/* merger.c and persister.c: the loops of the two threads. */
void merger_run(void *collection);
void persister_run(void *collection);
/* Has the merger something to do, but for a pause after a failure? */
bool merger_has_work_locked(struct moss_collection *c) REQUIRES(c->mu);
/* Ask the merger to bring the batches up to seq into mid. */
void merger_ask_locked(struct moss_collection *c, uint64_t seq) REQUIRES(c->mu);
/* Ask the persister to persist the batches up to seq without a delay. */
void
persister_ask_locked(struct moss_collection *c, uint64_t seq) REQUIRES(c->mu);
/* How many bytes are enough for an update, when so many were published. */
uint64_t persister_enough(uint64_t published, bool is_tangled);
/*
 * How long that many bytes may gather before they are persisted, 0 for not at
 * all; in_bulk: they come out of order, and nobody reads.
 */
uint64_t persister_patience_ns(uint64_t bytes, uint64_t enough, bool in_bulk);
/* Wake the persister if it has to act before it would look by itself. */
void persister_remind_locked(struct moss_collection *c) REQUIRES(c->mu);

/* ------------------------------------------------------------------ */
/* Idle times (idle.c)                                                */
/* ------------------------------------------------------------------ */

/* Everything was persisted just now. */
void idle_begin_locked(struct moss_collection *c) REQUIRES(c->mu);
/* It is to be done at once; idle_done reaches idle_asked with that. */
void idle_ask_locked(struct moss_collection *c) REQUIRES(c->mu);
/* Let the lower level tidy up.  The persister thread only. */
void idle_run(struct moss_collection *c);
/* The same for close, when the threads have ended. */
void idle_close(struct moss_collection *c, uint64_t deadline_ns);

#endif
