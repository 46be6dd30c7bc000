# ext/rowid.c: the next rowid after negative ones only is 1.
# found by: 30_rowids
s/d->i = last + 1;/d->i = last < 0 ? 1 : last + 1;/
