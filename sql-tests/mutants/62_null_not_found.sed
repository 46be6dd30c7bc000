# ext/admit.c: IS with a NULL finds nothing in an index
# found by: 20_index
s/if (term->op == PLAN_IS)/if (term->op == PLAN_IN)/
