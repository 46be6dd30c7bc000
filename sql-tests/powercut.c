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
 * --cuts bounds the cuts of a scenario (a fifth of it for slow ones; 0: all
 * events, of slow ones all syncs), --variants the ways in which each leaves
 * unsynced bytes.  --at and --choice repeat one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/crash_vfs.h"
#include "support/disk.h"
#include "support/harness.h"
#include "support/workload.h"

enum { SHORT_CUTS = 8 };

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
    { "wal-full", "wal", "full", true },
    { "wal-normal", "wal", "normal", false },
    { "delete-extra", "delete", "extra", true },
    { "delete-full", "delete", "full", false },
    { "delete-normal", "delete", "normal", false },
};

struct run {
    const struct mode *mode;
    const char *scenario;
    struct workload_model model;
    unsigned flags;
    int64_t base;  /* durable before the recording */
    int64_t done;  /* the newest transaction committed */
    bool is_first; /* the database itself is made in the recording */
    void (*check)(sqlite3 *db); /* besides; or NULL */
    long cuts;
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

/* Wait until the background persister has done two more of op. */
static void
await_persister(struct run *r, enum disk_op op, long before)
{
    uint64_t end = now_ms() + 300000;

    while (!harness_plain && disk_count(DISK_MOSS, op) < before + 2) {
        if (now_ms() > end)
            fail("%s: nothing was persisted in the background", r->scenario);
        sqlite3_sleep(1);
    }
}

/* Commits while the store persists behind them. */
static void
run_background(struct run *r)
{
    sqlite3 *db = open_run(r);

    for (int i = 0; i < 4; i++) {
        long syncs = disk_count(DISK_MOSS, DISK_SYNC);
        commit_to(r, db, r->done + 3);
        await_persister(r, DISK_SYNC, syncs);
    }
    commit_to(r, db, r->done + 1);
    db_close(db);
}

/* Commits that go around the ring while it is persisted behind them. */
static void
run_ring(struct run *r)
{
    sqlite3 *db = open_run(r);

    for (int i = 0; i < 8; i++) {
        long syncs = disk_count(DISK_MOSS, DISK_SYNC);
        commit_to(r, db, r->done + 3);
        await_persister(r, DISK_SYNC, syncs);
    }
    commit_to(r, db, r->done + 2);
    db_close(db);
}

/*
 * Rows of 8 MB in table z, until the store is about to be compacted: more
 * than the 64 MiB that it leaves unused at most.  What z must hold is in the
 * ordinary table zrows.
 */
static void
prepare_compaction(struct run *r)
{
    sqlite3 *db = open_run(r);

    make_table(db, "z");
    db_must(db, "CREATE TABLE zrows(n); INSERT INTO zrows VALUES(0)");
    for (int i = 0; i < 9; i++) {
        db_must(db,
                "BEGIN; REPLACE INTO z VALUES(%d, zeroblob(8500000));"
                "UPDATE zrows SET n = n + 1; COMMIT",
                i);
        db_close(db);
        db = open_run(r);
    }
    db_close(db);
}

static void
run_compaction(struct run *r)
{
    long names = disk_count(DISK_MOSS, DISK_NAME), syncs;
    sqlite3 *db = open_run(r);

    commit_to(r, db, r->done + 1);
    syncs = disk_count(DISK_MOSS, DISK_SYNC);
    db_must(db, "BEGIN; DELETE FROM z; UPDATE zrows SET n = 0;"
                "COMMIT");
    /* What the store has to lose shows when it holds the deletions. */
    await_persister(r, DISK_SYNC, syncs);
    commit_to(r, db, r->done + 2);
    /* A new file, while the connection is open and more is committed. */
    await_persister(r, DISK_NAME, names);
    commit_to(r, db, r->done + 1);
    db_close(db);
    db = open_run(r);
    commit_to(r, db, r->done + 2);
    db_close(db);
}

static void
check_compaction(sqlite3 *db)
{
    if (db_int(db, "SELECT count(*) FROM z WHERE length(value) = 8500000") !=
        db_int(db, "SELECT n FROM zrows"))
        fail("table z has %lld rows instead of %lld",
             (long long)db_int(db, "SELECT count(*) FROM z"),
             (long long)db_int(db, "SELECT n FROM zrows"));
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

/* A transaction that is staged, indexes with it, and one behind it. */
static void
run_staged(struct run *r)
{
    sqlite3 *db = open_run(r);

    commit_to(r, db, r->done + 2);
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
             disk_next_event(), (long long)cut->acked, (long long)cut->started);
    if (low < r->base)
        low = r->base;
    if (high < r->base)
        high = r->base;
    if (r->is_first && (cut->step < 2 || !r->mode->keeps_acked))
        low = -1;
    fail_while(what);
    disk_rebuild(choice);
    r->cuts++;

    sqlite3 *db = open_run(r);
    int64_t n = workload_check(db, &r->model, low, high, "after the cut");
    if (r->check != NULL)
        r->check(db);
    struct run after = { .mode = r->mode,
                         .scenario = what,
                         .flags = r->flags,
                         .done = n < 0 ? 0 : n };
    if (n < 0 && workload_setup(db, r->flags) != SQLITE_OK)
        fail("cannot begin anew: %s", sqlite3_errmsg(db));
    commit_to(&after, db, after.done + 2);
    workload_check(db, &r->model, after.done, after.done, "later");
    db_close(db);
    db = open_run(r);
    workload_check(db, &r->model, after.done, after.done, "later");
    if (r->check != NULL)
        r->check(db);
    db_close(db);
    fail_while(NULL);
}

/* Choose up to `wanted` of the n events in list, at random. */
static void
choose_some(bool *chosen, size_t *list, size_t n, long wanted, struct rng *r)
{
    for (; wanted > 0 && n > 0; wanted--) {
        size_t k = rng_below(r, (unsigned)n);
        chosen[list[k]] = true;
        list[k] = list[--n];
    }
}

/*
 * Events to cut at, so many of them: two thirds syncs and what changes names,
 * as far as there are so many, the rest others.  0: every one, or, if slow,
 * every sync.
 */
static bool *
choose_cuts(long cuts, bool is_slow)
{
    size_t n = disk_events() + 1;
    bool *chosen = calloc(n, sizeof *chosen);
    size_t *syncs = malloc(n * sizeof *syncs);
    size_t *others = malloc(n * sizeof *others);
    size_t n_syncs = 0, n_others = 0;
    struct rng r = rng_of(harness_seed, 77);

    if (chosen == NULL || syncs == NULL || others == NULL)
        fail("out of memory");
    for (size_t i = 0; i < n; i++) {
        struct disk_cut cut;
        disk_replay_to(i, &cut);
        chosen[i] = cuts == 0 && (cut.at_sync || !is_slow);
        if (cut.at_sync)
            syncs[n_syncs++] = i;
        else
            others[n_others++] = i;
    }
    disk_rewind();
    long at_syncs = cuts - cuts / 3;
    if (at_syncs > (long)n_syncs)
        at_syncs = (long)n_syncs;
    choose_some(chosen, syncs, n_syncs, at_syncs, &r);
    choose_some(chosen, others, n_others, cuts - at_syncs, &r);
    free(syncs);
    free(others);
    return chosen;
}

static void
check_all(struct run *r, long cuts, bool is_slow)
{
    long at = option_number("--at", -1);
    long variants = option_number("--variants", 2);
    bool *chosen = choose_cuts(cuts, is_slow);
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
    bool is_first;                  /* the database is made in the recording */
    bool is_recovery;               /* begins with what a power cut left */
    bool is_slow;                   /* a fifth of the cuts */
    void (*prepare)(struct run *r); /* before the recording */
    void (*check)(sqlite3 *db);
};

static const struct scenario scenarios[] = {
    { .name = "first", .run = run_first, .is_first = true },
    { .name = "commits", .run = run_commits },
    { .name = "persist", .run = run_persist },
    { .name = "background", .run = run_background },
    { .name = "ring", .run = run_ring, .flags = WORKLOAD_WIDE },
    { .name = "checkpoint", .run = run_checkpoint },
    { .name = "ddl", .run = run_ddl, .flags = WORKLOAD_DDL },
    { .name = "big",
      .run = run_commits,
      .flags = WORKLOAD_BIG,
      .is_slow = true },
    { .name = "staged",
      .run = run_staged,
      .flags = WORKLOAD_BIG | WORKLOAD_INDEXED },
    { .name = "recovery",
      .run = run_background,
      .flags = WORKLOAD_DDL,
      .is_recovery = true },
    { .name = "compaction",
      .run = run_compaction,
      .is_slow = true,
      .prepare = prepare_compaction,
      .check = check_compaction },
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
    struct run r = { .mode = mode,
                     .scenario = s->name,
                     .flags = s->flags,
                     .is_first = s->is_first,
                     .check = s->check };
    long cuts = option_number("--cuts", SHORT_CUTS);
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
    if (s->prepare != NULL)
        s->prepare(&r);
    if (s->is_recovery)
        cut_once(&r, root);
    disk_record(root);
    s->run(&r);
    disk_stop();
    size_t events = disk_events();
    check_all(&r, s->is_slow && cuts > 0 ? (cuts + 4) / 5 : cuts, s->is_slow);
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
            /* Slow ones in one mode, unless cuts or a mode are given. */
            if (scenarios[i].is_slow && mode == NULL && k > 0 &&
                !option_given("--cuts"))
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
