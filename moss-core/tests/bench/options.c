/*
 * The benchmark's command line, and the engines that this build has.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const struct engine *const known[] = {
    &engine_moss,       &engine_sqlite,
#ifdef HAVE_LMDB
    &engine_lmdb,
#endif
#ifdef HAVE_WIREDTIGER
    &engine_wiredtiger,
#endif
#ifdef HAVE_ROCKSDB
    &engine_rocksdb,
#endif
#ifdef HAVE_LEVELDB
    &engine_leveldb,
#endif
};
enum { N_KNOWN = sizeof(known) / sizeof(known[0]) };

const char *const phase_names[N_PHASES] = {
    "load", "first", "iter", "get",   "gets",
    "miss", "seek",  "open", "mixed", "compact",
};

static const char usage_text[] =
    "usage: bench [options]\n"
    "  --count=L     entries to write and read, with commas, 1M is a million\n"
    "                (1M); with several counts a table shows how costs grow\n"
    "  --batch=N     entries in a batch (100)\n"
    "  --order=O     of loading: seq, random or both (both)\n"
    "  --keys=K      decimal (20 digits), binary (20 random bytes) or\n"
    "                varying (25-63 bytes with shared prefixes) (decimal)\n"
    "  --runs=N      runs of each engine, medians are printed (1)\n"
    "  --engines=L   the first is compared with the others; of this build:\n"
    "                ";

static const char usage_end[] =
    "\n"
    "  --phases=L    what to do beside loading (all of it):\n"
    "      first     open and read every byte, right after the load\n"
    "      iter      open again, read all in order: lengths only, the first\n"
    "                time, again, backwards; then every byte (touching)\n"
    "      get       random gets of keys that are there, every byte\n"
    "      gets      the same on several threads\n"
    "      miss      gets of keys that are not there\n"
    "      seek      seek a random key and read 50 entries from it\n"
    "      open      open and get one key\n"
    "      mixed     one thread overwrites random keys in batches of 100,\n"
    "                another gets random keys with a fresh snapshot each\n"
    "      compact   compact, and check all that is there afterwards\n"
    "  --compact     compact before the reads, too, with its time printed\n"
    "  --cpu-clock   measure the reads on one thread by the time they "
    "compute,\n"
    "                on a machine that has other work to do\n"
    "  --gets=N      gets of a phase, at most as many as entries (500000);\n"
    "                seeks are a quarter of them\n"
    "  --threads=N   of the phase gets (2)\n"
    "  --seconds=S   of the phase mixed (10)\n"
    "  --seed=N      of keys and values (1)\n"
    "  --dir=PATH    where the data goes ($TMPDIR or /tmp)\n"
    "  --keep=PATH   keep the stores in this directory, and load only what\n"
    "                is not there; the phase mixed ends with their removal\n"
    "  --csv=FILE    all measures with median, least and greatest value\n"
    "  --json=FILE   the same\n"
    "Values have 100 bytes.  Before all reads but \"first\" the files are "
    "read\n"
    "through, so that they are in the page cache.  A run in which an engine\n"
    "gives back anything but what was written fails.\n";

static void
usage(FILE *to)
{
    fputs(usage_text, to);
    for (size_t i = 0; i < N_KNOWN; i++)
        fprintf(to, "%s%s", i > 0 ? "," : "", known[i]->name);
    fputs(usage_end, to);
    fputs("The engines' settings, none of which syncs per batch:\n", to);
    for (size_t i = 0; i < N_KNOWN; i++)
        fprintf(to, "  %s: %s\n", known[i]->name, known[i]->settings);
}

/* With k, M or G behind it a thousand, million or milliard times as much. */
static uint64_t
parse_number(const char *name, const char *text, uint64_t max)
{
    static const struct {
        const char *suffix;
        uint64_t times;
    } scales[] = { { "", 1 }, { "k", 1000 }, { "M", 1000000 } };
    char *end = NULL;

    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno == 0 && end != text && n > 0) {
        for (size_t i = 0; i < sizeof(scales) / sizeof(scales[0]); i++) {
            if (strcmp(end, scales[i].suffix) == 0 &&
                n <= max / scales[i].times)
                return n * scales[i].times;
        }
    }
    bench_fail("bench", name, "a positive number within reason is wanted");
}

static double
parse_seconds(const char *text)
{
    char *end = NULL;
    double s = strtod(text, &end);

    if (end == text || *end != '\0' || !(s > 0 && s < 1e6))
        bench_fail("bench", "--seconds", "a positive number is wanted");
    return s;
}

static void
parse_counts(struct options *o, char *list)
{
    char *save = NULL;

    o->n_counts = 0;
    for (char *text = strtok_r(list, ",", &save); text != NULL;
         text = strtok_r(NULL, ",", &save)) {
        if (o->n_counts == MAX_COUNTS)
            bench_fail("bench", text, "too many counts");
        o->counts[o->n_counts++] = parse_number("--count", text, 999999999);
    }
    if (o->n_counts == 0)
        bench_fail("bench", "--count", "none given");
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
parse_phases(struct options *o, char *list)
{
    char *save = NULL;

    memset(o->phases, 0, sizeof(o->phases));
    for (char *name = strtok_r(list, ",", &save); name != NULL;
         name = strtok_r(NULL, ",", &save)) {
        size_t i = 0;
        while (i < N_PHASES && strcmp(phase_names[i], name) != 0)
            i++;
        if (i == N_PHASES)
            bench_fail("bench", name, "no such phase");
        o->phases[i] = true;
    }
}

static void
parse_order(struct options *o, const char *text)
{
    bool both = strcmp(text, "both") == 0;

    o->orders[0] = both || strcmp(text, "seq") == 0;
    o->orders[1] = both || strcmp(text, "random") == 0;
    if (!o->orders[0] && !o->orders[1])
        bench_fail("bench", text, "no such order");
}

static enum key_kind
parse_keys(const char *text)
{
    if (strcmp(text, "decimal") == 0)
        return KEYS_DECIMAL;
    if (strcmp(text, "binary") == 0)
        return KEYS_BINARY;
    if (strcmp(text, "varying") == 0)
        return KEYS_VARYING;
    bench_fail("bench", text, "no such kind of keys");
}

static void
set_defaults(struct options *o)
{
    const char *tmp = getenv("TMPDIR");

    *o = (struct options){
        .data = { .seed = 1, .kind = KEYS_DECIMAL },
        .counts = { 1000000 },
        .n_counts = 1,
        .batch = 100,
        .gets = 500000,
        .threads = 2,
        .seconds = 10,
        .runs = 1,
        .orders = { true, true },
        .n_engines = N_KNOWN,
        .dir = tmp != NULL ? tmp : "/tmp",
    };
    for (size_t i = 0; i < N_PHASES; i++)
        o->phases[i] = true;
    memcpy(o->engines, known, sizeof(known));
}

enum option_code {
    OPT_COUNT = 256,
    OPT_BATCH,
    OPT_ORDER,
    OPT_KEYS,
    OPT_RUNS,
    OPT_ENGINES,
    OPT_PHASES,
    OPT_COMPACT,
    OPT_CPU_CLOCK,
    OPT_GETS,
    OPT_THREADS,
    OPT_SECONDS,
    OPT_SEED,
    OPT_DIR,
    OPT_KEEP,
    OPT_CSV,
    OPT_JSON,
    OPT_HELP
};

static const struct option longs[] = {
    { "count", required_argument, NULL, OPT_COUNT },
    { "batch", required_argument, NULL, OPT_BATCH },
    { "order", required_argument, NULL, OPT_ORDER },
    { "keys", required_argument, NULL, OPT_KEYS },
    { "runs", required_argument, NULL, OPT_RUNS },
    { "engines", required_argument, NULL, OPT_ENGINES },
    { "phases", required_argument, NULL, OPT_PHASES },
    { "compact", no_argument, NULL, OPT_COMPACT },
    { "cpu-clock", no_argument, NULL, OPT_CPU_CLOCK },
    { "gets", required_argument, NULL, OPT_GETS },
    { "threads", required_argument, NULL, OPT_THREADS },
    { "seconds", required_argument, NULL, OPT_SECONDS },
    { "seed", required_argument, NULL, OPT_SEED },
    { "dir", required_argument, NULL, OPT_DIR },
    { "keep", required_argument, NULL, OPT_KEEP },
    { "csv", required_argument, NULL, OPT_CSV },
    { "json", required_argument, NULL, OPT_JSON },
    { "help", no_argument, NULL, OPT_HELP },
    { NULL, 0, NULL, 0 },
};

static void
parse_option(struct options *o, int code)
{
    switch (code) {
    case OPT_COUNT:
        parse_counts(o, optarg);
        break;
    case OPT_BATCH:
        o->batch = parse_number("--batch", optarg, UINT64_MAX);
        break;
    case OPT_ORDER:
        parse_order(o, optarg);
        break;
    case OPT_KEYS:
        o->data.kind = parse_keys(optarg);
        break;
    case OPT_RUNS:
        o->runs = (size_t)parse_number("--runs", optarg, MAX_RUNS);
        break;
    case OPT_ENGINES:
        parse_engines(o, optarg);
        break;
    case OPT_PHASES:
        parse_phases(o, optarg);
        break;
    case OPT_COMPACT:
        o->compact_first = true;
        break;
    case OPT_CPU_CLOCK:
        o->cpu_clock = true;
        break;
    case OPT_GETS:
        o->gets = parse_number("--gets", optarg, UINT32_MAX);
        break;
    case OPT_THREADS:
        o->threads = (size_t)parse_number("--threads", optarg, MAX_THREADS);
        break;
    case OPT_SECONDS:
        o->seconds = parse_seconds(optarg);
        break;
    case OPT_SEED:
        o->data.seed = parse_number("--seed", optarg, UINT64_MAX);
        break;
    case OPT_DIR:
        o->dir = optarg;
        break;
    case OPT_KEEP:
        o->keep = optarg;
        break;
    case OPT_CSV:
        o->csv = optarg;
        break;
    case OPT_JSON:
        o->json = optarg;
        break;
    case OPT_HELP:
        usage(stdout);
        exit(0);
    default:
        usage(stderr);
        exit(2);
    }
}

void
options_parse(struct options *o, int argc, char **argv)
{
    set_defaults(o);
    for (;;) {
        int code = getopt_long(argc, argv, "", longs, NULL);
        if (code == -1)
            break;
        parse_option(o, code);
    }
    if (optind != argc)
        bench_fail("bench", argv[optind], "not an option");
    if (o->keep != NULL && o->runs != 1)
        bench_fail("bench", "--keep", "goes with one run only");
}
