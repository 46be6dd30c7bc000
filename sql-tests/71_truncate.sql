-- 'truncate' deletes all rows at once, inside the transaction.
PRAGMA journal_mode = wal;
CREATE VIRTUAL TABLE t USING moss(a INTEGER PRIMARY KEY, b);
CREATE VIRTUAL TABLE other USING moss;
INSERT INTO t(b) VALUES('one'), ('two'), ('three');
INSERT INTO other VALUES('o', 1);
INSERT INTO t(t) VALUES('flush');
INSERT INTO t(t) VALUES('truncate');
SELECT changes(), count(*) FROM t;
-- The rowids begin again.
INSERT INTO t(b) VALUES('first');
SELECT * FROM t;
SELECT * FROM other;
-- It can be undone, with what came before and after it.
BEGIN;
INSERT INTO t VALUES(7, 'seven');
INSERT INTO t(t) VALUES('truncate');
SELECT count(*) FROM t;
INSERT INTO t VALUES(8, 'eight');
UPDATE t SET b = b || '!';
SELECT * FROM t ORDER BY a DESC;
ROLLBACK;
SELECT * FROM t;
-- To savepoints before, between and after.
BEGIN;
INSERT INTO t VALUES(7, 'seven');
SAVEPOINT s1;
INSERT INTO t(t) VALUES('truncate');
SELECT 's1', count(*) FROM t WHERE a IN (1, 7);
SAVEPOINT s2;
INSERT INTO t VALUES(1, 'again');
SELECT * FROM t;
SAVEPOINT s3;
INSERT INTO t(t) VALUES('truncate');
INSERT INTO t VALUES(2, 'and again');
SELECT * FROM t;
ROLLBACK TO s3;
SELECT * FROM t;
ROLLBACK TO s2;
SELECT 'none', count(*) FROM t;
INSERT INTO t VALUES(7, 'new');
SELECT * FROM t WHERE a = 7;
ROLLBACK TO s1;
SELECT * FROM t;
INSERT INTO t(t) VALUES('truncate');
INSERT INTO t VALUES(9, 'nine');
RELEASE s1;
SELECT * FROM t;
COMMIT;
SELECT * FROM t;
-- Twice without anything between, with a savepoint there.
BEGIN;
INSERT INTO t(t) VALUES('truncate');
SAVEPOINT s;
INSERT INTO t(t) VALUES('truncate');
ROLLBACK TO s;
SELECT count(*) FROM t;
INSERT INTO t VALUES(1, 'kept');
ROLLBACK TO s;
SELECT count(*) FROM t;
COMMIT;
SELECT count(*) FROM t;
-- First thing in a transaction, undone, and then something else.
INSERT INTO t VALUES(1, 'x'), (2, 'y');
BEGIN;
SAVEPOINT s;
INSERT INTO t(t) VALUES('truncate');
ROLLBACK TO s;
SELECT count(*) FROM t;
INSERT INTO t VALUES(3, 'z');
COMMIT;
SELECT * FROM t;
-- A cursor that is open goes on with the rows that it found.
CREATE TABLE log(a);
CREATE TRIGGER clear AFTER INSERT ON log WHEN new.a = 1 BEGIN
  INSERT INTO t(t) VALUES('truncate');
END;
INSERT INTO log SELECT a FROM t;
SELECT group_concat(a) FROM log;
SELECT count(*) FROM t;
-- With a table made in the same transaction, and one dropped in it.
BEGIN;
CREATE VIRTUAL TABLE fresh USING moss;
INSERT INTO fresh VALUES(1, 1);
INSERT INTO fresh(fresh) VALUES('truncate');
INSERT INTO fresh VALUES(2, 2);
INSERT INTO other(other) VALUES('truncate');
DROP TABLE other;
COMMIT;
SELECT * FROM fresh;
-- Keys of several columns, and a table in memory.
CREATE VIRTUAL TABLE temp.p USING moss(a, b, PRIMARY KEY(a, b));
INSERT INTO p VALUES(1, 2), (3, 4);
INSERT INTO p(p) VALUES('truncate');
INSERT INTO p VALUES(5, 6);
SELECT * FROM p;
-- Without a log.
CREATE VIRTUAL TABLE cache USING moss(durability='async');
INSERT INTO cache VALUES(1, 1), (2, 2);
BEGIN;
INSERT INTO cache VALUES(3, 3);
INSERT INTO cache(cache) VALUES('truncate');
INSERT INTO cache VALUES(4, 4);
COMMIT;
SELECT * FROM cache;
