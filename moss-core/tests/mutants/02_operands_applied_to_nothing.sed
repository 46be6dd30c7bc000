# moss-core/src/store/plan_write.c: merged segments do not look at those below them.
# operands compactions_keep_operands
/^write_merged/,/^}/ s/if (t->keep > 0)/if (t->keep > SIZE_MAX - 1)/
