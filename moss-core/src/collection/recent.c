/*
 * Recent states.
 *
 * A state enters when a newer batch takes its place as the newest one, and
 * only if a tagged batch made it.  Most of what it refers to, the newer
 * states refer to as well, so it costs nothing by itself.  It begins to cost
 * when the newest state gives something up (merged nodes, an old mid, a
 * persisted base): from then on only the states kept here hold those bytes,
 * and the newest of them is the last to let them go.  So it is charged, and
 * evicting the oldest first frees exactly what was charged.
 */
#include "collection/recent.h"

#include "base/mem.h"
#include "collection/collection.h"
#include "collection/view.h"

enum moss_status
recents_init(struct recents *r, size_t cap, uint64_t max_bytes)
{
    memset(r, 0, sizeof(*r));
    r->ring = mem_zalloc(cap, sizeof(r->ring[0]));
    if (r->ring == NULL)
        return MOSS_NOMEM;
    r->cap = cap;
    r->max_bytes = max_bytes;
    return MOSS_OK;
}

void
recents_release(struct recents *r)
{
    for (size_t i = 0; i < r->n; i++)
        state_unref(r->ring[(r->first + i) % r->cap].state);
    mem_free(r->ring);
    memset(r, 0, sizeof(*r));
}

static struct state *
pop(struct recents *r)
{
    struct recent *oldest = &r->ring[r->first];
    struct state *state = oldest->state;

    r->bytes -= oldest->bytes;
    r->first = (r->first + 1) % r->cap;
    r->n--;
    return state;
}

struct state *
recents_push(struct recents *r, struct state *state)
{
    struct state *evicted = r->n == r->cap ? pop(r) : NULL;
    struct recent *slot = &r->ring[(r->first + r->n) % r->cap];

    slot->state = state;
    slot->bytes = 0;
    r->n++;
    return evicted;
}

/* The oldest if a bound is exceeded, else NULL; the caller's reference. */
static struct state *
pop_excess(struct recents *r)
{
    return r->n > 0 && r->bytes > r->max_bytes ? pop(r) : NULL;
}

void
recents_charge(struct recents *r, uint64_t born, uint64_t bytes)
{
    struct recent *newest;

    if (r->n == 0)
        return;
    newest = &r->ring[(r->first + r->n - 1) % r->cap];
    if (newest->state->seq < born)
        return; /* came and went after it */
    newest->bytes += bytes;
    r->bytes += bytes;
}

/* Borrowed, or NULL. */
static struct state *
find(const struct recents *r, struct moss_tag tag)
{
    for (size_t i = r->n; i > 0; i--) {
        struct state *state = r->ring[(r->first + i - 1) % r->cap].state;

        if (moss_tag_equal(state->tag, tag))
            return state;
    }
    return NULL;
}

void
recents_trim(struct moss_collection *c)
{
    struct state *excess;

    do {
        mutex_lock(&c->mu);
        excess = pop_excess(&c->recents);
        mutex_unlock(&c->mu);
        state_unref(excess);
    } while (excess != NULL);
}

enum moss_status
moss_collection_snapshot_at(struct moss_collection *c, struct moss_tag tag,
                            struct moss_snapshot **out)
{
    const struct moss_tag none = { 0, 0 };
    struct state *s = NULL;
    enum moss_status st = collection_check(c);

    *out = NULL;
    if (st != MOSS_OK)
        return st;
    if (moss_tag_equal(tag, none))
        return MOSS_NOT_FOUND;
    mutex_lock(&c->mu);
    if (c->state->tag_seq == c->state->seq &&
        moss_tag_equal(c->state->tag, tag))
        s = c->state;
    else
        s = find(&c->recents, tag);
    if (s != NULL)
        state_ref(s);
    mutex_unlock(&c->mu);
    if (s == NULL)
        return MOSS_NOT_FOUND;
    st = view_snapshot(s, c->merge, c->pins, out);
    state_unref(s);
    return st;
}
