/* Entries in an array, sorted by key; found by bisection. */
#include "support/model.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "support/fixture.h"

struct entry {
    uint8_t *key, *value;
    size_t key_len, value_len;
};

struct model {
    struct entry *entries;
    size_t n, cap;
};

static uint8_t *
copy_of(const uint8_t *bytes, size_t n)
{
    uint8_t *p = must_alloc(malloc(n + 1));

    if (n > 0)
        memcpy(p, bytes, n);
    return p;
}

struct model *
model_new(void)
{
    return must_alloc(calloc(1, sizeof(struct model)));
}

struct model *
model_clone(const struct model *m)
{
    struct model *c = model_new();

    for (size_t i = 0; i < m->n; i++) {
        struct moss_slice key, value;

        model_at(m, i, &key, &value);
        model_set(c, key, value);
    }
    return c;
}

void
model_clear(struct model *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->entries[i].key);
        free(m->entries[i].value);
    }
    m->n = 0;
}

void
model_free(struct model *m)
{
    if (m == NULL)
        return;
    model_clear(m);
    free(m->entries);
    free(m);
}

size_t
model_find(const struct model *m, struct moss_slice key)
{
    size_t low = 0, high = m->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct entry *e = &m->entries[middle];

        if (slice_compare(moss_slice(e->key, e->key_len), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool
is_at(const struct model *m, size_t i, struct moss_slice key)
{
    const struct entry *e;

    if (i >= m->n)
        return false;
    e = &m->entries[i];
    return slice_equal(moss_slice(e->key, e->key_len), key);
}

void
model_set(struct model *m, struct moss_slice key, struct moss_slice value)
{
    size_t i = model_find(m, key);
    uint8_t *copy = copy_of(value.bytes, value.len);
    struct entry *e;

    if (is_at(m, i, key)) {
        e = &m->entries[i];
        free(e->value);
    } else {
        if (m->n == m->cap) {
            m->cap = m->cap == 0 ? 16 : m->cap * 2;
            m->entries =
                must_alloc(realloc(m->entries, m->cap * sizeof(*m->entries)));
        }
        e = &m->entries[i];
        memmove(e + 1, e, (m->n - i) * sizeof(*e));
        e->key = copy_of(key.bytes, key.len);
        e->key_len = key.len;
        m->n++;
    }
    e->value = copy;
    e->value_len = value.len;
}

void
model_del(struct model *m, struct moss_slice key)
{
    size_t i = model_find(m, key);
    struct entry *e;

    if (!is_at(m, i, key))
        return;
    e = &m->entries[i];
    free(e->key);
    free(e->value);
    m->n--;
    memmove(e, e + 1, (m->n - i) * sizeof(*e));
}

void
model_append(struct model *m, struct moss_slice key, struct moss_slice operand)
{
    struct moss_slice old;
    uint8_t *sum;

    if (!model_get(m, key, &old))
        old = moss_slice(NULL, 0);
    sum = must_alloc(malloc(old.len + operand.len + 1));
    if (old.len > 0)
        memcpy(sum, old.bytes, old.len);
    if (operand.len > 0)
        memcpy(sum + old.len, operand.bytes, operand.len);
    model_set(m, key, moss_slice(sum, old.len + operand.len));
    free(sum);
}

size_t
model_count(const struct model *m)
{
    return m->n;
}

void
model_at(const struct model *m, size_t i, struct moss_slice *key,
         struct moss_slice *value)
{
    const struct entry *e = &m->entries[i];

    *key = moss_slice(e->key, e->key_len);
    *value = moss_slice(e->value, e->value_len);
}

bool
model_get(const struct model *m, struct moss_slice key,
          struct moss_slice *value)
{
    size_t i = model_find(m, key);
    struct moss_slice found;

    if (!is_at(m, i, key))
        return false;
    model_at(m, i, &found, value);
    return true;
}

char *
model_dump(const struct model *m)
{
    char *text = NULL;
    size_t n;
    FILE *f = must_alloc(open_memstream(&text, &n));

    for (size_t i = 0; i < m->n; i++) {
        struct moss_slice key, value;
        char *k, *v;

        model_at(m, i, &key, &value);
        k = text_of(key);
        v = text_of(value);
        fprintf(f, "%s%s=%s", i == 0 ? "" : " ", k, v);
        free(k);
        free(v);
    }
    ck_assert_int_eq(fclose(f), 0);
    return text;
}
