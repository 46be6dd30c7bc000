/*
 * A set of keys that only grows and is not quite exact: it may seem to have a
 * key that was never added, but has all that were.
 */
#ifndef MOSS_STACK_KEYSET_H
#define MOSS_STACK_KEYSET_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/refs.h"

/* Keys are known by their index_hash().  Adding and asking: any threads. */
struct keyset {
    struct refs refs;
    size_t mem_bytes;
    uint64_t mask; /* number of words - 1 */
    _Alignas(64) _Atomic(uint64_t) words[];
};

/*
 * For about so many keys: with more of them it is less exact.  NULL: no
 * memory.
 */
struct keyset *keyset_new(uint64_t keys);
struct keyset *keyset_ref(struct keyset *set); /* NULL is fine */
void keyset_unref(struct keyset *set);         /* NULL is fine */

/* The memory that it takes. */
static inline uint64_t
keyset_bytes(const struct keyset *set)
{
    return set->mem_bytes;
}

/* All bits of a key are in one word. */
static inline uint64_t
keyset_bits(uint64_t hash)
{
    return (uint64_t)1 << (hash & 63) | (uint64_t)1 << (hash >> 6 & 63) |
           (uint64_t)1 << (hash >> 12 & 63);
}

/*
 * Whoever learns afterwards, through a lock or the like, that the key was
 * added, finds it.
 */
static inline void
keyset_add(struct keyset *set, uint64_t hash)
{
    _Atomic(uint64_t) *word = &set->words[hash >> 18 & set->mask];
    uint64_t bits = keyset_bits(hash);

    if ((atomic_load_explicit(word, memory_order_relaxed) & bits) != bits)
        atomic_fetch_or_explicit(word, bits, memory_order_relaxed);
}

/* Ask for the memory of that key. */
__attribute__((always_inline)) static inline void
keyset_prefetch(const struct keyset *set, uint64_t hash)
{
    __builtin_prefetch(&set->words[hash >> 18 & set->mask]);
}

static inline bool
keyset_may_have(const struct keyset *set, uint64_t hash)
{
    uint64_t bits = keyset_bits(hash);

    return (atomic_load_explicit(&set->words[hash >> 18 & set->mask],
                                 memory_order_relaxed) &
            bits) == bits;
}

#endif
