/*
 * A full or failing disk.  The n-th write, sync or change of a name of one
 * layer (SQLite's files or moss's) fails, once or until the disk is healed,
 * while transactions are committed, persisted by a close, and the database is
 * opened again; n goes up until nothing fails any more.  Each failure must
 * be an error that says so, acknowledged transactions stay, reads go on, and
 * once the disk is well everything works.
 *
 *   diskfull [--every] [--mode wal|delete|both] [--only CASE [--nth N]]
 *
 * --every tries each n; otherwise they become sparser.  A close does not wait
 * for a disk that stays bad, as the log has what the store lacks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/crash_vfs.h"
#include "support/disk.h"
#include "support/harness.h"
#include "support/workload.h"

/* A close that waits would take the whole minute that it may. */
enum { CLOSE_LIMIT_MS = 50000 };

static const struct fault {
    const char *name;
    enum disk_layer layer;
    unsigned ops;
    int sys_errno;
    bool sticky;
    unsigned flags; /* of the workload */
} faults[] = {
    { "sqlite-full", DISK_SQLITE, DISK_WRITE, ENOSPC, true, WORKLOAD_DDL },
    { "sqlite-write-once", DISK_SQLITE, DISK_WRITE, EIO, false, WORKLOAD_DDL },
    { "sqlite-sync-once", DISK_SQLITE, DISK_SYNC, EIO, false, WORKLOAD_DDL },
    { "sqlite-name-once", DISK_SQLITE, DISK_NAME, EIO, false, WORKLOAD_DDL },
    { "moss-full", DISK_MOSS, DISK_WRITE | DISK_NAME, ENOSPC, true,
      WORKLOAD_DDL },
    { "moss-full-once", DISK_MOSS, DISK_WRITE, ENOSPC, false, WORKLOAD_DDL },
    { "moss-write-once", DISK_MOSS, DISK_WRITE, EIO, false, WORKLOAD_DDL },
    { "moss-sync-once", DISK_MOSS, DISK_SYNC, EIO, false, WORKLOAD_DDL },
    { "moss-sync", DISK_MOSS, DISK_SYNC, EIO, true, WORKLOAD_DDL },
    { "moss-name-once", DISK_MOSS, DISK_NAME, EIO, false, WORKLOAD_DDL },
    { "both-full", DISK_SQLITE | DISK_MOSS, DISK_WRITE | DISK_NAME, ENOSPC,
      true, WORKLOAD_DDL },
    { "staged-full", DISK_MOSS, DISK_WRITE | DISK_NAME, ENOSPC, true,
      WORKLOAD_BIG },
    { "staged-write-once", DISK_MOSS, DISK_WRITE, EIO, false, WORKLOAD_BIG },
    { "staged-sync-once", DISK_MOSS, DISK_SYNC, EIO, false, WORKLOAD_BIG },
    { "staged-name-once", DISK_MOSS, DISK_NAME, EIO, false, WORKLOAD_BIG },
};

struct run {
    const struct fault *fault;
    const char *journal;
    char what[160];
    struct workload_model *model;
    sqlite3 *db;
    int64_t acked, started;
    bool is_unsure; /* whether `started` was committed */
    long errors;
};

static void
open_run(struct run *r)
{
    r->db = db_open(path_of("%s/run/test.db", scratch_dir()), "crash");
    sqlite3_busy_timeout(r->db, 100);
}

/* A failure that a failing disk may cause; anything else ends. */
static void
expect_disk_error(struct run *r, int rc, const char *doing)
{
    int code = rc & 0xff;

    if (code != SQLITE_IOERR && code != SQLITE_FULL && code != SQLITE_CANTOPEN)
        fail("%s gave %d: %s", doing, rc, sqlite3_errmsg(r->db));
    r->errors++;
}

/* Has `started` been committed?  As far as the connection can tell. */
static void
look(struct run *r)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(r->db, "SELECT max(n) FROM txn", -1, &st, NULL);

    if (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
        int64_t n = sqlite3_column_int64(st, 0);
        if (n < r->acked || n > r->started)
            fail("newest transaction %lld, acknowledged %lld", (long long)n,
                 (long long)r->acked);
        r->acked = n;
        r->is_unsure = false;
    }
    int end = sqlite3_finalize(st);
    rc = rc != SQLITE_OK ? rc : end;
    if (rc != SQLITE_OK)
        expect_disk_error(r, rc, "SELECT max(n) FROM txn");
}

/* One transaction, which may fail. */
static void
try_commit(struct run *r)
{
    if (r->is_unsure)
        look(r);
    if (r->is_unsure)
        return;
    int64_t n = r->acked + 1;
    int rc = workload_begin(r->db, harness_seed, n, r->fault->flags);
    if (rc == SQLITE_OK) {
        r->started = n;
        rc = db_run(r->db, "COMMIT");
    }
    if (rc == SQLITE_OK) {
        r->acked = n;
        return;
    }
    expect_disk_error(r, rc, "a transaction");
    r->is_unsure = r->started == n;
    if (!sqlite3_get_autocommit(r->db) && db_run(r->db, "ROLLBACK") != 0)
        expect_disk_error(r, sqlite3_extended_errcode(r->db), "ROLLBACK");
}

/*
 * Reads need neither room nor syncs of moss's files.  (In a rollback mode
 * they may have to roll back a journal first, in SQLite's.)
 */
static void
check_reads(struct run *r)
{
    if (r->fault->layer != DISK_MOSS || r->is_unsure)
        return;
    char *moss = workload_dump(r->db, 'm');
    char *ordinary = workload_dump(r->db, 'o');
    workload_compare(r->model, r->acked, ordinary, moss, "reads");
    free(moss);
    free(ordinary);
}

static void
check_healed(struct run *r)
{
    r->acked = workload_check(r->db, r->model, r->acked, r->started, "healed");
    for (int i = 0; i < 3; i++) {
        int64_t n = r->acked + 1;
        int rc = workload_begin(r->db, harness_seed, n, r->fault->flags);
        if (rc == SQLITE_OK)
            rc = db_run(r->db, "COMMIT");
        if (rc != SQLITE_OK)
            fail("the disk is well, but a transaction gave %d: %s", rc,
                 sqlite3_errmsg(r->db));
        r->acked = r->started = n;
    }
    workload_check(r->db, r->model, r->acked, r->acked, "later");
    db_close(r->db);
    open_run(r);
    workload_check(r->db, r->model, r->acked, r->acked, "later");
    db_close(r->db);
}

/* Until the persister has met the fault or written what there is. */
static void
await_persister(struct run *r)
{
    long syncs = disk_count(DISK_MOSS, DISK_SYNC);
    uint64_t end = now_ms() + 1000;

    if (!(r->fault->layer & DISK_MOSS) || harness_plain)
        return;
    while (now_ms() < end && !disk_has_failed() &&
           disk_count(DISK_MOSS, DISK_SYNC) < syncs + 2)
        sqlite3_sleep(1);
}

static void
close_run(struct run *r)
{
    uint64_t start = now_ms();

    db_close(r->db);
    if (now_ms() - start > CLOSE_LIMIT_MS)
        fail("a close took %llu ms", (unsigned long long)(now_ms() - start));
}

/* Did the fault happen at all? */
static bool
run_once(const struct fault *fault, const char *journal, long nth,
         struct workload_model *model, long *errors)
{
    struct run r = { .fault = fault, .journal = journal, .model = model };

    snprintf(r.what, sizeof r.what, "--mode %s --only %s --nth %ld", journal,
             fault->name, nth);
    fail_while(r.what);
    make_empty_dir(path_of("%s/run", scratch_dir()));
    open_run(&r);
    db_must(r.db, "PRAGMA journal_mode=%s", journal);
    if (workload_setup(r.db, fault->flags) != SQLITE_OK)
        fail("setup: %s", sqlite3_errmsg(r.db));
    try_commit(&r);

    disk_fail(fault->layer, fault->ops, nth, fault->sys_errno, fault->sticky);
    for (int i = 0; i < 5; i++)
        try_commit(&r);
    await_persister(&r);
    for (int i = 0; i < 2; i++)
        try_commit(&r);
    check_reads(&r);
    close_run(&r);
    open_run(&r);
    for (int i = 0; i < 3; i++)
        try_commit(&r);
    bool tripped = disk_heal();
    check_healed(&r);
    *errors += r.errors;
    fail_while(NULL);
    return tripped;
}

static void
run_fault(const struct fault *fault, const char *journal)
{
    struct workload_model model;
    bool every = option_given("--every");
    long only = option_number("--nth", 0);
    long tried = 0, errors = 0, nth = only ? only : 1;
    uint64_t start = now_ms();

    workload_model_init(&model, harness_seed, fault->flags);
    /* Background work makes counts vary: end when two in turn pass. */
    for (int quiet = 0; quiet < 2;) {
        tried++;
        if (run_once(fault, journal, nth, &model, &errors))
            quiet = 0;
        else
            quiet++;
        if (only)
            break;
        nth += every ? 1 : 1 + nth / 3;
    }
    workload_model_release(&model);
    printf("%-18s %-6s %4ld places, %5ld errors seen, %.1f s\n", fault->name,
           journal, tried, errors, (double)(now_ms() - start) / 1000);
}

/*
 * While nothing can be persisted, commits gather in the log until that is
 * full.  Then COMMIT fails, what is there stays, and with room on the disk
 * the same commit goes through.
 */
static void
run_full_log(const char *journal)
{
    static const char insert[] =
        "BEGIN; INSERT INTO t SELECT count(*), zeroblob(60000) FROM o;"
        "INSERT INTO o SELECT count(*) FROM o; COMMIT";
    struct run r = { .journal = journal };
    int64_t n = 0;
    int rc = SQLITE_OK;

    make_empty_dir(path_of("%s/run", scratch_dir()));
    fail_while("the log fills up");
    open_run(&r);
    db_must(r.db, "PRAGMA journal_mode=%s; CREATE TABLE o(key)", journal);
    make_table(r.db, "t");
    disk_fail(DISK_MOSS, DISK_WRITE | DISK_NAME, 1, ENOSPC, true);
    for (; rc == SQLITE_OK && n < 2000; n++)
        rc = db_run(r.db, insert);
    if (rc == SQLITE_OK)
        fail("the log never filled up");
    n--;
    if ((rc & 0xff) != SQLITE_FULL && (rc & 0xff) != SQLITE_BUSY)
        fail("COMMIT gave %d: %s", rc, sqlite3_errmsg(r.db));
    if (strncmp(sqlite3_errmsg(r.db), "moss: ", 6) != 0)
        fail("COMMIT does not say why: %s", sqlite3_errmsg(r.db));
    if (!sqlite3_get_autocommit(r.db))
        db_must(r.db, "ROLLBACK");
    for (int healed = 0; healed < 2; healed++) {
        if (db_int(r.db, "SELECT count(*) FROM t") != n ||
            db_int(r.db, "SELECT count(*) FROM o") != n)
            fail("%lld commits, but %lld and %lld rows", (long long)n,
                 (long long)db_int(r.db, "SELECT count(*) FROM t"),
                 (long long)db_int(r.db, "SELECT count(*) FROM o"));
        if (healed == 0) {
            disk_heal();
            db_must(r.db, "%s", insert);
            n++;
            close_run(&r);
            open_run(&r);
        }
    }
    db_close(r.db);
    fail_while(NULL);
    printf("%-18s %-6s %4lld commits until the log was full\n", "full-log",
           journal, (long long)n);
}

/* What moss has said in SQLite's error log, one line each. */
static char *logged;
static sqlite3_mutex *logged_mutex;

static void
note_log(void *arg, int code, const char *text)
{
    (void)arg;
    if (strncmp(text, "moss: ", 6) != 0)
        return;
    sqlite3_mutex_enter(logged_mutex);
    text_append(&logged, "%d %s\n", code, text);
    sqlite3_mutex_leave(logged_mutex);
}

static void
forget_logged(void)
{
    sqlite3_mutex_enter(logged_mutex);
    free(logged);
    logged = NULL;
    sqlite3_mutex_leave(logged_mutex);
}

static void
expect_logged(int code, const char *words, int lines)
{
    char number[16];
    int n = 0;

    snprintf(number, sizeof number, "%d moss: ", code);
    sqlite3_mutex_enter(logged_mutex);
    for (const char *p = logged; p != NULL && *p != '\0'; p++)
        n += *p == '\n';
    if (n != lines || (n > 0 && (strncmp(logged, number, strlen(number)) != 0 ||
                                 strstr(logged, words) == NULL)))
        fail("the error log has not %d line of \"%s\", but: %s", lines, words,
             logged == NULL ? "nothing" : logged);
    sqlite3_mutex_leave(logged_mutex);
    forget_logged();
}

/*
 * Nobody waits for the persister, so the error log tells that it fails, once,
 * and that it works again.  A flush that fails has seen an attempt that began
 * after the one before it was reported.
 */
static void
run_error_log(void)
{
    static const char flush[] = "INSERT INTO t(t) VALUES('flush')";
    struct run r = { .journal = "wal" };

    make_empty_dir(path_of("%s/run", scratch_dir()));
    fail_while("the error log");
    open_run(&r);
    db_must(r.db, "PRAGMA journal_mode=wal");
    make_table(r.db, "t");
    db_must(r.db, "INSERT INTO t VALUES(1, 1)");
    db_must(r.db, "%s", flush);
    forget_logged(); /* of the cases before */
    for (int round = 0; round < 2; round++) {
        disk_fail(DISK_MOSS, DISK_WRITE | DISK_NAME, 1, ENOSPC, true);
        db_must(r.db, "INSERT INTO t VALUES('round', %d)", round);
        for (int i = 0; i < 3; i++) {
            if ((db_run(r.db, flush) & 0xff) != SQLITE_FULL)
                fail("flush: %s", sqlite3_errmsg(r.db));
        }
        expect_logged(SQLITE_FULL, "run/test.db-moss: MOSS_FULL", 1);
        disk_heal();
        for (int i = 0; i < 2; i++) {
            db_must(r.db, "UPDATE t SET value = value + 1");
            db_must(r.db, "%s", flush);
        }
        expect_logged(SQLITE_NOTICE, "works again", 1);
        db_must(r.db, "DELETE FROM t WHERE key = 'round'");
    }
    db_close(r.db);
    expect_logged(0, "", 0);
    fail_while(NULL);
    printf("error-log          wal\n");
}

int
main(int argc, char **argv)
{
    sqlite3_config(SQLITE_CONFIG_LOG, note_log, NULL);
    harness_start(argc, argv, "--every --mode --only --nth");
    logged_mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);
    const char *mode = option_text("--mode", "both");
    const char *only = option_text("--only", NULL);
    size_t runs = 0;

    crash_vfs_register();
    if (!harness_plain)
        moss_ext_set_os(crash_os());
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (only != NULL && strcmp(only, faults[i].name) != 0)
            continue;
        if (harness_plain && faults[i].layer == DISK_MOSS)
            continue;
        if (strcmp(mode, "delete") != 0) {
            run_fault(&faults[i], "wal");
            runs++;
        }
        if (strcmp(mode, "wal") != 0) {
            run_fault(&faults[i], "delete");
            runs++;
        }
    }
    bool log =
        !harness_plain && (only == NULL || strcmp(only, "full-log") == 0);
    for (int i = 0; log && i < 2; i++) {
        const char *journal = i == 0 ? "wal" : "delete";
        if (strcmp(mode, "both") == 0 || strcmp(mode, journal) == 0) {
            run_full_log(journal);
            runs++;
        }
    }
    if (!harness_plain && strcmp(mode, "delete") != 0 &&
        (only == NULL || strcmp(only, "error-log") == 0)) {
        run_error_log();
        runs++;
    }
    if (runs == 0)
        fail("no such case or mode");
    printf("nothing was lost, everything recovered\n");
    return 0;
}
