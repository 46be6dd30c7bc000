/*
 * A change copies the collections on its path unless nobody else refers to
 * them; what is not on the path is shared.
 */
#include "support/key_model.h"

#include <stdlib.h>

#include "base/base.h"
#include "base/coding.h"
#include "support/fixture.h"

/* ----------------------------------------------------------------- blobs */

struct blob *
blob_new(const void *bytes, size_t len)
{
    struct blob *b = must_alloc(malloc(sizeof(*b) + len));

    b->refs = 1;
    b->len = len;
    if (len > 0 && bytes != NULL)
        memcpy(b->bytes, bytes, len);
    return b;
}

struct blob *
blob_ref(struct blob *b)
{
    b->refs++;
    return b;
}

void
blob_unref(struct blob *b)
{
    if (b != NULL && --b->refs == 0)
        free(b);
}

struct moss_slice
blob_slice(const struct blob *b)
{
    return moss_slice(b->bytes, b->len);
}

size_t
key_table_find(const struct key_table *t, struct moss_slice key)
{
    size_t low = 0, high = t->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_compare(blob_slice(t->keys[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ----------------------------------------------------------------- trees */

struct key_model *
key_model_new(size_t n_keys)
{
    struct key_model *m =
        must_alloc(calloc(1, sizeof(*m) + n_keys * sizeof(m->values[0])));

    m->refs = 1;
    m->n = n_keys;
    return m;
}

struct key_model *
key_model_ref(struct key_model *m)
{
    m->refs++;
    return m;
}

void
key_model_unref(struct key_model *m)
{
    if (m == NULL || --m->refs > 0)
        return;
    for (size_t i = 0; i < m->n; i++)
        blob_unref(m->values[i]);
    for (size_t i = 0; i < KEY_NAMES; i++)
        key_model_unref(m->children[i]);
    free(m);
}

/* One that may be changed; takes over m. */
static struct key_model *
own(struct key_model *m)
{
    struct key_model *copy;

    if (m->refs == 1)
        return m;
    copy = key_model_new(m->n);
    for (size_t i = 0; i < m->n; i++) {
        if (m->values[i] != NULL)
            copy->values[i] = blob_ref(m->values[i]);
    }
    for (size_t i = 0; i < KEY_NAMES; i++) {
        if (m->children[i] != NULL)
            copy->children[i] = key_model_ref(m->children[i]);
    }
    key_model_unref(m);
    return copy;
}

struct blob *
key_merge_append(const struct blob *old, const struct blob *operand)
{
    size_t before = old == NULL ? 0 : old->len;
    struct blob *b = blob_new(NULL, before + operand->len);

    if (before > 0)
        memcpy(b->bytes, old->bytes, before);
    if (operand->len > 0)
        memcpy(b->bytes + before, operand->bytes, operand->len);
    return b;
}

struct blob *
key_merge_add(const struct blob *old, const struct blob *operand)
{
    struct blob *b = blob_new(NULL, 8);
    uint64_t before = old == NULL ? 0 : load_le64(old->bytes);

    store_le64(b->bytes, before + load_le64(operand->bytes));
    return b;
}

/* Whether it went as it must when a batch is prepared. */
static bool
rename_child(struct key_model *m, uint8_t from, uint8_t to)
{
    bool is_taken = m->children[to] != NULL;

    if (m->children[from] == NULL)
        return false;
    key_model_unref(m->children[to]);
    m->children[to] = m->children[from];
    m->children[from] = NULL;
    return !is_taken;
}

/* In a collection that may be changed.  False: a rename is refused. */
static bool
change_here(struct key_model *m, const struct change *c, key_merge merge)
{
    struct blob *old;

    switch (c->kind) {
    case CHANGE_SET:
        blob_unref(m->values[c->key]);
        m->values[c->key] = blob_ref(c->value);
        break;
    case CHANGE_DEL:
        blob_unref(m->values[c->key]);
        m->values[c->key] = NULL;
        break;
    case CHANGE_MERGE:
        old = m->values[c->key];
        m->values[c->key] = merge(old, c->value);
        blob_unref(old);
        break;
    case CHANGE_CHILD:
        if (m->children[c->name] == NULL)
            m->children[c->name] = key_model_new(m->n);
        break;
    case CHANGE_DEL_CHILD:
        key_model_unref(m->children[c->name]);
        m->children[c->name] = NULL;
        break;
    case CHANGE_CLEAR:
        for (size_t i = 0; i < m->n; i++) {
            blob_unref(m->values[i]);
            m->values[i] = NULL;
        }
        break;
    case CHANGE_RENAME:
        return rename_child(m, c->name, c->to);
    }
    return true;
}

struct key_model *
key_model_apply(struct key_model *m, const struct change *changes, size_t n,
                key_merge merge, bool *refused)
{
    struct key_model *top = key_model_ref(m);

    if (refused != NULL)
        *refused = false;

    for (size_t i = 0; i < n; i++) {
        const struct change *c = &changes[i];
        struct key_model **at = &top;

        *at = own(*at);
        for (size_t d = 0; d < c->depth; d++) {
            at = &(*at)->children[c->path[d]];
            *at = *at == NULL ? key_model_new(m->n) : own(*at);
        }
        if (!change_here(*at, c, merge) && refused != NULL)
            *refused = true;
    }
    return top;
}
