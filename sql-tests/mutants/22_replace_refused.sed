# ext/write.c: OR REPLACE is a conflict when another row is in the way.
s/if (c->conflict == SQLITE_REPLACE)/if (c->conflict == SQLITE_FAIL)/
