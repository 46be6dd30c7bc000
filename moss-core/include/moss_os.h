/*
 * The operating system and the allocator as moss sees them.  Everything that
 * moss asks of the system goes through these tables, so that an embedder can
 * change it and a test can put a failing or in-memory file system under the
 * real store.  An implementation embeds the base struct as its first member.
 *
 * Every call may come from any thread.  On failure a call sets errno to the
 * cause (or to 0 if there is none) before it returns MOSS_IO or MOSS_FULL.
 */
#ifndef MOSS_OS_H
#define MOSS_OS_H

#include "moss.h"

#ifdef __cplusplus
extern "C" {
#endif

struct moss_file {
    const struct moss_file_ops *ops;
};

struct moss_file_ops {
    /* Exactly n bytes, or a failure; past the end is MOSS_CORRUPT. */
    enum moss_status (*read)(struct moss_file *f, uint64_t off, void *buf,
                             size_t n);
    /* All n bytes, or a failure; retries EINTR and short writes itself. */
    enum moss_status (*write)(struct moss_file *f, uint64_t off,
                              const void *buf, size_t n);
    /* Make all that was written durable, with the size it needs. */
    enum moss_status (*sync)(struct moss_file *f);
    enum moss_status (*size)(struct moss_file *f, uint64_t *out);
    /* Map [off, off+n) read-only, n > 0; the caller has checked the size. */
    enum moss_status (*map)(struct moss_file *f, uint64_t off, size_t n,
                            const void **out);
    void (*unmap)(struct moss_file *f, const void *addr, size_t n);
    enum moss_status (*truncate)(struct moss_file *f, uint64_t size);
    void (*close)(struct moss_file *f);
    /*
     * May be NULL.  Begin to bring [off, off+n), which was written, to the
     * disk, without waiting for the end; so there is less left for sync() to
     * do.  What fails of it, sync() reports.
     */
    void (*start_sync)(struct moss_file *f, uint64_t off, size_t n);
};

enum moss_open_flags {
    MOSS_OPEN_READ = 0,
    MOSS_OPEN_WRITE = 1,  /* for reading and writing */
    MOSS_OPEN_CREATE = 2, /* create it if it is not there */
    MOSS_OPEN_EXCL = 4    /* with CREATE: MOSS_BUSY if it is there */
};

/* What a file or directory is. */
struct moss_file_id {
    uint64_t dev, ino;
    bool is_dir;
};

struct moss_os {
    const struct moss_os_ops *ops;
};

struct moss_os_ops {
    /* A missing file is MOSS_CANTOPEN. */
    enum moss_status (*open)(struct moss_os *os, const char *path,
                             unsigned flags, struct moss_file **out);
    /* Every name in dir but "." and "..", in no order. */
    enum moss_status (*list)(struct moss_os *os, const char *dir,
                             void (*each)(void *arg, const char *name),
                             void *arg);
    enum moss_status (*remove)(struct moss_os *os, const char *path);
    enum moss_status (*rename)(struct moss_os *os, const char *from,
                               const char *to);
    /* MOSS_OK too if it is there already. */
    enum moss_status (*mkdir)(struct moss_os *os, const char *dir);
    enum moss_status (*remove_dir)(struct moss_os *os, const char *dir);
    /* Make creations, renames and removals in dir survive a power cut. */
    enum moss_status (*sync_dir)(struct moss_os *os, const char *dir);
    /* MOSS_NOT_FOUND if there is nothing. */
    enum moss_status (*identify)(struct moss_os *os, const char *path,
                                 struct moss_file_id *out);
    /*
     * Lock path, created if need be, against other opens of it in this and
     * in other processes.  Never waits: MOSS_BUSY if it is held.  Closing
     * *out unlocks.  The lock ends with the process.
     */
    enum moss_status (*lock)(struct moss_os *os, const char *path,
                             struct moss_file **out);
    uint64_t (*monotonic_ns)(struct moss_os *os);
    uint64_t (*unix_seconds)(struct moss_os *os);
    /* n unpredictable bytes. */
    enum moss_status (*random)(struct moss_os *os, void *buf, size_t n);
};

/* The system itself.  Static: never freed. */
MOSS_API struct moss_os *moss_os_posix(void);

/*
 * All memory comes from here.  Set it before any other call, or not at all;
 * NULL restores malloc, realloc and free.  The functions are called from any
 * thread.
 */
struct moss_allocator {
    void *(*alloc)(void *ctx, size_t n);
    void *(*realloc)(void *ctx, void *p, size_t n);
    void (*free)(void *ctx, void *p);
    void *ctx;
};
MOSS_API void moss_set_allocator(const struct moss_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif
