/*
 * A disk between the programs and the system, for power cuts and faults.
 *
 * crash_vfs.c (SQLite's files) and crash_os.c (moss's files) report what they
 * do here, so that both layers share one order of events.  All real files
 * live below one root.  Recording keeps every event with its bytes; from the
 * log, the directory is later rebuilt as a power cut at any event could have
 * left it: what was synced is there, of the rest a seeded choice.
 *
 * Nothing is really synced: a sync is an event, not a system call.
 */
#ifndef SQL_TESTS_DISK_H
#define SQL_TESTS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ----------------------------------------------------------- recording */

/*
 * Record from now on; what is below root is durable.  root is absolute and
 * without links, and not "/".
 */
void disk_record(const char *root);

/*
 * Stop.  The files that recording saw are kept aside in the directory
 * <root>.files, so that a rebuilt file is the same inode as the one recorded.
 */
void disk_stop(void);
void disk_forget(void); /* the log and <root>.files */

/* Something of the program's own in the log. */
enum disk_note {
    DISK_NOTE_STARTED, /* transaction n is about to be committed */
    DISK_NOTE_ACKED,   /* its COMMIT has succeeded */
    DISK_NOTE_STEP     /* whatever the program likes */
};
void disk_note(enum disk_note note, int64_t n);

/* ---------------------------------------------------------- power cuts */

struct disk_cut {
    size_t at;       /* events before this one have happened */
    int64_t started; /* highest transaction noted before */
    int64_t acked;
    int64_t step;
    bool at_sync; /* the next event is a sync or changes names or sizes */
};

size_t disk_events(void);

/* Go back to the beginning of the log for disk_replay_to(). */
void disk_rewind(void);

/* Replay the log up to event at, not before the last position; fills *cut. */
void disk_replay_to(size_t at, struct disk_cut *cut);

/* The event before which the replay stands, in words: a static buffer. */
const char *disk_next_event(void);

/*
 * Make root what a power cut at the replayed position leaves there.  choice
 * seeds what becomes of the unsynced part; choice 0 drops all of it, 1 keeps
 * all.
 */
void disk_rebuild(uint64_t choice);

/* --------------------------------------------------------------- faults */

enum disk_layer { DISK_SQLITE = 1, DISK_MOSS = 2 };
enum disk_op {
    DISK_WRITE = 1,
    DISK_SYNC = 2,
    DISK_NAME = 4, /* create, remove, rename, truncate, sync of a directory */
    DISK_READ = 8  /* open, lock, map and list, too: it changes nothing */
};

/*
 * From the nth call on (1 is the next) of one of the layers and ops fail with
 * sys_errno: that one only, or all until disk_heal() if sticky.
 */
void
disk_fail(unsigned layers, unsigned ops, long nth, int sys_errno, bool sticky);
bool disk_heal(void); /* did it ever fail? */
bool disk_has_failed(void);

/*
 * Before the nth call from now on of this thread, on one of the layers and
 * ops, call run, once; it may use the disk itself.  n 0: do not.
 */
void disk_before(unsigned layers, unsigned ops, long nth, void (*run)(void));

/* Calls of a layer that have succeeded since the program's start. */
long disk_count(enum disk_layer layer, enum disk_op op);

/* -------------------------------------------------- for the two wrappers */

/*
 * disk_enter() locks and says which error to give instead of the call (0:
 * none); disk_leave() unlocks.  The disk_did calls come between them, after
 * the real call succeeded; they do nothing while nothing is recorded or
 * outside of root.
 */
int disk_enter(enum disk_layer layer, enum disk_op op);
void disk_leave(void);

/* The file at path, made in the log if it is not there; 0: not recorded. */
unsigned disk_did_open(enum disk_layer layer, const char *path);
void disk_did_write(unsigned file, uint64_t off, const void *p, size_t n);
void disk_did_truncate(unsigned file, uint64_t size);
void disk_did_sync(unsigned file);
void disk_did_rename(const char *from, const char *to);
void disk_did_mkdir(const char *path);
void disk_did_remove_dir(const char *path);
void disk_did_sync_dir(const char *path);
/* Instead of unlink(), which would free the inode: 0 or an errno. */
int disk_remove(const char *path);

#endif
