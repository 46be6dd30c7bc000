# ext/plan.c: ORDER BY key DESC is promised and not kept.
s/\*reverse = flip;/*reverse = false;/
