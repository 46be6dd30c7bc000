/*
 * The log that disk.c records and disk_replay.c replays: private to the two.
 */
#ifndef SQL_TESTS_DISK_LOG_H
#define SQL_TESTS_DISK_LOG_H

#include "disk.h"

enum disk_event_kind {
    EVENT_CREATE,
    EVENT_WRITE,
    EVENT_TRUNCATE,
    EVENT_SYNC,
    EVENT_RENAME,
    EVENT_REMOVE, /* of a file or an empty directory */
    EVENT_MKDIR,
    EVENT_SYNC_DIR,
    EVENT_NOTE
};

struct disk_event {
    enum disk_event_kind kind;
    unsigned file;
    char *path, *to;
    uint64_t off; /* of a write; the size of a truncate; n of a note */
    size_t n;
    unsigned char *data;
    enum disk_note note;
};

struct disk_name {
    char *path;
    unsigned file; /* 0: a directory */
};

struct disk_names {
    struct disk_name *at;
    size_t n, cap;
};

struct disk_file {
    enum disk_layer layer;
    unsigned char *initial;
    size_t initial_size;

    /* While replaying: what is synced, and the events since. */
    unsigned char *synced;
    size_t synced_size, synced_cap;
    size_t *pending;
    size_t n_pending, pending_cap;
};

struct disk_log {
    char root[512];
    bool recording;
    struct disk_event *events;
    size_t n, cap;
    struct disk_file *files; /* file id - 1 */
    size_t n_files, files_cap;
    struct disk_names initial, live;
};
extern struct disk_log disk_log;

void disk_names_add(struct disk_names *names, const char *path, unsigned file);
void disk_names_remove(struct disk_names *names, const char *path);
/* Of a file, or, if it is 0, of a directory with what lies in it. */
void disk_names_rename(struct disk_names *names, const char *from,
                       const char *to, unsigned file);
void disk_names_clear(struct disk_names *names);
void disk_replay_clear(void);

#endif
