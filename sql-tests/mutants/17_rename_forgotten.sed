# ext/catalog.c: ALTER TABLE RENAME does not reach the catalog.
/^catalog_rename_table(/,/^}/ s/schema, to, from)/schema, from, from)/
