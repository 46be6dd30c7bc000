/*
 * The VFS "crash": the system's VFS, with every call that changes a file
 * reported to disk.c; it fails, and so do opening and reading, when disk.c
 * says so.  Locking and shared memory pass through; the wal-index needs no
 * power cut, as SQLite rebuilds it.
 *
 * SQLite's own VFS syncs the directory at the first sync of a new journal;
 * that happens below xSync, so it is repeated here for the log.
 */
#include "crash_vfs.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "harness.h"

struct crash_file {
    sqlite3_file base;
    unsigned id;
    bool sync_dir; /* at the first sync */
    char dir[512];
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs *below;

static struct crash_file *
crash_file(sqlite3_file *f)
{
    return (struct crash_file *)f;
}

static sqlite3_file *
real_file(sqlite3_file *f)
{
    return crash_file(f)->real;
}

/* May a call that changes nothing go on? */
static bool
may_read(void)
{
    int e = disk_enter(DISK_SQLITE, DISK_READ);

    disk_leave();
    return e == 0;
}

/* -------------------------------------------------------------- changes */

static int
crash_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off)
{
    int rc;
    int e = disk_enter(DISK_SQLITE, DISK_WRITE);

    if (e != 0) {
        rc = e == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    } else {
        rc = real_file(f)->pMethods->xWrite(real_file(f), p, n, off);
        if (rc == SQLITE_OK)
            disk_did_write(crash_file(f)->id, (uint64_t)off, p, (size_t)n);
    }
    disk_leave();
    return rc;
}

static int
crash_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int rc = SQLITE_IOERR_TRUNCATE;

    if (disk_enter(DISK_SQLITE, DISK_NAME) == 0) {
        rc = real_file(f)->pMethods->xTruncate(real_file(f), size);
        if (rc == SQLITE_OK)
            disk_did_truncate(crash_file(f)->id, (uint64_t)size);
    }
    disk_leave();
    return rc;
}

static int
crash_sync(sqlite3_file *f, int flags)
{
    struct crash_file *c = crash_file(f);
    int rc = SQLITE_IOERR_FSYNC;

    (void)flags;
    if (disk_enter(DISK_SQLITE, DISK_SYNC) == 0) {
        disk_did_sync(c->id);
        if (c->sync_dir)
            disk_did_sync_dir(c->dir);
        c->sync_dir = false;
        rc = SQLITE_OK;
    }
    disk_leave();
    return rc;
}

static int
crash_control(sqlite3_file *f, int op, void *arg)
{
    /* A hint that would change the file's size behind the log. */
    if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE)
        return SQLITE_OK;
    return real_file(f)->pMethods->xFileControl(real_file(f), op, arg);
}

/* --------------------------------------------------------- passed through */

static int
crash_close(sqlite3_file *f)
{
    return real_file(f)->pMethods->xClose(real_file(f));
}

static int
crash_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
    return may_read() ? real_file(f)->pMethods->xRead(real_file(f), p, n, off)
                      : SQLITE_IOERR_READ;
}

static int
crash_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return may_read() ? real_file(f)->pMethods->xFileSize(real_file(f), size)
                      : SQLITE_IOERR_FSTAT;
}

static int
crash_lock(sqlite3_file *f, int lock)
{
    return real_file(f)->pMethods->xLock(real_file(f), lock);
}

static int
crash_unlock(sqlite3_file *f, int lock)
{
    return real_file(f)->pMethods->xUnlock(real_file(f), lock);
}

static int
crash_check_reserved(sqlite3_file *f, int *out)
{
    return real_file(f)->pMethods->xCheckReservedLock(real_file(f), out);
}

static int
crash_sector_size(sqlite3_file *f)
{
    return real_file(f)->pMethods->xSectorSize(real_file(f));
}

static int
crash_characteristics(sqlite3_file *f)
{
    return real_file(f)->pMethods->xDeviceCharacteristics(real_file(f));
}

static int
crash_shm_map(sqlite3_file *f, int page, int size, int extend,
              void volatile **out)
{
    return real_file(f)->pMethods->xShmMap(real_file(f), page, size, extend,
                                           out);
}

static int
crash_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_file(f)->pMethods->xShmLock(real_file(f), offset, n, flags);
}

static void
crash_shm_barrier(sqlite3_file *f)
{
    real_file(f)->pMethods->xShmBarrier(real_file(f));
}

static int
crash_shm_unmap(sqlite3_file *f, int remove)
{
    return real_file(f)->pMethods->xShmUnmap(real_file(f), remove);
}

/* Version 2: without memory-mapped reading, which no log could follow. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = crash_close,
    .xRead = crash_read,
    .xWrite = crash_write,
    .xTruncate = crash_truncate,
    .xSync = crash_sync,
    .xFileSize = crash_size,
    .xLock = crash_lock,
    .xUnlock = crash_unlock,
    .xCheckReservedLock = crash_check_reserved,
    .xFileControl = crash_control,
    .xSectorSize = crash_sector_size,
    .xDeviceCharacteristics = crash_characteristics,
    .xShmMap = crash_shm_map,
    .xShmLock = crash_shm_lock,
    .xShmBarrier = crash_shm_barrier,
    .xShmUnmap = crash_shm_unmap,
};

/* ------------------------------------------------------------------ VFS */

static int
crash_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
           int *out_flags)
{
    struct crash_file *c = crash_file(f);
    const int journals =
        SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
    bool is_new =
        (flags & SQLITE_OPEN_CREATE) && name != NULL && !file_exists(name);
    enum disk_op op = is_new ? DISK_NAME : DISK_READ;

    (void)vfs;
    memset(c, 0, sizeof *c);
    c->real = (sqlite3_file *)(c + 1);
    int e = disk_enter(DISK_SQLITE, op);
    if (e != 0) {
        disk_leave();
        return SQLITE_CANTOPEN;
    }
    int rc = below->xOpen(below, name, c->real, flags, out_flags);
    if (rc == SQLITE_OK && name != NULL) {
        const char *slash = strrchr(name, '/');
        c->id = disk_did_open(DISK_SQLITE, name);
        c->sync_dir = is_new && (flags & journals);
        snprintf(c->dir, sizeof c->dir, "%.*s",
                 slash != NULL ? (int)(slash - name) : 0, name);
    }
    disk_leave();
    if (c->real->pMethods != NULL)
        c->base.pMethods = &methods;
    return rc;
}

static int
crash_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    const char *slash = strrchr(name, '/');
    int rc = SQLITE_IOERR_DELETE;

    (void)vfs;
    if (disk_enter(DISK_SQLITE, DISK_NAME) == 0) {
        int e = disk_remove(name);
        rc = e == 0        ? SQLITE_OK
             : e == ENOENT ? SQLITE_IOERR_DELETE_NOENT
                           : SQLITE_IOERR_DELETE;
        if (e == 0 && sync_dir && slash != NULL)
            disk_did_sync_dir(path_of("%.*s", (int)(slash - name), name));
    }
    disk_leave();
    return rc;
}

static int
crash_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    return below->xAccess(below, name, flags, out);
}

static int
crash_full_pathname(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
    (void)vfs;
    return below->xFullPathname(below, name, n, out);
}

static int
crash_randomness(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs;
    return below->xRandomness(below, n, out);
}

static int
crash_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return below->xSleep(below, us);
}

static int
crash_current_time(sqlite3_vfs *vfs, double *out)
{
    (void)vfs;
    return below->xCurrentTime(below, out);
}

static int
crash_current_time_int64(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    (void)vfs;
    return below->xCurrentTimeInt64(below, out);
}

static int
crash_last_error(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs;
    return below->xGetLastError(below, n, out);
}

void
crash_vfs_register(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 2,
        .zName = "crash",
        .xOpen = crash_open,
        .xDelete = crash_delete,
        .xAccess = crash_access,
        .xFullPathname = crash_full_pathname,
        .xRandomness = crash_randomness,
        .xSleep = crash_sleep,
        .xCurrentTime = crash_current_time,
        .xGetLastError = crash_last_error,
        .xCurrentTimeInt64 = crash_current_time_int64,
    };

    if (below != NULL)
        return;
    below = sqlite3_vfs_find(NULL);
    vfs.szOsFile = (int)sizeof(struct crash_file) + below->szOsFile;
    vfs.mxPathname = below->mxPathname;
    if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
        fail("cannot register the VFS");
}
