# moss-core/src/stack/segstack.c: a get applies operands to nothing.
# collection operands_apply_to_persisted_value
/^segstack_get(/,/^}/ s/st == MOSS_OK ? &base.bytes : NULL, &list/NULL, \&list/
