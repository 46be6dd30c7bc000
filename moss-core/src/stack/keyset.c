/*
 * Sets of keys.  A key has three bits, all in one word, so that a question
 * costs one line of the cache, and adding one or two atomic operations.  With 16
 * bits for each key, one in some hundred questions is answered yes in error.
 * Beside the word are two numbers, each of about two keys: who asks for a key
 * of an old batch may be told that of a newer one.
 *
 * Any thread.
 */
#include "stack/keyset.h"

#include "base/arena.h"

enum { KEYS_A_CELL = 4 };
#define CELLS_MIN ((uint64_t)1 << 8)
#define CELLS_MAX ((uint64_t)1 << 19)

struct keyset *
keyset_new(uint64_t keys, uint64_t since)
{
    uint64_t n = CELLS_MIN;
    struct keyset *set;
    size_t bytes;

    while (n < CELLS_MAX && n < keys / KEYS_A_CELL)
        n *= 2;
    bytes = sizeof(*set) + (size_t)n * sizeof(set->cells[0]);
    set = arena_alloc(bytes);
    if (set == NULL)
        return NULL;
    memset(set, 0, bytes);
    refs_init(&set->refs);
    set->mem_bytes = bytes;
    set->mask = n - 1;
    set->since = since;
    return set;
}

struct keyset *
keyset_ref(struct keyset *set)
{
    if (set != NULL)
        refs_inc(&set->refs);
    return set;
}

void
keyset_unref(struct keyset *set)
{
    if (set != NULL && refs_dec(&set->refs))
        arena_free(set, set->mem_bytes);
}

/* The greatest number that cell has, and this one. */
static void
keep_greater(_Atomic(uint32_t) *newest, uint32_t behind)
{
    uint32_t was = atomic_load_explicit(newest, memory_order_relaxed);

    while (was < behind && !atomic_compare_exchange_weak_explicit(
                               newest, &was, behind, memory_order_relaxed,
                               memory_order_relaxed)) {
    }
}

void
keyset_add(struct keyset *set, uint64_t hash, uint64_t number)
{
    struct keyset_cell *cell = &set->cells[hash >> 18 & set->mask];
    uint64_t bits = keyset_bits(hash);
    uint64_t behind = number < set->since ? 0 : number - set->since;

    if ((atomic_load_explicit(&cell->bits, memory_order_relaxed) & bits) !=
        bits)
        atomic_fetch_or_explicit(&cell->bits, bits, memory_order_relaxed);
    keep_greater(&cell->newest[hash >> 63],
                 behind < UINT32_MAX ? (uint32_t)behind : UINT32_MAX);
}
