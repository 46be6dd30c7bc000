/*
 * One process at a time: while one process holds a store, another one that
 * wants it gets SQLITE_BUSY with a message that says why; ordinary tables of
 * the same database stay usable.  When the first process closes or dies, the
 * second one can go on, on the same connection.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/harness.h"

enum { TO_PARENT = 3, FROM_PARENT = 4 };

/*
 * The child: runs each line it gets as SQL and answers with one line, the
 * code, and the message or the first value.  End of input closes.
 */
static void
be_child(void)
{
    FILE *in = fdopen(FROM_PARENT, "r");
    FILE *out = fdopen(TO_PARENT, "w");
    sqlite3 *db = db_open(option_text("--db", ""), NULL);
    char line[1000];

    sqlite3_busy_timeout(db, 0);
    if (in == NULL || out == NULL)
        fail("fdopen: %s", strerror(errno));
    while (fgets(line, sizeof line, in) != NULL) {
        char *rows = NULL;
        text_append(&rows, "%s", "");
        int rc = db_rows(db, line, &rows);
        for (char *p = rows; *p; p++)
            if (*p == '\n')
                *p = ' ';
        fprintf(out, "%d %s\n", rc,
                rc == SQLITE_OK ? rows : sqlite3_errmsg(db));
        fflush(out);
        free(rows);
    }
    db_close(db);
    fclose(in);
    fclose(out);
}

struct child {
    pid_t pid;
    FILE *to, *from;
    char answer[1000];
};

static void
start(struct child *c, const char *db)
{
    int up[2], down[2];
    char seed[32];

    snprintf(seed, sizeof seed, "%llu", (unsigned long long)harness_seed);
    if (pipe(up) != 0 || pipe(down) != 0)
        fail("pipe: %s", strerror(errno));
    fflush(stdout);
    c->pid = fork();
    if (c->pid < 0)
        fail("fork: %s", strerror(errno));
    if (c->pid == 0) {
        /* Out of the way of the two numbers first. */
        int out = dup(up[1]), in = dup(down[0]);
        for (int fd = 3; fd < 64; fd++)
            if (fd != out && fd != in)
                close(fd);
        int high_out = dup2(out, 100), high_in = dup2(in, 101);
        if (dup2(high_out, TO_PARENT) < 0 || dup2(high_in, FROM_PARENT) < 0)
            _exit(126);
        for (int fd = 5; fd <= 101; fd++)
            close(fd);
        if (freopen("/dev/null", "w", stdout) == NULL)
            _exit(126);
        execl("/proc/self/exe", "procs", "--child", "--db", db, "--seed", seed,
              "--tables", harness_plain ? "plain" : "moss", (char *)NULL);
        _exit(127);
    }
    close(up[1]);
    close(down[0]);
    c->from = fdopen(up[0], "r");
    c->to = fdopen(down[1], "w");
    if (c->from == NULL || c->to == NULL)
        fail("fdopen: %s", strerror(errno));
}

/* The child's answer to sql; the code. */
static int
ask(struct child *c, const char *sql)
{
    fprintf(c->to, "%s\n", sql);
    fflush(c->to);
    if (fgets(c->answer, sizeof c->answer, c->from) == NULL)
        fail("%s\n  ended the child", sql);
    return atoi(c->answer);
}

static void
expect(struct child *c, const char *sql, const char *answer)
{
    (void)ask(c, sql);
    c->answer[strcspn(c->answer, "\n")] = '\0';
    if (strcmp(c->answer, answer) != 0)
        fail("%s\n  gave %s\n  instead of %s", sql, c->answer, answer);
}

/* SQLITE_BUSY, and a message that is more than SQLite's own. */
static void
expect_held(struct child *c, const char *sql)
{
    int rc = ask(c, sql);

    if ((rc & 0xff) != SQLITE_BUSY)
        fail("%s\n  of a second process gave %s", sql, c->answer);
    if (strstr(c->answer, "process") == NULL)
        fail("%s\n  of a second process does not say why: %s", sql, c->answer);
}

static void
stop(struct child *c, bool by_force)
{
    int status;

    if (by_force)
        kill(c->pid, SIGKILL);
    fclose(c->to);
    if (waitpid(c->pid, &status, 0) != c->pid)
        fail("waitpid: %s", strerror(errno));
    fclose(c->from);
    if (!by_force && status != 0)
        fail("a child failed, status %d", status);
}

static void
run_mode(const char *journal, bool by_force)
{
    const char *path = path_of("%s/%s%d.db", scratch_dir(), journal, by_force);
    struct child a, b;
    char *db = NULL;

    text_append(&db, "%s", path);
    start(&a, db);
    start(&b, db);
    expect(&a, path_of("PRAGMA journal_mode = %s", journal),
           path_of("0 '%s' ", journal));
    expect(&a, "CREATE TABLE o(x)", "0 ");
    expect(&a, path_of(create_sql(harness_plain), "t"), "0 ");
    expect(&a, "INSERT INTO t VALUES(1, 'of a')", "0 ");

    expect(&b, "SELECT count(*) FROM o", "0 0 ");
    expect(&b, "INSERT INTO o VALUES(1)", "0 ");
    if (harness_plain) {
        expect(&b, "SELECT * FROM t", "0 1|'of a' ");
    } else {
        expect_held(&b, "SELECT * FROM t");
        expect_held(&b, "INSERT INTO t VALUES(2, 'of b')");
        expect_held(&b, "SELECT * FROM t WHERE key = 1");
        expect(&b, "BEGIN", "0 ");
        expect(&b, "INSERT INTO o VALUES(2)", "0 ");
        expect_held(&b, "DELETE FROM t");
        expect(&b, "COMMIT", "0 ");
    }
    expect(&a, "INSERT INTO t VALUES(3, 'of a again')", "0 ");
    expect(&a, "SELECT count(*) FROM o", harness_plain ? "0 1 " : "0 2 ");

    stop(&a, by_force);
    expect(&b, "SELECT * FROM t", "0 1|'of a' 3|'of a again' ");
    expect(&b, "INSERT INTO t VALUES(4, 'of b')", "0 ");

    start(&a, db);
    expect(&a, "SELECT count(*) FROM o", harness_plain ? "0 1 " : "0 2 ");
    if (!harness_plain)
        expect_held(&a, "SELECT * FROM t");
    stop(&b, by_force);
    expect(&a, "SELECT key FROM t", "0 1 3 4 ");
    expect(&a, "DROP TABLE t", "0 ");
    stop(&a, false);
    free(db);
    printf("%s, first process %s: the second one waits its turn\n", journal,
           by_force ? "killed" : "closed");
}

/*
 * A table with readonly=true is read beside the process that writes, at every
 * state, also when the log has gone around since it was read last.
 */
static void
run_reader(const char *journal)
{
    const char *path = path_of("%s/%s-reader.db", scratch_dir(), journal);
    struct child a, b;
    char *db = NULL, *collection = NULL;

    text_append(&db, "%s", path);
    start(&a, db);
    start(&b, db);
    expect(&a, path_of("PRAGMA journal_mode = %s", journal),
           path_of("0 '%s' ", journal));
    expect(&a, path_of(create_sql(false), "t"), "0 ");
    expect(&a, "INSERT INTO t VALUES(1, 'of a')", "0 ");
    if (ask(&a, "SELECT object FROM _moss_catalog WHERE name = 't'") != 0)
        fail("the catalog: %s", a.answer);
    text_append(&collection, "%s", a.answer + 2);
    collection[strcspn(collection, "\n")] = '\0';
    expect(&a,
           path_of("CREATE VIRTUAL TABLE r USING moss(readonly=true,"
                   " collection=%s)",
                   collection),
           "0 ");
    expect(&b, "SELECT * FROM r", "0 1|'of a' ");
    expect(&a, "INSERT INTO t VALUES(2, 'more')", "0 ");
    expect(&b, "SELECT * FROM r", "0 1|'of a' 2|'more' ");
    /* Twice what the log can hold. */
    for (int i = 0; i < 40; i++)
        expect(&a, "REPLACE INTO t VALUES(3, randomblob(200000))", "0 ");
    expect(&a, "UPDATE t SET value = 'newest' WHERE key = 3", "0 ");
    expect(&b, "SELECT * FROM r", "0 1|'of a' 2|'more' 3|'newest' ");
    expect_held(&b, "INSERT INTO t VALUES(4, 'of b')");
    expect(&b, "DELETE FROM r",
           "8 moss: table r was declared with readonly=true");
    stop(&a, true);
    expect(&b, "SELECT count(*) FROM r", "0 3 ");
    expect(&b, "INSERT INTO t VALUES(4, 'of b')", "0 ");
    expect(&b, "SELECT count(*) FROM r", "0 4 ");
    stop(&b, false);
    free(collection);
    free(db);
    printf("%s: read beside the process that writes\n", journal);
}

int
main(int argc, char **argv)
{
    harness_start(argc, argv, "--child --db");
    if (option_given("--child")) {
        be_child();
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!harness_plain) {
        run_reader("wal");
        run_reader("delete");
    }
    run_mode("wal", false);
    run_mode("wal", true);
    run_mode("delete", false);
    run_mode("delete", true);
    return 0;
}
