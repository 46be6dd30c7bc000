/*
 * Chains are made with the stack, of which there is one for each batch that
 * somebody reads: so a segment is compared with the end of the newest chain
 * first, and joins that or begins another.  A segment whose keys are not known
 * is a chain by itself.
 *
 * No state; any thread.
 */
#include "stack/chain.h"

size_t
chain_find(struct segment *const *by_key, size_t n, struct moss_slice key)
{
    size_t from = 0;

    while (n > 1) {
        size_t half = n / 2;

        if (slice_compare(by_key[from + half]->first_key, key) <= 0) {
            from += half;
            n -= half;
        } else {
            n = half;
        }
    }
    return from;
}

/* Do all keys of a sort before those of b? */
static bool
is_before(const struct segment *a, const struct segment *b)
{
    return slice_compare(a->last_key, b->first_key) < 0;
}

/* Where seg joins the chain of n; false if it does not. */
static bool
find_place(struct segment *const *by_key, size_t n, const struct segment *seg,
           size_t *at)
{
    if (seg->first_key.bytes == NULL || by_key[0]->first_key.bytes == NULL)
        return false;
    *at = n;
    if (is_before(by_key[n - 1], seg))
        return true;
    *at = 0;
    if (is_before(seg, by_key[0]))
        return true;
    *at = chain_find(by_key, n, seg->first_key) + 1;
    return *at < n && is_before(by_key[*at - 1], seg) &&
           is_before(seg, by_key[*at]);
}

size_t
chains_make(struct segment *const *segs, size_t n, struct chain *chains,
            struct segment **by_key)
{
    size_t n_chains = 0, at;

    for (size_t i = 0; i < n; i++) {
        struct chain *c = n_chains == 0 ? NULL : &chains[n_chains - 1];

        if (c != NULL && find_place(by_key + c->first, c->n, segs[i], &at)) {
            struct segment **place = by_key + c->first + at;

            memmove(place + 1, place, (c->n - at) * sizeof(*place));
            *place = segs[i];
            c->n++;
            continue;
        }
        chains[n_chains++] = (struct chain){ (uint32_t)i, 1 };
        by_key[i] = segs[i];
    }
    return n_chains;
}
