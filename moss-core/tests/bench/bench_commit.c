/*
 * What SQL on a moss table costs beside an ordinary table WITHOUT ROWID: a
 * commit of one row at each setting of synchronous, many rows in one
 * transaction, point reads, range sums, a scan.
 *
 * Each kind of table has a database file of its own, in WAL mode; the kinds
 * take turns within a round, and medians of the rounds are printed.  Sums over
 * what is read are compared with what was written.
 */
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The extension's entry point; the archive of it is linked in. */
int sqlite3_moss_init(sqlite3 *db, char **err, const void *api);

enum { VALUE_LEN = 100, RANGE_ROWS = 1000, MAX_RUNS = 99 };

enum measure {
    COMMIT_OFF,
    COMMIT_NORMAL,
    COMMIT_FULL,
    BULK_INSERT,
    CLOSE,
    REOPEN,
    POINT_READ,
    RANGE_SUM,
    SCAN,
    N_MEASURES
};

static const struct {
    const char *name, *unit;
} measures[N_MEASURES] = {
    { "commit of one row, synchronous=off", "us" },
    { "commit of one row, synchronous=normal", "us" },
    { "commit of one row, synchronous=full", "us" },
    { "rows inserted in one transaction", "rows/s" },
    { "close", "ms" },
    { "open and first row", "ms" },
    { "point reads", "reads/s" },
    { "rows summed in ranges of 1000", "rows/s" },
    { "rows summed in one scan", "rows/s" },
};

static const struct {
    const char *name, *create;
} kinds[] = {
    { "moss", "CREATE VIRTUAL TABLE t USING moss" },
    { "moss async", "CREATE VIRTUAL TABLE t USING moss(durability='async')" },
    { "ordinary",
      "CREATE TABLE t(key PRIMARY KEY NOT NULL, value) WITHOUT ROWID" },
};
enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

struct options {
    int64_t rows, commits;
    size_t runs;
    bool is_random;
    const char *dir;
};

/* One run of one kind. */
struct run {
    const struct options *o;
    const char *kind;
    sqlite3 *db;
    char value[VALUE_LEN];
    double result[N_MEASURES];
};

static void
fail(const char *kind, const char *doing, const char *why)
{
    fprintf(stderr, "bench_commit: %s: %s: %s\n", kind, doing, why);
    exit(1);
}

static void
check(struct run *r, const char *doing, int rc)
{
    if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
        fail(r->kind, doing, sqlite3_errmsg(r->db));
}

static void
exec(struct run *r, const char *sql)
{
    check(r, sql, sqlite3_exec(r->db, sql, NULL, NULL, NULL));
}

static sqlite3_stmt *
prepare(struct run *r, const char *sql)
{
    sqlite3_stmt *stmt = NULL;

    check(r, sql, sqlite3_prepare_v2(r->db, sql, -1, &stmt, NULL));
    return stmt;
}

/* The one integer that stmt gives; it is ready to be run again. */
static int64_t
integer(struct run *r, sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);

    check(r, sqlite3_sql(stmt), rc);
    if (rc != SQLITE_ROW)
        fail(r->kind, sqlite3_sql(stmt), "no row");
    int64_t n = sqlite3_column_int64(stmt, 0);
    check(r, sqlite3_sql(stmt), sqlite3_reset(stmt));
    return n;
}

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A permutation: the factor is a prime above any number of rows. */
static int64_t
shuffle(int64_t i, int64_t rows)
{
    return (int64_t)((uint64_t)i * 2654435761u % (uint64_t)rows);
}

static void
insert(struct run *r, sqlite3_stmt *stmt, int64_t key)
{
    memcpy(r->value, &key, sizeof(key));
    check(r, "bind", sqlite3_bind_int64(stmt, 1, key));
    check(r, "bind",
          sqlite3_bind_blob(stmt, 2, r->value, VALUE_LEN, SQLITE_STATIC));
    check(r, "insert", sqlite3_step(stmt));
    check(r, "insert", sqlite3_reset(stmt));
}

/* Keys beyond those of the bulk, so that the sums below leave them out. */
static double
commits(struct run *r, const char *synchronous, int64_t first, int64_t n)
{
    exec(r, synchronous);
    sqlite3_stmt *stmt = prepare(r, "INSERT INTO t VALUES(?, ?)");
    double t = now();
    for (int64_t i = 0; i < n; i++)
        insert(r, stmt, first + shuffle(i, n));
    t = now() - t;
    sqlite3_finalize(stmt);
    return t * 1e6 / (double)n;
}

static double
bulk(struct run *r)
{
    const struct options *o = r->o;
    sqlite3_stmt *stmt = prepare(r, "INSERT INTO t VALUES(?, ?)");
    double t = now();

    exec(r, "BEGIN");
    for (int64_t i = 0; i < o->rows; i++)
        insert(r, stmt, o->is_random ? shuffle(i, o->rows) : i);
    exec(r, "COMMIT");
    t = now() - t;
    sqlite3_finalize(stmt);
    return (double)o->rows / t;
}

static double
point_reads(struct run *r)
{
    int64_t n = r->o->rows, sum = 0;
    sqlite3_stmt *stmt = prepare(r, "SELECT value FROM t WHERE key = ?");
    double t = now();

    for (int64_t i = 0; i < n; i++) {
        int64_t key = shuffle(i, n), found;
        check(r, "bind", sqlite3_bind_int64(stmt, 1, key));
        check(r, "read", sqlite3_step(stmt));
        if (sqlite3_column_bytes(stmt, 0) != VALUE_LEN)
            fail(r->kind, "point read", "not what was written");
        memcpy(&found, sqlite3_column_blob(stmt, 0), sizeof(found));
        sum += found;
        check(r, "read", sqlite3_reset(stmt));
    }
    t = now() - t;
    sqlite3_finalize(stmt);
    if (sum != n * (n - 1) / 2)
        fail(r->kind, "point reads", "not what was written");
    return (double)n / t;
}

static double
range_sums(struct run *r)
{
    int64_t n = r->o->rows / RANGE_ROWS, sum = 0;
    int64_t all = n * RANGE_ROWS;
    sqlite3_stmt *stmt =
        prepare(r, "SELECT sum(key) FROM t WHERE key >= ? AND key < ?");
    double t = now();

    for (int64_t i = 0; i < n; i++) {
        int64_t first = shuffle(i, n) * RANGE_ROWS;
        check(r, "bind", sqlite3_bind_int64(stmt, 1, first));
        check(r, "bind", sqlite3_bind_int64(stmt, 2, first + RANGE_ROWS));
        sum += integer(r, stmt);
    }
    t = now() - t;
    sqlite3_finalize(stmt);
    if (sum != all * (all - 1) / 2)
        fail(r->kind, "range sums", "not what was written");
    return (double)all / t;
}

static double
scan(struct run *r)
{
    int64_t rows = r->o->rows + 3 * r->o->commits;
    sqlite3_stmt *stmt = prepare(r, "SELECT sum(length(value)) FROM t");
    double t = now();
    int64_t sum = integer(r, stmt);

    t = now() - t;
    sqlite3_finalize(stmt);
    if (sum != rows * VALUE_LEN)
        fail(r->kind, "scan", "not what was written");
    return (double)rows / t;
}

static void
open_database(struct run *r, const char *path)
{
    check(r, "open", sqlite3_open(path, &r->db));
    exec(r, "PRAGMA journal_mode = wal");
    exec(r, "PRAGMA cache_size = -262144");
}

static void
run_kind(struct run *r, const char *create, const char *dir)
{
    const struct options *o = r->o;
    char path[4096];

    memset(r->value, 'v', sizeof(r->value));
    if (snprintf(path, sizeof(path), "%s/bench.db", dir) >= (int)sizeof(path))
        fail(r->kind, dir, "path too long");
    open_database(r, path);
    exec(r, create);
    r->result[BULK_INSERT] = bulk(r);
    r->result[COMMIT_OFF] =
        commits(r, "PRAGMA synchronous = off", o->rows, o->commits);
    r->result[COMMIT_NORMAL] = commits(r, "PRAGMA synchronous = normal",
                                       o->rows + o->commits, o->commits);
    r->result[COMMIT_FULL] = commits(r, "PRAGMA synchronous = full",
                                     o->rows + 2 * o->commits, o->commits);
    double t = now();
    check(r, "close", sqlite3_close(r->db));
    r->result[CLOSE] = (now() - t) * 1e3;

    t = now();
    open_database(r, path);
    sqlite3_stmt *stmt = prepare(r, "SELECT key FROM t ORDER BY key LIMIT 1");
    if (integer(r, stmt) != 0)
        fail(r->kind, "first row", "not what was written");
    r->result[REOPEN] = (now() - t) * 1e3;
    sqlite3_finalize(stmt);
    r->result[POINT_READ] = point_reads(r);
    r->result[RANGE_SUM] = range_sums(r);
    r->result[SCAN] = scan(r);
    check(r, "close", sqlite3_close(r->db));
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static void
print_table(const struct options *o, double (*results)[N_MEASURES][MAX_RUNS])
{
    printf("SQLite %s, WAL, cache 256 MiB; keys are integers in %s order, "
           "values of %d bytes;\n%" PRId64
           " rows in one transaction, then %" PRId64
           " commits of each kind; median of %zu run%s\n\n",
           sqlite3_libversion(), o->is_random ? "random" : "ascending",
           VALUE_LEN, o->rows, o->commits, o->runs, o->runs == 1 ? "" : "s");
    printf("%-46s", "");
    for (size_t k = 0; k < N_KINDS; k++)
        printf(" %11s", kinds[k].name);
    printf("\n");
    for (size_t m = 0; m < N_MEASURES; m++) {
        printf("%-38s %7s", measures[m].name, measures[m].unit);
        for (size_t k = 0; k < N_KINDS; k++) {
            double *v = results[k][m];
            qsort(v, o->runs, sizeof(v[0]), compare);
            double mid = (v[(o->runs - 1) / 2] + v[o->runs / 2]) / 2;
            printf(mid < 1000 ? " %11.1f" : " %11.0f", mid);
        }
        printf("\n");
    }
}

static int64_t
parse_number(const char *name, const char *text, int64_t min, int64_t max)
{
    char *end = NULL;

    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n < min || n > max)
        fail(name, text, "not a number that is allowed here");
    return n;
}

static const char usage[] =
    "usage: bench_commit [options]\n"
    "  --rows=N      rows of the large transaction (200000)\n"
    "  --commits=N   commits at each setting of synchronous (1000)\n"
    "  --runs=N      medians of so many runs are printed (3)\n"
    "  --order=O     ascending or random keys (ascending)\n"
    "  --dir=PATH    where the data goes ($TMPDIR or /tmp)\n";

static void
parse(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        { "rows", required_argument, NULL, 'n' },
        { "commits", required_argument, NULL, 'c' },
        { "runs", required_argument, NULL, 'r' },
        { "order", required_argument, NULL, 'o' },
        { "dir", required_argument, NULL, 'd' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c = getopt_long(argc, argv, "", longs, NULL);

    for (; c != -1; c = getopt_long(argc, argv, "", longs, NULL)) {
        if (c == 'n') {
            o->rows = parse_number("--rows", optarg, RANGE_ROWS, 100000000);
        } else if (c == 'c') {
            o->commits = parse_number("--commits", optarg, 1, 100000000);
        } else if (c == 'r') {
            o->runs = (size_t)parse_number("--runs", optarg, 1, MAX_RUNS);
        } else if (c == 'o') {
            o->is_random = strcmp(optarg, "random") == 0;
            if (!o->is_random && strcmp(optarg, "ascending") != 0)
                fail("--order", optarg, "no such order");
        } else if (c == 'd') {
            o->dir = optarg;
        } else {
            fputs(usage, c == 'h' ? stdout : stderr);
            exit(c == 'h' ? 0 : 2);
        }
    }
    if (optind != argc)
        fail("options", argv[optind], "not an option");
}

int
main(int argc, char **argv)
{
    static double results[N_KINDS][N_MEASURES][MAX_RUNS];
    const char *tmp = getenv("TMPDIR");
    struct options o = {
        .rows = 200000,
        .commits = 1000,
        .runs = 3,
        .dir = tmp != NULL ? tmp : "/tmp",
    };

    parse(&o, argc, argv);
    sqlite3_auto_extension((void (*)(void))sqlite3_moss_init);
    for (size_t i = 0; i < o.runs * N_KINDS; i++) {
        size_t round = i / N_KINDS;
        size_t k = (i + round) % N_KINDS;
        struct run r = { .o = &o, .kind = kinds[k].name };
        char dir[4096];
        int n = snprintf(dir, sizeof(dir), "%s/moss-bench-XXXXXX", o.dir);
        if (n >= (int)sizeof(dir) || mkdtemp(dir) == NULL)
            fail("bench", o.dir, strerror(errno));
        run_kind(&r, kinds[k].create, dir);
        if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
            fail("bench", dir, strerror(errno));
        for (size_t m = 0; m < N_MEASURES; m++)
            results[k][m][round] = r.result[m];
    }
    print_table(&o, results);
    return 0;
}
