/*
 * The replaying half of disk.h: what a power cut can leave.
 *
 * The image holds, per file, the bytes of its last sync and the writes since,
 * and the names that directory syncs have made durable and the changes of
 * names since.  Rules for what is not synced:
 *
 *   - Each file goes its own way: nothing of it survives, everything, the
 *     writes up to one (that one torn), or each 512-byte sector as of some
 *     time of its own.  A sector never holds a newer write without the older
 *     ones below it, and is not torn itself in SQLite's files (SQLite relies
 *     on that); in moss's files it may be.
 *   - A file can have grown without its new bytes: zeros, or in moss's files
 *     any other sector of the same file.
 *   - Changes of names in a directory survive up to one of them, in order.
 *     A name created and not touched again may be missing by itself.
 *   - A rename is whole or not there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk_log.h"
#include "harness.h"

enum { SECTOR = 512 };

static struct {
    size_t at;
    struct disk_names durable;
    size_t *pending; /* events that change names, oldest first */
    size_t n_pending, pending_cap;
    struct disk_cut cut;
} image;

/* --------------------------------------------------------------- replay */

static void
push(size_t **list, size_t *n, size_t *cap, size_t value)
{
    if (*n == *cap) {
        *cap = *cap ? *cap * 2 : 64;
        *list = realloc(*list, *cap * sizeof **list);
        if (*list == NULL)
            fail("out of memory");
    }
    (*list)[(*n)++] = value;
}

void
disk_replay_clear(void)
{
    for (size_t i = 0; i < disk_log.n_files; i++) {
        struct disk_file *f = &disk_log.files[i];
        free(f->synced);
        free(f->pending);
        f->synced = NULL;
        f->pending = NULL;
        f->synced_size = f->synced_cap = 0;
        f->n_pending = f->pending_cap = 0;
    }
    disk_names_clear(&image.durable);
    free(image.pending);
    memset(&image, 0, sizeof image);
}

static void
reserve(struct disk_file *f, size_t size)
{
    if (size <= f->synced_cap)
        return;
    f->synced = realloc(f->synced, size * 2);
    if (f->synced == NULL)
        fail("out of memory");
    memset(f->synced + f->synced_cap, 0, size * 2 - f->synced_cap);
    f->synced_cap = size * 2;
}

void
disk_rewind(void)
{
    disk_replay_clear();
    for (size_t i = 0; i < disk_log.n_files; i++) {
        struct disk_file *f = &disk_log.files[i];
        if (f->initial_size == 0)
            continue;
        reserve(f, f->initial_size);
        memcpy(f->synced, f->initial, f->initial_size);
        f->synced_size = f->initial_size;
    }
    for (size_t i = 0; i < disk_log.initial.n; i++)
        disk_names_add(&image.durable, disk_log.initial.at[i].path,
                       disk_log.initial.at[i].file);
}

/* Carry out a change of size or bytes on the synced copy. */
static void
settle(struct disk_file *f, const struct disk_event *e)
{
    size_t end = (size_t)e->off + e->n;

    if (e->kind == EVENT_WRITE) {
        reserve(f, end);
        memcpy(f->synced + e->off, e->data, e->n);
        if (end > f->synced_size)
            f->synced_size = end;
    } else {
        reserve(f, (size_t)e->off);
        if (e->off < f->synced_size)
            memset(f->synced + e->off, 0, f->synced_size - (size_t)e->off);
        f->synced_size = (size_t)e->off;
    }
}

static void
apply_name(struct disk_names *names, const struct disk_event *e)
{
    if (e->kind == EVENT_RENAME) {
        disk_names_rename(names, e->path, e->to, e->file);
        return;
    }
    disk_names_remove(names, e->path);
    if (e->kind == EVENT_CREATE)
        disk_names_add(names, e->path, e->file);
    else if (e->kind == EVENT_MKDIR)
        disk_names_add(names, e->path, 0);
}

/* Does path lie directly in dir ("" is the root)? */
static bool
is_in(const char *path, const char *dir)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash != NULL ? (size_t)(slash - path) : 0;

    return strlen(dir) == n && memcmp(path, dir, n) == 0;
}

static void
sync_names(const char *dir)
{
    size_t kept = 0;

    for (size_t i = 0; i < image.n_pending; i++) {
        const struct disk_event *e = &disk_log.events[image.pending[i]];
        if (is_in(e->path, dir))
            apply_name(&image.durable, e);
        else
            image.pending[kept++] = image.pending[i];
    }
    image.n_pending = kept;
}

static void
replay(size_t i)
{
    const struct disk_event *e = &disk_log.events[i];
    struct disk_file *f = e->file ? &disk_log.files[e->file - 1] : NULL;

    switch (e->kind) {
    case EVENT_WRITE:
    case EVENT_TRUNCATE:
        push(&f->pending, &f->n_pending, &f->pending_cap, i);
        break;
    case EVENT_SYNC:
        for (size_t k = 0; k < f->n_pending; k++)
            settle(f, &disk_log.events[f->pending[k]]);
        f->n_pending = 0;
        break;
    case EVENT_CREATE:
    case EVENT_RENAME:
    case EVENT_REMOVE:
    case EVENT_MKDIR:
        push(&image.pending, &image.n_pending, &image.pending_cap, i);
        break;
    case EVENT_SYNC_DIR:
        sync_names(e->path);
        break;
    case EVENT_NOTE:
        if (e->note == DISK_NOTE_STARTED)
            image.cut.started = (int64_t)e->off;
        else if (e->note == DISK_NOTE_ACKED)
            image.cut.acked = (int64_t)e->off;
        else
            image.cut.step = (int64_t)e->off;
        break;
    }
}

/* The last known name of a file, for messages. */
static const char *
name_of(unsigned file)
{
    for (size_t i = disk_log.n; i-- > 0;) {
        const struct disk_event *e = &disk_log.events[i];
        if (e->file == file && e->kind == EVENT_RENAME)
            return e->to;
        if (e->file == file && e->kind == EVENT_CREATE)
            return e->path;
    }
    for (size_t i = 0; i < disk_log.initial.n; i++)
        if (disk_log.initial.at[i].file == file)
            return disk_log.initial.at[i].path;
    return "?";
}

const char *
disk_next_event(void)
{
    static const char *const words[] = {
        "create", "write",          "truncate",       "sync", "rename",
        "remove", "make directory", "sync directory", "note",
    };
    static char text[300];

    if (image.at >= disk_log.n)
        return "the end";
    const struct disk_event *e = &disk_log.events[image.at];
    const char *path = e->path != NULL ? e->path : "";
    if (e->file != 0 && e->path == NULL)
        path = name_of(e->file);
    snprintf(text, sizeof text, "%s %s off %llu len %zu", words[e->kind], path,
             (unsigned long long)e->off, e->n);
    return text;
}

void
disk_replay_to(size_t at, struct disk_cut *cut)
{
    while (image.at < at && image.at < disk_log.n)
        replay(image.at++);
    image.cut.at = image.at;
    image.cut.at_sync = true;
    if (image.at < disk_log.n) {
        enum disk_event_kind kind = disk_log.events[image.at].kind;
        image.cut.at_sync = kind != EVENT_WRITE && kind != EVENT_NOTE;
    }
    *cut = image.cut;
}

/* ---------------------------------------------------- rebuilding a file */

/*
 * Which of a file's n pending events survive: those before `sizes` as far as
 * the size goes; in sector s those before limit_of(s).
 */
struct survival {
    size_t n;
    bool by_sector;   /* else the same limit for all */
    size_t limit;     /* events before it are whole */
    size_t torn;      /* this one has only some sectors; n: none has */
    size_t sizes;     /* events before it have changed the size */
    size_t truncates; /* no sector's limit is lower: behind a truncate */
    uint64_t choice;
};

static struct survival
choose_survival(const struct disk_file *f, uint64_t choice)
{
    struct rng r = rng_of(choice, 1);
    struct survival v = { .n = f->n_pending, .choice = choice };
    unsigned kind = rng_below(&r, 10);

    v.torn = v.n;
    if (choice == 1 || (choice > 1 && kind < 2)) {
        v.limit = v.n;
    } else if (choice > 1 && kind >= 4 && v.n > 0) {
        v.limit = rng_below(&r, (unsigned)v.n);
        v.torn = v.limit;
        v.by_sector = kind >= 7;
    }
    v.sizes = v.limit;
    if (v.torn < v.n && rng_below(&r, 2))
        v.sizes++;
    if (v.by_sector)
        v.sizes = rng_below(&r, (unsigned)v.n + 1);
    for (size_t i = 0; i < v.sizes; i++)
        if (disk_log.events[f->pending[i]].kind == EVENT_TRUNCATE)
            v.truncates = i + 1;
    return v;
}

/* How many bytes of event i's part in sector s survive, of n. */
static size_t
surviving(const struct survival *v, enum disk_layer layer, size_t i, size_t s,
          size_t n)
{
    struct rng r = rng_of(v->choice, 1000 + s);
    size_t limit = v->limit;
    size_t torn = v->torn;

    if (v->by_sector) {
        limit =
            v->truncates + rng_below(&r, (unsigned)(v->n - v->truncates) + 1);
        torn = limit;
    }
    if (i < limit)
        return n;
    if (i > torn || (!v->by_sector && rng_below(&r, 2) == 0))
        return 0;
    if (layer == DISK_MOSS && rng_below(&r, 8) == 0)
        return rng_below(&r, (unsigned)n);
    return v->by_sector ? 0 : n;
}

static size_t
largest_size(const struct disk_file *f)
{
    size_t size = f->synced_size;

    for (size_t i = 0; i < f->n_pending; i++) {
        const struct disk_event *e = &disk_log.events[f->pending[i]];
        if (e->off + e->n > size)
            size = (size_t)e->off + e->n;
    }
    return size;
}

static void
write_part(const struct survival *v, const struct disk_file *f, size_t i,
           unsigned char *buf, bool *touched)
{
    const struct disk_event *e = &disk_log.events[f->pending[i]];

    for (size_t from = 0; from < e->n;) {
        size_t at = (size_t)e->off + from;
        size_t n = SECTOR - at % SECTOR;
        if (n > e->n - from)
            n = e->n - from;
        size_t keep = surviving(v, f->layer, i, at / SECTOR, n);
        memcpy(buf + at, e->data + from, keep);
        touched[at / SECTOR] |= keep > 0;
        from += n;
    }
}

/* New sectors without their bytes: now and then another sector's. */
static void
fill_stale(const struct disk_file *f, const struct survival *v, size_t size,
           unsigned char *buf, const bool *touched)
{
    struct rng r = rng_of(v->choice, 2);
    size_t first = (f->synced_size + SECTOR - 1) / SECTOR;

    if (f->layer != DISK_MOSS || f->synced_size < SECTOR)
        return;
    for (size_t s = first; (s + 1) * SECTOR <= size; s++) {
        if (touched[s] || rng_below(&r, 4) != 0)
            continue;
        size_t other =
            rng_below(&r, (unsigned)(f->synced_size / SECTOR)) * SECTOR;
        memcpy(buf + s * SECTOR, f->synced + other, SECTOR);
    }
}

static void
rebuild_file(unsigned id, const char *path, uint64_t choice)
{
    const struct disk_file *f = &disk_log.files[id - 1];
    struct survival v = choose_survival(f, choice < 2 ? choice : choice + id);
    size_t cap = largest_size(f) + SECTOR;
    size_t size = f->synced_size;
    unsigned char *buf = calloc(1, cap);
    bool *touched = calloc(cap / SECTOR + 1, sizeof *touched);

    if (buf == NULL || touched == NULL)
        fail("out of memory");
    if (size > 0)
        memcpy(buf, f->synced, size);
    for (size_t i = 0; i < f->n_pending; i++) {
        const struct disk_event *e = &disk_log.events[f->pending[i]];
        if (e->kind == EVENT_WRITE) {
            write_part(&v, f, i, buf, touched);
            if (i < v.sizes && e->off + e->n > size)
                size = (size_t)e->off + e->n;
        } else if (i < v.sizes) {
            memset(buf + e->off, 0, cap - (size_t)e->off);
            size = (size_t)e->off;
        }
    }
    fill_stale(f, &v, size, buf, touched);

    const char *kept = path_of("%s.files/%u", disk_log.root, id);
    FILE *out = fopen(kept, "wb");
    if (out == NULL || fwrite(buf, 1, size, out) != size || fclose(out) != 0)
        fail("write %s: %s", kept, strerror(errno));
    if (link(kept, path) != 0)
        fail("link %s to %s: %s", kept, path, strerror(errno));
    free(buf);
    free(touched);
}

/* --------------------------------------------------- rebuilding the tree */

static bool
has_name(const struct disk_names *names, const char *path)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->at[i].path, path) == 0)
            return true;
    return false;
}

/* Does a later pending change touch the name that event i creates? */
static bool
is_touched_again(size_t i)
{
    const struct disk_event *e = &disk_log.events[image.pending[i]];

    for (size_t k = i + 1; k < image.n_pending; k++) {
        const struct disk_event *o = &disk_log.events[image.pending[k]];
        if (strcmp(o->path, e->path) == 0 ||
            (o->to != NULL && strcmp(o->to, e->path) == 0))
            return true;
    }
    return false;
}

/* How many of the changes pending in event i's directory survive. */
static size_t
directory_limit(const char *path, uint64_t choice)
{
    const char *slash = strrchr(path, '/');
    char dir[512];
    size_t n = 0;
    uint64_t h = 7;

    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) : 0, path);
    for (size_t i = 0; i < image.n_pending; i++)
        n += is_in(disk_log.events[image.pending[i]].path, dir);
    for (const char *p = dir; *p; p++)
        h = h * 31 + (unsigned char)*p;
    struct rng r = rng_of(choice, h);
    return rng_below(&r, 3) == 0 ? n : rng_below(&r, (unsigned)n + 1);
}

static void
choose_names(struct disk_names *names, uint64_t choice)
{
    struct rng r = rng_of(choice, 3);

    for (size_t i = 0; i < image.durable.n; i++)
        disk_names_add(names, image.durable.at[i].path,
                       image.durable.at[i].file);
    for (size_t i = 0; i < image.n_pending; i++) {
        const struct disk_event *e = &disk_log.events[image.pending[i]];
        const char *slash = strrchr(e->path, '/');
        char dir[512];
        size_t before = 0;

        snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - e->path) : 0,
                 e->path);
        for (size_t k = 0; k < i; k++)
            before += is_in(disk_log.events[image.pending[k]].path, dir);
        if (choice == 0)
            continue;
        if (choice > 1 && before >= directory_limit(e->path, choice))
            continue;
        if (choice > 1 && e->kind == EVENT_CREATE && !is_touched_again(i) &&
            rng_below(&r, 4) == 0)
            continue;
        apply_name(names, e);
    }
}

static int
by_path(const void *a, const void *b)
{
    return strcmp(((const struct disk_name *)a)->path,
                  ((const struct disk_name *)b)->path);
}

void
disk_rebuild(uint64_t choice)
{
    struct disk_names names = { 0 };

    make_empty_dir(disk_log.root);
    choose_names(&names, choice);
    if (names.n > 0) /* parents first */
        qsort(names.at, names.n, sizeof *names.at, by_path);
    for (size_t i = 0; i < names.n; i++) {
        const char *name = names.at[i].path;
        const char *slash = strrchr(name, '/');
        char *path = NULL, *parent = NULL;
        text_append(&path, "%s/%s", disk_log.root, name);
        text_append(&parent, "%.*s", slash ? (int)(slash - name) : 0, name);
        bool lost = *parent != '\0' && !has_name(&names, parent);
        if (!lost && names.at[i].file != 0)
            rebuild_file(names.at[i].file, path, choice);
        else if (!lost && mkdir(path, 0777) != 0)
            fail("mkdir %s: %s", path, strerror(errno));
        free(path);
        free(parent);
    }
    disk_names_clear(&names);
}
