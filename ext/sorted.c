/*
 * "WHERE a = ? ORDER BY b" on a key (a, b) is in order as it comes, as long as
 * one key equals the value.  Where a is a text and the value a number, '15'
 * and '15.0' may both do, and the rows of each are in order by themselves
 * only.  This is rare, and so needs to be right more than fast: the keys that
 * may do are collected, and sorted by what is left of them without a.
 */
#include "sorted.h"

#include <math.h>
#include <string.h>

#include "key.h"

void
sorted_release(struct sorted *s)
{
    bytes_release(&s->bytes);
    sqlite3_free(s->v);
    memset(s, 0, sizeof(*s));
}

size_t
sorted_memory(const struct sorted *s)
{
    return s->bytes.cap + s->cap * sizeof(s->v[0]);
}

/* The term on a part that ORDER BY passes over, or NULL. */
static const struct plan_term *
term_of(const struct plan *plan, int part, size_t *i)
{
    for (*i = 0; *i < plan->n; ++*i) {
        const struct plan_term *term = &plan->terms[*i];

        if (term->part == part && term->as_one)
            return term;
    }
    return NULL;
}

/* So many digits are an integer that is a double, too. */
enum { EXACT_DIGITS = 15 };

/*
 * May a stored text equal number, as a number?  No is said of integers only:
 * how a point or an exponent reads, or an infinite number, is left to SQLite,
 * which compares again.  strtod() would round otherwise, and go by the
 * program's locale.
 */
static bool
may_equal(struct moss_slice text, double number)
{
    size_t i = 0, first;
    int64_t integer = 0;
    bool negative;

    while (i < text.len && text.bytes[i] <= ' ')
        i++;
    negative = i < text.len && text.bytes[i] == '-';
    if (i < text.len && (negative || text.bytes[i] == '+'))
        i++;
    for (first = i; i < text.len && i < first + EXACT_DIGITS &&
                    text.bytes[i] >= '0' && text.bytes[i] <= '9';
         i++)
        integer = 10 * integer + (text.bytes[i] - '0');
    if (i == first + EXACT_DIGITS ||
        (i < text.len && strchr(".eE", text.bytes[i]) != NULL))
        return true;
    if (isinf(number))
        return true;
    return (double)(negative ? -integer : integer) == number;
}

/*
 * May the part of a key at *in satisfy its term with value?  Steps over it.
 * MOSS_DONE: no.
 */
static enum moss_status
check_part(const struct key_part *part, sqlite3_value *value,
           struct moss_slice *in, struct bytes *scratch)
{
    int type = sqlite3_value_type(value);
    struct datum d;
    int rc = key_decode(in, KEY_NOTE_NONE, part, false, scratch, &d);

    if (rc != SQLITE_OK)
        return rc == SQLITE_NOMEM ? MOSS_NOMEM : MOSS_CORRUPT;
    if (d.type != SQLITE_TEXT ||
        (type != SQLITE_INTEGER && type != SQLITE_FLOAT))
        return MOSS_OK;
    return may_equal(d.bytes, sqlite3_value_double(value)) ? MOSS_OK
                                                           : MOSS_DONE;
}

/* Append what is left of key without the parts that are passed over. */
static enum moss_status
append_order(struct sorted *s, const struct plan *plan, sqlite3_value **argv,
             struct moss_slice key, struct bytes *scratch)
{
    struct moss_slice in = key;
    enum moss_status st = MOSS_OK;

    for (int part = 0; st == MOSS_OK && part + 1 < plan->n_parts; part++) {
        struct moss_slice from = in;
        size_t i;

        if (term_of(plan, part, &i) != NULL) {
            st = check_part(&plan->parts[part], argv[i], &in, scratch);
        } else if (!key_skip(&in, &plan->parts[part])) {
            return MOSS_CORRUPT;
        } else if (bytes_append(&s->bytes, from.bytes, from.len - in.len) !=
                   SQLITE_OK) {
            return MOSS_NOMEM;
        }
    }
    if (st == MOSS_OK && bytes_append(&s->bytes, in.bytes, in.len) != SQLITE_OK)
        st = MOSS_NOMEM;
    return st;
}

static enum moss_status
add(struct sorted *s, const struct plan *plan, sqlite3_value **argv,
    struct moss_slice key, struct bytes *scratch)
{
    struct sorted_entry e = { .key = s->bytes.n };
    enum moss_status st;

    if (s->n == s->cap) {
        size_t cap = s->cap == 0 ? 64 : 2 * s->cap;
        struct sorted_entry *v = sqlite3_realloc64(s->v, cap * sizeof(*v));

        if (v == NULL)
            return MOSS_NOMEM;
        s->v = v;
        s->cap = cap;
    }
    if (bytes_append(&s->bytes, key.bytes, key.len) != SQLITE_OK)
        return MOSS_NOMEM;
    e.order = s->bytes.n;
    st = append_order(s, plan, argv, key, scratch);
    e.end = s->bytes.n;
    if (st == MOSS_OK)
        s->v[s->n++] = e;
    else
        s->bytes.n = e.key;
    return st == MOSS_DONE ? MOSS_OK : st;
}

static enum moss_status
collect_range(struct sorted *s, struct moss_snapshot *snap,
              const struct plan *plan, sqlite3_value **argv,
              const struct ranges *ranges, const struct range *range,
              struct bytes *scratch)
{
    struct moss_slice lo = ranges_bytes(ranges, range->lo);
    struct moss_slice hi = ranges_bytes(ranges, range->hi);
    struct moss_iterator *it = NULL;
    enum moss_status st = moss_snapshot_iterate(snap, lo.len > 0 ? &lo : NULL,
                                                range->open ? NULL : &hi, &it);

    if (st == MOSS_OK)
        st = moss_iterator_first(it);
    while (st == MOSS_OK) {
        struct moss_slice key, value;

        moss_iterator_current(it, &key, &value);
        st = add(s, plan, argv, key, scratch);
        if (st == MOSS_OK)
            st = moss_iterator_next(it);
    }
    moss_iterator_free(it);
    return st == MOSS_DONE ? MOSS_OK : st;
}

static int
compare(const struct sorted *s, const struct sorted_entry *a,
        const struct sorted_entry *b)
{
    size_t an = a->end - a->order, bn = b->end - b->order;
    size_t n = an < bn ? an : bn;
    int c =
        n == 0 ? 0 : memcmp(s->bytes.p + a->order, s->bytes.p + b->order, n);

    return c != 0 ? c : (an > bn) - (an < bn);
}

/* Put entry i of the heap v[0..n) where it belongs: the greatest on top. */
static void
sift(const struct sorted *s, size_t i, size_t n)
{
    struct sorted_entry e = s->v[i];

    for (size_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && compare(s, &s->v[child], &s->v[child + 1]) < 0)
            child++;
        if (compare(s, &e, &s->v[child]) >= 0)
            break;
        s->v[i] = s->v[child];
        i = child;
    }
    s->v[i] = e;
}

static void
sort(struct sorted *s)
{
    for (size_t i = s->n / 2; i-- > 0;)
        sift(s, i, s->n);
    for (size_t n = s->n; n-- > 1;) {
        struct sorted_entry top = s->v[0];

        s->v[0] = s->v[n];
        s->v[n] = top;
        sift(s, 0, n);
    }
}

enum moss_status
sorted_collect(struct sorted *s, struct moss_snapshot *snap,
               const struct plan *plan, sqlite3_value **argv,
               const struct ranges *ranges)
{
    struct bytes scratch = { 0 };
    enum moss_status st = MOSS_OK;

    s->n = s->bytes.n = 0;
    for (size_t i = 0; st == MOSS_OK && i < ranges->found.n; i++)
        st = collect_range(s, snap, plan, argv, ranges, &ranges->found.v[i],
                           &scratch);
    bytes_release(&scratch);
    if (st == MOSS_OK)
        sort(s);
    return st;
}
