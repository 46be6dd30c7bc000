# ext/rows.c: truncate empties the rows and leaves their index entries.
# found by: 22_index_write
/^table_truncate(/,/^}/{
/i < t->n_indexes; i++)$/{
N
/truncate_part/s/i < t->n_indexes/i < 0/
}
}
