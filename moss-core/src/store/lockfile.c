/*
 * The lock file stays when the store is closed: to remove it would let two
 * writers lock two files of one name.  Its page (FORMAT.md, "The lock file")
 * holds a generation that grows with every footer, so that another process
 * can see with one look whether the store has changed.  It is never synced
 * and nothing is recovered from it.
 *
 * The writing thread only.
 */
#include "store/lockfile.h"

#include "base/base.h"
#include "base/coding.h"
#include "base/error.h"
#include "base/mem.h"
#include "store/file.h"

#define PAGE_BYTES 48u

static const char magic[8] = { 'm', 'o', 's', 's', 'l', 'c', 'k', '1' };

struct lockfile {
    struct moss_os *os;
    struct moss_file *f;
    char *path;
    struct moss_file_id id; /* of f */
    uint64_t generation;
};

/* Go on counting from what the last writer left. */
static enum moss_status
read_generation(struct lockfile *lock, struct moss_error *err)
{
    uint8_t page[PAGE_BYTES];
    uint64_t size = 0;
    enum moss_status st = lock->f->ops->size(lock->f, &size);

    if (st == MOSS_OK && size >= sizeof page)
        st = lock->f->ops->read(lock->f, 0, page, sizeof page);
    if (st < 0)
        return error_set(err, st, "lock", lock->path, 0);
    if (size >= sizeof page && memcmp(page, magic, sizeof magic) == 0)
        lock->generation = load_le64(page + 24);
    return MOSS_OK;
}

enum moss_status
lockfile_take(struct moss_os *os, const char *dir, struct lockfile **out,
              struct moss_error *err)
{
    struct lockfile *lock = mem_zalloc(1, sizeof *lock);
    enum moss_status st;

    *out = NULL;
    if (lock == NULL)
        return error_set(err, MOSS_NOMEM, "lock", dir, 0);
    lock->path = file_path(dir, LOCKFILE_NAME);
    if (lock->path == NULL) {
        st = error_set(err, MOSS_NOMEM, "lock", dir, 0);
        goto done;
    }
    st = os->ops->lock(os, lock->path, &lock->f);
    if (st < 0) {
        (void)error_set(err, st, "lock", lock->path, 0);
        goto done;
    }
    lock->os = os;
    st = os->ops->identify(os, lock->path, &lock->id);
    if (st != MOSS_OK) {
        /* It was there a moment ago. */
        st = st < 0 ? st : MOSS_CANTOPEN;
        (void)error_set(err, st, "lock", lock->path, 0);
        goto done;
    }
    st = read_generation(lock, err);
    if (st < 0)
        goto done;
    *out = lock;
    lock = NULL;

done:
    lockfile_release(lock);
    return st;
}

void
lockfile_release(struct lockfile *lock)
{
    if (lock == NULL)
        return;
    if (lock->f != NULL)
        lock->f->ops->close(lock->f);
    mem_free(lock->path);
    mem_free(lock);
}

enum moss_status
lockfile_check(const struct lockfile *lock, struct moss_error *err)
{
    struct moss_file_id now = { 0 };
    enum moss_status st = lock->os->ops->identify(lock->os, lock->path, &now);

    if (st < 0)
        return error_set(err, st, "identify", lock->path, 0);
    if (st == MOSS_OK && now.dev == lock->id.dev && now.ino == lock->id.ino)
        return MOSS_OK;
    return error_set(err, MOSS_CANTOPEN, "moved or removed", lock->path, 0);
}

enum moss_status
lockfile_note(struct lockfile *lock, const uint8_t store_id[16],
              uint64_t file_number, uint64_t footer_off, struct moss_error *err)
{
    uint8_t page[PAGE_BYTES];
    enum moss_status st;

    memcpy(page, magic, sizeof magic);
    memcpy(page + 8, store_id, 16);
    store_le64(page + 24, lock->generation + 1);
    store_le64(page + 32, file_number);
    store_le64(page + 40, footer_off);
    st = lock->f->ops->write(lock->f, 0, page, sizeof page);
    if (st < 0)
        return error_set(err, st, "write", lock->path, 0);
    lock->generation++;
    return MOSS_OK;
}
