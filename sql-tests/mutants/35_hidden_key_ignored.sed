# ext/write.c: of a composite key the first column alone says which row it is.
# found by: 18_columns
s/return c->s->key_column >= 0$/return false/
