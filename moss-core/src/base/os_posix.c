/*
 * The default struct moss_os: the only file that makes system calls for files
 * and memory mappings.
 *
 * A call that the system interrupts or finishes in part is carried on here, so
 * callers see all or nothing.  Errors are told apart by errno in one place,
 * failure().  Any thread; the objects have no state of their own.
 */
#include "base/os_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "base/mem.h"
#include "moss_os.h"

/* Linux moves at most 2 GiB - 4 KiB a call; this is below and even. */
#define IO_MAX ((size_t)1 << 30)

struct posix_file {
    struct moss_file base;
    int fd;
};

static struct posix_file *
posix_file(struct moss_file *f)
{
    return container_of(f, struct posix_file, base);
}

/* The status for errno; is_write says that permission to write was asked. */
static enum moss_status
failure(bool is_write)
{
    switch (errno) {
    case ENOMEM:
        return MOSS_NOMEM;
    case ENOSPC:
    case EDQUOT:
        return MOSS_FULL;
    case ENOENT:
    case ENOTDIR:
        return MOSS_CANTOPEN;
    case EACCES:
    case EPERM:
    case EROFS:
        return is_write ? MOSS_READONLY : MOSS_IO;
    default:
        return MOSS_IO;
    }
}

static enum moss_status
check(int result, bool is_write)
{
    return result == 0 ? MOSS_OK : failure(is_write);
}

/* Does [off, off+n) lie where off_t reaches? */
static bool
is_in_reach(uint64_t off, size_t n)
{
    return off <= INT64_MAX && n <= INT64_MAX - off;
}

/* ------------------------------------------------------------------ files */

static enum moss_status
posix_read(struct moss_file *f, uint64_t off, void *buf, size_t n)
{
    int fd = posix_file(f)->fd;
    size_t done = 0;

    if (!is_in_reach(off, n)) {
        errno = 0;
        return MOSS_CORRUPT;
    }
    while (done < n) {
        size_t part = n - done < IO_MAX ? n - done : IO_MAX;
        ssize_t got = pread(fd, (char *)buf + done, part, (off_t)(off + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failure(false);
        if (got == 0) {
            errno = 0;
            return MOSS_CORRUPT;
        }
        done += (size_t)got;
    }
    return MOSS_OK;
}

static enum moss_status
posix_write(struct moss_file *f, uint64_t off, const void *buf, size_t n)
{
    int fd = posix_file(f)->fd;
    size_t done = 0;

    if (!is_in_reach(off, n)) {
        errno = EFBIG;
        return MOSS_IO;
    }
    while (done < n) {
        size_t part = n - done < IO_MAX ? n - done : IO_MAX;
        ssize_t put =
            pwrite(fd, (const char *)buf + done, part, (off_t)(off + done));

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return failure(true);
        if (put == 0) {
            errno = EIO; /* no progress and no reason: do not spin */
            return MOSS_IO;
        }
        done += (size_t)put;
    }
    return MOSS_OK;
}

/* fdatasync() also writes the size, where reading the data needs it. */
static enum moss_status
posix_sync(struct moss_file *f)
{
    int result;

    do
        result = fdatasync(posix_file(f)->fd);
    while (result != 0 && errno == EINTR);
    return check(result, true);
}

/* Unlike other flags of this call, the one here leaves errors for the sync. */
static void
posix_start_sync(struct moss_file *f, uint64_t off, size_t n)
{
    (void)sync_file_range(posix_file(f)->fd, (off_t)off, (off_t)n,
                          SYNC_FILE_RANGE_WRITE);
}

static enum moss_status
posix_size(struct moss_file *f, uint64_t *out)
{
    struct stat s;

    *out = 0;
    if (fstat(posix_file(f)->fd, &s) != 0)
        return failure(false);
    *out = (uint64_t)s.st_size;
    return MOSS_OK;
}

static size_t
page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/*
 * Reserve addresses for n bytes such that the first is aligned to a huge page;
 * the kernel can then use huge pages of the page cache.
 */
static void *
reserve_aligned(size_t n, int prot, int flags)
{
    size_t room = n + OS_HUGE_PAGE, head, tail;
    char *p =
        mmap(NULL, room, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    head = (size_t)(align_up((uintptr_t)p, OS_HUGE_PAGE) - (uintptr_t)p);
    tail = room - head - n;
    if (head > 0)
        (void)munmap(p, head);
    if (tail > 0)
        (void)munmap(p + head + n, tail);
    return p + head;
}

static enum moss_status
posix_map(struct moss_file *f, uint64_t off, size_t n, const void **out)
{
    int fd = posix_file(f)->fd;
    size_t slack = (size_t)(off % page_size()); /* mmap wants whole pages */
    bool is_large = off % OS_HUGE_PAGE == 0 && n >= OS_HUGE_PAGE;
    size_t whole;
    char *hint = NULL, *p;

    *out = NULL;
    if (n == 0 || !is_in_reach(off, n) ||
        n > SIZE_MAX - slack - 2 * OS_HUGE_PAGE) {
        errno = EINVAL;
        return MOSS_INVALID;
    }
    whole = (size_t)align_up(n + slack, page_size());
    if (is_large)
        hint = reserve_aligned(whole, PROT_NONE, MAP_NORESERVE);
    p = mmap(hint, whole, PROT_READ,
             MAP_SHARED | (hint == NULL ? 0 : MAP_FIXED), fd,
             (off_t)(off - slack));
    if (p == MAP_FAILED) {
        int error = errno;

        if (hint != NULL)
            (void)munmap(hint, whole);
        errno = error;
        return failure(false);
    }
    if (hint != NULL)
        (void)madvise(p, whole, MADV_HUGEPAGE); /* a hint: may be refused */
    *out = p + slack;
    return MOSS_OK;
}

static void
posix_unmap(struct moss_file *f, const void *addr, size_t n)
{
    size_t slack = (uintptr_t)addr % page_size();
    size_t whole = (size_t)align_up(n + slack, page_size());

    (void)f;
    /* Fails only for addresses that posix_map() never gave out. */
    (void)munmap((void *)((uintptr_t)addr - slack), whole);
}

static enum moss_status
posix_truncate(struct moss_file *f, uint64_t size)
{
    int result;

    if (size > INT64_MAX) {
        errno = EFBIG;
        return MOSS_IO;
    }
    do
        result = ftruncate(posix_file(f)->fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return check(result, true);
}

/* What had to be durable was synced before: close() can lose nothing. */
static void
posix_close(struct moss_file *f)
{
    (void)close(posix_file(f)->fd);
    mem_free(posix_file(f));
}

static const struct moss_file_ops file_ops = {
    .read = posix_read,
    .write = posix_write,
    .sync = posix_sync,
    .size = posix_size,
    .map = posix_map,
    .unmap = posix_unmap,
    .truncate = posix_truncate,
    .close = posix_close,
    .start_sync = posix_start_sync,
};

/*
 * open(), never as one of the three standard streams: in a process that closed
 * those, a stray message would be written into a data file.
 */
static int
open_fd(const char *path, int how)
{
    int fd, high, error;

    do
        fd = open(path, how | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    if (fd < 0 || fd > 2)
        return fd;
    high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    error = errno;
    (void)close(fd);
    errno = error;
    return high;
}

static enum moss_status
file_new(int fd, struct moss_file **out)
{
    struct posix_file *f = mem_zalloc(1, sizeof(*f));

    if (f == NULL) {
        (void)close(fd);
        return MOSS_NOMEM;
    }
    f->base.ops = &file_ops;
    f->fd = fd;
    *out = &f->base;
    return MOSS_OK;
}

static enum moss_status
posix_open(struct moss_os *os, const char *path, unsigned flags,
           struct moss_file **out)
{
    bool is_write = (flags & MOSS_OPEN_WRITE) != 0;
    int how = is_write ? O_RDWR : O_RDONLY;
    int fd;

    (void)os;
    *out = NULL;
    if ((flags & MOSS_OPEN_CREATE) != 0)
        how |= O_CREAT;
    if ((flags & MOSS_OPEN_EXCL) != 0)
        how |= O_EXCL;
    fd = open_fd(path, how);
    if (fd < 0 && errno == EEXIST)
        return MOSS_BUSY;
    if (fd < 0)
        return failure(is_write);
    return file_new(fd, out);
}

/* ------------------------------------------------------------ directories */

static enum moss_status
posix_list(struct moss_os *os, const char *dir,
           void (*each)(void *arg, const char *name), void *arg)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;
    int error;

    (void)os;
    if (d == NULL)
        return failure(false);
    for (;;) {
        errno = 0;
        entry = readdir(d);
        if (entry == NULL)
            break;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(arg, entry->d_name);
    }
    error = errno;
    (void)closedir(d);
    errno = error;
    return error == 0 ? MOSS_OK : failure(false);
}

static enum moss_status
posix_remove(struct moss_os *os, const char *path)
{
    (void)os;
    return check(unlink(path), true);
}

static enum moss_status
posix_rename(struct moss_os *os, const char *from, const char *to)
{
    (void)os;
    return check(rename(from, to), true);
}

static enum moss_status
posix_mkdir(struct moss_os *os, const char *dir)
{
    struct stat s;

    (void)os;
    if (mkdir(dir, 0777) == 0)
        return MOSS_OK;
    if (errno != EEXIST)
        return failure(true);
    if (stat(dir, &s) != 0)
        return failure(true);
    if (S_ISDIR(s.st_mode))
        return MOSS_OK;
    errno = ENOTDIR;
    return failure(true);
}

static enum moss_status
posix_remove_dir(struct moss_os *os, const char *dir)
{
    (void)os;
    return check(rmdir(dir), true);
}

static enum moss_status
posix_sync_dir(struct moss_os *os, const char *dir)
{
    int fd = open_fd(dir, O_RDONLY | O_DIRECTORY);
    int result, error;

    (void)os;
    if (fd < 0)
        return failure(false);
    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    error = errno;
    (void)close(fd);
    errno = error;
    /* File systems that cannot sync a directory say so; no one can help. */
    if (result != 0 && errno == EINVAL)
        return MOSS_OK;
    return check(result, true);
}

static enum moss_status
posix_identify(struct moss_os *os, const char *path, struct moss_file_id *out)
{
    struct stat s;

    (void)os;
    *out = (struct moss_file_id){ 0 };
    if (stat(path, &s) != 0)
        return errno == ENOENT || errno == ENOTDIR ? MOSS_NOT_FOUND
                                                   : failure(false);
    out->dev = (uint64_t)s.st_dev;
    out->ino = (uint64_t)s.st_ino;
    out->is_dir = S_ISDIR(s.st_mode);
    return MOSS_OK;
}

/* ---------------------------------------------------------------- the lock */

/* Is fd what path names?  Else another process has removed it meanwhile. */
static bool
is_current(int fd, const char *path)
{
    struct stat opened, named;

    return fstat(fd, &opened) == 0 && stat(path, &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/*
 * flock() belongs to the open file, not to the process as fcntl()'s locks do:
 * a second open in this process is kept out too, and closing some other
 * descriptor of the file does not unlock it.
 */
static enum moss_status
posix_lock(struct moss_os *os, const char *path, struct moss_file **out)
{
    (void)os;
    *out = NULL;
    for (;;) {
        int fd = open_fd(path, O_RDWR | O_CREAT);
        int result, error;

        if (fd < 0)
            return failure(true);
        do
            result = flock(fd, LOCK_EX | LOCK_NB);
        while (result != 0 && errno == EINTR);
        if (result == 0 && is_current(fd, path))
            return file_new(fd, out);
        error = errno;
        (void)close(fd);
        errno = error;
        if (result != 0)
            return errno == EWOULDBLOCK ? MOSS_BUSY : failure(true);
    }
}

/* --------------------------------------------------------- time and chance */

static uint64_t
posix_monotonic_ns(struct moss_os *os)
{
    struct timespec now = { 0 };

    (void)os;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* this clock always exists */
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static uint64_t
posix_unix_seconds(struct moss_os *os)
{
    (void)os;
    return (uint64_t)time(NULL);
}

static enum moss_status
posix_random(struct moss_os *os, void *buf, size_t n)
{
    size_t done = 0;

    (void)os;
    while (done < n) {
        ssize_t got = getrandom((char *)buf + done, n - done, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failure(false);
        done += (size_t)got;
    }
    return MOSS_OK;
}

static const struct moss_os_ops os_ops = {
    .open = posix_open,
    .list = posix_list,
    .remove = posix_remove,
    .rename = posix_rename,
    .mkdir = posix_mkdir,
    .remove_dir = posix_remove_dir,
    .sync_dir = posix_sync_dir,
    .identify = posix_identify,
    .lock = posix_lock,
    .monotonic_ns = posix_monotonic_ns,
    .unix_seconds = posix_unix_seconds,
    .random = posix_random,
};

struct moss_os *
moss_os_posix(void)
{
    static struct moss_os os = { .ops = &os_ops };

    return &os;
}

/* ----------------------------------------------------------------- memory */

void *
os_pages_map(size_t n)
{
    void *p;

    if (n > SIZE_MAX - 2 * OS_HUGE_PAGE)
        return NULL;
    p = reserve_aligned(n, PROT_READ | PROT_WRITE, 0);
    if (p != NULL && n >= OS_HUGE_PAGE)
        (void)madvise(p, n, MADV_HUGEPAGE); /* a hint: may be refused */
    return p;
}

void
os_pages_unmap(void *p, size_t n)
{
    (void)munmap(p, n);
}
