/*
 * A segment has the layout that Go moss gives it: the entry array, then, on a
 * page of its own, the byte array.  A Go reader looks neither behind the one
 * nor behind the other.  So the header of the extras stands directly behind
 * the entry array, in the gap that begins there, and the checksums directly
 * behind the byte array, where they can be written last: how many there are
 * is known only when all entries have passed.  The index, which grows with
 * the entries, has a place in the gap, large enough for as many as there may
 * be, and its own checksums behind it.
 *
 *     | entries | header |  gap  | index, checksums |  gap  | bytes | checksums |
 *     kvs_off                                               buf_off
 *
 * The header is found from the segment's location alone, and says where the
 * rest is.  It repeats the location and the file's nonce, and has a checksum
 * over itself, so that a header of another place or another file is none.  A
 * block's checksum is seeded with nonce and place for the same reason.
 *
 * No state; any thread.
 */
#include "store/extras.h"

#include "base/base.h"
#include "base/coding.h"
#include "segment/segment_index.h"
#include "store/checksum.h"
#include "store/file.h"

#define HEAD_BYTES 48u
#define TABLE_OFF 56u
#define SECTION_BYTES 24u
#define MAX_ENTRIES ((uint64_t)1 << 56)
#define MAX_BYTES ((uint64_t)1 << 62)

/* Kinds of sections in the header's table. */
enum extras_kind { EXTRAS_SUMS = 1, EXTRAS_INDEX = 2 };

static const char magic[8] = { 'm', 'o', 's', 's', 'x', 't', 'r', '1' };
/* So that nobody takes what is encoded for entries. */
static const char encoded_magic[8] = { 'm', 'o', 's', 's', 'x', 't', 'r', 'k' };

bool
loc_kind_is_sound(const char *name, size_t n)
{
    if (n == 0 || n >= LOC_KIND || (n == 1 && name[0] == 'a'))
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

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
    uint64_t n = loc_entries(loc);
    uint64_t bytes = loc_is_encoded(loc) ? loc->bytes : loc->buf_bytes;

    if (!region_is_sound(loc->kvs_off, loc->kvs_bytes, end) ||
        !region_is_sound(loc->buf_off, loc->buf_bytes, end))
        return false;
    if ((loc->kvs_bytes % 16 != 0 && !loc_is_encoded(loc)) ||
        loc->kvs_off + loc->kvs_bytes > loc->buf_off)
        return false;
    /* Far more than any store holds, and no sum of them overflows. */
    if (n > MAX_ENTRIES || bytes > MAX_BYTES)
        return false;
    if (loc->n_set > n || loc->n_del > n - loc->n_set)
        return false;
    if (loc->key_bytes > bytes || loc->value_bytes > bytes - loc->key_bytes)
        return false;
    if (!loc->has_extras)
        return true;
    return extras_room(loc) >= EXTRAS_HEADER && loc_end(loc) <= end;
}

struct segment_totals
loc_totals(const struct segment_loc *loc)
{
    struct segment_totals t = {
        .n_set = loc->n_set,
        .n_del = loc->n_del,
        .n_merge = loc_entries(loc) - loc->n_set - loc->n_del,
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

uint64_t
extras_room(const struct segment_loc *loc)
{
    return loc->buf_off - loc->kvs_off - loc->kvs_bytes;
}

/* The first HEAD_BYTES of the header. */
static void
encode_head(const struct segment_loc *loc, uint64_t nonce, uint8_t *out)
{
    memcpy(out, loc_is_encoded(loc) ? encoded_magic : magic, sizeof magic);
    store_le64(out + 8, nonce);
    store_le64(out + 16, loc->kvs_off);
    store_le64(out + 24, loc->kvs_bytes);
    store_le64(out + 32, loc->buf_off);
    store_le64(out + 40, loc->buf_bytes);
}

static void
encode_section(enum extras_kind kind, uint64_t off, uint64_t bytes,
               uint8_t out[SECTION_BYTES])
{
    store_le32(out, kind);
    store_le32(out + 4, 0);
    store_le64(out + 8, off);
    store_le64(out + 16, bytes);
}

uint64_t
extras_index_bytes(uint64_t n)
{
    uint64_t body = index_bytes(n);

    return body + 4 * extras_blocks(body);
}

size_t
extras_encode(const struct segment_loc *loc, const struct extras_index *index,
              uint64_t nonce, uint8_t out[EXTRAS_HEADER_INDEX])
{
    bool has_index = index->bytes > 0;
    size_t length = has_index ? EXTRAS_HEADER_INDEX : EXTRAS_HEADER;

    encode_head(loc, nonce, out);
    store_le32(out + 48, (uint32_t)length);
    store_le32(out + 52, has_index ? 2 : 1); /* sections in the table */
    encode_section(EXTRAS_SUMS, extras_sums_off(loc), sums_bytes(loc),
                   out + TABLE_OFF);
    if (has_index)
        encode_section(EXTRAS_INDEX, index->off, index->bytes,
                       out + TABLE_OFF + SECTION_BYTES);
    store_le64(out + length - 8, checksum64(out, length - 8, nonce));
    return length;
}

/* Is that a place for the index behind a header of length bytes? */
static bool
index_is_sound(const struct segment_loc *loc, const struct extras_index *index,
               uint32_t length)
{
    return loc->kvs_bytes > 0 && index->off % FILE_PAGE == 0 &&
           index->off >= loc->kvs_off + loc->kvs_bytes + length &&
           index->bytes == extras_index_bytes(loc->kvs_bytes / 16) &&
           index->off <= loc->buf_off &&
           index->bytes <= loc->buf_off - index->off;
}

bool
extras_match(const struct segment_loc *loc, uint64_t nonce,
             const uint8_t *bytes, uint64_t room, struct extras_index *index)
{
    struct extras_index found = { 0, 0 }, none = { 0, 0 };
    uint8_t head[HEAD_BYTES], sums[SECTION_BYTES];
    uint32_t length, n;
    bool has_sums = false;

    if (index != NULL)
        *index = none;
    if (room < EXTRAS_HEADER)
        return false;
    encode_head(loc, nonce, head);
    encode_section(EXTRAS_SUMS, extras_sums_off(loc), sums_bytes(loc), sums);
    length = load_le32(bytes + 48);
    n = load_le32(bytes + 52);
    if (memcmp(bytes, head, sizeof head) != 0 || length > room ||
        length > EXTRAS_HEADER_MAX || n > length / SECTION_BYTES ||
        length != TABLE_OFF + SECTION_BYTES * n + 8 ||
        load_le64(bytes + length - 8) != checksum64(bytes, length - 8, nonce))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *section = bytes + TABLE_OFF + SECTION_BYTES * i;

        if (memcmp(section, sums, sizeof sums) == 0)
            has_sums = true;
        if (load_le32(section) == EXTRAS_INDEX) {
            found.off = load_le64(section + 8);
            found.bytes = load_le64(section + 16);
        }
    }
    if (has_sums && index != NULL && index_is_sound(loc, &found, length))
        *index = found;
    return has_sums;
}

uint32_t
extras_sum(const void *bytes, size_t n, uint64_t nonce, uint64_t off)
{
    return (uint32_t)checksum64(bytes, n, nonce ^ off);
}
