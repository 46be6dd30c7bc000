/*
 * Walking the log: back from a marker to a state that we have, and forward
 * again by publishing what lies between.
 *
 * The store's history is read once in a walk, as a list of tags: a long log
 * over a long history must not cost their product.
 */
#include "txn.h"

#include <string.h>

SQLITE_EXTENSION_INIT3

/* How long publishing a replayed transaction waits for dirty memory. */
#define REPLAY_WAIT_MS 30000

/* ---------------------------------------------------------------- paths */

/* Cut the first name off a path; names are separated by '/'. */
static struct moss_slice
path_next(struct moss_slice *path)
{
    struct moss_slice name = *path;
    const uint8_t *slash =
        path->len == 0 ? NULL : memchr(path->bytes, '/', path->len);

    if (slash == NULL) {
        path->len = 0;
        return name;
    }
    name.len = (size_t)(slash - path->bytes);
    path->bytes += name.len + 1;
    path->len -= name.len + 1;
    return name;
}

enum moss_status
path_split(const char *path, struct moss_slice names[], size_t *n)
{
    struct moss_slice left = moss_str(path);

    for (*n = 0; left.len > 0; ++*n) {
        if (*n == PATH_NAMES)
            return MOSS_INVALID;
        names[*n] = path_next(&left);
    }
    return MOSS_OK;
}

enum moss_status
batch_at_path(struct moss_batch *batch, struct moss_slice path,
              struct moss_batch **out)
{
    enum moss_status st = MOSS_OK;

    while (path.len > 0 && st == MOSS_OK)
        st = moss_batch_child(batch, path_next(&path), &batch);
    *out = batch;
    return st;
}

enum moss_status
snapshot_at_path(struct moss_snapshot *snap, const char *path,
                 struct moss_snapshot **out)
{
    struct moss_slice left = moss_str(path);
    struct moss_snapshot *child, *parent = NULL;
    enum moss_status st = MOSS_OK;

    if (left.len == 0)
        *out = moss_snapshot_ref(snap);
    while (left.len > 0 && st == MOSS_OK) {
        st = moss_snapshot_child(parent == NULL ? snap : parent,
                                 path_next(&left), &child);
        moss_snapshot_unref(parent);
        *out = parent = child;
    }
    return st;
}

/* ------------------------------------------------- a payload as a batch */

struct batch_builder {
    struct moss_batch *top;
    struct moss_batch *at; /* the collection of the changes that follow */
};

static int
build_collection(void *arg, struct moss_slice path)
{
    struct batch_builder *b = arg;

    return error_code(batch_at_path(b->top, path, &b->at));
}

static int
build_drop(void *arg, struct moss_slice path)
{
    struct batch_builder *b = arg;

    return error_code(moss_batch_del_child(b->top, path));
}

static int
build_clear(void *arg)
{
    struct batch_builder *b = arg;

    moss_batch_clear(b->at);
    return SQLITE_OK;
}

static int
build_op(void *arg, enum moss_op op, struct moss_slice key,
         struct moss_slice value)
{
    struct batch_builder *b = arg;

    switch (op) {
    case MOSS_OP_SET:
        return error_code(moss_batch_set(b->at, key, value));
    case MOSS_OP_DEL:
        return error_code(moss_batch_del(b->at, key));
    case MOSS_OP_MERGE:
        return error_code(moss_batch_merge(b->at, key, value));
    }
    return SQLITE_CORRUPT;
}

int
batch_from_payload(const uint8_t *p, size_t n, struct moss_tag tag,
                   struct moss_batch **out)
{
    struct batch_builder b = { NULL, NULL };
    struct payload_visitor v = { build_collection, build_drop, build_clear,
                                 build_op,         &b,         NULL };
    int rc = error_code(moss_batch_new(0, n, &b.top));

    *out = NULL;
    if (rc != SQLITE_OK)
        return rc;
    b.at = b.top;
    moss_batch_set_tag(b.top, tag);
    rc = payload_visit(p, n, &v);
    if (rc == SQLITE_OK)
        *out = b.top;
    else
        moss_batch_free(b.top);
    return rc;
}

struct clear_finder {
    struct moss_slice path;
    bool here; /* the collection of the changes that follow is that one */
    bool found;
};

static int
find_collection(void *arg, struct moss_slice path)
{
    struct clear_finder *f = arg;

    f->here =
        path.len == f->path.len &&
        (path.len == 0 || memcmp(path.bytes, f->path.bytes, path.len) == 0);
    return SQLITE_OK;
}

static int
find_drop(void *arg, struct moss_slice path)
{
    (void)arg;
    (void)path;
    return SQLITE_OK;
}

static int
find_clear(void *arg)
{
    struct clear_finder *f = arg;

    f->found = f->found || f->here;
    return SQLITE_OK;
}

static int
find_op(void *arg, enum moss_op op, struct moss_slice key,
        struct moss_slice value)
{
    (void)arg;
    (void)op;
    (void)key;
    (void)value;
    return SQLITE_OK;
}

static int
find_staged(void *arg, uint64_t length, uint64_t checksum)
{
    (void)arg;
    (void)length;
    (void)checksum;
    return SQLITE_OK;
}

int
payload_clears(const uint8_t *p, size_t n, const char *path, bool *out)
{
    struct clear_finder f = { .path = moss_str(path) };
    struct payload_visitor v = { find_collection, find_drop, find_clear,
                                 find_op,         &f,        find_staged };
    int rc = payload_visit(p, n, &v);

    *out = f.found;
    return rc;
}

/* ---------------------------------------------------------------- history */

/* One commit point back from *snap, which is let go. */
static enum moss_status
step_back(struct shared_store *ss, struct moss_snapshot **snap)
{
    struct moss_snapshot *older = NULL;
    enum moss_status st = moss_store_previous(ss->store, *snap, &older, NULL);

    moss_snapshot_unref(*snap);
    *snap = older;
    return st;
}

static enum moss_status
push_tag(struct walk *w, struct moss_tag tag)
{
    if (w->n_tags == w->cap_tags) {
        size_t cap = w->cap_tags == 0 ? 64 : 2 * w->cap_tags;
        struct moss_tag *grown =
            sqlite3_realloc64(w->tags, cap * sizeof *grown);

        if (grown == NULL)
            return MOSS_NOMEM;
        w->tags = grown;
        w->cap_tags = cap;
    }
    w->tags[w->n_tags++] = tag;
    return MOSS_OK;
}

/* The tags of all commit points, newest first. */
static enum moss_status
list_history(struct walk *w, struct shared_store *ss)
{
    struct moss_snapshot *snap = NULL;
    enum moss_status st = moss_store_snapshot(ss->store, &snap);

    while (st == MOSS_OK) {
        st = push_tag(w, moss_snapshot_tag(snap));
        if (st == MOSS_OK)
            st = step_back(ss, &snap);
    }
    moss_snapshot_unref(snap);
    return st == MOSS_NOT_FOUND ? MOSS_OK : st;
}

/* The commit point with that tag, into w->snap; MOSS_NOT_FOUND. */
static enum moss_status
state_in_history(struct walk *w, struct shared_store *ss, struct moss_tag tag)
{
    enum moss_status st = MOSS_OK;
    size_t back = 0;

    if (ss->store == NULL)
        return MOSS_NOT_FOUND;
    if (w->n_tags == 0)
        st = list_history(w, ss);
    while (back < w->n_tags && !moss_tag_equal(w->tags[back], tag))
        back++;
    if (st != MOSS_OK || back == w->n_tags)
        return st != MOSS_OK ? st : MOSS_NOT_FOUND;
    st = moss_store_snapshot(ss->store, &w->snap);
    for (; back > 0 && st == MOSS_OK; back--)
        st = step_back(ss, &w->snap);
    /* The persister may have added one meanwhile: then look again. */
    if (st == MOSS_OK && !moss_tag_equal(moss_snapshot_tag(w->snap), tag)) {
        moss_snapshot_unref(w->snap);
        w->snap = NULL;
        w->n_tags = 0;
        return state_in_history(w, ss, tag);
    }
    return st;
}

/* ---------------------------------------------------------------- walking */

void
walk_release(struct walk *w)
{
    for (size_t i = 0; i < w->n; i++)
        record_release(&w->chain[i]);
    sqlite3_free(w->chain);
    sqlite3_free(w->tags);
    moss_snapshot_unref(w->snap);
    memset(w, 0, sizeof *w);
}

static int
walk_push(struct walk *w, const struct record *r)
{
    if (w->n == w->cap) {
        size_t cap = w->cap == 0 ? 16 : 2 * w->cap;
        struct record *grown = sqlite3_realloc64(w->chain, cap * sizeof *grown);

        if (grown == NULL)
            return SQLITE_NOMEM;
        w->chain = grown;
        w->cap = cap;
    }
    w->chain[w->n++] = *r;
    return SQLITE_OK;
}

/* Is tag's state at hand?  Sets met and snap. */
static enum moss_status
walk_meets(struct walk *w, struct shared_store *ss, struct moss_tag tag,
           bool recent)
{
    enum moss_status st;

    sqlite3_mutex_enter(ss->mu);
    if (ss->collection != NULL &&
        moss_tag_equal(moss_collection_tag(ss->collection), tag)) {
        w->met = MET_NEWEST;
        sqlite3_mutex_leave(ss->mu);
        return MOSS_OK;
    }
    sqlite3_mutex_leave(ss->mu);
    st = recent ? state_in_memory(ss, tag, true, &w->snap) : MOSS_NOT_FOUND;
    if (st == MOSS_NOT_FOUND)
        st = state_in_history(w, ss, tag);
    if (st == MOSS_OK)
        w->met = MET_OLDER;
    return st;
}

int
walk_back(struct walk *w, const struct log_ref *log, struct shared_store *ss,
          const struct marker *m, bool recent, char **err)
{
    struct moss_tag tag = m->tag;
    struct log_place place = m->last;
    int rc = SQLITE_OK;

    memset(w, 0, sizeof *w);
    for (;;) {
        enum moss_status st = walk_meets(w, ss, tag, recent);
        struct record r;

        if (st == MOSS_OK)
            return SQLITE_OK;
        if (st < 0) {
            *err = error_text(st, NULL, "look for an older state");
            rc = error_code(st);
            break;
        }
        rc = log_read_record(log, place, tag, &r, err);
        if (rc != SQLITE_OK)
            break;
        rc = walk_push(w, &r);
        if (rc != SQLITE_OK) {
            record_release(&r);
            break;
        }
        tag = r.prev;
        place = r.prev_place;
    }
    if (rc == SQLITE_NOTFOUND) {
        w->met = MET_NOTHING;
        return SQLITE_OK;
    }
    walk_release(w);
    return rc;
}

bool
walk_leads_from(const struct walk *w, struct moss_tag tag)
{
    size_t i = 0;

    while (i < w->n && !moss_tag_equal(w->chain[i].tag, tag))
        i++;
    return i < w->n;
}

/* What a record's changes are replayed from: one of the two. */
struct source {
    struct moss_batch *batch;
    struct moss_staged *staged;
};

static int
source_init(struct source *from, struct shared_store *ss,
            const struct record *r, char **err)
{
    int rc;

    memset(from, 0, sizeof *from);
    if (stage_is_named(r))
        return stage_open(ss, r, &from->staged, err);
    rc = batch_from_payload(r->payload, r->n_payload, r->tag, &from->batch);
    if (rc == SQLITE_CORRUPT)
        *err = sqlite3_mprintf("moss: the log's record of transaction"
                               " %llu is damaged",
                               r->tag.n);
    return rc;
}

static enum moss_status
source_prepare(const struct source *from, struct moss_collection *c,
               struct moss_prepared **out)
{
    if (c == NULL)
        return MOSS_CLOSED;
    return from->staged != NULL
               ? moss_staged_prepare(from->staged, c, REPLAY_WAIT_MS, out)
               : moss_collection_prepare(c, from->batch, REPLAY_WAIT_MS, out);
}

/* Does the newest state wait for r?  Not if others have replayed it, too. */
static bool
is_next(struct shared_store *ss, const struct record *r)
{
    sqlite3_mutex_enter(ss->mu);
    bool next = ss->collection == NULL ||
                moss_tag_equal(moss_collection_tag(ss->collection), r->prev);

    sqlite3_mutex_leave(ss->mu);
    return next;
}

/* Publish one replayed transaction unless somebody else has meanwhile. */
static int
replay_one(struct shared_store *ss, const struct record *r, char **err)
{
    struct source from;
    struct moss_prepared *p = NULL;
    enum moss_status st;
    int rc = source_init(&from, ss, r, err);

    /* Once it is in the store, the file of a staged one is removed. */
    if (rc == SQLITE_NOTFOUND && !is_next(ss, r))
        return SQLITE_OK;
    if (rc == SQLITE_NOTFOUND) {
        *err = sqlite3_mprintf("moss: the store %s has lost the file of"
                               " transaction %llu",
                               shared_store_name(ss), r->tag.n);
        rc = SQLITE_CORRUPT;
    }
    if (rc != SQLITE_OK)
        return rc;
    /* With mu held throughout: a writer may be exchanging the collection. */
    sqlite3_mutex_enter(ss->mu);
    st = source_prepare(&from, ss->collection, &p);
    if (st == MOSS_OK &&
        moss_tag_equal(moss_collection_tag(ss->collection), r->prev))
        moss_prepared_publish(p);
    else
        moss_prepared_free(p);
    sqlite3_mutex_leave(ss->mu);
    moss_batch_free(from.batch);
    moss_staged_free(from.staged);
    if (st == MOSS_OK)
        return SQLITE_OK;
    *err = error_text(st, NULL, "replay the log");
    return st == MOSS_TIMEOUT ? SQLITE_BUSY : error_code(st);
}

int
walk_replay(struct shared_store *ss, const struct walk *w, char **err)
{
    int rc = SQLITE_OK;

    for (size_t i = w->n; i > 0 && rc == SQLITE_OK; i--)
        rc = replay_one(ss, &w->chain[i - 1], err);
    return rc;
}
