# ext/write.c: UPDATE of the rowid by that name is forgotten.
# found by: 18_columns
s/d->i == sqlite3_value_int64(old)))/false))/
