-- What a refused COMMIT wrote is taken back when its table is dropped.
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (1, 'one');
.connection 1
.open test.db
.load ./moss
BEGIN;
SELECT count(*) FROM t;
.connection 0
BEGIN;
INSERT INTO t VALUES (2, 'never');
COMMIT;
DROP TABLE t;
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (3, 'three');
COMMIT;
.connection 1
COMMIT;
.connection 0
COMMIT;
SELECT * FROM t;
.connection 1
SELECT * FROM t;
BEGIN;
SELECT count(*) FROM t;
.connection 0
BEGIN;
DELETE FROM t;
COMMIT;
DROP TABLE t;
.connection 1
COMMIT;
.connection 0
COMMIT;
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (4, 'four');
.connection 1
SELECT * FROM t;
