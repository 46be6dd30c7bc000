/*
 * A struct moss_os that passes every call on to another one, counts the calls
 * and lets a chosen one fail.  Safe for several threads.
 */
#ifndef MOSS_TESTS_SUPPORT_FAULT_OS_H
#define MOSS_TESTS_SUPPORT_FAULT_OS_H

#include "moss_os.h"

/* Which calls are meant.  Calls that cannot fail are not among them. */
enum fault_call {
    FAULT_ANY,
    FAULT_OPEN,
    FAULT_LIST,
    FAULT_REMOVE,
    FAULT_RENAME,
    FAULT_MKDIR,
    FAULT_REMOVE_DIR,
    FAULT_SYNC_DIR,
    FAULT_IDENTIFY,
    FAULT_LOCK,
    FAULT_RANDOM,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_SYNC,
    FAULT_SIZE,
    FAULT_MAP,
    FAULT_TRUNCATE,
    FAULT_CALLS /* how many there are */
};

struct fault_os;

/* Borrows under, which must outlive it.  Aborts without memory. */
struct fault_os *fault_os_new(struct moss_os *under);
/* After every file opened through it was closed.  NULL is fine. */
void fault_os_free(struct fault_os *f);
/* To be given to moss; belongs to f. */
struct moss_os *fault_os_base(struct fault_os *f);

/*
 * Let the n-th such call from now (n >= 1) fail with status and errno, without
 * reaching the system underneath.  Replaces what was asked for before.
 */
void fault_os_fail_nth(struct fault_os *f, enum fault_call call, unsigned n,
                       enum moss_status status, int sys_errno);
/* The n-th and every such call after it, until fault_os_heal(). */
void fault_os_fail_from(struct fault_os *f, enum fault_call call, unsigned n,
                        enum moss_status status, int sys_errno);
/*
 * Power cut: from the n-th such call from now on, every call of any kind
 * fails with MOSS_IO and EIO.  Calls that cannot fail still work.
 */
void fault_os_cut_at(struct fault_os *f, enum fault_call call, unsigned n);
/* No failures any more.  The counts stay. */
void fault_os_heal(struct fault_os *f);
/* Has a failure been given since the last call of one of the above? */
bool fault_os_tripped(struct fault_os *f);

/* A failing write first writes the first half of its bytes. */
void fault_os_tear_writes(struct fault_os *f, bool tear);
/*
 * A failing sync calls drop with the file underneath, for example
 * mem_file_drop_unsynced(), as a kernel drops dirty pages it could not write.
 */
void fault_os_drop_on_sync(struct fault_os *f,
                           void (*drop)(struct moss_file *under));

/* Call this before each write; NULL: nothing. */
void fault_os_before_write(struct fault_os *f, void (*before)(void));

/* Calls since fault_os_new() or the last fault_os_reset_counts(). */
unsigned fault_os_count(struct fault_os *f, enum fault_call call);
void fault_os_reset_counts(struct fault_os *f);
/* Files and locks that are open now. */
unsigned fault_os_open_files(struct fault_os *f);

#endif
