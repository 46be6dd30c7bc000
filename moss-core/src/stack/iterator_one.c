/*
 * Iterators over exactly one chain with nothing below, most often one segment:
 * a position that goes up and down.  Most steps do not even come here: see
 * iterator_step_fast(), for which all entries of the segment within the bounds
 * are the fast range.  Most scans of a store that has been compacted are of
 * this kind, so there is no heap and nothing to compare.  See iterator.c for
 * the rest of the story.
 *
 * One thread at a time.
 */
#include "stack/iterator.h"

static struct stack_iterator *
one(struct moss_iterator *base)
{
    return container_of(base, struct stack_iterator, base);
}

/* The operand c stands on has nothing below it. */
static enum moss_status
resolve(struct stack_iterator *it, const struct cursor *c)
{
    struct operands *list = &it->history.operands;
    enum moss_status st;

    iterator_no_fast(it); /* it may be another segment's */
    list->n = 0;
    st = operands_push(list, c->e.value);
    if (st == MOSS_OK)
        st = merge_op_full(&it->merge, c->e.key, NULL, list, &it->output);
    if (st < 0)
        return iterator_stop(it, st);
    return iterator_on(it, c->e.key, output_slice(&it->output));
}

/*
 * st is how the cursor came to where it is; from there, find the first entry
 * to be seen.
 */
static inline enum moss_status
settle(struct stack_iterator *it, enum moss_status st, bool backwards)
{
    struct cursor *c = &it->cursors[0];

    while (st == MOSS_OK) {
        if (c->e.op == MOSS_OP_SET) {
            iterator_set_fast(it, c, c->lo, c->hi);
            return iterator_on(it, c->e.key, c->e.value);
        }
        if (c->e.op == MOSS_OP_MERGE)
            return resolve(it, c);
        st = cursor_step(c, backwards);
    }
    return iterator_stop(it, st);
}

static enum moss_status
one_first(struct moss_iterator *base)
{
    struct stack_iterator *it = one(base);

    return settle(it, cursor_first(&it->cursors[0]), false);
}

static enum moss_status
one_last(struct moss_iterator *base)
{
    struct stack_iterator *it = one(base);

    return settle(it, cursor_last(&it->cursors[0]), true);
}

static enum moss_status
one_seek(struct moss_iterator *base, struct moss_slice key)
{
    struct stack_iterator *it = one(base);

    enum moss_status st = cursor_prepare_seek(&it->cursors[0], key);

    if (st == MOSS_OK)
        st = cursor_seek(&it->cursors[0], key, false);
    return settle(it, st, false);
}

static enum moss_status
one_seek_for_prev(struct moss_iterator *base, struct moss_slice key)
{
    struct stack_iterator *it = one(base);

    enum moss_status st = cursor_prepare_seek(&it->cursors[0], key);

    if (st == MOSS_OK)
        st = cursor_seek_back(&it->cursors[0], key, false);
    return settle(it, st, true);
}

static enum moss_status
one_next(struct moss_iterator *base)
{
    struct stack_iterator *it = one(base);

    if (it->state == ITERATOR_FRESH)
        return one_first(base);
    if (it->state != ITERATOR_ON)
        return iterator_stopped(it);
    return settle(it, cursor_step(&it->cursors[0], false), false);
}

static enum moss_status
one_prev(struct moss_iterator *base)
{
    struct stack_iterator *it = one(base);

    if (it->state == ITERATOR_FRESH)
        return one_last(base);
    if (it->state != ITERATOR_ON)
        return iterator_stopped(it);
    return settle(it, cursor_step(&it->cursors[0], true), true);
}

const struct moss_iterator_ops iterator_one_ops = {
    one_first, one_last, one_seek,     one_seek_for_prev,
    one_next,  one_prev, iterator_free
};
