/*
 * The tables.  A ratio above 1 means that the first of the two named is ahead.
 */
#include "bench_sql.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name, *unit;
    bool less_is_better;
    double scale;
} measures[N_MEASURES] = {
    [INSERTS] = { "inserts", "k/s", false, 1e-3 },
    [COMMITS_OFF] = { "commits of one row, synchronous off", "k/s", false,
                      1e-3 },
    [COMMITS_FULL] = { "commits of one row, synchronous full", "k/s", false,
                       1e-3 },
    [CLOSE] = { "close after them", "s", true, 1 },
    [REOPEN] = { "open and first row", "ms", true, 1e3 },
    [POINTS] = { "point reads", "k/s", false, 1e-3 },
    [POINTS_IN_TXN] = { "point reads in a transaction", "k/s", false, 1e-3 },
    [SUM] = { "rows summed in one scan", "k/s", false, 1e-3 },
    [COUNTS] = { "rows counted in ranges of 1000", "k/s", false, 1e-3 },
    [LIMITS] = { "ORDER BY key LIMIT 100", "k/s", false, 1e-3 },
    [UPDATES] = { "updates", "k/s", false, 1e-3 },
    [DELETES] = { "deletes", "k/s", false, 1e-3 },
    [CLOSE_AGAIN] = { "close after them", "s", true, 1 },
};

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
median(const struct report *r, enum kind kind, enum measure m)
{
    double v[MAX_RUNS];
    size_t n = r->o->runs;

    if (!r->o->kinds[kind])
        return NAN;
    for (size_t i = 0; i < n; i++) {
        v[i] = r->results[kind][i][m];
        if (isnan(v[i]))
            return NAN;
    }
    qsort(v, n, sizeof(v[0]), compare);
    return (v[(n - 1) / 2] + v[n / 2]) / 2;
}

static double
ratio(double mine, double its, enum measure m)
{
    return measures[m].less_is_better ? its / mine : mine / its;
}

static void
print(double v)
{
    if (isnan(v) || isinf(v))
        printf(" %11s", "-");
    else
        printf(v < 100 ? " %11.2f" : " %11.0f", v);
}

void
report_table(const struct report *r)
{
    static const struct {
        const char *name;
        enum kind mine, its;
    } ratios[] = {
        { "moss/ord.", MOSS, ORDINARY },
        { "async/ord.", MOSS_ASYNC, ORDINARY },
        { "moss/nothing", MOSS, BLANK },
        { "ord./nothing", ORDINARY, BLANK },
    };
    const struct options *o = r->o;

    printf("\n%llu rows, keys of %d random letters in random order, values of "
           "%d bytes;\nSQLite %s, WAL, synchronous off, a cache of %llu MiB, "
           "transactions of %llu rows;\nmedian of %zu run%s%s\n\n",
           (unsigned long long)r->rows, KEY_LEN, VALUE_LEN,
           sqlite3_libversion(), (unsigned long long)o->cache_mib,
           (unsigned long long)o->batch, o->runs, o->runs == 1 ? "" : "s",
           o->cpu_clock ? ", reads by cpu time" : "");
    printf("%-41s", "");
    for (int k = 0; k < N_KINDS; k++)
        printf(" %11s", kind_names[k]);
    for (size_t i = 0; i < sizeof(ratios) / sizeof(ratios[0]); i++)
        printf(" %12s", ratios[i].name);
    printf("\n");
    for (enum measure m = 0; m < N_MEASURES; m++) {
        printf("%-37s %3s", measures[m].name, measures[m].unit);
        for (enum kind k = 0; k < N_KINDS; k++)
            print(median(r, k, m) * measures[m].scale);
        for (size_t i = 0; i < sizeof(ratios) / sizeof(ratios[0]); i++) {
            printf(" ");
            print(ratio(median(r, ratios[i].mine, m),
                        median(r, ratios[i].its, m), m));
        }
        printf("\n");
    }
    fflush(stdout);
}

void
report_growth(const struct report *few, const struct report *many)
{
    printf("\nWhat is left of the rates: %llu rows over %llu\n\n",
           (unsigned long long)many->rows, (unsigned long long)few->rows);
    for (enum measure m = 0; m < N_MEASURES; m++) {
        if (measures[m].less_is_better)
            continue;
        printf("%-41s", measures[m].name);
        for (enum kind k = 0; k < N_KINDS; k++)
            print(median(many, k, m) / median(few, k, m));
        printf("\n");
    }
    fflush(stdout);
}
