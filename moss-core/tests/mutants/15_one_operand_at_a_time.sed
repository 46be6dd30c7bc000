# moss-core/src/segment/merge_op.c: the operator gets one operand at a time.
# operands a_read_combines_all_operands_at_once
/^merge_op_full(/,/^}/ {
s/^    output_begin(out);/    for (size_t i = 0; i + 1 < list->n; i++) {\
        output_begin(out);\
        (void)merge->full(merge->ctx, key, existing, list->slices + i, 1, out);\
    }\
    output_begin(out);/
s/list->slices, list->n, out)/list->slices + list->n - 1, 1, out)/
}
