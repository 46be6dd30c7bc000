/* The contents of a file in memory; a part of mem_os. */
#ifndef MOSS_TESTS_SUPPORT_MEM_FILE_H
#define MOSS_TESTS_SUPPORT_MEM_FILE_H

#include "support/fixture.h"
#include "support/mem_os.h"

struct mem_bytes {
    uint8_t *p;
    size_t n, cap;
};

/* A write or, with data NULL, a change of the size to off. */
struct mem_update {
    uint64_t off;
    uint8_t *data;
    size_t n;
};

/* A file or directory.  Guarded by the mutex of its mem_os. */
struct mem_inode {
    size_t refs;
    uint64_t ino;
    bool is_dir;
    bool is_locked;
    struct mem_bytes now, synced;
    struct mem_update *updates; /* since the last sync, oldest first */
    size_t n_updates;
};

struct mem_inode *mem_inode_new(uint64_t ino, bool is_dir);
void mem_inode_ref(struct mem_inode *inode);
void mem_inode_unref(struct mem_inode *inode);

/* False if it is not all there. */
bool mem_inode_read(const struct mem_inode *inode, uint64_t off, void *buf,
                    size_t n);
void mem_inode_write(struct mem_inode *inode, uint64_t off, const void *bytes,
                     size_t n);
void mem_inode_truncate(struct mem_inode *inode, uint64_t size);
void mem_inode_sync(struct mem_inode *inode);
/* Lose what is not synced; r is needed for MEM_CRASH_TEAR only. */
void
mem_inode_crash(struct mem_inode *inode, enum mem_crash how, struct rng *r);

#endif
