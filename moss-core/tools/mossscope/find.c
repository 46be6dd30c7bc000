/*
 * A segment of this library is found by the header behind its entries, which
 * repeats where the segment lies and has a checksum.  One of Go moss is a guess:
 * a page that begins with entries which point, in the order of their keys,
 * into what follows.
 */
#include "find.h"

#include <stdlib.h>

#include "base/base.h"
#include "base/coding.h"
#include "base/mem.h"
#include "scope.h"

#define MARK "mossxtr1"
#define MARK_BYTES 8
/* How many pages Go's compaction may have left between entries and bytes. */
#define GAP_PAGES 16
#define RESERVED 0xf0000000f0000000u

static void
add(struct found_list *list, const struct segment_loc *loc, uint64_t nonce)
{
    list->items = mem_resize(list->items, list->n + 1, sizeof *list->items);
    if (list->items == NULL)
        scope_must(MOSS_NOMEM);
    list->items[list->n].loc = *loc;
    list->items[list->n].nonce = nonce;
    list->n++;
}

void
found_release(struct found_list *list)
{
    mem_free(list->items);
    list->items = NULL;
    list->n = 0;
}

static uint64_t
map_end(const struct mapping *map)
{
    return map->off + map->n;
}

/* Nothing is known of what is in it but how many entries there are. */
static void
make_loc(uint64_t kvs_off, uint64_t kvs_bytes, uint64_t buf_off,
         uint64_t buf_bytes, bool has_extras, struct segment_loc *loc)
{
    memset(loc, 0, sizeof *loc);
    loc->kvs_off = kvs_off;
    loc->kvs_bytes = kvs_bytes;
    loc->buf_off = buf_off;
    loc->buf_bytes = buf_bytes;
    loc->has_extras = has_extras;
}

/* Is there a header of ours at p, which stands at off? */
static bool
read_header(const struct mapping *map, const uint8_t *p, uint64_t off,
            const uint64_t *nonce, struct segment_loc *loc)
{
    if (map_end(map) - off < EXTRAS_HEADER)
        return false;
    make_loc(load_le64(p + 16), load_le64(p + 24), load_le64(p + 32),
             load_le64(p + 40), true, loc);
    return loc->kvs_bytes > 0 && loc->kvs_off < off &&
           loc->kvs_bytes == off - loc->kvs_off &&
           loc_is_sound(loc, map_end(map)) &&
           (nonce == NULL || load_le64(p + 8) == *nonce) &&
           extras_match(loc, load_le64(p + 8), p, extras_room(loc), NULL);
}

static void
find_ours(const struct mapping *map, uint64_t from, const uint64_t *nonce,
          struct found_list *out)
{
    const uint8_t *p = map->bytes + (from - map->off);
    const uint8_t *end = map->bytes + map->n;

    while (p < end) {
        struct segment_loc loc;
        uint64_t off;

        p = memmem(p, (size_t)(end - p), MARK, MARK_BYTES);
        if (p == NULL)
            return;
        off = map->off + (uint64_t)(p - map->bytes);
        if (off % 16 == 0 && read_header(map, p, off, nonce, &loc) &&
            loc.kvs_off >= from)
            add(out, &loc, load_le64(p + 8));
        p += MARK_BYTES;
        progress_show(off, map_end(map));
    }
}

/* ------------------------------------------------------------------ */
/* Go moss's                                                          */
/* ------------------------------------------------------------------ */

/* How many entries may begin at p, up to the end of the mapping. */
static uint64_t
count_entries(const uint8_t *p, const uint8_t *end)
{
    uint64_t n = 0;

    for (; (size_t)(end - p) >= 16; p += 16, n++) {
        uint64_t word = load_le64(p);
        uint64_t op = word >> ENTRY_OP_SHIFT & ENTRY_OP_MASK;

        if ((word & RESERVED) != 0 || op < MOSS_OP_SET || op > MOSS_OP_MERGE ||
            load_le64(p + 8) >= (uint64_t)(end - p))
            return n;
    }
    return n;
}

/* Do the n entries at kvs sort, with their bytes at buf?  *bytes: of those. */
static bool
entries_sort(const uint8_t *kvs, uint64_t n, const uint8_t *buf,
             const uint8_t *end, uint64_t *bytes)
{
    struct entry e, last = { .key = { NULL, 0 } };
    uint64_t least = UINT64_MAX, room = (uint64_t)(end - buf);

    *bytes = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t words[2] = { load_le64(kvs + 16 * i),
                              load_le64(kvs + 16 * i + 8) };
        uint64_t len;

        if (words[1] > room)
            return false;
        entry_decode(words, buf, &e);
        len = e.key.len + e.value.len;
        if (len > room - words[1] ||
            (i > 0 && slice_compare(last.key, e.key) >= 0))
            return false;
        if (words[1] + len > *bytes)
            *bytes = words[1] + len;
        if (words[1] < least)
            least = words[1];
        last = e;
    }
    return least == 0 && *bytes > 0;
}

/*
 * Does a segment of Go moss begin at off?  *next is where to look on: behind
 * it, or behind what looked like entries.
 */
static bool
guess(const struct mapping *map, uint64_t off, struct segment_loc *loc,
      uint64_t *next)
{
    const uint8_t *end = map->bytes + map->n;
    const uint8_t *kvs = map->bytes + (off - map->off);
    uint64_t n = count_entries(kvs, end), bytes;
    uint64_t buf_off = align_up(off + 16 * n, FILE_PAGE);

    *next = n == 0 ? off + FILE_PAGE : buf_off;
    if (n == 0)
        return false;
    for (int i = 0; i < GAP_PAGES; i++, buf_off += FILE_PAGE) {
        if (buf_off >= map_end(map))
            return false;
        if (!entries_sort(kvs, n, map->bytes + (buf_off - map->off), end,
                          &bytes))
            continue;
        make_loc(off, 16 * n, buf_off, bytes, false, loc);
        *next = align_up(loc_end(loc), FILE_PAGE);
        return loc_is_sound(loc, map_end(map));
    }
    return false;
}

/* In the pages that no segment of ours has. */
static void
find_foreign(const struct mapping *map, uint64_t from, struct found_list *out)
{
    size_t n_ours = out->n, k = 0;
    uint64_t off = from;

    while (off < map_end(map)) {
        struct segment_loc loc;

        if (k < n_ours && off >= out->items[k].loc.kvs_off) {
            uint64_t next = align_up(loc_end(&out->items[k++].loc), FILE_PAGE);

            off = next > off ? next : off;
            continue;
        }
        if (guess(map, off, &loc, &off))
            add(out, &loc, 0);
        progress_show(off, map_end(map));
    }
}

static int
compare_found(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return (x->loc.kvs_off > y->loc.kvs_off) -
           (x->loc.kvs_off < y->loc.kvs_off);
}

void
find_segments(const struct mapping *map, uint64_t from, const uint64_t *nonce,
              bool foreign, struct found_list *out)
{
    memset(out, 0, sizeof *out);
    if (from < map->off)
        from = map->off;
    if (from >= map_end(map))
        return;
    find_ours(map, from, nonce, out);
    if (out->n > 0)
        qsort(out->items, out->n, sizeof *out->items, compare_found);
    if (foreign)
        find_foreign(map, from, out);
    if (out->n > 0)
        qsort(out->items, out->n, sizeof *out->items, compare_found);
}
