# ext/write_columns.c: OR REPLACE has no DEFAULT for a NULL.
# found by: 35_replace_null
s/c->conflict == SQLITE_REPLACE \&\& column->not_null/false/
