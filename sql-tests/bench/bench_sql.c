/*
 * What SQL on a moss table costs, beside an ordinary table WITHOUT ROWID and
 * beside a virtual table that does nothing, in one run.
 *
 * Each run of a kind is a process of its own with a database of its own; the
 * kinds take turns within a round, and medians of the rounds are printed.
 */
#include "bench_sql.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void
bench_fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_sql: %s: %s\n", what, why);
    exit(1);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* One kind, in a child process, which tells its results through a pipe. */
static void
run_kind(const struct options *o, enum kind kind, uint64_t rows,
         double result[N_MEASURES])
{
    size_t size = N_MEASURES * sizeof(result[0]);
    char dir[4096];
    int ends[2], status;
    int n = snprintf(dir, sizeof(dir), "%s/moss-bench-XXXXXX", o->dir);

    if (n >= (int)sizeof(dir) || mkdtemp(dir) == NULL)
        bench_fail(o->dir, strerror(errno));
    if (pipe(ends) != 0)
        bench_fail("pipe", strerror(errno));
    pid_t child = fork();
    if (child < 0)
        bench_fail("fork", strerror(errno));
    if (child == 0) {
        work_run(o, kind, rows, dir, result);
        if (write(ends[1], result, size) != (ssize_t)size)
            bench_fail("pipe", strerror(errno));
        _exit(0);
    }
    close(ends[1]);
    bool is_told = read(ends[0], result, size) == (ssize_t)size;
    close(ends[0]);
    if (waitpid(child, &status, 0) != child)
        bench_fail("wait", strerror(errno));
    if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        bench_fail(dir, strerror(errno));
    if (!is_told || status != 0)
        bench_fail(kind_names[kind], "did not end well");
}

static uint64_t
parse_number(const char *name, const char *text, uint64_t min, uint64_t max)
{
    char *end = NULL;

    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (end != text && (*end == 'k' || *end == 'M')) {
        n *= *end == 'k' ? 1000 : 1000000;
        end++;
    }
    if (errno != 0 || end == text || *end != '\0' || n < min || n > max)
        bench_fail(name, "not a number that is allowed here");
    return n;
}

static void
parse_counts(struct options *o, char *text)
{
    char *save = NULL;

    o->n_counts = 0;
    for (char *t = strtok_r(text, ",", &save); t != NULL;
         t = strtok_r(NULL, ",", &save)) {
        if (o->n_counts == MAX_COUNTS)
            bench_fail("--rows", "too many counts");
        o->counts[o->n_counts++] =
            parse_number("--rows", t, 2 * RANGE_ROWS, 1000000000);
    }
    if (o->n_counts == 0)
        bench_fail("--rows", "no count");
}

static void
parse_kinds(struct options *o, char *text)
{
    static const char *const names[N_KINDS] = { "moss", "async", "ordinary",
                                                "nothing" };
    char *save = NULL;

    memset(o->kinds, 0, sizeof(o->kinds));
    for (char *t = strtok_r(text, ",", &save); t != NULL;
         t = strtok_r(NULL, ",", &save)) {
        int k = 0;

        while (k < N_KINDS && strcmp(names[k], t) != 0)
            k++;
        if (k == N_KINDS)
            bench_fail("--tables", "not moss, async, ordinary or nothing");
        o->kinds[k] = true;
    }
}

static const char usage[] =
    "usage: bench_sql [options]\n"
    "  --rows=L      rows of the table, with commas, 1M is a million (1M)\n"
    "  --tables=L    of moss,async,ordinary,nothing (all)\n"
    "  --batch=N     rows of a transaction (1000)\n"
    "  --changes=N   updates, and as many deletes (300k; at most half of all)\n"
    "  --commits=N   transactions of one row, of each kind (3000)\n"
    "  --reads=N     point reads; a tenth of it with LIMIT, a hundredth\n"
    "                counts of ranges (300k)\n"
    "  --cache=MIB   of SQLite's pages, for each kind of table (256)\n"
    "  --runs=N      medians of so many runs are printed (1)\n"
    "  --cpu-clock   measure reads by the time that their thread computes, on\n"
    "                a machine that has other work to do\n"
    "  --dir=PATH    where the data goes ($TMPDIR or /tmp)\n";

static void
parse(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        { "rows", required_argument, NULL, 'n' },
        { "tables", required_argument, NULL, 't' },
        { "batch", required_argument, NULL, 'b' },
        { "changes", required_argument, NULL, 'u' },
        { "commits", required_argument, NULL, 'c' },
        { "reads", required_argument, NULL, 'g' },
        { "cache", required_argument, NULL, 'm' },
        { "runs", required_argument, NULL, 'r' },
        { "cpu-clock", no_argument, NULL, 'p' },
        { "dir", required_argument, NULL, 'd' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c = getopt_long(argc, argv, "", longs, NULL);

    for (; c != -1; c = getopt_long(argc, argv, "", longs, NULL)) {
        if (c == 'n') {
            parse_counts(o, optarg);
        } else if (c == 't') {
            parse_kinds(o, optarg);
        } else if (c == 'b') {
            o->batch = parse_number("--batch", optarg, 1, 1000000000);
        } else if (c == 'u') {
            o->changes = parse_number("--changes", optarg, 1, 1000000000);
        } else if (c == 'c') {
            o->commits = parse_number("--commits", optarg, 1, 1000000);
        } else if (c == 'g') {
            o->reads = parse_number("--reads", optarg, 100, 1000000000);
        } else if (c == 'm') {
            o->cache_mib = parse_number("--cache", optarg, 1, 100000);
        } else if (c == 'r') {
            o->runs = (size_t)parse_number("--runs", optarg, 1, MAX_RUNS);
        } else if (c == 'p') {
            o->cpu_clock = true;
        } else if (c == 'd') {
            o->dir = optarg;
        } else {
            fputs(usage, c == 'h' ? stdout : stderr);
            exit(c == 'h' ? 0 : 2);
        }
    }
    if (optind != argc)
        bench_fail(argv[optind], "not an option");
    for (size_t i = 0; i < o->n_counts; i++) {
        if (2 * o->commits > o->counts[i])
            bench_fail("--commits", "more than half of the rows");
    }
}

int
main(int argc, char **argv)
{
    static struct report reports[MAX_COUNTS];
    const char *tmp = getenv("TMPDIR");
    struct options o = {
        .counts = { 1000000 },
        .n_counts = 1,
        .batch = 1000,
        .changes = 300000,
        .commits = 3000,
        .reads = 300000,
        .cache_mib = 256,
        .runs = 1,
        .kinds = { true, true, true, true },
        .dir = tmp != NULL ? tmp : "/tmp",
    };

    parse(&o, argc, argv);
    for (size_t c = 0; c < o.n_counts; c++) {
        struct report *r = &reports[c];

        r->o = &o;
        r->rows = o.counts[c];
        for (size_t i = 0; i < o.runs * N_KINDS; i++) {
            size_t round = i / N_KINDS;
            enum kind k = (enum kind)((i + round) % N_KINDS);

            if (o.kinds[k])
                run_kind(&o, k, r->rows, r->results[k][round]);
        }
        report_table(r);
        if (c > 0)
            report_growth(&reports[0], r);
    }
    return 0;
}
