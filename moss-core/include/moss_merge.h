/*
 * Merge operators: how they are written, and those that are built in.
 */
#ifndef MOSS_MERGE_H
#define MOSS_MERGE_H

#include "moss.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Append-only output of a merge operator. */
struct moss_output;
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_output_append(struct moss_output *out, const void *bytes, size_t len);

/*
 * How merge operands combine with a value and with each other.  The callbacks
 * run on readers' and on background threads, several at a time; they must
 * give the same result for the same input, and it must not matter in how many
 * calls operands are applied:
 *
 *     full(v, [a, b, c])  =  full(full(v, [a]), [b, c])
 *                         =  full(v, [partial([a, b]), c])
 */
struct moss_merge_operator {
    const char *name; /* recorded in a store and checked when it is opened */

    /*
     * The value of key once operands (oldest first, n >= 1) are applied to
     * existing, which is NULL when the key is absent.  Return MOSS_OK,
     * MOSS_NOMEM, MOSS_MERGE_FAILED, or MOSS_TOO_BIG, as moss_output_append()
     * may; anything else counts as MOSS_MERGE_FAILED.
     *
     * A refusal loses nothing: the operands stay as they are, reading this
     * key fails in the same way, its collection is not merged meanwhile, and a
     * later set or delete of the key puts an end to that.  A batch whose own
     * changes are refused is not executed.
     */
    enum moss_status (*full)(void *ctx, struct moss_slice key,
                             const struct moss_slice *existing,
                             const struct moss_slice *operands, size_t n,
                             struct moss_output *out);

    /*
     * One operand that stands for operands (oldest first, n >= 2).  May be
     * NULL, and may return MOSS_NOT_FOUND for "these do not combine".
     */
    enum moss_status (*partial)(void *ctx, struct moss_slice key,
                                const struct moss_slice *operands, size_t n,
                                struct moss_output *out);

    void *ctx;
};

/*
 * The built-in operator of that name; static, or NULL if there is none:
 *
 *     "append"        operands behind the value, as bytes
 *     "add"           sum, modulo 2^64
 *     "min", "max"    the least or greatest, as signed integers
 *     "add_double"    sum
 *     "min_double",   the least or greatest; a NaN only if there is nothing
 *     "max_double"    else; -0 is less than 0
 *
 * Values and operands of the numeric ones are 8 bytes, little-endian: 64-bit
 * integers in two's complement, or IEEE doubles.  Anything else is
 * MOSS_MERGE_FAILED.  An absent key counts as 0 for a sum, and not at all for
 * least and greatest.
 *
 * Sums of integers wrap around: so the order in which operands are combined
 * cannot matter, and a sum that fits is right whatever lies between.  Sums of
 * doubles are made from the oldest operand to the newest always, and
 * therefore without partial(): a reader sees the same last digit before and
 * after a merge in the background.
 */
MOSS_API const struct moss_merge_operator *moss_merge_builtin(const char *name);

/*
 * "append" with a separator, which stands between two operands and between
 * value and operand; so the first operand of an absent key comes without.
 * name is "append:" and the separator, any text, for instance "append:, ".  It
 * becomes the operator's name, and is borrowed for as long as the operator is
 * in use.  MOSS_INVALID: name does not begin so.
 */
MOSS_API MOSS_MUST_CHECK enum moss_status
moss_merge_append(const char *name, struct moss_merge_operator *out);

#ifdef __cplusplus
}
#endif

#endif
