-- Rows that a typed table cannot have written: what is asked of the damaged bytes
-- is SQLITE_CORRUPT with the table and column, what is asked of others is given.
.shell mkdir store
CREATE VIRTUAL TABLE typed USING moss(store='store');
-- What is recorded with them says that they are typed: make that raw.
.once attach.sql
SELECT format('CREATE VIRTUAL TABLE record USING moss(store=store, codec=raw,
  key TEXT PRIMARY KEY, value TEXT, collection=''%s/~declaration'');
UPDATE record SET value = ''raw'' WHERE key = ''codec'';
CREATE VIRTUAL TABLE raw USING moss(store=store, codec=raw, collection=''%s'');
CREATE VIRTUAL TABLE top USING moss(store=store, codec=raw);', object, object)
  FROM _moss_catalog WHERE name = 'typed';
.read attach.sql
INSERT INTO raw VALUES (x'2080', x'00ff'), (x'20bff0', x'010c'), (x'20c0', x''),
    (x'30', x'0100'), (x'99', x'0002');
UPDATE record SET value = 'typed' WHERE key = 'codec';
SELECT key FROM typed WHERE key = 0;
SELECT value FROM typed WHERE key = 0;
SELECT quote(key), quote(value) FROM typed WHERE key = 1;
SELECT key FROM typed WHERE key = 2;
SELECT value FROM typed WHERE key = 2;
SELECT key FROM typed WHERE key = '';
SELECT value FROM typed WHERE key = '';
SELECT key FROM typed WHERE key > x'';
SELECT count(*) FROM typed;
UPDATE typed SET key = 3 WHERE key = 0;
DELETE FROM typed WHERE key = 0;
SELECT count(*) FROM typed;
-- A table that names a path is not for triggers and views, which a stranger's
-- database could bring.
CREATE VIEW v AS SELECT * FROM top;
SELECT * FROM v;
