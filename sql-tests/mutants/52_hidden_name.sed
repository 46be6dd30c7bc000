# ext/plain.c: a view that hides a table is taken for it.
# found by: plain
s/!is_hidden(v->db, t->name)/true/
