/*
 * A lower level around another one, any call of which can be made to fail:
 * those on its snapshots, on their children and iterators, and its updates.
 * Safe for several threads.
 */
#ifndef MOSS_TESTS_SUPPORT_FLAKY_H
#define MOSS_TESTS_SUPPORT_FLAKY_H

#include <stdatomic.h>

#include "moss.h"

struct flaky {
    atomic_uint left;    /* calls until one fails; 0: none will */
    atomic_bool tripped; /* it has failed */
};

/* The n-th call from now fails with MOSS_IO, that one only; 0: none. */
void flaky_fail_nth(struct flaky *f, unsigned n);

/* Takes over lower; f is borrowed until the last snapshot is gone. */
struct moss_lower *flaky_lower(struct flaky *f, struct moss_lower *lower);

#endif
