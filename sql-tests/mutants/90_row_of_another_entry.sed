# ext/cursor.c: the row of an index entry is kept for the next entry.
# found by: 20_index
/^stand(/,/^}/s/c->row_known = false;/(void)c;/
