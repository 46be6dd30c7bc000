# moss-core/src/collection/collection.c: close does not say what it has lost.
# collection close_reports_what_is_not_persisted
/^moss_collection_close(/,/^}/ s/st = unpersisted_reason(c, err);/(void)unpersisted_reason(c, err);\
    st = MOSS_OK;/
