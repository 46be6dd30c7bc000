# ext/plan.c: a comparison with another collation narrows as that of the key.
# found by: 31_plans_narrowing
s/return there != here || /return /
