# moss-core/src/store/segwriter.c: deletions are left out of the file.
/^stream_add(/,/^}/ s/    enum moss_status st;/&\
\
    if (e->op == MOSS_OP_DEL)\
        return MOSS_OK;/
