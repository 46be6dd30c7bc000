# ext/plan.c: SQLite is told not to check any constraint again.
s/info->aConstraintUsage\[i\].argvIndex = (int)plan->n;/&\
        info->aConstraintUsage[i].omit = 1;/
