/* A growable byte buffer. */
#ifndef MOSS_BASE_BUF_H
#define MOSS_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "moss.h"

struct buf {
    uint8_t *bytes;
    size_t len, cap;
};

void buf_init(struct buf *b);
/* Idempotent; b is empty afterwards. */
void buf_release(struct buf *b);
/* Room for n more bytes than len. */
MOSS_MUST_CHECK enum moss_status buf_reserve(struct buf *b, size_t n);
MOSS_MUST_CHECK enum moss_status
buf_append(struct buf *b, const void *bytes, size_t n);
void buf_clear(struct buf *b); /* keeps the memory */

#endif
