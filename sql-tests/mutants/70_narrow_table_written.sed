# ext/declaration.c: rows are written by who does not know all columns.
# found by: 67_columns 69_columns
s/t->narrow = fit == FIT_MORE;/t->narrow = false;/
