/*
 * A segment's two regions grow side by side, each through a writer of its
 * own.  A writer's buffer holds up to 2 MiB, begins in the file where a block
 * does, and is written as a whole, so that large segments reach the page
 * cache in large pieces.  Checksums are made from the buffer just before it
 * is written, while it is in the processor's cache.
 *
 * With a pump, full buffers are summed and written on its thread, while the
 * caller fills a second one.  The pump works on piece and on what sums points
 * to, the caller on all else; each waits for the other where they meet.  A
 * failure shows at the next meeting, at the latest when the blocks end.
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
    if (w->pump != NULL)
        pump_wait(w->pump, &w->piece.job);
    arena_free(w->bytes, w->cap);
    arena_free(w->piece.bytes, w->cap);
    w->bytes = w->piece.bytes = NULL;
}

/* ------------------------------------------------------------------ */
/* Checksums                                                          */
/* ------------------------------------------------------------------ */

/* Append to sums those of the blocks of n bytes that go to off. */
static enum moss_status
add_sums(const struct bufwriter *w, struct buf *sums, const uint8_t *bytes,
         size_t n, uint64_t off, struct moss_error *err)
{
    enum moss_status st = MOSS_OK;

    for (size_t done = 0; done < n && st == MOSS_OK; done += EXTRAS_BLOCK) {
        size_t left = n - done;
        uint8_t sum[4];

        store_le32(sum, extras_sum(bytes + done,
                                   left < EXTRAS_BLOCK ? left : EXTRAS_BLOCK,
                                   w->nonce, off + done));
        st = buf_append(sums, sum, sizeof sum);
    }
    return st < 0 ? error_set(err, st, "write", w->file->path, off) : st;
}

/* ------------------------------------------------------------------ */
/* On the pump                                                        */
/* ------------------------------------------------------------------ */

static void
write_piece(struct pump_job *job)
{
    struct piece *p = container_of(job, struct piece, job);
    struct bufwriter *w = container_of(p, struct bufwriter, piece);

    if (p->sums != NULL)
        p->st = add_sums(w, p->sums, p->bytes, p->len, p->off, &p->err);
    if (p->st == MOSS_OK)
        p->st = file_write_unasked(w->file, p->off, p->bytes, p->len, &p->err);
    if (p->st == MOSS_OK)
        file_start_sync(w->file, p->off, p->len);
}

void
bufwriter_use_pump(struct bufwriter *w, struct pump *pump)
{
    if (pump == NULL || w->cap < BUFWRITER_MAX)
        return;
    w->piece.bytes = arena_alloc(w->cap);
    if (w->piece.bytes != NULL)
        w->pump = pump;
}

void
bufwriter_leave_asking(struct bufwriter *w)
{
    w->never_asks = true;
}

static enum moss_status
ask(const struct bufwriter *w)
{
    return w->never_asks ? MOSS_OK : file_ask(w->file, w->off, w->len, w->err);
}

/* What has become of the piece that the pump had last. */
static enum moss_status
await_piece(struct bufwriter *w)
{
    if (w->pump == NULL)
        return MOSS_OK;
    pump_wait(w->pump, &w->piece.job);
    if (w->piece.st < 0 && w->err != NULL)
        *w->err = w->piece.err;
    return w->piece.st;
}

/* Give the full buffer to the pump, and go on with the one it had. */
static enum moss_status
hand_over(struct bufwriter *w)
{
    struct piece *p = &w->piece;
    uint8_t *bytes = w->bytes;
    enum moss_status st = await_piece(w);

    if (st == MOSS_OK)
        st = ask(w);
    if (st < 0)
        return st;
    w->bytes = p->bytes;
    p->job.run = write_piece;
    p->bytes = bytes;
    p->len = w->len;
    p->off = w->off;
    p->sums = w->sums;
    pump_submit(w->pump, &p->job);
    return MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* Writing                                                            */
/* ------------------------------------------------------------------ */

static enum moss_status
write_buffer(struct bufwriter *w)
{
    enum moss_status st = MOSS_OK;

    if (w->sums != NULL)
        st = add_sums(w, w->sums, w->bytes, w->len, w->off, w->err);
    if (st == MOSS_OK && w->len > 0)
        st = ask(w);
    if (st == MOSS_OK && w->len > 0)
        st = file_write_unasked(w->file, w->off, w->bytes, w->len, w->err);
    /* Smaller writes are few, and better waited for together. */
    if (st == MOSS_OK && w->len >= BUFWRITER_MAX)
        file_start_sync(w->file, w->off, w->len);
    return st;
}

enum moss_status
bufwriter_append_slowly(struct bufwriter *w, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;

    while (n > 0) {
        size_t room = w->cap - w->len;
        size_t part = n < room ? n : room;
        enum moss_status st;

        memcpy(w->bytes + w->len, p, part);
        w->len += part;
        p += part;
        n -= part;
        if (w->len < w->cap)
            continue;
        st = w->pump != NULL ? hand_over(w) : write_buffer(w);
        if (st < 0)
            return st;
        w->off += w->len;
        w->len = 0;
    }
    return MOSS_OK;
}

enum moss_status
bufwriter_end_blocks(struct bufwriter *w)
{
    enum moss_status st = await_piece(w);

    if (st == MOSS_OK && w->sums != NULL)
        st = add_sums(w, w->sums, w->bytes, w->len, w->off, w->err);
    w->sums = NULL;
    return st;
}

enum moss_status
bufwriter_finish(struct bufwriter *w)
{
    enum moss_status st = await_piece(w);

    return st < 0 ? st : write_buffer(w);
}
