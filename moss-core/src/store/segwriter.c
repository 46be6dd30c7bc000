/*
 * Entries stream from a merge directly into the file: the entry array into
 * room that is kept for as many entries as there are inputs, the index into
 * such room behind it, then the bytes, and the checksums at the end (extras.c
 * has the picture).  What the array and the index do not need of their room
 * stays a hole in the file.
 *
 * A large segment begins at a multiple of 2 MiB, and so do its index and its
 * byte array, so that the page cache can use its largest pages for it.
 *
 * Of what is large, entries go through a feed, whose thread then has the
 * stream to itself, but between the slices of a merge and from its end on.
 *
 * One thread, the one that may write to the store.
 */
#include "store/segwriter.h"

#include "base/base.h"
#include "base/coding.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/sync.h"
#include "segment/batch_order.h"
#include "segment/segment_index.h"
#include "store/bufwriter.h"
#include "store/encoded.h"
#include "store/feed.h"

#define LARGE_BYTES ((uint64_t)8 << 20)
#define LARGE_ALIGN ((uint64_t)2 << 20)

enum {
    WORDS_AT_ONCE = 64, /* entries whose words are copied together */
    RUN_MAX = 1024,     /* entries that are copied together */
    FED_MAX = 4096      /* bytes of an entry, on average, for a feed to pay */
};

struct stream {
    struct segwriter *w;
    struct segment_loc loc;
    uint64_t kvs_max; /* of the entry array */
    struct bufwriter kvs, buf;
    struct buf kvs_sums, buf_sums;
    bool is_encoded; /* then what is appended goes through these */
    struct encoder kvs_coded, buf_coded;
    struct index_builder *builder; /* NULL: there is to be no index */
    struct extras_index index;
    struct bufwriter idx;
    struct buf idx_sums;
    struct pump *pump; /* writes what is large; NULL: none */
    struct moss_error *err;
};

static enum moss_status
index_put(void *ctx, const void *bytes, size_t n)
{
    struct stream *s = ctx;

    return bufwriter_append(&s->idx, bytes, n);
}

static bool
wants_index(const struct segwriter *w, uint64_t max_entries, uint64_t key_bytes)
{
    uint64_t min = w->index_min_key_bytes == 0 ? SEGWRITER_INDEX_MIN
                                               : w->index_min_key_bytes;

    /* An index in memory finds what is in memory. */
    return w->kind == NULL && max_entries > 0 && key_bytes >= min &&
           (w->index_max_bytes == 0 ||
            extras_index_bytes(max_entries) <= w->index_max_bytes);
}

/* Begin an index of up to that many entries at off; *end is behind its room. */
static enum moss_status
index_begin(struct stream *s, uint64_t max_entries, uint64_t off, uint64_t *end)
{
    uint64_t room = extras_index_bytes(max_entries);
    enum moss_status st;

    s->index.off = off;
    *end = off + room;
    st = index_builder_new(max_entries, index_put, s, &s->builder);
    if (st < 0)
        return error_set(s->err, st, "index", s->w->file->path, off);
    return bufwriter_init(&s->idx, s->w->file, off, room, s->w->nonce,
                          &s->idx_sums, s->err);
}

static enum moss_status
index_finish(struct stream *s)
{
    enum moss_status st;

    if (s->builder == NULL)
        return MOSS_OK;
    s->index.bytes = extras_index_bytes(s->loc.kvs_bytes / 16);
    st = index_builder_finish(s->builder);
    if (st == MOSS_OK)
        st = bufwriter_end_blocks(&s->idx);
    if (st == MOSS_OK)
        st = bufwriter_append(&s->idx, s->idx_sums.bytes, s->idx_sums.len);
    return st < 0 ? st : bufwriter_finish(&s->idx);
}

/* For at most that many entries with so many bytes, key_bytes of them keys. */
static enum moss_status
stream_begin(struct stream *s, struct segwriter *w, uint64_t max_entries,
             const struct segment_totals *totals, struct moss_error *err)
{
    uint64_t bytes = totals->key_bytes + totals->value_bytes;
    uint64_t align =
        16 * max_entries + bytes >= LARGE_BYTES ? LARGE_ALIGN : FILE_PAGE;
    uint64_t kvs_room, end;
    enum moss_status st = MOSS_OK;

    memset(s, 0, sizeof *s);
    s->w = w;
    s->err = err;
    s->kvs_max = 16 * max_entries;
    buf_init(&s->kvs_sums);
    buf_init(&s->buf_sums);
    buf_init(&s->idx_sums);
    s->loc.has_extras = true;
    s->loc.kvs_off = align_up(w->pos, align);
    s->is_encoded = w->kind != NULL;
    kvs_room = s->is_encoded ? encoded_room(s->kvs_max) : s->kvs_max;
    end = s->loc.kvs_off + kvs_room + EXTRAS_HEADER_INDEX;
    if (wants_index(w, max_entries, totals->key_bytes))
        st = index_begin(s, max_entries, align_up(end, align), &end);
    if (st < 0)
        return st;
    s->loc.buf_off = align_up(end, bytes >= LARGE_BYTES ? align : FILE_PAGE);
    st = bufwriter_init(&s->kvs, w->file, s->loc.kvs_off,
                        kvs_room + EXTRAS_HEADER_INDEX, w->nonce, &s->kvs_sums,
                        err);
    if (st == MOSS_OK)
        st = bufwriter_init(&s->buf, w->file, s->loc.buf_off, bytes, w->nonce,
                            &s->buf_sums, err);
    if (st == MOSS_OK && s->is_encoded)
        st = encoder_init(&s->kvs_coded, w->kind, &s->kvs, s->loc.kvs_off,
                          s->kvs_max);
    if (st == MOSS_OK && s->is_encoded)
        st = encoder_init(&s->buf_coded, w->kind, &s->buf, s->loc.buf_off,
                          bytes);
    /* Without a thread it takes longer. */
    if (st == MOSS_OK && align == LARGE_ALIGN &&
        pump_new(&s->pump) == MOSS_OK) {
        bufwriter_use_pump(&s->kvs, s->pump);
        bufwriter_use_pump(&s->buf, s->pump);
        if (s->builder != NULL)
            bufwriter_use_pump(&s->idx, s->pump);
    }
    return st;
}

static void
stream_release(struct stream *s)
{
    index_builder_free(s->builder);
    encoder_release(&s->kvs_coded);
    encoder_release(&s->buf_coded);
    bufwriter_release(&s->idx);
    bufwriter_release(&s->kvs);
    bufwriter_release(&s->buf);
    pump_free(s->pump);
    buf_release(&s->idx_sums);
    buf_release(&s->kvs_sums);
    buf_release(&s->buf_sums);
}

static enum moss_status
put_kvs(struct stream *s, const void *bytes, size_t n)
{
    return s->is_encoded ? encoder_append(&s->kvs_coded, bytes, n)
                         : bufwriter_append(&s->kvs, bytes, n);
}

static enum moss_status
put_buf(struct stream *s, const void *bytes, size_t n)
{
    return s->is_encoded ? encoder_append(&s->buf_coded, bytes, n)
                         : bufwriter_append(&s->buf, bytes, n);
}

static enum moss_status
stream_add(struct stream *s, const struct entry *e)
{
    struct segment_loc *loc = &s->loc;
    bool is_empty = e->key.len == 0 && e->value.len == 0;
    uint8_t words[16];
    enum moss_status st;

    /* More entries than there were inputs: a damaged input out of order. */
    if (loc->kvs_bytes == s->kvs_max)
        return error_set(s->err, MOSS_CORRUPT, "order of keys",
                         s->w->file->path, loc->kvs_off);
    store_le64(words, (uint64_t)e->op << ENTRY_OP_SHIFT |
                          (uint64_t)e->key.len << ENTRY_KEY_SHIFT |
                          (uint64_t)e->value.len);
    store_le64(words + 8, is_empty ? 0 : loc->buf_bytes);
    st = put_kvs(s, words, sizeof words);
    if (st == MOSS_OK && e->value.bytes == e->key.bytes + e->key.len) {
        /* As in every segment. */
        st = put_buf(s, e->key.bytes, e->key.len + e->value.len);
    } else if (st == MOSS_OK) {
        st = put_buf(s, e->key.bytes, e->key.len);
        if (st == MOSS_OK)
            st = put_buf(s, e->value.bytes, e->value.len);
    }
    if (st == MOSS_OK && s->builder != NULL)
        st = index_builder_add(s->builder, e->key, loc->buf_bytes);
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

static void
count_ops(struct segment_loc *loc, uint64_t word)
{
    enum moss_op op = (enum moss_op)(word >> ENTRY_OP_SHIFT & ENTRY_OP_MASK);

    loc->n_set += op == MOSS_OP_SET;
    loc->n_del += op == MOSS_OP_DEL;
}

/* The words of n entries, as they lie in a row from off on. */
static enum moss_status
put_words(struct stream *s, const uint64_t *kvs, size_t n, uint64_t off)
{
    struct segment_loc *loc = &s->loc;
    uint8_t words[16 * WORDS_AT_ONCE];
    enum moss_status st = MOSS_OK;
    size_t used = 0;

    for (size_t i = 0; i < n && st == MOSS_OK; i++) {
        uint64_t w = kvs[2 * i];
        uint64_t key_len = w >> ENTRY_KEY_SHIFT & ENTRY_KEY_MASK;
        uint64_t value_len = w & ENTRY_VALUE_MASK;

        store_le64(words + used, w);
        store_le64(words + used + 8, off); /* 0 for the empty key */
        used += 16;
        off += key_len + value_len;
        count_ops(loc, w);
        loc->key_bytes += key_len;
        loc->value_bytes += value_len;
        if (used == sizeof words || i + 1 == n) {
            st = put_kvs(s, words, used);
            used = 0;
        }
    }
    return st;
}

/* What stream_add() does, for many, whose bytes are copied as a block. */
static enum moss_status
stream_add_run(struct stream *s, const struct segment_run *run)
{
    const struct segment *seg = run->seg;
    const uint64_t *kvs = seg->kvs + 2 * run->from;
    size_t n = run->to - run->from;
    size_t end = run->to < seg->n ? (size_t)kvs[2 * n + 1] : seg->buf_bytes;
    size_t bytes = end - (size_t)kvs[1];
    struct segment_loc *loc = &s->loc;
    enum moss_status st = put_words(s, kvs, n, loc->buf_bytes);

    if (st == MOSS_OK && bytes > 0)
        st = put_buf(s, seg->buf + kvs[1], bytes);
    if (st == MOSS_OK && s->builder != NULL)
        st =
            index_builder_add_run(s->builder, kvs, n, seg->buf, loc->buf_bytes);
    if (st < 0)
        return st;
    loc->kvs_bytes += 16 * n;
    loc->buf_bytes += bytes;
    return MOSS_OK;
}

static enum moss_status
finish_kvs(struct stream *s)
{
    uint8_t header[EXTRAS_HEADER_INDEX];
    size_t n = extras_encode(&s->loc, &s->index, s->w->nonce, header);
    enum moss_status st = bufwriter_end_blocks(&s->kvs);

    if (st == MOSS_OK)
        st = bufwriter_append(&s->kvs, header, n);
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

/* Until now loc has counted what went in; now it says what is stored. */
static enum moss_status
finish_encoded(struct stream *s)
{
    struct segment_loc *loc = &s->loc;
    const char *name;
    enum moss_status st;

    if (!s->is_encoded)
        return MOSS_OK;
    st = encoder_finish(&s->kvs_coded);
    if (st == MOSS_OK)
        st = encoder_finish(&s->buf_coded);
    name = s->w->kind->name;
    memcpy(loc->kind, name, strlen(name) + 1);
    loc->entries = loc->kvs_bytes / 16;
    loc->bytes = loc->buf_bytes;
    loc->kvs_bytes = s->kvs_coded.stored;
    loc->buf_bytes = s->buf_coded.stored;
    return st;
}

static enum moss_status
stream_end(struct stream *s, struct segment_loc *loc)
{
    enum moss_status st;

    *loc = s->loc;
    if (s->loc.kvs_bytes == 0)
        return MOSS_OK;
    st = finish_encoded(s);
    *loc = s->loc;
    if (st == MOSS_OK)
        st = index_finish(s);
    if (st == MOSS_OK)
        st = finish_kvs(s);
    if (st == MOSS_OK)
        st = finish_buf(s);
    if (st < 0)
        return st;
    s->w->pos = align_up(loc_end(loc), FILE_PAGE);
    s->w->n_segments++;
    s->w->n_bytes += loc->kvs_bytes + s->index.bytes + loc_end(loc) -
                     loc->buf_off +
                     (s->index.bytes > 0 ? EXTRAS_HEADER_INDEX : EXTRAS_HEADER);
    return MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* Merging, at once or by and by                                      */
/* ------------------------------------------------------------------ */

struct segwriting {
    struct stream s;
    struct segmerge *m;
    struct feed *feed; /* NULL: entries are written where they are merged */
    uint64_t unasked; /* bytes that were put since the file's watch was asked */
};

void
segwriting_free(struct segwriting *g)
{
    if (g == NULL)
        return;
    feed_free(g->feed);
    segmerge_free(g->m);
    stream_release(&g->s);
    mem_free(g);
}

static enum moss_status
stream_take(void *stream, const struct feed_item *item)
{
    return item->run.seg != NULL ? stream_add_run(stream, &item->run)
                                 : stream_add(stream, &item->e);
}

/*
 * Not for what calls the user's functions, which is no matter of another
 * thread, nor for operands, whose results do not last.  Best effort.
 */
static void
use_feed(struct segwriting *g, const struct segment_totals *totals,
         uint64_t entries)
{
    struct stream *s = &g->s;
    bool pays = s->pump != NULL && sync_processors() > 1 &&
                (totals->key_bytes + totals->value_bytes) / FED_MAX < entries;

    if (!pays || s->is_encoded || totals->n_merge > 0 ||
        feed_new(stream_take, s, &g->feed) < 0)
        return;
    bufwriter_leave_asking(&s->kvs);
    bufwriter_leave_asking(&s->buf);
    if (s->builder != NULL)
        bufwriter_leave_asking(&s->idx);
}

enum moss_status
segwriting_new(struct segwriter *w, struct segment *const *segs, size_t n,
               const struct segstack *below, struct segwriting **out,
               struct moss_error *err)
{
    struct segwriting *g = mem_zalloc(1, sizeof *g);
    struct segment_totals totals = { 0, 0, 0, 0, 0 };
    uint64_t entries = 0;
    enum moss_status st;

    *out = NULL;
    if (g == NULL)
        return error_set(err, MOSS_NOMEM, "merge", w->file->path, w->pos);
    for (size_t i = 0; i < n; i++) {
        entries += segs[i]->n;
        totals.key_bytes += segs[i]->totals.key_bytes;
        totals.value_bytes += segs[i]->totals.value_bytes;
        totals.n_merge += segs[i]->totals.n_merge;
    }
    st = stream_begin(&g->s, w, entries, &totals, err);
    if (st == MOSS_OK) {
        use_feed(g, &totals, entries);
        st = segmerge_new(segs, n, below, w->merge, &g->m);
        if (st < 0)
            (void)error_set(err, st, "merge", w->file->path, g->s.loc.kvs_off);
    }
    if (st < 0)
        segwriting_free(g);
    else
        *out = g;
    return st;
}

static void
add_totals(void *arg, uint64_t key_len, uint64_t value_len, uint64_t n)
{
    struct segment_totals *totals = arg;

    totals->key_bytes += n * key_len;
    totals->value_bytes += n * value_len;
}

enum moss_status
segwriter_batch(struct segwriter *w, const struct moss_batch *batch,
                size_t from, struct segment_loc *loc, struct moss_error *err)
{
    struct segment_totals totals = { 0, 0, 0, 0, 0 };
    size_t n = moss_batch_count(batch);
    struct batch_order *order = NULL;
    struct stream s;
    struct entry e;
    enum moss_status st = batch_order_new(batch, from, n, &order);

    if (st < 0)
        return error_set(err, st, "changes", w->file->path, w->pos);
    batch_own_lengths(batch, add_totals, &totals); /* at most */
    st = stream_begin(&s, w, n - from, &totals, err);
    while (st == MOSS_OK && batch_order_next(order, &e))
        st = stream_add(&s, &e);
    if (st == MOSS_OK)
        st = stream_end(&s, loc);
    stream_release(&s);
    batch_order_free(order);
    return st;
}

static uint64_t
item_bytes(const struct feed_item *item)
{
    const struct segment_run *run = &item->run;
    const uint64_t *kvs;
    uint64_t end;

    if (run->seg == NULL)
        return 16 + item->e.key.len + item->e.value.len;
    kvs = run->seg->kvs;
    end = run->to < run->seg->n ? kvs[2 * run->to + 1] : run->seg->buf_bytes;
    return 16 * (run->to - run->from) + end - kvs[2 * run->from + 1];
}

/* The next run or entry, *item; MOSS_DONE at the end. */
static enum moss_status
next_item(struct segwriting *g, struct feed_item *item)
{
    if (segmerge_next_run(g->m, RUN_MAX, &item->run))
        return MOSS_OK;
    item->run.seg = NULL;
    return segmerge_next(g->m, &item->e);
}

/*
 * A value that the merge has made, which lasts until the next: in a segment it
 * lies behind its key.  There are none by the inputs' counts, but who wrote
 * these may have been wrong.
 */
static bool
is_made(const struct feed_item *item)
{
    const struct entry *e = &item->e;

    return item->run.seg == NULL && e->value.len > 0 &&
           e->value.bytes != e->key.bytes + e->key.len;
}

/* The item in the feed's room goes to the stream. */
static enum moss_status
feed_item(struct segwriting *g, uint64_t bytes, const char **failed)
{
    struct file *file = g->s.w->file;
    bool made = is_made(feed_room(g->feed)), turned;
    enum moss_status st = feed_put(g->feed, bytes, &turned);

    if (st == MOSS_OK && made)
        st = feed_drain(g->feed);
    g->unasked += bytes;
    if (st < 0 || !turned)
        return st;
    st = file_ask(file, 0, (size_t)g->unasked, NULL);
    g->unasked = 0;
    if (st < 0)
        *failed = "write";
    return st;
}

enum moss_status
segwriting_go_on(struct segwriting *g, uint64_t bytes, uint64_t *written,
                 struct segment_loc *loc)
{
    struct stream *s = &g->s;
    enum moss_status st = MOSS_OK, fed = MOSS_OK;
    const char *failed = NULL; /* at what; the feed may be using s->err */
    struct feed_item one;

    *written = 0;
    while (st == MOSS_OK && *written < bytes) {
        struct feed_item *item = g->feed != NULL ? feed_room(g->feed) : &one;
        uint64_t more;

        st = next_item(g, item);
        if (st < 0)
            failed = "merge";
        if (st != MOSS_OK)
            break;
        more = item_bytes(item);
        *written += more;
        st = g->feed != NULL ? feed_item(g, more, &failed)
                             : stream_take(s, item);
    }
    if (g->feed != NULL)
        fed = feed_drain(g->feed);
    if (fed < 0)
        return fed;
    if (failed != NULL)
        return error_set(s->err, st, failed, s->w->file->path, s->loc.kvs_off);
    if (st != MOSS_DONE)
        return st;
    st = stream_end(s, loc);
    return st < 0 ? st : MOSS_DONE;
}

enum moss_status
segwriter_merge(struct segwriter *w, struct segment *const *segs, size_t n,
                const struct segstack *below, struct segment_loc *loc,
                struct moss_error *err)
{
    struct segwriting *g;
    uint64_t written;
    enum moss_status st = segwriting_new(w, segs, n, below, &g, err);

    if (st == MOSS_OK)
        st = segwriting_go_on(g, UINT64_MAX, &written, loc);
    segwriting_free(g);
    return st == MOSS_DONE ? MOSS_OK : st;
}

enum moss_status
segwriter_copy(struct segwriter *w, const struct segment *seg,
               struct segment_loc *loc, struct moss_error *err)
{
    struct stream s;
    enum moss_status st = stream_begin(&s, w, seg->n, &seg->totals, err);

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
