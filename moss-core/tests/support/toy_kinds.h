/* Segment kinds for tests. */
#ifndef MOSS_TESTS_SUPPORT_TOY_KINDS_H
#define MOSS_TESTS_SUPPORT_TOY_KINDS_H

#include "moss.h"

/*
 * "rle" writes runs as pairs of a length and a byte, and gives up where that
 * is not shorter.  "veil" turns over every byte and adds three.
 */
enum { TOY_RLE, TOY_VEIL, TOY_KINDS };
extern const struct moss_segment_kind toy_kinds[TOY_KINDS];

/* How often they were called, and with what piece at most. */
unsigned toy_kinds_encoded(void);
unsigned toy_kinds_decoded(void);
size_t toy_kinds_largest(void);

#endif
