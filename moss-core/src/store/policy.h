/* When segments are merged, and when a data file is left behind. */
#ifndef MOSS_STORE_POLICY_H
#define MOSS_STORE_POLICY_H

#include "moss.h"

/*
 * A collection has no more segments than this, if compaction is allowed; up to
 * three times as many while the oldest is more than twice as large as all
 * others.
 */
#define POLICY_MAX_SEGMENTS 32
/* Smaller segments need not be known as apart. */
#define POLICY_LARGE ((uint64_t)1 << 20)

/* The options, with defaults filled in. */
struct policy {
    uint64_t multiplier;
    size_t max_segments; /* of a level */
    double percentage;
    uint64_t slack; /* dead bytes that percentage does not count */
    uint64_t max_dead;
    bool only_max_dead;
};

/* False: values that no policy can have. */
bool policy_init(struct policy *p, const struct moss_store_options *options);

/* How many dead bytes a file may have beside so many that live. */
uint64_t policy_dead_limit(const struct policy *p, uint64_t live);

/* One of a collection's segments, when an update is laid over it. */
struct policy_run {
    uint64_t bytes;
    uint64_t disk; /* the same with what goes to waste around it */
    bool apart;    /* no key of it lies between two of the update's */
};

/*
 * How many of a collection's segments runs[0..n), oldest first, are to stay as
 * they are when an update of so many bytes comes; it is merged with the
 * others, which together take at most budget bytes of the disk.
 */
size_t policy_keep(const struct policy *p, const struct policy_run *runs,
                   size_t n, uint64_t update, uint64_t budget);

/* Are keep segments, and one of so many bytes, too many? */
bool
policy_too_many(const struct policy_run *runs, size_t keep, uint64_t added);

/* The same for a leveled compaction that was asked for, without an update. */
size_t policy_keep_leveled(const struct policy_run *runs, size_t n);

/*
 * Is a store that is left alone worth a full compaction?  base: bytes of the
 * oldest segments, above: of all others.
 */
bool policy_idle_full(uint64_t base, uint64_t above, uint64_t dead);
/* Or a leveled one? */
bool policy_idle_leveled(uint64_t above);
/*
 * Is it worth to compact a store of so many bytes before it is closed?
 * tangled: see plan_tangled_bytes().
 */
bool policy_closing(uint64_t tangled, uint64_t total);

#endif
