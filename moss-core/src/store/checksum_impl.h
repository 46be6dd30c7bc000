/*
 * The checksum functions of the vector units: each is the same XXH3, compiled
 * for that unit, and gives the same numbers.  For checksum*.c only.
 */
#ifndef MOSS_STORE_CHECKSUM_IMPL_H
#define MOSS_STORE_CHECKSUM_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t (*checksum_fn)(const void *bytes, size_t n, uint64_t seed);

/* What every machine of this kind has. */
uint64_t checksum64_base(const void *bytes, size_t n, uint64_t seed);

#if defined(__x86_64__) && defined(__GNUC__)
#define CHECKSUM_X86 1
uint64_t checksum64_avx2(const void *bytes, size_t n, uint64_t seed);
uint64_t checksum64_avx512(const void *bytes, size_t n, uint64_t seed);
#endif

/* The best one for a processor that has these. */
checksum_fn checksum_best(bool has_avx512, bool has_avx2);

#endif
