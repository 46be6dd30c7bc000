/*
 * Nothing of a segment is checked when it is opened, so that opening takes no
 * time whatever its size.  A block's checksum is compared before the block's
 * first use and the block then marked in a bitmap; once every block is marked,
 * the check is one load.  Two threads may check the same block at the same
 * time; both come to the same end.
 *
 * The bitmap, its count and the place of the checksums are atomic and relaxed:
 * they say something about bytes that never change, and publish no others.
 *
 * Checksums or not, a segment from a file is not trusted: its entries are
 * checked against the bounds of its regions wherever they are used.
 */
#include "store/mapped.h"

#include <stdatomic.h>

#include "base/base.h"
#include "base/coding.h"
#include "base/error.h"
#include "base/mem.h"

struct mapped_segment {
    struct segment base;
    struct mapping *map; /* one reference */
    struct segment_loc loc;
    uint64_t nonce;

    /* The header of the extras has been found good. */
    atomic_bool has_header;
    atomic_uint_fast64_t unverified; /* blocks */
    uint64_t buf_blocks_from;        /* the entry array's come first */
    _Atomic(uint64_t) verified[];    /* one bit a block */
};

static const uint8_t *
at(const struct mapped_segment *m, uint64_t off)
{
    return m->map->bytes + (off - m->map->off);
}

static enum moss_status
check_header(struct mapped_segment *m)
{
    const uint8_t *header = at(m, m->loc.kvs_off + m->loc.kvs_bytes);

    if (atomic_load_explicit(&m->has_header, memory_order_relaxed))
        return MOSS_OK;
    if (!extras_match(&m->loc, m->nonce, header, extras_room(&m->loc)))
        return MOSS_CORRUPT;
    atomic_store_explicit(&m->has_header, true, memory_order_relaxed);
    return MOSS_OK;
}

/* Block i of the segment, of n bytes, stands at off in the file. */
static enum moss_status
check_block(struct mapped_segment *m, uint64_t i, uint64_t off, size_t n)
{
    uint64_t bit = (uint64_t)1 << (i % 64);
    _Atomic(uint64_t) *word = &m->verified[i / 64];

    if ((atomic_load_explicit(word, memory_order_relaxed) & bit) != 0)
        return MOSS_OK;
    if (extras_sum(at(m, off), n, m->nonce, off) !=
        load_le32(at(m, extras_sums_off(&m->loc) + 4 * i)))
        return MOSS_CORRUPT;
    if ((atomic_fetch_or_explicit(word, bit, memory_order_relaxed) & bit) == 0)
        atomic_fetch_sub_explicit(&m->unverified, 1, memory_order_relaxed);
    return MOSS_OK;
}

static enum moss_status
verify(const struct segment *seg, int region, size_t off, size_t n)
{
    /* Segments are const to their readers; what is known of them is not. */
    struct mapped_segment *m =
        container_of((uintptr_t)seg, struct mapped_segment, base);
    uint64_t region_off = region == 0 ? m->loc.kvs_off : m->loc.buf_off;
    uint64_t region_bytes = region == 0 ? m->loc.kvs_bytes : m->loc.buf_bytes;
    uint64_t first_block = region == 0 ? 0 : m->buf_blocks_from;
    enum moss_status st;

    if (n == 0 ||
        atomic_load_explicit(&m->unverified, memory_order_relaxed) == 0)
        return MOSS_OK;
    st = check_header(m);
    for (uint64_t b = off / EXTRAS_BLOCK;
         st == MOSS_OK && b <= (off + n - 1) / EXTRAS_BLOCK; b++) {
        uint64_t begin = b * EXTRAS_BLOCK;
        uint64_t left = region_bytes - begin;

        st = check_block(m, first_block + b, region_off + begin,
                         left < EXTRAS_BLOCK ? (size_t)left : EXTRAS_BLOCK);
    }
    return st;
}

static void
release(struct segment *seg)
{
    struct mapped_segment *m = container_of(seg, struct mapped_segment, base);

    mapping_unref(m->map);
    mem_free(m);
}

static const struct segment_ops checked_ops = { verify, release };
static const struct segment_ops plain_ops = { NULL, release };

/* Takes over map, failure or not. */
static enum moss_status
make_segment(struct mapping *map, const struct segment_loc *loc, uint64_t nonce,
             struct segment **out)
{
    uint64_t kvs_blocks = extras_blocks(loc->kvs_bytes);
    uint64_t blocks = kvs_blocks + extras_blocks(loc->buf_bytes);
    size_t words = loc->has_extras ? (size_t)(blocks / 64 + 1) : 0;
    struct mapped_segment *m =
        mem_zalloc(1, sizeof *m + words * sizeof m->verified[0]);

    if (m == NULL) {
        mapping_unref(map);
        return MOSS_NOMEM;
    }
    refs_init(&m->base.refs);
    m->base.ops = loc->has_extras ? &checked_ops : &plain_ops;
    m->map = map;
    m->loc = *loc;
    m->nonce = nonce;
    m->buf_blocks_from = kvs_blocks;
    atomic_init(&m->has_header, false);
    atomic_init(&m->unverified, blocks);
    m->base.kvs = (const void *)at(m, loc->kvs_off);
    m->base.n = (size_t)(loc->kvs_bytes / 16);
    m->base.buf = at(m, loc->buf_off);
    m->base.buf_bytes = (size_t)loc->buf_bytes;
    m->base.totals = loc_totals(loc);
    segment_init_prefix(&m->base);
    *out = &m->base;
    return MOSS_OK;
}

enum moss_status
mapped_segment_new(struct file *file, struct mapping *whole,
                   const struct segment_loc *loc, uint64_t nonce,
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
    st = make_segment(map, loc, nonce, out);
    return st < 0 ? error_set(err, st, "segment", file->path, loc->kvs_off)
                  : MOSS_OK;
}

const struct segment_loc *
mapped_segment_loc(const struct segment *seg)
{
    const struct mapped_segment *m = (const void *)seg;

    return &m->loc;
}
