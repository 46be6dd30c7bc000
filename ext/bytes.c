/*
 * A growing byte string.  The extension's own bytes live in SQLite's memory,
 * so that its limits and its out-of-memory tests cover them.
 */
#include "ext.h"

void
bytes_release(struct bytes *b)
{
    sqlite3_free(b->p);
    b->p = NULL;
    b->n = b->cap = 0;
}

int
bytes_reserve(struct bytes *b, size_t n)
{
    if (n > SIZE_MAX / 2 - b->n)
        return SQLITE_NOMEM;
    if (b->n + n > b->cap) {
        size_t cap = b->cap < 64 ? 64 : b->cap;
        uint8_t *grown;

        while (cap < b->n + n)
            cap += cap / 2;
        grown = sqlite3_realloc64(b->p, cap);
        if (grown == NULL)
            return SQLITE_NOMEM;
        b->p = grown;
        b->cap = cap;
    }
    return SQLITE_OK;
}
