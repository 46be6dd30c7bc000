/*
 * A database and its store on media that cannot be written: rows are read, as
 * they were when the process that wrote them ended, whether it closed the
 * database or was killed before it had persisted them; a change is
 * SQLITE_READONLY; nothing is made or changed there.
 *
 *     readonly_media [--seed N]
 *
 * The reader is a process without root's rights; only directories and files
 * that it may not write make that of them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/harness.h"

enum { NOBODY = 65534 };

#define IN(name) path_of("%s/run/%s", scratch_dir(), name)

/* Run body in a process of its own; its status. */
static int
in_child(void (*body)(const char *db), const char *db)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid < 0)
        fail("fork: %s", strerror(errno));
    if (pid == 0) {
        body(db);
        fflush(stdout);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid: %s", strerror(errno));
    return status;
}

static void
write_rows(const char *path)
{
    sqlite3 *db = db_open(path, NULL);

    db_must(db, path_of(create_sql(harness_plain), "t"));
    db_must(db, "INSERT INTO t VALUES(1, 'one'), (2, 'two')");
    db_must(db, "UPDATE t SET value = 'II' WHERE key = 2");
    db_must(db, "INSERT INTO t VALUES(3, 'three')");
    db_close(db);
}

static void
write_and_die(const char *path)
{
    sqlite3 *db = db_open(path, NULL);

    db_must(db, path_of(create_sql(harness_plain), "t"));
    db_must(db, "INSERT INTO t VALUES(1, 'one'), (2, 'two')");
    db_must(db, "UPDATE t SET value = 'II' WHERE key = 2");
    db_must(db, "INSERT INTO t VALUES(3, 'three')");
    kill(getpid(), SIGKILL);
}

/* Take away the right to write everything below the directory. */
static void
forbid_writing(void)
{
    if (system(path_of("chmod -R a-w,a+rX %s/run && chmod a+rx %s",
                       scratch_dir(), scratch_dir())) != 0)
        fail("chmod");
}

static void
allow_writing(void)
{
    if (system(path_of("chmod -R u+w %s/run", scratch_dir())) != 0)
        fail("chmod");
}

/* What is there, with sizes and times. */
static char *
listing(void)
{
    FILE *f = popen(path_of("cd %s/run && find . -printf '%%p %%s %%T@\\n' |"
                            " sort && find . -type f | sort | xargs cksum",
                            scratch_dir()),
                    "r");
    char *text = NULL, line[1000];

    if (f == NULL)
        fail("popen: %s", strerror(errno));
    text_append(&text, "%s", "");
    while (fgets(line, sizeof line, f) != NULL)
        text_append(&text, "%s", line);
    if (pclose(f) != 0)
        fail("find");
    return text;
}

static void
expect_readonly(sqlite3 *db, const char *sql)
{
    char *rows = NULL;
    int rc = db_rows(db, sql, &rows);

    if ((rc & 0xff) != SQLITE_READONLY)
        fail("%s gave %d: %s", sql, rc, sqlite3_errmsg(db));
    free(rows);
}

static void
read_rows(const char *path)
{
    sqlite3 *db;
    char *rows;

    if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
        fail("setuid: %s", strerror(errno));
    db = db_open(path, NULL);
    for (int i = 0; i < 2; i++) {
        rows = db_text(db, "SELECT * FROM t ORDER BY key DESC");
        if (strcmp(rows, "3|'three'\n2|'II'\n1|'one'\n") != 0)
            fail("the rows are\n%s", rows);
        free(rows);
        if (db_int(db, "SELECT value = 'II' FROM t WHERE key = 2") != 1)
            fail("the row of key 2");
        expect_readonly(db, "INSERT INTO t VALUES(4, 'four')");
        expect_readonly(db, "DELETE FROM t");
        expect_readonly(db, "DROP TABLE t");
    }
    db_close(db);
}

static void
run(const char *what, const char *options, bool killed)
{
    char *db = NULL, *uri = NULL, *before, *after;
    int status;

    make_empty_dir(path_of("%s/run", scratch_dir()));
    text_append(&db, "%s", IN("a.db"));
    text_append(&uri, "file:%s%s", db, options);
    status = in_child(killed ? write_and_die : write_rows, db);
    if (status != (killed ? SIGKILL : 0))
        fail("the writer ended with status %d", status);
    forbid_writing();
    before = listing();
    status = in_child(read_rows, uri);
    if (status != 0)
        fail("%s: the reader failed", what);
    after = listing();
    if (strcmp(before, after) != 0)
        fail("%s: something has changed:\n%s\n%s", what, before, after);
    /* It goes on where it can be written again. */
    allow_writing();
    sqlite3 *again = db_open(db, NULL);
    db_must(again, "INSERT INTO t VALUES(4, 'four')");
    if (db_int(again, "SELECT count(*) FROM t") != 4)
        fail("%s: not four rows afterwards", what);
    db_close(again);
    free(before);
    free(after);
    free(uri);
    free(db);
    printf("%s: read, and left as it was\n", what);
}

int
main(int argc, char **argv)
{
    harness_start(argc, argv, "");
    run("closed", "?mode=ro", false);
    run("closed, as it is opened by default", "", false);
    run("closed, immutable", "?immutable=1", false);
    run("killed", "?mode=ro", true);
    return 0;
}
