/*
 * The benchmark's tables, in the units of moss's own: milliseconds, write or
 * read operations and kilobytes a second, for every phase.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * A row of the tables: the sum of some phases, and what to divide by it.
 * "write" is what it takes until everything is on disk and closed.
 */
struct row {
    const char *name;
    enum phase first, last;
    const char *ops; /* NULL: only the time counts */
    const char *rate;
};

static const struct row rows[] = {
    { "open", PHASE_OPEN, PHASE_OPEN, NULL, NULL },
    { "load", PHASE_LOAD, PHASE_LOAD, "wop/s", "wkb/s" },
    { "drain", PHASE_DRAIN, PHASE_DRAIN, NULL, NULL },
    { "close", PHASE_CLOSE, PHASE_CLOSE, NULL, NULL },
    { "= write", PHASE_OPEN, PHASE_CLOSE, "wop/s", "wkb/s" },
    { "reopen", PHASE_REOPEN, PHASE_REOPEN, NULL, NULL },
    { "iter", PHASE_ITER, PHASE_ITER, "rop/s", "rkb/s" },
    { "access", PHASE_ACCESS, PHASE_ACCESS, "rop/s", "rkb/s" },
};
enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
median(double *v, size_t n)
{
    qsort(v, n, sizeof(v[0]), compare);
    return n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Seconds; *spread is (slowest - fastest) / median if it is not NULL. */
static double
row_seconds(const struct report *r, size_t engine, const struct row *row,
            double *spread)
{
    double v[MAX_RUNS];

    for (size_t run = 0; run < r->n_runs; run++) {
        v[run] = 0;
        for (int p = (int)row->first; p <= (int)row->last; p++)
            v[run] += (double)r->results[engine][run].ns[p] / 1e9;
    }
    double mid = median(v, r->n_runs);
    if (spread != NULL)
        *spread = (v[r->n_runs - 1] - v[0]) / mid;
    return mid;
}

static void
print_head(const struct report *r, size_t first, const char *title)
{
    printf("\n%-16s", title);
    for (size_t e = first; e < r->n_engines; e++)
        printf(" %11s", r->engines[e]->name);
    printf("\n");
}

static void
print_row(const struct report *r, const struct row *row)
{
    printf("%-10s %5s", row->name, "ms");
    for (size_t e = 0; e < r->n_engines; e++)
        printf(" %11.1f", row_seconds(r, e, row, NULL) * 1e3);
    printf("\n");
    if (row->ops == NULL)
        return;
    printf("%16s", row->ops);
    for (size_t e = 0; e < r->n_engines; e++)
        printf(" %11.0f", (double)r->items / row_seconds(r, e, row, NULL));
    printf("\n%16s", row->rate);
    for (size_t e = 0; e < r->n_engines; e++)
        printf(" %11.0f",
               (double)r->bytes / 1e3 / row_seconds(r, e, row, NULL));
    printf("\n");
    if (r->n_runs < 2)
        return;
    printf("%16s", "spread");
    for (size_t e = 0; e < r->n_engines; e++) {
        double spread = 0;
        row_seconds(r, e, row, &spread);
        printf(" %10.0f%%", spread * 100);
    }
    printf("\n");
}

enum measure { CPU_S, PEAK_MB, ANON_MB, DISK_MB, N_MEASURES };

static double
measured(const struct result *r, int measure)
{
    switch (measure) {
    case CPU_S:
        return (double)r->cpu_ns / 1e9;
    case PEAK_MB:
        return (double)r->peak_kb * 1024 / 1e6;
    case ANON_MB:
        return (double)r->anon_kb * 1024 / 1e6;
    default:
        return (double)r->disk_bytes / 1e6;
    }
}

static void
print_measures(const struct report *r)
{
    static const char *const names[N_MEASURES] = {
        "cpu            s",
        "peak memory   MB",
        "- not files   MB",
        "disk          MB",
    };

    for (int m = 0; m < N_MEASURES; m++) {
        printf("%s", names[m]);
        for (size_t e = 0; e < r->n_engines; e++) {
            double v[MAX_RUNS];
            for (size_t run = 0; run < r->n_runs; run++)
                v[run] = measured(&r->results[e][run], m);
            printf(" %11.1f", median(v, r->n_runs));
        }
        printf("\n");
    }
}

void
report_settings(const struct engine *const *engines, size_t n)
{
    printf("No engine syncs per batch; drain and close put everything on "
           "disk.\n");
    for (size_t e = 0; e < n; e++)
        printf("%s (%s): %s\n", engines[e]->name, engines[e]->version(),
               engines[e]->settings);
}

void
report_phases(const struct report *r)
{
    print_head(r, 0, "phase");
    for (size_t i = 0; i < N_ROWS; i++)
        print_row(r, &rows[i]);
    print_measures(r);
}

void
report_ratios(const struct report *r)
{
    char title[64];

    snprintf(title, sizeof(title), "%s over ...", r->engines[0]->name);
    print_head(r, 1, title);
    for (size_t i = 0; i < N_ROWS; i++) {
        if (rows[i].ops == NULL)
            continue;
        double first = row_seconds(r, 0, &rows[i], NULL);
        printf("%-16s", rows[i].name);
        for (size_t e = 1; e < r->n_engines; e++)
            printf(" %10.2fx", row_seconds(r, e, &rows[i], NULL) / first);
        printf("\n");
    }
}
