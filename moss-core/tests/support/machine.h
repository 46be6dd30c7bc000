/*
 * The state machine: one step after another, each a random action on a
 * collection, its snapshots, iterators, batches and its lower level, compared
 * with a reference (key_model.h).  A run is made of episodes, each with
 * options and faults of its own.  What a step decides depends on its own
 * entropy and on what the machine holds, never on time; so steps can be left
 * out of an episode, to find the few that matter.
 *
 * Whatever is not as it must be is told on stderr, with the seed and the step,
 * and aborts the process.
 */
#ifndef MOSS_TESTS_SUPPORT_MACHINE_H
#define MOSS_TESTS_SUPPORT_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine;

/* What is below the collection. */
enum machine_below { BELOW_NOTHING, BELOW_TOY, BELOW_STORE, BELOW_COUNT };

/* Zero means: whatever the entropy says. */
struct machine_options {
    uint64_t seed;  /* only to be told when something is wrong */
    unsigned below; /* 1 + enum machine_below */
    bool no_faults; /* nothing fails and no power is cut */
    bool basic;     /* without what was added later: for old seeds */
    bool trace;     /* tell each step on stderr */
};

/* Begin an episode.  config decides about its options. */
struct machine *
machine_new(const struct machine_options *options, uint64_t config);
/* action chooses what is done, by weight; entropy the rest. */
void machine_step(struct machine *m, uint32_t action, uint64_t entropy);
/* Compare everything once more, close, look for leaks. */
void machine_end(struct machine *m);

/* Put its allocator under the library; before all machines. */
void machine_init(void);

/* What was done so far, in all episodes: a table on stdout. */
void machine_report(void);

#endif
