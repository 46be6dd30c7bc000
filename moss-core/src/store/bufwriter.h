/* Writes a file sequentially from an offset on, through a buffer. */
#ifndef MOSS_STORE_BUFWRITER_H
#define MOSS_STORE_BUFWRITER_H

#include <string.h>

#include "base/buf.h"
#include "base/pump.h"
#include "store/file.h"

/* A full buffer that the pump has. */
struct piece {
    struct pump_job job;
    uint8_t *bytes;
    size_t len;
    uint64_t off;
    struct buf *sums;
    enum moss_status st; /* stays a failure */
    struct moss_error err;
};

struct bufwriter {
    struct file *file; /* borrowed */
    uint64_t off;      /* of bytes[0] in the file: on a block */
    uint8_t *bytes;
    size_t len, cap; /* cap is a multiple of the block */
    uint64_t nonce;
    struct buf *sums; /* borrowed: a checksum for each block; NULL: none */
    struct moss_error *err; /* borrowed; may be NULL */
    struct pump *pump;      /* borrowed; NULL: the caller writes itself */
    bool never_asks;
    struct piece piece;
};

/*
 * From off on, which is a multiple of EXTRAS_BLOCK; hint is how much is to be
 * expected.  The checksums of the blocks are appended to sums, 4 bytes each.
 */
MOSS_MUST_CHECK enum moss_status
bufwriter_init(struct bufwriter *w, struct file *file, uint64_t off,
               uint64_t hint, uint64_t nonce, struct buf *sums,
               struct moss_error *err);
/* Drops what was not flushed.  Idempotent; also after a failed init. */
void bufwriter_release(struct bufwriter *w);

/*
 * Write full buffers on pump, which must live as long as w.  Best effort:
 * nothing changes for a pump that is NULL or where it would not pay.  Before
 * anything is appended.
 */
void bufwriter_use_pump(struct bufwriter *w, struct pump *pump);

/*
 * From now on the file's watch is not asked here, since the thread that
 * appends is not the one that is asked to write.
 */
void bufwriter_leave_asking(struct bufwriter *w);

/* bufwriter_append() where the buffer gets full. */
MOSS_MUST_CHECK enum moss_status
bufwriter_append_slowly(struct bufwriter *w, const void *bytes, size_t n);

MOSS_MUST_CHECK static inline enum moss_status
bufwriter_append(struct bufwriter *w, const void *bytes, size_t n)
{
    if (n >= w->cap - w->len)
        return bufwriter_append_slowly(w, bytes, n);
    if (n > 0)
        memcpy(w->bytes + w->len, bytes, n);
    w->len += n;
    return MOSS_OK;
}

/* What follows has no checksums; the last block may be short. */
MOSS_MUST_CHECK enum moss_status bufwriter_end_blocks(struct bufwriter *w);
/* Write what is left in the buffer.  Only release may follow. */
MOSS_MUST_CHECK enum moss_status bufwriter_finish(struct bufwriter *w);

#endif
