# moss-core/src/collection/collection.c: close does not wait for the persister.
# collection close_persists
/^moss_collection_close(/,/^}/ s/while (!collection_is_clean_locked(c) &&/while (c == NULL \&\&/
