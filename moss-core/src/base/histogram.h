/*
 * Histograms that any thread adds to without a lock, and copies of them as
 * struct moss_histogram to read and show.
 */
#ifndef MOSS_BASE_HISTOGRAM_H
#define MOSS_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "moss.h"

/* Zeroed memory is an empty one. */
struct histogram {
    atomic_uint_fast64_t sum;
    atomic_uint_fast64_t bins[MOSS_HISTOGRAM_BINS];
};

/* Count value n times. */
void histogram_add(struct histogram *h, uint64_t value, uint64_t n);

/* A copy; what is added meanwhile may be in it or not.  name is static. */
void histogram_read(const struct histogram *h, const char *name,
                    struct moss_histogram *out);

#endif
