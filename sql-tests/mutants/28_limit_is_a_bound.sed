# ext/plan.c: LIMIT is taken for an upper bound of whatever column it names.
# found by: 32_plans_order
s/^        return false; \/\* LIMIT and OFFSET.*/        *op = PLAN_LE;\
        return info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_LIMIT;/
