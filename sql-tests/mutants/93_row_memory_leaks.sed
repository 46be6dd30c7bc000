# ext/write.c: where a row with index entries lacks memory, some of it leaks.
# found by: unit_oom --only indexed
/^    rc = change_begin(&c, v);$/,/^    }$/s/^        change_end(&c);$//
