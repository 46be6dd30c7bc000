/*
 * Makes a failing sequence of steps short: drop a block of steps, run the
 * rest on new databases, keep the shorter sequence if the sides still
 * differ in the same respect; halve the blocks when no block can go.  A time
 * limit keeps it cheap.
 */
#include "diff_run.h"

#include <stdlib.h>
#include <string.h>

enum { TIME_LIMIT_MS = 60000 };

/* Do both begin with the same word, such as "rows:"? */
static bool
same_respect(const char *a, const char *b)
{
    size_t n = strcspn(a, ":") + 1;

    return strncmp(a, b, n) == 0;
}

/*
 * Run steps from nothing: what differs in the respect of wanted, with *n cut
 * after that step; NULL if nothing does, or something else first.
 */
static char *
replay(const struct diff_steps *steps, const struct diff_mode *mode,
       const char *dir, const char *wanted, size_t *n)
{
    struct diff_pair pair;
    char *difference = NULL;

    diff_pair_open(&pair, mode, dir);
    for (size_t i = 0; i < steps->n && difference == NULL && !pair.apart; i++) {
        struct diff_outcome out;

        difference = diff_pair_run(&pair, &steps->at[i], NULL, &out);
        diff_outcome_release(&out);
        if (difference != NULL)
            *n = i + 1;
    }
    diff_pair_close(&pair);
    if (difference != NULL && !same_respect(difference, wanted)) {
        sqlite3_free(difference);
        difference = NULL;
    }
    return difference;
}

static struct diff_steps
without(const struct diff_steps *steps, size_t from, size_t to)
{
    struct diff_steps rest = { NULL, 0, 0 };

    for (size_t i = 0; i < steps->n; i++)
        if (i < from || i >= to)
            diff_steps_append(&rest, &steps->at[i]);
    return rest;
}

struct diff_steps
diff_shrink(const struct diff_steps *steps, const struct diff_mode *mode,
            const char *dir, const char *wanted, char **difference)
{
    struct diff_steps best = without(steps, steps->n, steps->n);
    uint64_t end = now_ms() + TIME_LIMIT_MS;
    size_t block;

    *difference = replay(&best, mode, dir, wanted, &best.n);
    if (*difference == NULL)
        return best;
    block = best.n / 2;
    while (block > 0 && now_ms() < end) {
        bool shorter = false;

        for (size_t at = 0; at < best.n && now_ms() < end;) {
            size_t to = at + block < best.n ? at + block : best.n;
            struct diff_steps part = without(&best, at, to);
            char *found = replay(&part, mode, dir, wanted, &part.n);

            if (found == NULL) {
                free(part.at);
                at += block;
                continue;
            }
            free(best.at);
            best = part;
            sqlite3_free(*difference);
            *difference = found;
            shorter = true;
        }
        if (!shorter)
            block /= 2;
        else if (block > best.n / 2 && best.n > 1)
            block = best.n / 2;
    }
    return best;
}
