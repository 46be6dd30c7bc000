/*
 * Reading from LevelDB: its keys, snapshots and iterators.
 *
 * Any thread; an iterator has one user.
 */
#include "lower_leveldb.h"

#include <stdlib.h>

enum { COUNTED = 10000 /* entries */ };

/* ------------------------------------------------------------------ */
/* Bytes                                                              */
/* ------------------------------------------------------------------ */

void
ldb_store_id(uint8_t *p, uint64_t id)
{
    for (int i = 0; i < ID_BYTES; i++)
        p[i] = (uint8_t)(id >> (56 - 8 * i));
}

static uint64_t
load_id(const uint8_t *p)
{
    uint64_t id = 0;

    for (int i = 0; i < ID_BYTES; i++)
        id = id << 8 | p[i];
    return id;
}

void
ldb_key_free(struct key *k)
{
    if (k->bytes != k->few)
        free(k->bytes);
}

enum moss_status
ldb_key_make(struct key *k, char kind, uint64_t id, struct moss_slice rest)
{
    k->len = 1 + ID_BYTES + rest.len;
    k->bytes = k->len <= sizeof k->few ? k->few : malloc(k->len);
    if (k->bytes == NULL)
        return MOSS_NOMEM;
    k->bytes[0] = (uint8_t)kind;
    ldb_store_id(k->bytes + 1, id);
    if (rest.len > 0)
        memcpy(k->bytes + 1 + ID_BYTES, rest.bytes, rest.len);
    return MOSS_OK;
}

static int
compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return c != 0 ? c : (a_len > b_len) - (a_len < b_len);
}

enum moss_status
ldb_status(char *error)
{
    enum moss_status st = MOSS_IO;

    if (error == NULL)
        return MOSS_OK;
    if (strncmp(error, "Corruption", 10) == 0)
        st = MOSS_CORRUPT;
    else if (strncmp(error, "IO error: lock", 14) == 0)
        st = MOSS_BUSY;
    leveldb_free(error);
    return st;
}

/* ------------------------------------------------------------------ */
/* Snapshots                                                          */
/* ------------------------------------------------------------------ */

void
ldb_database_unref(struct database *d)
{
    if (atomic_fetch_sub(&d->refs, 1) != 1)
        return;
    if (d->db != NULL)
        leveldb_close(d->db);
    leveldb_writeoptions_destroy(d->write);
    leveldb_options_destroy(d->options);
    free(d);
}

void
ldb_view_unref(struct view *v)
{
    if (atomic_fetch_sub(&v->refs, 1) != 1)
        return;
    leveldb_readoptions_destroy(v->read);
    leveldb_release_snapshot(v->database->db, v->snapshot);
    ldb_database_unref(v->database);
    free(v);
}

/* MOSS_NOT_FOUND; else *out is to be given to leveldb_free(). */
static enum moss_status
read_value(struct view *v, const struct key *k, uint8_t **out, size_t *len)
{
    char *error = NULL;

    *out = (uint8_t *)leveldb_get(v->database->db, v->read,
                                  (const char *)k->bytes, k->len, len, &error);
    if (error != NULL)
        return ldb_status(error);
    return *out == NULL ? MOSS_NOT_FOUND : MOSS_OK;
}

/* A database without it is new. */
static enum moss_status
view_load(struct view *v)
{
    struct key k = { .bytes = k.few, .len = 1, .few = { 'm' } };
    uint8_t *meta;
    size_t len;
    enum moss_status st = read_value(v, &k, &meta, &len);

    v->top = 1;
    v->next_id = 2;
    if (st == MOSS_NOT_FOUND)
        return MOSS_OK;
    if (st == MOSS_OK && len != META_BYTES)
        st = MOSS_CORRUPT;
    if (st == MOSS_OK) {
        v->top = load_id(meta);
        v->next_id = load_id(meta + 8);
        v->tag.n = load_id(meta + 16);
        v->tag.id = load_id(meta + 24);
    }
    leveldb_free(meta);
    return st;
}

enum moss_status
ldb_view_open(struct database *d, struct view **out)
{
    struct view *v = calloc(1, sizeof *v);
    enum moss_status st;

    *out = NULL;
    if (v == NULL)
        return MOSS_NOMEM;
    atomic_init(&v->refs, 1);
    atomic_fetch_add(&d->refs, 1);
    v->database = d;
    v->snapshot = leveldb_create_snapshot(d->db);
    v->read = leveldb_readoptions_create();
    leveldb_readoptions_set_snapshot(v->read, v->snapshot);
    leveldb_readoptions_set_verify_checksums(v->read, 1);
    st = view_load(v);
    if (st == MOSS_OK)
        *out = v;
    else
        ldb_view_unref(v);
    return st;
}

static const struct moss_snapshot_ops snapshot_ops;

enum moss_status
ldb_snapshot_new(struct view *v, uint64_t id, struct moss_snapshot **out)
{
    struct snapshot *s = calloc(1, sizeof *s);

    *out = NULL;
    if (s == NULL)
        return MOSS_NOMEM;
    s->base.ops = &snapshot_ops;
    atomic_init(&s->refs, 1);
    atomic_fetch_add(&v->refs, 1);
    s->view = v;
    s->id = id;
    *out = &s->base;
    return MOSS_OK;
}

static void
snapshot_ref(struct moss_snapshot *base)
{
    atomic_fetch_add(&((struct snapshot *)base)->refs, 1);
}

static void
snapshot_unref(struct moss_snapshot *base)
{
    struct snapshot *s = (struct snapshot *)base;

    if (atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    ldb_view_unref(s->view);
    free(s);
}

static enum moss_status
snapshot_get(struct moss_snapshot *base, struct moss_slice key,
             struct moss_value *value)
{
    struct snapshot *s = (struct snapshot *)base;
    uint8_t *bytes = NULL;
    struct key k;
    size_t len;
    enum moss_status st = ldb_key_make(&k, 'e', s->id, key);

    if (st != MOSS_OK)
        return st;
    st = read_value(s->view, &k, &bytes, &len);
    ldb_key_free(&k);
    if (st == MOSS_OK)
        st = moss_value_copy(value, moss_slice(bytes, len));
    leveldb_free(bytes);
    return st;
}

static enum moss_status
snapshot_child(struct moss_snapshot *base, struct moss_slice name,
               struct moss_snapshot **out)
{
    struct snapshot *s = (struct snapshot *)base;
    uint8_t *bytes = NULL;
    struct key k;
    size_t len;
    enum moss_status st = ldb_key_make(&k, 'c', s->id, name);

    if (st != MOSS_OK)
        return st;
    st = read_value(s->view, &k, &bytes, &len);
    ldb_key_free(&k);
    if (st == MOSS_OK && len != ID_BYTES)
        st = MOSS_CORRUPT;
    if (st == MOSS_OK)
        st = ldb_snapshot_new(s->view, load_id(bytes), out);
    leveldb_free(bytes);
    return st;
}

static struct moss_tag
snapshot_tag(struct moss_snapshot *base)
{
    return ((struct snapshot *)base)->view->tag;
}

/* ------------------------------------------------------------------ */
/* Iterators                                                          */
/* ------------------------------------------------------------------ */

struct iterator {
    struct moss_iterator base;
    struct snapshot *snap; /* one reference */
    leveldb_iterator_t *it;
    char kind;
    struct key lo, hi; /* the keys >= lo and < hi */
};

/* Load the entry that LevelDB's iterator stands on. */
static enum moss_status
load(struct iterator *it)
{
    char *error = NULL;
    const char *key, *value;
    size_t key_len, value_len;

    if (!leveldb_iter_valid(it->it)) {
        leveldb_iter_get_error(it->it, &error);
        return error == NULL ? MOSS_DONE : ldb_status(error);
    }
    key = leveldb_iter_key(it->it, &key_len);
    if (compare((const uint8_t *)key, key_len, it->lo.bytes, it->lo.len) < 0 ||
        compare((const uint8_t *)key, key_len, it->hi.bytes, it->hi.len) >= 0)
        return MOSS_DONE;
    value = leveldb_iter_value(it->it, &value_len);
    it->base.key = moss_slice(key + 1 + ID_BYTES, key_len - 1 - ID_BYTES);
    it->base.value = moss_slice(value, value_len);
    return MOSS_OK;
}

static enum moss_status
seek_to(struct iterator *it, const struct key *k)
{
    leveldb_iter_seek(it->it, (const char *)k->bytes, k->len);
    return load(it);
}

/* To the last key < k, or <= k. */
static enum moss_status
seek_back(struct iterator *it, const struct key *k, bool or_equal)
{
    leveldb_iter_seek(it->it, (const char *)k->bytes, k->len);
    if (leveldb_iter_valid(it->it)) {
        size_t len;
        const char *key = leveldb_iter_key(it->it, &len);

        if (or_equal &&
            compare((const uint8_t *)key, len, k->bytes, k->len) == 0)
            return load(it);
        leveldb_iter_prev(it->it);
    } else {
        char *error = NULL;

        /* Not every error stays: a seek to the last would forget it. */
        leveldb_iter_get_error(it->it, &error);
        if (error != NULL)
            return ldb_status(error);
        leveldb_iter_seek_to_last(it->it);
    }
    return load(it);
}

static enum moss_status
iterator_first(struct moss_iterator *base)
{
    struct iterator *it = (struct iterator *)base;

    return seek_to(it, &it->lo);
}

static enum moss_status
iterator_last(struct moss_iterator *base)
{
    struct iterator *it = (struct iterator *)base;

    return seek_back(it, &it->hi, false);
}

static enum moss_status
iterator_seek(struct moss_iterator *base, struct moss_slice key)
{
    struct iterator *it = (struct iterator *)base;
    struct key k;
    enum moss_status st = ldb_key_make(&k, it->kind, it->snap->id, key);

    if (st != MOSS_OK)
        return st;
    if (compare(k.bytes, k.len, it->lo.bytes, it->lo.len) < 0)
        st = seek_to(it, &it->lo);
    else
        st = seek_to(it, &k);
    ldb_key_free(&k);
    return st;
}

static enum moss_status
iterator_seek_for_prev(struct moss_iterator *base, struct moss_slice key)
{
    struct iterator *it = (struct iterator *)base;
    struct key k;
    enum moss_status st = ldb_key_make(&k, it->kind, it->snap->id, key);

    if (st != MOSS_OK)
        return st;
    if (compare(k.bytes, k.len, it->hi.bytes, it->hi.len) >= 0)
        st = seek_back(it, &it->hi, false);
    else
        st = seek_back(it, &k, true);
    ldb_key_free(&k);
    return st;
}

static enum moss_status
iterator_next(struct moss_iterator *base)
{
    struct iterator *it = (struct iterator *)base;

    leveldb_iter_next(it->it);
    return load(it);
}

static enum moss_status
iterator_prev(struct moss_iterator *base)
{
    struct iterator *it = (struct iterator *)base;

    leveldb_iter_prev(it->it);
    return load(it);
}

static void
iterator_free(struct moss_iterator *base)
{
    struct iterator *it = (struct iterator *)base;

    leveldb_iter_destroy(it->it);
    ldb_key_free(&it->lo);
    ldb_key_free(&it->hi);
    snapshot_unref(&it->snap->base);
    free(it);
}

static const struct moss_iterator_ops iterator_ops = {
    .first = iterator_first,
    .last = iterator_last,
    .seek = iterator_seek,
    .seek_for_prev = iterator_seek_for_prev,
    .next = iterator_next,
    .prev = iterator_prev,
    .free = iterator_free,
};

enum moss_status
ldb_iterate(struct snapshot *s, char kind, const struct moss_slice *lo,
            const struct moss_slice *hi, struct moss_iterator **out)
{
    struct moss_slice none = moss_slice(NULL, 0);
    struct iterator *it = calloc(1, sizeof *it);
    enum moss_status st;

    *out = NULL;
    if (it == NULL)
        return MOSS_NOMEM;
    it->base.ops = &iterator_ops;
    it->kind = kind;
    snapshot_ref(&s->base);
    it->snap = s;
    it->it = leveldb_create_iterator(s->view->database->db, s->view->read);
    st = ldb_key_make(&it->lo, kind, s->id, lo == NULL ? none : *lo);
    if (st == MOSS_OK)
        st = ldb_key_make(&it->hi, kind, hi == NULL ? s->id + 1 : s->id,
                          hi == NULL ? none : *hi);
    if (st == MOSS_OK)
        *out = &it->base;
    else
        iterator_free(&it->base);
    return st;
}

static enum moss_status
snapshot_iterate(struct moss_snapshot *base, const struct moss_slice *lo,
                 const struct moss_slice *hi, struct moss_iterator **out)
{
    return ldb_iterate((struct snapshot *)base, 'e', lo, hi, out);
}

static enum moss_status
snapshot_children(struct moss_snapshot *base,
                  enum moss_status (*each)(void *arg, struct moss_slice),
                  void *arg)
{
    struct moss_iterator *it;
    enum moss_status st = ldb_iterate((struct snapshot *)base, 'c', NULL, NULL,
                                      &it),
                     moved;

    if (st != MOSS_OK)
        return st;
    for (moved = iterator_first(it); st == MOSS_OK && moved == MOSS_OK;
         moved = iterator_next(it))
        st = each(arg, it->key);
    iterator_free(it);
    return st == MOSS_OK && moved < 0 ? moved : st;
}

/* Counted, but no further than COUNTED. */
static enum moss_status
snapshot_estimate(struct moss_snapshot *base, const struct moss_slice *lo,
                  const struct moss_slice *hi, uint64_t *entries,
                  uint64_t *bytes)
{
    struct moss_iterator *it;
    enum moss_status st =
        ldb_iterate((struct snapshot *)base, 'e', lo, hi, &it);

    *entries = *bytes = 0;
    if (st != MOSS_OK)
        return st;
    st = iterator_first(it);
    while (st == MOSS_OK && *entries < COUNTED) {
        *entries += 1;
        *bytes += it->key.len + it->value.len;
        st = iterator_next(it);
    }
    iterator_free(it);
    return st < 0 ? st : MOSS_OK;
}

static const struct moss_snapshot_ops snapshot_ops = {
    .get = snapshot_get,
    .iterate = snapshot_iterate,
    .child = snapshot_child,
    .children = snapshot_children,
    .tag = snapshot_tag,
    .estimate = snapshot_estimate,
    .ref = snapshot_ref,
    .unref = snapshot_unref,
};
