/*
 * The file system in memory: calls, locks and the power.  What files contain
 * is in mem_file.c, their names are in mem_names.c.
 *
 * One mutex, mu, guards everything, file contents included.
 */
#include "support/mem_os.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/base.h"
#include "base/sync.h"
#include "support/fixture.h"
#include "support/mem_file.h"
#include "support/mem_names.h"

struct mem_os {
    struct moss_os base;

    struct mutex mu; /* guards what follows; a leaf */
    struct mem_names names;
    uint64_t next_ino;
    uint64_t epoch; /* counts restarts */
    bool is_off;
    enum mem_cut cut;
    unsigned countdown; /* 0: no cut planned */
    unsigned counts[2]; /* by enum mem_cut */
    unsigned open_files;
    uint64_t random_state;
};

struct mem_handle {
    struct moss_file base;
    struct mem_os *os;
    struct mem_inode *inode; /* one reference */
    uint64_t epoch;          /* of the start it was opened in */
    bool is_lock;
};

static struct mem_os *
mem_os_of(struct moss_os *os)
{
    return container_of(os, struct mem_os, base);
}

static struct mem_handle *
handle_of(struct moss_file *f)
{
    return container_of(f, struct mem_handle, base);
}

static enum moss_status
fail_with(int sys_errno, enum moss_status status)
{
    errno = sys_errno;
    return status;
}

static bool
is_dir(const struct mem_os *m, const char *path)
{
    const struct mem_name *name = mem_tree_find(&m->names.now, path);

    return name != NULL && name->inode->is_dir;
}

static bool
has_parent(const struct mem_os *m, const char *path)
{
    for (size_t i = 0; i < m->names.now.n; i++) {
        if (m->names.now.names[i].inode->is_dir &&
            mem_path_is_in(path, m->names.now.names[i].path))
            return true;
    }
    return false;
}

/* -------------------------------------------------------------- the power */

/*
 * Every call comes by here, with mu held.  MOSS_OK if it may be carried out;
 * a cut that was planned for it is made.
 */
static enum moss_status
power_check_locked(struct mem_os *m, bool is_change, bool is_sync)
    REQUIRES(m->mu)
{
    mutex_assert_held(&m->mu);
    if (!m->is_off && is_change) {
        bool is_meant = m->cut == MEM_CUT_CHANGE || is_sync;

        m->counts[MEM_CUT_CHANGE]++;
        if (is_sync)
            m->counts[MEM_CUT_SYNC]++;
        if (is_meant && m->countdown > 0) {
            m->countdown--;
            m->is_off = m->countdown == 0;
        }
    }
    return m->is_off ? fail_with(EIO, MOSS_IO) : MOSS_OK;
}

static enum moss_status
handle_check_locked(struct mem_handle *h, bool is_change, bool is_sync)
    REQUIRES(h->os->mu)
{
    if (h->epoch != h->os->epoch)
        return fail_with(EIO, MOSS_IO);
    return power_check_locked(h->os, is_change, is_sync);
}

/* ------------------------------------------------------------------ files */

static enum moss_status
mem_read(struct moss_file *f, uint64_t off, void *buf, size_t n)
{
    struct mem_handle *h = handle_of(f);
    enum moss_status st;

    mutex_lock(&h->os->mu);
    st = handle_check_locked(h, false, false);
    if (st == MOSS_OK && !mem_inode_read(h->inode, off, buf, n))
        st = fail_with(0, MOSS_CORRUPT);
    mutex_unlock(&h->os->mu);
    return st;
}

static enum moss_status
mem_write(struct moss_file *f, uint64_t off, const void *buf, size_t n)
{
    struct mem_handle *h = handle_of(f);
    enum moss_status st;

    mutex_lock(&h->os->mu);
    st = handle_check_locked(h, true, false);
    if (st == MOSS_OK)
        mem_inode_write(h->inode, off, buf, n);
    mutex_unlock(&h->os->mu);
    return st;
}

static enum moss_status
mem_sync(struct moss_file *f)
{
    struct mem_handle *h = handle_of(f);
    enum moss_status st;

    mutex_lock(&h->os->mu);
    st = handle_check_locked(h, true, true);
    if (st == MOSS_OK)
        mem_inode_sync(h->inode);
    mutex_unlock(&h->os->mu);
    return st;
}

static enum moss_status
mem_size(struct moss_file *f, uint64_t *out)
{
    struct mem_handle *h = handle_of(f);
    enum moss_status st;

    *out = 0;
    mutex_lock(&h->os->mu);
    st = handle_check_locked(h, false, false);
    if (st == MOSS_OK)
        *out = h->inode->now.n;
    mutex_unlock(&h->os->mu);
    return st;
}

static enum moss_status
mem_map(struct moss_file *f, uint64_t off, size_t n, const void **out)
{
    struct mem_handle *h = handle_of(f);
    enum moss_status st;
    void *copy = NULL;

    *out = NULL;
    if (n == 0)
        return fail_with(EINVAL, MOSS_INVALID);
    if (posix_memalign(&copy, 4096, n) != 0)
        abort();
    mutex_lock(&h->os->mu);
    st = handle_check_locked(h, false, false);
    if (st == MOSS_OK && !mem_inode_read(h->inode, off, copy, n))
        st = fail_with(0, MOSS_CORRUPT);
    mutex_unlock(&h->os->mu);
    if (st == MOSS_OK)
        *out = copy;
    else
        free(copy);
    return st;
}

static void
mem_unmap(struct moss_file *f, const void *addr, size_t n)
{
    (void)f;
    (void)n;
    free((void *)(uintptr_t)addr);
}

static enum moss_status
mem_truncate(struct moss_file *f, uint64_t size)
{
    struct mem_handle *h = handle_of(f);
    enum moss_status st;

    mutex_lock(&h->os->mu);
    st = handle_check_locked(h, true, false);
    if (st == MOSS_OK)
        mem_inode_truncate(h->inode, size);
    mutex_unlock(&h->os->mu);
    return st;
}

static void
mem_close(struct moss_file *f)
{
    struct mem_handle *h = handle_of(f);

    mutex_lock(&h->os->mu);
    if (h->is_lock && h->epoch == h->os->epoch)
        h->inode->is_locked = false;
    h->os->open_files--;
    mem_inode_unref(h->inode);
    mutex_unlock(&h->os->mu);
    free(h);
}

static const struct moss_file_ops file_ops = {
    .read = mem_read,
    .write = mem_write,
    .sync = mem_sync,
    .size = mem_size,
    .map = mem_map,
    .unmap = mem_unmap,
    .truncate = mem_truncate,
    .close = mem_close,
};

void
mem_file_drop_unsynced(struct moss_file *f)
{
    struct mem_handle *h = handle_of(f);

    mutex_lock(&h->os->mu);
    mem_inode_crash(h->inode, MEM_CRASH_DROP, NULL);
    mutex_unlock(&h->os->mu);
}

static struct moss_file *
handle_new_locked(struct mem_os *m, struct mem_inode *inode, bool is_lock)
    REQUIRES(m->mu)
{
    struct mem_handle *h = must_alloc(calloc(1, sizeof(*h)));

    mutex_assert_held(&m->mu);
    h->base.ops = &file_ops;
    h->os = m;
    h->inode = inode;
    h->epoch = m->epoch;
    h->is_lock = is_lock;
    mem_inode_ref(inode);
    m->open_files++;
    return &h->base;
}

static void
create_locked(struct mem_os *m, const char *path, bool dir) REQUIRES(m->mu)
{
    struct mem_inode *inode = mem_inode_new(m->next_ino++, dir);

    mutex_assert_held(&m->mu);
    mem_tree_put(&m->names.now, path, inode);
    mem_names_log(&m->names, NULL, path, inode);
    mem_inode_unref(inode);
}

/* The file at path, made if it is missing and may be. */
static enum moss_status
find_file_locked(struct mem_os *m, const char *path, unsigned flags,
                 struct mem_inode **out) REQUIRES(m->mu)
{
    const struct mem_name *name = mem_tree_find(&m->names.now, path);
    bool may_create = (flags & MOSS_OPEN_CREATE) != 0;
    bool creates = name == NULL && may_create && has_parent(m, path);
    enum moss_status st = power_check_locked(m, creates, false);

    *out = NULL;
    if (st < 0)
        return st;
    if (name != NULL && may_create && (flags & MOSS_OPEN_EXCL) != 0)
        return fail_with(EEXIST, MOSS_BUSY);
    if (name == NULL && !creates)
        return fail_with(ENOENT, MOSS_CANTOPEN);
    if (creates) {
        create_locked(m, path, false);
        name = mem_tree_find(&m->names.now, path);
    }
    if (name->inode->is_dir)
        return fail_with(EISDIR, MOSS_IO);
    *out = name->inode;
    return MOSS_OK;
}

static enum moss_status
mem_open(struct moss_os *os, const char *path, unsigned flags,
         struct moss_file **out)
{
    struct mem_os *m = mem_os_of(os);
    struct mem_inode *inode;
    enum moss_status st;

    *out = NULL;
    mutex_lock(&m->mu);
    st = find_file_locked(m, path, flags, &inode);
    if (st == MOSS_OK)
        *out = handle_new_locked(m, inode, false);
    mutex_unlock(&m->mu);
    return st;
}

static enum moss_status
mem_lock(struct moss_os *os, const char *path, struct moss_file **out)
{
    struct mem_os *m = mem_os_of(os);
    struct mem_inode *inode;
    enum moss_status st;

    *out = NULL;
    mutex_lock(&m->mu);
    st = find_file_locked(m, path, MOSS_OPEN_WRITE | MOSS_OPEN_CREATE, &inode);
    if (st == MOSS_OK && inode->is_locked)
        st = fail_with(EWOULDBLOCK, MOSS_BUSY);
    if (st == MOSS_OK) {
        inode->is_locked = true;
        *out = handle_new_locked(m, inode, true);
    }
    mutex_unlock(&m->mu);
    return st;
}

/* ------------------------------------------------------------ directories */

static enum moss_status
mem_list(struct moss_os *os, const char *dir,
         void (*each)(void *arg, const char *name), void *arg)
{
    struct mem_os *m = mem_os_of(os);
    enum moss_status st;
    char **paths;
    size_t n = 0;

    mutex_lock(&m->mu);
    st = power_check_locked(m, false, false);
    if (st == MOSS_OK && !is_dir(m, dir))
        st = fail_with(ENOENT, MOSS_CANTOPEN);
    paths = must_alloc(malloc((m->names.now.n + 1) * sizeof(*paths)));
    for (size_t i = 0; st == MOSS_OK && i < m->names.now.n; i++) {
        const char *path = m->names.now.names[i].path;

        if (mem_path_is_in(path, dir) && strcmp(path, dir) != 0 &&
            strcmp(path, ".") != 0)
            paths[n++] = must_alloc(strdup(path));
    }
    mutex_unlock(&m->mu);
    /* The callback may call this file system: mu is free. */
    for (size_t i = 0; i < n; i++) {
        const char *slash = strrchr(paths[i], '/');

        each(arg, slash == NULL ? paths[i] : slash + 1);
        free(paths[i]);
    }
    free(paths);
    return st;
}

static bool
is_empty_dir(const struct mem_os *m, const char *dir)
{
    for (size_t i = 0; i < m->names.now.n; i++) {
        if (mem_path_is_in(m->names.now.names[i].path, dir))
            return false;
    }
    return true;
}

static enum moss_status
remove_name(struct moss_os *os, const char *path, bool dir)
{
    struct mem_os *m = mem_os_of(os);
    const struct mem_name *name;
    enum moss_status st;

    mutex_lock(&m->mu);
    name = mem_tree_find(&m->names.now, path);
    st = power_check_locked(m, name != NULL, false);
    if (st == MOSS_OK && name == NULL)
        st = fail_with(ENOENT, MOSS_CANTOPEN);
    else if (st == MOSS_OK && name->inode->is_dir != dir)
        st = fail_with(dir ? ENOTDIR : EISDIR, MOSS_IO);
    else if (st == MOSS_OK && dir && !is_empty_dir(m, path))
        st = fail_with(ENOTEMPTY, MOSS_IO);
    if (st == MOSS_OK) {
        mem_names_log(&m->names, path, NULL, name->inode);
        mem_tree_remove(&m->names.now, path);
    }
    mutex_unlock(&m->mu);
    return st;
}

static enum moss_status
mem_remove(struct moss_os *os, const char *path)
{
    return remove_name(os, path, false);
}

static enum moss_status
mem_remove_dir(struct moss_os *os, const char *dir)
{
    return remove_name(os, dir, true);
}

/* Of files only: no store moves a directory. */
static enum moss_status
mem_rename(struct moss_os *os, const char *from, const char *to)
{
    struct mem_os *m = mem_os_of(os);
    const struct mem_name *name;
    struct mem_inode *inode;
    enum moss_status st;

    mutex_lock(&m->mu);
    name = mem_tree_find(&m->names.now, from);
    st = power_check_locked(m, name != NULL, false);
    if (st == MOSS_OK && (name == NULL || !has_parent(m, to)))
        st = fail_with(ENOENT, MOSS_CANTOPEN);
    else if (st == MOSS_OK && (name->inode->is_dir || is_dir(m, to)))
        st = fail_with(EISDIR, MOSS_IO);
    if (st == MOSS_OK && strcmp(from, to) != 0) {
        inode = name->inode;
        mem_names_log(&m->names, from, to, inode);
        mem_tree_put(&m->names.now, to, inode);
        mem_tree_remove(&m->names.now, from);
    }
    mutex_unlock(&m->mu);
    return st;
}

static enum moss_status
mem_mkdir(struct moss_os *os, const char *dir)
{
    struct mem_os *m = mem_os_of(os);
    const struct mem_name *name;
    enum moss_status st;

    mutex_lock(&m->mu);
    name = mem_tree_find(&m->names.now, dir);
    st = power_check_locked(m, name == NULL, false);
    if (st == MOSS_OK && name != NULL && !name->inode->is_dir)
        st = fail_with(ENOTDIR, MOSS_CANTOPEN);
    else if (st == MOSS_OK && !has_parent(m, dir))
        st = fail_with(ENOENT, MOSS_CANTOPEN);
    if (st == MOSS_OK && name == NULL)
        create_locked(m, dir, true);
    mutex_unlock(&m->mu);
    return st;
}

static enum moss_status
mem_sync_dir(struct moss_os *os, const char *dir)
{
    struct mem_os *m = mem_os_of(os);
    enum moss_status st;

    mutex_lock(&m->mu);
    st = power_check_locked(m, true, true);
    if (st == MOSS_OK && !is_dir(m, dir))
        st = fail_with(ENOENT, MOSS_CANTOPEN);
    if (st == MOSS_OK)
        mem_names_sync_dir(&m->names, dir);
    mutex_unlock(&m->mu);
    return st;
}

static enum moss_status
mem_identify(struct moss_os *os, const char *path, struct moss_file_id *out)
{
    struct mem_os *m = mem_os_of(os);
    const struct mem_name *name;
    enum moss_status st;

    *out = (struct moss_file_id){ 0 };
    mutex_lock(&m->mu);
    name = mem_tree_find(&m->names.now, path);
    st = power_check_locked(m, false, false);
    if (st == MOSS_OK && name == NULL)
        st = MOSS_NOT_FOUND;
    if (st == MOSS_OK) {
        out->dev = 1;
        out->ino = name->inode->ino;
        out->is_dir = name->inode->is_dir;
    }
    mutex_unlock(&m->mu);
    return st;
}

/* --------------------------------------------------------- time and chance */

static uint64_t
mem_monotonic_ns(struct moss_os *os)
{
    (void)os;
    return sync_now_ns();
}

static uint64_t
mem_unix_seconds(struct moss_os *os)
{
    (void)os;
    return (uint64_t)time(NULL);
}

/* Predictable, so that a failing test can be repeated. */
static enum moss_status
mem_random(struct moss_os *os, void *buf, size_t n)
{
    struct mem_os *m = mem_os_of(os);
    enum moss_status st;

    mutex_lock(&m->mu);
    st = power_check_locked(m, false, false);
    for (size_t i = 0; st == MOSS_OK && i < n; i++) {
        struct rng r = { m->random_state };

        ((uint8_t *)buf)[i] = (uint8_t)rng_next(&r);
        m->random_state = r.state;
    }
    mutex_unlock(&m->mu);
    return st;
}

static const struct moss_os_ops os_ops = {
    .open = mem_open,
    .list = mem_list,
    .remove = mem_remove,
    .rename = mem_rename,
    .mkdir = mem_mkdir,
    .remove_dir = mem_remove_dir,
    .sync_dir = mem_sync_dir,
    .identify = mem_identify,
    .lock = mem_lock,
    .monotonic_ns = mem_monotonic_ns,
    .unix_seconds = mem_unix_seconds,
    .random = mem_random,
};

/* ------------------------------------------------------------ for the test */

struct mem_os *
mem_os_new(void)
{
    struct mem_os *m = must_alloc(calloc(1, sizeof(*m)));
    const char *roots[] = { "/", "." };

    if (mutex_init(&m->mu) < 0)
        abort();
    m->base.ops = &os_ops;
    m->next_ino = 1;
    m->random_state = 1;
    for (size_t i = 0; i < 2; i++) {
        struct mem_inode *inode = mem_inode_new(m->next_ino++, true);

        mem_tree_put(&m->names.now, roots[i], inode);
        mem_tree_put(&m->names.durable, roots[i], inode);
        mem_inode_unref(inode);
    }
    return m;
}

void
mem_os_free(struct mem_os *m)
{
    if (m == NULL)
        return;
    mem_names_release(&m->names);
    mutex_destroy(&m->mu);
    free(m);
}

struct moss_os *
mem_os_base(struct mem_os *m)
{
    return &m->base;
}

void
mem_os_cut_at(struct mem_os *m, enum mem_cut cut, unsigned n)
{
    mutex_lock(&m->mu);
    m->cut = cut;
    m->countdown = n;
    mutex_unlock(&m->mu);
}

void
mem_os_cut(struct mem_os *m)
{
    mutex_lock(&m->mu);
    m->is_off = true;
    mutex_unlock(&m->mu);
}

bool
mem_os_is_off(struct mem_os *m)
{
    bool is_off;

    mutex_lock(&m->mu);
    is_off = m->is_off;
    mutex_unlock(&m->mu);
    return is_off;
}

unsigned
mem_os_count(struct mem_os *m, enum mem_cut cut)
{
    unsigned count;

    mutex_lock(&m->mu);
    count = m->counts[cut];
    mutex_unlock(&m->mu);
    return count;
}

unsigned
mem_os_open_files(struct mem_os *m)
{
    unsigned count;

    mutex_lock(&m->mu);
    count = m->open_files;
    mutex_unlock(&m->mu);
    return count;
}

void
mem_os_restart(struct mem_os *m, enum mem_crash how, uint64_t seed)
{
    struct rng r;

    rng_init(&r, seed);
    mutex_lock(&m->mu);
    mem_names_crash(&m->names, how, &r);
    for (size_t i = 0; i < m->names.now.n; i++) {
        mem_inode_crash(m->names.now.names[i].inode, how, &r);
        m->names.now.names[i].inode->is_locked = false;
    }
    m->epoch++;
    m->is_off = false;
    m->countdown = 0;
    mutex_unlock(&m->mu);
}
