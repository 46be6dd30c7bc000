# ext/plan.c: an index is said to cover columns that it has not.
# found by: 20_index
/^covers(/,/^}/s/return false;/return true;/
