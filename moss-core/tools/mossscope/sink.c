/*
 * Changes gather in a batch, which is executed when it is large.
 *
 * Where no merge operator is named, a batch cannot hold an operand over
 * another change of the same key.  Then the i-th change of an entry goes into
 * the i-th of several batches, which are executed one after the other.  That
 * is right as long as no key comes a second time; so if the order of keys does
 * not exclude it, what has gathered is executed first.
 */
#include "sink.h"

#include <stdlib.h>

#include "args.h"
#include "base/base.h"
#include "view.h"

#define BATCH_BYTES ((size_t)16 << 20)
#define CLOSE_MS 10000

static enum scope_exit
check_new(const char *dir)
{
    struct moss_store_options o = { .readonly = true };
    struct moss_store *store = NULL;
    struct moss_error err;
    enum moss_status st = moss_store_open(dir, &o, &store, &err);

    moss_store_close(store);
    if (st == MOSS_CANTOPEN && err.what != NULL &&
        strcmp(err.what, "no store") == 0)
        return SCOPE_OK;
    if (st == MOSS_OK)
        return scope_complain("%s has a store already", dir);
    return scope_failed("the new store", st, &err);
}

enum scope_exit
sink_open(struct sink *s, const struct args *a, const char *dir, uint64_t batch)
{
    struct moss_store_options store_options = { .keep_files = a->keep_files };
    struct moss_collection_options options = { .merge = NULL };
    struct moss_lower *lower = NULL;
    struct moss_error err = { 0 };
    enum scope_exit x = operator_named(a, &store_options.merge);
    enum moss_status st;

    memset(s, 0, sizeof *s);
    s->max_ops = batch;
    s->has_merge = store_options.merge != NULL;
    if (!s->has_merge)
        store_options.merge = &operator_refuse;
    options.merge = store_options.merge;
    if (x == SCOPE_OK && dir != NULL)
        x = check_new(dir);
    if (x != SCOPE_OK)
        return x;
    st = moss_store_open(dir != NULL ? dir : a->dir, &store_options, &s->store,
                         &err);
    if (st == MOSS_OK)
        x = view_may_change(a, s->store);
    if (st == MOSS_OK && x == SCOPE_OK)
        st = moss_store_lower(s->store, &lower);
    if (st == MOSS_OK && x == SCOPE_OK) {
        st = moss_collection_open(&options, lower, &s->c);
        if (st < 0)
            lower->ops->close(lower);
    }
    return st < 0 ? scope_failed("cannot open the store", st, &err) : x;
}

/* ------------------------------------------------------------------ */
/* Gathering                                                          */
/* ------------------------------------------------------------------ */

/* Execute what has gathered. */
static enum scope_exit
sink_flush(struct sink *s)
{
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; i < s->n_used && st == MOSS_OK; i++) {
        st = moss_collection_execute(s->c, s->batches[i]);
        moss_batch_reset(s->batches[i]);
    }
    s->written += s->ops;
    s->ops = s->bytes = 0;
    s->n_used = 0;
    s->has_last = false;
    return st < 0 ? scope_failed("cannot write", st, NULL) : SCOPE_OK;
}

static struct moss_batch *
batch_at(struct sink *s, size_t i)
{
    while (s->n_batches <= i) {
        s->batches =
            realloc(s->batches, (s->n_batches + 1) * sizeof(*s->batches));
        if (s->batches == NULL)
            scope_must(MOSS_NOMEM);
        scope_must(moss_batch_new(0, 0, &s->batches[s->n_batches]));
        s->n_batches++;
    }
    if (s->n_used <= i)
        s->n_used = i + 1;
    return s->batches[i];
}

static enum moss_status
batch_child(struct moss_batch *batch, const struct path *path,
            struct moss_batch **out)
{
    enum moss_status st = MOSS_OK;

    *out = batch;
    for (size_t i = 0; i < path->n && st == MOSS_OK; i++) {
        struct moss_batch *child = NULL;

        st = moss_batch_child(*out, path->names[i], &child);
        if (st == MOSS_OK)
            *out = child;
    }
    return st;
}

static bool
same_path(const struct path *a, const struct path *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (slice_compare(a->names[i], b->names[i]) != 0)
            return false;
    }
    return true;
}

/* Keep path and key as those of the last change. */
static void
remember(struct sink *s, const struct path *path, struct moss_slice key)
{
    size_t bytes = 0, at = 0;

    buf_clear(&s->key);
    scope_must(buf_append(&s->key, key.bytes, key.len));
    if (s->has_last && same_path(path, &s->path))
        return;
    for (size_t i = 0; i < path->n; i++)
        bytes += path->names[i].len;
    buf_clear(&s->names);
    scope_must(buf_reserve(&s->names, bytes + 1)); /* so they do not move */
    for (size_t i = 0; i < path->n; i++) {
        scope_must(
            buf_append(&s->names, path->names[i].bytes, path->names[i].len));
        s->path.names[i] = moss_slice(s->names.bytes + at, path->names[i].len);
        at += path->names[i].len;
    }
    s->path.n = path->n;
    s->has_last = true;
}

/* Is it sure that no change that has gathered is of this key? */
static bool
is_new_key(const struct sink *s, const struct path *path, struct moss_slice key)
{
    return !s->has_last ||
           (same_path(path, &s->path) &&
            slice_compare(moss_slice(s->key.bytes, s->key.len), key) < 0);
}

enum scope_exit
sink_collection(struct sink *s, const struct path *path)
{
    struct moss_batch *child;
    enum moss_status st = batch_child(batch_at(s, 0), path, &child);

    return st < 0 ? scope_failed("a collection's name", st, NULL) : SCOPE_OK;
}

enum scope_exit
sink_put(struct sink *s, const struct path *path, enum moss_op op,
         struct moss_slice key, struct moss_slice value, size_t nth)
{
    struct moss_batch *batch, *child;
    enum moss_status st;

    if (nth == 0 && (s->ops >= s->max_ops || s->bytes >= BATCH_BYTES ||
                     (!s->has_merge && (s->n_used > 1 || op == MOSS_OP_MERGE) &&
                      !is_new_key(s, path, key)))) {
        enum scope_exit x = sink_flush(s);

        if (x != SCOPE_OK)
            return x;
    }
    batch = batch_at(s, s->has_merge ? 0 : nth);
    st = batch_child(batch, path, &child);
    if (st == MOSS_OK && op == MOSS_OP_SET)
        st = moss_batch_set(child, key, value);
    else if (st == MOSS_OK && op == MOSS_OP_DEL)
        st = moss_batch_del(child, key);
    else if (st == MOSS_OK)
        st = moss_batch_merge(child, key, value);
    if (st < 0)
        return scope_failed("cannot write", st, NULL);
    s->ops++;
    s->bytes += key.len + value.len;
    remember(s, path, key);
    return SCOPE_OK;
}

enum scope_exit
sink_close(struct sink *s, bool keep)
{
    struct moss_error err = { 0 };
    enum scope_exit x = SCOPE_OK;
    enum moss_status st = MOSS_OK;

    if (s->c != NULL && keep) {
        x = sink_flush(s);
        st = moss_collection_flush(s->c, MOSS_FOREVER, &err);
    }
    if (s->c != NULL) {
        struct moss_error close_err = { 0 };
        enum moss_status closed =
            moss_collection_close(s->c, CLOSE_MS, &close_err);

        if (st == MOSS_OK) {
            st = closed;
            err = close_err;
        }
    }
    if (st < 0)
        x = scope_failed("not all is on disk", st, &err);
    for (size_t i = 0; i < s->n_batches; i++)
        moss_batch_free(s->batches[i]);
    free(s->batches);
    buf_release(&s->names);
    buf_release(&s->key);
    moss_store_close(s->store);
    memset(s, 0, sizeof *s);
    return x;
}
