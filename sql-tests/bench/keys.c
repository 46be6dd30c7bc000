/*
 * Keys whose order is known without keeping them: the i-th of n begins with
 * the number i * (2^64 / n) plus less than that step, as 16 letters, and ends
 * with 4 letters more.  So a key's rank is a division.
 */
#include "bench_sql.h"

#include <string.h>

static uint64_t
mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t
step_of(uint64_t rows)
{
    return UINT64_MAX / rows;
}

void
key_text(uint64_t i, uint64_t rows, char key[KEY_LEN])
{
    uint64_t step = step_of(rows);
    uint64_t noise = mix(i + 1);
    uint64_t number = i * step + noise % step;

    for (int n = 0; n < 16; n++)
        key[n] = (char)('a' + (number >> (60 - 4 * n) & 15));
    for (int n = 16; n < KEY_LEN; n++)
        key[n] = (char)('a' + (noise >> (4 * n - 16) & 15));
}

uint64_t
key_rank(const void *key, size_t len, uint64_t rows)
{
    const unsigned char *p = key;
    uint64_t number = 0;

    for (size_t n = 0; n < 16; n++)
        number = number << 4 | (n < len ? (uint64_t)(p[n] - 'a') & 15 : 0);
    number /= step_of(rows);
    return number < rows ? number : rows;
}

/* Four rounds of Feistel over the even number of bits that holds rows. */
uint64_t
key_shuffle(uint64_t i, uint64_t rows, uint64_t salt)
{
    unsigned half = 1;

    while (half < 32 && (uint64_t)1 << (2 * half) < rows)
        half++;
    do {
        uint64_t mask = ((uint64_t)1 << half) - 1;
        uint64_t left = i >> half;
        uint64_t right = i & mask;

        for (uint64_t round = 0; round < 4; round++) {
            uint64_t next = left ^ (mix(right + (salt << 40) + round) & mask);

            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= rows);
    return i;
}
