/*
 * Segments and stacks for tests, made of text or at random.  One thread at a
 * time; out of memory aborts, unless the library reports it.
 */
#include "support/segments.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "segment/batch.h"
#include "segment/segment_index.h"
#include "stack/snapshot.h"
#include "support/dump.h"
#include "support/operators.h"

/* One segment of a batch that leaves exactly one. */
static struct segment *
only_segment(const struct moss_batch *batch,
             const struct moss_merge_operator *merge)
{
    struct segment **segs, *seg;
    size_t n;

    assert_ok(
        batch_segments(batch, 0, moss_batch_count(batch), merge, &segs, &n));
    ck_assert_uint_eq(n, 1);
    seg = segs[0];
    mem_free(segs);
    return seg;
}

struct segment *
segment_of(const char *text, const struct moss_merge_operator *merge)
{
    struct moss_batch *batch = batch_of(text);
    struct segment *seg = only_segment(batch, merge);

    moss_batch_free(batch);
    return seg;
}

char *
segment_text(const struct segment *seg)
{
    char *text = NULL;
    size_t len;
    FILE *f = must_alloc(open_memstream(&text, &len));

    for (size_t i = 0; i < seg->n; i++) {
        struct entry e;
        char *key, *value;

        assert_ok(segment_entry(seg, i, &e));
        key = text_of(e.key);
        value = text_of(e.value);
        fprintf(f, "%s%s%s%s%s", i > 0 ? " " : "",
                e.op == MOSS_OP_DEL ? "-" : "", key,
                e.op == MOSS_OP_SET     ? "="
                : e.op == MOSS_OP_MERGE ? "+"
                                        : "",
                value);
        free(key);
        free(value);
    }
    fclose(f);
    return text;
}

/* ------------------------------------------------------ mapped segments */

struct mapped {
    struct segment seg;
    uint64_t *kvs;
    uint8_t *buf;
};

static int verify_fails_in;
static int live;

void
mapped_fail_nth(int n)
{
    verify_fails_in = n;
}

int
mapped_live(void)
{
    return live;
}

static enum moss_status
verify(const struct segment *seg, int region, size_t off, size_t n)
{
    size_t size = region == 0   ? 16 * seg->n
                  : region == 1 ? seg->buf_bytes
                                : (size_t)index_bytes(seg->n);

    ck_assert(off <= size && n <= size - off);
    if (verify_fails_in > 0 && --verify_fails_in == 0)
        return MOSS_CORRUPT;
    return MOSS_OK;
}

static void
release(struct segment *seg)
{
    struct mapped *m = container_of(seg, struct mapped, seg);

    free(m->kvs);
    free(m->buf);
    free(m);
    live--;
}

static const struct segment_ops mapped_ops = { verify, release };

struct segment *
mapped_new(const uint64_t *kvs, size_t n, const void *buf, size_t buf_bytes)
{
    struct mapped *m = must_alloc(calloc(1, sizeof(*m)));

    /* Exactly as large as needed, so that a sanitizer sees the end. */
    m->kvs = must_alloc(malloc(16 * n + 1));
    m->buf = must_alloc(malloc(buf_bytes + (buf_bytes == 0)));
    if (n > 0)
        memcpy(m->kvs, kvs, 16 * n);
    if (buf_bytes > 0)
        memcpy(m->buf, buf, buf_bytes);
    refs_init(&m->seg.refs);
    m->seg.ops = &mapped_ops;
    m->seg.kvs = m->kvs;
    m->seg.n = n;
    m->seg.buf = m->buf;
    m->seg.buf_bytes = buf_bytes;
    segment_init_prefix(&m->seg);
    live++;
    return &m->seg;
}

struct segment *
mapped_of(const struct segment *seg, struct rng *rng)
{
    size_t *order = must_alloc(malloc(sizeof(*order) * (seg->n + 1)));
    uint64_t *kvs = must_alloc(malloc(16 * seg->n + 1));
    uint8_t *buf = must_alloc(malloc(seg->buf_bytes + 1));
    size_t at = 0;
    struct segment *out;

    for (size_t i = 0; i < seg->n; i++) {
        size_t j = rng_below(rng, i + 1);

        order[i] = order[j];
        order[j] = i;
    }
    for (size_t i = 0; i < seg->n; i++) {
        struct entry e;

        assert_ok(segment_entry(seg, order[i], &e));
        kvs[2 * order[i]] = seg->kvs[2 * order[i]];
        kvs[2 * order[i] + 1] = e.key.len + e.value.len == 0 ? 0 : at;
        memcpy(buf + at, e.key.bytes, e.key.len + e.value.len);
        at += e.key.len + e.value.len;
    }
    out = mapped_new(kvs, seg->n, buf, at);
    out->totals = seg->totals;
    free(order);
    free(kvs);
    free(buf);
    return out;
}

/* --------------------------------------------------------------- random */

struct moss_slice
random_key(struct rng *rng, uint8_t *buf)
{
    static const char *const stems[] = { "", "k", "aaaaaaaa", "aaaaaaaab",
                                         "a long prefix that many share" };
    const char *stem = stems[rng_below(rng, 5)];
    size_t len = strlen(stem);
    uint64_t tail = rng_below(rng, 4);

    memcpy(buf, stem, len);
    for (uint64_t i = 0; i < tail; i++)
        buf[len++] = (uint8_t)("\0\1b\xff"[rng_below(rng, 4)]);
    return moss_slice(buf, len);
}

void
random_change(struct rng *rng, struct model *m, struct moss_batch *batch)
{
    uint8_t buf[KEY_ROOM];
    struct moss_slice key = random_key(rng, buf);
    char text[24];
    struct moss_slice value;

    snprintf(text, sizeof(text), "%llu",
             (unsigned long long)rng_below(rng, 1000));
    value = rng_below(rng, 8) == 0 ? moss_slice(NULL, 0) : moss_str(text);
    switch (rng_below(rng, 5)) {
    case 0:
        assert_ok(moss_batch_del(batch, key));
        model_del(m, key);
        break;
    case 1:
        assert_ok(moss_batch_merge(batch, key, value));
        model_append(m, key, value);
        break;
    default:
        assert_ok(moss_batch_set(batch, key, value));
        model_set(m, key, value);
        break;
    }
}

struct segment *
random_layer(struct rng *rng, struct model *m, size_t changes)
{
    struct moss_batch *batch;
    struct segment *seg, *mapped;

    assert_ok(moss_batch_new(0, 0, &batch));
    for (size_t i = 0; i < changes; i++)
        random_change(rng, m, batch);
    seg = only_segment(batch, &merge_append);
    moss_batch_free(batch);
    if (rng_below(rng, 3) > 0)
        return seg;
    mapped = mapped_of(seg, rng);
    segment_unref(seg);
    return mapped;
}

struct segstack *
random_stack(struct rng *rng, struct model *m, size_t n, size_t changes,
             struct moss_snapshot *lower)
{
    struct segment **segs = must_alloc(calloc(n + 1, sizeof(*segs)));
    size_t k = rng_below(rng, n + 1);
    struct segstack *stack;

    for (size_t i = 0; i < k; i++)
        segs[i] = random_layer(rng, m, 1 + rng_below(rng, changes));
    assert_ok(segstack_new(lower, segs, k, &stack));
    for (size_t i = 0; i < k; i++)
        segment_unref(segs[i]);
    free(segs);
    return stack;
}

struct moss_snapshot *
snapshot_of_stack(struct segstack *stack)
{
    struct moss_tag none = { 0, 0 };
    struct moss_snapshot *snap;

    assert_ok(snapshot_new(stack, &merge_append, none, NULL, NULL, &snap));
    segstack_unref(stack);
    return snap;
}

/* ------------------------------------------------------------- checking */

static void
assert_gets(struct moss_snapshot *snap, const struct model *m)
{
    for (size_t i = 0; i < model_count(m); i++) {
        struct moss_slice key, want;
        struct moss_value value;

        model_at(m, i, &key, &want);
        assert_ok(moss_snapshot_get(snap, key, &value));
        ck_assert(slice_equal(value.bytes, want));
        moss_value_release(&value);
    }
}

void
assert_reads_as(struct moss_snapshot *snap, const struct model *m)
{
    size_t n = model_count(m);
    struct moss_slice key, value, k, v;
    struct moss_iterator *it;

    assert_gets(snap, m);
    assert_ok(moss_snapshot_iterate(snap, NULL, NULL, &it));
    for (size_t i = 0; i < n; i++) {
        model_at(m, i, &k, &v);
        assert_ok(moss_iterator_next(it));
        moss_iterator_current(it, &key, &value);
        ck_assert(slice_equal(key, k) && slice_equal(value, v));
    }
    assert_status(moss_iterator_next(it), MOSS_DONE);
    for (size_t i = n; i > 0; i--) {
        model_at(m, i - 1, &k, &v);
        assert_ok(i == n ? moss_iterator_last(it) : moss_iterator_prev(it));
        moss_iterator_current(it, &key, &value);
        ck_assert(slice_equal(key, k) && slice_equal(value, v));
    }
    assert_status(n == 0 ? moss_iterator_last(it) : moss_iterator_prev(it),
                  MOSS_DONE);
    moss_iterator_free(it);
}
