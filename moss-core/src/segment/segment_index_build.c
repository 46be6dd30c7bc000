/*
 * Building the index of a segment, in memory or on its way into a file: keys
 * come in order, and the index's bytes go out in order, a part at a time.
 *
 * Of a part that is being gathered the builder holds the hashes and the
 * samples; of the group that is being gathered the beginnings of the keys
 * that samples will be made of, since how many bytes the group's keys share
 * is known only at its end.  Of all groups it holds the beginning of the first
 * key, for the heads, which are last.  So memory is bounded but for 64 bytes
 * a group.
 *
 * Where keys share more than what is kept of them, samples come out equal; a
 * search then has more entries to look at.  Where too many hashes fall into
 * one place of a table, the table is not used, and the part is searched by
 * order.
 *
 * One thread.
 */
#include "segment/index_layout.h"

#include <assert.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/arena.h"
#include "base/coding.h"
#include "base/mem.h"

static uint64_t (*test_hash)(struct moss_slice key);

void
index_set_hash(uint64_t (*hash)(struct moss_slice key))
{
    test_hash = hash;
}

uint64_t
index_hash(struct moss_slice key)
{
    if (__builtin_expect(test_hash != NULL, 0))
        return test_hash(key);
    return XXH3_64bits(key.bytes, key.len);
}

/* The beginning of a key. */
struct kept_key {
    uint16_t len; /* of bytes; or more, if the key goes on */
    uint8_t bytes[254];
};
struct kept_first {
    uint32_t len;
    uint8_t bytes[INDEX_PREFIX_MAX + 8];
    uint64_t shared; /* of the group's keys */
};

struct index_builder {
    index_sink sink;
    void *ctx;
    uint64_t max;
    uint64_t n;                 /* added */
    struct moss_slice last_key; /* borrowed */
    struct kept_key last;       /* of it, at the end of a group */

    /* The part that is being gathered. */
    uint64_t *hashes;
    uint64_t *samples;
    uint32_t *places;
    uint64_t base;         /* where its first entry lies */
    uint8_t *table, *fill; /* fill: slots in use, by bucket */

    /* The group that is being gathered. */
    struct kept_key *keys;

    struct kept_first *groups;
    uint64_t *parts; /* the second numbers of their heads */

    size_t mem_bytes;
};

/* Room in the builder's block for n bytes; without a block, it is counted. */
static void *
carve(char *block, size_t *at, size_t n)
{
    size_t from = *at;

    *at += (size_t)align_up(n, 64);
    return block == NULL ? NULL : block + from;
}

/* Divide the block from at on, or only measure it (NULL); returns its end. */
static size_t
divide(struct index_builder *b, char *block, size_t at, uint64_t max)
{
    size_t part = max < INDEX_PART ? (size_t)max : INDEX_PART;
    size_t group = max < INDEX_GROUP ? (size_t)max : INDEX_GROUP;

    b->hashes = carve(block, &at, part * sizeof(*b->hashes));
    b->table = carve(block, &at, bucket_count(part) * BUCKET_BYTES);
    b->samples = carve(block, &at, samples_bytes(part));
    b->places = carve(block, &at, places_bytes(part));
    b->fill = carve(block, &at, bucket_count(part));
    b->keys = carve(block, &at,
                    (group + INDEX_STEP - 1) / INDEX_STEP * sizeof(*b->keys));
    b->groups = carve(block, &at, group_count(max) * sizeof(*b->groups));
    b->parts = carve(block, &at, part_count(max) * sizeof(*b->parts));
    return at;
}

enum moss_status
index_builder_new(uint64_t max, index_sink sink, void *ctx,
                  struct index_builder **out)
{
    struct index_builder measure, *b;
    size_t head = (size_t)align_up(sizeof(*b), 64), bytes;

    *out = NULL;
    bytes = divide(&measure, NULL, head, max);
    b = arena_alloc(bytes);
    if (b == NULL)
        return MOSS_NOMEM;
    (void)divide(b, (char *)b, head, max);
    b->sink = sink;
    b->ctx = ctx;
    b->max = max;
    b->n = 0;
    b->last_key = moss_slice(NULL, 0);
    b->mem_bytes = bytes;
    *out = b;
    return MOSS_OK;
}

void
index_builder_free(struct index_builder *b)
{
    if (b != NULL)
        arena_free(b, b->mem_bytes);
}

/* ------------------------------------------------------------------ */
/* A table                                                            */
/* ------------------------------------------------------------------ */

/* False if too many entries want the same place. */
static bool
make_table(struct index_builder *b, size_t n)
{
    size_t n_buckets = bucket_count(n);

    memset(b->table, 0, n_buckets * BUCKET_BYTES);
    memset(b->fill, 0, n_buckets);
    for (size_t i = 0; i < n; i++) {
        size_t at = hash_bucket(b->hashes[i], n_buckets);

        for (int probe = 1; b->fill[at] == SLOTS; probe++) {
            if (probe == PROBES_MAX || (size_t)probe == n_buckets)
                return false;
            at = at + 1 == n_buckets ? 0 : at + 1;
        }
        store_le32(b->table + at * BUCKET_BYTES + 4 * (size_t)b->fill[at]++,
                   hash_tag(b->hashes[i]) | (uint32_t)i);
    }
    return true;
}

static enum moss_status
end_part(struct index_builder *b, size_t part, size_t n)
{
    size_t used = (n + INDEX_STEP - 1) / INDEX_STEP;
    enum moss_status st;

    b->parts[part] = b->base << 1 | make_table(b, n);
    st = b->sink(b->ctx, b->table, bucket_count(n) * BUCKET_BYTES);
    if (st < 0)
        return st;
    memset(b->samples + used, 0, samples_bytes(n) - used * SAMPLE_BYTES);
    memset(b->places + used, 0, places_bytes(n) - used * PLACE_BYTES);
    st = b->sink(b->ctx, b->samples, samples_bytes(n));
    return st < 0 ? st : b->sink(b->ctx, b->places, places_bytes(n));
}

/* Where entry i of the part lies, from its first on. */
static void
set_place(struct index_builder *b, size_t i, uint64_t off)
{
    bool is_near = off >= b->base && off - b->base < PLACE_NONE;

    store_le32(&b->places[i / INDEX_STEP],
               is_near ? (uint32_t)(off - b->base) : PLACE_NONE);
}

/* ------------------------------------------------------------------ */
/* Samples                                                            */
/* ------------------------------------------------------------------ */

static void
keep(struct kept_key *k, struct moss_slice key)
{
    k->len =
        (uint16_t)(key.len < sizeof(k->bytes) ? key.len : sizeof(k->bytes));
    if (k->len > 0)
        memcpy(k->bytes, key.bytes, k->len);
}

static size_t
shared_kept(const struct kept_key *a, const struct kept_key *b)
{
    return shared_bytes(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);
}

/* The group g of n entries has ended with b->last_key. */
static void
end_group(struct index_builder *b, size_t g, size_t n)
{
    size_t shared;
    uint64_t *samples =
        b->samples + g % GROUPS_OF_PART * (size_t)SAMPLES_OF_GROUP;

    keep(&b->last, b->last_key);
    shared = shared_kept(&b->keys[0], &b->last);
    /* Leave 8 bytes of a key that may go on. */
    if (shared > sizeof(b->last.bytes) - 8)
        shared = sizeof(b->last.bytes) - 8;
    b->groups[g].shared = shared;
    for (size_t i = 0; i * INDEX_STEP < n; i++)
        store_le64(&samples[i], load_prefix(b->keys[i].bytes + shared,
                                            b->keys[i].len - shared));
}

static void
begin_group(struct index_builder *b, size_t g, struct moss_slice key)
{
    struct kept_first *f = &b->groups[g];

    f->len =
        (uint32_t)(key.len < sizeof(f->bytes) ? key.len : sizeof(f->bytes));
    if (f->len > 0)
        memcpy(f->bytes, key.bytes, f->len);
}

/* ------------------------------------------------------------------ */
/* The whole                                                          */
/* ------------------------------------------------------------------ */

enum moss_status
index_builder_add(struct index_builder *b, struct moss_slice key, uint64_t off)
{
    size_t in_part = (size_t)(b->n % INDEX_PART);
    size_t in_group = (size_t)(b->n % INDEX_GROUP);
    size_t g = (size_t)(b->n / INDEX_GROUP);

    assert(b->n < b->max);
    b->hashes[in_part] = index_hash(key);
    if (in_part == 0)
        b->base = off;
    if (in_group == 0)
        begin_group(b, g, key);
    if (in_group % INDEX_STEP == 0) {
        set_place(b, in_part, off);
        keep(&b->keys[in_group / INDEX_STEP], key);
    }
    b->last_key = key;
    b->n++;
    if (in_group + 1 == INDEX_GROUP)
        end_group(b, g, INDEX_GROUP);
    if (in_part + 1 == INDEX_PART)
        return end_part(b, (size_t)(b->n / INDEX_PART) - 1, INDEX_PART);
    return MOSS_OK;
}

enum moss_status
index_builder_add_run(struct index_builder *b, const uint64_t *kvs, size_t n,
                      const uint8_t *buf, uint64_t off)
{
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; i < n && st == MOSS_OK; i++) {
        uint64_t w = kvs[2 * i];
        size_t key_len = (size_t)(w >> ENTRY_KEY_SHIFT & ENTRY_KEY_MASK);

        st = index_builder_add(b, moss_slice(buf + kvs[2 * i + 1], key_len),
                               off);
        off += key_len + (w & ENTRY_VALUE_MASK);
    }
    return st;
}

/* The bytes that all keys share, as far as heads can leave them out. */
static size_t
top_skip(const struct index_builder *b)
{
    size_t max = b->groups[0].len, n;

    if (max > INDEX_PREFIX_MAX)
        max = INDEX_PREFIX_MAX;
    if (max > b->last.len)
        max = b->last.len;
    n = shared_bytes(b->groups[0].bytes, b->last.bytes, max);
    return n;
}

static enum moss_status
put_head(struct index_builder *b, size_t g, size_t skip, uint64_t second)
{
    const struct kept_first *f = &b->groups[g];
    uint8_t head[HEAD_BYTES];

    store_le64(head, load_prefix(f->bytes + skip, f->len - skip));
    store_le64(head + 8, second);
    return b->sink(b->ctx, head, sizeof(head));
}

static enum moss_status
put_heads(struct index_builder *b)
{
    uint8_t tail[TAIL_BYTES] = { 0 };
    size_t skip = top_skip(b);
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; st == MOSS_OK && i < group_count(b->n); i++)
        st = put_head(b, i, skip, b->groups[i].shared);
    for (size_t i = 0; st == MOSS_OK && i < part_count(b->n); i++)
        st = put_head(b, i * GROUPS_OF_PART, skip, b->parts[i]);
    store_le64(tail, b->n);
    store_le64(tail + 8, skip);
    return st < 0 ? st : b->sink(b->ctx, tail, sizeof(tail));
}

enum moss_status
index_builder_finish(struct index_builder *b)
{
    size_t in_part = (size_t)(b->n % INDEX_PART);
    size_t in_group = (size_t)(b->n % INDEX_GROUP);

    assert(b->n > 0);
    if (in_group > 0)
        end_group(b, (size_t)(b->n / INDEX_GROUP), in_group);
    if (in_part > 0) {
        enum moss_status st = end_part(b, (size_t)(b->n / INDEX_PART), in_part);

        if (st < 0)
            return st;
    }
    return put_heads(b);
}
