/*
 * Counts in atomics: the hook is called from every thread.  It is under the
 * library from the program's start, as the library wants it, and counts while
 * a test asks for that.  The reaper is drained before counting begins or ends,
 * and before blocks are counted, which it may be about to free.
 */
#include "support/fail_alloc.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/reaper.h"
#include "moss_os.h"

static atomic_bool is_counting;
static atomic_uint_fast64_t count;
static atomic_int_fast64_t live;
static atomic_uint_fast64_t fail_at; /* the count that fails; 0: none */
static atomic_bool is_lasting;
static atomic_bool is_tripped;

static bool
fails(void)
{
    uint64_t n, at;

    if (!atomic_load(&is_counting))
        return false;
    n = atomic_fetch_add(&count, 1) + 1;
    at = atomic_load(&fail_at);
    if (at == 0 || n < at || (n > at && !atomic_load(&is_lasting)))
        return false;
    atomic_store(&is_tripped, true);
    return true;
}

static void *
hook_alloc(void *ctx, size_t n)
{
    void *p;

    (void)ctx;
    if (fails())
        return NULL;
    p = malloc(n);
    if (p != NULL)
        atomic_fetch_add(&live, 1);
    return p;
}

static void *
hook_realloc(void *ctx, void *p, size_t n)
{
    void *q;

    (void)ctx;
    if (fails())
        return NULL;
    q = realloc(p, n);
    if (p == NULL && q != NULL)
        atomic_fetch_add(&live, 1);
    return q;
}

static void
hook_free(void *ctx, void *p)
{
    (void)ctx;
    if (p != NULL)
        atomic_fetch_sub(&live, 1);
    free(p);
}

__attribute__((constructor)) void
fail_alloc_put(void)
{
    static const struct moss_allocator allocator = {
        .alloc = hook_alloc,
        .realloc = hook_realloc,
        .free = hook_free,
    };

    moss_set_allocator(&allocator);
}

void
fail_alloc_install(void)
{
    reaper_drain();
    atomic_store(&count, 0);
    atomic_store(&live, 0);
    fail_alloc_nth(0);
    atomic_store(&is_counting, true);
}

void
fail_alloc_remove(void)
{
    fail_alloc_nth(0);
    reaper_drain();
    atomic_store(&is_counting, false);
}

static void
plan(uint64_t n, bool lasting)
{
    atomic_store(&is_tripped, false);
    atomic_store(&is_lasting, lasting);
    atomic_store(&fail_at, n == 0 ? 0 : atomic_load(&count) + n);
}

void
fail_alloc_nth(uint64_t n)
{
    plan(n, false);
}

void
fail_alloc_from(uint64_t n)
{
    plan(n, true);
}

bool
fail_alloc_tripped(void)
{
    return atomic_load(&is_tripped);
}

uint64_t
fail_alloc_count(void)
{
    return atomic_load(&count);
}

int64_t
fail_alloc_live(void)
{
    reaper_drain();
    return atomic_load(&live);
}
