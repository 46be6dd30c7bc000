/*
 * A byte buffer that grows by doubling.  bytes is NULL until the first byte is
 * reserved.  One thread at a time.
 */
#include "base/buf.h"

#include <string.h>

#include "base/mem.h"

void
buf_init(struct buf *b)
{
    *b = (struct buf){ 0 };
}

void
buf_release(struct buf *b)
{
    mem_free(b->bytes);
    buf_init(b);
}

enum moss_status
buf_reserve(struct buf *b, size_t n)
{
    size_t need, cap;
    uint8_t *bytes;

    if (__builtin_add_overflow(b->len, n, &need))
        return MOSS_NOMEM;
    if (need <= b->cap)
        return MOSS_OK;
    cap = b->cap > SIZE_MAX / 2 ? SIZE_MAX : b->cap * 2;
    if (cap < 64)
        cap = 64;
    if (cap < need)
        cap = need;
    bytes = mem_resize(b->bytes, cap, 1);
    if (bytes == NULL)
        return MOSS_NOMEM;
    b->bytes = bytes;
    b->cap = cap;
    return MOSS_OK;
}

enum moss_status
buf_append(struct buf *b, const void *bytes, size_t n)
{
    enum moss_status st = buf_reserve(b, n);

    if (st < 0)
        return st;
    if (n > 0)
        memcpy(b->bytes + b->len, bytes, n);
    b->len += n;
    return MOSS_OK;
}

void
buf_clear(struct buf *b)
{
    b->len = 0;
}
