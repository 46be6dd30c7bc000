/*
 * The commands that work on a table's rows.  What they change is part of the
 * transaction, as any other change is.
 */
#include "command.h"

int
command_truncate(struct vtab *v, sqlite3_value *arg)
{
    (void)arg;
    return table_truncate(&v->table);
}
