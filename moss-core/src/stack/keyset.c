/*
 * Sets of keys.  A key has three bits, all in one word, so that a question
 * costs one line of the cache, and adding one atomic operation.  With 16 bits
 * for each key, one in some hundred questions is answered yes in error.
 *
 * Any thread.
 */
#include "stack/keyset.h"

#include "base/arena.h"

enum { KEYS_A_WORD = 4 };
#define WORDS_MIN ((uint64_t)1 << 9)
#define WORDS_MAX ((uint64_t)1 << 19)

struct keyset *
keyset_new(uint64_t keys)
{
    uint64_t n = WORDS_MIN;
    struct keyset *set;
    size_t bytes;

    while (n < WORDS_MAX && n < keys / KEYS_A_WORD)
        n *= 2;
    bytes = sizeof(*set) + (size_t)n * sizeof(set->words[0]);
    set = arena_alloc(bytes);
    if (set == NULL)
        return NULL;
    memset(set, 0, bytes);
    refs_init(&set->refs);
    set->mem_bytes = bytes;
    set->mask = n - 1;
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
