# ext/rows.c: uniqueness is not checked against the transaction's own rows.
s/if (p != NULL && pending_get(/if (false \&\& pending_get(/
