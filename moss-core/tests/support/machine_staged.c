/*
 * Batches that go through a file: what a batch has recorded is made anew in
 * pieces, staged, at times found again by name, and prepared.  What it comes to
 * is what executing the batch would.
 */
#include "support/machine_impl.h"

/* Does it only add?  Nothing else can be staged, nor without a tag. */
bool
staged_fits(const struct record *changes, uint64_t tag)
{
    for (size_t i = 0; i < changes->n; i++) {
        enum change_kind kind = changes->list[i].kind;

        if (kind == CHANGE_DEL_CHILD || kind == CHANGE_CLEAR ||
            kind == CHANGE_RENAME)
            return false;
    }
    return tag > 0;
}

static enum moss_status
add_change(struct machine *m, struct moss_batch *at, const struct change *c)
{
    struct moss_slice key, value = moss_slice(NULL, 0);
    enum moss_status st = MOSS_OK;

    for (uint8_t i = 0; i < c->depth && st == MOSS_OK; i++)
        st = moss_batch_child(at, m->table.names[c->path[i]], &at);
    if (st == MOSS_OK && c->kind == CHANGE_CHILD)
        return moss_batch_child(at, m->table.names[c->name], &at);
    if (st < 0)
        return st;
    key = blob_slice(m->table.keys[c->key]);
    if (c->value != NULL)
        value = blob_slice(c->value);
    switch (c->kind) {
    case CHANGE_SET:
        return moss_batch_set(at, key, value);
    case CHANGE_DEL:
        return moss_batch_del(at, key);
    default:
        return moss_batch_merge(at, key, value);
    }
}

/* The changes [from, to) as one piece. */
static enum moss_status
add_piece(struct machine *m, struct moss_staged *g,
          const struct record *changes, size_t from, size_t to)
{
    struct moss_batch *piece = NULL;
    enum moss_status st = moss_batch_new(0, 0, &piece);

    for (size_t i = from; i < to && st == MOSS_OK; i++)
        st = add_change(m, piece, &changes->list[i]);
    if (st == MOSS_OK)
        st = moss_staged_add(g, piece, NULL);
    moss_batch_free(piece);
    return st;
}

/* Close it, and open it again by what was told of it. */
static enum moss_status
find_again(struct machine *m, const struct moss_staged_info *info,
           struct moss_staged **g)
{
    enum moss_status st;

    count_extra(EXTRA_FOUND_AGAIN);
    moss_staged_free(*g);
    *g = NULL;
    st = moss_staged_open(m->store, info, g, NULL);
    must(m, st != MOSS_NOT_FOUND, "a staged batch is gone");
    return st;
}

static enum moss_status
make(struct machine *m, const struct record *changes, struct moss_staged *g,
     struct moss_staged_info *info)
{
    size_t done = 0, n = changes->n;
    enum moss_status st = MOSS_OK;

    while (done < n && st == MOSS_OK) {
        size_t to = done + 1 + (size_t)extra(m, n - done);

        st = add_piece(m, g, changes, done, to);
        done = to;
    }
    return st == MOSS_OK ? moss_staged_finish(g, info, NULL) : st;
}

enum moss_status
staged_prepare(struct machine *m, const struct record *changes, uint64_t tag,
               uint64_t timeout_ms, struct moss_prepared **out)
{
    struct moss_tag name = { tag, 3 * tag };
    struct moss_staged *g = NULL;
    struct moss_staged_info info;
    enum moss_status st = moss_staged_begin(m->store, name, NULL, &g, NULL);

    /* What an attempt that failed has left may stand in its way. */
    must(m, st != MOSS_BUSY || m->stage_failed, "a staged batch has its name");
    if (st == MOSS_BUSY)
        return MOSS_TIMEOUT;
    if (st == MOSS_OK)
        st = make(m, changes, g, &info);
    if (st == MOSS_OK && sometimes(m, 3))
        st = find_again(m, &info, &g);
    if (st == MOSS_OK)
        st = moss_staged_prepare(g, m->c, timeout_ms, out);
    if (st < 0)
        m->stage_failed = true;
    else
        count_extra(EXTRA_STAGED);
    moss_staged_free(g);
    return st;
}

/*
 * Those that the newest commit point has, and others if nobody asks for them.
 */
void
staged_sweep(struct machine *m)
{
    if (m->below != BELOW_STORE || mem_os_is_off(m->mem))
        return;
    count_extra(EXTRA_SWEPT);
    (void)works(m, moss_staged_sweep(m->store, NULL, NULL, NULL));
}
