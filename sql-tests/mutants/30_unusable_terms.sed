# ext/plan.c: constraints that are not usable are used.
# found by: 33_plans_joins
s/!c->usable ||/false ||/
