# ext/plan.c: a scan of an index is taken for one in key order
s/while (next < plan->n_parts \&\& next != part \&\& is_fixed(plan, next))/while (next < plan->n_parts - 1 \&\& next != part)/
