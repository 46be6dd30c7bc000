# ext/write.c: an INSERT sets last_insert_rowid().
s/\*rowid = sqlite3_last_insert_rowid(v->db);/*rowid = 42;/
