# moss-core/src/segment/merge_op.c: operands are not combined with each other.
# operands a_batch_combines_all_operands_of_a_key_at_once
/^merge_op_partial(/,/^}/ s/if (merge->partial == NULL)/if (merge->partial != NULL || out == NULL)/
