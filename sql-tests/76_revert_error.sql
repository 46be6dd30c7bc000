-- 'revert' brings a table's rows back to what they were at a commit point.
PRAGMA journal_mode = wal;
CREATE TABLE at(n INTEGER PRIMARY KEY, id);
BEGIN;
CREATE VIRTUAL TABLE t USING moss;
CREATE VIRTUAL TABLE other USING moss;
INSERT INTO t VALUES(1, 'one'), (2, 'two'), (3, 'three'), (5, 'five');
INSERT INTO other VALUES(1, 'untouched');
COMMIT;
INSERT INTO t(t) VALUES('flush');
INSERT INTO at SELECT 1, max(id) FROM moss_commits('t');
BEGIN;
UPDATE t SET value = 'TWO' WHERE key = 2;
DELETE FROM t WHERE key IN (3, 5);
INSERT INTO t VALUES(4, 'four'), (6, 'six');
INSERT INTO other VALUES(2, 'new');
COMMIT;
INSERT INTO t(t) VALUES('flush');
INSERT INTO at SELECT 2, max(id) FROM moss_commits('t');
INSERT INTO t VALUES(7, 'seven');
-- An ordinary transaction: it can be undone.
BEGIN;
INSERT INTO t VALUES(8, 'eight');
SAVEPOINT s;
INSERT INTO t(t, arg) SELECT 'revert', id FROM at WHERE n = 1;
SELECT changes();
SELECT * FROM t;
ROLLBACK TO s;
SELECT * FROM t;
INSERT INTO t(t, arg) SELECT 'revert', id FROM at WHERE n = 2;
SELECT group_concat(key) FROM t;
INSERT INTO t VALUES(9, 'nine');
INSERT INTO t(t, arg) SELECT 'revert', id FROM at WHERE n = 1;
COMMIT;
SELECT * FROM t;
SELECT * FROM other;
-- It writes what differs: nothing, if nothing does.
INSERT INTO t(t) VALUES('flush');
CREATE TABLE before AS SELECT value FROM moss_stats('t') WHERE name = 'TotExecuteBatchEnd';
INSERT INTO t(t, arg) SELECT 'revert', id FROM at WHERE n = 1;
SELECT s.value - before.value FROM before, moss_stats('t') s WHERE name = 'TotExecuteBatchEnd';
-- And back again.
INSERT INTO t(t, arg) SELECT 'revert', id FROM at WHERE n = 2;
SELECT * FROM t;
INSERT INTO t(t) VALUES('check');
INSERT INTO t(t, arg) VALUES('check', 3600);
INSERT INTO t(t, arg) VALUES('check', 0);
-- What cannot be.
INSERT INTO t(t) VALUES('revert');
INSERT INTO t(t, arg) VALUES('revert', 'x');
INSERT INTO t(t, arg) VALUES('revert', 10000000001);
INSERT INTO t(t, arg) VALUES('truncate', 1);
CREATE VIRTUAL TABLE temp.m USING moss;
INSERT INTO m(m, arg) VALUES('revert', 10000000001);
INSERT INTO m VALUES(1, 2);
INSERT INTO m(m) VALUES('check');
SELECT group_concat(key) FROM t;
