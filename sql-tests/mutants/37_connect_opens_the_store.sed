# ext/vtab.c: a table whose store is missing cannot even be connected.
# found by: 52_missing
s/\*out = rc == SQLITE_OK ? &v->table.base : NULL;/struct moss_snapshot *s = NULL;\
    if (rc == SQLITE_OK)\
        rc = table_snapshot(\&v->table, \&s);\
    moss_snapshot_unref(s);\
    &/
