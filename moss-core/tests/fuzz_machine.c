/*
 * The state machine driven by the bytes of an input: three say how the episode
 * is, then four for each step, two of them the action.
 *
 * For libFuzzer with -DMOSS_LIBFUZZER; else a program that replays the corpus
 * and tries random bytes: RUNS= times, from SEED=.
 */
#include <stdlib.h>

#include "support/fuzz.h"
#include "support/machine.h"

enum { MAX_STEPS = 400 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static bool is_ready;
    /* TRACE= tells the steps of an input that fails. */
    struct machine_options options = { .trace = getenv("TRACE") != NULL };
    struct machine *m;

    if (n < 7)
        return 0;
    if (!is_ready)
        machine_init();
    is_ready = true;
    m = machine_new(&options,
                    (uint64_t)data[0] << 16 | (uint64_t)data[1] << 8 | data[2]);
    for (size_t i = 0; 4 * i + 7 <= n && i < MAX_STEPS; i++) {
        const uint8_t *p = data + 3 + 4 * i;

        machine_step(m, (uint32_t)(p[0] << 8 | p[1]),
                     (uint64_t)(p[2] << 8 | p[3]));
    }
    machine_end(m);
    return 0;
}

#ifndef MOSS_LIBFUZZER

static uint8_t *
random_bytes(struct rng *rng, size_t *n)
{
    uint8_t *bytes;

    *n = (size_t)rng_below(rng, 1600);
    bytes = must_alloc(malloc(*n + 1));
    for (size_t i = 0; i < *n; i++)
        bytes[i] = (uint8_t)rng_next(rng);
    return bytes;
}

int
main(void)
{
    return fuzz_main("machine", 200, random_bytes);
}

#endif
