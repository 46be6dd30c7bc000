/* Statements that compare columns with parameters and with nothing else. */
#ifndef MOSS_EXT_PLAIN_H
#define MOSS_EXT_PLAIN_H

#include "vtab.h"

/*
 * Of the text of a statement that runs and reads v's table: is the table the
 * only one that it reads, and are all its conditions on the table's columns
 * comparisons with parameters?  No is always a safe answer.
 */

/* UPDATE t SET ... WHERE column = ? AND ..., or DELETE FROM t WHERE ... */
bool plain_is_change(const struct vtab *v, const char *sql);
/*
 * SELECT ... FROM t WHERE column >= ? AND ..., with grouping, order and limit,
 * but without HAVING, which SQLite may treat as a condition on a column.
 */
bool plain_is_query(const struct vtab *v, const char *sql);

#endif
