/*
 * Looking at the segments of a snapshot: what they are, and whether all that
 * can be compared agrees.
 *
 * Segments do not change, so any thread may do this beside others.
 */
#include "base/base.h"
#include "base/error.h"
#include "segment/segment_index.h"
#include "stack/snapshot.h"
#include "store/mapped.h"

/* Bytes to verify, and entries to look at, between two calls of go_on. */
#define PIECE_BYTES ((size_t)1 << 20)
#define PIECE_ENTRIES 16384

static const char *
base_name(const char *path)
{
    const char *slash = path == NULL ? NULL : strrchr(path, '/');

    if (path == NULL)
        return "";
    return slash == NULL ? path : slash + 1;
}

static void
describe(const struct segment *seg, size_t level, struct moss_segment_info *out)
{
    memset(out, 0, sizeof *out);
    out->level = level;
    out->entries = seg->n;
    out->deletions = seg->totals.n_del;
    out->merges = seg->totals.n_merge;
    out->key_bytes = seg->totals.key_bytes;
    out->value_bytes = seg->totals.value_bytes;
    out->is_indexed = segment_index(seg) != NULL;
    out->in_file = mapped_segment_is(seg);
    if (out->in_file) {
        const char *name = base_name(mapped_segment_path(seg));
        size_t n = strlen(name);

        memcpy(out->file, name, n < sizeof out->file ? n : 0);
        out->offset = mapped_segment_loc(seg)->kvs_off;
    }
}

enum moss_status
moss_snapshot_each_segment(
    struct moss_snapshot *snap,
    enum moss_status (*each)(void *arg, const struct moss_segment_info *info),
    void *arg)
{
    const struct segstack *stack = snapshot_segments(snap);
    enum moss_status st = MOSS_OK;

    for (size_t i = stack == NULL ? 0 : stack->n; i > 0 && st == MOSS_OK; i--) {
        struct moss_segment_info info;

        describe(stack->segs[i - 1], stack->n - i, &info);
        st = each(arg, &info);
    }
    return st;
}

/* ------------------------------------------------------------------ */
/* Checking                                                           */
/* ------------------------------------------------------------------ */

struct check {
    bool (*go_on)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
    struct moss_error *err;
    uint64_t done, total; /* entries */
    const struct segment *seg;
};

static enum moss_status
ask(const struct check *c)
{
    return c->go_on == NULL || c->go_on(c->ctx, c->done, c->total)
               ? MOSS_OK
               : MOSS_ABORTED;
}

static enum moss_status
wrong(const struct check *c, enum moss_status st, const char *what)
{
    bool in_file = mapped_segment_is(c->seg);
    const char *path = in_file ? mapped_segment_path(c->seg) : NULL;

    return error_set(c->err, st, what, path == NULL ? "" : path,
                     in_file ? mapped_segment_loc(c->seg)->kvs_off : 0);
}

static enum moss_status
check_region(const struct check *c, int region, uint64_t bytes,
             const char *what)
{
    enum moss_status st = MOSS_OK;

    for (uint64_t off = 0; off < bytes && st == MOSS_OK; off += PIECE_BYTES) {
        uint64_t n = bytes - off < PIECE_BYTES ? bytes - off : PIECE_BYTES;

        st = c->seg->ops->verify(c->seg, region, (size_t)off, (size_t)n);
        if (st < 0)
            return wrong(c, st, what);
        st = ask(c);
    }
    return st;
}

static enum moss_status
check_sums(const struct check *c)
{
    const struct segment_index *index = segment_index(c->seg);
    enum moss_status st;

    if (c->seg->ops == NULL || c->seg->ops->verify == NULL)
        return MOSS_OK;
    st = check_region(c, 0, 16 * (uint64_t)c->seg->n,
                      "checksum of a segment's entries");
    if (st == MOSS_OK)
        st = check_region(c, 1, c->seg->buf_bytes,
                          "checksum of a segment's keys and values");
    /* One that was made in memory has no checksums. */
    if (st == MOSS_OK && index != NULL && index->mem_bytes == 0)
        st = check_region(c, 2, index_bytes(c->seg->n),
                          "checksum of a segment's index");
    return st;
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

static enum moss_status
check_entries(struct check *c)
{
    struct segment_window w = segment_window(c->seg);
    struct segment_totals sums = { 0, 0, 0, 0, 0 };
    const struct segment_totals *want = &c->seg->totals;
    struct moss_slice last = { NULL, 0 };
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; i < c->seg->n && st == MOSS_OK; i++) {
        struct entry e;

        st = segment_entry_near(c->seg, i, &w, &e);
        if (st < 0)
            return wrong(c, st, "an entry of a segment");
        if (i > 0 && slice_compare(last, e.key) >= 0)
            return wrong(c, MOSS_CORRUPT, "the order of a segment's entries");
        last = e.key;
        add_entry(&sums, &e);
        c->done++;
        if (i % PIECE_ENTRIES == 0)
            st = ask(c);
    }
    if (st == MOSS_OK &&
        (sums.n_set != want->n_set || sums.n_del != want->n_del ||
         sums.n_merge != want->n_merge || sums.key_bytes != want->key_bytes ||
         sums.value_bytes != want->value_bytes))
        return wrong(c, MOSS_CORRUPT, "the totals of a segment");
    return st;
}

enum moss_status
moss_snapshot_check(struct moss_snapshot *snap,
                    bool (*go_on)(void *ctx, uint64_t done, uint64_t total),
                    void *ctx, struct moss_error *err)
{
    const struct segstack *stack = snapshot_segments(snap);
    struct check c = { .go_on = go_on, .ctx = ctx, .err = err };
    enum moss_status st = MOSS_OK;

    error_clear(err);
    for (size_t i = 0; stack != NULL && i < stack->n; i++)
        c.total += stack->segs[i]->n;
    for (size_t i = 0; stack != NULL && i < stack->n && st == MOSS_OK; i++) {
        c.seg = stack->segs[i];
        st = check_sums(&c);
        if (st == MOSS_OK)
            st = check_entries(&c);
    }
    return st;
}
