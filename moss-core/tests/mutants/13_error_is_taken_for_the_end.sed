# moss-core/src/stack/heap.c: an iterator ends where the lower level fails.
# iterator a_failing_lower_level_is_never_an_end
/^load_lower(/,/^}/ s/        return st;/        return MOSS_DONE;/
