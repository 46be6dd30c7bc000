/*
 * The handle of a store, and what it says of itself.
 *
 * The handle, and a collection's lower level over it, each hold a reference
 * to the store; the lock is released with the last one.  Snapshots hold none:
 * they have all they need in their commit point.
 *
 * Any thread.
 */
#include "store/store.h"

#include <stdatomic.h>

#include "base/base.h"
#include "base/error.h"
#include "base/mem.h"
#include "store/datafile.h"
#include "store/encoded.h"
#include "store/gradual.h"

/* ------------------------------------------------------------------ */
/* The handle                                                         */
/* ------------------------------------------------------------------ */

char *
store_path(const struct moss_store *s, void (*kind)(uint64_t number, char *out),
           uint64_t number)
{
    char name[DATAFILE_NAME];

    kind(number, name);
    return file_path(s->dir, name);
}

struct commit *
store_current(struct moss_store *s)
{
    struct commit *c;

    mutex_lock(&s->mu);
    c = s->current == NULL ? NULL : commit_ref(s->current);
    mutex_unlock(&s->mu);
    return c;
}

struct identity
store_identity(struct moss_store *s)
{
    struct identity id;

    mutex_lock(&s->mu);
    id = s->identity;
    mutex_unlock(&s->mu);
    return id;
}

struct moss_store *
store_ref(struct moss_store *s)
{
    refs_inc(&s->refs);
    return s;
}

void
store_unref(struct moss_store *s)
{
    if (s == NULL || !refs_dec(&s->refs))
        return;
    gradual_drop(s);
    commit_unref(s->current);
    lockfile_release(s->lock);
    condvar_destroy(&s->role_free);
    mutex_destroy(&s->mu);
    mem_free(s->staged);
    mem_free(s->dir);
    mem_free(s);
}

static enum moss_status
init_locks(struct moss_store *s)
{
    enum moss_status st = mutex_init(&s->mu);

    if (st < 0)
        return st;
    st = condvar_init(&s->role_free);
    if (st < 0)
        mutex_destroy(&s->mu);
    return st;
}

/* As in Go moss. */
#define DEFAULT_SYNC_AFTER 16000000u
#define DEFAULT_SLICE ((uint64_t)256 << 20)

enum moss_status
store_new(const char *dir, const struct moss_store_options *o,
          struct moss_store **out)
{
    static atomic_uint_fast64_t openings;
    struct moss_store *s = mem_zalloc(1, sizeof *s);

    if (s == NULL)
        return MOSS_NOMEM;
    if (!policy_init(&s->policy, o)) {
        mem_free(s);
        return MOSS_INVALID;
    }
    s->dir = mem_dup(dir, strlen(dir) + 1);
    if (s->dir == NULL || init_locks(s) < 0) {
        mem_free(s->dir);
        mem_free(s);
        return MOSS_NOMEM;
    }
    for (size_t n = strlen(dir); n > 1 && s->dir[n - 1] == '/'; n--)
        s->dir[n - 1] = '\0';
    refs_init(&s->refs);
    s->os = o->os != NULL ? o->os : moss_os_posix();
    s->env.opening =
        atomic_fetch_add_explicit(&openings, 1, memory_order_relaxed) + 1;
    s->env.no_mmap = o->no_mmap;
    s->env.has_merge = o->merge != NULL && o->merge->full != NULL;
    if (s->env.has_merge)
        s->env.merge = *o->merge;
    s->env.kinds = o->kinds;
    s->env.n_kinds = o->n_kinds;
    if (o->persist_kind != NULL)
        s->persist_kind = kind_find(o->kinds, o->n_kinds, o->persist_kind);
    s->readonly = o->readonly;
    s->no_create = o->no_create;
    s->no_sync = o->no_sync;
    s->keep_files = o->keep_files;
    s->compaction_sync = o->compaction_sync;
    if (o->compaction_sync)
        s->sync_after_bytes = o->compaction_sync_after_bytes != 0
                                  ? o->compaction_sync_after_bytes
                                  : DEFAULT_SYNC_AFTER;
    s->index_min_key_bytes = o->segment_keys_index_min_key_bytes;
    s->index_max_bytes = o->segment_keys_index_max_bytes;
    s->write_max = (size_t)o->compaction_buffer_pages * FILE_PAGE;
    s->slice_bytes = o->compaction_slice_bytes != 0 ? o->compaction_slice_bytes
                                                    : DEFAULT_SLICE;
    atomic_init(&s->compaction, (int)o->compaction);
    atomic_init(&s->abort, false);
    if (o->identity != NULL)
        s->wanted = *o->identity;
    s->on_error = o->on_error;
    s->log = o->log;
    s->ctx = o->ctx;
    s->next_number = 1;
    *out = s;
    return MOSS_OK;
}

void
moss_store_close(struct moss_store *s)
{
    store_unref(s);
}

void
moss_store_close_ex(struct moss_store *s, bool abort)
{
    if (s != NULL && abort)
        atomic_store_explicit(&s->abort, true, memory_order_relaxed);
    store_unref(s);
}

enum moss_status
moss_store_set_compaction(struct moss_store *s, enum moss_compaction compaction)
{
    if (!compaction_is_valid(compaction))
        return MOSS_INVALID;
    atomic_store_explicit(&s->compaction, (int)compaction,
                          memory_order_relaxed);
    return MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* What it is                                                         */
/* ------------------------------------------------------------------ */

enum moss_status
moss_store_snapshot(struct moss_store *s, struct moss_snapshot **out)
{
    struct commit *c = store_current(s);
    enum moss_status st = commit_snapshot(c, out);

    commit_unref(c);
    return st;
}

void
moss_store_identity(struct moss_store *s, struct moss_store_identity *out)
{
    struct identity id = store_identity(s);

    *out = id.pub;
}

/* The newest commit point once more, in a new file, which gets id. */
static enum moss_status
rewrite(struct moss_store *s, const struct commit *newest,
        const struct identity *id, struct moss_error *err)
{
    struct plan *plan = NULL;
    enum moss_status st = plan_copy(newest, &plan);

    st = st < 0 ? error_set(err, st, "new file", s->dir, 0)
                : compact(s, plan, id, NULL, NULL, err);
    plan_free(plan);
    return st;
}

enum moss_status
store_save_identity(struct moss_store *s, const struct identity *id,
                    struct moss_error *err)
{
    struct commit *newest = store_current(s);
    enum moss_status st = s->must_rewrite
                              ? rewrite(s, newest, id, err)
                              : store_record_identity(s, newest->file, id, err);

    commit_unref(newest);
    return st;
}

enum moss_status
store_settle(struct moss_store *s, struct moss_error *err)
{
    struct commit *newest = store_current(s);
    enum moss_status st = s->must_rewrite ? rewrite(s, newest, NULL, err)
                                          : store_sync(s, newest->file, err);

    commit_unref(newest);
    return st;
}

enum moss_status
moss_store_set_home(struct moss_store *s, const char *path, uint64_t dev,
                    uint64_t ino, struct moss_error *err)
{
    struct identity id;
    bool changed;
    enum moss_status st;

    error_clear(err);
    if (s->readonly)
        return error_set(err, MOSS_READONLY, "identity", s->dir, 0);
    if (strlen(path) >= sizeof id.pub.home_path)
        return error_set(err, MOSS_INVALID, "path too long", s->dir, 0);
    store_begin_write(s);
    id = store_identity(s);
    st = store_complete_identity(s, &id, &changed);
    if (st < 0) {
        (void)error_set(err, st, "identity", s->dir, 0);
    } else {
        if (!changed)
            id.seq++;
        memset(id.pub.home_path, 0, sizeof id.pub.home_path);
        memcpy(id.pub.home_path, path, strlen(path));
        id.pub.home_dev = dev;
        id.pub.home_ino = ino;
        st = store_save_identity(s, &id, err);
    }
    store_end_write(s);
    return st;
}
