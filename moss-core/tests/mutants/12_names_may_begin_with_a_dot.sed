# moss-core/src/segment/batch.c: names of children may begin with a dot.
# batch bad_names_are_refused
/^batch_check_child_name(/,/^}/ s/ || name.bytes\[0\] == '\.'//
