# ext/admit.c: IS with a NULL finds nothing in an index
s/if (term->op == PLAN_IS)/if (term->op == PLAN_IN)/
