/*
 * Statistics: what a collection has counted, and histograms.  Each number has
 * the name that it has in Go moss, too: moss_collection_stats_each().
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

/* {"name":"ExecuteBatchUsecs","total":3,"sum":9,"bins":[[first,last,n],...]} */
MOSS_API size_t moss_histogram_json(const struct moss_histogram *h, char *text,
                                    size_t cap);

/* ------------------------------------------------------------------ */
/* Collections                                                        */
/* ------------------------------------------------------------------ */

/* Counted since the collection was opened, children included. */
struct moss_collection_stats {
    uint64_t batches, ops, batch_bytes; /* published */
    uint64_t merges, merged_ops;        /* background and in the writer */
    uint64_t persists, persist_errors;
    uint64_t dirty_ops, dirty_bytes;         /* published, not persisted: now */
    uint64_t recent_snapshots, recent_bytes; /* now */
    uint64_t writer_waits; /* for room, or for background work beside reads */
    uint64_t errors;       /* reported to on_error */

    /* What the sections hold now; top includes what is being merged. */
    uint64_t top_ops, top_bytes, top_segments;
    uint64_t mid_ops, mid_bytes, mid_segments;
    uint64_t base_ops, base_bytes, base_segments;
    uint64_t clean_ops, clean_bytes, clean_segments;

    struct {
        uint64_t begun, merger_done, persister_done, lower_begun, lower_done,
            done;
    } close;
    struct {
        uint64_t begun, done;      /* calls */
        uint64_t make_begun, made; /* that could not share one */
        uint64_t released;         /* of those, and of children */
    } snapshot;
    struct {
        uint64_t calls, errors; /* of moss_collection_get() */
    } get;
    struct {
        uint64_t given, given_ops, given_bytes; /* to prepare */
        uint64_t begun, errors, empty, done;    /* done: published */
        uint64_t waits_done;                    /* of writer_waits */
        uint64_t woke_merger;
    } batch;
    struct {
        uint64_t begun, done; /* of moss_collection_notify_merger() */
    } notify;
    struct {
        uint64_t rounds, rounds_done;      /* of its loop */
        uint64_t begun, errors, done;      /* merges */
        uint64_t full;                     /* that left one segment */
        uint64_t skipped;                  /* rounds with nothing to merge */
        uint64_t emptied;                  /* merges that left nothing */
        uint64_t passed_on, not_passed_on; /* mid to the persister, or not */
        uint64_t waits_begun, waits_done, waits_stopped, waits_skipped;
        uint64_t idle_waits, idle_runs;
        uint64_t ended;
    } merger;
    struct {
        uint64_t rounds, rounds_done;
        uint64_t waits_begun, waits_done;
        uint64_t updates_begun, update_errors, updates_done;
        uint64_t ended;
    } persister;
};
MOSS_API void moss_collection_stats(struct moss_collection *c,
                                    struct moss_collection_stats *out);

/*
 * Call each for the 71 counters of Go moss, under its names and in its order.
 * Go's merger waits for the persister, at the end of a round, while too much is
 * dirty; here it is the writers that wait.  So TotMergerWaitOutgoingBeg,
 * TotMergerWaitOutgoingStop and TotMergerWaitOutgoingEnd are always 0, and
 * TotMergerWaitOutgoingSkip, which counts the rounds that end without, is as
 * large as TotMergerLoopRepeat.
 */
MOSS_API void
moss_collection_stats_each(const struct moss_collection_stats *stats,
                           void (*each)(void *arg, const char *name,
                                        uint64_t value),
                           void *arg);
/*
 * All of it as one JSON object, with Go's names; as snprintf() writes it, see
 * moss_histogram_text().
 */
MOSS_API size_t moss_collection_stats_json(
    const struct moss_collection_stats *stats, char *text, size_t cap);

enum { MOSS_COLLECTION_HISTOGRAMS = 6 };

/*
 * ExecuteBatchBytes, ExecuteBatchOpsCount, ExecuteBatchUsecs, MergerUsecs,
 * MutationKeyBytes and MutationValBytes, in this order: of published batches,
 * children included, of merges in the background, and of prepared changes.
 */
MOSS_API void moss_collection_histograms(
    struct moss_collection *c,
    struct moss_histogram out[MOSS_COLLECTION_HISTOGRAMS]);

/* Snapshots that are in somebody's hands and not up to date any more. */
struct moss_old_snapshots {
    uint64_t count;        /* child snapshots have counts of their own */
    uint64_t oldest_ns;    /* how long ago the oldest was taken; 0: none */
    uint64_t pinned_bytes; /* memory and file segments that only it holds */
};
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_collection_old_snapshots(struct moss_collection *c,
                              struct moss_old_snapshots *out);

#ifdef __cplusplus
}
#endif

#endif
