# ext/command_rows.c: a revert that fails leaves what it has changed.
# found by: denied
s/table_step_end(d->t, outer, rc != SQLITE_OK);/table_step_end(d->t, outer, false);/
