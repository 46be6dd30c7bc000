# ext/write.c: where a row with index entries lacks memory, some of it leaks.
# found by: unit_oom --only indexed
/^change_begin(struct vtab/,/^}$/s/^        change_free(c);$//
