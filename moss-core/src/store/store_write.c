/*
 * Appending a commit point to the data file.  The order makes a cut-off write
 * harmless: segments, sync, footer, sync.  Until the second sync has returned,
 * an opener may find the older footer; it never finds a footer without its
 * segments.
 *
 * All that can fail without touching the disk, mapping what was written and
 * allocating, happens before the footer: once that is on disk, only pointers
 * are left to be swapped.
 *
 * What a failed attempt wrote is given back to the file system where no footer
 * can name it; after a failed sync it stays, and the file is not written to
 * any more: the system may have dropped bytes that a second sync would call
 * safe.
 *
 * The writer's role is a flag, not a mutex, as it is held through I/O: the
 * persister, a revert and a change of the home take it in turn.
 */
#include "base/base.h"
#include "base/error.h"
#include "base/mem.h"
#include "store/gradual.h"
#include "store/store.h"

/* ------------------------------------------------------------------ */
/* The writer's role                                                  */
/* ------------------------------------------------------------------ */

void
store_begin_write(struct moss_store *s)
{
    mutex_lock(&s->mu);
    while (s->is_writing)
        condvar_wait(&s->role_free, &s->mu);
    s->is_writing = true;
    mutex_unlock(&s->mu);
}

bool
store_try_begin_write(struct moss_store *s)
{
    bool is_free;

    mutex_lock(&s->mu);
    is_free = !s->is_writing;
    s->is_writing = true;
    mutex_unlock(&s->mu);
    return is_free;
}

void
store_end_write(struct moss_store *s)
{
    mutex_lock(&s->mu);
    s->is_writing = false;
    condvar_signal(&s->role_free);
    mutex_unlock(&s->mu);
}

enum moss_status
store_sync(struct moss_store *s, struct file *file, struct moss_error *err)
{
    enum moss_status st = file_sync(file, err);

    mutex_lock(&s->mu);
    /* A new file that nobody reads yet is dropped; the old one is sound. */
    if (st < 0 && (s->current == NULL || s->current->file == file))
        s->must_rewrite = true;
    s->stats.syncs++;
    mutex_unlock(&s->mu);
    return st;
}

struct segwriter
store_segwriter(struct moss_store *s, struct file *file, uint64_t nonce,
                uint64_t pos)
{
    return (struct segwriter){
        .file = file,
        .nonce = nonce,
        .merge = s->env.has_merge ? &s->env.merge : NULL,
        .index_min_key_bytes = s->index_min_key_bytes,
        .index_max_bytes = s->index_max_bytes,
        .kind = s->persist_kind,
        .pos = pos,
    };
}

/* ------------------------------------------------------------------ */
/* Identity                                                           */
/* ------------------------------------------------------------------ */

static bool
is_zero(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

enum moss_status
store_complete_identity(struct moss_store *s, struct identity *id,
                        bool *changed)
{
    const char *name = s->env.has_merge ? s->env.merge.name : NULL;
    struct identity next = *id;
    enum moss_status st = MOSS_OK;

    *changed = false;
    if (!next.is_there) {
        next.is_there = true;
        next.pub = s->wanted;
        st = s->os->ops->random(s->os, &next.nonce, sizeof next.nonce);
        if (st == MOSS_OK && is_zero(next.pub.store_id, 16))
            st = s->os->ops->random(s->os, next.pub.store_id, 16);
        *changed = true;
    }
    if (st < 0)
        return st;
    if (next.pub.merge_name[0] == '\0' && name != NULL && *name != '\0') {
        /* moss_store_open() has checked its length. */
        memcpy(next.pub.merge_name, name, strlen(name) + 1);
        *changed = true;
    }
    if (*changed)
        next.seq++;
    *id = next;
    return MOSS_OK;
}

enum moss_status
store_record_identity(struct moss_store *s, struct file *file,
                      const struct identity *id, struct moss_error *err)
{
    enum moss_status st = identity_write(file, id, err);

    if (st == MOSS_OK)
        st = store_sync(s, file, err);
    if (st < 0)
        return st;
    mutex_lock(&s->mu);
    s->identity = *id;
    mutex_unlock(&s->mu);
    return MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* A commit point                                                     */
/* ------------------------------------------------------------------ */

/*
 * A commit point in a file that nobody finds is lost: the next one to open the
 * store gets what is at its place by then.
 */
static enum moss_status
check_place(struct moss_store *s, const struct file *file,
            struct moss_error *err)
{
    struct moss_file_id id;
    enum moss_status st = lockfile_check(s->lock, err);

    if (st < 0)
        return st;
    st = s->os->ops->identify(s->os, file->path, &id);
    if (st == MOSS_NOT_FOUND)
        return error_set(err, MOSS_CANTOPEN, "moved or removed", file->path, 0);
    return st < 0 ? error_set(err, st, "identify", file->path, 0) : MOSS_OK;
}

enum moss_status
store_write_footer(struct moss_store *s, struct commit *commit, uint64_t pos,
                   bool sync, struct moss_error *err)
{
    struct footer *f = commit->footer;
    uint64_t start_ns = s->os->ops->monotonic_ns(s->os);
    struct buf bytes;
    enum moss_status st = check_place(s, commit->file, err);

    if (st < 0)
        return st;
    f->off = pos;
    f->is_ours = true;
    f->time = s->os->ops->unix_seconds(s->os);
    buf_init(&bytes);
    st = footer_encode(f, commit->nonce, &bytes);
    if (st < 0)
        (void)error_set(err, st, "footer", commit->file->path, pos);
    else
        st = file_write(commit->file, pos, bytes.bytes, bytes.len, err);
    buf_release(&bytes);
    if (st == MOSS_OK && sync)
        st = store_sync(s, commit->file, err);
    if (st < 0)
        return st;
    mutex_lock(&s->mu);
    s->stats.footers_written++;
    s->stats.bytes_written += f->length;
    mutex_unlock(&s->mu);
    count_usecs(s, &s->footer_usecs, start_ns);
    return MOSS_OK;
}

enum moss_status
store_publish(struct moss_store *s, struct commit **commit,
              const struct identity *id, struct moss_error *err)
{
    struct commit *next = *commit, *old;
    enum moss_status st = lockfile_note(s->lock, id->pub.store_id, next->number,
                                        next->footer->off, err);

    if (st < 0)
        return st;
    mutex_lock(&s->mu);
    old = s->current;
    s->current = next;
    s->identity = *id;
    s->file_end = align_up(next->footer->off + next->footer->length, FILE_PAGE);
    mutex_unlock(&s->mu);
    commit_unref(old);
    *commit = NULL;
    return MOSS_OK;
}

/* ------------------------------------------------------------------ */
/* Appending                                                          */
/* ------------------------------------------------------------------ */

/* What an attempt to append has come to. */
struct attempt {
    struct commit *prev; /* one reference */
    struct identity id;
    uint64_t size; /* of the file before it; 0: not looked up */
    struct segwriter w;
    struct commit *next; /* one reference */
    bool has_footer;     /* it is in the file */
    bool sync;
};

/* Everything but the footer. */
static enum moss_status
append_segments(struct moss_store *s, struct plan *plan, struct watch *watch,
                struct attempt *a, struct moss_error *err)
{
    struct commit_place place = { a->prev->file, a->prev->number,
                                  &a->id.nonce };
    uint64_t start;
    bool changed;
    enum moss_status st = file_size(a->prev->file, &a->size, err);

    if (st < 0)
        return st;
    st = store_complete_identity(s, &a->id, &changed);
    if (st < 0)
        return error_set(err, st, "identity", s->dir, 0);
    if (changed)
        st = store_record_identity(s, a->prev->file, &a->id, err);
    if (st < 0)
        return st;
    start = align_up(a->size, FILE_PAGE);
    a->w = store_segwriter(s, a->prev->file, a->id.nonce, start);
    if (plan->rewrites)
        watch_begin(watch, a->prev->file, plan_bytes(plan));
    st = plan_write(plan, &a->w, err);
    watch_end(watch);
    if (st == MOSS_OK && a->w.pos > start && a->sync)
        st = store_sync(s, a->prev->file, err);
    if (st < 0)
        return st;
    return plan_commit(plan, &s->env, &place, start, &a->next, err);
}

/* Let go of what a failed attempt took of the disk. */
static void
take_back(struct moss_store *s, struct attempt *a)
{
    struct moss_file *f = a->prev->file->f;

    commit_unref(a->next);
    a->next = NULL;
    if (a->has_footer || s->must_rewrite || a->size == 0)
        return;
    /* If that fails too, the next attempt goes behind what is there. */
    (void)f->ops->truncate(f, a->size);
}

enum moss_status
store_append(struct moss_store *s, struct plan *plan, struct watch *watch,
             struct moss_snapshot **out, struct moss_error *err)
{
    struct attempt a = { .prev = store_current(s), .id = store_identity(s) };
    struct moss_snapshot *snap = NULL;
    struct compaction_count count;
    enum moss_status st;

    count_begin(&count, s, plan_bytes(plan));
    a.sync = !s->no_sync || (plan->rewrites && s->compaction_sync);
    st = append_segments(s, plan, watch, &a, err);
    /* Now, as it cannot be allowed to fail when the footer is written. */
    if (st == MOSS_OK && out != NULL)
        st = commit_snapshot(a.next, &snap);
    if (st == MOSS_OK) {
        a.next->footer->prev = a.prev->footer->off;
        st = store_write_footer(s, a.next, a.w.pos, a.sync, err);
        a.has_footer = st == MOSS_OK;
    }
    if (st == MOSS_OK)
        st = store_publish(s, &a.next, &a.id, err);
    if (st == MOSS_OK && out != NULL) {
        *out = snap;
        snap = NULL;
    }
    moss_snapshot_unref(snap);
    if (st < 0)
        take_back(s, &a);
    else if (plan->rewrites)
        count_end(&count, s, false, a.w.n_bytes);
    store_count(s, &a.w);
    commit_unref(a.prev);
    return st;
}

/* With all that there is to be merged, too. */
static enum moss_status
write_merging(struct moss_store *s, struct plan *plan, bool goes_on,
              bool in_new_file, struct watch *watch, struct moss_snapshot **out,
              struct moss_error *err)
{
    if (goes_on || (in_new_file && gradual_pays(s, plan)))
        return gradual_write(s, plan, watch, out, err);
    /* Where the file must be left there is no other way to go on. */
    return in_new_file ? compact(s, plan, NULL, s->must_rewrite ? NULL : watch,
                                 out, err)
                       : store_append(s, plan, watch, out, err);
}

/*
 * A damaged block, or a disk without room for a copy, must not be in the way
 * of what comes: it is appended, and a compaction tried again when the file
 * has grown, twofold or by an eighth.
 */
static void
note_hindrance(struct moss_store *s, enum moss_status st)
{
    uint64_t end;

    mutex_lock(&s->mu);
    end = s->file_end;
    mutex_unlock(&s->mu);
    s->hindered_until = end + (st == MOSS_FULL ? end / 8 : end);
}

/* Append the plan that could not be written with what there is to be merged. */
static enum moss_status
append_after_all(struct moss_store *s, struct plan *plan, enum moss_status why,
                 struct moss_snapshot **out, struct moss_error *err)
{
    struct moss_error hindrance = { .status = why };
    struct watch watch;
    bool fits;
    enum moss_status st;

    if (err != NULL)
        hindrance = *err;
    watch_init(&watch, s);
    plan_forget(plan);
    st = plan_choose(plan, NULL, 0, &fits);
    st = st < 0 ? error_set(err, st, "update", s->dir, 0)
                : store_append(s, plan, &watch, out, err);
    if (st == MOSS_OK && why != MOSS_ABORTED && s->on_error != NULL)
        s->on_error(s->ctx, &hindrance);
    return st;
}

enum moss_status
store_write(struct moss_store *s, struct plan *plan, struct moss_snapshot **out,
            struct moss_error *err)
{
    struct commit *newest = store_current(s);
    struct watch watch;
    bool in_new_file = true, goes_on = gradual_goes_on(s), merges;
    enum moss_status st = MOSS_OK;

    if (!s->must_rewrite && !goes_on)
        st = compact_choose(s, newest, plan, &in_new_file);
    commit_unref(newest);
    if (st < 0)
        return error_set(err, st, "update", s->dir, 0);
    watch_init(&watch, s);
    merges = goes_on || in_new_file || plan->rewrites;
    st = write_merging(s, plan, goes_on, in_new_file, &watch, out, err);
    if (st == MOSS_OK)
        s->merges_nothing = false;
    if (s->must_rewrite || !merges ||
        (st != MOSS_ABORTED && st != MOSS_CORRUPT && st != MOSS_FULL))
        return st;
    if (st != MOSS_ABORTED)
        note_hindrance(s, st);
    /* Without its footer the plan is past all reading of what is old. */
    if (plan->footer != NULL)
        return append_after_all(s, plan, st, out, err);
    s->merges_nothing = st == MOSS_FULL;
    return st;
}
