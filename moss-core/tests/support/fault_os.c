/*
 * Each call asks fault_hits() whether it is to fail; if not it is passed on.
 * A file is wrapped, so that its calls come by here as well.  The counters and
 * the plan of failures are guarded by mu, which is never held while the system
 * underneath is called.
 */
#include "support/fault_os.h"

#include <errno.h>
#include <stdlib.h>

#include "base/base.h"
#include "base/sync.h"

struct fault_os {
    struct moss_os base;
    struct moss_os *under; /* constant */

    struct mutex mu; /* guards what follows; a leaf */
    unsigned counts[FAULT_CALLS];
    unsigned open_files;
    enum fault_call call; /* the kind that is to fail */
    unsigned countdown;   /* such calls until the failure; 0: none planned */
    bool lasting;         /* every such call fails from then on */
    bool cut;             /* every call of any kind does */
    bool failing;         /* the countdown of a lasting failure is over */
    bool tripped;
    enum moss_status status;
    int sys_errno;
    bool tear;
    void (*drop)(struct moss_file *under);
    void (*before_write)(void);
};

struct fault_file {
    struct moss_file base;
    struct fault_os *os;
    struct moss_file *under;
};

static struct fault_os *
fault_os_of(struct moss_os *os)
{
    return container_of(os, struct fault_os, base);
}

static struct fault_file *
fault_file_of(struct moss_file *f)
{
    return container_of(f, struct fault_file, base);
}

/* Count the call; if it is to fail, set errno and *st. */
static bool
fault_hits(struct fault_os *f, enum fault_call call, enum moss_status *st)
{
    bool is_meant, hit;
    int sys_errno;

    mutex_lock(&f->mu);
    f->counts[call]++;
    f->counts[FAULT_ANY]++;
    is_meant = f->call == FAULT_ANY || f->call == call;
    hit = f->failing && (f->cut || is_meant);
    if (is_meant && f->countdown > 0) {
        f->countdown--;
        if (f->countdown == 0) {
            hit = true;
            f->failing = f->lasting;
        }
    }
    if (hit)
        f->tripped = true;
    *st = f->status;
    sys_errno = f->sys_errno;
    mutex_unlock(&f->mu);
    if (hit)
        errno = sys_errno;
    return hit;
}

/* ------------------------------------------------------------------ files */

static enum moss_status
fault_read(struct moss_file *file, uint64_t off, void *buf, size_t n)
{
    struct fault_file *f = fault_file_of(file);
    enum moss_status st;

    if (fault_hits(f->os, FAULT_READ, &st))
        return st;
    return f->under->ops->read(f->under, off, buf, n);
}

static enum moss_status
fault_write(struct moss_file *file, uint64_t off, const void *buf, size_t n)
{
    struct fault_file *f = fault_file_of(file);
    void (*before)(void);
    enum moss_status st;
    bool tear;

    mutex_lock(&f->os->mu);
    before = f->os->before_write;
    mutex_unlock(&f->os->mu);
    if (before != NULL)
        before();
    if (!fault_hits(f->os, FAULT_WRITE, &st))
        return f->under->ops->write(f->under, off, buf, n);
    mutex_lock(&f->os->mu);
    tear = f->os->tear;
    mutex_unlock(&f->os->mu);
    if (tear) {
        int sys_errno = errno;

        /* The call fails anyway: whether this half was written is open. */
        if (f->under->ops->write(f->under, off, buf, n / 2) < 0)
            errno = 0;
        errno = sys_errno;
    }
    return st;
}

static enum moss_status
fault_sync(struct moss_file *file)
{
    struct fault_file *f = fault_file_of(file);
    void (*drop)(struct moss_file * under);
    enum moss_status st;

    if (!fault_hits(f->os, FAULT_SYNC, &st))
        return f->under->ops->sync(f->under);
    mutex_lock(&f->os->mu);
    drop = f->os->drop;
    mutex_unlock(&f->os->mu);
    if (drop != NULL) {
        int sys_errno = errno;

        drop(f->under);
        errno = sys_errno;
    }
    return st;
}

static enum moss_status
fault_size(struct moss_file *file, uint64_t *out)
{
    struct fault_file *f = fault_file_of(file);
    enum moss_status st;

    *out = 0;
    if (fault_hits(f->os, FAULT_SIZE, &st))
        return st;
    return f->under->ops->size(f->under, out);
}

static enum moss_status
fault_map(struct moss_file *file, uint64_t off, size_t n, const void **out)
{
    struct fault_file *f = fault_file_of(file);
    enum moss_status st;

    *out = NULL;
    if (fault_hits(f->os, FAULT_MAP, &st))
        return st;
    return f->under->ops->map(f->under, off, n, out);
}

static void
fault_unmap(struct moss_file *file, const void *addr, size_t n)
{
    struct fault_file *f = fault_file_of(file);

    f->under->ops->unmap(f->under, addr, n);
}

static enum moss_status
fault_truncate(struct moss_file *file, uint64_t size)
{
    struct fault_file *f = fault_file_of(file);
    enum moss_status st;

    if (fault_hits(f->os, FAULT_TRUNCATE, &st))
        return st;
    return f->under->ops->truncate(f->under, size);
}

static void
fault_close(struct moss_file *file)
{
    struct fault_file *f = fault_file_of(file);

    f->under->ops->close(f->under);
    mutex_lock(&f->os->mu);
    f->os->open_files--;
    mutex_unlock(&f->os->mu);
    free(f);
}

static const struct moss_file_ops file_ops = {
    .read = fault_read,
    .write = fault_write,
    .sync = fault_sync,
    .size = fault_size,
    .map = fault_map,
    .unmap = fault_unmap,
    .truncate = fault_truncate,
    .close = fault_close,
};

/* Wrap under; takes it over. */
static void
wrap(struct fault_os *os, struct moss_file *under, struct moss_file **out)
{
    struct fault_file *f = calloc(1, sizeof(*f));

    if (f == NULL)
        abort();
    f->base.ops = &file_ops;
    f->os = os;
    f->under = under;
    mutex_lock(&os->mu);
    os->open_files++;
    mutex_unlock(&os->mu);
    *out = &f->base;
}

/* ------------------------------------------------------------- the system */

static enum moss_status
fault_open(struct moss_os *os, const char *path, unsigned flags,
           struct moss_file **out)
{
    struct fault_os *f = fault_os_of(os);
    struct moss_file *under;
    enum moss_status st;

    *out = NULL;
    if (fault_hits(f, FAULT_OPEN, &st))
        return st;
    st = f->under->ops->open(f->under, path, flags, &under);
    if (st == MOSS_OK)
        wrap(f, under, out);
    return st;
}

static enum moss_status
fault_lock(struct moss_os *os, const char *path, struct moss_file **out)
{
    struct fault_os *f = fault_os_of(os);
    struct moss_file *under;
    enum moss_status st;

    *out = NULL;
    if (fault_hits(f, FAULT_LOCK, &st))
        return st;
    st = f->under->ops->lock(f->under, path, &under);
    if (st == MOSS_OK)
        wrap(f, under, out);
    return st;
}

static enum moss_status
fault_list(struct moss_os *os, const char *dir,
           void (*each)(void *arg, const char *name), void *arg)
{
    struct fault_os *f = fault_os_of(os);
    enum moss_status st;

    if (fault_hits(f, FAULT_LIST, &st))
        return st;
    return f->under->ops->list(f->under, dir, each, arg);
}

static enum moss_status
fault_remove(struct moss_os *os, const char *path)
{
    struct fault_os *f = fault_os_of(os);
    enum moss_status st;

    if (fault_hits(f, FAULT_REMOVE, &st))
        return st;
    return f->under->ops->remove(f->under, path);
}

static enum moss_status
fault_rename(struct moss_os *os, const char *from, const char *to)
{
    struct fault_os *f = fault_os_of(os);
    enum moss_status st;

    if (fault_hits(f, FAULT_RENAME, &st))
        return st;
    return f->under->ops->rename(f->under, from, to);
}

static enum moss_status
fault_mkdir(struct moss_os *os, const char *dir)
{
    struct fault_os *f = fault_os_of(os);
    enum moss_status st;

    if (fault_hits(f, FAULT_MKDIR, &st))
        return st;
    return f->under->ops->mkdir(f->under, dir);
}

static enum moss_status
fault_remove_dir(struct moss_os *os, const char *dir)
{
    struct fault_os *f = fault_os_of(os);
    enum moss_status st;

    if (fault_hits(f, FAULT_REMOVE_DIR, &st))
        return st;
    return f->under->ops->remove_dir(f->under, dir);
}

static enum moss_status
fault_sync_dir(struct moss_os *os, const char *dir)
{
    struct fault_os *f = fault_os_of(os);
    enum moss_status st;

    if (fault_hits(f, FAULT_SYNC_DIR, &st))
        return st;
    return f->under->ops->sync_dir(f->under, dir);
}

static enum moss_status
fault_identify(struct moss_os *os, const char *path, struct moss_file_id *out)
{
    struct fault_os *f = fault_os_of(os);
    enum moss_status st;

    *out = (struct moss_file_id){ 0 };
    if (fault_hits(f, FAULT_IDENTIFY, &st))
        return st;
    return f->under->ops->identify(f->under, path, out);
}

static uint64_t
fault_monotonic_ns(struct moss_os *os)
{
    struct fault_os *f = fault_os_of(os);

    return f->under->ops->monotonic_ns(f->under);
}

static uint64_t
fault_unix_seconds(struct moss_os *os)
{
    struct fault_os *f = fault_os_of(os);

    return f->under->ops->unix_seconds(f->under);
}

static enum moss_status
fault_random(struct moss_os *os, void *buf, size_t n)
{
    struct fault_os *f = fault_os_of(os);
    enum moss_status st;

    if (fault_hits(f, FAULT_RANDOM, &st))
        return st;
    return f->under->ops->random(f->under, buf, n);
}

static const struct moss_os_ops os_ops = {
    .open = fault_open,
    .list = fault_list,
    .remove = fault_remove,
    .rename = fault_rename,
    .mkdir = fault_mkdir,
    .remove_dir = fault_remove_dir,
    .sync_dir = fault_sync_dir,
    .identify = fault_identify,
    .lock = fault_lock,
    .monotonic_ns = fault_monotonic_ns,
    .unix_seconds = fault_unix_seconds,
    .random = fault_random,
};

/* ------------------------------------------------------------ for the test */

struct fault_os *
fault_os_new(struct moss_os *under)
{
    struct fault_os *f = calloc(1, sizeof(*f));

    if (f == NULL || mutex_init(&f->mu) < 0)
        abort();
    f->base.ops = &os_ops;
    f->under = under;
    return f;
}

void
fault_os_free(struct fault_os *f)
{
    if (f == NULL)
        return;
    mutex_destroy(&f->mu);
    free(f);
}

struct moss_os *
fault_os_base(struct fault_os *f)
{
    return &f->base;
}

/* Forget the old plan; the new one is to be filled in. */
static void
plan_locked(struct fault_os *f, enum fault_call call, unsigned n)
    REQUIRES(f->mu)
{
    mutex_assert_held(&f->mu);
    f->call = call;
    f->countdown = n;
    f->lasting = false;
    f->cut = false;
    f->failing = false;
    f->tripped = false;
    f->status = MOSS_IO;
    f->sys_errno = EIO;
}

void
fault_os_fail_nth(struct fault_os *f, enum fault_call call, unsigned n,
                  enum moss_status status, int sys_errno)
{
    mutex_lock(&f->mu);
    plan_locked(f, call, n);
    f->status = status;
    f->sys_errno = sys_errno;
    mutex_unlock(&f->mu);
}

void
fault_os_fail_from(struct fault_os *f, enum fault_call call, unsigned n,
                   enum moss_status status, int sys_errno)
{
    mutex_lock(&f->mu);
    plan_locked(f, call, n);
    f->status = status;
    f->sys_errno = sys_errno;
    f->lasting = true;
    mutex_unlock(&f->mu);
}

void
fault_os_cut_at(struct fault_os *f, enum fault_call call, unsigned n)
{
    mutex_lock(&f->mu);
    plan_locked(f, call, n);
    f->lasting = true;
    f->cut = true;
    mutex_unlock(&f->mu);
}

void
fault_os_heal(struct fault_os *f)
{
    mutex_lock(&f->mu);
    f->countdown = 0;
    f->failing = false;
    mutex_unlock(&f->mu);
}

bool
fault_os_tripped(struct fault_os *f)
{
    bool tripped;

    mutex_lock(&f->mu);
    tripped = f->tripped;
    mutex_unlock(&f->mu);
    return tripped;
}

void
fault_os_tear_writes(struct fault_os *f, bool tear)
{
    mutex_lock(&f->mu);
    f->tear = tear;
    mutex_unlock(&f->mu);
}

void
fault_os_before_write(struct fault_os *f, void (*before)(void))
{
    mutex_lock(&f->mu);
    f->before_write = before;
    mutex_unlock(&f->mu);
}

void
fault_os_drop_on_sync(struct fault_os *f, void (*drop)(struct moss_file *under))
{
    mutex_lock(&f->mu);
    f->drop = drop;
    mutex_unlock(&f->mu);
}

unsigned
fault_os_count(struct fault_os *f, enum fault_call call)
{
    unsigned count;

    mutex_lock(&f->mu);
    count = f->counts[call];
    mutex_unlock(&f->mu);
    return count;
}

void
fault_os_reset_counts(struct fault_os *f)
{
    mutex_lock(&f->mu);
    memset(f->counts, 0, sizeof(f->counts));
    mutex_unlock(&f->mu);
}

unsigned
fault_os_open_files(struct fault_os *f)
{
    unsigned count;

    mutex_lock(&f->mu);
    count = f->open_files;
    mutex_unlock(&f->mu);
    return count;
}
