# ext/log.c: the log cannot grow where an authorizer denies SQL functions.
# found by: denied
s/"SELECT rowid FROM \\"%w\\".%s ORDER BY rowid DESC"/"SELECT max(rowid) FROM \\"%w\\".%s"/
s/^                       " LIMIT 1",$/                       "",/
