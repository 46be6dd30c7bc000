/*
 * The key ranges that a scan visits: sorted, disjoint, found by intersecting
 * what each constraint admits.
 */
#ifndef MOSS_EXT_RANGE_H
#define MOSS_EXT_RANGE_H

#include "ext.h"

/*
 * The bytes of a bound inside ranges.keys, which moves as it grows.  {0, 0}
 * is the bound before all keys.
 */
struct bound {
    size_t off, len;
};

/* lo <= key, and key < hi unless it is open. */
struct range {
    struct bound lo, hi;
    bool open;
};

struct range_list {
    struct range *v;
    size_t n, cap;
};

/* Its memory is kept from one scan to the next. */
struct ranges {
    struct bytes keys;
    struct range_list found; /* the result */
    struct range_list term;  /* what the constraint at hand admits */
    struct range_list spare;
    bool whole; /* a range that is a point is a whole key */
    bool mixed; /* a part that the plan takes for one value may be several */
};

void ranges_release(struct ranges *r);
size_t ranges_memory(const struct ranges *r); /* how many bytes it has */

/* Functions that return int give SQLITE_OK or SQLITE_NOMEM. */

/* Forget everything: all keys are admitted. */
int ranges_reset(struct ranges *r);

/*
 * A constraint: begin, admit any number of ranges in any order, then end,
 * which leaves in found what was there and is admitted.
 */
void ranges_term_begin(struct ranges *r);
int ranges_term_end(struct ranges *r);
int ranges_admit(struct ranges *r, struct bound lo, struct bound hi);
int ranges_admit_from(struct ranges *r, struct bound lo);

/* Right after ranges_reset(): admit this, and nothing else. */
void ranges_only(struct ranges *r, struct bound lo, struct bound hi);

/*
 * A key was appended to keys from off on: *at is the bound that begins with
 * it, *after the one behind it.  next is the byte that makes the latter: 0 for
 * a whole key, RANGES_ANY for the first parts of keys.
 */
#define RANGES_ANY 0xff
int ranges_key_end(struct ranges *r, size_t off, uint8_t next, struct bound *at,
                   struct bound *after);

/*
 * found consists of points, which are the first parts of keys: replace each by
 * what next found for the parts behind.
 */
int ranges_multiply(struct ranges *r, const struct ranges *next);
/* Are all ranges found points? */
bool ranges_are_points(const struct ranges *r);

static inline struct moss_slice
ranges_bytes(const struct ranges *r, struct bound b)
{
    return moss_slice(b.len > 0 ? r->keys.p + b.off : NULL, b.len);
}

/* Does it hold a single key, its lo? */
static inline bool
range_is_point(const struct range *range)
{
    return !range->open && range->hi.off == range->lo.off &&
           range->hi.len == range->lo.len + 1;
}

#endif
