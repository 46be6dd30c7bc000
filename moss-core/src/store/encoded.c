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
 * A piece with a damaged block must not take the rest with it.  It is left out,
 * and whoever reads there is told.  That takes for granted that the others are
 * where they belong, which the lengths of all frames say.  Together they come
 * to what the footer says; so each frame's place is certain as long as there is
 * one at most whose own length is in doubt.
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
    int region; /* 0 or 1 */
    const uint8_t *bytes;
    uint64_t n;
    uint64_t off;        /* in the file */
    const uint8_t *sums; /* of its blocks */
    uint64_t nonce;
    const struct moss_segment_kind *kind;
};

/* Are the blocks good that have the bytes [pos, pos + n)? */
static bool
blocks_are_good(const struct stored *s, uint64_t pos, uint64_t n)
{
    for (uint64_t b = pos / EXTRAS_BLOCK; b * EXTRAS_BLOCK < pos + n; b++) {
        uint64_t begin = b * EXTRAS_BLOCK, left = s->n - begin;
        size_t len = left < EXTRAS_BLOCK ? (size_t)left : EXTRAS_BLOCK;

        if (extras_sum(s->bytes + begin, len, s->nonce, s->off + begin) !=
            load_le32(s->sums + 4 * b))
            return false;
    }
    return true;
}

struct frame {
    uint64_t pos;
    uint32_t len, body; /* of the piece, and of what encode made of it */
    bool as_is;
};

/* The frame at pos, behind which left bytes are to come; false: it is none. */
static bool
get_frame(const struct stored *s, uint64_t pos, uint64_t left, struct frame *f)
{
    uint32_t body;

    if (s->n - pos < FRAME_HEAD)
        return false;
    body = load_le32(s->bytes + pos + 4);
    f->pos = pos;
    f->len = load_le32(s->bytes + pos);
    f->body = body & ~AS_IS;
    f->as_is = (body & AS_IS) != 0;
    return f->len > 0 && f->len <= MOSS_SEGMENT_PIECE && f->len <= left &&
           f->body <= s->n - pos - FRAME_HEAD;
}

/* Do the frames come to n bytes, and is it certain which? */
static enum moss_status
check_frames(const struct stored *s, uint64_t n, bool tolerant)
{
    uint64_t pos = 0, done = 0, doubtful = 0;
    struct frame f;

    while (pos < s->n) {
        if (!get_frame(s, pos, n - done, &f))
            return MOSS_CORRUPT;
        doubtful += !blocks_are_good(s, pos, FRAME_HEAD);
        pos += FRAME_HEAD + f.body;
        done += f.len;
    }
    return done == n && doubtful <= tolerant ? MOSS_OK : MOSS_CORRUPT;
}

/* Decode the frame into out, which has room for it. */
static enum moss_status
decode_frame(const struct stored *s, const struct frame *f, uint8_t *out)
{
    const uint8_t *head = s->bytes + f->pos, *body = head + FRAME_HEAD;
    enum moss_status st = MOSS_OK;
    size_t written = f->body;

    if (!f->as_is)
        st = s->kind->decode(s->kind->ctx, moss_slice(body, f->body), out,
                             f->len, &written);
    else if (f->body == f->len)
        memcpy(out, body, f->len);
    if (st != MOSS_OK)
        return st == MOSS_NOMEM ? st : MOSS_CORRUPT;
    if (written != f->len ||
        load_le64(head + 8) !=
            checksum64(out, f->len, s->nonce ^ (s->off + f->pos)))
        return MOSS_CORRUPT;
    return MOSS_OK;
}

/* Decode all frames, which were checked; out has room for n bytes. */
static enum moss_status
decode_frames(const struct stored *s, uint8_t *out, uint64_t n, bool tolerant,
              struct lacking *lacking)
{
    uint64_t pos = 0, done = 0;
    enum moss_status st = MOSS_OK;
    struct frame f;

    while (pos < s->n && st == MOSS_OK) {
        if (!get_frame(s, pos, n - done, &f))
            return MOSS_CORRUPT;
        if (blocks_are_good(s, pos, FRAME_HEAD + f.body)) {
            st = decode_frame(s, &f, out + done);
        } else if (tolerant) {
            memset(out + done, 0, f.len);
            st = lacking_add(lacking, s->region, done, done + f.len);
        } else {
            st = MOSS_CORRUPT;
        }
        pos += FRAME_HEAD + f.body;
        done += f.len;
    }
    return st;
}

/*
 * Are the entries in order, sound, and what the footer says?  is_whole is false
 * if some cannot be read, which tells nothing of the others.
 */
static enum moss_status
check_entries(const struct segment *seg, bool is_whole)
{
    struct segment_totals t = { 0, 0, 0, 0, 0 };
    struct entry e, last = { 0 };
    bool has_last = false;

    for (size_t i = 0; i < seg->n; i++) {
        enum moss_status st = segment_entry(seg, i, &e);

        if (st < 0 && !is_whole)
            continue;
        if (st < 0)
            return st;
        if (has_last && slice_compare(last.key, e.key) >= 0)
            return MOSS_CORRUPT;
        has_last = true;
        t.n_set += e.op == MOSS_OP_SET;
        t.n_del += e.op == MOSS_OP_DEL;
        t.n_merge += e.op == MOSS_OP_MERGE;
        t.key_bytes += e.key.len;
        t.value_bytes += e.value.len;
        last = e;
    }
    if (!is_whole)
        return MOSS_OK;
    return memcmp(&t, &seg->totals, sizeof t) == 0 ? MOSS_OK : MOSS_CORRUPT;
}

/* The segment at loc, of which map holds all as stored. */
static enum moss_status
decode_segment(const struct mapping *map, const struct segment_loc *loc,
               uint64_t nonce, const struct moss_segment_kind *kind,
               bool tolerant, struct segment **out)
{
    const uint8_t *base = map->bytes + (loc->kvs_off - map->off);
    const uint8_t *sums = base + (extras_sums_off(loc) - loc->kvs_off);
    struct stored kvs = { 0,     base, loc->kvs_bytes, loc->kvs_off, sums,
                          nonce, kind };
    struct stored buf = { 1,
                          base + (loc->buf_off - loc->kvs_off),
                          loc->buf_bytes,
                          loc->buf_off,
                          sums + 4 * extras_blocks(kvs.n),
                          nonce,
                          kind };
    uint64_t n = 16 * loc->entries;
    struct lacking lacking = { 0 };
    struct segment *seg = NULL;
    uint8_t *memory;
    bool is_whole;
    enum moss_status st;

    if (!extras_match(loc, nonce, kvs.bytes + kvs.n, extras_room(loc), NULL))
        return MOSS_CORRUPT;
    /* Before memory is asked for. */
    st = check_frames(&kvs, n, tolerant);
    if (st == MOSS_OK)
        st = check_frames(&buf, loc->bytes, tolerant);
    if (st < 0)
        return st;
    memory = arena_alloc((size_t)(n + loc->bytes));
    if (memory == NULL)
        return MOSS_NOMEM;
    st = decode_frames(&kvs, memory, n, tolerant, &lacking);
    if (st == MOSS_OK)
        st = decode_frames(&buf, memory + n, loc->bytes, tolerant, &lacking);
    is_whole = lacking.n == 0;
    if (st == MOSS_OK)
        st = mapped_segment_decoded(loc, memory, &lacking, &seg);
    else
        arena_free(memory, (size_t)(n + loc->bytes));
    lacking_release(&lacking);
    if (st == MOSS_OK)
        st = check_entries(seg, is_whole);
    if (st < 0)
        segment_unref(seg);
    else
        *out = seg;
    return st;
}

enum moss_status
encoded_segment_new(struct file *file, struct mapping *whole,
                    const struct segment_loc *loc, uint64_t nonce,
                    const struct moss_segment_kind *kind, bool tolerant,
                    struct segment **out, struct moss_error *err)
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
    st = decode_segment(map, loc, nonce, kind, tolerant, out);
    mapping_unref(map);
    return st < 0 ? error_set(err, st, "segment", file->path, loc->kvs_off)
                  : MOSS_OK;
}
