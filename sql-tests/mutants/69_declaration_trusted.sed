# ext/declaration.c: that another database changed the collection is not seen.
# found by: 64_declared 69_columns 81_columns
/^declaration_check/,/^}/s/if (rc == SQLITE_OK \&\& fit == FIT_NOT)$/if (rc == SQLITE_OK \&\& false \&\& fit == FIT_NOT)/
