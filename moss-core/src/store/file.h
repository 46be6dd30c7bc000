/* An open file that several may hold, and that names itself in errors. */
#ifndef MOSS_STORE_FILE_H
#define MOSS_STORE_FILE_H

#include "base/reaper.h"
#include "base/refs.h"
#include "moss_os.h"

/* The unit of the file format, whatever the machine's page. */
#define FILE_PAGE 4096u

/* Is asked before each write; anything but MOSS_OK is returned instead. */
struct file_watch {
    enum moss_status (*ask)(struct file_watch *watch, size_t n);
};

struct file {
    struct refs refs;
    struct moss_file *f;
    char *path;
    bool removed; /* it has no name any more: closing it may take long */
    struct file_watch *watch; /* borrowed; NULL: none; of who writes */
    size_t write_max;         /* how much to write at once; 0: default */
    struct reap reap;
};

/* flags as in moss_os.h.  err may be NULL, here and below. */
MOSS_MUST_CHECK enum moss_status
file_open(struct moss_os *os, const char *path, unsigned flags,
          struct file **out, struct moss_error *err);
struct file *file_ref(struct file *file);
/* NULL is fine.  The last one closes, on the reaper if it was removed. */
void file_unref(struct file *file);

/* Like the methods in moss_os.h, with the failure described in err. */
MOSS_MUST_CHECK enum moss_status
file_read(struct file *file, uint64_t off, void *buf, size_t n,
          struct moss_error *err);
MOSS_MUST_CHECK enum moss_status
file_write(struct file *file, uint64_t off, const void *buf, size_t n,
           struct moss_error *err);
/*
 * file_write() in two parts: ask the file's watch whether to go on, from the
 * thread that is asked to write, and write, which any thread may do.
 */
MOSS_MUST_CHECK enum moss_status
file_ask(struct file *file, uint64_t off, size_t n, struct moss_error *err);
MOSS_MUST_CHECK enum moss_status
file_write_unasked(struct file *file, uint64_t off, const void *buf, size_t n,
                   struct moss_error *err);
/* Begin to bring what was written there to the disk; a hint. */
void file_start_sync(struct file *file, uint64_t off, size_t n);
MOSS_MUST_CHECK enum moss_status
file_sync(struct file *file, struct moss_error *err);
MOSS_MUST_CHECK enum moss_status
file_size(struct file *file, uint64_t *size, struct moss_error *err);

/* "dir/name", to be freed with mem_free(), or NULL. */
char *file_path(const char *dir, const char *name);

#endif
