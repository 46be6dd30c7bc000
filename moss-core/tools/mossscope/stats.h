/* What the command stats shows. */
#ifndef MOSSSCOPE_STATS_H
#define MOSSSCOPE_STATS_H

#include "json_out.h"
#include "view.h"

/* The buckets of a histogram: [0], [1], [2, 3], [4, 7], ... */
#define HISTOGRAM_BUCKETS 40

struct sizes {
    uint64_t n, sum, min, max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* What a pass over the entries of one collection's segments has found. */
struct segment_use {
    uint64_t visible; /* entries that no newer one hides */
    uint64_t visible_bytes;
};

struct scan {
    uint64_t visible;    /* keys that a reader sees */
    struct sizes keys;   /* of these */
    struct sizes values; /* as they are stored, operands on their own */
    struct segment_use *segments; /* of each segment, oldest first; owned */
};

/* Read all entries of stack.  Complains. */
enum scope_exit scan_stack(const struct segstack *stack, struct scan *out);
void scan_release(struct scan *scan);

void sizes_join(struct sizes *s, const struct sizes *other);
/* As bars. */
void sizes_put_text(const struct sizes *s, const char *what);
void sizes_put_json(struct json_out *w, const char *name, const struct sizes *s,
                    bool buckets);

#endif
