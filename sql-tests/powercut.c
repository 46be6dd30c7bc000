/*
 * Power cuts through SQL.  A scenario runs once on the recording disk
 * (support/disk.h); then, for cuts at its events, the directory is rebuilt as
 * the cut could have left it, opened again, and checked: the transactions
 * that SQLite kept are there whole in moss tables and ordinary tables alike,
 * and where SQLite promises it, every acknowledged one is among them.  Then
 * work goes on, and a reopen finds the later transactions too.
 *
 *   powercut [--cuts N] [--variants N] [--scenario NAME] [--mode NAME]
 *            [--at EVENT --choice N]
 *
 * --cuts bounds the cuts of a scenario (0: all events), --variants the ways
 * in which each leaves unsynced bytes.  --at and --choice repeat one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/crash_vfs.h"
#include "support/disk.h"
#include "support/harness.h"
#include "support/workload.h"

struct mode {
    const char *name, *journal, *synchronous;
    bool keeps_acked;
};

/*
 * In WAL mode NORMAL syncs at checkpoints only.  With a rollback journal the
 * removal of the journal is what commits, and only EXTRA makes that durable
 * before COMMIT returns.
 */
static const struct mode modes[] = {
    {"wal-full", "wal", "full", true},
    {"wal-normal", "wal", "normal", false},
    {"delete-extra", "delete", "extra", true},
    {"delete-full", "delete", "full", false},
    {"delete-normal", "delete", "normal", false},
};

struct run {
    const struct mode *mode;
    const char *scenario;
    struct workload_model model;
    unsigned flags;
    int64_t base;  /* durable before the recording */
    int64_t done;  /* the newest transaction committed */
    bool is_first; /* the database itself is made in the recording */
    long cuts, opens;
};

static sqlite3 *
open_run(const struct run *r)
{
    sqlite3 *db = db_open(path_of("%s/run/test.db", scratch_dir()), "crash");

    db_must(db, "PRAGMA journal_mode=%s; PRAGMA synchronous=%s",
            r->mode->journal, r->mode->synchronous);
    return db;
}

/* Run transactions until `to` is committed. */
static void
commit_to(struct run *r, sqlite3 *db, int64_t to)
{
    while (r->done < to) {
        int64_t n = r->done + 1;
        int rc = workload_begin(db, harness_seed, n, r->flags);
        if (rc == SQLITE_OK) {
            disk_note(DISK_NOTE_STARTED, n);
            rc = db_run(db, "COMMIT");
        }
        if (rc != SQLITE_OK)
            fail("%s %s: transaction %lld gave %d: %s", r->scenario,
                 r->mode->name, (long long)n, rc, sqlite3_errmsg(db));
        disk_note(DISK_NOTE_ACKED, n);
        r->done = n;
    }
}

/* ------------------------------------------------------------ scenarios */

/* Commits on one connection, then a clean close. */
static void
run_commits(struct run *r)
{
    sqlite3 *db = open_run(r);

    commit_to(r, db, r->done + 14);
    db_close(db);
}

/* Closing persists: commits, close, reopen, more commits. */
static void
run_persist(struct run *r)
{
    for (int i = 0; i < 3; i++) {
        sqlite3 *db = open_run(r);
        sqlite3 *other = open_run(r);
        commit_to(r, db, r->done + 2);
        commit_to(r, other, r->done + 2);
        db_close(db);
        commit_to(r, other, r->done + 1);
        db_close(other);
    }
}

static void
run_checkpoint(struct run *r)
{
    sqlite3 *db = open_run(r);

    for (int i = 0; i < 3; i++) {
        commit_to(r, db, r->done + 3);
        if (strcmp(r->mode->journal, "wal") == 0)
            db_must(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    }
    commit_to(r, db, r->done + 2);
    db_close(db);
}

static void
run_ddl(struct run *r)
{
    sqlite3 *db = open_run(r);

    commit_to(r, db, r->done + 14);
    db_close(db);
    db = open_run(r);
    commit_to(r, db, r->done + 12);
    db_close(db);
}

static void
run_first(struct run *r)
{
    sqlite3 *db = open_run(r);

    disk_note(DISK_NOTE_STEP, 1);
    if (workload_setup(db, r->flags) != SQLITE_OK)
        fail("setup: %s", sqlite3_errmsg(db));
    disk_note(DISK_NOTE_STEP, 2);
    commit_to(r, db, 4);
    db_close(db);
}

/* ---------------------------------------------------------------- check */

static void
check_cut(struct run *r, const struct disk_cut *cut, uint64_t choice)
{
    char what[400];
    int64_t low = r->mode->keeps_acked ? cut->acked : r->base;
    int64_t high = cut->started;

    snprintf(what, sizeof what,
             "%s, %s, cut --at %zu --choice %llu before %s (acknowledged"
             " %lld, started %lld)",
             r->scenario, r->mode->name, cut->at, (unsigned long long)choice,
             cut->event, (long long)cut->acked, (long long)cut->started);
    if (low < r->base)
        low = r->base;
    if (high < r->base)
        high = r->base;
    if (r->is_first && (cut->step < 2 || !r->mode->keeps_acked))
        low = -1;
    disk_rebuild(choice);
    r->cuts++;

    sqlite3 *db = open_run(r);
    int64_t n = workload_check(db, &r->model, low, high, what);
    r->opens++;
    struct run after = {.mode = r->mode,
                        .scenario = what,
                        .flags = r->flags,
                        .done = n < 0 ? 0 : n};
    if (n < 0 && workload_setup(db, r->flags) != SQLITE_OK)
        fail("%s: cannot begin anew: %s", what, sqlite3_errmsg(db));
    commit_to(&after, db, after.done + 2);
    workload_check(db, &r->model, after.done, after.done, what);
    db_close(db);
    db = open_run(r);
    workload_check(db, &r->model, after.done, after.done, what);
    r->opens++;
    db_close(db);
}

/*
 * Events to cut at: the syncs first (and what changes names), then others
 * evenly, so many that there are `cuts` in all; 0: every one.
 */
static bool *
choose_cuts(long cuts)
{
    size_t n = disk_events() + 1;
    bool *chosen = calloc(n, sizeof *chosen);
    size_t *rest = malloc(n * sizeof *rest);
    size_t n_rest = 0, syncs = 0;
    struct rng r = rng_of(harness_seed, 77);

    if (chosen == NULL || rest == NULL)
        fail("out of memory");
    for (size_t i = 0; i < n; i++) {
        struct disk_cut cut;
        disk_replay_to(i, &cut);
        chosen[i] = cuts == 0;
        if (cut.at_sync)
            syncs++;
    }
    disk_rewind();
    for (size_t i = 0; i < n && cuts > 0; i++) {
        struct disk_cut cut;
        disk_replay_to(i, &cut);
        /* More syncs than wanted: an even share of them. */
        if (cut.at_sync && rng_below(&r, (unsigned)syncs) < (unsigned)cuts)
            chosen[i] = true;
        else
            rest[n_rest++] = i;
    }
    for (long left = cuts - (long)syncs; left > 0 && n_rest > 0; left--) {
        size_t k = rng_below(&r, (unsigned)n_rest);
        chosen[rest[k]] = true;
        rest[k] = rest[--n_rest];
    }
    disk_rewind();
    free(rest);
    return chosen;
}

static void
check_all(struct run *r)
{
    long at = option_number("--at", -1);
    long variants = option_number("--variants", 2);
    bool *chosen = choose_cuts(option_number("--cuts", 40));
    struct rng random = rng_of(harness_seed, 78);

    for (size_t i = 0; i <= disk_events(); i++) {
        struct disk_cut cut;
        disk_replay_to(i, &cut);
        if (at >= 0 && i == (size_t)at)
            check_cut(r, &cut, (uint64_t)option_number("--choice", 0));
        for (long v = 0; at < 0 && chosen[i] && v < variants; v++) {
            /* All dropped; later all kept; otherwise mixed. */
            uint64_t choice = v == 0 && rng_below(&random, 3) == 0 ? 0
                              : rng_below(&random, 6) == 0
                                  ? 1
                                  : 2 + rng_below(&random, 1 << 30);
            check_cut(r, &cut, choice);
        }
    }
    free(chosen);
}

/* ----------------------------------------------------------------- main */

struct scenario {
    const char *name;
    void (*run)(struct run *r);
    unsigned flags;
    bool is_first;
    bool is_recovery; /* begins with what a power cut left */
};

static const struct scenario scenarios[] = {
    {"first", run_first, 0, true, false},
    {"commits", run_commits, 0, false, false},
    {"persist", run_persist, 0, false, false},
    {"checkpoint", run_checkpoint, 0, false, false},
    {"ddl", run_ddl, WORKLOAD_DDL, false, false},
    {"big", run_commits, WORKLOAD_BIG, false, false},
    {"recovery", run_persist, WORKLOAD_DDL, false, true},
};

/* Leave root as a power cut in the middle of commits does. */
static void
cut_once(struct run *r, const char *root)
{
    struct disk_cut cut;
    struct rng random = rng_of(harness_seed, 79);

    disk_record(root);
    run_ddl(r);
    disk_stop();
    size_t half = disk_events() / 2;
    disk_replay_to(half + rng_below(&random, (unsigned)half), &cut);
    disk_rebuild(2 + rng_below(&random, 1000));
    disk_forget();
    sqlite3 *db = open_run(r);
    r->done = workload_check(db, &r->model, r->base, cut.started, "before");
    db_close(db);
    r->base = r->done;
}

static void
run_scenario(const struct scenario *s, const struct mode *mode)
{
    struct run r = {.mode = mode,
                    .scenario = s->name,
                    .flags = s->flags,
                    .is_first = s->is_first};
    char root[600];
    uint64_t start = now_ms();

    snprintf(root, sizeof root, "%s/run", scratch_dir());
    make_empty_dir(root);
    workload_model_init(&r.model, harness_seed, s->flags);
    if (!s->is_first) {
        sqlite3 *db = open_run(&r);
        if (workload_setup(db, r.flags) != SQLITE_OK)
            fail("setup: %s", sqlite3_errmsg(db));
        commit_to(&r, db, 3);
        db_close(db);
        r.base = r.done;
    }
    if (s->is_recovery)
        cut_once(&r, root);
    disk_record(root);
    s->run(&r);
    disk_stop();
    size_t events = disk_events();
    check_all(&r);
    disk_forget();
    printf("%-10s %-13s %5lld transactions, %5zu events, %5ld cuts, %.1f s\n",
           s->name, mode->name, (long long)(r.done - r.base), events, r.cuts,
           (double)(now_ms() - start) / 1000);
    workload_model_release(&r.model);
}

int
main(int argc, char **argv)
{
    harness_start(argc, argv,
                  "--cuts --variants --scenario --mode --at --choice");
    const char *scenario = option_text("--scenario", NULL);
    const char *mode = option_text("--mode", NULL);
    size_t runs = 0;

    crash_vfs_register();
    if (!harness_plain)
        moss_ext_set_os(crash_os());
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        for (size_t k = 0; k < sizeof modes / sizeof *modes; k++) {
            if (scenario != NULL && strcmp(scenario, scenarios[i].name) != 0)
                continue;
            if (mode != NULL && strcmp(mode, modes[k].name) != 0)
                continue;
            run_scenario(&scenarios[i], &modes[k]);
            runs++;
        }
    }
    if (runs == 0)
        fail("no such scenario or mode");
    printf("%zu scenarios, no violation\n", runs);
    return 0;
}
