/*
 * A LevelDB database as a collection's lower level.  Its keys are
 *
 *     m                        the top collection's id, the next free id, tag
 *     c parent's id, name      a collection's id
 *     e id, key                a value
 *
 * with ids as 8 bytes, big-endian, so that the entries of one collection lie
 * together, in order.  An update is one synced write batch.  It computes from
 * the LevelDB snapshot that the last update gave back and says what each key
 * is to be; so it can be repeated after a failure, even if that has taken
 * place after all.
 *
 * Threads: LevelDB is safe for several; iterators have one user each.
 */
#include "lower.h"

#include <stdio.h>
#include <stdlib.h>

#include "lower_leveldb.h"

struct lower {
    struct moss_lower base;
    char *path;
    const struct moss_merge_operator *merge;
    struct database *database; /* one reference */
    struct snapshot *newest;   /* what the last update gave; one reference */
    uint64_t next_id;          /* of collections; none is given twice */
};

/* An update on its way. */
struct update {
    struct lower *lower;
    leveldb_writebatch_t *batch;
    uint64_t *ids; /* of the collections that it leaves */
    size_t n_ids;
};

static void
put(struct update *u, const struct key *k, struct moss_slice value)
{
    leveldb_writebatch_put(u->batch, (const char *)k->bytes, k->len,
                           value.len > 0 ? (const char *)value.bytes : "",
                           value.len);
}

static void
del(struct update *u, const struct key *k)
{
    leveldb_writebatch_delete(u->batch, (const char *)k->bytes, k->len);
}

/* Delete all entries of a collection, or all its children's names. */
static enum moss_status
clear(struct update *u, struct snapshot *s, char kind)
{
    struct moss_iterator *it;
    enum moss_status st = ldb_iterate(s, kind, NULL, NULL, &it), moved;

    if (st != MOSS_OK)
        return st;
    moved = moss_iterator_first(it);
    while (st == MOSS_OK && moved == MOSS_OK) {
        struct key k;

        st = ldb_key_make(&k, kind, s->id, it->key);
        if (st != MOSS_OK)
            break;
        del(u, &k);
        ldb_key_free(&k);
        moved = moss_iterator_next(it);
    }
    moss_iterator_free(it);
    return st == MOSS_OK && moved < 0 ? moved : st;
}

static enum moss_status
write_entries(struct update *u, uint64_t id, const struct moss_change *change,
              struct moss_snapshot *origin)
{
    struct moss_iterator *it;
    enum moss_status st = moss_change_resolve(change, u->lower->merge, origin,
                                              &it),
                     moved;

    if (st != MOSS_OK)
        return st;
    moved = moss_iterator_first(it);
    while (st == MOSS_OK && moved == MOSS_OK) {
        struct moss_slice key, value;
        struct key k;

        moss_iterator_current(it, &key, &value);
        st = ldb_key_make(&k, 'e', id, key);
        if (st != MOSS_OK)
            break;
        if (moss_change_op(it) == MOSS_OP_SET)
            put(u, &k, value);
        else
            del(u, &k);
        ldb_key_free(&k);
        moved = moss_iterator_next(it);
    }
    moss_iterator_free(it);
    return st == MOSS_OK && moved < 0 ? moved : st;
}

static enum moss_status
keep_id(struct update *u, uint64_t id)
{
    uint64_t *more = realloc(u->ids, (u->n_ids + 1) * sizeof *more);

    if (more == NULL)
        return MOSS_NOMEM;
    u->ids = more;
    u->ids[u->n_ids++] = id;
    return MOSS_OK;
}

static enum moss_status
write_name(struct update *u, uint64_t parent, struct moss_slice name,
           uint64_t id)
{
    uint8_t bytes[ID_BYTES];
    struct key k;
    enum moss_status st = ldb_key_make(&k, 'c', parent, name);

    if (st != MOSS_OK)
        return st;
    ldb_store_id(bytes, id);
    put(u, &k, moss_slice(bytes, sizeof bytes));
    ldb_key_free(&k);
    return MOSS_OK;
}

/* A collection and all below it; its id is in *id. */
static enum moss_status
write_collection(struct update *u, const struct moss_change *change,
                 uint64_t *id)
{
    struct moss_snapshot *origin;
    enum moss_status st =
        moss_change_origin(change, &u->lower->newest->base, &origin);

    if (st != MOSS_OK)
        return st;
    *id =
        origin != NULL ? ((struct snapshot *)origin)->id : u->lower->next_id++;
    st = keep_id(u, *id);
    if (st == MOSS_OK)
        st = write_entries(u, *id, change, origin);
    moss_snapshot_unref(origin);
    for (size_t i = 0; st == MOSS_OK && i < change->n_children; i++) {
        uint64_t child;

        st = write_collection(u, &change->children[i], &child);
        if (st == MOSS_OK)
            st = write_name(u, *id, change->children[i].name, child);
    }
    return st;
}

struct visit {
    struct update *update;
    struct snapshot *parent;
};

static enum moss_status drop_dead(struct update *u, struct snapshot *s);

static enum moss_status
visit_child(void *arg, struct moss_slice name)
{
    struct visit *v = arg;
    struct moss_snapshot *child;
    enum moss_status st = moss_snapshot_child(&v->parent->base, name, &child);

    if (st != MOSS_OK)
        return st == MOSS_NOT_FOUND ? MOSS_CORRUPT : st;
    st = drop_dead(v->update, (struct snapshot *)child);
    moss_snapshot_unref(child);
    return st;
}

/*
 * Of the tree as it was, delete all names, and the entries of those
 * collections that the new tree does not have.  In a batch the later word
 * counts: so this comes before the new names.
 */
static enum moss_status
drop_dead(struct update *u, struct snapshot *s)
{
    struct visit v = { u, s };
    enum moss_status st = clear(u, s, 'c');
    bool is_live = false;

    for (size_t i = 0; i < u->n_ids && !is_live; i++)
        is_live = u->ids[i] == s->id;
    if (st == MOSS_OK && !is_live)
        st = clear(u, s, 'e');
    return st == MOSS_OK ? moss_snapshot_children(&s->base, visit_child, &v)
                         : st;
}

static void
write_meta(struct update *u, uint64_t top, struct moss_tag tag)
{
    struct key k = { .bytes = k.few, .len = 1, .few = { 'm' } };
    uint8_t meta[META_BYTES];

    ldb_store_id(meta, top);
    ldb_store_id(meta + 8, u->lower->next_id);
    ldb_store_id(meta + 16, tag.n);
    ldb_store_id(meta + 24, tag.id);
    put(u, &k, moss_slice(meta, sizeof meta));
}

/* The batch that makes the changes, in u->batch. */
static enum moss_status
write_changes(struct update *u, const struct moss_changes *changes)
{
    struct update dead = { .lower = u->lower };
    uint64_t top;
    enum moss_status st = write_collection(u, changes->top, &top);

    if (st != MOSS_OK)
        return st;
    dead.batch = leveldb_writebatch_create();
    dead.ids = u->ids;
    dead.n_ids = u->n_ids;
    st = drop_dead(&dead, u->lower->newest);
    if (st == MOSS_OK) {
        leveldb_writebatch_append(dead.batch, u->batch);
        leveldb_writebatch_destroy(u->batch);
        u->batch = dead.batch;
        write_meta(u, top, changes->tag);
    } else {
        leveldb_writebatch_destroy(dead.batch);
    }
    return st;
}

/* What is written by now, as l->newest. */
static enum moss_status
take_newest(struct lower *l)
{
    struct moss_snapshot *snap;
    struct view *v;
    enum moss_status st = ldb_view_open(l->database, &v);

    if (st != MOSS_OK)
        return st;
    st = ldb_snapshot_new(v, v->top, &snap);
    ldb_view_unref(v);
    if (st != MOSS_OK)
        return st;
    if (l->newest != NULL)
        moss_snapshot_unref(&l->newest->base);
    l->newest = (struct snapshot *)snap;
    return MOSS_OK;
}

static enum moss_status
lower_update(struct moss_lower *base, const struct moss_changes *changes,
             struct moss_snapshot **out, struct moss_error *err)
{
    struct lower *l = (struct lower *)base;
    struct update u = { .lower = l };
    char *error = NULL;
    enum moss_status st;

    *out = NULL;
    u.batch = leveldb_writebatch_create();
    st = write_changes(&u, changes);
    if (st == MOSS_OK) {
        leveldb_write(l->database->db, l->database->write, u.batch, &error);
        st = ldb_status(error);
    }
    if (st == MOSS_OK)
        st = take_newest(l);
    leveldb_writebatch_destroy(u.batch);
    free(u.ids);
    if (st == MOSS_OK) {
        *out = moss_snapshot_ref(&l->newest->base);
    } else {
        err->status = st;
        err->what = "leveldb";
        (void)snprintf(err->path, sizeof err->path, "%s", l->path);
    }
    return st;
}

static void
lower_close(struct moss_lower *base)
{
    struct lower *l = (struct lower *)base;

    moss_snapshot_unref(l->base.initial);
    if (l->newest != NULL)
        moss_snapshot_unref(&l->newest->base);
    if (l->database != NULL)
        ldb_database_unref(l->database);
    free(l->path);
    free(l);
}

static const struct moss_lower_ops lower_ops = {
    .update = lower_update,
    .close = lower_close,
};

/* ------------------------------------------------------------------ */
/* Opening                                                            */
/* ------------------------------------------------------------------ */

static enum moss_status
open_database(struct lower *l)
{
    struct database *d = calloc(1, sizeof *d);
    char *error = NULL;
    enum moss_status st;

    if (d == NULL)
        return MOSS_NOMEM;
    atomic_init(&d->refs, 1);
    l->database = d;
    d->options = leveldb_options_create();
    leveldb_options_set_create_if_missing(d->options, 1);
    leveldb_options_set_paranoid_checks(d->options, 1);
    d->write = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(d->write, 1);
    d->db = leveldb_open(d->options, l->path, &error);
    st = ldb_status(error);
    if (st == MOSS_OK)
        st = take_newest(l);
    if (st != MOSS_OK)
        return st;
    l->next_id = l->newest->view->next_id;
    l->base.initial = moss_snapshot_ref(&l->newest->base);
    return MOSS_OK;
}

enum moss_status
lower_leveldb_open(const char *path, const struct moss_merge_operator *merge,
                   struct moss_lower **out, struct moss_error *err)
{
    struct lower *l = calloc(1, sizeof *l);
    enum moss_status st = MOSS_NOMEM;

    *out = NULL;
    if (l != NULL) {
        l->base.ops = &lower_ops;
        l->merge = merge;
        l->path = malloc(strlen(path) + 1);
    }
    if (l != NULL && l->path != NULL) {
        memcpy(l->path, path, strlen(path) + 1);
        st = open_database(l);
    }
    if (st == MOSS_OK) {
        *out = &l->base;
        return MOSS_OK;
    }
    if (err != NULL) {
        memset(err, 0, sizeof *err);
        err->status = st;
        err->what = "open";
        (void)snprintf(err->path, sizeof err->path, "%s", path);
    }
    if (l != NULL)
        lower_close(&l->base);
    return st;
}
