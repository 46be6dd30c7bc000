# ext/command_rows.c: revert leaves the index entries as they are.
# found by: 25_index_past
s/^        for (int i = 0; rc == SQLITE_OK \&\& i < d->t->n_indexes; i++)$/        for (int i = 0; rc == SQLITE_OK \&\& i < 0; i++)/
