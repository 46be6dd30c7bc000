/*
 * The table-valued functions and scalar functions.
 *
 * A table-valued function makes all its rows when it is called, from a moss
 * table that is named by its first argument; the second may name the schema.
 */
#ifndef MOSS_EXT_FUNCTION_H
#define MOSS_EXT_FUNCTION_H

#include "ext.h"

/* Register all of them; they use conn as long as they are called. */
int functions_register(sqlite3 *db, struct conn *conn);

/* ------------------------------------------ between the functions' files */

/* The rows of one call, cell by cell in the order of the columns. */
struct rows;
void rows_int(struct rows *rows, uint64_t value);
void rows_null(struct rows *rows);
/* Copied; NULL is NULL. */
void rows_text(struct rows *rows, const char *text);
/* SQLITE_NOMEM if a row could not be added; nothing is added any more. */
int rows_error(const struct rows *rows);

struct call {
    struct conn *conn;
    const char *function;
    const char *target; /* the first argument */
    const char *schema; /* the second; NULL: not given */
    sqlite3_stmt *hold; /* keeps the table object while it is used */
    char *text;         /* a failure's; NULL: none */
    struct rows *rows;
};

/* Give back code, with a printf text (sqlite3_mprintf's) for the user. */
int call_error(struct call *call, int code, const char *format, ...);
/* The code of a failure on t, with t's text. */
int call_table_error(struct call *call, struct table *t, int code);
/*
 * The moss table that the arguments name, found as SQLite finds tables;
 * resolved, and valid until the call ends.  SQLITE_NOTFOUND: there is no moss
 * table of that name; call->text says so.
 */
int call_table(struct call *call, struct table **out);

/* A table-valued function: its columns, and what makes the rows. */
struct function {
    const char *name;
    const char *columns;
    int (*run)(struct call *call);
};

/* ------------------------------------------------------ function_table.c */

int function_stats(struct call *call);
int function_histograms(struct call *call);
int function_segments(struct call *call);
int function_commits(struct call *call);
int function_collections(struct call *call);

/* ----------------------------------------------------- function_scalar.c */

void function_version(sqlite3_context *ctx, int argc, sqlite3_value **argv);
/* Its user data is the struct conn. */
void function_debug(sqlite3_context *ctx, int argc, sqlite3_value **argv);

#endif
