/*
 * Sorting the entries of a batch by key.
 *
 * What is sorted are pairs of 8 key bytes, as a number, and an entry's index;
 * the keys themselves are looked at only where these numbers are equal.
 *
 * Few items, and all that nothing better is known for, go to a merge sort
 * that compares whole keys.  Many items are first dealt out by their leading
 * bytes that differ at all (a stable radix sort, least significant byte
 * first, of just as many bytes as it takes to tell most items apart).  Each
 * group of items that still agree is then sorted in the same manner: by the
 * rest of the number or, if all of that agrees, by the 8 bytes behind what
 * the group's keys share.  A bound on the depth leaves the pathological rest
 * to the merge sort.
 *
 * Every step is stable, so equal keys stay in the order of arrival.
 */
#include "segment/segment_sort.h"

#include "base/base.h"
#include "base/coding.h"
#include "segment/segment.h"

enum {
    RUN = 12,       /* items that are sorted by insertion */
    FEW = 48,       /* items for which dealing out does not pay */
    TINY = 4,       /* items whose keys may as well be compared */
    MAX_DEPTH = 24, /* of groups within groups */
    SPARE_BITS = 2  /* told apart by radix beyond log2 of the items */
};

struct sorter {
    const uint64_t *kvs;
    const uint8_t *buf;
};

static inline struct moss_slice
key_of(const struct sorter *s, size_t index)
{
    uint64_t w = s->kvs[2 * index];

    return moss_slice(s->buf + s->kvs[2 * index + 1],
                      (size_t)(w >> ENTRY_KEY_SHIFT & ENTRY_KEY_MASK));
}

static bool
is_before_by_key(const struct sorter *s, const struct sort_item *a,
                 const struct sort_item *b, size_t skip)
{
    struct moss_slice x = key_of(s, a->index), y = key_of(s, b->index);

    x.bytes += skip;
    x.len -= skip;
    y.bytes += skip;
    y.len -= skip;
    return slice_compare(x, y) < 0;
}

/* Both keys share at least their first skip bytes. */
static inline bool
is_before(const struct sorter *s, const struct sort_item *a,
          const struct sort_item *b, size_t skip)
{
    if (__builtin_expect(a->prefix == b->prefix, 0))
        return is_before_by_key(s, a, b, skip);
    return a->prefix < b->prefix;
}

/* ------------------------------------------------------------------ */
/* Merge sort                                                         */
/* ------------------------------------------------------------------ */

static void
insertion_sort(const struct sorter *s, struct sort_item *items, size_t n,
               size_t skip)
{
    for (size_t i = 1; i < n; i++) {
        struct sort_item x = items[i];
        size_t j = i;

        while (j > 0 && is_before(s, &x, &items[j - 1], skip)) {
            items[j] = items[j - 1];
            j--;
        }
        items[j] = x;
    }
}

/* Merge the sorted [0, mid) and [mid, n). */
static void
merge_halves(const struct sorter *s, struct sort_item *items,
             struct sort_item *tmp, size_t mid, size_t n, size_t skip)
{
    size_t i = 0, j = mid, k = 0;

    if (!is_before(s, &items[mid], &items[mid - 1], skip))
        return;
    memcpy(tmp, items, mid * sizeof(*items));
    while (i < mid && j < n) {
        bool right = is_before(s, &items[j], &tmp[i], skip);

        items[k++] = right ? items[j] : tmp[i];
        j += right;
        i += !right;
    }
    memcpy(items + k, tmp + i, (mid - i) * sizeof(*items));
}

static void
merge_sort(const struct sorter *s, struct sort_item *items,
           struct sort_item *tmp, size_t n, size_t skip)
{
    for (size_t i = 0; i < n; i += RUN)
        insertion_sort(s, items + i, n - i < RUN ? n - i : RUN, skip);
    for (size_t width = RUN; width < n; width *= 2) {
        for (size_t i = 0; i + width < n; i += 2 * width) {
            size_t end = n - i < 2 * width ? n - i : 2 * width;

            merge_halves(s, items + i, tmp, width, end, skip);
        }
    }
}

/* ------------------------------------------------------------------ */
/* Radix sort                                                         */
/* ------------------------------------------------------------------ */

/* The bits in which the items' prefixes differ. */
static uint64_t
varying_bits(const struct sort_item *items, size_t n)
{
    uint64_t any = 0, all = UINT64_MAX;

    for (size_t i = 0; i < n; i++) {
        any |= items[i].prefix;
        all &= items[i].prefix;
    }
    return any ^ all;
}

/*
 * The bytes to sort by, as a mask: from the first that varies on, so many
 * that their varying bits can tell n items apart.
 */
static uint64_t
choose_bytes(uint64_t vary, size_t n)
{
    int wanted = SPARE_BITS;
    uint64_t mask = 0;

    while (n > 1) {
        wanted++;
        n /= 2;
    }
    for (int shift = 56; shift >= 0 && wanted > 0; shift -= 8) {
        uint64_t byte = (uint64_t)0xff << shift;

        if ((vary & byte) != 0)
            mask |= byte;
        wanted -= __builtin_popcountll(vary & byte);
    }
    return mask;
}

/* One stable pass by the byte at shift. */
static void
deal(const struct sort_item *from, struct sort_item *to, size_t n, int shift)
{
    size_t at[256] = { 0 };
    size_t sum = 0;

    for (size_t i = 0; i < n; i++)
        at[from[i].prefix >> shift & 0xff]++;
    for (size_t i = 0; i < 256; i++) {
        size_t count = at[i];

        at[i] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        to[at[from[i].prefix >> shift & 0xff]++] = from[i];
}

static void
radix_sort(struct sort_item *items, struct sort_item *tmp, size_t n,
           uint64_t mask)
{
    struct sort_item *from = items, *to = tmp;

    for (int shift = 0; shift < 64; shift += 8) {
        struct sort_item *swap = to;

        if ((mask >> shift & 0xff) == 0)
            continue;
        deal(from, to, n, shift);
        to = from;
        from = swap;
    }
    if (from != items)
        memcpy(items, from, n * sizeof(*items));
}

/* ------------------------------------------------------------------ */
/* Groups                                                             */
/* ------------------------------------------------------------------ */

static void sort_group(const struct sorter *s, struct sort_item *items,
                       struct sort_item *tmp, size_t n, size_t skip, int depth);

/* How many bytes all keys share; the first known ones are known to be. */
static size_t
group_prefix(const struct sorter *s, const struct sort_item *items, size_t n,
             size_t known)
{
    struct moss_slice first = key_of(s, items[0].index);
    size_t shared = first.len;

    for (size_t i = 1; i < n && shared > known; i++) {
        struct moss_slice key = key_of(s, items[i].index);

        if (key.len < shared)
            shared = key.len;
        shared = known + shared_bytes(key.bytes + known, first.bytes + known,
                                      shared - known);
    }
    return shared;
}

/*
 * Sort items whose prefixes are all equal.  Where a key ends within the
 * prefix, the missing bytes counted as zero, so the prefix is not shared for
 * certain and the keys are compared.
 */
static void
sort_equal(const struct sorter *s, struct sort_item *items,
           struct sort_item *tmp, size_t n, size_t skip, int depth)
{
    size_t next;

    for (size_t i = 0; i < n; i++) {
        if (key_of(s, items[i].index).len < skip + 8) {
            merge_sort(s, items, tmp, n, skip);
            return;
        }
    }
    next = group_prefix(s, items, n, skip + 8);
    for (size_t i = 0; i < n; i++) {
        struct moss_slice key = key_of(s, items[i].index);

        items[i].prefix = load_prefix(key.bytes + next, key.len - next);
    }
    sort_group(s, items, tmp, n, next, depth + 1);
}

static void
sort_group(const struct sorter *s, struct sort_item *items,
           struct sort_item *tmp, size_t n, size_t skip, int depth)
{
    uint64_t vary, mask;

    if (n <= TINY || depth >= MAX_DEPTH) {
        merge_sort(s, items, tmp, n, skip);
        return;
    }
    vary = varying_bits(items, n);
    if (vary == 0) {
        sort_equal(s, items, tmp, n, skip, depth);
        return;
    }
    if (n <= FEW) {
        merge_sort(s, items, tmp, n, skip);
        return;
    }
    mask = choose_bytes(vary, n);
    radix_sort(items, tmp, n, mask);
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n; j++) {
            if (((items[j].prefix ^ items[i].prefix) & mask) != 0)
                break;
        }
        if (j - i > 1)
            sort_group(s, items + i, tmp, j - i, skip, depth + 1);
    }
}

void
segment_sort(struct sort_item *items, struct sort_item *tmp, size_t n,
             const uint64_t *kvs, const uint8_t *buf, size_t skip)
{
    struct sorter s = { kvs, buf };

    sort_group(&s, items, tmp, n, skip, 0);
}
