/*
 * The entries of some ranges in an order that passes over parts which equal
 * one value: for when that value turns out to be several keys.
 */
#ifndef MOSS_EXT_SORTED_H
#define MOSS_EXT_SORTED_H

#include "plan.h"

struct sorted {
    struct bytes bytes; /* of all keys, and of what orders them */
    struct sorted_entry {
        size_t key, order, end; /* where they begin, and the order ends */
    } * v;
    size_t n, cap;
};

/*
 * Collect the keys in ranges whose parts can equal what the plan's terms say,
 * and sort them.  argv is xFilter's of the terms.  MOSS_CORRUPT if a key is
 * none of this table's.
 */
enum moss_status sorted_collect(struct sorted *s, struct moss_snapshot *snap,
                                const struct plan *plan, sqlite3_value **argv,
                                const struct ranges *ranges);
void sorted_release(struct sorted *s);        /* idempotent */
size_t sorted_memory(const struct sorted *s); /* how many bytes it has */

static inline struct moss_slice
sorted_key(const struct sorted *s, size_t i)
{
    return moss_slice(s->bytes.p + s->v[i].key, s->v[i].order - s->v[i].key);
}

#endif
