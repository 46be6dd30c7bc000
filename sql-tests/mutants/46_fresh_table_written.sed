# ext/rows.c: what ROLLBACK TO before a CREATE undoes stays written.
# found by: 63_attached
s/if (t->fresh \&\& !sqlite3_get_autocommit(t->conn->db))/if (false)/
