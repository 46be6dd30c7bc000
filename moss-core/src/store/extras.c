/*
 * A segment has the layout that Go moss gives it: the entry array, then, on a
 * page of its own, the byte array.  A Go reader looks neither behind the one
 * nor behind the other.  So the header of the extras stands directly behind
 * the entry array, in the gap that begins there, and the checksums directly
 * behind the byte array, where they can be written last: how many there are
 * is known only when all entries have passed.
 *
 *     | entries | header |  gap  | bytes | checksums |
 *     kvs_off                    buf_off
 *
 * All of it is found from the segment's location alone.  The header repeats
 * the location and the file's nonce, and has a checksum over itself, so that
 * a header of another place or another file is none.  A block's checksum is
 * seeded with nonce and place for the same reason.
 *
 * No state; any thread.
 */
#include "store/extras.h"

#include "base/base.h"
#include "base/coding.h"
#include "store/checksum.h"
#include "store/file.h"

/* Kinds of sections in the header's table. */
enum extras_kind { EXTRAS_SUMS = 1 };

static const char magic[8] = { 'm', 'o', 's', 's', 'x', 't', 'r', '1' };

/* Does [off, off+n) lie on a page and in the file up to end? */
static bool
region_is_sound(uint64_t off, uint64_t n, uint64_t end)
{
    return off % FILE_PAGE == 0 && off >= FILE_PAGE && off <= end &&
           n <= end - off;
}

bool
loc_is_sound(const struct segment_loc *loc, uint64_t end)
{
    uint64_t n = loc->kvs_bytes / 16;

    if (!region_is_sound(loc->kvs_off, loc->kvs_bytes, end) ||
        !region_is_sound(loc->buf_off, loc->buf_bytes, end))
        return false;
    if (loc->kvs_bytes % 16 != 0 ||
        loc->kvs_off + loc->kvs_bytes > loc->buf_off)
        return false;
    if (loc->n_set > n || loc->n_del > n - loc->n_set)
        return false;
    if (loc->key_bytes > loc->buf_bytes ||
        loc->value_bytes > loc->buf_bytes - loc->key_bytes)
        return false;
    if (!loc->has_extras)
        return true;
    return loc->buf_off - loc->kvs_off - loc->kvs_bytes >= EXTRAS_HEADER &&
           loc_end(loc) <= end;
}

struct segment_totals
loc_totals(const struct segment_loc *loc)
{
    struct segment_totals t = {
        .n_set = loc->n_set,
        .n_del = loc->n_del,
        .n_merge = loc->kvs_bytes / 16 - loc->n_set - loc->n_del,
        .key_bytes = loc->key_bytes,
        .value_bytes = loc->value_bytes,
    };

    return t;
}

uint64_t
extras_blocks(uint64_t n)
{
    return n / EXTRAS_BLOCK + (n % EXTRAS_BLOCK != 0);
}

uint64_t
extras_sums_off(const struct segment_loc *loc)
{
    return align_up(loc->buf_off + loc->buf_bytes, 8);
}

static uint64_t
sums_bytes(const struct segment_loc *loc)
{
    return 4 * (extras_blocks(loc->kvs_bytes) + extras_blocks(loc->buf_bytes));
}

uint64_t
loc_end(const struct segment_loc *loc)
{
    if (!loc->has_extras)
        return loc->buf_off + loc->buf_bytes;
    return extras_sums_off(loc) + sums_bytes(loc);
}

void
extras_encode(const struct segment_loc *loc, uint64_t nonce,
              uint8_t out[EXTRAS_HEADER])
{
    memcpy(out, magic, sizeof magic);
    store_le64(out + 8, nonce);
    store_le64(out + 16, loc->kvs_off);
    store_le64(out + 24, loc->kvs_bytes);
    store_le64(out + 32, loc->buf_off);
    store_le64(out + 40, loc->buf_bytes);
    store_le32(out + 48, EXTRAS_HEADER);
    store_le32(out + 52, 1); /* entries of the table that follows */
    store_le32(out + 56, EXTRAS_SUMS);
    store_le32(out + 60, 0);
    store_le64(out + 64, extras_sums_off(loc));
    store_le64(out + 72, sums_bytes(loc));
    store_le64(out + 80, checksum64(out, 80, nonce));
}

bool
extras_match(const struct segment_loc *loc, uint64_t nonce,
             const uint8_t bytes[EXTRAS_HEADER])
{
    uint8_t want[EXTRAS_HEADER];

    extras_encode(loc, nonce, want);
    return memcmp(bytes, want, EXTRAS_HEADER) == 0;
}

uint32_t
extras_sum(const void *bytes, size_t n, uint64_t nonce, uint64_t off)
{
    return (uint32_t)checksum64(bytes, n, nonce ^ off);
}
