/*
 * Stacks of segments: making them, point reads and estimates.
 *
 * A stack is immutable once made, so that readers need nothing but a
 * reference; a change makes a new stack that shares the segments.  A read
 * goes from the newest segment to the oldest, one of each chain, then to the
 * lower level.
 *
 * Any thread.
 */
#include "stack/segstack.h"

#include "base/mem.h"
#include "segment/merge_op.h"
#include "segment/segment_index.h"

enum moss_status
segstack_new(struct moss_snapshot *lower, struct segment *const *segs, size_t n,
             struct segstack **out)
{
    struct segstack *stack;

    *out = NULL;
    if (n > UINT32_MAX)
        return MOSS_TOO_BIG;
    stack = mem_alloc(sizeof(*stack) +
                      n * (2 * sizeof(segs[0]) + sizeof(stack->chains[0])));
    if (stack == NULL)
        return MOSS_NOMEM;
    refs_init(&stack->refs);
    stack->lower = lower == NULL ? NULL : moss_snapshot_ref(lower);
    stack->n_lower = 0;
    stack->known_from = stack->n_known = 0;
    stack->known[0] = stack->known[1] = NULL;
    stack->n = n;
    for (size_t i = 0; i < n; i++)
        stack->segs[i] = segment_ref(segs[i]);
    stack->by_key = stack->segs + n;
    stack->chains = (struct chain *)(void *)(stack->by_key + n);
    stack->n_chains = chains_make(segs, n, stack->chains, stack->by_key);
    *out = stack;
    return MOSS_OK;
}

struct segstack *
segstack_ref(struct segstack *stack)
{
    refs_inc(&stack->refs);
    return stack;
}

void
segstack_unref(struct segstack *stack)
{
    if (stack == NULL || !refs_dec(&stack->refs))
        return;
    for (size_t i = 0; i < stack->n; i++)
        segment_unref(stack->segs[i]);
    keyset_unref(stack->known[0]);
    keyset_unref(stack->known[1]);
    moss_snapshot_unref(stack->lower);
    mem_free(stack);
}

void
segstack_inherit_known(struct segstack *stack, const struct segstack *below)
{
    stack->known_from = below->known_from;
    stack->n_known = below->n_known;
    for (size_t i = 0; i < 2; i++)
        stack->known[i] = keyset_ref(below->known[i]);
}

struct segment_totals
segstack_totals(const struct segstack *stack)
{
    struct segment_totals sum = { 0, 0, 0, 0, 0 };

    for (size_t i = 0; i < stack->n; i++) {
        const struct segment_totals *t = &stack->segs[i]->totals;

        sum.n_set += t->n_set;
        sum.n_del += t->n_del;
        sum.n_merge += t->n_merge;
        sum.key_bytes += t->key_bytes;
        sum.value_bytes += t->value_bytes;
    }
    return sum;
}

/* ------------------------------------------------------------------ */
/* Point reads                                                        */
/* ------------------------------------------------------------------ */

/* How many segments a get asks for at once. */
enum { AT_ONCE = 16 };

/*
 * What an entry, if st is MOSS_OK, means for a get: MOSS_DONE to go on with
 * older segments, else the answer.
 */
static enum moss_status
take(enum moss_status st, const struct entry *e, struct operands *list,
     struct moss_value *base)
{
    if (st != MOSS_OK)
        return st == MOSS_NOT_FOUND ? MOSS_DONE : st;
    if (e->op == MOSS_OP_DEL)
        return MOSS_NOT_FOUND;
    if (e->op == MOSS_OP_SET) {
        base->bytes = e->value;
        return MOSS_OK;
    }
    st = operands_push(list, e->value);
    return st < 0 ? st : MOSS_DONE;
}

/* A get on its way through a stack. */
struct search {
    const struct segstack *stack;
    struct moss_slice key;
    uint64_t hash;
    uint64_t newest;       /* no batch with a greater number has the key */
    size_t at_once;        /* how many segments are asked for at once */
    struct operands *list; /* what was found on the way, newest first */
    struct moss_value *base;
};

/* Is a segment of chain c one of [from, to)?  It is seldom a question. */
static bool
is_among(const struct segstack *stack, const struct chain *c,
         const struct segment *seg, size_t from, size_t to)
{
    if (c->first >= from && c->first + c->n <= to)
        return true;
    for (size_t i = from; i < to; i++) {
        if (stack->segs[i] == seg)
            return true;
    }
    return false;
}

/*
 * Begin with the segments [from, to) of the chains below *chain, which moves
 * down: with one of each chain, and at_once of them unless these are all.
 */
static size_t
probe(const struct search *s, size_t from, size_t to, size_t *chain,
      struct segment_probe *probes)
{
    const struct segstack *stack = s->stack;
    size_t n = 0;

    while (n<s->at_once && * chain> 0) {
        const struct chain *c = &stack->chains[*chain - 1];
        struct segment *const *by_key = stack->by_key + c->first;
        const struct segment *seg = by_key[0];

        if (c->first + c->n <= from)
            break;
        (*chain)--;
        if (c->first >= to)
            continue;
        if (c->n > 1)
            seg = by_key[chain_find(by_key, c->n, s->key)];
        if (seg->since <= s->newest && is_among(stack, c, seg, from, to))
            segment_probe(&probes[n++], seg, s->key, s->hash);
    }
    return n;
}

/* Go through n of them; MOSS_DONE to go on below. */
static enum moss_status
find_probed(const struct search *s, const struct segment_probe *probes,
            size_t n)
{
    for (size_t k = 0; k < n; k++) {
        struct entry e;
        enum moss_status st = segment_probe_find(&probes[k], s->key, &e);

        st = take(st, &e, s->list, s->base);
        if (st != MOSS_DONE)
            return st;
    }
    return MOSS_DONE;
}

/* Go through the segments [from, to) of the chains below; likewise. */
static enum moss_status
find_in(const struct search *s, size_t from, size_t to, size_t chain)
{
    struct segment_probe probes[AT_ONCE];
    enum moss_status st;
    size_t n;

    do {
        n = probe(s, from, to, &chain, probes);
        st = find_probed(s, probes, n);
    } while (st == MOSS_DONE && n == s->at_once);
    return st;
}

/*
 * In the segments that the sets tell about.  The newest batch that has the key
 * is nearly known: so the first segment that may have it is likely to.
 */
static enum moss_status
find_told(const struct search *s)
{
    const struct segstack *stack = s->stack;
    struct search told = *s;
    bool is_there = false;

    told.newest = 0;
    told.at_once = 1;
    for (size_t i = 0; i < 2; i++) {
        if (stack->known[i] != NULL &&
            keyset_find(stack->known[i], s->hash, &told.newest))
            is_there = true;
    }
    if (!is_there)
        return MOSS_DONE;
    return find_in(&told, stack->known_from, stack->n_known, stack->n_chains);
}

/*
 * Where the sets are likely to say that none of the segments that they tell
 * about has the key: while those below come from memory, so do the sets.
 */
static enum moss_status
find_knowing(const struct search *s)
{
    const struct segstack *stack = s->stack;
    struct segment_probe probes[AT_ONCE];
    size_t n, chain = stack->n_chains, from = stack->known_from;
    enum moss_status st;

    for (size_t i = 0; i < 2; i++) {
        if (stack->known[i] != NULL)
            keyset_prefetch(stack->known[i], s->hash);
    }
    n = probe(s, 0, from, &chain, probes);
    st = find_in(s, stack->n_known, stack->n, stack->n_chains);
    if (st == MOSS_DONE)
        st = find_told(s);
    if (st == MOSS_DONE)
        st = find_probed(s, probes, n);
    return st == MOSS_DONE ? find_in(s, 0, from, chain) : st;
}

/*
 * What lies below the newest operands of key: the value in *base, or
 * MOSS_NOT_FOUND.  Operands on the way are pushed to list, newest first.
 */
static enum moss_status
find_base(const struct segstack *stack, struct moss_slice key,
          struct operands *list, struct moss_value *base)
{
    struct search s = { .stack = stack,
                        .key = key,
                        .hash = index_hash(key),
                        .newest = UINT64_MAX,
                        .at_once = AT_ONCE,
                        .list = list,
                        .base = base };
    enum moss_status st = stack->n_known > stack->known_from
                              ? find_knowing(&s)
                              : find_in(&s, 0, stack->n, stack->n_chains);

    if (st != MOSS_DONE)
        return st;
    if (stack->lower == NULL)
        return MOSS_NOT_FOUND;
    return moss_snapshot_get(stack->lower, key, base);
}

enum moss_status
segstack_get(const struct segstack *stack,
             const struct moss_merge_operator *merge, struct moss_slice key,
             struct moss_value *value)
{
    struct moss_value base = { { NULL, 0 }, NULL };
    struct moss_output output;
    struct operands list;
    enum moss_status st;

    *value = base;
    operands_init(&list);
    st = find_base(stack, key, &list, &base);
    if (st < 0 || list.n == 0) {
        if (st == MOSS_OK)
            *value = base;
        operands_release(&list);
        return st;
    }
    operands_reverse(&list);
    output_init(&output);
    st = merge_op_full(merge, key, st == MOSS_OK ? &base.bytes : NULL, &list,
                       &output);
    if (st == MOSS_OK)
        merge_op_give(&output, value);
    output_release(&output);
    operands_release(&list);
    moss_value_release(&base);
    return st;
}

/* ------------------------------------------------------------------ */
/* Estimates                                                          */
/* ------------------------------------------------------------------ */

/* n parts of total in all. */
static uint64_t
share(uint64_t total, size_t n, size_t all)
{
    return (uint64_t)((double)total * (double)n / (double)all);
}

/* Bytes of the entries [from, to), from < to. */
static uint64_t
range_bytes(const struct segment *seg, size_t from, size_t to)
{
    if (!segment_is_packed(seg))
        return share(seg->totals.key_bytes + seg->totals.value_bytes, to - from,
                     seg->n);
    return (to < seg->n ? seg->kvs[2 * to + 1] : seg->buf_bytes) -
           seg->kvs[2 * from + 1];
}

enum moss_status
segstack_estimate(const struct segstack *stack, const struct moss_slice *lo,
                  const struct moss_slice *hi, uint64_t *entries,
                  uint64_t *bytes)
{
    uint64_t sum = 0, sum_bytes = 0, gone = 0;

    *entries = *bytes = 0;
    if (stack->lower != NULL) {
        enum moss_status st =
            moss_snapshot_estimate(stack->lower, lo, hi, &sum, &sum_bytes);

        if (st < 0)
            return st;
    }
    for (size_t i = 0; i < stack->n; i++) {
        const struct segment *seg = stack->segs[i];
        size_t from = 0, to = seg->n;
        enum moss_status st = MOSS_OK;

        if (lo != NULL)
            st = segment_seek_in(seg, *lo, 0, to, &from);
        if (st == MOSS_OK && hi != NULL)
            st = segment_seek_in(seg, *hi, from, to, &to);
        if (st < 0)
            return st;
        if (from == to)
            continue;
        sum += to - from;
        sum_bytes += range_bytes(seg, from, to);
        /* A deletion is an entry that hides another one. */
        gone += 2 * share(seg->totals.n_del, to - from, seg->n);
    }
    *entries = sum > gone ? sum - gone : 0;
    *bytes = sum_bytes;
    return MOSS_OK;
}
