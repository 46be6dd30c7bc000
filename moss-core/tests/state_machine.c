/*
 * The state machine (support/machine.h) as a program:
 *
 *     state_machine [--steps N] [--seconds N] [--seed S] [--episode N]
 *                   [--below nothing|toy|store] [--no-faults] [--basic]
 *                   [--trace] [--shrink]
 *
 * runs episodes of N steps (default 300), with the seeds S, S + 1, ..., until
 * at least as many steps as asked for (default 30000) are done.  A failure
 * tells its seed: "--seed S --steps 1" repeats that episode.  --shrink leaves
 * out steps of it while it still fails, then runs what is left with --trace.
 * --basic leaves out what was added to the machine later, for old seeds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/fixture.h"
#include "support/machine.h"

struct plan {
    struct machine_options options;
    uint64_t steps, seconds;
    unsigned episode;
    bool shrink;
};

static uint64_t
number(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 0);

    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "state_machine: no number: %s\n", text);
        exit(2);
    }
    return n;
}

static unsigned
below(const char *text)
{
    static const char *const names[] = { "nothing", "toy", "store" };

    for (unsigned i = 0; i < BELOW_COUNT; i++) {
        if (strcmp(text, names[i]) == 0)
            return i + 1;
    }
    fprintf(stderr, "state_machine: nothing, toy or store, not %s\n", text);
    exit(2);
}

static void
parse(struct plan *p, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];

        if (strcmp(name, "--no-faults") == 0) {
            p->options.no_faults = true;
        } else if (strcmp(name, "--basic") == 0) {
            p->options.basic = true;
        } else if (strcmp(name, "--trace") == 0) {
            p->options.trace = true;
        } else if (strcmp(name, "--shrink") == 0) {
            p->shrink = true;
        } else if (i + 1 == argc) {
            fprintf(stderr, "state_machine: %s?\n", name);
            exit(2);
        } else if (strcmp(name, "--steps") == 0) {
            p->steps = number(argv[++i]);
        } else if (strcmp(name, "--seconds") == 0) {
            p->seconds = number(argv[++i]);
        } else if (strcmp(name, "--seed") == 0) {
            p->options.seed = number(argv[++i]);
        } else if (strcmp(name, "--episode") == 0) {
            p->episode = (unsigned)number(argv[++i]);
        } else if (strcmp(name, "--below") == 0) {
            p->options.below = below(argv[++i]);
        } else {
            fprintf(stderr, "state_machine: %s?\n", name);
            exit(2);
        }
    }
}

/* left_out[i]: without step i; NULL: all of them. */
static void
run_episode(const struct plan *p, uint64_t seed, const uint8_t *left_out)
{
    struct machine_options options = p->options;
    struct machine *m;
    struct rng rng;

    options.seed = seed;
    rng_init(&rng, seed);
    m = machine_new(&options, rng_next(&rng));
    for (unsigned i = 0; i < p->episode; i++) {
        uint32_t action = (uint32_t)rng_next(&rng);
        uint64_t entropy = rng_next(&rng);

        if (left_out == NULL || left_out[i] == 0)
            machine_step(m, action, entropy);
    }
    machine_end(m);
}

/* ------------------------------------------------------------- shrinking */

/* In a process of its own; silent unless it is to be seen. */
static bool
fails_without(const struct plan *p, const uint8_t *left_out, bool is_seen)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        if (!is_seen && freopen("/dev/null", "w", stderr) == NULL)
            _exit(0);
        (void)alarm(60);
        machine_init();
        run_episode(p, p->options.seed, left_out);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        perror("state_machine");
        exit(2);
    }
    return status != 0;
}

static int
shrink(struct plan *p)
{
    uint8_t *left_out = must_alloc(calloc(p->episode, 1));
    unsigned left = 0;

    if (!fails_without(p, left_out, false)) {
        printf("seed %llu does not fail\n",
               (unsigned long long)p->options.seed);
        free(left_out);
        return 0;
    }
    for (unsigned piece = p->episode; piece > 0; piece /= 2) {
        for (unsigned at = 0; at < p->episode; at += piece) {
            unsigned n = at + piece > p->episode ? p->episode - at : piece;
            uint8_t *before = must_alloc(malloc(p->episode));

            memcpy(before, left_out, p->episode);
            memset(left_out + at, 1, n);
            if (!fails_without(p, left_out, false))
                memcpy(left_out, before, p->episode);
            free(before);
        }
    }
    for (unsigned i = 0; i < p->episode; i++)
        left += left_out[i] == 0;
    p->options.trace = true;
    printf("%u of %u steps are left\n", left, p->episode);
    fflush(stdout);
    (void)fails_without(p, left_out, true);
    free(left_out);
    return 1;
}

int
main(int argc, char **argv)
{
    struct plan p = { .steps = 30000, .episode = 300 };
    uint64_t begin = (uint64_t)time(NULL), steps = 0;

    p.options.seed = test_seed(1);
    parse(&p, argc, argv);
    if (p.shrink)
        return shrink(&p);
    machine_init();
    if (p.seconds > 0)
        p.steps = UINT64_MAX;
    for (uint64_t seed = p.options.seed; steps < p.steps; seed++) {
        run_episode(&p, seed, NULL);
        steps += p.episode;
        if (p.seconds > 0 && (uint64_t)time(NULL) - begin >= p.seconds)
            break;
    }
    machine_report();
    printf("state_machine: %llu steps from seed %llu, all as they must be\n",
           (unsigned long long)steps, (unsigned long long)p.options.seed);
    return 0;
}
