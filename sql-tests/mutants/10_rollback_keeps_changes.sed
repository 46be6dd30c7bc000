# ext/txn.c: ROLLBACK leaves the changes to the next transaction.
/^txn_rollback(/,/^}/ s/txn_end(cs);/(void)cs;/
