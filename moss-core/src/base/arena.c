/*
 * The pool of large blocks.
 *
 * Sizes are rounded up to classes, eight to a power of two, so at most an
 * eighth of a block is unused and a freed block fits the next request of about
 * its size.  Idle blocks stay mapped, in a list per class and in one list by
 * age; when they exceed ARENA_IDLE_MAX together, the oldest go back to the
 * system.  Their links lie in the blocks themselves.
 *
 * Each block in use has a small record from mem_alloc().  It is what makes the
 * allocator hook count large blocks, and able to fail them.
 *
 * mu is a leaf and guards all lists; system calls and the allocator hook are
 * called without it.  Any thread.
 *
 * The address sanitizer is told what of a block is in use: none of an idle
 * one but its links, of one in use only the bytes that were asked for.
 */
#include "base/arena.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "base/mem.h"
#include "base/os_posix.h"
#include "base/poison.h"
#include "base/sync.h"

#define ARENA_IDLE_MAX ((size_t)64 << 20)
#define ARENA_MAX ((size_t)1 << 46)

enum {
    ALIGN = 64,
    MIN_SHIFT = 20, /* ARENA_MIN is 1 << MIN_SHIFT */
    MAX_SHIFT = 46, /* ARENA_MAX is 1 << MAX_SHIFT */
    STEP_SHIFT = 3, /* 8 classes to a power of two */
    CLASSES = ((MAX_SHIFT - MIN_SHIFT) << STEP_SHIFT) + 1,
    BUCKETS = 256
};
_Static_assert(ARENA_MIN == (size_t)1 << MIN_SHIFT, "the first class");

/* At the start of an idle block. */
struct idle {
    struct idle *next, *prev;   /* of its class, newest first */
    struct idle *newer, *older; /* of all */
    size_t size;
};

/* A block in use. */
struct live {
    struct live *next; /* in its bucket */
    void *block;
    size_t size;
};

static struct mutex mu = MUTEX_INITIALIZER; /* guards what follows; a leaf */
static struct idle *idle_by_class[CLASSES];
static struct idle *newest, *oldest;
static size_t idle_bytes;
static struct live *live[BUCKETS]; /* by address */

static struct once fork_once = ONCE_INITIALIZER;

static void
hold_over_fork(void)
{
    /* Without it only a child forked in the wrong instant could wait here. */
    sync_hold_over_fork(&mu);
}

/* ------------------------------------------------------------ size classes */

/* The number of the smallest class with at least n bytes, and its size. */
static size_t
class_of(size_t n, size_t *size)
{
    unsigned shift = MIN_SHIFT;
    size_t step, index;

    while (((size_t)1 << (shift + 1)) <= n)
        shift++;
    step = (size_t)1 << (shift - STEP_SHIFT);
    *size = (size_t)align_up(n, step);
    index = (*size - ((size_t)1 << shift)) / step;
    return ((size_t)(shift - MIN_SHIFT) << STEP_SHIFT) + index;
}

/* --------------------------------------------------------------- the lists */

static void
idle_push_locked(void *block, size_t size) REQUIRES(mu)
{
    struct idle *b = block;
    struct idle **head = &idle_by_class[class_of(size, &size)];

    mutex_assert_held(&mu);
    *b = (struct idle){ .next = *head, .older = newest, .size = size };
    if (b->next != NULL)
        b->next->prev = b;
    *head = b;
    if (newest != NULL)
        newest->newer = b;
    else
        oldest = b;
    newest = b;
    idle_bytes += size;
}

static void
idle_unlink_locked(struct idle *b) REQUIRES(mu)
{
    size_t size;
    size_t class = class_of(b->size, &size);

    mutex_assert_held(&mu);
    if (b->prev != NULL)
        b->prev->next = b->next;
    else
        idle_by_class[class] = b->next;
    if (b->next != NULL)
        b->next->prev = b->prev;
    if (b->newer != NULL)
        b->newer->older = b->older;
    else
        newest = b->older;
    if (b->older != NULL)
        b->older->newer = b->newer;
    else
        oldest = b->newer;
    idle_bytes -= size;
}

/* Unlink the oldest blocks until at most max bytes are idle; their list. */
static struct idle *
idle_take_locked(size_t max) REQUIRES(mu)
{
    struct idle *list = NULL;

    mutex_assert_held(&mu);
    while (idle_bytes > max) {
        struct idle *b = oldest;

        idle_unlink_locked(b);
        b->next = list;
        list = b;
    }
    return list;
}

static struct live **
live_bucket(const void *block)
{
    return &live[((uintptr_t)block / OS_HUGE_PAGE) % BUCKETS];
}

static void
unmap_list(struct idle *list)
{
    while (list != NULL) {
        struct idle *b = list;
        size_t size = b->size;

        list = b->next;
        ASAN_UNPOISON_MEMORY_REGION(b, size);
        os_pages_unmap(b, size);
    }
}

/* ------------------------------------------------------------ large blocks */

static void *
large_alloc(size_t n)
{
    struct live *record = NULL;
    struct live **bucket;
    size_t size, class;
    void *block;

    if (n > ARENA_MAX)
        return NULL;
    once_run(&fork_once, hold_over_fork);
    record = mem_alloc(sizeof(*record));
    if (record == NULL)
        return NULL;
    class = class_of(n, &size);
    mutex_lock(&mu);
    block = idle_by_class[class];
    if (block != NULL)
        idle_unlink_locked(block);
    mutex_unlock(&mu);
    if (block == NULL)
        block = os_pages_map(size);
    if (block == NULL) {
        mem_free(record);
        return NULL;
    }
    ASAN_UNPOISON_MEMORY_REGION(block, n);
    ASAN_POISON_MEMORY_REGION((char *)block + n, size - n);
    record->block = block;
    record->size = size;
    bucket = live_bucket(block);
    mutex_lock(&mu);
    record->next = *bucket;
    *bucket = record;
    mutex_unlock(&mu);
    return block;
}

static void
large_free(void *block, size_t n)
{
    struct live **link = live_bucket(block);
    struct live *record;
    struct idle *out;
    size_t size;

    (void)class_of(n, &size);
    mutex_lock(&mu);
    while (*link != NULL && (*link)->block != block)
        link = &(*link)->next;
    record = *link;
    assert(record != NULL && record->size == size);
    *link = record->next;
    ASAN_POISON_MEMORY_REGION(block, size);
    ASAN_UNPOISON_MEMORY_REGION(block, sizeof(struct idle));
    idle_push_locked(block, size);
    out = idle_take_locked(ARENA_IDLE_MAX);
    mutex_unlock(&mu);
    mem_free(record);
    unmap_list(out);
}

/* ------------------------------------------------------------ small blocks */

/*
 * Ordinary memory, aligned: the pointer that mem_alloc() gave stands right
 * before the bytes.
 */
static void *
small_alloc(size_t n)
{
    char *raw = mem_alloc(n + ALIGN + sizeof(raw));
    char *p;

    if (raw == NULL)
        return NULL;
    p = raw + sizeof(raw);
    p += align_up((uintptr_t)p, ALIGN) - (uintptr_t)p;
    memcpy(p - sizeof(raw), &raw, sizeof(raw));
    return p;
}

static void
small_free(char *p)
{
    char *raw;

    memcpy(&raw, p - sizeof(raw), sizeof(raw));
    mem_free(raw);
}

void *
arena_alloc(size_t n)
{
    return n < ARENA_MIN ? small_alloc(n) : large_alloc(n);
}

void
arena_free(void *p, size_t n)
{
    if (p == NULL)
        return;
    if (n < ARENA_MIN)
        small_free(p);
    else
        large_free(p, n);
}

void
arena_trim(void)
{
    struct idle *out;

    mutex_lock(&mu);
    out = idle_take_locked(0);
    mutex_unlock(&mu);
    unmap_list(out);
}
