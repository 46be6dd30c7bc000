# ext/plan.c: ORDER BY key DESC is promised and not kept.
s/\*reverse = info->aOrderBy\[0\].desc;/*reverse = false;/
