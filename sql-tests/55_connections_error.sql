-- Two connections on one file, in WAL mode.
PRAGMA journal_mode = wal;
CREATE VIRTUAL TABLE t USING moss;
CREATE TABLE o(a);
INSERT INTO t VALUES (1, 'one');
.connection 1
.open test.db
.load ./moss
SELECT 'second', * FROM t;
BEGIN;
SELECT 'second', count(*) FROM t;
.connection 0
INSERT INTO t VALUES (2, 'two');
INSERT INTO o VALUES (2);
SELECT 'first', count(*) FROM t, o;
.connection 1
-- One stable state of all tables, until it ends.
SELECT 'second', count(*), (SELECT count(*) FROM o) FROM t;
INSERT INTO t VALUES (3, 'stale');
ROLLBACK;
SELECT 'second', count(*), (SELECT count(*) FROM o) FROM t;
BEGIN;
INSERT INTO t VALUES (3, 'three');
SELECT 'second', key FROM t;
.connection 0
SELECT 'first', key FROM t;
INSERT INTO t VALUES (4, 'four');
BEGIN IMMEDIATE;
.connection 1
COMMIT;
.connection 0
SELECT 'first', key FROM t;
BEGIN IMMEDIATE;
ALTER TABLE t RENAME TO u;
.connection 1
SELECT 'second', key FROM t WHERE key > 2;
SELECT * FROM u;
.connection 0
COMMIT;
.connection 1
SELECT 'second', key FROM u WHERE key > 2;
SELECT * FROM t;
DROP TABLE u;
.connection 0
SELECT * FROM u;
CREATE VIRTUAL TABLE u USING moss;
SELECT count(*) FROM u;
