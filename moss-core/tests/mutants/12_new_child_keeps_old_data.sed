# moss-core/src/collection/edit.c: a child made anew in the batch that deletes it is the old one.
# child child_made_anew_in_one_batch_is_empty
/^init_mention(/,/^}/ s/edit->replaces = child->deleted;/edit->replaces = child->deleted \&\& child->batch == NULL;/
