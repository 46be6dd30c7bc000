/*
 * A segment of another kind than Go moss's is the same two arrays, entries and
 * bytes, each cut into pieces that went through the kind's encode.  A piece is
 * a frame in the file: how long it is decoded and stored, a checksum of what
 * it decodes to, and what encode made of it.  Pieces are small, so that
 * writing a large segment takes no more memory than writing a small one.
 *
 * Such a segment cannot be used where it lies.  It is decoded as a whole when
 * its commit point comes into memory; so it is after it was written and before
 * its footer is: an encode that loses something fails the update.
 *
 * Neither the file nor the kind is trusted.  The checksums of the blocks are
 * compared before decode sees a byte, the frames' when it is done, and every
 * entry is checked as in any segment that was read, their order and totals,
 * too.
 *
 * Writing: the thread that may write to the store.  Reading: any thread.
 */
#include "store/encoded.h"

#include <string.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/coding.h"
#include "base/error.h"
#include "store/checksum.h"
#include "store/mapped.h"

#define FRAME_HEAD 16u
#define AS_IS ((uint32_t)1 << 31) /* in a frame's stored length */

/* ------------------------------------------------------------------ */
/* Kinds                                                              */
/* ------------------------------------------------------------------ */

bool
kinds_are_valid(const struct moss_segment_kind *kinds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *name = kinds[i].name;

        if (name == NULL || kinds[i].decode == NULL ||
            !loc_kind_is_sound(name, strnlen(name, LOC_KIND)) ||
            kind_find(kinds, i, name) != NULL)
            return false;
    }
    return true;
}

const struct moss_segment_kind *
kind_find(const struct moss_segment_kind *kinds, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    }
    return NULL;
}

/* ------------------------------------------------------------------ */
/* Writing                                                            */
/* ------------------------------------------------------------------ */

/* What encode is given for n bytes. */
static size_t
piece_room(size_t n)
{
    return n + n / 8 + 1024;
}

uint64_t
encoded_room(uint64_t n)
{
    return n + n / 8 + (n / MOSS_SEGMENT_PIECE + 1) * (FRAME_HEAD + 1024);
}

enum moss_status
encoder_init(struct encoder *e, const struct moss_segment_kind *kind,
             struct bufwriter *w, uint64_t off, uint64_t hint)
{
    memset(e, 0, sizeof *e);
    e->kind = kind;
    e->w = w;
    e->nonce = w->nonce;
    e->off = off;
    e->cap = hint < MOSS_SEGMENT_PIECE ? (size_t)hint + 1 : MOSS_SEGMENT_PIECE;
    e->coded_cap = FRAME_HEAD + piece_room(e->cap);
    e->raw = arena_alloc(e->cap);
    e->coded = arena_alloc(e->coded_cap);
    if (e->raw == NULL || e->coded == NULL)
        return error_set(w->err, MOSS_NOMEM, "write", w->file->path, off);
    return MOSS_OK;
}

void
encoder_release(struct encoder *e)
{
    arena_free(e->raw, e->cap);
    arena_free(e->coded, e->coded_cap);
    e->raw = e->coded = NULL;
}

/* Write the piece as a frame. */
static enum moss_status
put_frame(struct encoder *e)
{
    struct bufwriter *w = e->w;
    size_t room = piece_room(e->len), n = 0;
    uint32_t flag = 0;
    uint8_t *body = e->coded + FRAME_HEAD;
    enum moss_status st = e->kind->encode(
        e->kind->ctx, moss_slice(e->raw, e->len), body, room, &n);

    if (st == MOSS_TOO_BIG) {
        memcpy(body, e->raw, e->len);
        n = e->len;
        flag = AS_IS;
    } else if (st != MOSS_OK || n > room) {
        /* No other status: some mean more to those who called. */
        return error_set(w->err, st == MOSS_NOMEM ? st : MOSS_INVALID,
                         "encode of the segment kind", w->file->path, e->off);
    }
    store_le32(e->coded, (uint32_t)e->len);
    store_le32(e->coded + 4, (uint32_t)n | flag);
    store_le64(e->coded + 8, checksum64(e->raw, e->len, e->nonce ^ e->off));
    e->off += FRAME_HEAD + n;
    e->stored += FRAME_HEAD + n;
    e->len = 0;
    return bufwriter_append(w, e->coded, FRAME_HEAD + n);
}

enum moss_status
encoder_append(struct encoder *e, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;

    while (n > 0) {
        size_t part = n < e->cap - e->len ? n : e->cap - e->len;

        memcpy(e->raw + e->len, p, part);
        e->len += part;
        p += part;
        n -= part;
        if (e->len == e->cap) {
            enum moss_status st = put_frame(e);

            if (st < 0)
                return st;
        }
    }
    return MOSS_OK;
}

enum moss_status
encoder_finish(struct encoder *e)
{
    return e->len == 0 ? MOSS_OK : put_frame(e);
}

/* ------------------------------------------------------------------ */
/* Reading                                                            */
/* ------------------------------------------------------------------ */

/* One of the two arrays, as it lies in the file. */
struct stored {
    const uint8_t *bytes;
    uint64_t n;
    uint64_t off; /* in the file */
    uint64_t nonce;
    const struct moss_segment_kind *kind;
};

static enum moss_status
check_blocks(const struct stored *s, const uint8_t *sums)
{
    for (uint64_t done = 0; done < s->n; done += EXTRAS_BLOCK) {
        uint64_t left = s->n - done;
        size_t n = left < EXTRAS_BLOCK ? (size_t)left : EXTRAS_BLOCK;

        if (extras_sum(s->bytes + done, n, s->nonce, s->off + done) !=
            load_le32(sums + done / EXTRAS_BLOCK * 4))
            return MOSS_CORRUPT;
    }
    return MOSS_OK;
}

/* Decode the frame at pos into out, which has room for it. */
static enum moss_status
decode_frame(const struct stored *s, uint64_t pos, uint8_t *out)
{
    const uint8_t *head = s->bytes + pos, *body = head + FRAME_HEAD;
    size_t len = load_le32(head), n = load_le32(head + 4) & ~AS_IS;
    enum moss_status st = MOSS_OK;
    size_t written = n;

    if ((load_le32(head + 4) & AS_IS) == 0)
        st = s->kind->decode(s->kind->ctx, moss_slice(body, n), out, len,
                             &written);
    else if (n == len)
        memcpy(out, body, n);
    if (st != MOSS_OK)
        return st == MOSS_NOMEM ? st : MOSS_CORRUPT;
    if (written != len ||
        load_le64(head + 8) != checksum64(out, len, s->nonce ^ (s->off + pos)))
        return MOSS_CORRUPT;
    return MOSS_OK;
}

/*
 * Walk over the frames, which must come to n bytes, and decode them into out;
 * if that is NULL, only see whether they would.
 */
static enum moss_status
walk_frames(const struct stored *s, uint8_t *out, uint64_t n)
{
    uint64_t pos = 0, done = 0;
    enum moss_status st = MOSS_OK;

    while (pos < s->n && st == MOSS_OK) {
        uint32_t len, body;

        if (s->n - pos < FRAME_HEAD)
            return MOSS_CORRUPT;
        len = load_le32(s->bytes + pos);
        body = load_le32(s->bytes + pos + 4) & ~AS_IS;
        if (len == 0 || len > MOSS_SEGMENT_PIECE || len > n - done ||
            body > s->n - pos - FRAME_HEAD)
            return MOSS_CORRUPT;
        if (out != NULL)
            st = decode_frame(s, pos, out + done);
        pos += FRAME_HEAD + body;
        done += len;
    }
    return st == MOSS_OK && done != n ? MOSS_CORRUPT : st;
}

/* Are the entries in order, sound, and what the footer says? */
static enum moss_status
check_entries(const struct segment *seg)
{
    struct segment_totals t = { 0, 0, 0, 0, 0 };
    struct entry e, last = { 0 };

    for (size_t i = 0; i < seg->n; i++) {
        enum moss_status st = segment_entry(seg, i, &e);

        if (st < 0)
            return st;
        if (i > 0 && slice_compare(last.key, e.key) >= 0)
            return MOSS_CORRUPT;
        t.n_set += e.op == MOSS_OP_SET;
        t.n_del += e.op == MOSS_OP_DEL;
        t.n_merge += e.op == MOSS_OP_MERGE;
        t.key_bytes += e.key.len;
        t.value_bytes += e.value.len;
        last = e;
    }
    return memcmp(&t, &seg->totals, sizeof t) == 0 ? MOSS_OK : MOSS_CORRUPT;
}

/* The segment at loc, of which map holds all as stored. */
static enum moss_status
decode_segment(const struct mapping *map, const struct segment_loc *loc,
               uint64_t nonce, const struct moss_segment_kind *kind,
               struct segment **out)
{
    const uint8_t *base = map->bytes + (loc->kvs_off - map->off);
    struct stored kvs = { base, loc->kvs_bytes, loc->kvs_off, nonce, kind };
    struct stored buf = { base + (loc->buf_off - loc->kvs_off), loc->buf_bytes,
                          loc->buf_off, nonce, kind };
    const uint8_t *sums = base + (extras_sums_off(loc) - loc->kvs_off);
    uint64_t n = 16 * loc->entries;
    struct segment *seg = NULL;
    uint8_t *memory;
    enum moss_status st;

    if (!extras_match(loc, nonce, kvs.bytes + kvs.n, extras_room(loc), NULL))
        return MOSS_CORRUPT;
    st = check_blocks(&kvs, sums);
    if (st == MOSS_OK)
        st = check_blocks(&buf, sums + 4 * extras_blocks(kvs.n));
    /* Before memory is asked for. */
    if (st == MOSS_OK)
        st = walk_frames(&kvs, NULL, n);
    if (st == MOSS_OK)
        st = walk_frames(&buf, NULL, loc->bytes);
    if (st < 0)
        return st;
    memory = arena_alloc((size_t)(n + loc->bytes));
    if (memory == NULL)
        return MOSS_NOMEM;
    st = walk_frames(&kvs, memory, n);
    if (st == MOSS_OK)
        st = walk_frames(&buf, memory + n, loc->bytes);
    if (st < 0) {
        arena_free(memory, (size_t)(n + loc->bytes));
        return st;
    }
    st = mapped_segment_decoded(loc, memory, &seg);
    if (st == MOSS_OK)
        st = check_entries(seg);
    if (st < 0)
        segment_unref(seg);
    else
        *out = seg;
    return st;
}

enum moss_status
encoded_segment_new(struct file *file, struct mapping *whole,
                    const struct segment_loc *loc, uint64_t nonce,
                    const struct moss_segment_kind *kind, struct segment **out,
                    struct moss_error *err)
{
    struct mapping *map = NULL;
    enum moss_status st = MOSS_OK;

    *out = NULL;
    if (whole != NULL)
        map = mapping_ref(whole);
    else
        st =
            mapping_new(file, loc->kvs_off,
                        (size_t)(loc_end(loc) - loc->kvs_off), true, &map, err);
    if (st < 0)
        return st;
    st = decode_segment(map, loc, nonce, kind, out);
    mapping_unref(map);
    return st < 0 ? error_set(err, st, "segment", file->path, loc->kvs_off)
                  : MOSS_OK;
}
