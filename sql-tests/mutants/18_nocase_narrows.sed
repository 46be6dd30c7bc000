# ext/plan.c: a comparison with another collation narrows as that of the key.
s/return there != here || /return /
