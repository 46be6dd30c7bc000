# ext/plan.c: a scan of an index is taken for one in key order
s/else if (!is_fixed(plan, next))/else if (!is_fixed(plan, next) \&\& next == plan->n_parts - 1)/
