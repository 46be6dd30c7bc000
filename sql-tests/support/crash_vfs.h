/*
 * SQLite's and moss's files on the disk of disk.h.
 */
#ifndef SQL_TESTS_CRASH_VFS_H
#define SQL_TESTS_CRASH_VFS_H

#include "moss_os.h"

/*
 * Register the VFS "crash", over the default one; not made the default.
 * Calling it again does nothing.
 */
void crash_vfs_register(void);

/* The struct moss_os over moss_os_posix().  Static. */
struct moss_os *crash_os(void);

#endif
