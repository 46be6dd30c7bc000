/* Merge operators for tests. */
#ifndef MOSS_TESTS_SUPPORT_OPERATORS_H
#define MOSS_TESTS_SUPPORT_OPERATORS_H

#include "moss.h"

/* The value with all operands behind it, in order.  Combines partially. */
extern const struct moss_merge_operator merge_append;

/*
 * "add": the sum of 8-byte little-endian integers, an absent value counts as
 * 0.  MOSS_MERGE_FAILED for other lengths.  Does not combine partially.
 */
extern const struct moss_merge_operator merge_add;

/* "fail": refuses everything with MOSS_MERGE_FAILED. */
extern const struct moss_merge_operator merge_fail;

#endif
