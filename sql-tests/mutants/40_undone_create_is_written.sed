# ext/changes.c: a table whose CREATE was undone by ROLLBACK TO is written.
# found by: sequences 45_sequences 46_sequences
/^changes_used(/,/^}/ s/if (!cs->ddl)/if (cs != NULL)/
