# moss-core/src/stack/segstack.c: a get goes on below a deletion.
# collection delete_hides_set_and_operands
/^take(/,/^}/ s/return MOSS_NOT_FOUND;/return MOSS_DONE;/
