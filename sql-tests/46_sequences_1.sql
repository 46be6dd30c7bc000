-- The first moss table of a database is made in a transaction that is undone.
BEGIN;
SAVEPOINT s;
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (1, 'undone');
ROLLBACK TO s;
COMMIT;
SELECT count(*) FROM sqlite_schema;
BEGIN;
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (2, 'undone');
ROLLBACK;
SELECT count(*) FROM sqlite_schema;
CREATE VIRTUAL TABLE t USING moss;
SELECT count(*) FROM t;
INSERT INTO t VALUES (3, 'there');
SELECT * FROM t;
