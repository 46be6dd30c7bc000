# ext/record.c: values point into the row at hand.
# found by: traps
s/SQLITE_TRANSIENT/SQLITE_STATIC/
