/*
 * Segments read from a file keep the mapping they lie in, and a mapping keeps
 * its file, so that both go when the last reader does.  One mapping serves
 * all segments that came into memory together: those that opening finds, or
 * those that one update wrote.
 *
 * A file that somebody else cuts short under a mapping kills the process; for
 * those who fear that, the range can be read into memory instead.
 *
 * Immutable; any thread.
 */
#include "store/mapping.h"

#include "base/arena.h"
#include "base/base.h"
#include "base/error.h"
#include "base/mem.h"

/* Mappings from this size on are taken apart by the reaper. */
#define MAPPING_BIG ((size_t)1 << 20)

static enum moss_status
fill(struct mapping *map, bool copy, struct moss_error *err)
{
    struct moss_file *f = map->file->f;
    const void *addr = NULL;
    enum moss_status st;

    if (!copy) {
        st = f->ops->map(f, map->off, map->n, &addr);
        if (st < 0)
            return error_set(err, st, "map", map->file->path, map->off);
        map->bytes = addr;
        return MOSS_OK;
    }
    map->copy = arena_alloc(map->n);
    if (map->copy == NULL)
        return error_set(err, MOSS_NOMEM, "read", map->file->path, map->off);
    st = file_read(map->file, map->off, map->copy, map->n, err);
    if (st < 0) {
        arena_free(map->copy, map->n);
        return st;
    }
    map->bytes = map->copy;
    return MOSS_OK;
}

enum moss_status
mapping_new(struct file *file, uint64_t off, size_t n, bool copy,
            struct mapping **out, struct moss_error *err)
{
    struct mapping *map = mem_zalloc(1, sizeof *map);
    enum moss_status st;

    *out = NULL;
    if (map == NULL)
        return error_set(err, MOSS_NOMEM, "map", file->path, off);
    refs_init(&map->refs);
    map->file = file;
    map->off = off;
    map->n = n;
    st = fill(map, copy, err);
    if (st < 0) {
        mem_free(map);
        return st;
    }
    (void)file_ref(file);
    *out = map;
    return MOSS_OK;
}

struct mapping *
mapping_ref(struct mapping *map)
{
    refs_inc(&map->refs);
    return map;
}

static void
mapping_free(struct reap *reap)
{
    struct mapping *map = container_of(reap, struct mapping, reap);

    if (map->copy != NULL)
        arena_free(map->copy, map->n);
    else
        map->file->f->ops->unmap(map->file->f, map->bytes, map->n);
    file_unref(map->file);
    mem_free(map);
}

void
mapping_unref(struct mapping *map)
{
    if (map == NULL || !refs_dec(&map->refs))
        return;
    if (map->n >= MAPPING_BIG)
        reaper_defer(&map->reap, mapping_free);
    else
        mapping_free(&map->reap);
}
