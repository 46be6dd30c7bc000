# ext/record.c: values point into the row at hand.
# found by: 36_one_value
s/SQLITE_TRANSIENT/SQLITE_STATIC/
