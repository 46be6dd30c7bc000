# ext/plan.c: a key in a collation of its own is said to sort as its column.
# found by: 32_plans_order
/^keeps_order(/,/^}/ s/               p->collation;/               p->collation || true;/
