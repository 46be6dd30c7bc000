/*
 * What the fuzz programs share when they are programs of their own: the inputs
 * in tests/corpus/NAME are tried first, then made ones in a seeded loop.
 */
#ifndef MOSS_TESTS_SUPPORT_FUZZ_H
#define MOSS_TESTS_SUPPORT_FUZZ_H

#include "support/fixture.h"

/* What libFuzzer calls: any n bytes.  Gives 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/*
 * RUNS= inputs that make() gives, to be freed, from SEED=; runs without RUNS=.
 * Gives main's result.
 */
int fuzz_main(const char *name, uint64_t runs,
              uint8_t *(*make)(struct rng *rng, size_t *n));

#endif
