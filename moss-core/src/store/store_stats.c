/*
 * What a store has counted.  Counters are guarded by the store's lock, and
 * few: one update adds to them a handful of times.  Histograms are atomic.
 *
 * Any thread.
 */
#include "base/base.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/textout.h"
#include "store/datafile.h"
#include "store/store.h"

/* ------------------------------------------------------------------ */
/* Counting                                                           */
/* ------------------------------------------------------------------ */

void
store_count(struct moss_store *s, const struct segwriter *w)
{
    mutex_lock(&s->mu);
    s->stats.segments_written += w->n_segments;
    s->stats.bytes_written += w->n_bytes;
    mutex_unlock(&s->mu);
}

void
count_usecs(struct moss_store *s, struct histogram *h, uint64_t start_ns)
{
    histogram_add(h, (s->os->ops->monotonic_ns(s->os) - start_ns) / 1000, 1);
}

void
count_begin(struct compaction_count *c, struct moss_store *s,
            uint64_t before_bytes)
{
    c->start_ns = s->os->ops->monotonic_ns(s->os);
    c->before_bytes = before_bytes;
    mutex_lock(&s->mu);
    c->file_bytes = s->file_end;
    mutex_unlock(&s->mu);
}

static void
add_change(uint64_t bytes, uint64_t *sum, uint64_t *max)
{
    *sum += bytes;
    if (*max < bytes)
        *max = bytes;
}

void
count_end(const struct compaction_count *c, struct moss_store *s, bool full,
          uint64_t written)
{
    struct moss_store_stats *t = &s->stats;

    mutex_lock(&s->mu);
    if (full)
        t->compactions++;
    else
        t->partial_compactions++;
    t->compaction_before_bytes += c->before_bytes;
    t->compaction_written_bytes += written;
    t->last_compaction_before_bytes = c->file_bytes;
    t->last_compaction_after_bytes = s->file_end;
    if (s->file_end < c->file_bytes)
        add_change(c->file_bytes - s->file_end, &t->compaction_decrease_bytes,
                   &t->max_compaction_decrease_bytes);
    else
        add_change(s->file_end - c->file_bytes, &t->compaction_increase_bytes,
                   &t->max_compaction_increase_bytes);
    mutex_unlock(&s->mu);
    count_usecs(s, &s->compact_usecs, c->start_ns);
}

/* ------------------------------------------------------------------ */
/* Telling                                                            */
/* ------------------------------------------------------------------ */

void
moss_store_stats(struct moss_store *s, struct moss_store_stats *out)
{
    struct commit *c = store_current(s);
    uint64_t files;

    mutex_lock(&s->mu);
    *out = s->stats;
    out->file_bytes = s->file_end;
    mutex_unlock(&s->mu);
    datafile_name(c->number, out->data_file);
    out->live_bytes = c->live_bytes;
    if (out->file_bytes > c->live_bytes)
        out->dead_bytes = out->file_bytes - c->live_bytes;
    out->segments = c->footer->n_locs;
    for (size_t i = 0; i < c->footer->n_colls; i++) {
        const struct segstack *stack = c->stacks[i];

        if (stack->n > out->max_segments)
            out->max_segments = stack->n;
        for (size_t k = 0; k < stack->n; k++)
            *(k == 0 ? &out->base_bytes : &out->above_bytes) +=
                segment_bytes(stack->segs[k]);
    }
    commit_unref(c);
    if (moss_store_disk_use(s, &files, &out->disk_bytes, NULL) < 0)
        out->disk_bytes = out->file_bytes;
}

void
moss_store_stats_each(const struct moss_store_stats *s,
                      void (*each)(void *arg, const char *name, uint64_t value),
                      void *arg)
{
    each(arg, "num_bytes_used_disk", s->disk_bytes);
    each(arg, "total_persists", s->persists);
    each(arg, "total_compactions", s->compactions);
    each(arg, "total_compactions_partial", s->partial_compactions);
    each(arg, "total_compaction_before_bytes", s->compaction_before_bytes);
    each(arg, "total_compaction_written_bytes", s->compaction_written_bytes);
    each(arg, "num_segments", s->segments);
    each(arg, "num_last_compaction_before_bytes",
         s->last_compaction_before_bytes);
    each(arg, "num_last_compaction_after_bytes",
         s->last_compaction_after_bytes);
    each(arg, "total_compaction_decrease_bytes", s->compaction_decrease_bytes);
    each(arg, "total_compaction_increase_bytes", s->compaction_increase_bytes);
    each(arg, "max_compaction_decrease_bytes",
         s->max_compaction_decrease_bytes);
    each(arg, "max_compaction_increase_bytes",
         s->max_compaction_increase_bytes);
}

static void
add_number(void *arg, const char *name, uint64_t value)
{
    textout_add(arg, "\"%s\":%llu,", name, (unsigned long long)value);
}

size_t
moss_store_stats_json(const struct moss_store_stats *s, char *text, size_t cap)
{
    struct textout out = { text, cap, 0 };

    textout_add(&out, "{");
    moss_store_stats_each(s, add_number, &out);
    add_number(&out, "live_bytes", s->live_bytes);
    add_number(&out, "dead_bytes", s->dead_bytes);
    add_number(&out, "max_segments", s->max_segments);
    add_number(&out, "base_bytes", s->base_bytes);
    add_number(&out, "above_bytes", s->above_bytes);
    add_number(&out, "footers_written", s->footers_written);
    add_number(&out, "segments_written", s->segments_written);
    add_number(&out, "bytes_written", s->bytes_written);
    add_number(&out, "syncs", s->syncs);
    textout_add(&out, "\"data_file\":\"%s\"}", s->data_file);
    return out.len;
}

/* MOSS_NOT_FOUND: a compaction has removed it meanwhile. */
static enum moss_status
add_file_size(struct moss_store *s, uint64_t number, uint64_t *sum,
              struct moss_error *err)
{
    char *path = store_path(s, datafile_name, number);
    struct file *file = NULL;
    uint64_t size = 0;
    enum moss_status st = MOSS_NOMEM;

    if (path == NULL)
        return error_set(err, st, "size", s->dir, 0);
    st = file_open(s->os, path, MOSS_OPEN_READ, &file, err);
    mem_free(path);
    if (st == MOSS_CANTOPEN)
        return MOSS_NOT_FOUND;
    if (st == MOSS_OK)
        st = file_size(file, &size, err);
    *sum += size;
    file_unref(file);
    return st;
}

enum moss_status
moss_store_disk_use(struct moss_store *s, uint64_t *files, uint64_t *bytes,
                    struct moss_error *err)
{
    struct datafile_list list;
    enum moss_status st;

    *files = *bytes = 0;
    error_clear(err);
    st = datafile_scan(s->os, s->dir, &list, err);
    if (st < 0)
        return st;
    for (size_t i = 0; i < list.n_data && st >= 0; i++) {
        st = add_file_size(s, list.data[i], bytes, err);
        *files += st == MOSS_OK;
    }
    datafile_list_release(&list);
    if (st < 0) {
        *files = *bytes = 0;
        return st;
    }
    error_clear(err);
    return MOSS_OK;
}

void
moss_store_histograms(struct moss_store *s, struct moss_histogram *out)
{
    histogram_read(&s->footer_usecs, "PersistFooterUsecs", &out[0]);
    histogram_read(&s->persist_usecs, "PersistUsecs", &out[1]);
    histogram_read(&s->compact_usecs, "CompactUsecs", &out[2]);
}
