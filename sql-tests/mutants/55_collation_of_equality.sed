# ext/plan.c: a text is not compared again with keys of another collation.
# found by: plain
/^is_exact(/,/^}/ s/there != part->collation/false/
