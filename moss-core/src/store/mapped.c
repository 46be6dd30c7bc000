/*
 * Of a segment little more than its ends is looked at when it is opened, so
 * that opening takes no time whatever its size.  A block's checksum is compared
 * before the block's first use and the block then marked in a bitmap; once
 * every block is marked, the check is one load.  Two threads may check the same
 * block at the same time; both come to the same end.
 *
 * The bitmap and its counts are atomic and relaxed: they say something about
 * bytes that never change, and publish no others.
 *
 * Checksums or not, a segment from a file is not trusted: its entries are
 * checked against the bounds of its regions wherever they are used.
 */
#include "store/mapped.h"

#include <stdatomic.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/coding.h"
#include "base/error.h"
#include "base/mem.h"
#include "segment/segment_index.h"

/* The entry array, the byte array, or the index. */
struct region {
    uint64_t off, bytes; /* in the file */
    uint64_t sums_off;   /* a checksum for each block */
    uint64_t first_bit;  /* of its blocks in the bitmap */
};
enum { REGIONS = 3 };

struct mapped_segment {
    struct segment base;
    struct mapping *map; /* one reference; NULL: it was decoded */
    void *decoded;       /* owned: entries and bytes */
    size_t decoded_bytes;
    struct lacking lacking; /* of it */
    struct segment_loc loc;
    uint64_t nonce;
    struct region regions[REGIONS];
    bool has_header; /* that of the extras is good */
    size_t mem_bytes;

    /*
     * Written while there is something left to verify: on lines of their own,
     * so that this does not slow down those who read the rest.
     */
    _Alignas(64) atomic_uint_fast64_t unverified[REGIONS]; /* blocks */
    _Alignas(64) _Atomic(uint64_t) verified[];             /* a bit a block */
};

static const uint8_t *
at(const struct mapped_segment *m, uint64_t off)
{
    return m->map->bytes + (off - m->map->off);
}

/* Block b of region r. */
static enum moss_status
check_block(struct mapped_segment *m, int r, uint64_t b)
{
    const struct region *region = &m->regions[r];
    uint64_t i = region->first_bit + b, bit = (uint64_t)1 << (i % 64);
    uint64_t begin = b * EXTRAS_BLOCK, left = region->bytes - begin;
    uint64_t off = region->off + begin;
    _Atomic(uint64_t) *word = &m->verified[i / 64];

    if ((atomic_load_explicit(word, memory_order_relaxed) & bit) != 0)
        return MOSS_OK;
    if (extras_sum(at(m, off), left < EXTRAS_BLOCK ? left : EXTRAS_BLOCK,
                   m->nonce, off) != load_le32(at(m, region->sums_off + 4 * b)))
        return MOSS_CORRUPT;
    if ((atomic_fetch_or_explicit(word, bit, memory_order_relaxed) & bit) == 0)
        atomic_fetch_sub_explicit(&m->unverified[r], 1, memory_order_relaxed);
    return MOSS_OK;
}

static enum moss_status
verify(const struct segment *seg, int r, size_t off, size_t n)
{
    /* Segments are const to their readers; what is known of them is not. */
    struct mapped_segment *m =
        container_of((uintptr_t)seg, struct mapped_segment, base);
    enum moss_status st = MOSS_OK;

    if (n == 0 ||
        atomic_load_explicit(&m->unverified[r], memory_order_relaxed) == 0)
        return MOSS_OK;
    if (!m->has_header)
        return MOSS_CORRUPT;
    for (uint64_t b = off / EXTRAS_BLOCK;
         st == MOSS_OK && b <= (off + n - 1) / EXTRAS_BLOCK; b++)
        st = check_block(m, r, b);
    return st;
}

/* Of a segment that was decoded, but for what is lacking. */
static enum moss_status
verify_decoded(const struct segment *seg, int r, size_t off, size_t n)
{
    const struct mapped_segment *m = (const void *)seg;

    for (size_t i = 0; i < m->lacking.n; i++) {
        const struct lacking_range *range = &m->lacking.ranges[i];

        if (range->region == r && off < range->to && range->from < off + n)
            return MOSS_CORRUPT;
    }
    return MOSS_OK;
}

static void
release(struct segment *seg)
{
    struct mapped_segment *m = container_of(seg, struct mapped_segment, base);

    lacking_release(&m->lacking);
    mapping_unref(m->map);
    arena_free(m->decoded, m->decoded_bytes);
    arena_free(m, m->mem_bytes);
}

static const struct segment_ops checked_ops = { verify, release };
static const struct segment_ops plain_ops = { NULL, release };
static const struct segment_ops lacking_ops = { verify_decoded, release };

/* Where its regions are and what they were checked for; returns the bits. */
static uint64_t
set_regions(struct region regions[REGIONS], const struct segment_loc *loc,
            const struct extras_index *index)
{
    uint64_t n = loc->kvs_bytes / 16;
    uint64_t kvs_blocks = extras_blocks(loc->kvs_bytes);
    uint64_t buf_blocks = extras_blocks(loc->buf_bytes);
    uint64_t body = index->bytes == 0 ? 0 : index_bytes(n);
    uint64_t sums = extras_sums_off(loc);
    struct region kvs = { loc->kvs_off, loc->kvs_bytes, sums, 0 };
    struct region buf = { loc->buf_off, loc->buf_bytes, sums + 4 * kvs_blocks,
                          kvs_blocks };
    struct region idx = { index->off, body, index->off + body,
                          kvs_blocks + buf_blocks };

    regions[0] = kvs;
    regions[1] = buf;
    regions[2] = idx;
    return kvs_blocks + buf_blocks + extras_blocks(body);
}

/* An index whose end is damaged is not used; only want of memory fails. */
static enum moss_status
attach_index(struct mapped_segment *m)
{
    const struct region *region = &m->regions[2];
    size_t tail = (size_t)index_tail_off(m->base.n);
    enum moss_status st;

    if (region->bytes == 0)
        return MOSS_OK;
    st = verify(&m->base, 2, tail, (size_t)region->bytes - tail);
    if (st == MOSS_OK)
        st = index_attach(&m->base, at(m, region->off));
    return st == MOSS_NOMEM ? st : MOSS_OK;
}

/* Takes over map, failure or not. */
static enum moss_status
make_segment(struct mapping *map, const struct segment_loc *loc, uint64_t nonce,
             struct segment **out)
{
    const uint8_t *header =
        map->bytes + (loc->kvs_off + loc->kvs_bytes - map->off);
    struct extras_index index = { 0, 0 };
    struct region regions[REGIONS];
    struct mapped_segment *m;
    bool has_header = loc->has_extras && extras_match(loc, nonce, header,
                                                      extras_room(loc), &index);
    uint64_t bits = set_regions(regions, loc, &index);
    size_t words = loc->has_extras ? (size_t)(bits / 64 + 1) : 0;
    enum moss_status st;
    size_t mem_bytes = sizeof *m + words * sizeof m->verified[0];

    m = arena_alloc(mem_bytes);
    if (m == NULL) {
        mapping_unref(map);
        return MOSS_NOMEM;
    }
    memset(m, 0, mem_bytes);
    m->mem_bytes = mem_bytes;
    refs_init(&m->base.refs);
    m->base.ops = loc->has_extras ? &checked_ops : &plain_ops;
    m->map = map;
    m->loc = *loc;
    m->nonce = nonce;
    m->has_header = has_header;
    for (int r = 0; r < REGIONS; r++) {
        m->regions[r] = regions[r];
        atomic_init(&m->unverified[r], extras_blocks(regions[r].bytes));
    }
    m->base.kvs = (const void *)at(m, loc->kvs_off);
    m->base.n = (size_t)(loc->kvs_bytes / 16);
    m->base.buf = at(m, loc->buf_off);
    m->base.buf_bytes = (size_t)loc->buf_bytes;
    m->base.totals = loc_totals(loc);
    segment_init_prefix(&m->base);
    st = attach_index(m);
    if (st < 0)
        release(&m->base);
    else
        *out = &m->base;
    return st;
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

enum moss_status
lacking_add(struct lacking *l, int region, uint64_t from, uint64_t to)
{
    struct lacking_range *more =
        mem_resize(l->ranges, l->n + 1, sizeof *l->ranges);

    if (more == NULL)
        return MOSS_NOMEM;
    l->ranges = more;
    more[l->n++] = (struct lacking_range){ region, from, to };
    return MOSS_OK;
}

void
lacking_release(struct lacking *l)
{
    mem_free(l->ranges);
    *l = (struct lacking){ 0 };
}

enum moss_status
mapped_segment_decoded(const struct segment_loc *loc, void *memory,
                       struct lacking *lacking, struct segment **out)
{
    struct mapped_segment *m = arena_alloc(sizeof *m);
    size_t kvs_bytes = (size_t)(16 * loc->entries);
    size_t bytes = kvs_bytes + (size_t)loc->bytes;

    *out = NULL;
    if (m == NULL) {
        arena_free(memory, bytes);
        return MOSS_NOMEM;
    }
    memset(m, 0, sizeof *m);
    m->mem_bytes = sizeof *m;
    refs_init(&m->base.refs);
    m->base.ops = lacking->n == 0 ? &plain_ops : &lacking_ops;
    m->lacking = *lacking;
    *lacking = (struct lacking){ 0 };
    m->base.big = bytes >= ARENA_MIN;
    m->loc = *loc;
    m->decoded = memory;
    m->decoded_bytes = bytes;
    m->base.kvs = memory;
    m->base.n = (size_t)loc->entries;
    m->base.buf = (const uint8_t *)memory + kvs_bytes;
    m->base.buf_bytes = (size_t)loc->bytes;
    m->base.totals = loc_totals(loc);
    segment_init_prefix(&m->base);
    *out = &m->base;
    return MOSS_OK;
}

void
mapped_segment_written(struct segment *seg)
{
    struct mapped_segment *m = container_of(seg, struct mapped_segment, base);

    for (int r = 0; m->has_header && r < REGIONS; r++)
        atomic_store_explicit(&m->unverified[r], 0, memory_order_relaxed);
}

const struct segment_loc *
mapped_segment_loc(const struct segment *seg)
{
    const struct mapped_segment *m = (const void *)seg;

    return &m->loc;
}

bool
mapped_segment_is(const struct segment *seg)
{
    return seg->ops == &checked_ops || seg->ops == &plain_ops ||
           seg->ops == &lacking_ops;
}

const char *
mapped_segment_path(const struct segment *seg)
{
    const struct mapped_segment *m = (const void *)seg;

    return m->map == NULL ? NULL : m->map->file->path;
}
