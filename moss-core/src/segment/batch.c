/*
 * Batches: the changes of one transaction, in the order they were made.
 *
 * Adding a change appends two words and the bytes of key and value to arrays
 * that are kept over a reset; nothing is sorted here (batch_segments.c).  On
 * the way the bytes that all keys share are counted, since the key is in the
 * cache anyway; sorting begins behind them.
 *
 * One thread at a time.
 */
#include "segment/batch.h"

#include <assert.h>

#include "base/mem.h"
#include "segment/batch_impl.h"

enum {
    MAX_NAME = 1024,
    MAX_DEPTH = 32 /* of collections in collections: bounds recursion */
};

static enum moss_status
reserve_entries(struct moss_batch *batch, size_t n)
{
    size_t cap = batch->cap + batch->cap / 2;
    uint64_t *kvs;

    if (n <= batch->cap - batch->n)
        return MOSS_OK;
    if (cap < batch->n + n)
        cap = batch->n + n;
    if (cap < 16)
        cap = 16;
    kvs = mem_resize(batch->kvs, cap, 16);
    if (kvs == NULL)
        return MOSS_NOMEM;
    batch->kvs = kvs;
    batch->cap = cap;
    return MOSS_OK;
}

enum moss_status
moss_batch_new(size_t ops, size_t bytes, struct moss_batch **out)
{
    struct moss_batch *batch;
    enum moss_status st = MOSS_OK;

    *out = NULL;
    batch = mem_zalloc(1, sizeof(*batch));
    if (batch == NULL)
        return MOSS_NOMEM;
    buf_init(&batch->buf);
    if (ops > 0)
        st = reserve_entries(batch, ops);
    if (st == MOSS_OK && bytes > 0)
        st = buf_reserve(&batch->buf, bytes);
    if (st < 0)
        moss_batch_free(batch);
    else
        *out = batch;
    return st;
}

static void
free_children(struct moss_batch *batch)
{
    for (size_t i = 0; i < batch->n_children; i++) {
        struct batch_child *child = &batch->children[i];

        moss_batch_free(child->batch);
        mem_free((void *)(uintptr_t)child->name.bytes);
        mem_free((void *)(uintptr_t)child->from.bytes);
    }
    batch->n_children = 0;
}

void
moss_batch_free(struct moss_batch *batch)
{
    if (batch == NULL)
        return;
    free_children(batch);
    mem_free(batch->children);
    batch_forget_lent(batch);
    mem_free(batch->kvs);
    buf_release(&batch->buf);
    mem_free(batch);
}

void
moss_batch_reset(struct moss_batch *batch)
{
    free_children(batch);
    moss_batch_truncate(batch, 0);
    batch_forget_lent(batch);
    batch->tag = (struct moss_tag){ 0, 0 };
    batch->cleared = false;
}

/* ------------------------------------------------------------------ */
/* Changes                                                            */
/* ------------------------------------------------------------------ */

static void
note_prefix(struct moss_batch *batch, struct moss_slice key)
{
    const uint8_t *first;

    if (batch->n == 0 || batch->prefix_len > key.len)
        batch->prefix_len = key.len;
    if (batch->n == 0 || batch->prefix_len == 0)
        return;
    first = batch->buf.bytes + batch->kvs[1];
    if (memcmp(first, key.bytes, batch->prefix_len) != 0)
        batch->prefix_len = shared_bytes(first, key.bytes, batch->prefix_len);
}

/* Into room that is there. */
static void
put_bytes(struct buf *buf, struct moss_slice s)
{
    if (s.len > 0)
        memcpy(buf->bytes + buf->len, s.bytes, s.len);
    buf->len += s.len;
}

enum moss_status
batch_reserve_change(struct moss_batch *batch, struct moss_slice key,
                     struct moss_slice value)
{
    if (key.len > MOSS_MAX_KEY || value.len > MOSS_MAX_VALUE)
        return MOSS_TOO_BIG;
    return reserve_entries(batch, 1);
}

void
batch_append_change(struct moss_batch *batch, enum moss_op op,
                    struct moss_slice key, struct moss_slice value,
                    size_t offset)
{
    uint64_t *words = batch->kvs + 2 * batch->n;

    note_prefix(batch, key);
    words[0] = (uint64_t)op << ENTRY_OP_SHIFT |
               (uint64_t)key.len << ENTRY_KEY_SHIFT | (uint64_t)value.len;
    words[1] = offset;
    batch->n++;
}

static enum moss_status
add(struct moss_batch *batch, enum moss_op op, struct moss_slice key,
    struct moss_slice value)
{
    enum moss_status st = batch_reserve_change(batch, key, value);
    size_t n = key.len + value.len;

    if (st < 0)
        return st;
    if (batch->lent == 0) {
        st = buf_reserve(&batch->buf, n);
    } else {
        batch->has_gaps = true; /* what is lent stays before it */
        st = batch_reserve_bytes(batch, n);
    }
    if (st < 0)
        return st;
    batch_append_change(batch, op, key, value, batch->buf.len);
    put_bytes(&batch->buf, key);
    put_bytes(&batch->buf, value);
    return MOSS_OK;
}

enum moss_status
moss_batch_set(struct moss_batch *batch, struct moss_slice key,
               struct moss_slice value)
{
    return add(batch, MOSS_OP_SET, key, value);
}

enum moss_status
moss_batch_del(struct moss_batch *batch, struct moss_slice key)
{
    return add(batch, MOSS_OP_DEL, key, moss_slice(NULL, 0));
}

enum moss_status
moss_batch_merge(struct moss_batch *batch, struct moss_slice key,
                 struct moss_slice operand)
{
    return add(batch, MOSS_OP_MERGE, key, operand);
}

size_t
moss_batch_count(const struct moss_batch *batch)
{
    return batch->n;
}

size_t
moss_batch_bytes(const struct moss_batch *batch)
{
    size_t sum = batch_offset(batch, batch->n);

    if (batch->has_gaps) {
        sum = 0;
        for (size_t i = 0; i < batch->n; i++) {
            uint64_t w = batch->kvs[2 * i];

            sum += (size_t)((w >> ENTRY_KEY_SHIFT & ENTRY_KEY_MASK) +
                            (w & ENTRY_VALUE_MASK));
        }
    }
    for (size_t i = 0; i < batch->n_children; i++) {
        if (batch->children[i].batch != NULL)
            sum += moss_batch_bytes(batch->children[i].batch);
    }
    return sum;
}

enum moss_status
batch_copy_changes(const struct moss_batch *batch, struct moss_batch **out)
{
    size_t bytes = batch_offset(batch, batch->n);
    enum moss_status st = moss_batch_new(batch->n, bytes, out);

    if (st != MOSS_OK || batch->n == 0)
        return st;
    memcpy((*out)->kvs, batch->kvs, 16 * batch->n);
    st = buf_append(&(*out)->buf, batch->buf.bytes, bytes);
    if (st != MOSS_OK) {
        moss_batch_free(*out);
        *out = NULL;
        return st;
    }
    (*out)->n = batch->n;
    (*out)->prefix_len = batch->prefix_len;
    (*out)->has_gaps = batch->has_gaps;
    return MOSS_OK;
}

bool
batch_has_operands(const struct moss_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        if ((batch->kvs[2 * i] >> ENTRY_OP_SHIFT & ENTRY_OP_MASK) ==
            MOSS_OP_MERGE)
            return true;
    }
    return false;
}

size_t
batch_total(const struct moss_batch *batch)
{
    size_t sum = batch->n;

    for (size_t i = 0; i < batch->n_children; i++) {
        if (batch->children[i].batch != NULL)
            sum += batch_total(batch->children[i].batch);
    }
    return sum;
}

void
batch_own_lengths(const struct moss_batch *batch,
                  void (*each)(void *arg, uint64_t key_len, uint64_t value_len,
                               uint64_t n),
                  void *arg)
{
    const uint64_t mask = ENTRY_KEY_MASK << ENTRY_KEY_SHIFT | ENTRY_VALUE_MASK;

    for (size_t i = 0, end; i < batch->n; i = end) {
        uint64_t w = batch->kvs[2 * i] & mask;

        /* Most often they are all alike. */
        for (end = i + 1; end < batch->n; end++) {
            if ((batch->kvs[2 * end] & mask) != w)
                break;
        }
        each(arg, w >> ENTRY_KEY_SHIFT, w & ENTRY_VALUE_MASK, end - i);
    }
}

void
batch_lengths(const struct moss_batch *batch,
              void (*each)(void *arg, uint64_t key_len, uint64_t value_len,
                           uint64_t n),
              void *arg)
{
    batch_own_lengths(batch, each, arg);
    for (size_t i = 0; i < batch->n_children; i++) {
        if (batch->children[i].batch != NULL)
            batch_lengths(batch->children[i].batch, each, arg);
    }
}

enum moss_op
moss_batch_op(const struct moss_batch *batch, size_t i, struct moss_slice *key,
              struct moss_slice *value)
{
    struct entry e;

    assert(i < batch->n);
    if (batch->buf.bytes == NULL) {
        *key = *value = moss_slice("", 0);
        return (enum moss_op)(batch->kvs[2 * i] >> ENTRY_OP_SHIFT &
                              ENTRY_OP_MASK);
    }
    entry_decode(batch->kvs + 2 * i, batch->buf.bytes, &e);
    *key = e.key;
    *value = e.value;
    return e.op;
}

void
moss_batch_truncate(struct moss_batch *batch, size_t count)
{
    if (count >= batch->n)
        return;
    batch_forget_lent(batch);
    batch->buf.len = batch_offset(batch, count);
    batch->n = count;
    batch->has_gaps = batch->has_gaps && count > 0;
}

void
moss_batch_clear(struct moss_batch *batch)
{
    moss_batch_truncate(batch, 0);
    batch_forget_lent(batch);
    batch->cleared = true;
}

bool
batch_is_cleared(const struct moss_batch *batch)
{
    return batch->cleared;
}

void
moss_batch_set_tag(struct moss_batch *batch, struct moss_tag tag)
{
    batch->tag = tag;
}

struct moss_tag
moss_batch_tag(const struct moss_batch *batch)
{
    return batch->tag;
}

/* ------------------------------------------------------------------ */
/* Children                                                           */
/* ------------------------------------------------------------------ */

/* The length of the UTF-8 character at p, n >= 1 bytes there; 0: none. */
static size_t
utf8_length(const uint8_t *p, size_t n)
{
    uint32_t c = p[0], least;
    size_t len;

    if (c < 0x80)
        return 1;
    if (c >= 0xc2 && c < 0xe0) {
        len = 2;
        least = 0x80;
        c &= 0x1f;
    } else if (c >= 0xe0 && c < 0xf0) {
        len = 3;
        least = 0x800;
        c &= 0x0f;
    } else if (c >= 0xf0 && c < 0xf5) {
        len = 4;
        least = 0x10000;
        c &= 0x07;
    } else {
        return 0;
    }
    if (n < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    return len;
}

static bool
contains(struct moss_slice s, const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i + n <= s.len; i++) {
        if (memcmp(s.bytes + i, text, n) == 0)
            return true;
    }
    return false;
}

enum moss_status
batch_check_child_name(struct moss_slice name)
{
    if (name.len < 1 || name.len > MAX_NAME || name.bytes[0] == '.')
        return MOSS_INVALID;
    for (size_t i = 0, len; i < name.len; i += len) {
        len = utf8_length(name.bytes + i, name.len - i);
        if (len == 0 || name.bytes[i] == 0)
            return MOSS_INVALID;
    }
    /* A footer holds the names of children; its own magic must stay unique. */
    if (contains(name, "0m1o2s") || contains(name, "3s4p5s"))
        return MOSS_INVALID;
    return MOSS_OK;
}

static struct batch_child *
find_child(struct moss_batch *batch, struct moss_slice name)
{
    for (size_t i = 0; i < batch->n_children; i++) {
        if (slice_equal(batch->children[i].name, name))
            return &batch->children[i];
    }
    return NULL;
}

/* The child of that name, mentioned from now on.  It has no batch yet. */
static enum moss_status
mention(struct moss_batch *batch, struct moss_slice name,
        struct batch_child **out)
{
    enum moss_status st = batch_check_child_name(name);
    struct batch_child *child;
    void *copy;

    if (st < 0)
        return st;
    *out = find_child(batch, name);
    if (*out != NULL)
        return MOSS_OK;
    if (batch->n_children == batch->cap_children) {
        size_t cap = 2 * batch->cap_children + 4;

        child = mem_resize(batch->children, cap, sizeof(*child));
        if (child == NULL)
            return MOSS_NOMEM;
        batch->children = child;
        batch->cap_children = cap;
    }
    copy = mem_dup(name.bytes, name.len);
    if (copy == NULL)
        return MOSS_NOMEM;
    child = &batch->children[batch->n_children++];
    memset(child, 0, sizeof(*child));
    child->name = moss_slice(copy, name.len);
    *out = child;
    return MOSS_OK;
}

enum moss_status
moss_batch_child(struct moss_batch *batch, struct moss_slice name,
                 struct moss_batch **out)
{
    struct moss_batch *made = NULL;
    struct batch_child *child;
    enum moss_status st;

    *out = NULL;
    if (batch->depth == MAX_DEPTH)
        return MOSS_INVALID;
    child = find_child(batch, name);
    if (child == NULL || child->batch == NULL) {
        /* Made first: a mention without a batch would be a deletion. */
        st = moss_batch_new(0, 0, &made);
        if (st < 0)
            return st;
        made->depth = batch->depth + 1;
        st = mention(batch, name, &child);
        if (st < 0) {
            moss_batch_free(made);
            return st;
        }
        child->batch = made;
    }
    *out = child->batch;
    return MOSS_OK;
}

enum moss_status
moss_batch_del_child(struct moss_batch *batch, struct moss_slice name)
{
    struct batch_child *child;
    enum moss_status st = mention(batch, name, &child);

    if (st < 0)
        return st;
    child->deleted = true;
    moss_batch_free(child->batch);
    child->batch = NULL;
    mem_free((void *)(uintptr_t)child->from.bytes);
    child->from = moss_slice(NULL, 0);
    return MOSS_OK;
}

/* Not there any more by what the batch says. */
static bool
is_gone(const struct batch_child *child)
{
    return child->batch == NULL && child->from.len == 0;
}

/* Can the child be renamed, as far as the batch knows? */
static enum moss_status
check_rename(struct moss_batch *batch, struct moss_slice from,
             struct moss_slice to)
{
    const struct batch_child *source = find_child(batch, from);
    const struct batch_child *target = find_child(batch, to);

    if (batch->depth == MAX_DEPTH || batch_check_child_name(from) != MOSS_OK ||
        batch_check_child_name(to) != MOSS_OK)
        return MOSS_INVALID;
    if (source != NULL && is_gone(source))
        return MOSS_NOT_FOUND;
    if (target != NULL && target != source && !is_gone(target))
        return MOSS_EXISTS;
    return MOSS_OK;
}

/* Mention both, if they are not yet.  Nothing has happened on failure. */
static enum moss_status
mention_both(struct moss_batch *batch, struct moss_slice from,
             struct moss_slice to, struct batch_child **source,
             struct batch_child **target)
{
    size_t before = batch->n_children;
    enum moss_status st = mention(batch, from, source);

    if (st == MOSS_OK && batch->n_children > before)
        (*source)->before = BEFORE_PRESENT;
    if (st == MOSS_OK) {
        size_t n = batch->n_children;

        st = mention(batch, to, target);
        if (st == MOSS_OK && batch->n_children > n)
            (*target)->before = BEFORE_ABSENT;
    }
    if (st == MOSS_OK) {
        *source = find_child(batch, from); /* the array may have moved */
        return MOSS_OK;
    }
    if (batch->n_children > before) {
        /* Left alone it would be a deletion. */
        *source = &batch->children[--batch->n_children];
        mem_free((void *)(uintptr_t)(*source)->name.bytes);
    }
    return st;
}

enum moss_status
moss_batch_rename_child(struct moss_batch *batch, struct moss_slice from,
                        struct moss_slice to)
{
    const struct batch_child *known = find_child(batch, from);
    struct batch_child *source, *target;
    struct moss_batch *changes;
    struct moss_slice origin;
    void *copy = NULL;
    enum moss_status st = check_rename(batch, from, to);

    if (st != MOSS_OK || (known != NULL && slice_equal(from, to)))
        return st;
    if (known == NULL || (known->from.len == 0 && !known->deleted)) {
        copy = mem_dup(from.bytes, from.len);
        if (copy == NULL)
            return MOSS_NOMEM;
    }
    st = mention_both(batch, from, to, &source, &target);
    if (st != MOSS_OK) {
        mem_free(copy);
        return st;
    }
    origin = copy == NULL ? source->from : moss_slice(copy, from.len);
    changes = source->batch;
    source->from = moss_slice(NULL, 0);
    source->batch = NULL;
    source->deleted = true;
    target->from = origin; /* it may be the same one */
    target->batch = changes;
    target->deleted = true;
    return MOSS_OK;
}

size_t
batch_children(const struct moss_batch *batch, const struct batch_child **out)
{
    *out = batch->children;
    return batch->n_children;
}
