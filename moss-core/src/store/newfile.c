/*
 * A new file grows under a name that is not a data file's, gets its first
 * footer, is synced, and only then renamed; the directory is synced; then the
 * old one is removed.  So an opener finds either the old file whole or the new
 * one.  If something fails between the rename and the end, the new file may be
 * there or not after a crash: the next commit point must go into a still newer
 * one, else it would stand in a file that an opener does not look at.
 *
 * The holder of the writer's role only.
 */
#include "store/newfile.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/datafile.h"

static enum moss_status
create(struct moss_store *s, struct newfile *n, struct moss_error *err)
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
    if (st < 0)
        return st;
    n->file->write_max = s->write_max;
    return file_write(n->file, 0, page, sizeof page, err);
}

enum moss_status
newfile_begin(struct moss_store *s, const struct identity *id,
              struct newfile *n, struct moss_error *err)
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
newfile_commit(struct moss_store *s, struct newfile *n, struct plan *plan,
               uint64_t pos, struct commit **out, struct moss_error *err)
{
    struct commit_place place = { n->file, n->number, &n->id.nonce };
    struct commit *old = store_current(s);
    enum moss_status st =
        plan_commit(plan, &s->env, &place, FILE_PAGE, out, err);

    if (st == MOSS_OK && old != NULL) {
        (*out)->footer->older_file = old->number;
        (*out)->footer->older_off = old->footer->off;
    }
    commit_unref(old);
    return st < 0 ? st : store_write_footer(s, *out, pos, true, err);
}

/* Give it the name that openers look for. */
static enum moss_status
put_in_place(struct moss_store *s, struct newfile *n, struct moss_error *err)
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

enum moss_status
newfile_publish(struct moss_store *s, struct newfile *n,
                const struct compaction_count *count, struct commit **next,
                struct moss_snapshot **out, struct moss_error *err)
{
    struct commit *old = store_current(s);
    struct moss_snapshot *snap = NULL;
    enum moss_status st = commit_snapshot(*next, &snap);

    if (st == MOSS_OK)
        st = put_in_place(s, n, err);
    if (st == MOSS_OK)
        st = store_publish(s, next, &n->id, err);
    if (st == MOSS_OK) {
        n->is_published = true;
        s->must_rewrite = false;
        s->hindered_until = 0;
        if (old != NULL)
            count_end(count, s, true, n->written);
        if (old != NULL && !s->keep_files)
            remove_old(s, old);
        if (out != NULL) {
            *out = snap;
            snap = NULL;
        }
    }
    moss_snapshot_unref(snap);
    commit_unref(old);
    return st;
}

void
newfile_end(struct moss_store *s, struct newfile *n)
{
    if (n->is_renamed && !n->is_published)
        s->must_rewrite = true;
    else if (n->file != NULL && !n->is_published)
        /* If that fails, the next opening does it. */
        (void)s->os->ops->remove(s->os, n->temp_path);
    file_unref(n->file);
    mem_free(n->temp_path);
    mem_free(n->path);
    *n = (struct newfile){ 0 };
}
