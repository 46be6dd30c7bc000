/*
 * A flush on a slow disk: it concerns what there was when it was given, and
 * comes to an end, beside another connection that writes to the store all the
 * time, and with a disk that takes its time to fail.
 *
 * While it waits, no sync ends before it has looked for interrupts once more;
 * with a writer, before that has committed and it has looked after that.  A
 * flush that begins anew each time it looks would wait until run.sh ends the
 * program.
 */
#include <pthread.h>
#include <stdio.h>

#include "moss.h"
#include "support/harness.h"

static struct {
    pthread_mutex_t mu;
    pthread_cond_t changed;
    bool is_flushing; /* else syncs are as usual */
    bool has_writer;
    bool fails; /* each sync */
    long commits, looks, slow_syncs;
} now = { .mu = PTHREAD_MUTEX_INITIALIZER,
          .changed = PTHREAD_COND_INITIALIZER };

static void
count(long *what)
{
    pthread_mutex_lock(&now.mu);
    ++*what;
    pthread_cond_broadcast(&now.changed);
    pthread_mutex_unlock(&now.mu);
}

/* Wait until it has grown, or the flush is over. */
static void
wait_for_more_locked(const long *what)
{
    long before = *what;

    while (now.is_flushing && *what == before)
        pthread_cond_wait(&now.changed, &now.mu);
}

/* ---------------------------------------------------------------- the disk */

static struct moss_os_ops os_ops;
static struct moss_os slow_os = { .ops = &os_ops };
static const struct moss_file_ops *file_ops;
static struct moss_file_ops slow_ops;

static enum moss_status
slow_sync(struct moss_file *f)
{
    bool fails;

    pthread_mutex_lock(&now.mu);
    now.slow_syncs += now.is_flushing;
    if (now.has_writer)
        wait_for_more_locked(&now.commits);
    wait_for_more_locked(&now.looks);
    fails = now.fails;
    pthread_mutex_unlock(&now.mu);
    return fails ? MOSS_FULL : file_ops->sync(f);
}

static enum moss_status
slow_open(struct moss_os *os, const char *path, unsigned flags,
          struct moss_file **out)
{
    struct moss_os *posix = moss_os_posix();
    enum moss_status st = posix->ops->open(posix, path, flags, out);

    (void)os;
    if (st == MOSS_OK)
        (*out)->ops = &slow_ops;
    return st;
}

static void
make_disk_slow(void)
{
    struct moss_os *posix = moss_os_posix();
    struct moss_file *f;

    if (posix->ops->open(posix, path_of("%s/file", scratch_dir()),
                         MOSS_OPEN_WRITE | MOSS_OPEN_CREATE, &f) != MOSS_OK)
        fail("a file cannot be made");
    file_ops = f->ops;
    f->ops->close(f);
    slow_ops = *file_ops;
    slow_ops.sync = slow_sync;
    os_ops = *posix->ops;
    os_ops.open = slow_open;
    moss_ext_set_os(&slow_os);
}

/* --------------------------------------------------------------- the flush */

static int
note_look(void *arg)
{
    (void)arg;
    count(&now.looks);
    return 0;
}

static void
set(bool *what, bool value)
{
    pthread_mutex_lock(&now.mu);
    *what = value;
    pthread_cond_broadcast(&now.changed);
    pthread_mutex_unlock(&now.mu);
}

/* The persister may go on with what was written since. */
static bool
has_synced(void)
{
    bool has;

    pthread_mutex_lock(&now.mu);
    has = now.slow_syncs > 0;
    pthread_mutex_unlock(&now.mu);
    return has;
}

static int
flush(sqlite3 *db)
{
    int rc;

    sqlite3_progress_handler(db, 1, note_look, NULL);
    rc = db_run(db, "INSERT INTO t(t) VALUES('flush')");
    sqlite3_progress_handler(db, 0, NULL, NULL);
    set(&now.is_flushing, false);
    return rc;
}

static void
must(enum moss_status st)
{
    if (st != MOSS_OK)
        fail("the library: %s", moss_status_name(st));
}

/* A store that no database has made, and that none owns. */
static void
make_store(const char *dir)
{
    struct moss_store *store;
    struct moss_collection *c;
    struct moss_lower *lower;
    struct moss_batch *batch;

    must(moss_store_open(dir, NULL, &store, NULL));
    must(moss_store_lower(store, &lower));
    must(moss_collection_open(NULL, lower, &c));
    moss_store_close(store);
    must(moss_batch_new(0, 0, &batch));
    must(moss_batch_set(batch, moss_str("key"), moss_str("value")));
    must(moss_collection_execute(c, batch));
    moss_batch_free(batch);
    must(moss_collection_close(c, MOSS_FOREVER, NULL));
}

/*
 * A database has SQLite's write lock during a flush.  So the tables over the
 * store are those of two temp databases, which do not become its home.
 */
static sqlite3 *
open_temp(const char *store)
{
    sqlite3 *db = db_open("", NULL);

    db_must(db,
            "CREATE VIRTUAL TABLE temp.t USING moss(store='%s', codec=raw,"
            " durability='async')",
            store);
    return db;
}

static void *
write_on(void *db)
{
    bool goes_on;

    do {
        db_must(db, "INSERT INTO t VALUES(CAST((SELECT count(*) FROM t) AS"
                    " BLOB), x'01')");
        count(&now.commits);
        pthread_mutex_lock(&now.mu);
        goes_on = now.is_flushing;
        pthread_mutex_unlock(&now.mu);
    } while (goes_on);
    return NULL;
}

static void
test_writer(void)
{
    const char *store = path_of("%s/store", scratch_dir());
    sqlite3 *db, *other;
    pthread_t writer;
    int rc;

    make_store(store);
    db = open_temp(store);
    other = open_temp(store);
    db_must(db, "INSERT INTO t VALUES(x'02', x'02')");
    set(&now.has_writer, true);
    set(&now.is_flushing, true);
    if (pthread_create(&writer, NULL, write_on, other) != 0)
        fail("pthread_create");
    rc = flush(db);
    (void)pthread_join(writer, NULL);
    if (rc != SQLITE_OK)
        fail("flush beside a writer: %d, %s", rc, sqlite3_errmsg(db));
    if (!has_synced())
        fail("nothing was synced meanwhile");
    if (db_int(db, "SELECT count(*) FROM t") != now.commits + 2)
        fail("the rows are not all there");
    db_close(db);
    db_close(other);
    set(&now.has_writer, false);
}

static void
test_failure(void)
{
    sqlite3 *db = db_open(path_of("%s/test.db", scratch_dir()), NULL);
    int rc;

    db_must(db, "CREATE VIRTUAL TABLE t USING moss;"
                "INSERT INTO t VALUES(1, 'one')");
    set(&now.fails, true);
    set(&now.is_flushing, true);
    rc = flush(db);
    set(&now.fails, false);
    if (rc != SQLITE_FULL)
        fail("flush to a full disk: %d, %s", rc, sqlite3_errmsg(db));
    db_must(db, "INSERT INTO t(t) VALUES('flush')");
    db_close(db);
}

int
main(int argc, char **argv)
{
    harness_start(argc, argv, "");
    if (harness_plain)
        fail("ordinary tables have no commands");
    make_disk_slow();
    test_writer();
    test_failure();
    printf("flushes end beside %ld commits, and %ld slow syncs\n", now.commits,
           now.slow_syncs);
    return 0;
}
