/*
 * The hash function is inlined from xxhash's header, so that no library is
 * needed at run time; once for every vector unit, of which the best that the
 * processor has is chosen at the first call.
 *
 * The choice is an atomic pointer, which several threads may set at the same
 * time, to the same value.
 */
#include "store/checksum.h"

#include <stdatomic.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "store/checksum_impl.h"

static uint64_t choose(const void *bytes, size_t n, uint64_t seed);

static _Atomic(checksum_fn) chosen = choose;

uint64_t
checksum64_base(const void *bytes, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, n, seed);
}

checksum_fn
checksum_best(bool has_avx512, bool has_avx2)
{
#ifdef CHECKSUM_X86
    if (has_avx512)
        return checksum64_avx512;
    if (has_avx2)
        return checksum64_avx2;
#endif
    (void)has_avx512;
    (void)has_avx2;
    return checksum64_base;
}

static uint64_t
choose(const void *bytes, size_t n, uint64_t seed)
{
    checksum_fn fn = checksum64_base;

#ifdef CHECKSUM_X86
    __builtin_cpu_init();
    fn = checksum_best(__builtin_cpu_supports("avx512f") != 0,
                       __builtin_cpu_supports("avx2") != 0);
#endif
    atomic_store_explicit(&chosen, fn, memory_order_relaxed);
    return fn(bytes, n, seed);
}

uint64_t
checksum64(const void *bytes, size_t n, uint64_t seed)
{
    return atomic_load_explicit(&chosen, memory_order_relaxed)(bytes, n, seed);
}
