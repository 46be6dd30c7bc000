/* The checksum of everything that is stored: XXH3. */
#ifndef MOSS_STORE_CHECKSUM_H
#define MOSS_STORE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * seed is the nonce of the file, so that bytes which somebody chose, or which
 * come from another file, do not pass.
 */
uint64_t checksum64(const void *bytes, size_t n, uint64_t seed);

#endif
