/*
 * The struct moss_os of crash_vfs.h: moss_os_posix(), with every call that
 * changes a file or a directory reported to disk.c and failing when disk.c
 * says so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crash_vfs.h"
#include "disk.h"
#include "harness.h"

struct crash_os_file {
    struct moss_file base;
    struct moss_file *real;
    unsigned id;
};

static struct moss_file *
real_file(struct moss_file *f)
{
    return ((struct crash_os_file *)f)->real;
}

static unsigned
file_id(struct moss_file *f)
{
    return ((struct crash_os_file *)f)->id;
}

/* disk_enter() as a status; errno is set. */
static enum moss_status
enter(enum disk_op op)
{
    int e = disk_enter(DISK_MOSS, op);

    if (e == 0)
        return MOSS_OK;
    errno = e;
    return e == ENOSPC ? MOSS_FULL : MOSS_IO;
}

/* May a call that changes nothing go on? */
static enum moss_status
may_read(void)
{
    enum moss_status st = enter(DISK_READ);

    disk_leave();
    return st;
}

/* ---------------------------------------------------------------- files */

static enum moss_status
crash_read(struct moss_file *f, uint64_t off, void *buf, size_t n)
{
    enum moss_status st = may_read();

    return st == MOSS_OK ? real_file(f)->ops->read(real_file(f), off, buf, n)
                         : st;
}

static enum moss_status
crash_write(struct moss_file *f, uint64_t off, const void *buf, size_t n)
{
    enum moss_status st = enter(DISK_WRITE);

    if (st == MOSS_OK)
        st = real_file(f)->ops->write(real_file(f), off, buf, n);
    if (st == MOSS_OK)
        disk_did_write(file_id(f), off, buf, n);
    disk_leave();
    return st;
}

static enum moss_status
crash_sync(struct moss_file *f)
{
    enum moss_status st = enter(DISK_SYNC);

    if (st == MOSS_OK)
        disk_did_sync(file_id(f));
    disk_leave();
    return st;
}

static enum moss_status
crash_size(struct moss_file *f, uint64_t *out)
{
    enum moss_status st = may_read();

    return st == MOSS_OK ? real_file(f)->ops->size(real_file(f), out) : st;
}

static enum moss_status
crash_map(struct moss_file *f, uint64_t off, size_t n, const void **out)
{
    enum moss_status st = may_read();

    *out = NULL;
    return st == MOSS_OK ? real_file(f)->ops->map(real_file(f), off, n, out)
                         : st;
}

static void
crash_unmap(struct moss_file *f, const void *addr, size_t n)
{
    real_file(f)->ops->unmap(real_file(f), addr, n);
}

static enum moss_status
crash_truncate(struct moss_file *f, uint64_t size)
{
    enum moss_status st = enter(DISK_NAME);

    if (st == MOSS_OK)
        st = real_file(f)->ops->truncate(real_file(f), size);
    if (st == MOSS_OK)
        disk_did_truncate(file_id(f), size);
    disk_leave();
    return st;
}

static void
crash_close(struct moss_file *f)
{
    real_file(f)->ops->close(real_file(f));
    free(f);
}

static const struct moss_file_ops file_ops = {
    .read = crash_read,
    .write = crash_write,
    .sync = crash_sync,
    .size = crash_size,
    .map = crash_map,
    .unmap = crash_unmap,
    .truncate = crash_truncate,
    .close = crash_close,
};

/* Put the wrapper around *real, which stands at path now. */
static struct moss_file *
wrap(struct moss_file *real, const char *path)
{
    struct crash_os_file *f = malloc(sizeof *f);

    if (f == NULL)
        fail("out of memory");
    f->base.ops = &file_ops;
    f->real = real;
    f->id = disk_did_open(DISK_MOSS, path);
    return &f->base;
}

/* ------------------------------------------------------------------- OS */

static struct moss_os *
below(void)
{
    return moss_os_posix();
}

static enum moss_status
os_open(struct moss_os *os, const char *path, unsigned flags,
        struct moss_file **out)
{
    bool is_new = (flags & MOSS_OPEN_CREATE) && !file_exists(path);
    enum moss_status st = enter(is_new ? DISK_NAME : DISK_READ);

    (void)os;
    *out = NULL;
    if (st == MOSS_OK)
        st = below()->ops->open(below(), path, flags, out);
    if (st == MOSS_OK)
        *out = wrap(*out, path);
    disk_leave();
    return st;
}

static enum moss_status
os_list(struct moss_os *os, const char *dir,
        void (*each)(void *arg, const char *name), void *arg)
{
    enum moss_status st = may_read();

    (void)os;
    return st == MOSS_OK ? below()->ops->list(below(), dir, each, arg) : st;
}

static enum moss_status
os_remove(struct moss_os *os, const char *path)
{
    enum moss_status st = enter(DISK_NAME);

    (void)os;
    if (st == MOSS_OK) {
        int e = disk_remove(path);
        errno = e;
        st = e == 0 ? MOSS_OK : e == ENOENT ? MOSS_CANTOPEN : MOSS_IO;
    }
    disk_leave();
    return st;
}

static enum moss_status
os_rename(struct moss_os *os, const char *from, const char *to)
{
    enum moss_status st = enter(DISK_NAME);

    (void)os;
    if (st == MOSS_OK)
        st = below()->ops->rename(below(), from, to);
    if (st == MOSS_OK)
        disk_did_rename(from, to);
    disk_leave();
    return st;
}

static enum moss_status
os_mkdir(struct moss_os *os, const char *dir)
{
    enum moss_status st = enter(DISK_NAME);

    (void)os;
    if (st == MOSS_OK)
        st = below()->ops->mkdir(below(), dir);
    if (st == MOSS_OK)
        disk_did_mkdir(dir);
    disk_leave();
    return st;
}

static enum moss_status
os_remove_dir(struct moss_os *os, const char *dir)
{
    enum moss_status st = enter(DISK_NAME);

    (void)os;
    if (st == MOSS_OK)
        st = below()->ops->remove_dir(below(), dir);
    if (st == MOSS_OK)
        disk_did_remove_dir(dir);
    disk_leave();
    return st;
}

static enum moss_status
os_sync_dir(struct moss_os *os, const char *dir)
{
    enum moss_status st = enter(DISK_SYNC);

    (void)os;
    if (st == MOSS_OK)
        disk_did_sync_dir(dir);
    disk_leave();
    return st;
}

static enum moss_status
os_identify(struct moss_os *os, const char *path, struct moss_file_id *out)
{
    enum moss_status st = may_read();

    (void)os;
    return st == MOSS_OK ? below()->ops->identify(below(), path, out) : st;
}

static enum moss_status
os_lock(struct moss_os *os, const char *path, struct moss_file **out)
{
    enum moss_status st = enter(file_exists(path) ? DISK_READ : DISK_NAME);

    (void)os;
    *out = NULL;
    if (st == MOSS_OK)
        st = below()->ops->lock(below(), path, out);
    if (st == MOSS_OK)
        *out = wrap(*out, path);
    disk_leave();
    return st;
}

static uint64_t
os_monotonic_ns(struct moss_os *os)
{
    (void)os;
    return below()->ops->monotonic_ns(below());
}

static uint64_t
os_unix_seconds(struct moss_os *os)
{
    (void)os;
    return below()->ops->unix_seconds(below());
}

static enum moss_status
os_random(struct moss_os *os, void *buf, size_t n)
{
    (void)os;
    return below()->ops->random(below(), buf, n);
}

struct moss_os *
crash_os(void)
{
    static const struct moss_os_ops ops = {
        .open = os_open,
        .list = os_list,
        .remove = os_remove,
        .rename = os_rename,
        .mkdir = os_mkdir,
        .remove_dir = os_remove_dir,
        .sync_dir = os_sync_dir,
        .identify = os_identify,
        .lock = os_lock,
        .monotonic_ns = os_monotonic_ns,
        .unix_seconds = os_unix_seconds,
        .random = os_random,
    };
    static struct moss_os os = { &ops };

    return &os;
}
