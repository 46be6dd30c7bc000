-- An index that is not that of the rows is found out, and so is a second table.
CREATE VIRTUAL TABLE t USING moss(k INT PRIMARY KEY, a INT UNIQUE, b TEXT, c, INDEX by_b(b));
INSERT INTO t VALUES (1, 10, 'x', 'c1'), (2, 20, 'y', 'c2'), (3, NULL, 'x', 'c3');
.once raw.sql
SELECT 'CREATE VIRTUAL TABLE raw_a USING moss(codec=raw, collection=''' || object || '/a'');'
  || 'CREATE VIRTUAL TABLE raw_b USING moss(codec=raw, collection=''' || object || '/by_b'');'
  || 'CREATE VIRTUAL TABLE second USING moss(k INT PRIMARY KEY, a, b, c, collection=''' || object || ''');'
FROM _moss_catalog WHERE name = 't';
.read raw.sql
.once raw.sql
SELECT 'CREATE VIRTUAL TABLE indexed USING moss(k INT PRIMARY KEY, a UNIQUE, collection=''x'');';
.read raw.sql
SELECT hex(key), hex(value) FROM raw_a;
SELECT hex(key), hex(value) FROM raw_b;
INSERT INTO t(t) VALUES ('check');
.print -- an entry is missing
BEGIN;
DELETE FROM raw_b WHERE key = (SELECT max(key) FROM raw_b);
INSERT INTO t(t) VALUES ('check');
ROLLBACK;
.print -- there is one too many
BEGIN;
INSERT INTO raw_b SELECT CAST(key || x'00' AS BLOB), value FROM raw_b LIMIT 1;
SELECT k FROM t WHERE b = 'x';
ROLLBACK;
BEGIN;
INSERT INTO raw_b SELECT CAST(key || x'00' AS BLOB), value FROM raw_b LIMIT 1;
INSERT INTO t(t) VALUES ('check');
ROLLBACK;
.print -- one says something else, or nothing
BEGIN;
UPDATE raw_b SET value = x'00';
SELECT k FROM t WHERE b = 'x';
INSERT INTO t(t) VALUES ('check');
ROLLBACK;
BEGIN;
UPDATE raw_a SET value = x'00' WHERE value <> x'';
SELECT k FROM t WHERE a = 10;
ROLLBACK;
BEGIN;
UPDATE raw_a SET value = x'00' WHERE value <> x'';
INSERT INTO t VALUES (4, 10, 'z', 'c4');
ROLLBACK;
.print -- its row is gone
BEGIN;
INSERT INTO raw_b VALUES (x'30780020c020', x'');
SELECT k FROM t WHERE b = 'x';
SELECT k, c FROM t WHERE b = 'x';
ROLLBACK;
BEGIN;
UPDATE raw_a SET value = x'00112099' WHERE value > x'0011';
INSERT INTO t VALUES (4, 20, 'z', 'c4');
INSERT OR REPLACE INTO t VALUES (4, 20, 'z', 'c4');
ROLLBACK;
INSERT INTO t(t) VALUES ('check');
