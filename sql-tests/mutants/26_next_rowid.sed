# ext/write.c: the next rowid is the greatest one.
s/last < 0 ? 1 : last + 1/last < 0 ? 1 : last/
