/* Their counts are atomic: decode runs on several threads. */
#include "support/toy_kinds.h"

#include <stdatomic.h>

static atomic_uint encoded, decoded;
static atomic_size_t largest;

static void
count(size_t n)
{
    atomic_fetch_add(&encoded, 1);
    if (n > atomic_load(&largest))
        atomic_store(&largest, n);
}

unsigned
toy_kinds_encoded(void)
{
    return atomic_load(&encoded);
}

unsigned
toy_kinds_decoded(void)
{
    return atomic_load(&decoded);
}

size_t
toy_kinds_largest(void)
{
    return atomic_load(&largest);
}

static enum moss_status
rle_encode(void *ctx, struct moss_slice in, uint8_t *out, size_t room,
           size_t *written)
{
    size_t n = 0;

    (void)ctx;
    (void)room;
    count(in.len);
    for (size_t i = 0; i < in.len;) {
        size_t run = 1;

        while (run < 255 && i + run < in.len &&
               in.bytes[i + run] == in.bytes[i])
            run++;
        if (n + 2 >= in.len)
            return MOSS_TOO_BIG;
        out[n++] = (uint8_t)run;
        out[n++] = in.bytes[i];
        i += run;
    }
    *written = n;
    return MOSS_OK;
}

static enum moss_status
rle_decode(void *ctx, struct moss_slice in, uint8_t *out, size_t room,
           size_t *written)
{
    size_t n = 0;

    (void)ctx;
    atomic_fetch_add(&decoded, 1);
    for (size_t i = 0; i + 1 < in.len; i += 2) {
        if (in.bytes[i] > room - n)
            return MOSS_INVALID;
        for (size_t k = 0; k < in.bytes[i]; k++)
            out[n++] = in.bytes[i + 1];
    }
    *written = n;
    return MOSS_OK;
}

static enum moss_status
veil_encode(void *ctx, struct moss_slice in, uint8_t *out, size_t room,
            size_t *written)
{
    (void)ctx;
    count(in.len);
    if (room < in.len + in.len / 8 + 1024)
        return MOSS_INVALID;
    for (size_t i = 0; i < 3; i++)
        out[i] = 'v';
    for (size_t i = 0; i < in.len; i++)
        out[3 + i] = (uint8_t)~in.bytes[i];
    *written = in.len + 3;
    return MOSS_OK;
}

static enum moss_status
veil_decode(void *ctx, struct moss_slice in, uint8_t *out, size_t room,
            size_t *written)
{
    (void)ctx;
    atomic_fetch_add(&decoded, 1);
    if (in.len < 3 || in.len - 3 != room)
        return MOSS_INVALID;
    for (size_t i = 0; i < room; i++)
        out[i] = (uint8_t)~in.bytes[3 + i];
    *written = room;
    return MOSS_OK;
}

const struct moss_segment_kind toy_kinds[TOY_KINDS] = {
    { "rle", rle_encode, rle_decode, NULL },
    { "veil", veil_encode, veil_decode, NULL },
};
