/* The names in a file system in memory; a part of mem_os. */
#ifndef MOSS_TESTS_SUPPORT_MEM_NAMES_H
#define MOSS_TESTS_SUPPORT_MEM_NAMES_H

#include "support/mem_file.h"

struct mem_name {
    char *path;
    struct mem_inode *inode; /* one reference */
};

struct mem_tree {
    struct mem_name *names; /* in no order */
    size_t n;
};

/* One change of names; a NULL path has no part in it. */
struct mem_change {
    char *from, *to;
    struct mem_inode *inode; /* one reference */
};

/* Zeroed at first.  Guarded by the mutex of its mem_os. */
struct mem_names {
    struct mem_tree now, durable;
    struct mem_change *changes; /* since their directories were synced */
    size_t n_changes;
};

/* NULL: no such name. */
struct mem_name *mem_tree_find(const struct mem_tree *t, const char *path);
void
mem_tree_put(struct mem_tree *t, const char *path, struct mem_inode *inode);
void mem_tree_remove(struct mem_tree *t, const char *path);

/* Is path directly in dir?  "x" is in ".", "/x" in "/". */
bool mem_path_is_in(const char *path, const char *dir);

/* Note a change that was made to now. */
void mem_names_log(struct mem_names *n, const char *from, const char *to,
                   struct mem_inode *inode);
/* The changes in dir are durable. */
void mem_names_sync_dir(struct mem_names *n, const char *dir);
/* Now becomes what a crash leaves; r is needed for MEM_CRASH_TEAR only. */
void mem_names_crash(struct mem_names *n, enum mem_crash how, struct rng *r);
void mem_names_release(struct mem_names *n);

#endif
