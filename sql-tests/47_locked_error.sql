-- DROP of the only table with changes that a savepoint could bring back.
CREATE VIRTUAL TABLE t USING moss;
CREATE VIRTUAL TABLE u USING moss;
BEGIN;
INSERT INTO t VALUES (1, 'one');
SAVEPOINT s;
DROP TABLE t;
INSERT INTO t VALUES (2, 'two');
RELEASE s;
DROP TABLE t;
ROLLBACK;
SELECT count(*) FROM t;
-- With another table that takes part it can be done.
BEGIN;
INSERT INTO t VALUES (1, 'one');
INSERT INTO u VALUES (1, 'one');
SAVEPOINT s;
DROP TABLE t;
SELECT * FROM t;
ROLLBACK TO s;
SELECT * FROM t;
COMMIT;
SELECT * FROM t;
-- COMMIT, ROLLBACK TO and RELEASE of what is not there.
COMMIT;
ROLLBACK TO s;
RELEASE s;
SELECT * FROM u;
