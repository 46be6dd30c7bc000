/*
 * Entries stream from a merge directly into the file: the entry array into
 * room that is kept for as many entries as there are inputs, the bytes behind
 * it, the checksums at the end (extras.c has the picture).  What the array
 * does not need of its room stays a hole in the file.
 *
 * A large segment begins at a multiple of 2 MiB, and so does its byte array,
 * so that the page cache can use its largest pages for it.
 *
 * One thread, the one that may write to the store.
 */
#include "store/segwriter.h"

#include "base/base.h"
#include "base/coding.h"
#include "base/error.h"
#include "store/bufwriter.h"

#define LARGE_BYTES ((uint64_t)8 << 20)
#define LARGE_ALIGN ((uint64_t)2 << 20)

struct stream {
    struct segwriter *w;
    struct segment_loc loc;
    struct bufwriter kvs, buf;
    struct buf kvs_sums, buf_sums;
    struct moss_error *err;
};

static enum moss_status
stream_begin(struct stream *s, struct segwriter *w, uint64_t max_entries,
             uint64_t bytes, struct moss_error *err)
{
    uint64_t kvs_max = 16 * max_entries;
    uint64_t align = kvs_max + bytes >= LARGE_BYTES ? LARGE_ALIGN : FILE_PAGE;
    enum moss_status st;

    memset(s, 0, sizeof *s);
    s->w = w;
    s->err = err;
    buf_init(&s->kvs_sums);
    buf_init(&s->buf_sums);
    s->loc.has_extras = true;
    s->loc.kvs_off = align_up(w->pos, align);
    s->loc.buf_off = align_up(s->loc.kvs_off + kvs_max + EXTRAS_HEADER,
                              bytes >= LARGE_BYTES ? align : FILE_PAGE);
    st = bufwriter_init(&s->kvs, w->file, s->loc.kvs_off,
                        kvs_max + EXTRAS_HEADER, w->nonce, &s->kvs_sums, err);
    if (st < 0)
        return st;
    return bufwriter_init(&s->buf, w->file, s->loc.buf_off, bytes, w->nonce,
                          &s->buf_sums, err);
}

static void
stream_release(struct stream *s)
{
    bufwriter_release(&s->kvs);
    bufwriter_release(&s->buf);
    buf_release(&s->kvs_sums);
    buf_release(&s->buf_sums);
}

static enum moss_status
stream_add(struct stream *s, const struct entry *e)
{
    struct segment_loc *loc = &s->loc;
    bool is_empty = e->key.len == 0 && e->value.len == 0;
    uint8_t words[16];
    enum moss_status st;

    /* More entries than there were inputs: a damaged input out of order. */
    if (loc->kvs_off + loc->kvs_bytes + sizeof words + EXTRAS_HEADER >
        loc->buf_off)
        return error_set(s->err, MOSS_CORRUPT, "order of keys",
                         s->w->file->path, loc->kvs_off);
    store_le64(words, (uint64_t)e->op << ENTRY_OP_SHIFT |
                          (uint64_t)e->key.len << ENTRY_KEY_SHIFT |
                          (uint64_t)e->value.len);
    store_le64(words + 8, is_empty ? 0 : loc->buf_bytes);
    st = bufwriter_append(&s->kvs, words, sizeof words);
    if (st == MOSS_OK && e->value.bytes == e->key.bytes + e->key.len) {
        /* As in every segment. */
        st = bufwriter_append(&s->buf, e->key.bytes, e->key.len + e->value.len);
    } else if (st == MOSS_OK) {
        st = bufwriter_append(&s->buf, e->key.bytes, e->key.len);
        if (st == MOSS_OK)
            st = bufwriter_append(&s->buf, e->value.bytes, e->value.len);
    }
    if (st < 0)
        return st;
    loc->kvs_bytes += sizeof words;
    loc->buf_bytes += e->key.len + e->value.len;
    loc->key_bytes += e->key.len;
    loc->value_bytes += e->value.len;
    loc->n_set += e->op == MOSS_OP_SET;
    loc->n_del += e->op == MOSS_OP_DEL;
    return MOSS_OK;
}

static enum moss_status
finish_kvs(struct stream *s)
{
    uint8_t header[EXTRAS_HEADER];
    enum moss_status st = bufwriter_end_blocks(&s->kvs);

    extras_encode(&s->loc, s->w->nonce, header);
    if (st == MOSS_OK)
        st = bufwriter_append(&s->kvs, header, sizeof header);
    return st < 0 ? st : bufwriter_finish(&s->kvs);
}

static enum moss_status
finish_buf(struct stream *s)
{
    static const uint8_t zeros[8];
    size_t gap =
        (size_t)(extras_sums_off(&s->loc) - s->loc.buf_off - s->loc.buf_bytes);
    enum moss_status st = bufwriter_end_blocks(&s->buf);

    if (st == MOSS_OK)
        st = bufwriter_append(&s->buf, zeros, gap);
    if (st == MOSS_OK)
        st = bufwriter_append(&s->buf, s->kvs_sums.bytes, s->kvs_sums.len);
    if (st == MOSS_OK)
        st = bufwriter_append(&s->buf, s->buf_sums.bytes, s->buf_sums.len);
    return st < 0 ? st : bufwriter_finish(&s->buf);
}

static enum moss_status
stream_end(struct stream *s, struct segment_loc *loc)
{
    enum moss_status st;

    *loc = s->loc;
    if (s->loc.kvs_bytes == 0)
        return MOSS_OK;
    st = finish_kvs(s);
    if (st == MOSS_OK)
        st = finish_buf(s);
    if (st < 0)
        return st;
    s->w->pos = align_up(loc_end(loc), FILE_PAGE);
    s->w->n_segments++;
    s->w->n_bytes +=
        loc->kvs_bytes + EXTRAS_HEADER + loc_end(loc) - loc->buf_off;
    return MOSS_OK;
}

enum moss_status
segwriter_merge(struct segwriter *w, struct segment *const *segs, size_t n,
                const struct segstack *below, struct segment_loc *loc,
                struct moss_error *err)
{
    struct stream s;
    struct segmerge *m = NULL;
    struct entry e;
    uint64_t entries = 0, bytes = 0;
    enum moss_status st;

    for (size_t i = 0; i < n; i++) {
        entries += segs[i]->n;
        bytes += segs[i]->totals.key_bytes + segs[i]->totals.value_bytes;
    }
    st = stream_begin(&s, w, entries, bytes, err);
    if (st < 0)
        goto done;
    st = segmerge_new(segs, n, below, w->merge, &m);
    if (st < 0)
        goto merge_failed;
    for (st = segmerge_next(m, &e); st == MOSS_OK; st = segmerge_next(m, &e)) {
        st = stream_add(&s, &e);
        if (st < 0)
            goto done;
    }
    if (st < 0)
        goto merge_failed;
    st = stream_end(&s, loc);
    goto done;

merge_failed:
    (void)error_set(err, st, "merge", w->file->path, s.loc.kvs_off);
done:
    segmerge_free(m);
    stream_release(&s);
    return st;
}

enum moss_status
segwriter_copy(struct segwriter *w, const struct segment *seg,
               struct segment_loc *loc, struct moss_error *err)
{
    struct stream s;
    enum moss_status st = stream_begin(
        &s, w, seg->n, seg->totals.key_bytes + seg->totals.value_bytes, err);

    for (size_t i = 0; i < seg->n && st == MOSS_OK; i++) {
        struct entry e;

        st = segment_entry(seg, i, &e);
        if (st < 0)
            (void)error_set(err, st, "entry", w->file->path, s.loc.kvs_off);
        else
            st = stream_add(&s, &e);
    }
    if (st == MOSS_OK)
        st = stream_end(&s, loc);
    stream_release(&s);
    return st;
}
