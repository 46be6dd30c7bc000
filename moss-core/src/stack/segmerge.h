/* What a segmerge is made of, for those who need more of it than the pass. */
#ifndef MOSS_STACK_SEGMERGE_H
#define MOSS_STACK_SEGMERGE_H

#include "stack/heap.h"
#include "stack/segstack.h"

struct segmerge {
    struct moss_merge_operator merge; /* full NULL: none */
    const struct segstack *below;     /* NULL: nothing */
    /*
     * Operands that do not combine come one by one, oldest first, with what
     * they apply to before them; below is not read.
     */
    bool split;
    /* Operands become values, over what is read below if need be. */
    bool resolve;
    /* A segment is not trusted: see to it that keys come in order. */
    bool check_order;

    enum moss_status stopped; /* MOSS_DONE or a failure; MOSS_OK: goes on */
    bool given;               /* the top's key was given: move on first */
    bool has_last_key;
    struct moss_slice last_key;

    struct cursor *leader; /* who is on top */
    size_t wins;           /* for how many steps */
    /* The entries of the leader up to here sort before all others. */
    size_t run_end;

    struct history history;
    struct moss_output output; /* a value or operand made of several */
    bool splitting;            /* giving the operands one by one */
    size_t next_operand;

    struct heap heap;
    size_t n;
    struct cursor cursors[];
};

/* segmerge_new() with split; nothing is below. */
MOSS_MUST_CHECK enum moss_status
segmerge_new_split(struct segment *const *segs, size_t n,
                   const struct moss_merge_operator *merge,
                   struct segmerge **out);

/*
 * segmerge_new() that gives no operand: MOSS_NO_OPERATOR if there is one and
 * no operator.
 */
MOSS_MUST_CHECK enum moss_status
segmerge_new_resolved(struct segment *const *segs, size_t n,
                      const struct segstack *below,
                      const struct moss_merge_operator *merge,
                      struct segmerge **out);

#endif
