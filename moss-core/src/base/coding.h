/* Little-endian load and store. */
#ifndef MOSS_BASE_CODING_H
#define MOSS_BASE_CODING_H

#include <stdint.h>
#include <string.h>

/* Compilers turn these into one instruction on little-endian machines. */
static inline uint32_t
load_le32(const void *p)
{
    const uint8_t *b = p;

    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
}

static inline uint64_t
load_le64(const void *p)
{
    const uint8_t *b = p;

    return (uint64_t)load_le32(b) | (uint64_t)load_le32(b + 4) << 32;
}

static inline void
store_le32(void *p, uint32_t v)
{
    uint8_t *b = p;

    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
    b[2] = (uint8_t)(v >> 16);
    b[3] = (uint8_t)(v >> 24);
}

static inline void
store_le64(void *p, uint64_t v)
{
    uint8_t *b = p;

    store_le32(b, (uint32_t)v);
    store_le32(b + 4, (uint32_t)(v >> 32));
}

/*
 * The first 8 bytes at p as a number that sorts as they do, n of them there;
 * the missing ones count as zero.
 */
static inline uint64_t
load_prefix(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    if (n >= 8) {
        memcpy(&v, p, 8);
        return __builtin_bswap64(v);
    }
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (56 - 8 * i);
    return v;
}

#endif
