-- 'check' reads all of a table: what is damaged has a place.
PRAGMA journal_mode = wal;
BEGIN;
CREATE VIRTUAL TABLE t USING moss(a, b COLLATE NOCASE, c, PRIMARY KEY(b DESC, a));
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5000)
INSERT INTO t SELECT i, 'Text ' || i, CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN i WHEN 2 THEN i / 2.0 ELSE x'00ff' END FROM c;
COMMIT;
INSERT INTO t(t) VALUES('check');
INSERT INTO t(t) VALUES('flush');
INSERT INTO t(t) VALUES('check');
BEGIN;
CREATE VIRTUAL TABLE d USING moss;
INSERT INTO d VALUES(1, 'one'), (2, 'to be damaged'), (3, 'three');
INSERT INTO d(d) VALUES('check');
COMMIT;
INSERT INTO d(d) VALUES('flush');
BEGIN;
DELETE FROM t WHERE a % 3 = 0;
INSERT INTO t(t) VALUES('check');
ROLLBACK;
-- Rows that are not of this table: those of a store of Go moss.
.shell cp -rL .fixtures/children kids && chmod -R u+w kids
CREATE VIRTUAL TABLE raw USING moss(store='kids', collection='people', codec=raw);
INSERT INTO raw(raw) VALUES('check');
CREATE VIRTUAL TABLE people USING moss(store='kids');
.once attach.sql
SELECT format('CREATE VIRTUAL TABLE record USING moss(store=kids, codec=raw,
  key TEXT PRIMARY KEY, value TEXT, collection=''%s/~declaration'');
UPDATE record SET value = ''raw'' WHERE key = ''codec'';
CREATE VIRTUAL TABLE bytes USING moss(store=kids, codec=raw, collection=''%s'');', object, object)
  FROM _moss_catalog WHERE name = 'people';
.read attach.sql
INSERT INTO bytes SELECT key, value FROM raw;
UPDATE record SET value = 'typed' WHERE key = 'codec';
INSERT INTO people(people) VALUES('check');
DROP TABLE people;
