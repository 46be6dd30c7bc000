# ext/pending_savepoint.c: a table that joins a transaction marks an older savepoint.
# found by: 06_savepoints
s/if (n == 0 && is_untouched(p)) {/if (index < 0 \&\& is_untouched(p)) {/
