# ext/txn.c: ROLLBACK TO and failed statements undo nothing.
s/pending_rollback_to(cs->pending, n);/(void)n;/
