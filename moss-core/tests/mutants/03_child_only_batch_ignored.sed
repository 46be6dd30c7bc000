# moss-core/src/collection/edit.c: a batch without changes of its own counts as empty.
# child batches_of_children_only_are_persisted
/^edit_is_empty/,/^}/ s/ \&\& edit->n == 0//
