/*
 * A file in memory: its bytes as calls see them, its bytes as of the last
 * sync, and the updates between the two.  A crash starts from the synced bytes
 * and makes none, all, or a part of the updates; for a torn one each sector of
 * 512 bytes of each write is kept or lost on its own, in order, and the size
 * may have grown though the bytes are lost (they read as zero then).
 */
#include "support/mem_file.h"

#include <stdlib.h>

enum { SECTOR = 512 };

static void
bytes_resize(struct mem_bytes *b, size_t n)
{
    if (n > b->cap) {
        b->cap = b->cap * 2 > n ? b->cap * 2 : n;
        b->p = must_alloc(realloc(b->p, b->cap));
    }
    if (n > b->n)
        memset(b->p + b->n, 0, n - b->n);
    b->n = n;
}

static void
bytes_write(struct mem_bytes *b, uint64_t off, const uint8_t *data, size_t n)
{
    if (n == 0)
        return;
    if (off + n > b->n)
        bytes_resize(b, (size_t)off + n);
    memcpy(b->p + off, data, n);
}

static void
bytes_copy(struct mem_bytes *to, const struct mem_bytes *from)
{
    bytes_resize(to, 0);
    bytes_write(to, 0, from->p, from->n);
}

static void
updates_clear(struct mem_inode *inode)
{
    for (size_t i = 0; i < inode->n_updates; i++)
        free(inode->updates[i].data);
    free(inode->updates);
    inode->updates = NULL;
    inode->n_updates = 0;
}

static struct mem_update *
update_add(struct mem_inode *inode)
{
    inode->updates = must_alloc(realloc(
        inode->updates, (inode->n_updates + 1) * sizeof(*inode->updates)));
    return &inode->updates[inode->n_updates++];
}

struct mem_inode *
mem_inode_new(uint64_t ino, bool is_dir)
{
    struct mem_inode *inode = must_alloc(calloc(1, sizeof(*inode)));

    inode->refs = 1;
    inode->ino = ino;
    inode->is_dir = is_dir;
    return inode;
}

void
mem_inode_ref(struct mem_inode *inode)
{
    inode->refs++;
}

void
mem_inode_unref(struct mem_inode *inode)
{
    if (--inode->refs > 0)
        return;
    updates_clear(inode);
    free(inode->now.p);
    free(inode->synced.p);
    free(inode);
}

bool
mem_inode_read(const struct mem_inode *inode, uint64_t off, void *buf, size_t n)
{
    if (off > inode->now.n || n > inode->now.n - off)
        return false;
    if (n > 0)
        memcpy(buf, inode->now.p + off, n);
    return true;
}

void
mem_inode_write(struct mem_inode *inode, uint64_t off, const void *bytes,
                size_t n)
{
    struct mem_update *u;

    if (n == 0)
        return;
    bytes_write(&inode->now, off, bytes, n);
    u = update_add(inode);
    u->off = off;
    u->n = n;
    u->data = must_alloc(malloc(n));
    memcpy(u->data, bytes, n);
}

void
mem_inode_truncate(struct mem_inode *inode, uint64_t size)
{
    struct mem_update *u;

    bytes_resize(&inode->now, (size_t)size);
    u = update_add(inode);
    *u = (struct mem_update){ .off = size };
}

void
mem_inode_sync(struct mem_inode *inode)
{
    updates_clear(inode);
    bytes_copy(&inode->synced, &inode->now);
}

/* Make a part of an update: by sectors of the file. */
static void
update_tear(struct mem_bytes *b, const struct mem_update *u, struct rng *r)
{
    if (u->data == NULL) {
        if (rng_below(r, 2) == 0)
            bytes_resize(b, (size_t)u->off);
        return;
    }
    if (rng_below(r, 2) == 0 && u->off + u->n > b->n)
        bytes_resize(b, (size_t)u->off + u->n);
    for (size_t i = 0; i < u->n;) {
        size_t n = SECTOR - (size_t)((u->off + i) % SECTOR);

        if (n > u->n - i)
            n = u->n - i;
        if (rng_below(r, 2) == 0)
            bytes_write(b, u->off + i, u->data + i, n);
        i += n;
    }
}

void
mem_inode_crash(struct mem_inode *inode, enum mem_crash how, struct rng *r)
{
    if (how == MEM_CRASH_TEAR) {
        for (size_t i = 0; i < inode->n_updates; i++)
            update_tear(&inode->synced, &inode->updates[i], r);
    }
    if (how == MEM_CRASH_KEEP)
        bytes_copy(&inode->synced, &inode->now);
    else
        bytes_copy(&inode->now, &inode->synced);
    updates_clear(inode);
}
