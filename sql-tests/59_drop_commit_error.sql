-- The reason of a DROP that was refused is not that of a COMMIT after it.
CREATE VIRTUAL TABLE t USING moss;
.connection 1
.open test.db
.load ./moss
BEGIN;
SELECT count(*) FROM t;
.connection 0
BEGIN;
INSERT INTO t VALUES (1, 'one');
SAVEPOINT s;
DROP TABLE t;
COMMIT;
.connection 1
COMMIT;
.connection 0
COMMIT;
SELECT * FROM t;
