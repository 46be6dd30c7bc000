# ext/plan.c: SQLite is told not to check any constraint again.
s/info->aConstraintUsage\[constraint\].argvIndex =/info->aConstraintUsage[constraint].omit = 1;\
        &/
