/*
 * The recording half of disk.h: the log of events, faults, and which file a
 * path means now.  disk_replay.c rebuilds directories from the log.
 *
 * One mutex makes each call and its event one step, so the log has an order
 * in which things can have happened; the wrappers hold it across the real
 * call.  disk_stop() and everything about power cuts runs on one thread.
 */
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk_log.h"
#include "harness.h"

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
struct disk_log disk_log;

static struct {
    unsigned layers, ops;
    long countdown; /* calls until the first failure; 0: disarmed */
    int sys_errno;
    bool sticky, tripped;
} fault;

/* What runs before one of the thread's calls. */
static _Thread_local struct {
    unsigned layers, ops;
    long countdown; /* 0: disarmed */
    void (*run)(void);
} before;

/* Calls let through, by layer and op. */
static long counts[DISK_MOSS + 1][DISK_READ + 1];

/* ----------------------------------------------------------------- log */

static void *
grow(void *p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return p;
    *cap = *cap ? *cap * 2 : 64;
    p = realloc(p, *cap * size);
    if (p == NULL)
        fail("out of memory");
    return p;
}

static struct disk_event *
add_event(enum disk_event_kind kind)
{
    struct disk_log *log = &disk_log;

    log->events = grow(log->events, log->n, &log->cap, sizeof *log->events);
    struct disk_event *e = &log->events[log->n++];
    memset(e, 0, sizeof *e);
    e->kind = kind;
    return e;
}

/* path below root, without the root; NULL if it is elsewhere. */
static const char *
below_root(const char *path)
{
    size_t n = strlen(disk_log.root);

    if (!disk_log.recording || strncmp(path, disk_log.root, n) != 0)
        return NULL;
    if (path[n] == '\0')
        return "";
    return path[n] == '/' ? path + n + 1 : NULL;
}

static char *
copy_text(const char *s)
{
    char *copy = strdup(s);

    if (copy == NULL)
        fail("out of memory");
    return copy;
}

static struct disk_name *
find_name(const char *path)
{
    for (size_t i = 0; i < disk_log.live.n; i++)
        if (strcmp(disk_log.live.at[i].path, path) == 0)
            return &disk_log.live.at[i];
    return NULL;
}

void
disk_names_add(struct disk_names *names, const char *path, unsigned file)
{
    names->at = grow(names->at, names->n, &names->cap, sizeof *names->at);
    names->at[names->n].path = copy_text(path);
    names->at[names->n].file = file;
    names->n++;
}

void
disk_names_remove(struct disk_names *names, const char *path)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->at[i].path, path) != 0)
            continue;
        free(names->at[i].path);
        names->at[i] = names->at[--names->n];
        return;
    }
}

void
disk_names_rename(struct disk_names *names, const char *from, const char *to,
                  unsigned file)
{
    size_t n = strlen(from);

    disk_names_remove(names, from);
    disk_names_remove(names, to);
    disk_names_add(names, to, file);
    /* What lies in a directory goes along. */
    for (size_t i = 0; file == 0 && i < names->n; i++) {
        char *path = names->at[i].path, *moved = NULL;
        if (strncmp(path, from, n) != 0 || path[n] != '/')
            continue;
        text_append(&moved, "%s%s", to, path + n);
        free(path);
        names->at[i].path = moved;
    }
}

void
disk_names_clear(struct disk_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->at[i].path);
    free(names->at);
    memset(names, 0, sizeof *names);
}

static unsigned
new_file(enum disk_layer layer)
{
    struct disk_log *log = &disk_log;

    log->files =
        grow(log->files, log->n_files, &log->files_cap, sizeof *log->files);
    memset(&log->files[log->n_files], 0, sizeof *log->files);
    log->files[log->n_files].layer = layer;
    return (unsigned)++log->n_files; /* ids begin with 1 */
}

/* ------------------------------------------------------ start and stop */

static void
load_initial(struct disk_file *f, const char *path)
{
    FILE *in = fopen(path, "rb");
    struct stat sb;

    if (in == NULL || fstat(fileno(in), &sb) != 0)
        fail("open %s: %s", path, strerror(errno));
    f->initial_size = (size_t)sb.st_size;
    f->initial = malloc(f->initial_size + 1);
    if (f->initial == NULL)
        fail("out of memory");
    if (fread(f->initial, 1, f->initial_size, in) != f->initial_size)
        fail("read %s", path);
    fclose(in);
}

static void
scan(const char *dir, const char *prefix)
{
    DIR *d = opendir(dir);

    if (d == NULL)
        fail("opendir %s: %s", dir, strerror(errno));
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        char *path = NULL, *name = NULL;
        struct stat sb;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        text_append(&path, "%s/%s", dir, e->d_name);
        text_append(&name, "%s%s%s", prefix, *prefix ? "/" : "", e->d_name);
        if (lstat(path, &sb) != 0)
            fail("stat %s: %s", path, strerror(errno));
        if (S_ISDIR(sb.st_mode)) {
            disk_names_add(&disk_log.initial, name, 0);
            scan(path, name);
        } else {
            enum disk_layer layer =
                strchr(name, '/') != NULL ? DISK_MOSS : DISK_SQLITE;
            unsigned id = new_file(layer);
            load_initial(&disk_log.files[id - 1], path);
            disk_names_add(&disk_log.initial, name, id);
        }
        free(path);
        free(name);
    }
    closedir(d);
}

void
disk_record(const char *root)
{
    disk_forget();
    snprintf(disk_log.root, sizeof disk_log.root, "%s", root);
    make_empty_dir(path_of("%s.files", root));
    scan(root, "");
    for (size_t i = 0; i < disk_log.initial.n; i++)
        disk_names_add(&disk_log.live, disk_log.initial.at[i].path,
                       disk_log.initial.at[i].file);
    disk_log.recording = true;
}

/* Move the real file away under its id. */
static int
keep_inode(const char *path, unsigned file)
{
    return rename(path, path_of("%s.files/%u", disk_log.root, file)) == 0
               ? 0
               : errno;
}

void
disk_stop(void)
{
    disk_log.recording = false;
    for (size_t i = 0; i < disk_log.live.n; i++) {
        struct disk_name *name = &disk_log.live.at[i];
        if (name->file == 0)
            continue;
        int e =
            keep_inode(path_of("%s/%s", disk_log.root, name->path), name->file);
        if (e != 0 && e != ENOENT)
            fail("cannot keep %s: %s", name->path, strerror(e));
    }
    disk_rewind();
}

void
disk_forget(void)
{
    struct disk_log *log = &disk_log;

    for (size_t i = 0; i < log->n; i++) {
        free(log->events[i].path);
        free(log->events[i].to);
        free(log->events[i].data);
    }
    free(log->events);
    disk_replay_clear();
    for (size_t i = 0; i < log->n_files; i++)
        free(log->files[i].initial);
    free(log->files);
    disk_names_clear(&log->initial);
    disk_names_clear(&log->live);
    if (log->root[0] != '\0')
        remove_tree(path_of("%s.files", log->root));
    memset(log, 0, sizeof *log);
}

void
disk_note(enum disk_note note, int64_t n)
{
    pthread_mutex_lock(&mu);
    if (disk_log.recording) {
        struct disk_event *e = add_event(EVENT_NOTE);
        e->note = note;
        e->off = (uint64_t)n;
    }
    pthread_mutex_unlock(&mu);
}

size_t
disk_events(void)
{
    return disk_log.n;
}

/* --------------------------------------------------------------- faults */

void
disk_fail(unsigned layers, unsigned ops, long nth, int sys_errno, bool sticky)
{
    pthread_mutex_lock(&mu);
    fault.layers = layers;
    fault.ops = ops;
    fault.countdown = nth;
    fault.sys_errno = sys_errno;
    fault.sticky = sticky;
    fault.tripped = false;
    pthread_mutex_unlock(&mu);
}

bool
disk_heal(void)
{
    pthread_mutex_lock(&mu);
    bool tripped = fault.tripped;
    memset(&fault, 0, sizeof fault);
    pthread_mutex_unlock(&mu);
    return tripped;
}

bool
disk_has_failed(void)
{
    pthread_mutex_lock(&mu);
    bool tripped = fault.tripped;
    pthread_mutex_unlock(&mu);
    return tripped;
}

long
disk_count(enum disk_layer layer, enum disk_op op)
{
    pthread_mutex_lock(&mu);
    long n = counts[layer][op];
    pthread_mutex_unlock(&mu);
    return n;
}

void
disk_before(unsigned layers, unsigned ops, long nth, void (*run)(void))
{
    before.layers = layers;
    before.ops = ops;
    before.countdown = nth;
    before.run = run;
}

int
disk_enter(enum disk_layer layer, enum disk_op op)
{
    if ((before.layers & layer) && (before.ops & op) && before.countdown > 0 &&
        --before.countdown == 0)
        before.run();
    pthread_mutex_lock(&mu);
    if ((fault.layers & layer) && (fault.ops & op) && fault.countdown > 0) {
        if (fault.countdown == 1) {
            fault.tripped = true;
            fault.countdown = fault.sticky;
            return fault.sys_errno;
        }
        fault.countdown--;
    }
    counts[layer][op]++;
    return 0;
}

void
disk_leave(void)
{
    pthread_mutex_unlock(&mu);
}

/* --------------------------------------------------------------- events */

unsigned
disk_did_open(enum disk_layer layer, const char *path)
{
    const char *name = below_root(path);

    if (name == NULL)
        return 0;
    struct disk_name *known = find_name(name);
    if (known != NULL)
        return known->file;
    unsigned file = new_file(layer);
    struct disk_event *e = add_event(EVENT_CREATE);
    e->path = copy_text(name);
    e->file = file;
    disk_names_add(&disk_log.live, name, file);
    return file;
}

void
disk_did_write(unsigned file, uint64_t off, const void *p, size_t n)
{
    if (file == 0 || !disk_log.recording || n == 0)
        return;
    struct disk_event *e = add_event(EVENT_WRITE);
    e->file = file;
    e->off = off;
    e->n = n;
    e->data = malloc(n);
    if (e->data == NULL)
        fail("out of memory");
    memcpy(e->data, p, n);
}

void
disk_did_truncate(unsigned file, uint64_t size)
{
    if (file == 0 || !disk_log.recording)
        return;
    struct disk_event *e = add_event(EVENT_TRUNCATE);
    e->file = file;
    e->off = size;
}

void
disk_did_sync(unsigned file)
{
    if (file == 0 || !disk_log.recording)
        return;
    add_event(EVENT_SYNC)->file = file;
}

void
disk_did_rename(const char *from, const char *to)
{
    const char *a = below_root(from), *b = below_root(to);

    if (a == NULL || b == NULL)
        return;
    struct disk_name *name = find_name(a);
    if (name == NULL)
        fail("rename of %s, which the log does not know", from);
    unsigned file = name->file;
    struct disk_event *e = add_event(EVENT_RENAME);
    e->path = copy_text(a);
    e->to = copy_text(b);
    e->file = file;
    disk_names_rename(&disk_log.live, a, b, file);
}

void
disk_did_mkdir(const char *path)
{
    const char *name = below_root(path);

    if (name == NULL || find_name(name) != NULL)
        return;
    add_event(EVENT_MKDIR)->path = copy_text(name);
    disk_names_add(&disk_log.live, name, 0);
}

void
disk_did_remove_dir(const char *path)
{
    const char *name = below_root(path);

    if (name == NULL)
        return;
    add_event(EVENT_REMOVE)->path = copy_text(name);
    disk_names_remove(&disk_log.live, name);
}

void
disk_did_sync_dir(const char *path)
{
    const char *name = below_root(path);

    if (name != NULL)
        add_event(EVENT_SYNC_DIR)->path = copy_text(name);
}

int
disk_remove(const char *path)
{
    const char *name = below_root(path);
    struct disk_name *known = name != NULL ? find_name(name) : NULL;

    if (known == NULL || known->file == 0)
        return unlink(path) == 0 ? 0 : errno;
    int e = keep_inode(path, known->file);
    if (e != 0)
        return e;
    add_event(EVENT_REMOVE)->path = copy_text(name);
    disk_names_remove(&disk_log.live, name);
    return 0;
}
