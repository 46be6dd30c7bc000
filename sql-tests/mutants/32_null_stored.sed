# ext/write_columns.c: NOT NULL is not enforced.
# found by: 18_columns
s/if (cell->d.type == SQLITE_NULL \&\& column->not_null)/if (false)/
