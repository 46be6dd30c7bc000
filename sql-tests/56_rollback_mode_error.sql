-- Two connections with a rollback journal: a reader holds up a COMMIT.
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (1, 'one');
.connection 1
.open test.db
.load ./moss
BEGIN;
SELECT 'second', count(*) FROM t;
.connection 0
BEGIN;
INSERT INTO t VALUES (2, 'two');
COMMIT;
SELECT 'first', key FROM t;
INSERT INTO t VALUES (3, 'three');
SAVEPOINT s;
INSERT INTO t VALUES (4, 'undone');
COMMIT;
ROLLBACK TO s;
.connection 1
SELECT 'second', count(*) FROM t;
COMMIT;
SELECT 'second', count(*) FROM t;
.connection 0
COMMIT;
SELECT 'first', key FROM t;
.connection 1
SELECT 'second', key FROM t;
-- A COMMIT that was refused, and then rolled back.
BEGIN;
SELECT 'second', count(*) FROM t;
.connection 0
BEGIN;
INSERT INTO t VALUES (5, 'never');
COMMIT;
SELECT 'first', count(*) FROM t;
ROLLBACK;
SELECT 'first', count(*) FROM t;
.connection 1
COMMIT;
SELECT 'second', count(*) FROM t;
INSERT INTO t VALUES (5, 'five');
.connection 0
SELECT 'first', key, value FROM t WHERE key = 5;
-- A connection that has to connect to the table meets the lock as well.
.connection 2
.open test.db
.load ./moss
SELECT 'third', count(*) FROM sqlite_schema WHERE name = 't';
.connection 1
BEGIN EXCLUSIVE;
.connection 2
SELECT 'third', count(*) FROM t;
.connection 1
COMMIT;
.connection 2
SELECT 'third', count(*) FROM t;
