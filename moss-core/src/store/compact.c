/*
 * A compaction writes the whole content of a commit point into a new file,
 * every collection in one segment, and leaves the old file to those who still
 * read from it.  It happens together with an update, so that the update's
 * changes are merged on the way.
 *
 * The new file grows under a name that is not a data file's, gets its first
 * footer, is synced, and only then renamed; the directory is synced; then the
 * old one is removed.  So an opener finds either the old file whole or the new
 * one.  If something fails between the rename and the end, the new file may be
 * there or not after a crash: the next commit point must go into a still newer
 * one, else it would stand in a file that an opener does not look at.
 *
 * The holder of the writer's role only.
 */
#include "base/base.h"
#include "base/error.h"
#include "base/mem.h"
#include "store/datafile.h"
#include "store/store.h"

/* What dead bytes beyond the live ones are allowed by default. */
#define DEAD_SLACK ((uint64_t)64 << 20)
/*
 * Live bytes twice, while a compaction writes them anew, what is dead by then,
 * and one more change set: that is to stay within 1 GiB of twice what lives.
 */
#define DEAD_MAX ((uint64_t)768 << 20)

bool
compact_is_due(struct moss_store *s, const struct commit *newest)
{
    uint64_t limit = s->max_dead_bytes, end;

    if (s->no_compaction || s->force_compaction)
        return s->force_compaction;
    if (limit == 0) {
        limit = newest->live_bytes + DEAD_SLACK;
        if (limit > DEAD_MAX)
            limit = DEAD_MAX;
    }
    mutex_lock(&s->mu);
    end = s->file_end;
    mutex_unlock(&s->mu);
    return end > newest->live_bytes && end - newest->live_bytes > limit;
}

/* A new file on its way. */
struct new_file {
    uint64_t number;
    char *temp_path, *path;
    struct file *file; /* one reference */
    struct identity id;
    bool is_renamed;
};

static enum moss_status
create(struct moss_store *s, struct new_file *n, struct moss_error *err)
{
    uint8_t page[FILE_PAGE];
    enum moss_status st;

    if (s->next_number >= DATAFILE_MAX)
        return error_set(err, MOSS_UNSUPPORTED, "file number", s->dir, 0);
    n->number = s->next_number++;
    n->temp_path = store_path(s, datafile_temp_name, n->number);
    n->path = store_path(s, datafile_name, n->number);
    if (n->temp_path == NULL || n->path == NULL)
        return error_set(err, MOSS_NOMEM, "create", s->dir, 0);
    st = identity_first_page(&n->id, s->os->ops->unix_seconds(s->os), page);
    if (st < 0)
        return error_set(err, st, "identity", n->path, 0);
    st = file_open(s->os, n->temp_path,
                   MOSS_OPEN_WRITE | MOSS_OPEN_CREATE | MOSS_OPEN_EXCL,
                   &n->file, err);
    return st < 0 ? st : file_write(n->file, 0, page, sizeof page, err);
}

/* Everything up to the synced footer. */
static enum moss_status
fill(struct moss_store *s, struct new_file *n, struct plan *plan,
     struct commit **out, struct moss_error *err)
{
    struct commit_place place = { n->file, n->number, &n->id.nonce };
    struct segwriter w = {
        .file = n->file,
        .nonce = n->id.nonce,
        .merge = s->env.has_merge ? &s->env.merge : NULL,
        .pos = FILE_PAGE,
    };
    enum moss_status st = plan_write(plan, true, &w, err);

    store_count(s, &w);
    if (st == MOSS_OK)
        st = plan_commit(plan, &s->env, &place, FILE_PAGE, out, err);
    return st < 0 ? st : store_write_footer(s, *out, w.pos, err);
}

/* Give it the name that openers look for. */
static enum moss_status
put_in_place(struct moss_store *s, struct new_file *n, struct moss_error *err)
{
    enum moss_status st = s->os->ops->rename(s->os, n->temp_path, n->path);

    if (st < 0)
        return error_set(err, st, "rename", n->path, 0);
    n->is_renamed = true;
    /* Nobody else knows the file yet. */
    mem_free(n->file->path);
    n->file->path = n->path;
    n->path = NULL;
    st = s->os->ops->sync_dir(s->os, s->dir);
    return st < 0 ? error_set(err, st, "sync", s->dir, 0) : MOSS_OK;
}

/*
 * Remove the file that old is in.  Where that fails it is removed when the
 * store is opened next; it does no harm until then.
 */
static void
remove_old(struct moss_store *s, struct commit *old)
{
    old->file->removed = true;
    (void)s->os->ops->remove(s->os, old->file->path);
}

static enum moss_status
begin(struct moss_store *s, const struct identity *id, struct new_file *n,
      struct moss_error *err)
{
    bool changed;
    enum moss_status st;

    n->id = id != NULL ? *id : store_identity(s);
    st = store_complete_identity(s, &n->id, &changed);
    if (st == MOSS_OK)
        st = s->os->ops->random(s->os, &n->id.nonce, sizeof n->id.nonce);
    return st < 0 ? error_set(err, st, "identity", s->dir, 0)
                  : create(s, n, err);
}

enum moss_status
compact(struct moss_store *s, struct plan *plan, const struct identity *id,
        struct moss_snapshot **out, struct moss_error *err)
{
    struct new_file n = { 0 };
    struct commit *old = store_current(s), *next = NULL;
    struct moss_snapshot *snap = NULL;
    enum moss_status st = begin(s, id, &n, err);

    if (st == MOSS_OK)
        st = fill(s, &n, plan, &next, err);
    if (st == MOSS_OK)
        st = commit_snapshot(next, &snap);
    if (st == MOSS_OK)
        st = put_in_place(s, &n, err);
    if (st == MOSS_OK)
        st = store_publish(s, &next, &n.id, err);
    if (st == MOSS_OK) {
        s->must_rewrite = false;
        mutex_lock(&s->mu);
        s->stats.compactions += old != NULL;
        mutex_unlock(&s->mu);
        if (old != NULL)
            remove_old(s, old);
        if (out != NULL) {
            *out = snap;
            snap = NULL;
        }
    } else if (n.is_renamed) {
        s->must_rewrite = true;
    } else if (n.file != NULL) {
        /* If that fails, the next opening does it. */
        (void)s->os->ops->remove(s->os, n.temp_path);
    }
    moss_snapshot_unref(snap);
    commit_unref(next);
    commit_unref(old);
    file_unref(n.file);
    mem_free(n.temp_path);
    mem_free(n.path);
    return st;
}
