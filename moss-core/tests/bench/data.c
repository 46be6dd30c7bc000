/*
 * The benchmark's keys and values, computed when they are needed, so that the
 * data itself costs a measured process no memory.  All three kinds of keys
 * ascend in byte order with i, so "sequential" is i = 0, 1, 2, ... for each,
 * and "random" goes through a seeded permutation of the same numbers.
 */
#include "bench.h"

static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void
put_digits(uint8_t *p, size_t n, uint64_t v, unsigned base)
{
    while (n > 0) {
        p[--n] = (uint8_t) "0123456789abcdef"[v % base];
        v /= base;
    }
}

static void
put_be64(uint8_t *p, uint64_t v)
{
    for (int i = 7; i >= 0; i--) {
        p[i] = (uint8_t)v;
        v >>= 8;
    }
}

/* Random bytes whose first eight ascend: a random step within i's share. */
static size_t
binary_key(const struct data *d, uint64_t i, uint8_t *key)
{
    uint64_t share = UINT64_MAX / d->items;
    uint64_t random = mix(i ^ d->seed);

    put_be64(key, i * share + random % share);
    put_be64(key + 8, mix(random));
    put_be64(key + 12, mix(random + 1));
    return 20;
}

/* "tenant/" group "/" 0-24 letters "/" number, and 0-14 bytes of suffix. */
static size_t
varied_key(const struct data *d, uint64_t i, uint8_t *key)
{
    uint64_t group = i / 64;
    size_t pad = mix(group ^ d->seed) % 25;
    size_t tail = mix(i ^ d->seed) % 15;
    size_t n = 0;

    memcpy(key, "tenant/", 7);
    n += 7;
    put_digits(key + n, 8, group, 16);
    n += 8;
    memset(key + n, '/', 1);
    memset(key + n + 1, 'p', pad);
    n += 1 + pad;
    put_digits(key + n, 8, i, 10);
    n += 8;
    put_digits(key + n, tail, mix(i), 16);
    return n + tail;
}

size_t
data_key(const struct data *d, uint64_t i, uint8_t key[DATA_MAX_KEY])
{
    switch (d->kind) {
    case KEYS_BINARY:
        return binary_key(d, i, key);
    case KEYS_VARIED:
        return varied_key(d, i, key);
    case KEYS_DECIMAL:
        break;
    }
    put_digits(key, 20, i, 10);
    return 20;
}

void
data_value(const struct data *d, uint64_t i, uint8_t *value)
{
    uint64_t state = mix(i ^ (d->seed << 1));
    size_t at = 0;

    for (; at + sizeof(state) <= DATA_VALUE_LEN; at += sizeof(state)) {
        memcpy(value + at, &state, sizeof(state));
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    memcpy(value + at, &state, DATA_VALUE_LEN - at);
}

/*
 * A Feistel network over the next even number of bits; what falls outside
 * goes through it again, which ends because the network is a bijection.
 */
uint64_t
data_shuffle(const struct data *d, uint64_t i, uint64_t salt)
{
    unsigned half = 1;

    while (half < 31 && ((uint64_t)1 << (2 * half)) < d->items)
        half++;
    uint64_t mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t l = i >> half;
        uint64_t r = i & mask;
        for (uint64_t round = 0; round < 4; round++) {
            uint64_t f = mix(r ^ (salt << 40) ^ (round << 34) ^ d->seed);
            uint64_t next = l ^ (f & mask);
            l = r;
            r = next;
        }
        i = l << half | r;
    } while (i >= d->items);
    return i;
}

struct data_sum
data_expect_scan(const struct data *d)
{
    struct data_sum sum = { 0, 0, 0 };
    uint8_t key[DATA_MAX_KEY];
    uint8_t value[DATA_VALUE_LEN];

    for (uint64_t i = 0; i < d->items; i++) {
        size_t n = data_key(d, i, key);
        data_value(d, i, value);
        data_sum_add(&sum, key, n, value, sizeof(value));
    }
    return sum;
}

struct data_sum
data_expect_gets(const struct data *d, uint64_t salt)
{
    struct data_sum sum = { 0, 0, 0 };
    uint8_t key[DATA_MAX_KEY];
    uint8_t value[DATA_VALUE_LEN];

    for (uint64_t i = 0; i < d->items; i++) {
        uint64_t at = data_shuffle(d, i, salt);
        size_t n = data_key(d, at, key);
        data_value(d, at, value);
        data_sum_add(&sum, key, n, value, sizeof(value));
    }
    return sum;
}
