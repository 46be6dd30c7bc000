/*
 * The one place that knows the hash function.  It is inlined from xxhash's
 * header, so that no library is needed at run time.
 */
#include "store/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t
checksum64(const void *bytes, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, n, seed);
}
