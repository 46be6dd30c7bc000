/*
 * A file is closed when its last user is gone: the store, a mapping, a
 * snapshot of history.  A compaction removes the name of the old file at
 * once; its bytes go with the last reference, which may take the system long,
 * so that is left to the reaper.
 *
 * Any thread; `removed` is set by a holder of a reference before it lets go.
 */
#include "store/file.h"

#include "base/base.h"
#include "base/error.h"
#include "base/mem.h"

enum moss_status
file_open(struct moss_os *os, const char *path, unsigned flags,
          struct file **out, struct moss_error *err)
{
    struct file *file = mem_zalloc(1, sizeof *file);
    enum moss_status st = MOSS_NOMEM;

    *out = NULL;
    if (file == NULL)
        return error_set(err, MOSS_NOMEM, "open", path, 0);
    refs_init(&file->refs);
    file->path = mem_dup(path, strlen(path) + 1);
    if (file->path != NULL)
        st = os->ops->open(os, path, flags, &file->f);
    if (st < 0) {
        (void)error_set(err, st, "open", path, 0);
        mem_free(file->path);
        mem_free(file);
        return st;
    }
    *out = file;
    return MOSS_OK;
}

struct file *
file_ref(struct file *file)
{
    refs_inc(&file->refs);
    return file;
}

static void
file_close(struct reap *reap)
{
    struct file *file = container_of(reap, struct file, reap);

    file->f->ops->close(file->f);
    mem_free(file->path);
    mem_free(file);
}

void
file_unref(struct file *file)
{
    if (file == NULL || !refs_dec(&file->refs))
        return;
    if (file->removed)
        reaper_defer(&file->reap, file_close);
    else
        file_close(&file->reap);
}

enum moss_status
file_read(struct file *file, uint64_t off, void *buf, size_t n,
          struct moss_error *err)
{
    enum moss_status st = file->f->ops->read(file->f, off, buf, n);

    return st < 0 ? error_set(err, st, "read", file->path, off) : st;
}

enum moss_status
file_ask(struct file *file, uint64_t off, size_t n, struct moss_error *err)
{
    enum moss_status st =
        file->watch == NULL ? MOSS_OK : file->watch->ask(file->watch, n);

    return st < 0 ? error_set(err, st, "write", file->path, off) : st;
}

enum moss_status
file_write_unasked(struct file *file, uint64_t off, const void *buf, size_t n,
                   struct moss_error *err)
{
    enum moss_status st = file->f->ops->write(file->f, off, buf, n);

    return st < 0 ? error_set(err, st, "write", file->path, off) : st;
}

enum moss_status
file_write(struct file *file, uint64_t off, const void *buf, size_t n,
           struct moss_error *err)
{
    enum moss_status st = file_ask(file, off, n, err);

    return st < 0 ? st : file_write_unasked(file, off, buf, n, err);
}

void
file_start_sync(struct file *file, uint64_t off, size_t n)
{
    if (file->f->ops->start_sync != NULL)
        file->f->ops->start_sync(file->f, off, n);
}

enum moss_status
file_sync(struct file *file, struct moss_error *err)
{
    enum moss_status st = file->f->ops->sync(file->f);

    return st < 0 ? error_set(err, st, "sync", file->path, 0) : st;
}

enum moss_status
file_size(struct file *file, uint64_t *size, struct moss_error *err)
{
    enum moss_status st = file->f->ops->size(file->f, size);

    return st < 0 ? error_set(err, st, "size", file->path, 0) : st;
}

char *
file_path(const char *dir, const char *name)
{
    size_t n_dir = strlen(dir), n_name = strlen(name);
    char *path = mem_alloc(n_dir + n_name + 2);

    if (path == NULL)
        return NULL;
    memcpy(path, dir, n_dir);
    path[n_dir] = '/';
    memcpy(path + n_dir + 1, name, n_name + 1);
    return path;
}
