# ext/write.c: DELETE takes a row of the present for one of the past.
# found by: combinations
s/return rc == SQLITE_OK \&\& past$/return false \&\& rc == SQLITE_OK \&\& past/
