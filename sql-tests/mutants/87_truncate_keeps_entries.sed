# ext/rows.c: truncate empties the rows and leaves their index entries.
# found by: 22_index_write
s/^    for (int i = 0; rc == SQLITE_OK \&\& i < t->n_indexes; i++)$/    for (int i = 0; rc == SQLITE_OK \&\& i < 0; i++)/
