# ext/index.c: a row that is deleted leaves its index entries behind
s/rc = table_index_delete(&v->table, i, entry_key(&old->entries, i));$/rc = SQLITE_OK;/
