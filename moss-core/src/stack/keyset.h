/*
 * A set of keys that only grows and is not quite exact: it may seem to have a
 * key that was never added, but has all that were.  Each is added with a number,
 * of the batch that it comes with, and found with the greatest one, or one that
 * is greater still.
 */
#ifndef MOSS_STACK_KEYSET_H
#define MOSS_STACK_KEYSET_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/refs.h"

/* All of a key is in one of these. */
struct keyset_cell {
    _Atomic(uint64_t) bits;
    _Atomic(uint32_t) newest[2]; /* behind since; UINT32_MAX: or greater */
};

/* Keys are known by their index_hash().  Adding and asking: any threads. */
struct keyset {
    struct refs refs;
    size_t mem_bytes;
    uint64_t mask; /* number of cells - 1 */
    uint64_t since;
    _Alignas(64) struct keyset_cell cells[];
};

/*
 * For about so many keys, most of them with numbers from since on: with more
 * of them, or smaller numbers, it is less exact.  NULL: no memory.
 */
struct keyset *keyset_new(uint64_t keys, uint64_t since);
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

static inline const struct keyset_cell *
keyset_cell(const struct keyset *set, uint64_t hash)
{
    return &set->cells[hash >> 18 & set->mask];
}

/*
 * Whoever learns afterwards, through a lock or the like, that the key was
 * added, finds it with that number.
 */
void keyset_add(struct keyset *set, uint64_t hash, uint64_t number);

/* Ask for the memory of that key. */
__attribute__((always_inline)) static inline void
keyset_prefetch(const struct keyset *set, uint64_t hash)
{
    __builtin_prefetch(keyset_cell(set, hash));
}

/* If the set may have the key, raise *newest to its number. */
static inline bool
keyset_find(const struct keyset *set, uint64_t hash, uint64_t *newest)
{
    const struct keyset_cell *cell = keyset_cell(set, hash);
    uint64_t bits = keyset_bits(hash), number;
    uint32_t behind;

    if ((atomic_load_explicit(&cell->bits, memory_order_relaxed) & bits) !=
        bits)
        return false;
    behind =
        atomic_load_explicit(&cell->newest[hash >> 63], memory_order_relaxed);
    number = behind == UINT32_MAX ? UINT64_MAX : set->since + behind;
    if (*newest < number)
        *newest = number;
    return true;
}

#endif
