/*
 * The benchmark's tables.  A ratio is always such that more than 1 means that
 * the first engine is ahead of the best of the others.
 */
#include "bench.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BAR_UNIT = 12, BAR_MAX = 4 };

/*
 * What a measure's values are, as they come; scale is for the tables.  Memory
 * is not compared: what one engine keeps for itself is another's file pages.
 */
struct measure_info {
    const char *name;
    const char *unit; /* in the tables */
    double scale;
    bool more_is_better;
    enum { SHOWN, COMPARED, SUMMED_UP } use; /* each includes the one before */
    int digits;
};

static const struct measure_info measures[N_MEASURES] = {
    [M_LOAD] = { "load", "s", 1, false, COMPARED, 2 },
    [M_PAUSE] = { "  slowest batch", "ms", 1e3, false, COMPARED, 1 },
    [M_FLUSH] = { "  flush", "s", 1, false, COMPARED, 2 },
    [M_CLOSE] = { "  close", "s", 1, false, COMPARED, 2 },
    [M_WRITE] = { "load, flush and close", "s", 1, false, SUMMED_UP, 2 },
    [M_FIRST] = { "first full read after it", "s", 1, false, COMPARED, 2 },
    [M_WRITE_FIRST] = { "load + first full read", "s", 1, false, SUMMED_UP, 2 },
    [M_CPU] = { "cpu time of the load", "s", 1, false, COMPARED, 2 },
    [M_LOAD_ANON] = { "memory of the load", "MiB", 1, false, SHOWN, 0 },
    [M_LOAD_PEAK] = { "  with file pages", "MiB", 1, false, SHOWN, 0 },
    [M_DISK] = { "disk / key+value bytes", "", 1, false, SUMMED_UP, 3 },
    [M_COMPACT_FIRST] = { "compaction first", "s", 1, false, COMPARED, 2 },
    [M_REOPEN] = { "open", "ms", 1e3, false, COMPARED, 2 },
    [M_ITER_FIRST] = { "iterate, first pass", "M/s", 1e-6, true, SUMMED_UP, 2 },
    [M_ITER] = { "iterate, warm", "M/s", 1e-6, true, SUMMED_UP, 2 },
    [M_BACK] = { "iterate backwards", "M/s", 1e-6, true, SUMMED_UP, 2 },
    [M_TOUCH] = { "iterate, touching", "M/s", 1e-6, true, SUMMED_UP, 2 },
    [M_GET] = { "random gets", "k/s", 1e-3, true, SUMMED_UP, 0 },
    [M_GETS] = { "random gets, threads", "k/s", 1e-3, true, SUMMED_UP, 0 },
    [M_MISS] = { "random misses", "k/s", 1e-3, true, SUMMED_UP, 0 },
    [M_SEEK] = { "seek + 50 steps", "k/s", 1e-3, true, SUMMED_UP, 1 },
    [M_READ_ANON] = { "memory of the reads", "MiB", 1, false, SHOWN, 0 },
    [M_OPEN_GET] = { "open + one get", "ms", 1e3, false, SUMMED_UP, 3 },
    [M_MIXED_PUTS] = { "mixed: puts", "k/s", 1e-3, true, SUMMED_UP, 1 },
    [M_MIXED_GETS] = { "mixed: gets", "k/s", 1e-3, true, SUMMED_UP, 1 },
    [M_MIXED_FLUSH] = { "mixed: flush", "s", 1, false, COMPARED, 2 },
    [M_MIXED_ANON] = { "mixed: memory", "MiB", 1, false, SHOWN, 0 },
    [M_COMPACT] = { "compaction", "s", 1, false, COMPARED, 2 },
    [M_COMPACT_DISK] = { "disk after compaction", "", 1, false, SUMMED_UP, 3 },
};

static const char *const key_names[] = { "decimal", "binary", "varying" };

/* Over the runs of one engine. */
struct spread {
    double least, median, greatest;
};

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* All NAN where the measure was not taken. */
static struct spread
spread_of(const struct report *r, size_t engine, enum measure m)
{
    double v[MAX_RUNS];
    size_t n = r->o->runs;

    for (size_t run = 0; run < n; run++) {
        v[run] = r->results[engine][run].v[m];
        if (isnan(v[run]))
            return (struct spread){ NAN, NAN, NAN };
    }
    qsort(v, n, sizeof(v[0]), compare);
    double mid = n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
    return (struct spread){ v[0], mid, v[n - 1] };
}

static double
median_of(const struct report *r, size_t engine, enum measure m)
{
    return spread_of(r, engine, m).median;
}

/* Among the engines after the first; 0 if there is nothing to compare. */
static size_t
best_peer(const struct report *r, enum measure m)
{
    size_t best = 0;

    if (measures[m].use == SHOWN || isnan(median_of(r, 0, m)))
        return 0;
    for (size_t e = 1; e < r->o->n_engines; e++) {
        double v = median_of(r, e, m);
        double b = best == 0 ? NAN : median_of(r, best, m);
        if (isnan(v))
            continue;
        if (isnan(b) || (measures[m].more_is_better ? v > b : v < b))
            best = e;
    }
    return best;
}

static double
ratio_to(const struct report *r, size_t peer, enum measure m)
{
    double mine = median_of(r, 0, m);
    double its = median_of(r, peer, m);

    return measures[m].more_is_better ? mine / its : its / mine;
}

static void
print_value(int width, enum measure m, double v)
{
    if (isnan(v))
        printf(" %*s", width, "-");
    else
        printf(" %*.*f", width, measures[m].digits, v * measures[m].scale);
}

static bool
is_measured(const struct report *r, enum measure m)
{
    for (size_t e = 0; e < r->o->n_engines; e++) {
        if (!isnan(median_of(r, e, m)))
            return true;
    }
    return false;
}

void
report_settings(const struct options *o)
{
    printf("No engine syncs per batch; flush and close put everything on "
           "disk.\n");
    for (size_t e = 0; e < o->n_engines; e++)
        printf("%s (%s): %s\n", o->engines[e]->name, o->engines[e]->version(),
               o->engines[e]->settings);
}

void
report_table(const struct report *r)
{
    const struct options *o = r->o;
    double load[1] = { NAN };

    if (getloadavg(load, 1) != 1)
        load[0] = NAN;
    printf(
        "\n%llu entries, %s keys, values of %d bytes (%.1f MB), %s order,\n"
        "batches of %llu, seed %llu, median of %zu run%s, %zu threads; "
        "making the\ndata takes %.0f ms of load; load average of the machine "
        "at the end %.1f%s\n\n",
        (unsigned long long)r->items, key_names[o->data.kind], DATA_VALUE_LEN,
        (double)r->bytes / 1e6, r->is_random ? "random" : "sequential",
        (unsigned long long)o->batch, (unsigned long long)o->data.seed, o->runs,
        o->runs == 1 ? "" : "s", o->threads,
        phase_generator_ms(o, r->is_random), load[0],
        o->cpu_clock ? ";\nreads on one thread by cpu time" : "");
    printf("%-25s %3s", "work", "");
    for (size_t e = 0; e < o->n_engines; e++)
        printf(" %10s", o->engines[e]->name);
    printf("%s\n", o->n_engines > 1 ? "  ratio" : "");
    for (enum measure m = 0; m < N_MEASURES; m++) {
        if (!is_measured(r, m))
            continue;
        printf("%-25s %3s", measures[m].name, measures[m].unit);
        for (size_t e = 0; e < o->n_engines; e++)
            print_value(10, m, median_of(r, e, m));
        size_t peer = best_peer(r, m);
        double ratio = peer == 0 ? NAN : ratio_to(r, peer, m);
        if (!isnan(ratio) && !isinf(ratio))
            printf(" %6.2f", ratio);
        printf("\n");
    }
    fflush(stdout);
}

/* One unit of length for a ratio of 1, and where that is. */
static void
print_bar(double ratio)
{
    double length = ratio < BAR_MAX ? ratio : BAR_MAX;

    for (int i = 1; i <= (int)(length * BAR_UNIT + 0.5) || i <= BAR_UNIT; i++) {
        bool is_filled = i <= (int)(length * BAR_UNIT + 0.5);
        if (i == BAR_UNIT)
            printf("%c", is_filled ? '+' : '|');
        else
            printf("%c", is_filled ? '=' : ' ');
    }
    printf("%s\n", ratio > BAR_MAX ? ">" : "");
}

void
report_summary(const struct report *r)
{
    const struct options *o = r->o;

    printf("\n%-25s %3s %9s %20s %6s   the bar's mark: as fast as the peer\n",
           "work", "", o->engines[0]->name, "best peer", "ratio");
    for (enum measure m = 0; m < N_MEASURES; m++) {
        size_t peer = best_peer(r, m);
        double ratio = peer == 0 ? NAN : ratio_to(r, peer, m);
        if (measures[m].use != SUMMED_UP || isnan(ratio))
            continue;
        printf("%-25s %3s", measures[m].name, measures[m].unit);
        print_value(9, m, median_of(r, 0, m));
        printf(" %10s", o->engines[peer]->name);
        print_value(9, m, median_of(r, peer, m));
        printf(" %6.2f   ", ratio);
        print_bar(ratio);
    }
    fflush(stdout);
}

void
report_growth(const struct report *const *reports, size_t n)
{
    const struct options *o = reports[0]->o;

    printf("\nGrowth of %s, %s order; behind it the ratio to the best peer\n\n",
           o->engines[0]->name,
           reports[0]->is_random ? "random" : "sequential");
    printf("%-25s %3s", "entries", "");
    for (size_t i = 0; i < n; i++)
        printf(" %10llu        ", (unsigned long long)reports[i]->items);
    printf("\n");
    for (enum measure m = 0; m < N_MEASURES; m++) {
        if (!is_measured(reports[0], m))
            continue;
        printf("%-25s %3s", measures[m].name, measures[m].unit);
        for (size_t i = 0; i < n; i++) {
            size_t peer = best_peer(reports[i], m);
            double ratio = peer == 0 ? NAN : ratio_to(reports[i], peer, m);
            print_value(10, m, median_of(reports[i], 0, m));
            if (isnan(ratio) || isinf(ratio))
                printf("        ");
            else
                printf(" %6.2fx", ratio);
        }
        printf("\n");
    }
    fflush(stdout);
}

/* --------------------------------------------------------------- export */

static FILE *
create(const char *path)
{
    FILE *f = fopen(path, "we");

    if (f == NULL)
        bench_fail("bench", path, strerror(errno));
    return f;
}

static void
finish(FILE *f, const char *path)
{
    bool failed = ferror(f) != 0;

    if (fclose(f) != 0 || failed)
        bench_fail("bench", path, "cannot write");
}

/* One line; everything is in seconds, a second, MiB, or a plain ratio. */
static void
export_one(FILE *f, bool as_json, const struct report *r, size_t e,
           enum measure m, bool *is_first)
{
    static const char json[] = "%s{\"count\":%llu,\"order\":\"%s\",\"keys\":"
                               "\"%s\",\"batch\":%llu,\"engine\":\"%s\","
                               "\"work\":\"%s\",\"more_is_better\":%s,"
                               "\"runs\":%zu,\"median\":%.9g,\"least\":%.9g,"
                               "\"greatest\":%.9g}";
    static const char csv[] = "%s%llu,%s,%s,%llu,%s,\"%s\",%s,%zu,%.9g,%.9g,"
                              "%.9g";
    struct spread s = spread_of(r, e, m);
    const char *name = measures[m].name;

    if (isnan(s.median))
        return;
    while (*name == ' ')
        name++;
    fprintf(f, as_json ? json : csv,
            !as_json    ? ""
            : *is_first ? "\n"
                        : ",\n",
            (unsigned long long)r->items, r->is_random ? "random" : "seq",
            key_names[r->o->data.kind], (unsigned long long)r->o->batch,
            r->o->engines[e]->name, name,
            measures[m].more_is_better ? "true" : "false", r->o->runs, s.median,
            s.least, s.greatest);
    if (!as_json)
        fprintf(f, "\n");
    *is_first = false;
}

static void
export_all(FILE *f, bool as_json, const struct report *const *reports, size_t n)
{
    bool is_first = true;

    for (size_t i = 0; i < n; i++) {
        for (size_t e = 0; e < reports[i]->o->n_engines; e++) {
            for (enum measure m = 0; m < N_MEASURES; m++)
                export_one(f, as_json, reports[i], e, m, &is_first);
        }
    }
}

void
report_export(const struct report *const *reports, size_t n, const char *csv,
              const char *json)
{
    if (csv != NULL) {
        FILE *f = create(csv);
        fprintf(f, "count,order,keys,batch,engine,work,more_is_better,runs,"
                   "median,least,greatest\n");
        export_all(f, false, reports, n);
        finish(f, csv);
    }
    if (json != NULL) {
        FILE *f = create(json);
        fprintf(f, "[");
        export_all(f, true, reports, n);
        fprintf(f, "\n]\n");
        finish(f, json);
    }
}
