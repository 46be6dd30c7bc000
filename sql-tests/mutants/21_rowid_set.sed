# ext/write.c: an INSERT sets last_insert_rowid().
s/c->given_rowid = sqlite3_last_insert_rowid(v->db);/c->given_rowid = 42;/
