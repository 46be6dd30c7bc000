# ext/vtab.c: SQLite is not told that conflict clauses are obeyed.
# found by: 05_conflicts
s/SQLITE_VTAB_CONSTRAINT_SUPPORT, 1/SQLITE_VTAB_CONSTRAINT_SUPPORT, 0/
