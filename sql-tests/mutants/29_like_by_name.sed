# ext/plan.c: the operator LIKE narrows as if it were equality.
# found by: traps
s/^        return false; \/\* LIMIT and OFFSET.*/        *op = PLAN_EQ;\
        return info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_LIKE;/
