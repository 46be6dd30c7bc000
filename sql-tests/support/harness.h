/*
 * What the C test programs share: arguments, seeded random numbers, scratch
 * directories, and SQLite calls that end the program with a clear message.
 *
 * Every program can run on ordinary tables instead of moss tables
 * (--tables plain), which shows that a failure is not the program's own.
 */
#ifndef SQL_TESTS_HARNESS_H
#define SQL_TESTS_HARNESS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "moss_os.h"

/* The extension's entry point and the hook of its static build. */
int sqlite3_moss_init(sqlite3 *db, char **err, const sqlite3_api_routines *api);
void moss_ext_set_os(struct moss_os *os);

#if defined(__GNUC__)
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#else
#define PRINTF_LIKE(f, a)
#endif

/* ----------------------------------------------------------- arguments */

/*
 * Note the arguments; names lists the options known, separated by blanks.
 * Handles --tables and --seed itself and prints the seed.  An unknown option
 * ends the program.
 */
void harness_start(int argc, char **argv, const char *names);

const char *option_text(const char *name, const char *otherwise);
long option_number(const char *name, long otherwise);
bool option_given(const char *name);

extern uint64_t harness_seed;
extern bool harness_plain; /* ordinary tables instead of moss tables */

/* What fail() says first, until another text or NULL replaces it; borrowed. */
void fail_while(const char *doing);

/* Print what failed, keep the scratch directory, exit(1). */
_Noreturn void fail(const char *format, ...) PRINTF_LIKE(1, 2);

/* ------------------------------------------------------ random numbers */

struct rng {
    uint64_t state;
};
struct rng rng_of(uint64_t seed, uint64_t n); /* one stream for each n */
uint64_t rng_next(struct rng *r);
unsigned rng_below(struct rng *r, unsigned n); /* 0 .. n-1 */

/* ---------------------------------------------------------- directories */

/*
 * A fresh directory of this program, absolute and without links; removed
 * when the program ends well, kept and named when it fails.
 */
const char *scratch_dir(void);
void remove_tree(const char *path); /* nothing there is fine */
void make_empty_dir(const char *path);
/* Copy the files below from into the directory to, which is emptied. */
void copy_tree(const char *from, const char *to);
void copy_file(const char *from, const char *to);
bool file_exists(const char *path);
/* A static buffer, four of them in turn: snprintf for paths. */
const char *path_of(const char *format, ...) PRINTF_LIKE(1, 2);
uint64_t now_ms(void);

/* -------------------------------------------------------------- SQLite */

/* Register the extension on db, unless --tables plain. */
void db_load(sqlite3 *db);
/* Open with the extension; vfs NULL is the default.  Never fails. */
sqlite3 *db_open(const char *path, const char *vfs);
void db_close(sqlite3 *db);

/* Run all statements of sql; the (extended) result code.  No format. */
int db_run(sqlite3 *db, const char *sql);
/* The same from a format; a failure ends the program. */
void db_must(sqlite3 *db, const char *format, ...);
/* The first column of the first row; a failure ends the program. */
int64_t db_int(sqlite3 *db, const char *format, ...);
/*
 * Run one statement and append its rows to *out as text, columns separated
 * by '|', values as quote() gives them (long ones as length and hash), rows
 * ended by a line feed.  *out is realloc'd; NULL at first.
 */
int db_rows(sqlite3 *db, const char *sql, char **out);
/* Rows of a query as text, to be freed; a failure ends the program. */
char *db_text(sqlite3 *db, const char *format, ...);
void db_expect(sqlite3 *db, const char *sql, const char *rows);

/* The statement of a format, to be finalized; a failure ends the program. */
sqlite3_stmt *db_prepared(sqlite3 *db, const char *format, ...);
/* Step through all its rows, and reset it; the result code. */
int stmt_run(sqlite3_stmt *stmt);
/* How often SQLite has prepared it anew. */
int stmt_prepares(sqlite3_stmt *stmt);
/*
 * Insert rows of two columns: each of the n values, which are SQL, but NULL,
 * with one of the others.  Rows that the table refuses are left out.
 */
void db_fill(sqlite3 *db, const char *table, const char *const *values, int n);

/* CREATE a moss table with columns key and value, or its ordinary twin. */
const char *create_sql(bool plain); /* printf format with one %s */
void make_table(sqlite3 *db, const char *name);

/* Append to a growing string. */
void text_append(char **text, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
