# ext/write.c: OR REPLACE is a conflict when another row is in the way.
s/c->conflict != SQLITE_REPLACE/c->conflict != SQLITE_FAIL/
