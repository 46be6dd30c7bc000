# ext/backup.c: a store is copied as it is now, not as the file says.
# found by: backup
s/^    c->snap = moss_snapshot_ref(c->cs->snap);/    (void)shared_store_newest(c->cs->shared, \&c->snap);/
