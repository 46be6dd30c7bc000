/*
 * Child collections in a batch: changed, made, deleted, renamed.  What becomes
 * of a name is one statement, whatever came before what (struct batch_child),
 * so each call changes the statements of the names it is about, and refuses
 * what cannot be, as far as the batch itself says so.
 *
 * One thread at a time.
 */
#include "segment/batch.h"

#include "base/base.h"
#include "base/mem.h"
#include "segment/batch_impl.h"

enum {
    MAX_NAME = 1024,
    MAX_DEPTH = 32 /* of collections in collections: bounds recursion */
};

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
