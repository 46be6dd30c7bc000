/*
 * First the checksums, then the entries one by one, then their totals.  What
 * lies in a block that is known to be damaged is not reported again.
 */
#include "check_segment.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/base.h"
#include "damage.h"

/* So many problems of one kind are named one by one. */
#define NAMED 10

static void
check_blocks(const struct checked_segment *s, const struct damage *d,
             const char *path)
{
    uint64_t named = 0;

    if (d->header)
        report_problem(s->report, s->file, s->loc->kvs_off + s->loc->kvs_bytes,
                       "the header of a segment's checksums is damaged, in "
                       "collection %s",
                       path);
    for (uint64_t i = 0; i < d->n_blocks && d->n_bad > 0; i++) {
        uint64_t first = i;

        if (!damage_is_bad(d, i))
            continue;
        while (i + 1 < d->n_blocks && i + 1 != d->kvs_blocks &&
               damage_is_bad(d, i + 1))
            i++;
        if (named++ < NAMED)
            report_problem(
                s->report, s->file, damage_block_off(d, s->loc, first),
                "wrong checksum: %" PRIu64
                " blocks of %u bytes, %s of the segment at %" PRIu64
                " in collection %s",
                i - first + 1, EXTRAS_BLOCK,
                first < d->kvs_blocks ? "entries" : "keys and values",
                s->loc->kvs_off, path);
    }
    if (named > NAMED)
        report_problem(s->report, s->file, s->loc->kvs_off,
                       "%" PRIu64 " more such places in this segment",
                       named - NAMED);
}

/* The index: its checksums, and whether it leads to each entry. */
static void
check_index(const struct checked_segment *s, const struct damage *d,
            const char *path)
{
    uint64_t wrong = 0;

    if (d->n_bad_index > 0)
        report_problem(s->report, s->file, d->bad_index_off,
                       "wrong checksum: %" PRIu64
                       " blocks of %u bytes of the index of the segment at "
                       "%" PRIu64 " in collection %s",
                       d->n_bad_index, EXTRAS_BLOCK, s->loc->kvs_off, path);
    if (d->n_bad_index > 0 || d->n_bad > 0 || segment_index(s->seg) == NULL)
        return;
    for (size_t i = 0; i < s->seg->n; i++) {
        struct entry e, found;
        size_t pos;

        if (damage_entry(s->seg, d, i, &e) != ENTRY_GOOD)
            continue;
        if (segment_find(s->seg, e.key, &found) != MOSS_OK ||
            found.key.len != e.key.len ||
            (e.key.len > 0 && found.key.bytes != e.key.bytes) ||
            segment_seek(s->seg, e.key, &pos) != MOSS_OK || pos != i)
            wrong++;
    }
    if (wrong > 0)
        report_problem(s->report, s->file, d->index.off,
                       "the index of the segment at %" PRIu64 " misses %" PRIu64
                       " of %zu entries, in collection %s",
                       s->loc->kvs_off, wrong, s->seg->n, path);
}

static const char *
state_text(enum entry_state state)
{
    return state == ENTRY_NO_OP ? "is neither set, delete nor merge"
                                : "points outside the segment";
}

struct sums {
    struct segment_totals totals;
    uint64_t lost, wrong;
};

static void
name_entry(const struct checked_segment *s, struct sums *sums, size_t i,
           const char *what, const char *path)
{
    if (sums->wrong++ < NAMED)
        report_problem(s->report, s->file, s->loc->kvs_off + 16 * (uint64_t)i,
                       "entry %zu %s, in the segment at %" PRIu64
                       " in collection %s",
                       i, what, s->loc->kvs_off, path);
}

static void
add_entry(struct segment_totals *t, const struct entry *e)
{
    t->n_set += e->op == MOSS_OP_SET;
    t->n_del += e->op == MOSS_OP_DEL;
    t->n_merge += e->op == MOSS_OP_MERGE;
    t->key_bytes += e->key.len;
    t->value_bytes += e->value.len;
}

static void
check_entries(const struct checked_segment *s, const struct damage *d,
              struct sums *sums, const char *path)
{
    struct moss_slice last = { NULL, 0 };
    bool has_last = false;

    for (size_t i = 0; i < s->seg->n; i++) {
        struct entry e;
        enum entry_state state = damage_entry(s->seg, d, i, &e);

        if (state != ENTRY_GOOD) {
            sums->lost++;
            if (state != ENTRY_DAMAGED)
                name_entry(s, sums, i, state_text(state), path);
            continue;
        }
        if (has_last && slice_compare(last, e.key) >= 0)
            name_entry(s, sums, i, "does not sort behind the one before it",
                       path);
        last = e.key;
        has_last = true;
        add_entry(&sums->totals, &e);
    }
    if (sums->wrong > NAMED)
        report_problem(s->report, s->file, s->loc->kvs_off,
                       "%" PRIu64 " more such entries in this segment",
                       sums->wrong - NAMED);
    if (d->n_bad > 0)
        report_problem(s->report, s->file, s->loc->kvs_off,
                       "%" PRIu64 " of %zu entries of this segment cannot be "
                       "read, in collection %s",
                       sums->lost, s->seg->n, path);
}

static void
check_total(const struct checked_segment *s, const char *what,
            uint64_t recorded, uint64_t found, const char *path)
{
    if (recorded != found)
        report_problem(s->report, s->file, s->loc->kvs_off,
                       "the footer counts %" PRIu64 " %s in this segment, "
                       "there are %" PRIu64 ", in collection %s",
                       recorded, what, found, path);
}

void
check_segment(const struct checked_segment *s)
{
    struct damage d;
    struct sums sums = { .lost = 0 };
    struct segment_totals t = loc_totals(s->loc);
    char *path = report_path(s->path);

    damage_find(s->seg, s->loc, s->nonce, &d);
    check_blocks(s, &d, path);
    check_index(s, &d, path);
    check_entries(s, &d, &sums, path);
    if (sums.lost == 0) {
        check_total(s, "sets", t.n_set, sums.totals.n_set, path);
        check_total(s, "deletes", t.n_del, sums.totals.n_del, path);
        check_total(s, "bytes of keys", t.key_bytes, sums.totals.key_bytes,
                    path);
        check_total(s, "bytes of values", t.value_bytes,
                    sums.totals.value_bytes, path);
    }
    damage_release(&d);
    free(path);
}
