# ext/vtab.c: a view may read a store by its path.
# found by: traps
s/SQLITE_VTAB_DIRECTONLY/SQLITE_VTAB_INNOCUOUS/
