# ext/table.c: DROP forgets what ROLLBACK TO must bring back.
# found by: sequences
s/pending_is_kept(cs->pending))/false)/
