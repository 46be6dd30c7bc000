/*
 * The library stops at the first byte that is wrong.  Here all blocks are
 * compared with their checksums, and then entry by entry decides whether it
 * and its bytes lie in good ones.
 */
#include "damage.h"

#include "base/mem.h"
#include "segment/segment_index.h"

bool
damage_is_bad(const struct damage *d, uint64_t block)
{
    return d->bad != NULL && (d->bad[block / 8] >> (block % 8) & 1) != 0;
}

uint64_t
damage_block_off(const struct damage *d, const struct segment_loc *loc,
                 uint64_t block)
{
    return block < d->kvs_blocks
               ? loc->kvs_off + block * EXTRAS_BLOCK
               : loc->buf_off + (block - d->kvs_blocks) * EXTRAS_BLOCK;
}

static void
check_region(const struct segment *seg, int region, uint64_t bytes,
             uint64_t first_block, struct damage *d)
{
    for (uint64_t i = 0; i * EXTRAS_BLOCK < bytes; i++) {
        uint64_t off = i * EXTRAS_BLOCK, block = first_block + i;
        uint64_t n = bytes - off < EXTRAS_BLOCK ? bytes - off : EXTRAS_BLOCK;

        if (seg->ops->verify(seg, region, (size_t)off, (size_t)n) == MOSS_OK)
            continue;
        if (d->bad == NULL) {
            d->bad = mem_zalloc((size_t)(d->n_blocks / 8 + 1), 1);
            if (d->bad == NULL)
                scope_must(MOSS_NOMEM);
        }
        d->bad[block / 8] |= (uint8_t)(1u << (block % 8));
        d->n_bad++;
    }
}

static void
check_index(const struct segment *seg, struct damage *d)
{
    uint64_t bytes = d->index.bytes == 0 ? 0 : index_bytes(seg->n);

    for (uint64_t off = 0; off < bytes; off += EXTRAS_BLOCK) {
        uint64_t n = bytes - off < EXTRAS_BLOCK ? bytes - off : EXTRAS_BLOCK;

        if (seg->ops->verify(seg, 2, (size_t)off, (size_t)n) == MOSS_OK)
            continue;
        if (d->n_bad_index++ == 0)
            d->bad_index_off = d->index.off + off;
    }
}

void
damage_find(const struct segment *seg, const struct segment_loc *loc,
            uint64_t nonce, struct damage *d)
{
    memset(d, 0, sizeof *d);
    d->kvs_blocks = extras_blocks(loc->kvs_bytes);
    d->n_blocks = d->kvs_blocks + extras_blocks(loc->buf_bytes);
    if (!loc->has_extras)
        return;
    d->header = !extras_match(loc, nonce, (const void *)(seg->kvs + 2 * seg->n),
                              extras_room(loc), &d->index);
    if (d->header)
        return;
    check_region(seg, 0, loc->kvs_bytes, 0, d);
    check_region(seg, 1, loc->buf_bytes, d->kvs_blocks, d);
    check_index(seg, d);
}

void
damage_release(struct damage *d)
{
    mem_free(d->bad);
    d->bad = NULL;
}

/* Are the blocks of the byte array that hold [off, off+n) all good? */
static bool
bytes_are_good(const struct damage *d, uint64_t off, size_t n)
{
    for (uint64_t b = off / EXTRAS_BLOCK; b <= (off + n - 1) / EXTRAS_BLOCK;
         b++) {
        if (damage_is_bad(d, d->kvs_blocks + b))
            return false;
    }
    return true;
}

enum entry_state
damage_entry(const struct segment *seg, const struct damage *d, size_t i,
             struct entry *e)
{
    const uint64_t *words = seg->kvs + 2 * i;
    uint64_t op = words[0] >> ENTRY_OP_SHIFT & ENTRY_OP_MASK;
    size_t len = (size_t)((words[0] >> ENTRY_KEY_SHIFT & ENTRY_KEY_MASK) +
                          (words[0] & ENTRY_VALUE_MASK));

    if (damage_is_bad(d, (uint64_t)i * 16 / EXTRAS_BLOCK))
        return ENTRY_DAMAGED;
    if (op < MOSS_OP_SET || op > MOSS_OP_MERGE)
        return ENTRY_NO_OP;
    if (len == 0) {
        e->op = (enum moss_op)op;
        e->key = e->value = moss_slice("", 0);
        return ENTRY_GOOD;
    }
    if (words[1] > seg->buf_bytes || len > seg->buf_bytes - words[1])
        return ENTRY_OUTSIDE;
    if (!bytes_are_good(d, words[1], len))
        return ENTRY_DAMAGED;
    entry_decode(words, seg->buf, e);
    return ENTRY_GOOD;
}
