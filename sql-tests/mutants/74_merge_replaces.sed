# ext/write.c: INSERT OR REPLACE and OR IGNORE merge, too.
# found by: 68_merge
s/if (rc == SQLITE_OK \&\& c->s->merges \&\& c->conflict != SQLITE_REPLACE \&\&/if (rc == SQLITE_OK \&\& c->s->merges \&\& c->conflict != 77 \&\&/
s/^        c->conflict != SQLITE_IGNORE)$/        c->conflict != 78)/
