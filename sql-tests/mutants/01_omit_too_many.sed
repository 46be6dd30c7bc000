# ext/plan.c: SQLite is told not to check any constraint again.
s/\.omit = exact/.omit = true/
