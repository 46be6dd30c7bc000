/*
 * The benchmark's command line, and the engines that this build has.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const struct engine *const known[] = {
    &engine_moss,    &engine_sqlite,
#ifdef HAVE_LMDB
    &engine_lmdb,
#endif
#ifdef HAVE_ROCKSDB
    &engine_rocksdb,
#endif
#ifdef HAVE_LEVELDB
    &engine_leveldb,
#endif
};
enum { N_KNOWN = sizeof(known) / sizeof(known[0]) };

static const char usage_text[] =
    "usage: bench [options]\n"
    "  --items=N     entries to write and read (1000000)\n"
    "  --batch=N     entries in a batch (100)\n"
    "  --runs=N      runs of each engine, medians are printed (3)\n"
    "  --order=O     sequential, random or both (both)\n"
    "  --keys=K      decimal (20 digits), binary (20 random bytes) or varied\n"
    "                (24-62 bytes with shared prefixes) (decimal)\n"
    "  --engines=L   of these, with commas, the first is compared to the\n"
    "                others: ";

static const char usage_end[] =
    "\n"
    "  --seed=N      of keys and values (1)\n"
    "  --dir=PATH    where the data goes ($TMPDIR or /tmp)\n";

static void
usage(FILE *to)
{
    fputs(usage_text, to);
    for (size_t i = 0; i < N_KNOWN; i++)
        fprintf(to, "%s%s", i > 0 ? "," : "", known[i]->name);
    fputs(usage_end, to);
}

static uint64_t
parse_number(const char *name, const char *text, uint64_t max)
{
    char *end = NULL;

    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n == 0 || n > max)
        bench_fail("bench", name, "a positive number is wanted");
    return n;
}

static void
parse_engines(struct options *o, char *list)
{
    char *save = NULL;

    o->n_engines = 0;
    for (char *name = strtok_r(list, ",", &save); name != NULL;
         name = strtok_r(NULL, ",", &save)) {
        size_t i = 0;
        while (i < N_KNOWN && strcmp(known[i]->name, name) != 0)
            i++;
        if (i == N_KNOWN)
            bench_fail("bench", name, "no such engine in this build");
        if (o->n_engines == MAX_ENGINES)
            bench_fail("bench", name, "too many engines");
        o->engines[o->n_engines++] = known[i];
    }
    if (o->n_engines == 0)
        bench_fail("bench", "--engines", "none given");
}

static void
parse_order(struct options *o, const char *text)
{
    bool both = strcmp(text, "both") == 0;

    o->sequential = both || strcmp(text, "sequential") == 0;
    o->random = both || strcmp(text, "random") == 0;
    if (!o->sequential && !o->random)
        bench_fail("bench", text, "no such order");
}

static enum key_kind
parse_keys(const char *text)
{
    if (strcmp(text, "decimal") == 0)
        return KEYS_DECIMAL;
    if (strcmp(text, "binary") == 0)
        return KEYS_BINARY;
    if (strcmp(text, "varied") == 0)
        return KEYS_VARIED;
    bench_fail("bench", text, "no such kind of keys");
}

void
options_parse(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        { "items", required_argument, NULL, 'i' },
        { "batch", required_argument, NULL, 'b' },
        { "runs", required_argument, NULL, 'r' },
        { "order", required_argument, NULL, 'o' },
        { "keys", required_argument, NULL, 'k' },
        { "engines", required_argument, NULL, 'e' },
        { "seed", required_argument, NULL, 's' },
        { "dir", required_argument, NULL, 'd' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *tmp = getenv("TMPDIR");
    const struct options defaults = {
        .data = { .items = 1000000, .seed = 1, .kind = KEYS_DECIMAL },
        .batch = 100,
        .runs = 3,
        .sequential = true,
        .random = true,
        .n_engines = N_KNOWN,
        .dir = tmp != NULL ? tmp : "/tmp",
    };

    *o = defaults;
    memcpy(o->engines, known, sizeof(known));
    int c = getopt_long(argc, argv, "", longs, NULL);

    for (; c != -1; c = getopt_long(argc, argv, "", longs, NULL)) {
        switch (c) {
        case 'i':
            o->data.items = parse_number("--items", optarg, 99999999);
            break;
        case 'b':
            o->batch = parse_number("--batch", optarg, UINT64_MAX);
            break;
        case 'r':
            o->runs = (size_t)parse_number("--runs", optarg, MAX_RUNS);
            break;
        case 'o':
            parse_order(o, optarg);
            break;
        case 'k':
            o->data.kind = parse_keys(optarg);
            break;
        case 'e':
            parse_engines(o, optarg);
            break;
        case 's':
            o->data.seed = parse_number("--seed", optarg, UINT64_MAX);
            break;
        case 'd':
            o->dir = optarg;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(2);
        }
    }
    if (optind != argc)
        bench_fail("bench", argv[optind], "not an option");
}
