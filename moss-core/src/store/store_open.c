/*
 * Opening and creating a store.
 *
 * The newest data file with a good footer is the store.  An older one may lie
 * beside it when a compaction was cut off before it could remove it, a newer
 * one when Go moss was cut off before its first footer.  What has no footer is
 * passed over; a file that cannot be read, or that is of a kind not known
 * here, is not: to fall back behind it would lose what is in it.
 *
 * Opening for reading changes nothing.  Opening for writing takes the lock,
 * makes durable what it found, and clears away what a crash has left, once it
 * is settled which file holds.  Go moss does not open a store whose newest
 * file is none, so such a file gets another name; it is not removed, as nobody
 * knows what it was.
 *
 * Any thread.
 */
#include "store/store.h"

#include <errno.h>
#include <stdio.h>

#include "base/base.h"
#include "base/error.h"
#include "base/mem.h"
#include "store/datafile.h"
#include "store/encoded.h"

/* How often to look again when a compaction removes the file just found. */
#define FIND_ATTEMPTS 16

/* ------------------------------------------------------------------ */
/* Finding the newest good file                                       */
/* ------------------------------------------------------------------ */

enum moss_status
store_load(struct moss_store *s, uint64_t number, uint64_t off, bool writable,
           struct loaded *out, struct moss_error *err)
{
    struct commit_place place = { NULL, number, NULL };
    struct footer *footer = NULL;
    char *path = store_path(s, datafile_name, number);
    enum moss_status st;

    memset(out, 0, sizeof *out);
    if (path == NULL)
        return error_set(err, MOSS_NOMEM, "open", s->dir, 0);
    st = file_open(s->os, path, writable ? MOSS_OPEN_WRITE : MOSS_OPEN_READ,
                   &place.file, err);
    mem_free(path);
    if (st < 0)
        return st;
    place.file->write_max = s->write_max;
    st = file_size(place.file, &out->size, err);
    if (st == MOSS_OK && out->size < FILE_PAGE)
        st = error_set(err, MOSS_CORRUPT, "header", place.file->path, 0);
    if (st == MOSS_OK)
        st = identity_read(place.file, !writable, &out->id, err);
    if (st == MOSS_OK) {
        place.nonce = out->id.is_there ? &out->id.nonce : NULL;
        st = off == 0
                 ? footer_scan(place.file, out->size, place.nonce, &footer, err)
                 : footer_read(place.file, out->size, off, place.nonce, &footer,
                               err);
    }
    out->has_footer = st == MOSS_OK;
    if (st == MOSS_OK)
        st = commit_load(&s->env, &place, footer, &out->commit, err);
    file_unref(place.file);
    return st;
}

/* Make it the store's.  *has_footer: no older one can be, whatever comes. */
static enum moss_status
load_file(struct moss_store *s, uint64_t number, bool *has_footer,
          struct moss_error *err)
{
    struct loaded l;
    enum moss_status st = store_load(s, number, 0, !s->readonly, &l, err);

    *has_footer = l.has_footer;
    if (st < 0)
        return st;
    s->current = l.commit;
    s->identity = l.id;
    s->file_end = align_up(l.size, FILE_PAGE);
    return MOSS_OK;
}

/* The newest file is damaged, as err says, and another one is the store. */
static void
report_damage(const struct moss_store *s, const struct moss_error *err)
{
    char text[sizeof err->path + 200];

    if (s->on_error != NULL)
        s->on_error(s->ctx, err);
    if (s->log == NULL)
        return;
    (void)snprintf(text, sizeof text, "passed over %s: %s, %s; the store is %s",
                   err->path, err->what, moss_status_name(err->status),
                   s->current->file->path);
    s->log(s->ctx, MOSS_LOG_ERRORS, text);
}

/*
 * Load the newest of the listed files that is good.  MOSS_NOT_FOUND: there
 * are none.
 */
static enum moss_status
load_newest(struct moss_store *s, const struct datafile_list *list,
            struct moss_error *err)
{
    struct moss_error newest;
    enum moss_status st = MOSS_NOT_FOUND;

    for (size_t i = 0; i < list->n_data; i++) {
        struct moss_error why;
        bool has_footer;

        st = load_file(s, list->data[i], &has_footer, &why);
        /* If none is good, it is of the newest that is to be told. */
        if (st < 0 && err != NULL &&
            (i == 0 || st != MOSS_CORRUPT || has_footer))
            *err = why;
        if (i == 0)
            newest = why;
        else if (st == MOSS_OK)
            report_damage(s, &newest);
        if (st != MOSS_CORRUPT || has_footer)
            break;
    }
    return st;
}

static enum moss_status
find(struct moss_store *s, struct datafile_list *list, struct moss_error *err)
{
    enum moss_status st = MOSS_CANTOPEN;

    for (int i = 0; i < FIND_ATTEMPTS && st == MOSS_CANTOPEN; i++) {
        datafile_list_release(list);
        st = datafile_scan(s->os, s->dir, list, err);
        if (st == MOSS_OK)
            st = load_newest(s, list, err);
    }
    return st;
}

/* Is the operator that the store was written with the one given? */
static enum moss_status
check_merge(const struct moss_store *s, struct moss_error *err)
{
    const char *recorded = s->identity.pub.merge_name;
    const char *given = s->env.has_merge ? s->env.merge.name : NULL;

    if (given == NULL || *given == '\0' || *recorded == '\0' ||
        strcmp(given, recorded) == 0)
        return MOSS_OK;
    return error_set(err, MOSS_INVALID,
                     "merge operator differs from the store's",
                     s->current->file->path, 0);
}

/* ------------------------------------------------------------------ */
/* Opening for writing                                                */
/* ------------------------------------------------------------------ */

static enum moss_status
remove_file(struct moss_store *s, void (*kind)(uint64_t number, char *out),
            uint64_t number, struct moss_error *err)
{
    char *path = store_path(s, kind, number);
    enum moss_status st = MOSS_NOMEM;

    if (path != NULL)
        st = s->os->ops->remove(s->os, path);
    if (st < 0)
        (void)error_set(err, st, "remove", path != NULL ? path : s->dir, 0);
    mem_free(path);
    return st;
}

static enum moss_status
set_aside(struct moss_store *s, uint64_t number, struct moss_error *err)
{
    char *path = store_path(s, datafile_name, number);
    char *aside = store_path(s, datafile_damaged_name, number);
    enum moss_status st = MOSS_NOMEM;

    if (path != NULL && aside != NULL)
        st = s->os->ops->rename(s->os, path, aside);
    if (st < 0)
        (void)error_set(err, st, "rename", path != NULL ? path : s->dir, 0);
    mem_free(path);
    mem_free(aside);
    return st;
}

/* Clear away all files but the newest good one. */
static enum moss_status
clear_leftovers(struct moss_store *s, const struct datafile_list *list,
                struct moss_error *err)
{
    enum moss_status st = MOSS_OK;

    for (size_t i = 0; i < list->n_temp && st == MOSS_OK; i++)
        st = remove_file(s, datafile_temp_name, list->temp[i], err);
    for (size_t i = 0; i < list->n_data && st == MOSS_OK; i++) {
        if (list->data[i] == s->current->number)
            continue;
        if (list->data[i] > s->current->number)
            st = set_aside(s, list->data[i], err);
        else if (!s->keep_files)
            st = remove_file(s, datafile_name, list->data[i], err);
    }
    return st;
}

/*
 * Make the entry of the store's directory in the one above it durable: it was
 * made just now, or by somebody who was killed before he came so far.
 */
static enum moss_status
sync_parent(struct moss_store *s, struct moss_error *err)
{
    size_t n = strlen(s->dir);
    char *parent;
    enum moss_status st;

    while (n > 0 && s->dir[n - 1] != '/')
        n--;
    while (n > 1 && s->dir[n - 1] == '/')
        n--;
    parent = n == 0 ? mem_dup(".", 2) : mem_dup(s->dir, n + 1);
    if (parent == NULL)
        return error_set(err, MOSS_NOMEM, "sync", s->dir, 0);
    if (n > 0)
        parent[n] = '\0';
    st = s->os->ops->sync_dir(s->os, parent);
    /* One that may not be read has had its entries for long. */
    if (st == MOSS_IO && errno == EACCES)
        st = MOSS_OK;
    if (st < 0)
        (void)error_set(err, st, "sync", parent, 0);
    mem_free(parent);
    return st;
}

/* The first commit point: nothing. */
static enum moss_status
create(struct moss_store *s, struct moss_error *err)
{
    struct plan *plan = NULL;
    enum moss_status st = sync_parent(s, err);

    if (st < 0)
        return st;
    st = plan_copy(NULL, &plan);
    if (st < 0)
        return error_set(err, st, "create", s->dir, 0);
    store_begin_write(s);
    st = compact(s, plan, NULL, NULL, NULL, err);
    store_end_write(s);
    plan_free(plan);
    return st;
}

/*
 * What was found may not be durable yet: whoever wrote it may have been killed
 * before the sync.  From now on it counts as such.
 */
static enum moss_status
sync_found(struct moss_store *s, struct moss_error *err)
{
    enum moss_status st = store_sync(s, s->current->file, err);

    if (st < 0)
        return st;
    st = s->os->ops->sync_dir(s->os, s->dir);
    return st < 0 ? error_set(err, st, "sync", s->dir, 0) : MOSS_OK;
}

static enum moss_status
open_writable(struct moss_store *s, struct datafile_list *list,
              struct moss_error *err)
{
    enum moss_status st = lockfile_take(s->os, s->dir, &s->lock, err);

    if (st == MOSS_OK)
        st = find(s, list, err);
    s->next_number = list->highest + 1;
    if (st == MOSS_OK)
        st = check_merge(s, err);
    if (st < 0)
        return st;
    if (st == MOSS_NOT_FOUND) {
        st = clear_leftovers(s, list, err);
        return st < 0 ? st : create(s, err);
    }
    st = sync_found(s, err);
    return st < 0 ? st : clear_leftovers(s, list, err);
}

/* ------------------------------------------------------------------ */
/* Opening                                                            */
/* ------------------------------------------------------------------ */

/* Is there a directory, and in it a data file? */
static enum moss_status
look(struct moss_store *s, bool *has_dir, bool *has_data,
     struct moss_error *err)
{
    struct moss_file_id id;
    struct datafile_list list;
    enum moss_status st = s->os->ops->identify(s->os, s->dir, &id);

    *has_dir = *has_data = false;
    if (st == MOSS_NOT_FOUND)
        return MOSS_OK;
    if (st < 0)
        return error_set(err, st, "identify", s->dir, 0);
    if (!id.is_dir)
        return error_set(err, MOSS_CANTOPEN, "not a directory", s->dir, 0);
    *has_dir = true;
    st = datafile_scan(s->os, s->dir, &list, err);
    if (st < 0)
        return st;
    *has_data = list.n_data > 0;
    datafile_list_release(&list);
    return MOSS_OK;
}

static enum moss_status
open_store(struct moss_store *s, struct moss_error *err)
{
    struct datafile_list list = { 0 };
    bool has_dir, has_data;
    enum moss_status st = look(s, &has_dir, &has_data, err);

    if (st < 0)
        return st;
    if (!has_data && (s->readonly || s->no_create))
        return error_set(err, MOSS_CANTOPEN, "no store", s->dir, 0);
    if (!has_dir)
        st = s->os->ops->mkdir(s->os, s->dir);
    if (st < 0)
        return error_set(err, st, "mkdir", s->dir, 0);
    if (s->readonly) {
        st = find(s, &list, err);
        if (st == MOSS_NOT_FOUND)
            st = error_set(err, MOSS_CANTOPEN, "no store", s->dir, 0);
        if (st == MOSS_OK)
            st = check_merge(s, err);
    } else {
        st = open_writable(s, &list, err);
    }
    datafile_list_release(&list);
    return st;
}

static bool
kinds_are_given(const struct moss_store_options *o)
{
    const struct moss_segment_kind *kind;

    if (!kinds_are_valid(o->kinds, o->n_kinds))
        return false;
    if (o->persist_kind == NULL || strcmp(o->persist_kind, "a") == 0)
        return true;
    kind = kind_find(o->kinds, o->n_kinds, o->persist_kind);
    return kind != NULL && kind->encode != NULL;
}

/* 1 GiB. */
#define BUFFER_PAGES_MAX 262144u

static bool
options_are_valid(const struct moss_store_options *o)
{
    const char *name = o->merge == NULL ? NULL : o->merge->name;
    const struct moss_store_identity *id = o->identity;

    if (!compaction_is_valid(o->compaction) ||
        o->compaction_buffer_pages > BUFFER_PAGES_MAX || !kinds_are_given(o))
        return false;
    if (name != NULL && strlen(name) >= sizeof id->merge_name)
        return false;
    return id == NULL || (memchr(id->home_path, 0, sizeof id->home_path) &&
                          memchr(id->merge_name, 0, sizeof id->merge_name));
}

enum moss_status
moss_store_open(const char *dir, const struct moss_store_options *options,
                struct moss_store **out, struct moss_error *err)
{
    static const struct moss_store_options defaults;
    struct moss_store *s = NULL;
    enum moss_status st;

    *out = NULL;
    error_clear(err);
    if (options == NULL)
        options = &defaults;
    if (dir == NULL || *dir == '\0' || !options_are_valid(options))
        return error_set(err, MOSS_INVALID, "options", dir, 0);
    st = store_new(dir, options, &s);
    if (st < 0)
        return error_set(err, st, "open", dir, 0);
    st = open_store(s, err);
    if (st < 0) {
        store_unref(s);
        return st;
    }
    /* Whatever was passed over on the way is of no concern any more. */
    error_clear(err);
    *out = s;
    return MOSS_OK;
}
