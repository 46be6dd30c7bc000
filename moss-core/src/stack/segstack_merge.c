/*
 * Merging segments: one forward pass that gives each key once.
 *
 * A heap merges one cursor per segment.  When the same segment has won
 * several times in a row, or the one before it was a single run to its end, a
 * galloping search finds out how far its entries go before those of all others
 * begin; such a run is passed on without comparing anything, and copied as a
 * block where it comes from memory.  So segments that do not overlap, as
 * sequential loads make them, are merged at the speed of memory.
 *
 * What becomes of a key's operands depends on what is known to be below:
 *
 *     operands over a set or delete       full() makes a value
 *     operands over nothing               full() makes a value
 *     one operand over something unread   stays as it is
 *     several over something unread       partial() makes one; failing that,
 *                                         the value below is read for full()
 *
 * Two kinds of passes are for lower levels that are not of this library: one
 * gives operands that do not combine one by one, one reads below for all.
 *
 * The segments are immutable, and a pass belongs to one thread.
 */
#include "base/mem.h"
#include "segment/segment_index.h"
#include "stack/segmerge.h"

#include <assert.h>

/* Wins in a row after which it pays to look for a run. */
enum { WINS = 8 };

/* ------------------------------------------------------------------ */
/* Making one                                                         */
/* ------------------------------------------------------------------ */

static bool
ended_in_run(const struct segmerge *m)
{
    return m->leader != NULL && m->run_end == m->leader->hi;
}

/* Somebody else may be on top now; if it is the same one again, gallop. */
static enum moss_status
lead(struct segmerge *m)
{
    struct cursor *top = heap_top(&m->heap);

    if (top == NULL)
        return MOSS_OK;
    if (top != m->leader) {
        /* After a run to the end of a segment the next one may be alike. */
        m->wins = ended_in_run(m) ? WINS - 1 : 0;
        m->leader = top;
        m->run_end = 0;
    }
    if (m->heap.n == 1) {
        m->run_end = top->hi;
        return MOSS_OK;
    }
    if (top->pos < m->run_end || ++m->wins < WINS)
        return MOSS_OK;
    m->wins = 0;
    return segment_gallop(top->seg, heap_second(&m->heap)->e.key, top->pos,
                          top->hi, &m->run_end);
}

static enum moss_status
start(struct segmerge *m)
{
    m->heap.skip = heap_shared_prefix(m->cursors, m->n);
    heap_begin(&m->heap, false);
    for (size_t i = 0; i < m->n; i++) {
        enum moss_status st = cursor_first(&m->cursors[i]);

        if (st < 0)
            return st;
        assert(st == MOSS_OK);
        heap_put(&m->heap, &m->cursors[i]);
    }
    heap_order(&m->heap);
    return lead(m);
}

static enum moss_status
make(struct segment *const *segs, size_t n, const struct segstack *below,
     const struct moss_merge_operator *merge, bool split, struct segmerge **out)
{
    size_t bytes = sizeof(struct segmerge) +
                   n * (sizeof(struct cursor) + sizeof(struct heap_item));
    struct segmerge *m = mem_alloc(bytes);
    enum moss_status st;

    *out = NULL;
    if (m == NULL)
        return MOSS_NOMEM;
    memset(m, 0, bytes);
    if (merge != NULL)
        m->merge = *merge;
    m->below = below;
    m->split = split;
    operands_init(&m->history.operands);
    output_init(&m->output);
    m->heap.items = (struct heap_item *)(void *)&m->cursors[n];
    for (size_t i = 0; i < n; i++) {
        struct cursor *c = &m->cursors[m->n];

        if (segs[i]->n == 0)
            continue;
        c->seg = segs[i];
        c->window = segment_window(c->seg);
        c->hi = segs[i]->n;
        c->rank = i;
        m->check_order = m->check_order || !segs[i]->trusted;
        m->n++;
    }
    st = start(m);
    if (st < 0)
        segmerge_free(m);
    else
        *out = m;
    return st;
}

enum moss_status
segmerge_new(struct segment *const *segs, size_t n,
             const struct segstack *below,
             const struct moss_merge_operator *merge, struct segmerge **out)
{
    return make(segs, n, below, merge, false, out);
}

enum moss_status
segmerge_new_split(struct segment *const *segs, size_t n,
                   const struct moss_merge_operator *merge,
                   struct segmerge **out)
{
    return make(segs, n, NULL, merge, true, out);
}

enum moss_status
segmerge_new_resolved(struct segment *const *segs, size_t n,
                      const struct segstack *below,
                      const struct moss_merge_operator *merge,
                      struct segmerge **out)
{
    enum moss_status st = make(segs, n, below, merge, false, out);

    if (st == MOSS_OK)
        (*out)->resolve = true;
    return st;
}

void
segmerge_free(struct segmerge *m)
{
    if (m == NULL)
        return;
    operands_release(&m->history.operands);
    output_release(&m->output);
    mem_free(m);
}

/* ------------------------------------------------------------------ */
/* Operands                                                           */
/* ------------------------------------------------------------------ */

/* Combine the gathered operands over what base says into a value. */
static enum moss_status
give_value(struct segmerge *m, const struct moss_slice *existing,
           struct entry *out)
{
    enum moss_status st = merge_op_full(&m->merge, out->key, existing,
                                        &m->history.operands, &m->output);

    out->op = MOSS_OP_SET;
    out->value = output_slice(&m->output);
    return st;
}

static enum moss_status
give_value_over_below(struct segmerge *m, struct entry *out)
{
    struct moss_value base;
    enum moss_status st = segstack_get(m->below, &m->merge, out->key, &base);

    if (st < 0)
        return st;
    st = give_value(m, st == MOSS_OK ? &base.bytes : NULL, out);
    moss_value_release(&base);
    return st;
}

/* The base or the first operand; segmerge_next() gives the others. */
static enum moss_status
give_split(struct segmerge *m, struct entry *out)
{
    const struct history *h = &m->history;

    m->splitting = true;
    m->next_operand = h->has_base ? 0 : 1;
    out->op = h->has_base ? h->base.op : MOSS_OP_MERGE;
    out->value = h->has_base ? h->base.value : h->operands.slices[0];
    return MOSS_OK;
}

/* Without an operator nothing can be combined. */
static enum moss_status
give_without_operator(struct segmerge *m, struct entry *out)
{
    const struct history *h = &m->history;
    bool over_nothing =
        !h->has_base || (h->base.op == MOSS_OP_DEL && m->below == NULL);

    if (m->split)
        return give_split(m, out);
    if (m->resolve || h->operands.n > 1 || !over_nothing)
        return MOSS_NO_OPERATOR;
    out->op = MOSS_OP_MERGE;
    out->value = h->operands.slices[0];
    return MOSS_OK;
}

/* The gathered operands, with nothing in the segments below them. */
static enum moss_status
give_operands(struct segmerge *m, struct entry *out)
{
    const struct operands *list = &m->history.operands;
    enum moss_status st;

    if (m->below == NULL && !m->split)
        return give_value(m, NULL, out);
    if (m->resolve)
        return give_value_over_below(m, out);
    out->op = MOSS_OP_MERGE;
    if (list->n == 1) {
        out->value = list->slices[0];
        return MOSS_OK;
    }
    st = merge_op_partial(&m->merge, out->key, list, &m->output);
    if (st == MOSS_NOT_FOUND)
        return m->split ? give_split(m, out) : give_value_over_below(m, out);
    out->value = output_slice(&m->output);
    return st;
}

/* The top stands on an operand: what is left of its key. */
static enum moss_status
give_merged(struct segmerge *m, struct entry *out)
{
    const struct history *h = &m->history;
    enum moss_status st;

    out->key = heap_top(&m->heap)->e.key;
    st = heap_gather(&m->heap, &m->history);
    if (st < 0)
        return st;
    if (!merge_op_usable(&m->merge))
        st = give_without_operator(m, out);
    else if (h->has_base)
        st = give_value(m, h->base.op == MOSS_OP_SET ? &h->base.value : NULL,
                        out);
    else
        st = give_operands(m, out);
    return st < 0 ? st : heap_skip_hidden(&m->heap);
}

/* ------------------------------------------------------------------ */
/* The pass                                                           */
/* ------------------------------------------------------------------ */

static bool
in_run(const struct segmerge *m, const struct cursor *top)
{
    return top == m->leader && top->pos < m->run_end;
}

/* Leave the key that was given. */
static enum moss_status
move_on(struct segmerge *m)
{
    struct cursor *top = heap_top(&m->heap);
    enum moss_status st;

    m->given = false;
    if (top == m->leader && top->pos + 1 < m->run_end)
        return heap_advance_run(&m->heap);
    st = heap_advance(&m->heap);
    return st < 0 ? st : lead(m);
}

/* An untrusted segment out of order must not go on into a trusted one. */
static enum moss_status
check_order(struct segmerge *m, struct moss_slice key)
{
    if (m->has_last_key && slice_compare(m->last_key, key) >= 0)
        return MOSS_CORRUPT;
    m->has_last_key = true;
    m->last_key = key;
    return MOSS_OK;
}

/* What is left of the top's key; MOSS_NOT_FOUND: nothing. */
static enum moss_status
give(struct segmerge *m, struct cursor *top, struct entry *out)
{
    enum moss_status st = MOSS_OK;

    if (m->check_order)
        st = check_order(m, top->e.key);
    if (st < 0)
        return st;
    if (top->e.op == MOSS_OP_MERGE)
        return give_merged(m, out);
    if (!in_run(m, top))
        st = heap_skip_hidden(&m->heap);
    if (st < 0)
        return st;
    *out = top->e;
    if (out->op == MOSS_OP_DEL && m->below == NULL && !m->split)
        return MOSS_NOT_FOUND;
    return MOSS_OK;
}

enum moss_status
segmerge_next(struct segmerge *m, struct entry *out)
{
    enum moss_status st = m->stopped;

    if (m->splitting && m->next_operand < m->history.operands.n) {
        out->op = MOSS_OP_MERGE;
        out->key = heap_top(&m->heap)->e.key;
        out->value = m->history.operands.slices[m->next_operand++];
        return MOSS_OK;
    }
    m->splitting = false;
    while (st == MOSS_OK) {
        if (m->given)
            st = move_on(m);
        if (st < 0)
            break;
        if (heap_top(&m->heap) == NULL) {
            st = MOSS_DONE;
            break;
        }
        st = give(m, heap_top(&m->heap), out);
        m->given = true;
        if (st == MOSS_OK)
            return MOSS_OK;
        if (st == MOSS_NOT_FOUND)
            st = MOSS_OK;
    }
    m->stopped = st;
    return st;
}

/* True if every entry of seg is passed on as it is. */
static bool
passes(const struct segmerge *m, const struct segment *seg)
{
    return segment_is_packed(seg) &&
           (m->below != NULL ||
            (seg->totals.n_del == 0 && seg->totals.n_merge == 0));
}

bool
segmerge_next_run(struct segmerge *m, size_t max, struct segment_run *out)
{
    struct cursor *top;
    size_t end;

    if (m->stopped != MOSS_OK || m->split || m->resolve || m->check_order)
        return false;
    if (m->given)
        m->stopped = move_on(m);
    top = heap_top(&m->heap);
    if (m->stopped != MOSS_OK || top == NULL || !in_run(m, top) ||
        !passes(m, top->seg))
        return false;
    end = m->run_end - top->pos > max ? top->pos + max : m->run_end;
    *out = (struct segment_run){ top->seg, top->pos, end };
    top->pos = end - 1;
    m->given = true;
    return true;
}

/* ------------------------------------------------------------------ */
/* Into one segment                                                   */
/* ------------------------------------------------------------------ */

static enum moss_status
copy_run(struct segment_builder **b, const struct segment_run *run)
{
    const struct segment *seg = run->seg;
    const uint64_t *kvs = seg->kvs + 2 * run->from;
    size_t n = run->to - run->from;
    size_t end = run->to < seg->n ? (size_t)kvs[2 * n + 1] : seg->buf_bytes;
    enum moss_status st = segment_builder_reserve(b, n, end - (size_t)kvs[1]);

    if (st < 0)
        return st;
    segment_builder_add_run(*b, kvs, n, seg->buf);
    return MOSS_OK;
}

static enum moss_status
copy_all(struct segmerge *m, const struct merge_stop *stop,
         struct segment_builder **b)
{
    size_t copied = 0;

    for (;;) {
        struct segment_run run;
        enum moss_status st;
        struct entry e;

        if (stop != NULL && copied >= stop->every) {
            copied = 0;
            /* Relaxed: nothing is read because of it. */
            if (atomic_load_explicit(stop->now, memory_order_relaxed))
                return MOSS_ABORTED;
        }
        if (segmerge_next_run(m, SIZE_MAX, &run)) {
            st = copy_run(b, &run);
            if (st < 0)
                return st;
            copied += run.to - run.from;
            continue;
        }
        copied++;
        st = segmerge_next(m, &e);
        if (st != MOSS_OK)
            return st;
        /* Operators make values of any size, so the sums may not do. */
        st = segment_builder_reserve(b, 1, e.key.len + e.value.len);
        if (st < 0)
            return st;
        segment_builder_add(*b, e.op, e.key, e.value);
    }
}

enum moss_status
segstack_merge(struct segment *const *segs, size_t n,
               const struct segstack *below,
               const struct moss_merge_operator *merge, struct segment **out)
{
    return segstack_merge_until(segs, n, below, merge, NULL, false, out);
}

enum moss_status
segstack_merge_until(struct segment *const *segs, size_t n,
                     const struct segstack *below,
                     const struct moss_merge_operator *merge,
                     const struct merge_stop *stop, bool brief,
                     struct segment **out)
{
    struct segment_builder *b = NULL;
    struct segmerge *m = NULL;
    size_t entries = 0, bytes = 0;
    uint64_t since = n == 0 ? 0 : UINT64_MAX;
    bool is_read = false;
    enum moss_status st;

    *out = NULL;
    for (size_t i = 0; i < n; i++) {
        /* Where gets came before they will come again; not to wait then. */
        is_read = is_read || segment_is_read(segs[i]);
        entries += segs[i]->n;
        bytes += segs[i]->buf_bytes;
        since = since < segs[i]->since ? since : segs[i]->since;
    }
    st = segmerge_new(segs, n, below, merge, &m);
    if (st < 0)
        goto done;
    st = brief ? segment_builder_new_brief(entries, bytes, &b)
               : segment_builder_new(entries, bytes, &b);
    if (st < 0)
        goto done;
    st = copy_all(m, stop, &b);
    if (st < 0)
        goto done;
    *out = segment_builder_finish(b);
    b = NULL;
    (*out)->since = since;
    if (is_read && (*out)->n > INDEX_SMALL)
        index_build(*out);
    st = MOSS_OK;

done:
    segment_builder_free(b);
    segmerge_free(m);
    return st;
}
