/*
 * Tidying top: before a batch is prepared, its writer merges the newest nodes
 * of top as long as the next older one is not larger than all newer ones
 * together.  So each node left is larger than the sum of those above it, top
 * has at most log2 n of them, and the one published last, whatever the merger
 * is busy with; and an entry is copied at most log2 n times, in memory that is
 * in the cache.  Nodes do not grow beyond TIDY_MAX here: larger merges are the
 * merger's.  It is not part of publishing, which callers may do under a lock
 * of their own.
 *
 * While nobody reads, few nodes are of no use, as the merger only piles up what
 * is left (merger.c): then many nodes are merged at once, to spare copies.  In
 * order they are runs to the update anyway, which need not be as long.  Where
 * gets pass over all this, nodes become no larger either: the merger takes them
 * soon, and what a writer copies is time that it loses.
 *
 * Best effort: if memory runs out, or if another writer or the merger has
 * changed top meanwhile, the result is dropped.
 */
#include "collection/collection.h"

#include "base/mem.h"
#include "collection/fold.h"

#define TIDY_MAX ((uint64_t)1 << 20)
#define BULK_MAX ((uint64_t)256 << 10)
#define ORDERED_MAX ((uint64_t)64 << 10)
#define FAN_IN 64
#define FAN_IN_KNOWN 4

/* The newest nodes that are to become one. */
struct pick {
    const struct top_node *next; /* behind them */
    struct size sum;
    size_t n;
};

/* Its node is not larger than limit, and the result not than max. */
static bool
fits(const struct pick *p, uint64_t limit, uint64_t max)
{
    return p->next != NULL && p->next->size.bytes <= limit &&
           p->sum.bytes + p->next->size.bytes <= max;
}

static void
add(struct pick *p)
{
    p->sum = size_add(p->sum, p->next->size);
    p->next = p->next->older;
    p->n++;
}

static struct pick
pick_for_readers(const struct state *s)
{
    struct pick p = { s->top, { 0, 0 }, 0 };

    while (fits(&p, p.n == 0 ? UINT64_MAX : p.sum.bytes, TIDY_MAX))
        add(&p);
    return p;
}

/*
 * While nobody reads, or gets pass over all this: a run of nodes of about one
 * size, once there are fan_in of them or no more fit into one of max bytes.
 * The next older ones join in if they are such a run beside what those become.
 */
static struct pick
pick_in_bulk(const struct state *s, size_t fan_in, uint64_t max)
{
    struct pick p = { s->top, { 0, 0 }, 0 };

    while (p.next != NULL) {
        uint64_t limit = 2 * (p.n == 0 ? p.next->size.bytes : p.sum.bytes);
        struct pick longer = p;

        while (fits(&longer, limit, max))
            add(&longer);
        if (longer.n - p.n < fan_in &&
            (longer.next == NULL || longer.next->size.bytes > limit))
            break; /* still growing */
        if (longer.n == p.n)
            break;
        p = longer;
    }
    return p;
}

static struct pick
pick_nodes(const struct moss_collection *c, const struct state *s)
{
    if (c->lower != NULL && !state_is_read(s))
        return pick_in_bulk(s, FAN_IN,
                            state_is_tangled(s) ? BULK_MAX : ORDERED_MAX);
    if (state_knows_keys(s))
        return pick_in_bulk(s, FAN_IN_KNOWN, BULK_MAX);
    return pick_for_readers(s);
}

static enum moss_status
merge_nodes(struct moss_collection *c, struct state *s, size_t k,
            struct fold *f, struct top_node **out)
{
    struct top_node *node = s->top;
    struct section *section = NULL;
    enum moss_status st;

    *out = NULL;
    memset(f, 0, sizeof(*f));
    st = state_resolve(s);
    if (st != MOSS_OK)
        return st;
    f->state = s;
    f->merge = c->merge;
    f->opaque = c->opaque;
    f->max_merge = UINT64_MAX;
    f->brief = c->lower != NULL && !state_is_read(s);
    f->sources = mem_zalloc(k, sizeof(f->sources[0]));
    if (f->sources == NULL)
        return MOSS_NOMEM;
    f->n = k;
    for (size_t i = k; i > 0; i--, node = node->older) {
        f->sources[i - 1].section = top_node_section(node);
        f->sources[i - 1].born = node->seq;
    }
    f->older_top = node;
    f->older_taken = s->taken;
    st = fold_run(f, &section);
    if (st == MOSS_OK)
        st = top_node_new(NULL, section, section->size, out);
    section_unref(section);
    return st;
}

/* Put node in the place of the k newest ones of top. */
static void
replace_locked(struct moss_collection *c, struct state *next,
               struct top_node *node, size_t k, struct size sum,
               struct leftovers *left) REQUIRES(c->mu)
{
    struct top_node *older;

    mutex_assert_held(&c->mu);
    state_inherit(next, c->state);
    node->seq = next->top->seq;
    node->tag = next->top->tag;
    older = next->top;
    for (size_t i = 0; i < k; i++)
        older = older->older;
    node->older = older == NULL ? NULL : top_node_ref(older);
    top_node_unref(next->top); /* c->state holds it still */
    next->top = top_node_ref(node);
    next->top_nodes -= k - 1;
    next->top_size = size_add(size_sub(next->top_size, sum), node->size);
    collection_swap_locked(c, next, left);
}

void
tidy_top(struct moss_collection *c)
{
    struct leftovers left = { NULL, NULL };
    struct state *s = collection_state(c), *next = NULL;
    struct top_node *node = NULL;
    struct fold f = { .sources = NULL };
    struct pick pick = pick_nodes(c, s);

    if (pick.n < 2 || state_new(&next) != MOSS_OK ||
        merge_nodes(c, s, pick.n, &f, &node) != MOSS_OK)
        goto done;
    mutex_lock(&c->mu);
    if (c->state->top == s->top) {
        replace_locked(c, next, node, pick.n, pick.sum, &left);
        next = NULL;
        c->counters.merges++;
        c->counters.merged_ops += f.merged_ops;
        for (size_t i = 0; i < f.n; i++) {
            recents_charge(&c->recents, f.sources[i].born,
                           f.sources[i].dropped);
        }
    }
    mutex_unlock(&c->mu);
    leftovers_release(&left);

done:
    mem_free(f.sources);
    top_node_unref(node);
    state_unref(next);
    state_unref(s);
    recents_trim(c);
}
