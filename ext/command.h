/*
 * Commands: INSERT INTO t(t) VALUES('flush'), with an argument in a second
 * hidden column.
 */
#ifndef MOSS_EXT_COMMAND_H
#define MOSS_EXT_COMMAND_H

#include "vtab.h"

/*
 * Look at the hidden columns of an INSERT or UPDATE, whose new row columns[]
 * is, hidden ones included.  *is_command: it was a command, which is carried
 * out, and no row is to be written.
 */
int command_take(struct vtab *v, bool insert, sqlite3_value **columns,
                 bool *is_command);

/*
 * When a command has to stop: after a number of seconds, or when somebody
 * interrupts the connection.
 */
struct deadline {
    struct table *t;
    const char *command;
    bool limited;
    double seconds;
    uint64_t end_ns;
    sqlite3_stmt *probe; /* SQLite 3.40 tells of an interrupt only so */
};

/* arg is a number of seconds, or NULL: no limit. */
int deadline_begin(struct deadline *d, struct table *t, const char *command,
                   sqlite3_value *arg);
void deadline_end(struct deadline *d);
/* SQLITE_OK, or the reason to stop, with the table's zErrMsg set. */
int deadline_check(struct deadline *d);
/* How long to wait at once before the next check. */
uint64_t deadline_slice_ms(const struct deadline *d);

/* ------------------------------------------------------- command_store.c */

/* The commands.  arg is the SQL value of the second hidden column. */
int command_flush(struct vtab *v, sqlite3_value *arg);
int command_merge(struct vtab *v, sqlite3_value *arg);
int command_compact(struct vtab *v, sqlite3_value *arg);
int command_adopt(struct vtab *v, sqlite3_value *arg);

/* -------------------------------------------------------------- append.c */

int command_columns(struct vtab *v, sqlite3_value *arg);

/* -------------------------------------------------------- command_rows.c */

int command_truncate(struct vtab *v, sqlite3_value *arg);
int command_revert(struct vtab *v, sqlite3_value *arg);

/* ------------------------------------------------------- command_check.c */

int command_check(struct vtab *v, sqlite3_value *arg);

#endif
