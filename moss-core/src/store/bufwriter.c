/*
 * A segment's two regions grow side by side, each through a writer of its
 * own.  A writer's buffer holds up to 2 MiB, begins in the file where a block
 * does, and is written as a whole, so that large segments reach the page
 * cache in large pieces.  Checksums are made from the buffer just before it
 * is written, while it is in the processor's cache.
 *
 * One thread.
 */
#include "store/bufwriter.h"

#include "base/arena.h"
#include "base/base.h"
#include "base/coding.h"
#include "base/error.h"
#include "store/extras.h"

#define BUFWRITER_MAX ((size_t)2 << 20)

enum moss_status
bufwriter_init(struct bufwriter *w, struct file *file, uint64_t off,
               uint64_t hint, uint64_t nonce, struct buf *sums,
               struct moss_error *err)
{
    size_t max = file->write_max != 0 ? file->write_max : BUFWRITER_MAX;

    memset(w, 0, sizeof *w);
    w->file = file;
    w->off = off;
    w->nonce = nonce;
    w->sums = sums;
    w->err = err;
    w->cap = hint >= max ? max : (size_t)align_up(hint + 1, EXTRAS_BLOCK);
    w->bytes = arena_alloc(w->cap);
    if (w->bytes == NULL)
        return error_set(err, MOSS_NOMEM, "write", file->path, off);
    return MOSS_OK;
}

void
bufwriter_release(struct bufwriter *w)
{
    arena_free(w->bytes, w->cap);
    w->bytes = NULL;
}

/* Make the checksums of [summed, to) of the buffer. */
static enum moss_status
sum_up_to(struct bufwriter *w, size_t to)
{
    enum moss_status st = MOSS_OK;

    if (w->sums == NULL)
        return MOSS_OK;
    while (w->summed < to && st == MOSS_OK) {
        size_t left = to - w->summed;
        size_t n = left < EXTRAS_BLOCK ? left : EXTRAS_BLOCK;
        uint8_t sum[4];

        store_le32(sum, extras_sum(w->bytes + w->summed, n, w->nonce,
                                   w->off + w->summed));
        st = buf_append(w->sums, sum, sizeof sum);
        w->summed += n;
    }
    return st < 0 ? error_set(w->err, st, "write", w->file->path, w->off) : st;
}

static enum moss_status
flush(struct bufwriter *w)
{
    enum moss_status st = sum_up_to(w, w->len);

    if (st == MOSS_OK && w->len > 0)
        st = file_write(w->file, w->off, w->bytes, w->len, w->err);
    if (st < 0)
        return st;
    /* Smaller writes are few, and better waited for together. */
    if (w->len >= BUFWRITER_MAX)
        file_start_sync(w->file, w->off, w->len);
    w->off += w->len;
    w->len = 0;
    w->summed = 0;
    return MOSS_OK;
}

enum moss_status
bufwriter_append_slowly(struct bufwriter *w, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;

    while (n > 0) {
        size_t room = w->cap - w->len;
        size_t part = n < room ? n : room;

        memcpy(w->bytes + w->len, p, part);
        w->len += part;
        p += part;
        n -= part;
        if (w->len == w->cap) {
            enum moss_status st = flush(w);

            if (st < 0)
                return st;
        }
    }
    return MOSS_OK;
}

enum moss_status
bufwriter_end_blocks(struct bufwriter *w)
{
    enum moss_status st = sum_up_to(w, w->len);

    w->sums = NULL;
    return st;
}

enum moss_status
bufwriter_finish(struct bufwriter *w)
{
    return flush(w);
}
