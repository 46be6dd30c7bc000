# ext/rows.c: what ROLLBACK TO before a CREATE undoes stays written.
# found by: 45_sequences 46_sequences 44_raw
s/if (t->fresh \&\& !sqlite3_get_autocommit(t->conn->db))/if (false)/
