# ext/write.c: an UPDATE that is refused has deleted the old row.
# found by: 05_conflicts 14_updates 22_index_write
s/^    int rc = check_unique(c, moved);$/    int rc = moved ? table_delete(\&c->v->table, slice_of(\&c->old_key)) : SQLITE_OK;\n\n    if (rc == SQLITE_OK)\n        rc = check_unique(c, moved);/
