-- The log is moss's own: without it there is an error, and DROP works.
CREATE VIRTUAL TABLE t USING moss;
INSERT INTO t VALUES (1, 'one');
SELECT name FROM sqlite_schema WHERE name LIKE '\_moss%' ESCAPE '\' ORDER BY 1;
BEGIN;
DELETE FROM _moss_log_1 WHERE rowid > 5;
ROLLBACK;
SELECT * FROM t;
DROP TABLE _moss_log_1;
SELECT * FROM t;
INSERT INTO t VALUES (2, 'two');
DROP TABLE t;
SELECT count(*) FROM sqlite_schema WHERE name = 't';
