/*
 * The benchmark: moss beside its peers, at the work an ordered key-value
 * store is used for.
 *
 * A run is one engine, one number of entries, one order of loading; its
 * stages (load, read, ...) are processes of their own.  The engines take turns
 * within a round and each round begins with another one, so that whatever the
 * machine does at the time hits all alike; medians of the rounds are printed.
 */
#include "bench.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MAX_REPORTS = 2 * MAX_COUNTS };

/* A new directory, or the one that --keep names; does it hold a store? */
static bool
run_dir(struct run *r)
{
    const struct options *o = r->o;
    char *dir = r->dir;
    size_t max = sizeof(r->dir);
    struct stat st;
    int n;

    if (o->keep == NULL) {
        n = snprintf(dir, max, "%s/moss-bench-XXXXXX", o->dir);
        if (n >= (int)max || mkdtemp(dir) == NULL)
            bench_fail("bench", o->dir, strerror(errno));
        return false;
    }
    n = snprintf(dir, max, "%s/%s-%s-%llu-%d", o->keep, r->engine->name,
                 r->setting.is_sequential ? "seq" : "random",
                 (unsigned long long)o->data.items, (int)o->data.kind);
    if (n >= (int)max)
        bench_fail("bench", o->keep, "too long");
    if (stat(dir, &st) == 0)
        return true;
    if (mkdir(dir, 0755) != 0)
        bench_fail("bench", dir, strerror(errno));
    return false;
}

static void
load_stage(struct run *r, struct result *result)
{
    struct stage_cost cost;

    stage_run(r, phase_load, result, &cost);
    result->v[M_CPU] = (double)cost.cpu_ns / 1e9;
    result->v[M_LOAD_ANON] = (double)cost.anon_kb / 1024;
    result->v[M_LOAD_PEAK] = (double)cost.peak_kb / 1024;
    result->v[M_DISK] = (double)dir_bytes(r->dir) / (double)r->scan.bytes;
}

/* What all reads after the first one need: the files in the page cache. */
static void
warm_stage(struct run *r, void (*stage)(struct run *), struct result *result,
           struct stage_cost *cost)
{
    dir_warm(r->dir);
    stage_run(r, stage, result, cost);
}

static void
run_stages(struct run *r, struct result *result)
{
    const bool *phases = r->o->phases;
    struct stage_cost cost;
    bool is_there = run_dir(r);

    if (!is_there)
        load_stage(r, result);
    if (!is_there && phases[PHASE_FIRST]) {
        stage_run(r, phase_first, result, &cost);
        result->v[M_WRITE_FIRST] = result->v[M_WRITE] + result->v[M_FIRST];
    }
    if (r->o->compact_first)
        stage_run(r, phase_compact_first, result, &cost);
    if (phases[PHASE_ITER] || phases[PHASE_GET] || phases[PHASE_GETS] ||
        phases[PHASE_MISS] || phases[PHASE_SEEK]) {
        warm_stage(r, phase_reads, result, &cost);
        result->v[M_READ_ANON] = (double)cost.anon_kb / 1024;
    }
    if (phases[PHASE_OPEN])
        warm_stage(r, phase_open, result, &cost);
    if (phases[PHASE_MIXED]) {
        warm_stage(r, phase_mixed, result, &cost);
        result->v[M_MIXED_ANON] = (double)cost.anon_kb / 1024;
    }
    if (phases[PHASE_COMPACT])
        warm_stage(r, phase_compact, result, &cost);
    /* The mixed phase leaves other values. */
    if (r->o->keep == NULL || phases[PHASE_MIXED])
        dir_remove(r->dir);
}

static void
run_engine(const struct options *o, size_t engine, size_t round,
           struct report *report, const struct data_sum *scan)
{
    struct result *result = &report->results[engine][round];
    struct run *r = bench_alloc(1, sizeof(*r));
    uint64_t t = bench_now_ns();

    r->o = o;
    r->engine = o->engines[engine];
    r->scan = *scan;
    r->setting.bytes = scan->bytes;
    r->setting.is_sequential = !report->is_random;
    for (size_t m = 0; m < N_MEASURES; m++)
        result->v[m] = NAN;
    run_stages(r, result);
    fprintf(stderr, "%s, %s, %llu entries, run %zu of %zu: %.1f s\n",
            r->engine->name, report->is_random ? "random" : "sequential",
            (unsigned long long)o->data.items, round + 1, o->runs,
            (double)(bench_now_ns() - t) / 1e9);
    free(r);
}

static struct report *
run_order(const struct options *o, bool is_random)
{
    struct report *report = bench_alloc(1, sizeof(*report));
    struct data_sum scan = data_expect_scan(&o->data, 0, o->data.items);

    report->o = o;
    report->items = o->data.items;
    report->bytes = scan.bytes;
    report->is_random = is_random;
    for (size_t round = 0; round < o->runs; round++) {
        for (size_t i = 0; i < o->n_engines; i++)
            run_engine(o, (i + round) % o->n_engines, round, report, &scan);
    }
    report_table(report);
    if (o->n_engines > 1)
        report_summary(report);
    return report;
}

int
main(int argc, char **argv)
{
    const struct report *reports[MAX_REPORTS];
    const struct report *one_order[MAX_COUNTS];
    struct options o;
    size_t n = 0;

    options_parse(&o, argc, argv);
    uint64_t gets = o.gets;
    report_settings(&o);
    for (size_t c = 0; c < o.n_counts; c++) {
        o.data.items = o.counts[c];
        o.gets = gets < o.data.items ? gets : o.data.items;
        for (int is_random = 0; is_random < 2; is_random++) {
            if (o.orders[is_random])
                reports[n++] = run_order(&o, is_random != 0);
        }
    }
    for (int is_random = 0; o.n_counts > 1 && is_random < 2; is_random++) {
        size_t k = 0;
        for (size_t i = 0; i < n; i++) {
            if (reports[i]->is_random == (is_random != 0))
                one_order[k++] = reports[i];
        }
        if (k > 0)
            report_growth(one_order, k);
    }
    report_export(reports, n, o.csv, o.json);
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)reports[i]);
    return 0;
}
