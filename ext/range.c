/*
 * Sets of key ranges.  Each constraint on the key admits a set; a scan visits
 * the intersection, so that neither the number of constraints nor their order
 * matters.  An IN list is one constraint with many ranges.
 *
 * Bounds are offsets into one growing byte string.  A key is kept there with
 * a zero byte behind it: the key alone is the bound "from this key on", with
 * the zero byte it is "behind this key".  So a range whose bounds are these
 * two is a single key, and can be looked up instead of scanned.
 */
#include "range.h"

#include <string.h>

void
ranges_release(struct ranges *r)
{
    bytes_release(&r->keys);
    sqlite3_free(r->found.v);
    sqlite3_free(r->term.v);
    sqlite3_free(r->spare.v);
    memset(r, 0, sizeof(*r));
}

size_t
ranges_memory(const struct ranges *r)
{
    return r->keys.cap +
           (r->found.cap + r->term.cap + r->spare.cap) * sizeof(struct range);
}

static int
list_append(struct range_list *list, struct range range)
{
    if (list->n == list->cap) {
        size_t cap = list->cap == 0 ? 4 : 2 * list->cap;
        struct range *grown = sqlite3_realloc64(list->v, cap * sizeof(range));

        if (grown == NULL)
            return SQLITE_NOMEM;
        list->v = grown;
        list->cap = cap;
    }
    list->v[list->n++] = range;
    return SQLITE_OK;
}

static void
list_swap(struct range_list *a, struct range_list *b)
{
    struct range_list t = *a;

    *a = *b;
    *b = t;
}

int
ranges_reset(struct ranges *r)
{
    struct range all = { { 0, 0 }, { 0, 0 }, true };
    int rc;

    r->keys.n = 0;
    r->found.n = r->term.n = 0;
    /* No key begins at offset 0: the bound {0, 0} is not part of one. */
    rc = bytes_append(&r->keys, "", 1);
    return rc == SQLITE_OK ? list_append(&r->found, all) : rc;
}

void
ranges_term_begin(struct ranges *r)
{
    r->term.n = 0;
}

int
ranges_admit(struct ranges *r, struct bound lo, struct bound hi)
{
    struct range range = { lo, hi, false };

    return list_append(&r->term, range);
}

int
ranges_admit_from(struct ranges *r, struct bound lo)
{
    struct range range = { lo, { 0, 0 }, true };

    return list_append(&r->term, range);
}

void
ranges_only(struct ranges *r, struct bound lo, struct bound hi)
{
    r->found.v[0] = (struct range){ lo, hi, false };
}

int
ranges_key_end(struct ranges *r, size_t off, uint8_t next, struct bound *at,
               struct bound *after)
{
    size_t len = r->keys.n - off;
    int rc = bytes_append(&r->keys, &next, 1);

    at->off = after->off = off;
    at->len = len;
    after->len = len + 1;
    return rc;
}

bool
ranges_are_points(const struct ranges *r)
{
    for (size_t i = 0; i < r->found.n; i++) {
        if (!range_is_point(&r->found.v[i]))
            return false;
    }
    return true;
}

/* Append the parts of point, then bytes, which may move with keys. */
static int
append_joined(struct ranges *r, struct bound point, struct moss_slice bytes,
              struct bound *out)
{
    int rc;

    out->off = r->keys.n;
    out->len = point.len + bytes.len;
    /* Room first: the point lies in the same string. */
    rc = bytes_reserve(&r->keys, out->len);
    if (rc == SQLITE_OK)
        rc = bytes_append(&r->keys, r->keys.p + point.off, point.len);
    if (rc == SQLITE_OK)
        rc = bytes_append(&r->keys, bytes.bytes, bytes.len);
    return rc;
}

/* point, the first parts, with what range says of the parts behind. */
static int
join(struct ranges *r, const struct range *point, const struct ranges *next,
     const struct range *range, struct range *out)
{
    struct moss_slice hi = ranges_bytes(next, range->hi);
    int rc;

    out->open = false;
    if (range->open)
        out->hi = point->hi;
    else if ((rc = append_joined(r, point->lo, hi, &out->hi)) != SQLITE_OK)
        return rc;
    if (range_is_point(range)) {
        out->lo = out->hi;
        out->lo.len--;
        return SQLITE_OK;
    }
    return append_joined(r, point->lo, ranges_bytes(next, range->lo), &out->lo);
}

int
ranges_multiply(struct ranges *r, const struct ranges *next)
{
    int rc = SQLITE_OK;

    r->spare.n = 0;
    for (size_t i = 0; i < r->found.n; i++) {
        for (size_t k = 0; rc == SQLITE_OK && k < next->found.n; k++) {
            struct range both;

            rc = join(r, &r->found.v[i], next, &next->found.v[k], &both);
            if (rc == SQLITE_OK)
                rc = list_append(&r->spare, both);
        }
    }
    list_swap(&r->found, &r->spare);
    return rc;
}

static int
compare(const struct ranges *r, struct bound a, struct bound b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c;

    if (a.off == b.off)
        return (a.len > b.len) - (a.len < b.len);
    c = n == 0 ? 0 : memcmp(r->keys.p + a.off, r->keys.p + b.off, n);
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

/* Does a end before b does? */
static bool
ends_before(const struct ranges *r, const struct range *a,
            const struct range *b)
{
    if (a->open || b->open)
        return !a->open;
    return compare(r, a->hi, b->hi) < 0;
}

/* Merge the sorted v[0..mid) and v[mid..n) into out, by lower bound. */
static void
merge_runs(const struct ranges *r, const struct range *v, size_t mid, size_t n,
           struct range *out)
{
    size_t a = 0, b = mid;

    while (a < mid || b < n) {
        bool first = b == n || (a < mid && compare(r, v[a].lo, v[b].lo) <= 0);

        *out++ = first ? v[a++] : v[b++];
    }
}

/* Sort term by lower bound, using spare. */
static int
sort_term(struct ranges *r)
{
    size_t n = r->term.n;
    bool sorted = true;
    int rc = SQLITE_OK;

    for (size_t i = 1; i < n && sorted; i++)
        sorted = compare(r, r->term.v[i - 1].lo, r->term.v[i].lo) <= 0;
    if (sorted)
        return SQLITE_OK;
    r->spare.n = 0;
    for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
        rc = list_append(&r->spare, r->term.v[i]);
    for (size_t run = 1; run < n && rc == SQLITE_OK; run *= 2) {
        for (size_t i = 0; i < n; i += 2 * run) {
            size_t left = n - i;

            merge_runs(r, r->term.v + i, run < left ? run : left,
                       2 * run < left ? 2 * run : left, r->spare.v + i);
        }
        list_swap(&r->term, &r->spare);
    }
    return rc;
}

/* Make the sorted ranges of term disjoint. */
static void
unite_term(struct ranges *r)
{
    struct range *v = r->term.v;
    size_t n = 0;

    for (size_t i = 0; i < r->term.n; i++) {
        struct range *last = n > 0 ? &v[n - 1] : NULL;

        if (last != NULL &&
            (last->open || compare(r, v[i].lo, last->hi) <= 0)) {
            if (ends_before(r, last, &v[i])) {
                last->hi = v[i].hi;
                last->open = v[i].open;
            }
        } else {
            v[n++] = v[i];
        }
    }
    r->term.n = n;
}

static bool
intersect(const struct ranges *r, const struct range *a, const struct range *b,
          struct range *out)
{
    *out = ends_before(r, b, a) ? *b : *a;
    out->lo = compare(r, a->lo, b->lo) < 0 ? b->lo : a->lo;
    return out->open || compare(r, out->lo, out->hi) < 0;
}

/* Is nothing left out yet? */
static bool
is_all(const struct range_list *list)
{
    return list->n == 1 && list->v[0].lo.len == 0 && list->v[0].open;
}

int
ranges_term_end(struct ranges *r)
{
    size_t i = 0, k = 0;
    int rc = sort_term(r);

    if (rc != SQLITE_OK)
        return rc;
    unite_term(r);
    if (is_all(&r->found)) {
        list_swap(&r->found, &r->term);
        return SQLITE_OK;
    }
    r->spare.n = 0;
    while (i < r->found.n && k < r->term.n) {
        const struct range *a = &r->found.v[i], *b = &r->term.v[k];
        struct range both;

        if (intersect(r, a, b, &both))
            rc = list_append(&r->spare, both);
        if (rc != SQLITE_OK)
            return rc;
        if (ends_before(r, a, b))
            i++;
        else
            k++;
    }
    list_swap(&r->found, &r->spare);
    return SQLITE_OK;
}
