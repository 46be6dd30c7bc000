/*
 * Large transactions in bounded memory: random keys of 20 bytes with values of
 * 100 bytes, inserted in one transaction or in several, while a thread
 * watches how much memory the process takes that is not a file's.  --small
 * takes random integers and values of 8 bytes instead, in a table with rowids:
 * 100 million rows then go into 3 GB.
 *
 *   bigtx [--rows N] [--batch N] [--small 1]
 *
 * One transaction may take what its rows have, 80 bytes a row to find and
 * sort them, and 64 MiB; transactions of --batch rows what one of them may,
 * however many there are, and what the store lets gather.  Then all rows are
 * checked, also after opening the database again.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

enum { KEY_BYTES = 20, VALUE_BYTES = 100, SMALL_BYTES = 8, INDEX_BYTES = 80 };

#define ROOM_BYTES (64l << 20)
/* What may be published and not be in the store yet; the merger's copy. */
#define DIRTY_BYTES (512l << 20)

/* A sanitizer's own memory counts as well. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_OWN_MEMORY 1
#else
#define HAS_OWN_MEMORY 0
#endif

static bool is_small;
static atomic_long peak;
static atomic_bool stop;

static long
memory_now(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;

    if (f == NULL)
        fail("/proc/self/status cannot be read");
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "RssAnon: %ld", &kib) == 1)
            break;
    (void)fclose(f);
    if (kib < 0)
        fail("/proc/self/status does not say how much memory there is");
    return kib << 10;
}

static void *
watch(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        long now = memory_now();

        if (now > atomic_load(&peak))
            atomic_store(&peak, now);
        sqlite3_sleep(2);
    }
    return NULL;
}

/* After so many rows. */
static void
report(const char *what, long rows, long before, uint64_t began)
{
    long now = memory_now();

    printf("%9ld rows, %-14s %7.2f s  now %8.1f MiB, %6.1f bytes a row; at "
           "most %8.1f MiB,"
           " %6.1f bytes a row\n",
           rows, what, (double)(now_ms() - began) / 1000,
           (double)now / (1 << 20), (double)(now - before) / (double)rows,
           (double)atomic_load(&peak) / (1 << 20),
           (double)(atomic_load(&peak) - before) / (double)rows);
}

/* A bijection of i, so that no key comes twice. */
static uint64_t
number_of(long i)
{
    uint64_t x = (uint64_t)i * 0x9e3779b97f4a7c15u;

    x ^= x >> 32;
    return x * 0xd6e8feb86659fd93u;
}

/* Make the statement's first parameter row i's key. */
static void
bind_key(sqlite3_stmt *stmt, long i)
{
    uint64_t x = number_of(i);
    char key[KEY_BYTES + 1];

    if (is_small) {
        (void)sqlite3_bind_int64(stmt, 1, (sqlite3_int64)x);
        return;
    }
    (void)snprintf(key, sizeof key, "%016llx%04llx", (unsigned long long)x,
                   (unsigned long long)i & 0xffff);
    (void)sqlite3_bind_text(stmt, 1, key, KEY_BYTES, SQLITE_TRANSIENT);
}

static void
insert(sqlite3_stmt *stmt, long i)
{
    char value[VALUE_BYTES + 1];
    int bytes = is_small ? SMALL_BYTES : VALUE_BYTES;

    bind_key(stmt, i);
    (void)snprintf(value, sizeof value, "%0*ld", bytes, i);
    (void)sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        fail("row %ld: %s", i, sqlite3_errmsg(sqlite3_db_handle(stmt)));
    (void)sqlite3_reset(stmt);
}

static void
check(sqlite3 *db, long rows)
{
    int64_t sum = (int64_t)rows * (rows - 1) / 2;
    sqlite3_stmt *stmt;

    if (db_int(db, "SELECT count(*) FROM t") != rows ||
        db_int(db, "SELECT sum(CAST(value AS INTEGER)) FROM t") != sum)
        fail("rows are missing");
    if (sqlite3_prepare_v2(db, "SELECT value FROM t WHERE key = ?", -1, &stmt,
                           NULL))
        fail("%s", sqlite3_errmsg(db));
    for (long i = 0; i < rows; i += 1 + rows / 1000) {
        bind_key(stmt, i);
        if (sqlite3_step(stmt) != SQLITE_ROW ||
            sqlite3_column_int64(stmt, 0) != i)
            fail("row %ld has another value", i);
        (void)sqlite3_reset(stmt);
    }
    (void)sqlite3_finalize(stmt);
}

static void
load(sqlite3 *db, long rows, long batch)
{
    sqlite3_stmt *stmt;
    uint64_t began = now_ms();
    long before = memory_now(), told = 1000000;

    if (sqlite3_prepare_v2(db, "INSERT INTO t VALUES(?, ?)", -1, &stmt, NULL))
        fail("%s", sqlite3_errmsg(db));
    for (long i = 0; i < rows;) {
        long end = i + batch < rows ? i + batch : rows;

        db_must(db, "BEGIN");
        for (; i < end; i++)
            insert(stmt, i);
        if (rows == batch)
            report("before COMMIT", rows, before, began);
        db_must(db, "COMMIT");
        if (i >= told && i < rows) {
            report("COMMIT", i, before, began);
            told *= 10;
        }
    }
    (void)sqlite3_finalize(stmt);
    report("COMMIT", rows, before, began);
}

static void
run(long rows, long batch)
{
    long one = batch * (KEY_BYTES + VALUE_BYTES + INDEX_BYTES) + ROOM_BYTES;
    long limit = memory_now() + one + (batch < rows ? DIRTY_BYTES : 0);
    pthread_t watcher;
    sqlite3 *db;

    printf("%ld rows in transactions of %ld\n", rows, batch);
    make_empty_dir(path_of("%s/run", scratch_dir()));
    db = db_open(path_of("%s/run/test.db", scratch_dir()), NULL);
    db_must(db, "PRAGMA journal_mode=wal; PRAGMA synchronous=normal");
    if (!is_small)
        make_table(db, "t");
    else if (harness_plain)
        db_must(db, "CREATE TABLE t(key INTEGER PRIMARY KEY, value TEXT)");
    else
        db_must(db, "CREATE VIRTUAL TABLE t USING "
                    "moss(key INTEGER PRIMARY KEY, value TEXT)");
    atomic_store(&peak, 0);
    atomic_store(&stop, false);
    if (pthread_create(&watcher, NULL, watch, NULL) != 0)
        fail("no thread");
    load(db, rows, batch);
    atomic_store(&stop, true);
    (void)pthread_join(watcher, NULL);
    check(db, rows);
    db_close(db);
    db = db_open(path_of("%s/run/test.db", scratch_dir()), NULL);
    check(db, rows);
    db_close(db);
    if (!harness_plain && !HAS_OWN_MEMORY && atomic_load(&peak) > limit)
        fail("%ld MiB of memory, %ld were allowed", atomic_load(&peak) >> 20,
             limit >> 20);
}

int
main(int argc, char **argv)
{
    long rows, batch;

    harness_start(argc, argv, "--rows --batch --small");
    rows = option_number("--rows", 300000);
    batch = option_number("--batch", rows);
    is_small = option_number("--small", 0) != 0;
    run(rows, batch);
    if (!option_given("--rows"))
        run(rows, 20000);
    printf("large transactions: the most memory was %ld MiB\n",
           atomic_load(&peak) >> 20);
    return 0;
}
