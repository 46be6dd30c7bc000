# ext/vtab.c: a table whose store is missing cannot even be connected.
# found by: 52_missing
/^vtab_connect(/,/^}/ s/rc = vtab_declare(v, err);/&\
    struct moss_snapshot *s = NULL;\
    if (rc == SQLITE_OK)\
        rc = table_snapshot(\&v->table, \&s);\
    moss_snapshot_unref(s);/
