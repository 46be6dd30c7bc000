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
put_decimal(uint8_t *p, size_t n, uint64_t v)
{
    while (n > 0) {
        p[--n] = (uint8_t)('0' + v % 10);
        v /= 10;
    }
}

static void
put_hex(uint8_t *p, size_t n, uint64_t v)
{
    while (n > 0) {
        p[--n] = (uint8_t) "0123456789abcdef"[v % 16];
        v /= 16;
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
    put_be64(key + 12, mix(random + 1));
    put_be64(key + 8, mix(random));
    return 20;
}

/* "tenant/" group "/" 0-24 letters "/" number, and 0-14 bytes of suffix. */
static size_t
varying_key(const struct data *d, uint64_t i, uint8_t *key)
{
    uint64_t group = i / 64;
    size_t pad = mix(group ^ d->seed) % 25;
    size_t tail = mix(i ^ d->seed) % 15;
    size_t n = 0;

    memcpy(key, "tenant/", 7);
    n += 7;
    put_hex(key + n, 8, group);
    n += 8;
    memset(key + n, '/', 1);
    memset(key + n + 1, 'p', pad);
    n += 1 + pad;
    put_decimal(key + n, 9, i);
    n += 9;
    put_hex(key + n, tail, mix(i));
    return n + tail;
}

size_t
data_key(const struct data *d, uint64_t i, uint8_t key[DATA_MAX_KEY])
{
    switch (d->kind) {
    case KEYS_BINARY:
        return binary_key(d, i, key);
    case KEYS_VARYING:
        return varying_key(d, i, key);
    case KEYS_DECIMAL:
        break;
    }
    put_decimal(key, 20, i);
    return 20;
}

/* Binary keys differ in their first eight bytes, the others have no '~'. */
size_t
data_absent_key(const struct data *d, uint64_t i, uint8_t key[DATA_MAX_KEY])
{
    size_t n = data_key(d, i, key);

    if (d->kind == KEYS_BINARY)
        key[n - 1] ^= 1;
    else
        key[n - 1] = '~';
    return n;
}

/* The version, then words that depend on it, the key and their place. */
void
data_value(const struct data *d, uint64_t i, uint64_t version, uint8_t *value)
{
    uint64_t state = mix(i ^ (d->seed << 1) ^ (version << 40));
    size_t at = sizeof(version);

    memcpy(value, &version, sizeof(version));
    for (; at + sizeof(state) <= DATA_VALUE_LEN; at += sizeof(state)) {
        uint64_t word = (state + at) * 0x9e3779b97f4a7c15u;
        memcpy(value + at, &word, sizeof(word));
    }
    memcpy(value + at, &state, DATA_VALUE_LEN - at);
}

bool
data_value_ok(const struct data *d, uint64_t i, const void *value, size_t len,
              uint64_t *version)
{
    uint8_t want[DATA_VALUE_LEN];

    if (len != DATA_VALUE_LEN)
        return false;
    memcpy(version, value, sizeof(*version));
    data_value(d, i, *version, want);
    return memcmp(want, value, len) == 0;
}

/*
 * A Feistel network over the next number of bits; what falls outside goes
 * through it again, which ends because the network is a bijection.
 */
uint64_t
data_shuffle(const struct data *d, uint64_t i, uint64_t salt)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(d->items | 3);
    unsigned low = bits / 2;
    uint64_t low_mask = ((uint64_t)1 << low) - 1;
    uint64_t high_mask = ((uint64_t)1 << (bits - low)) - 1;
    uint64_t key = mix(d->seed ^ (salt << 32));
    do {
        uint64_t l = i & low_mask;
        uint64_t h = i >> low;
        for (int round = 0; round < 3; round++) {
            l ^= ((h + key) * 0xbf58476d1ce4e5b9u) >> 32 & low_mask;
            h ^= ((l + key) * 0x94d049bb133111ebu) >> 32 & high_mask;
            key = key << 7 | key >> 57;
        }
        key = key << 43 | key >> 21;
        i = h << low | l;
    } while (i >= d->items);
    return i;
}

struct data_sum
data_expect_scan(const struct data *d, uint64_t i, uint64_t n)
{
    struct data_sum sum = { 0, 0, 0 };
    uint8_t key[DATA_MAX_KEY];
    uint8_t value[DATA_VALUE_LEN];

    for (uint64_t end = i + n; i < end && i < d->items; i++) {
        size_t len = data_key(d, i, key);
        data_value(d, i, 0, value);
        data_sum_add(&sum, key, len, value, sizeof(value));
    }
    return sum;
}

struct data_sum
data_expect_gets(const struct data *d, uint64_t n, uint64_t salt)
{
    struct data_sum sum = { 0, 0, 0 };
    uint8_t key[DATA_MAX_KEY];
    uint8_t value[DATA_VALUE_LEN];

    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = data_shuffle(d, i, salt);
        size_t len = data_key(d, at, key);
        data_value(d, at, 0, value);
        data_sum_add(&sum, key, len, value, sizeof(value));
    }
    return sum;
}
