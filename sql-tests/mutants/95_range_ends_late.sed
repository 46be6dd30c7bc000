# ext/cursor.c: a range is read to the end of the table; SQLite drops the rest.
# found by: visits
s/range->open ? NULL : &hi, &c->it/NULL, \&c->it/
