/*
 * Building a segment in memory.
 *
 * A builder is the segment to be: one block holds the struct, the entry array
 * and, behind the room for all entries, the byte array.  Large blocks come
 * from the arena pool and go back to it through the reaper.
 *
 *     +--------+------------------------+--------------------------------+
 *     | struct | kvs: 2 words an entry  | buf: key value key value ...   |
 *     +--------+------------------------+--------------------------------+
 *
 * A builder has one owner and one thread; what it becomes is immutable.
 */
#include "base/arena.h"
#include "base/shelf.h"
#include "segment/segment.h"

#include <assert.h>

struct segment_builder {
    struct segment seg; /* first: it is what finish() hands out */
    uint64_t *kvs;      /* seg's, writable */
    uint8_t *buf;
    size_t max_entries, max_bytes;
    size_t mem_bytes; /* of the whole block */
    bool is_brief;    /* which comes from a shelf */
};

/* Blocks smaller than this are not worth shrinking. */
enum { SHRINK_MIN = 64 * 1024 };

static void
memory_release(struct segment *seg)
{
    struct segment_builder *b = container_of(seg, struct segment_builder, seg);

    if (b->is_brief)
        shelf_free(b, b->mem_bytes);
    else
        arena_free(b, b->mem_bytes);
}

static const struct segment_ops memory_ops = { NULL, memory_release };

bool
segment_is_packed(const struct segment *seg)
{
    return seg->ops == &memory_ops;
}

static enum moss_status
new_builder(size_t n, size_t bytes, bool brief, struct segment_builder **out)
{
    size_t head = (size_t)align_up(sizeof(struct segment_builder), 64);
    struct segment_builder *b;
    size_t mem_bytes;

    *out = NULL;
    if (n > SIZE_MAX / 64 || bytes > SIZE_MAX / 2 - head)
        return MOSS_NOMEM;
    mem_bytes = head + 16 * n + bytes;
    brief = brief && mem_bytes <= SHELF_MAX;
    b = brief ? shelf_alloc(mem_bytes) : arena_alloc(mem_bytes);
    if (b == NULL)
        return MOSS_NOMEM;
    memset(b, 0, sizeof(*b));
    b->is_brief = brief;
    b->kvs = (uint64_t *)(void *)((char *)b + head);
    b->buf = (uint8_t *)(b->kvs + 2 * n);
    b->max_entries = n;
    b->max_bytes = bytes;
    b->mem_bytes = mem_bytes;
    refs_init(&b->seg.refs);
    b->seg.ops = &memory_ops;
    b->seg.kvs = b->kvs;
    b->seg.buf = b->buf;
    b->seg.trusted = true;
    b->seg.big = mem_bytes >= ARENA_MIN;
    *out = b;
    return MOSS_OK;
}

enum moss_status
segment_builder_new(size_t n, size_t bytes, struct segment_builder **out)
{
    return new_builder(n, bytes, false, out);
}

enum moss_status
segment_builder_new_brief(size_t n, size_t bytes, struct segment_builder **out)
{
    return new_builder(n, bytes, true, out);
}

static inline void
count_op(struct segment_totals *t, enum moss_op op)
{
    t->n_set += op == MOSS_OP_SET;
    t->n_del += op == MOSS_OP_DEL;
    t->n_merge += op == MOSS_OP_MERGE;
}

void
segment_builder_add(struct segment_builder *b, enum moss_op op,
                    struct moss_slice key, struct moss_slice value)
{
    struct segment *seg = &b->seg;
    uint64_t *words = b->kvs + 2 * seg->n;

    assert(seg->n < b->max_entries);
    assert(key.len + value.len <= b->max_bytes - seg->buf_bytes);
    words[0] = (uint64_t)op << ENTRY_OP_SHIFT |
               (uint64_t)key.len << ENTRY_KEY_SHIFT | (uint64_t)value.len;
    words[1] = seg->buf_bytes;
    if (key.len > 0)
        memcpy(b->buf + seg->buf_bytes, key.bytes, key.len);
    seg->buf_bytes += key.len;
    if (value.len > 0)
        memcpy(b->buf + seg->buf_bytes, value.bytes, value.len);
    seg->buf_bytes += value.len;
    seg->n++;
    count_op(&seg->totals, op);
    seg->totals.key_bytes += key.len;
    seg->totals.value_bytes += value.len;
}

void
segment_builder_add_run(struct segment_builder *b, const uint64_t *kvs,
                        size_t n, const uint8_t *buf)
{
    struct segment *seg = &b->seg;
    uint64_t *words = b->kvs + 2 * seg->n;
    size_t start = seg->buf_bytes;

    assert(n >= 1 && n <= b->max_entries - seg->n);
    for (size_t i = 0; i < n; i++) {
        uint64_t w = kvs[2 * i];
        size_t key_len = (size_t)(w >> ENTRY_KEY_SHIFT & ENTRY_KEY_MASK);
        size_t value_len = (size_t)(w & ENTRY_VALUE_MASK);

        words[2 * i] = w;
        words[2 * i + 1] = seg->buf_bytes;
        seg->buf_bytes += key_len + value_len;
        count_op(&seg->totals,
                 (enum moss_op)(w >> ENTRY_OP_SHIFT & ENTRY_OP_MASK));
        seg->totals.key_bytes += key_len;
        seg->totals.value_bytes += value_len;
    }
    assert(seg->buf_bytes <= b->max_bytes);
    if (seg->buf_bytes > start)
        memcpy(b->buf + start, buf + kvs[1], seg->buf_bytes - start);
    seg->n += n;
}

/* A builder with the same entries and other limits, which they fit. */
static enum moss_status
copy(const struct segment_builder *b, size_t n, size_t bytes,
     struct segment_builder **out)
{
    enum moss_status st = segment_builder_new(n, bytes, out);

    if (st < 0)
        return st;
    (*out)->seg.n = b->seg.n;
    (*out)->seg.buf_bytes = b->seg.buf_bytes;
    (*out)->seg.totals = b->seg.totals;
    memcpy((*out)->kvs, b->kvs, 16 * b->seg.n);
    memcpy((*out)->buf, b->buf, b->seg.buf_bytes);
    return MOSS_OK;
}

enum moss_status
segment_builder_reserve(struct segment_builder **b, size_t n, size_t bytes)
{
    struct segment_builder *old = *b, *grown = NULL;
    size_t max_entries = old->max_entries, max_bytes = old->max_bytes;
    enum moss_status st;

    if (n <= max_entries - old->seg.n &&
        bytes <= max_bytes - old->seg.buf_bytes)
        return MOSS_OK;
    if (n > max_entries - old->seg.n)
        max_entries += max_entries / 2 + n;
    if (bytes > max_bytes - old->seg.buf_bytes)
        max_bytes += max_bytes / 2 + bytes;
    st = copy(old, max_entries, max_bytes, &grown);
    if (st < 0)
        return st;
    segment_builder_free(old);
    *b = grown;
    return MOSS_OK;
}

struct segment *
segment_builder_finish(struct segment_builder *b)
{
    size_t used = 16 * b->seg.n + b->seg.buf_bytes;
    struct segment_builder *small = NULL;

    /* Merging many versions of a key leaves most of the room empty. */
    if (b->mem_bytes >= SHRINK_MIN && used < b->mem_bytes / 2 &&
        copy(b, b->seg.n, b->seg.buf_bytes, &small) == MOSS_OK) {
        segment_builder_free(b);
        b = small;
    }
    segment_init_prefix(&b->seg);
    return &b->seg;
}

void
segment_builder_free(struct segment_builder *b)
{
    if (b != NULL)
        memory_release(&b->seg);
}
