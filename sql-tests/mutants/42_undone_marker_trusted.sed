# ext/txn.c: an xSync that ROLLBACK TO undid counts as done.
# found by: sequences
/^check_written(/,/^}/ s/if (!cs->ddl ||/if (cs->ddl ||/
