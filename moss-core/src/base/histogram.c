/*
 * Histograms with four bins for each power of two: fine enough to see a
 * percentile, few enough to be added up and shown at once, and the bin of a
 * value is found with a shift.
 *
 * Adding is two relaxed atomic additions, by any thread: nothing else depends
 * on them, and a reader who comes in between sees one value more or less.
 */
#include "base/histogram.h"

#include <inttypes.h>
#include <string.h>

#include "base/textout.h"

/* Values below 4 are their own bins; above, bin 4 * (exponent - 1) + fourth. */
static size_t
bin_of(uint64_t value)
{
    unsigned exponent;

    if (value < 4)
        return (size_t)value;
    exponent = 63 - (unsigned)__builtin_clzll(value);
    return 4 * (size_t)(exponent - 1) + (size_t)(value >> (exponent - 2) & 3);
}

static uint64_t
first_of(size_t bin)
{
    return bin < 4 ? bin : (uint64_t)(4 + bin % 4) << (bin / 4 - 1);
}

void
moss_histogram_bin(size_t i, uint64_t *first, uint64_t *last)
{
    *first = *last = 0;
    if (i >= MOSS_HISTOGRAM_BINS)
        return;
    *first = first_of(i);
    *last = i == MOSS_HISTOGRAM_BINS - 1 ? UINT64_MAX : first_of(i + 1) - 1;
}

void
histogram_add(struct histogram *h, uint64_t value, uint64_t n)
{
    atomic_fetch_add_explicit(&h->bins[bin_of(value)], n, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, value * n, memory_order_relaxed);
}

void
histogram_read(const struct histogram *h, const char *name,
               struct moss_histogram *out)
{
    memset(out, 0, sizeof(*out));
    out->name = name;
    out->sum = atomic_load_explicit(&h->sum, memory_order_relaxed);
    for (size_t i = 0; i < MOSS_HISTOGRAM_BINS; i++) {
        out->bins[i] = atomic_load_explicit(&h->bins[i], memory_order_relaxed);
        out->total += out->bins[i];
    }
}

void
moss_histogram_add(struct moss_histogram *h, const struct moss_histogram *from)
{
    h->total += from->total;
    h->sum += from->sum;
    for (size_t i = 0; i < MOSS_HISTOGRAM_BINS; i++)
        h->bins[i] += from->bins[i];
}

uint64_t
moss_histogram_quantile(const struct moss_histogram *h, double part)
{
    double wanted = part * (double)h->total;
    uint64_t sum = 0, first, last = 0;

    for (size_t i = 0; i < MOSS_HISTOGRAM_BINS && sum < h->total; i++) {
        if (h->bins[i] == 0)
            continue;
        sum += h->bins[i];
        moss_histogram_bin(i, &first, &last);
        if ((double)sum >= wanted)
            break;
    }
    return last;
}

/* ------------------------------------------------------------------ */
/* The picture                                                        */
/* ------------------------------------------------------------------ */

enum {
    ROW_BINS = 8,  /* a row is a power of four; the first is 0 to 3 */
    FIRST_ROW = 4, /* bins in it */
    BAR = 30       /* characters of the longest bar */
};

struct row {
    size_t from, to; /* bins */
    uint64_t count;
};

/* The row that begins with bin from. */
static struct row
row_at(const struct moss_histogram *h, size_t from)
{
    struct row row = { from, from + (from == 0 ? FIRST_ROW : ROW_BINS), 0 };

    if (row.to > MOSS_HISTOGRAM_BINS)
        row.to = MOSS_HISTOGRAM_BINS;
    for (size_t i = row.from; i < row.to; i++)
        row.count += h->bins[i];
    return row;
}

/* What the lines have in common. */
struct picture {
    const struct moss_histogram *h;
    const char *prefix;
    uint64_t longest; /* count of the fullest row */
    int digits;       /* of the largest bound shown */
    struct textout out;
};

static void
measure(struct picture *p)
{
    uint64_t first, last = 0;
    struct row row;

    for (size_t i = 0; i < MOSS_HISTOGRAM_BINS; i = row.to) {
        row = row_at(p->h, i);
        if (row.count > p->longest)
            p->longest = row.count;
        if (row.count > 0)
            moss_histogram_bin(row.to - 1, &first, &last);
    }
    for (p->digits = 1; last >= 10; last /= 10)
        p->digits++;
}

static void
show_row(struct picture *p, const struct row *row)
{
    static const char bar[BAR + 1] = "##############################";
    double percent = 100 * (double)row->count / (double)p->h->total;
    double height = BAR * (double)row->count / (double)p->longest;
    uint64_t first, last, ignored;

    moss_histogram_bin(row->from, &first, &ignored);
    moss_histogram_bin(row->to - 1, &ignored, &last);
    textout_add(&p->out, "%s[%*" PRIu64 " - %*" PRIu64 "]", p->prefix,
                p->digits, first, p->digits, last);
    textout_add(&p->out, " %10" PRIu64 " %6.2f%% %.*s\n", row->count, percent,
                (int)height, bar);
}

size_t
moss_histogram_text(const struct moss_histogram *h, const char *prefix,
                    char *text, size_t cap)
{
    struct picture p = {
        h, prefix == NULL ? "" : prefix, 0, 0, { text, cap, 0 }
    };
    struct row row;

    measure(&p);
    textout_add(&p.out, "%s%s (%" PRIu64 " Total)\n", p.prefix, h->name,
                h->total);
    for (size_t i = 0; i < MOSS_HISTOGRAM_BINS; i = row.to) {
        row = row_at(h, i);
        if (row.count > 0)
            show_row(&p, &row);
    }
    return p.out.len;
}

size_t
moss_histogram_json(const struct moss_histogram *h, char *text, size_t cap)
{
    struct textout out = { text, cap, 0 };
    const char *comma = "";

    textout_add(&out,
                "{\"name\":\"%s\",\"total\":%" PRIu64 ",\"sum\":%" PRIu64
                ",\"bins\":[",
                h->name, h->total, h->sum);
    for (size_t i = 0; i < MOSS_HISTOGRAM_BINS; i++) {
        uint64_t first, last;

        if (h->bins[i] == 0)
            continue;
        moss_histogram_bin(i, &first, &last);
        textout_add(&out, "%s[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", comma,
                    first, last, h->bins[i]);
        comma = ",";
    }
    textout_add(&out, "]}");
    return out.len;
}
