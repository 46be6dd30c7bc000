/*
 * Arguments, random numbers, scratch directories, SQLite helpers.  Used by
 * programs whose failures end the process, so nothing here returns errors
 * unless a caller has to look at them.
 */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

uint64_t harness_seed;
bool harness_plain;

static int arg_count;
static char **args;
static const char *doing_now;
static char scratch[512];
static pid_t scratch_owner;

/* ----------------------------------------------------------- arguments */

static bool
is_known(const char *names, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = names; *p;) {
        size_t len = strcspn(p, " ");
        if (len == n && memcmp(p, name, n) == 0)
            return true;
        p += len;
        p += strspn(p, " ");
    }
    return false;
}

void
harness_start(int argc, char **argv, const char *names)
{
    arg_count = argc;
    args = argv;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0)
            continue;
        if (!is_known(names, argv[i]) && !is_known("--tables --seed", argv[i]))
            fail("unknown option %s; known: --tables --seed %s", argv[i],
                 names);
    }
    const char *tables = option_text("--tables", "moss");
    if (strcmp(tables, "moss") != 0 && strcmp(tables, "plain") != 0)
        fail("--tables is moss or plain, not %s", tables);
    harness_plain = strcmp(tables, "plain") == 0;
    harness_seed = (uint64_t)option_number("--seed", 1);
    printf("seed %llu, %s tables\n", (unsigned long long)harness_seed, tables);
}

const char *
option_text(const char *name, const char *otherwise)
{
    for (int i = 1; i + 1 < arg_count; i++)
        if (strcmp(args[i], name) == 0)
            return args[i + 1];
    return otherwise;
}

long
option_number(const char *name, long otherwise)
{
    const char *text = option_text(name, NULL);
    char *end;

    if (text == NULL)
        return otherwise;
    long n = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0')
        fail("%s wants a number, not %s", name, text);
    return n;
}

bool
option_given(const char *name)
{
    for (int i = 1; i < arg_count; i++)
        if (strcmp(args[i], name) == 0)
            return true;
    return false;
}

void
fail_while(const char *doing)
{
    doing_now = doing;
}

void
fail(const char *format, ...)
{
    va_list ap;

    fflush(stdout);
    fprintf(stderr, "FAILED (seed %llu): ", (unsigned long long)harness_seed);
    if (doing_now != NULL)
        fprintf(stderr, "%s:\n  ", doing_now);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    if (scratch[0] != '\0' && scratch_owner == getpid())
        fprintf(stderr, "files are in %s\n", scratch);
    scratch[0] = '\0';
    fflush(stderr);
    /* Threads may still run: no exit handlers. */
    _exit(1);
}

/* ------------------------------------------------------ random numbers */

uint64_t
rng_next(struct rng *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct rng
rng_of(uint64_t seed, uint64_t n)
{
    struct rng r = { seed };

    r.state = rng_next(&r) ^ (n * UINT64_C(0xd1342543de82ef95));
    rng_next(&r);
    return r;
}

unsigned
rng_below(struct rng *r, unsigned n)
{
    return (unsigned)((rng_next(r) >> 33) % n);
}

/* ---------------------------------------------------------- directories */

static void
remove_scratch(void)
{
    if (scratch[0] != '\0' && scratch_owner == getpid())
        remove_tree(scratch);
}

const char *
scratch_dir(void)
{
    const char *base = getenv("TMPDIR");
    char template[256];

    if (scratch[0] != '\0')
        return scratch;
    snprintf(template, sizeof template, "%s/moss-test-XXXXXX",
             base != NULL && *base != '\0' ? base : "/tmp");
    if (mkdtemp(template) == NULL)
        fail("mkdtemp %s: %s", template, strerror(errno));
    char *real = realpath(template, NULL);
    if (real == NULL)
        fail("realpath %s: %s", template, strerror(errno));
    snprintf(scratch, sizeof scratch, "%s", real);
    free(real);
    scratch_owner = getpid();
    atexit(remove_scratch);
    return scratch;
}

void
remove_tree(const char *path)
{
    struct stat sb;

    if (lstat(path, &sb) != 0)
        return;
    if (S_ISDIR(sb.st_mode)) {
        DIR *d = opendir(path);
        if (d == NULL)
            fail("opendir %s: %s", path, strerror(errno));
        for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
            char *child = NULL;
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
                continue;
            text_append(&child, "%s/%s", path, e->d_name);
            remove_tree(child);
            free(child);
        }
        closedir(d);
        if (rmdir(path) != 0)
            fail("rmdir %s: %s", path, strerror(errno));
    } else if (unlink(path) != 0) {
        fail("unlink %s: %s", path, strerror(errno));
    }
}

void
make_empty_dir(const char *path)
{
    remove_tree(path);
    if (mkdir(path, 0777) != 0)
        fail("mkdir %s: %s", path, strerror(errno));
}

void
copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    char buf[65536];

    if (in == NULL || out == NULL)
        fail("copy %s to %s: %s", from, to, strerror(errno));
    size_t n = fread(buf, 1, sizeof buf, in);
    while (n > 0) {
        if (fwrite(buf, 1, n, out) != n)
            fail("write %s: %s", to, strerror(errno));
        n = fread(buf, 1, sizeof buf, in);
    }
    if (ferror(in) || fclose(out) != 0)
        fail("copy %s to %s: %s", from, to, strerror(errno));
    fclose(in);
}

void
copy_tree(const char *from, const char *to)
{
    DIR *d = opendir(from);

    if (d == NULL)
        fail("opendir %s: %s", from, strerror(errno));
    make_empty_dir(to);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        char *a = NULL, *b = NULL;
        struct stat sb;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        text_append(&a, "%s/%s", from, e->d_name);
        text_append(&b, "%s/%s", to, e->d_name);
        if (lstat(a, &sb) != 0)
            fail("stat %s: %s", a, strerror(errno));
        if (S_ISDIR(sb.st_mode))
            copy_tree(a, b);
        else
            copy_file(a, b);
        free(a);
        free(b);
    }
    closedir(d);
}

bool
file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

const char *
path_of(const char *format, ...)
{
    static _Thread_local char paths[4][1024];
    static _Thread_local unsigned turn;
    char *path = paths[turn++ % 4];
    va_list ap;

    va_start(ap, format);
    vsnprintf(path, sizeof paths[0], format, ap);
    va_end(ap);
    return path;
}

uint64_t
now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* -------------------------------------------------------------- SQLite */

void
db_load(sqlite3 *db)
{
    char *err = NULL;

    if (harness_plain)
        return;
    int rc = sqlite3_moss_init(db, &err, NULL);
    if (rc != SQLITE_OK)
        fail("sqlite3_moss_init: %d %s", rc, err ? err : "");
}

sqlite3 *
db_open(const char *path, const char *vfs)
{
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI;
    int rc = sqlite3_open_v2(path, &db, flags, vfs);

    if (rc != SQLITE_OK)
        fail("open %s: %s", path, sqlite3_errmsg(db));
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, 10000);
    db_load(db);
    return db;
}

void
db_close(sqlite3 *db)
{
    int rc = sqlite3_close(db);

    if (rc != SQLITE_OK)
        fail("sqlite3_close: %d %s", rc, sqlite3_errmsg(db));
}

int
db_run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

void
db_must(sqlite3 *db, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    char *sql = sqlite3_vmprintf(format, ap);
    va_end(ap);
    int rc = db_run(db, sql);
    if (rc != SQLITE_OK)
        fail("%s\n  gave %d: %s", sql, rc, sqlite3_errmsg(db));
    sqlite3_free(sql);
}

int64_t
db_int(sqlite3 *db, const char *format, ...)
{
    sqlite3_stmt *st = NULL;
    va_list ap;

    va_start(ap, format);
    char *sql = sqlite3_vmprintf(format, ap);
    va_end(ap);
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc != SQLITE_ROW)
        fail("%s\n  gave %d: %s", sql, rc, sqlite3_errmsg(db));
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_free(sql);
    return n;
}

sqlite3_stmt *
db_prepared(sqlite3 *db, const char *format, ...)
{
    sqlite3_stmt *stmt = NULL;
    va_list ap;

    va_start(ap, format);
    char *sql = sqlite3_vmprintf(format, ap);
    va_end(ap);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_free(sql);
    return stmt;
}

int
stmt_run(sqlite3_stmt *stmt)
{
    while (sqlite3_step(stmt) == SQLITE_ROW)
        continue;
    return sqlite3_reset(stmt);
}

int
stmt_prepares(sqlite3_stmt *stmt)
{
    return sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_REPREPARE, 0);
}

void
db_fill(sqlite3 *db, const char *table, const char *const *values, int n)
{
    for (int i = 0; i < n; i++) {
        int rc = SQLITE_OK;

        if (strcmp(values[i], "NULL") != 0)
            rc = db_run(db, path_of("INSERT OR IGNORE INTO %s VALUES(%s, %s)",
                                    table, values[i], values[(i + 3) % n]));
        if (rc != SQLITE_OK && rc != SQLITE_MISMATCH)
            fail("INSERT INTO %s: %s", table, sqlite3_errmsg(db));
    }
}

static uint64_t
hash_bytes(const void *p, size_t n)
{
    const unsigned char *b = p;
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * UINT64_C(0x100000001b3);
    return h;
}

static void
append_value(sqlite3_stmt *st, int i, char **out)
{
    int type = sqlite3_column_type(st, i);
    const void *p = sqlite3_column_blob(st, i);
    int n = sqlite3_column_bytes(st, i);

    if (type == SQLITE_NULL) {
        text_append(out, "NULL");
    } else if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) {
        text_append(out, "%s", (const char *)sqlite3_column_text(st, i));
    } else if (n > 100) {
        text_append(out, "%s:%d:%016llx", type == SQLITE_TEXT ? "text" : "blob",
                    n, (unsigned long long)hash_bytes(p, (size_t)n));
    } else if (type == SQLITE_TEXT) {
        text_append(out, "'%.*s'", n, (const char *)p);
    } else {
        text_append(out, "x'");
        for (int k = 0; k < n; k++)
            text_append(out, "%02x", ((const unsigned char *)p)[k]);
        text_append(out, "'");
    }
}

int
db_rows(sqlite3 *db, const char *sql, char **out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

    if (rc != SQLITE_OK)
        return rc;
    for (rc = sqlite3_step(st); rc == SQLITE_ROW; rc = sqlite3_step(st)) {
        for (int i = 0; i < sqlite3_column_count(st); i++) {
            if (i > 0)
                text_append(out, "|");
            append_value(st, i, out);
        }
        text_append(out, "\n");
    }
    return sqlite3_finalize(st);
}

char *
db_text(sqlite3 *db, const char *format, ...)
{
    char *out = NULL;
    va_list ap;

    va_start(ap, format);
    char *sql = sqlite3_vmprintf(format, ap);
    va_end(ap);
    text_append(&out, "%s", "");
    int rc = db_rows(db, sql, &out);
    if (rc != SQLITE_OK)
        fail("%s\n  gave %d: %s", sql, rc, sqlite3_errmsg(db));
    sqlite3_free(sql);
    return out;
}

void
db_expect(sqlite3 *db, const char *sql, const char *rows)
{
    char *text = db_text(db, "%s", sql);

    if (strcmp(text, rows) != 0)
        fail("%s\n  gave\n%s  instead of\n%s", sql, text, rows);
    free(text);
}

const char *
create_sql(bool plain)
{
    return plain ? "CREATE TABLE %s(key NOT NULL PRIMARY KEY, value)"
                   " WITHOUT ROWID"
                 : "CREATE VIRTUAL TABLE %s USING moss";
}

void
make_table(sqlite3 *db, const char *name)
{
    db_must(db, create_sql(harness_plain), name);
}

void
text_append(char **text, const char *format, ...)
{
    size_t len = *text ? strlen(*text) : 0;
    va_list ap;

    va_start(ap, format);
    int n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (n < 0)
        fail("bad format %s", format);
    char *grown = realloc(*text, len + (size_t)n + 1);
    if (grown == NULL)
        fail("out of memory");
    va_start(ap, format);
    vsnprintf(grown + len, (size_t)n + 1, format, ap);
    va_end(ap);
    *text = grown;
}
