/*
 * The snapshots of a collection that are in use, so that it can be told how
 * old the oldest is and what it holds on to.  Snapshots outlive the
 * collection, and so does this.
 */
#ifndef MOSS_COLLECTION_PINS_H
#define MOSS_COLLECTION_PINS_H

#include <stdint.h>

#include "moss.h"

struct pins;
struct state;

/* Embedded in what holds on to a state. */
struct pin {
    struct pins *pins; /* one reference; NULL: not listed */
    struct pin *newer, *older;
    struct state *state; /* borrowed from the holder */
    uint64_t taken_ns;
};

MOSS_MUST_CHECK enum moss_status pins_new(struct pins **out);
void pins_unref(struct pins *pins); /* NULL is fine */

/* List pin, which its holder removes before it gives up state. */
void pin_add(struct pin *pin, struct pins *pins, struct state *state);
void pin_remove(struct pin *pin);

/* How many were ever removed. */
uint64_t pins_released(struct pins *pins);

/*
 * Of the pins of other states than newest: how many there are, and the state
 * of the oldest (one reference, or NULL) and when it was taken.
 */
uint64_t pins_find_oldest(struct pins *pins, const struct state *newest,
                          struct state **oldest, uint64_t *taken_ns);

#endif
