# ext/plan.c: an IN list arrives one value at a time.
# found by: 11_terms
s/sqlite3_vtab_in(info, constraint, 1);/(void)0;/
