/*
 * Pieces are cut off the open shelf, one behind the other.  A shelf counts its
 * pieces in use, and right before each piece lies a pointer to its shelf.  One
 * that lasts long keeps 2 MiB: this is for what is freed in about the order in
 * which it was made.
 *
 * mu is a leaf and guards the open shelf and all counts.  Any thread.
 */
#include "base/shelf.h"

#include <assert.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/poison.h"
#include "base/sync.h"

enum { ALIGN = 64 };
#define SHELF_BYTES ((size_t)2 << 20)

struct shelf {
    size_t used; /* bytes, this struct included */
    size_t live; /* pieces */
};

static struct mutex mu = MUTEX_INITIALIZER;
static struct shelf *open_shelf; /* has pieces; NULL: none is open */

static struct once fork_once = ONCE_INITIALIZER;

static void
hold_over_fork(void)
{
    /* Without it only a child forked in the wrong instant could wait here. */
    sync_hold_over_fork(&mu);
}

/* Where a piece of s would begin. */
static size_t
next_piece(const struct shelf *s)
{
    return (size_t)align_up(s->used + sizeof(s), ALIGN);
}

static void *
cut_locked(struct shelf *s, size_t n) REQUIRES(mu)
{
    size_t at = next_piece(s);
    char *p = (char *)s + at;

    mutex_assert_held(&mu);
    s->used = at + n;
    s->live++;
    ASAN_UNPOISON_MEMORY_REGION(p - sizeof(s), n + sizeof(s));
    memcpy(p - sizeof(s), &s, sizeof(s));
    return p;
}

static void *
cut_off_open(size_t n)
{
    void *p = NULL;

    mutex_lock(&mu);
    if (open_shelf != NULL && next_piece(open_shelf) + n <= SHELF_BYTES)
        p = cut_locked(open_shelf, n);
    mutex_unlock(&mu);
    return p;
}

void *
shelf_alloc(size_t n)
{
    struct shelf *fresh;
    void *p;

    assert(n <= SHELF_MAX);
    once_run(&fork_once, hold_over_fork);
    p = cut_off_open(n);
    if (p != NULL)
        return p;
    fresh = arena_alloc(SHELF_BYTES);
    if (fresh == NULL)
        return NULL;
    *fresh = (struct shelf){ sizeof(*fresh), 0 };
    ASAN_POISON_MEMORY_REGION(fresh + 1, SHELF_BYTES - sizeof(*fresh));
    mutex_lock(&mu);
    p = cut_locked(fresh, n);
    open_shelf = fresh; /* the one before goes with its last piece */
    mutex_unlock(&mu);
    return p;
}

void
shelf_free(void *p, size_t n)
{
    struct shelf *s;
    bool is_last;

    if (p == NULL)
        return;
    memcpy(&s, (char *)p - sizeof(s), sizeof(s));
    ASAN_POISON_MEMORY_REGION(p, n);
    mutex_lock(&mu);
    assert(s->live > 0);
    is_last = --s->live == 0;
    if (is_last && open_shelf == s)
        open_shelf = NULL;
    mutex_unlock(&mu);
    if (is_last)
        arena_free(s, SHELF_BYTES);
}
