/*
 * Calling merge operators.  It stands below segments because a batch has to
 * combine operands of a key that it was given several times.
 */
#ifndef MOSS_SEGMENT_MERGE_OP_H
#define MOSS_SEGMENT_MERGE_OP_H

#include "base/buf.h"
#include "moss.h"

/* What a merge operator writes to. */
struct moss_output {
    struct buf buf;
    enum moss_status status; /* the first failure to append */
};

void output_init(struct moss_output *out);
void output_release(struct moss_output *out); /* idempotent */

static inline struct moss_slice
output_slice(const struct moss_output *out)
{
    return moss_slice(out->buf.bytes, out->buf.len);
}

/* Operands of one key: borrowed slices.  Must not be moved. */
struct operands {
    struct moss_slice *slices; /* few, or allocated */
    size_t n, cap;
    struct moss_slice few[4];
};

void operands_init(struct operands *list);
void operands_release(struct operands *list); /* idempotent */
MOSS_MUST_CHECK enum moss_status
operands_push(struct operands *list, struct moss_slice operand);
void operands_reverse(struct operands *list);

/* False for NULL and for an operator without full(). */
static inline bool
merge_op_usable(const struct moss_merge_operator *merge)
{
    return merge != NULL && merge->full != NULL;
}

/*
 * Replace out's content by the value of key after operands, oldest first and
 * at least one, are applied to existing (NULL: absent).  MOSS_NO_OPERATOR if
 * merge is not usable; else only MOSS_OK or a failure.
 */
MOSS_MUST_CHECK enum moss_status
merge_op_full(const struct moss_merge_operator *merge, struct moss_slice key,
              const struct moss_slice *existing, const struct operands *list,
              struct moss_output *out);

/*
 * Replace out's content by one operand that stands for two or more, oldest
 * first.  MOSS_NOT_FOUND if they do not combine.
 */
MOSS_MUST_CHECK enum moss_status
merge_op_partial(const struct moss_merge_operator *merge, struct moss_slice key,
                 const struct operands *list, struct moss_output *out);

/* Move out's content into value, for moss_value_release(). */
void merge_op_give(struct moss_output *out, struct moss_value *value);

#endif
