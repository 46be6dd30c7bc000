/*
 * Statistics: histograms.
 */
#ifndef MOSS_STATS_H
#define MOSS_STATS_H

#include "moss.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ */
/* Histograms                                                         */
/* ------------------------------------------------------------------ */

/*
 * Four bins for each power of two, so a bin's values differ by a quarter at
 * most; the numbers below 8 have bins of their own.
 */
#define MOSS_HISTOGRAM_BINS 252

/* How often which values came, as of the moment it was asked for. */
struct moss_histogram {
    const char *name; /* as in Go moss: "ExecuteBatchUsecs"; static */
    uint64_t total;   /* values counted: the sum of bins */
    uint64_t sum;     /* of the values, modulo 2^64 */
    uint64_t bins[MOSS_HISTOGRAM_BINS];
};

/* The values in bin i: those from *first to *last, both included. */
MOSS_API void moss_histogram_bin(size_t i, uint64_t *first, uint64_t *last);

/*
 * A bound that this part of the values (0.5: the median) does not exceed: the
 * last value of the bin where it is reached.  0 if nothing was counted.
 */
MOSS_API uint64_t moss_histogram_quantile(const struct moss_histogram *h,
                                          double part);

/* Count into h, too, what was counted in from. */
MOSS_API void
moss_histogram_add(struct moss_histogram *h, const struct moss_histogram *from);

/*
 * A picture in text: the name, then a line for each power of four that has
 * values, with its part of the total and a bar; each line begins with prefix
 * (NULL: nothing) and ends with a line feed.  Writes at most cap bytes with a
 * NUL byte at the end, and returns the length of the whole text, as snprintf()
 * does; cap 0 allows text to be NULL.
 */
MOSS_API size_t moss_histogram_text(const struct moss_histogram *h,
                                    const char *prefix, char *text, size_t cap);

#ifdef __cplusplus
}
#endif

#endif
