/*
 * One layer over the allocator that moss_set_allocator() chose: sizes are
 * multiplied with a check, and 0 bytes still give a pointer of their own, so
 * that NULL means "out of memory" everywhere.  Any thread; the table itself is
 * set before there are others.
 */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void *
system_alloc(void *ctx, size_t n)
{
    (void)ctx;
    return malloc(n);
}

static void *
system_realloc(void *ctx, void *p, size_t n)
{
    (void)ctx;
    return realloc(p, n);
}

static void
system_free(void *ctx, void *p)
{
    (void)ctx;
    free(p);
}

static const struct moss_allocator system_allocator = {
    .alloc = system_alloc,
    .realloc = system_realloc,
    .free = system_free,
};
static struct moss_allocator current = {
    .alloc = system_alloc,
    .realloc = system_realloc,
    .free = system_free,
};

void
moss_set_allocator(const struct moss_allocator *allocator)
{
    current = allocator == NULL ? system_allocator : *allocator;
}

void *
mem_alloc(size_t n)
{
    return current.alloc(current.ctx, n == 0 ? 1 : n);
}

void *
mem_zalloc(size_t count, size_t size)
{
    size_t n;
    void *p;

    if (__builtin_mul_overflow(count, size, &n))
        return NULL;
    p = mem_alloc(n);
    if (p != NULL)
        memset(p, 0, n);
    return p;
}

void *
mem_resize(void *p, size_t count, size_t size)
{
    size_t n;

    if (__builtin_mul_overflow(count, size, &n))
        return NULL;
    return current.realloc(current.ctx, p, n == 0 ? 1 : n);
}

void *
mem_dup(const void *bytes, size_t n)
{
    void *p = mem_alloc(n);

    if (p != NULL && n > 0)
        memcpy(p, bytes, n);
    return p;
}

void
mem_free(void *p)
{
    if (p != NULL)
        current.free(current.ctx, p);
}
