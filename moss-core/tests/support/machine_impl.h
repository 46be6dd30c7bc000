/* The insides of the state machine, shared by the machine_*.c. */
#ifndef MOSS_TESTS_SUPPORT_MACHINE_IMPL_H
#define MOSS_TESTS_SUPPORT_MACHINE_IMPL_H

#include <stdatomic.h>
#include <stdnoreturn.h>

#include "moss.h"
#include "moss_os.h"
#include "support/fault_os.h"
#include "support/fixture.h"
#include "support/key_model.h"
#include "support/machine.h"
#include "support/mem_os.h"
#include "support/toy_lower.h"

enum { BATCHES = 3, PREPARED = 3, SNAPS = 5, ITERS = 4, RECALL = 24 };

/* Changes, recorded beside the batch that has them. */
struct record {
    struct change *list; /* one reference to each value */
    size_t n, cap;
};

struct batch_slot {
    struct moss_batch *batch; /* NULL: free */
    struct record changes;
    uint64_t tag; /* 0: none */
};

struct prepared_slot {
    struct moss_prepared *prepared; /* NULL: free */
    struct record changes;
    uint64_t tag;
};

struct snap_slot {
    struct moss_snapshot *snap; /* NULL: free */
    struct key_model *model;
};

enum iter_place { ITER_FRESH, ITER_ON, ITER_DONE };

struct iter_slot {
    struct moss_iterator *it; /* NULL: free */
    struct key_model *model;
    size_t lo, hi; /* places of keys, lo <= place < hi */
    enum iter_place place;
    size_t on;
};

/* A state that was published, in the order of publishing. */
struct logged {
    struct key_model *model;
    uint64_t tag;
    bool is_tagged; /* by the batch that made it */
    unsigned opening;
};

struct machine {
    struct machine_options options;
    uint64_t config;
    struct rng rng; /* of this step */
    /*
     * Of this step, too: decides about what was added to the machine later, so
     * that without it (options.basic) an old seed is the episode it was.
     */
    struct rng extra;
    unsigned step;
    const char *action;

    /* Constant over an episode. */
    enum machine_below below;
    bool has_faults;
    bool has_kinds;                          /* segments may be of toy kinds */
    const struct moss_merge_operator *merge; /* NULL: no merges are made */
    key_merge model_merge;
    struct key_table table;

    struct mem_os *mem;
    struct fault_os *fault;
    struct toy *toy;
    struct moss_store *store;
    struct moss_collection *c;
    unsigned opening;   /* counts openings */
    uint64_t published; /* batches since then */
    uint64_t changed;   /* changes in them, over the episode */

    struct logged *log;
    size_t n_log, cap_log;
    size_t opened_at; /* the state that the last opening found */
    size_t durable;   /* the state of that place, or a newer one, survives */
    uint64_t newest_tag;

    /* Some call may fail; a fault is armed or has been. */
    bool tolerant;
    bool faulted; /* since the last opening */
    atomic_uint errors;
    bool read_only;    /* the collection is opened for reading */
    bool stage_failed; /* there may be files of staged batches left */

    struct batch_slot batches[BATCHES];
    struct prepared_slot prepared[PREPARED];
    struct snap_slot snaps[SNAPS];
    const struct snap_slot *initial; /* of the collection; NULL: none */
    struct iter_slot iters[ITERS];

    const char *recall[RECALL]; /* the last actions, by step modulo */
};

/* ------------------------------------------------------------ machine.c */

noreturn void
machine_fail(struct machine *m, const char *file, int line, const char *format,
             ...) __attribute__((format(printf, 4, 5)));
#define must(m, cond, ...)                                                     \
    do {                                                                       \
        if (!(cond))                                                           \
            machine_fail(m, __FILE__, __LINE__, __VA_ARGS__);                  \
    } while (0)

/*
 * True if st is MOSS_OK or better.  A failure must be one that an injected
 * fault explains; else this does not return.
 */
bool machine_ok(struct machine *m, enum moss_status st, const char *what);
#define works(m, call) machine_ok(m, call, #call)

uint64_t draw(struct machine *m, uint64_t n);
bool one_in(struct machine *m, uint64_t n);
/* The same from m->extra; sometimes() is never true if options.basic is set. */
uint64_t extra(struct machine *m, uint64_t n);
bool sometimes(struct machine *m, uint64_t n);
/* Count what these decided, for the report. */
enum extra {
    EXTRA_STAGED,
    EXTRA_FOUND_AGAIN,
    EXTRA_SWEPT,
    EXTRA_PARTIAL,
    EXTRA_READ_ONLY,
    EXTRA_INITIAL,
    EXTRA_KINDS,
    EXTRAS
};
void count_extra(enum extra what);
/* The state that the newest snapshot reads as; borrowed. */
struct key_model *machine_now(struct machine *m);
/* Log a state that is the newest from now on; takes over model. */
void machine_log(struct machine *m, struct key_model *model, uint64_t tag,
                 bool is_tagged);
/* Forget the states behind the i-th. */
void machine_cut_log(struct machine *m, size_t i);

/* ------------------------------------------------------- machine_open.c */

/* Over what is there; finds out which state that is.  Heals if it must. */
void machine_open(struct machine *m);
/*
 * Close the collection, waiting as long as timeout_ms, and the store.  What
 * is prepared is dropped.
 */
void machine_close(struct machine *m, uint64_t timeout_ms);
/* The collection alone. */
void machine_close_collection(struct machine *m, uint64_t timeout_ms);
/* Over m->store or the toy. */
enum moss_status machine_open_collection(struct machine *m);
/* No fault is armed any more; the power is on, for which it may reopen. */
void machine_heal(struct machine *m);
void action_reopen(struct machine *m);
void action_abandon(struct machine *m);
void action_readonly(struct machine *m);
void action_second_writer(struct machine *m);

/* ------------------------------------------------------ machine_batch.c */

void record_release(struct record *c);
void action_set(struct machine *m);
void action_del(struct machine *m);
void action_merge(struct machine *m);
void action_many(struct machine *m);
void action_range(struct machine *m);
void action_child(struct machine *m);
void action_del_child(struct machine *m);
void action_clear(struct machine *m);
void action_rename(struct machine *m);
/* Where the changes begin that a moss_batch_clear() has left. */
size_t first_own(const struct record *changes);
void action_truncate(struct machine *m);
void action_reset(struct machine *m);
void action_look_at_batch(struct machine *m);
void action_execute(struct machine *m);
void action_prepare(struct machine *m);
void action_publish(struct machine *m);
void action_drop(struct machine *m);
void batch_slot_release(struct batch_slot *b);
void prepared_slot_release(struct prepared_slot *p);

/* ----------------------------------------------------- machine_staged.c */

/* Can these changes be staged? */
bool staged_fits(const struct record *changes, uint64_t tag);
/*
 * Prepare them by way of a staged batch.  MOSS_TIMEOUT also if a file that is
 * left over is in the way.
 */
enum moss_status
staged_prepare(struct machine *m, const struct record *changes, uint64_t tag,
               uint64_t timeout_ms, struct moss_prepared **out);
void staged_sweep(struct machine *m);

/* ---------------------------------------------------- machine_partial.c */

/* A key in a part of the snapshot, by a get and by an iterator. */
void
check_partial(struct machine *m, struct snap_slot *s, struct moss_slice key);

/* ------------------------------------------------------- machine_read.c */

enum likeness { SAME, DIFFERENT, UNREADABLE };
/* Forwards or backwards.  Differences go to why, n bytes. */
enum likeness machine_compare(struct machine *m, struct moss_snapshot *snap,
                              struct key_model *model, char *why, size_t n);
/* Fail unless it is the same or could not be read. */
void machine_check(struct machine *m, struct moss_snapshot *snap,
                   struct key_model *model);
/* A key of the table, or one near it; points into buf of KEY_BYTES. */
enum { KEY_BYTES = 512 };
struct moss_slice draw_key(struct machine *m, uint8_t *buf);
/* That a get of key gave st and value, where model has all there is. */
void
check_value(struct machine *m, enum moss_status st, struct moss_value *value,
            struct key_model *model, struct moss_slice key);
void action_get(struct machine *m);
void action_check(struct machine *m);
void action_snapshot(struct machine *m);
void action_snapshot_at(struct machine *m);
void action_snapshot_child(struct machine *m);
void action_overlay(struct machine *m);
void action_snapshot_get(struct machine *m);
void action_snapshot_check(struct machine *m);
void action_snapshot_drop(struct machine *m);
void action_estimate(struct machine *m);
void snap_slot_release(struct snap_slot *s);

/* ------------------------------------------------------- machine_iter.c */

void action_iterate(struct machine *m);
void action_move(struct machine *m);
void action_turn(struct machine *m);
void action_seek(struct machine *m);
void action_iterator_drop(struct machine *m);
void iter_slot_release(struct iter_slot *s);

/* ------------------------------------------------------ machine_lower.c */

void action_flush(struct machine *m);
void action_idle(struct machine *m);
void action_stats(struct machine *m);
void action_history(struct machine *m);
void action_revert(struct machine *m);
void action_compact(struct machine *m);
void action_set_compaction(struct machine *m);
void action_toy_fails(struct machine *m);
void action_toy_moves_fail(struct machine *m);
void action_call_fails(struct machine *m);
void action_disk_fails(struct machine *m);
void action_allocation_fails(struct machine *m);
void action_cut_power(struct machine *m);
void action_crash(struct machine *m);
void action_heal(struct machine *m);

#endif
