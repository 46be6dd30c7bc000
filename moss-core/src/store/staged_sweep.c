/*
 * The file of a staged batch is of no use any more once a commit point that
 * has it is durable.  Nobody but the caller's log, or the numbers of the
 * transactions, can tell which ones that are.
 *
 * Any thread; takes the writer's role for a moment.
 */
#include "base/error.h"
#include "base/mem.h"
#include "store/datafile.h"
#include "store/store.h"

static enum moss_status
remove_file(struct moss_store *s, struct moss_tag tag, struct moss_error *err)
{
    char name[DATAFILE_STAGED_NAME], *path;
    enum moss_status st;

    datafile_staged_name(tag, name);
    path = file_path(s->dir, name);
    st = path == NULL ? MOSS_NOMEM : s->os->ops->remove(s->os, path);
    if (st < 0 && st != MOSS_CANTOPEN)
        (void)error_set(err, st, "remove", path == NULL ? s->dir : path, 0);
    mem_free(path);
    return st;
}

enum moss_status
moss_staged_remove(struct moss_store *s, struct moss_tag tag,
                   struct moss_error *err)
{
    enum moss_status st;

    error_clear(err);
    if (s->readonly)
        return error_set(err, MOSS_READONLY, "remove", s->dir, 0);
    st = remove_file(s, tag, err);
    return st == MOSS_CANTOPEN || st == MOSS_NOT_FOUND ? MOSS_OK : st;
}

/* One of those that are done, or false. */
static bool
take_done(struct moss_store *s, uint64_t n, struct moss_tag *out)
{
    bool found = false;

    mutex_lock(&s->mu);
    for (size_t i = 0; i < s->n_staged && !found; i++) {
        if (s->staged[i].n <= n) {
            *out = s->staged[i];
            s->staged[i] = s->staged[--s->n_staged];
            found = true;
        }
    }
    mutex_unlock(&s->mu);
    return found;
}

void
store_staged_done(struct moss_store *s, uint64_t n)
{
    struct moss_tag tag;

    while (!s->no_sync && take_done(s, n, &tag)) {
        enum moss_status st = remove_file(s, tag, NULL);

        (void)st; /* if that fails, it is swept some time */
    }
}

struct sweep {
    bool (*keep)(void *ctx, struct moss_tag tag);
    void *ctx;
    uint64_t newest; /* number */
    struct moss_tag *tags;
    size_t n;
    enum moss_status st;
};

static void
sweep_name(void *arg, const char *name)
{
    struct sweep *w = arg;
    struct moss_tag tag, *more;

    if (!datafile_parse_staged(name, &tag))
        return;
    if (w->keep != NULL ? w->keep(w->ctx, tag) : tag.n > w->newest)
        return;
    more = mem_resize(w->tags, w->n + 1, sizeof *more);
    if (more == NULL) {
        w->st = MOSS_NOMEM;
        return;
    }
    w->tags = more;
    w->tags[w->n++] = tag;
}

/* The number up to which the newest commit point holds all, durably. */
static enum moss_status
settled_number(struct moss_store *s, uint64_t *number, struct moss_error *err)
{
    enum moss_status st = MOSS_OK;
    struct commit *c;

    store_begin_write(s);
    /* Else each commit point was durable before it became the newest one. */
    if (s->no_sync)
        st = store_settle(s, err);
    c = store_current(s);
    *number = c->tag.n;
    commit_unref(c);
    store_end_write(s);
    return st;
}

enum moss_status
moss_staged_sweep(struct moss_store *s,
                  bool (*keep)(void *ctx, struct moss_tag tag), void *ctx,
                  struct moss_error *err)
{
    struct sweep w = { .keep = keep, .ctx = ctx };
    enum moss_status st = MOSS_OK;

    error_clear(err);
    if (s->readonly)
        return error_set(err, MOSS_READONLY, "sweep", s->dir, 0);
    if (keep == NULL)
        st = settled_number(s, &w.newest, err);
    if (st < 0)
        return st;
    st = s->os->ops->list(s->os, s->dir, sweep_name, &w);
    if (st == MOSS_OK)
        st = w.st;
    if (st < 0)
        (void)error_set(err, st, "list", s->dir, 0);
    for (size_t i = 0; i < w.n && st == MOSS_OK; i++)
        st = remove_file(s, w.tags[i], err);
    mem_free(w.tags);
    return st;
}
