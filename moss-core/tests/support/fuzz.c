/* Replays the corpus, then runs the seeded loop. */
#include "support/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
replay(const char *dir, const char *name)
{
    char *path = path_join(dir, name);
    size_t n;
    uint8_t *input = file_read_all(moss_os_posix(), path, &n);

    (void)LLVMFuzzerTestOneInput(input, n);
    free(input);
    free(path);
}

/* Every file of the directory.  How many there are. */
static unsigned
replay_all(const char *dir)
{
    char *names = dir_names(moss_os_posix(), dir), *rest = names;
    unsigned n = 0;

    for (;;) {
        char *name = strtok_r(rest, " ", &rest);

        if (name == NULL)
            break;
        replay(dir, name);
        n++;
    }
    free(names);
    return n;
}

int
fuzz_main(const char *name, uint64_t runs,
          uint8_t *(*make)(struct rng *rng, size_t *n))
{
    const char *text = getenv("RUNS");
    char *dir = path_join("moss-core/tests/corpus", name);
    unsigned replayed = replay_all(dir);
    struct rng rng;

    free(dir);
    if (text != NULL)
        runs = strtoull(text, NULL, 10);
    rng_init(&rng, test_seed(1));
    for (uint64_t i = 0; i < runs; i++) {
        size_t n;
        uint8_t *input = make(&rng, &n);

        (void)LLVMFuzzerTestOneInput(input, n);
        free(input);
    }
    printf("%s: %u inputs of the corpus, %llu runs\n", name, replayed,
           (unsigned long long)runs);
    return replayed > 0 ? 0 : 1;
}
