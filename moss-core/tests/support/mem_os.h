/*
 * A file system in memory that knows what is durable and what is not, and can
 * lose the rest.  A file's bytes become durable with its sync(), a creation,
 * rename or removal with sync_dir() of the directory it happened in; a synced
 * file in a directory that was not synced may be gone after a crash.
 *
 * Directories "/" and "." are there from the start.  map() gives a copy, so
 * that the address sanitizer sees reads outside of it.  Safe for several
 * threads.  Allocates with malloc, not through the hook, and aborts without
 * memory.
 */
#ifndef MOSS_TESTS_SUPPORT_MEM_OS_H
#define MOSS_TESTS_SUPPORT_MEM_OS_H

#include "moss_os.h"

struct mem_os;

/* What a crash leaves of that which was not durable. */
enum mem_crash {
    MEM_CRASH_DROP, /* nothing */
    MEM_CRASH_KEEP, /* everything: the process was killed, no more */
    MEM_CRASH_TEAR  /* a seeded choice, by sectors of 512 bytes and by
                       directory operations */
};

/* Which calls a power cut is counted in. */
enum mem_cut {
    MEM_CUT_SYNC,  /* sync and sync_dir */
    MEM_CUT_CHANGE /* every call that changes anything, those included */
};

struct mem_os *mem_os_new(void);
/* After every file was closed and unmapped.  NULL is fine. */
void mem_os_free(struct mem_os *m);
/* To be given to moss; belongs to m. */
struct moss_os *mem_os_base(struct mem_os *m);

/*
 * Cut the power when the n-th such call from now (n >= 1) comes: it has no
 * effect, and it and all later calls fail with MOSS_IO and EIO.  n 0: never.
 */
void mem_os_cut_at(struct mem_os *m, enum mem_cut cut, unsigned n);
/* Cut it now. */
void mem_os_cut(struct mem_os *m);
bool mem_os_is_off(struct mem_os *m);
/* Such calls since mem_os_new(). */
unsigned mem_os_count(struct mem_os *m, enum mem_cut cut);

/*
 * Crash and start again: what was not durable is treated as how says, what is
 * left is durable, the power is on, locks are free.  Files that are still
 * open fail from now on with MOSS_IO; they are to be closed all the same.
 */
void mem_os_restart(struct mem_os *m, enum mem_crash how, uint64_t seed);

/* For fault_os_drop_on_sync(): forget what was not synced. */
void mem_file_drop_unsynced(struct moss_file *f);

/* Files and locks that are open now. */
unsigned mem_os_open_files(struct mem_os *m);

#endif
