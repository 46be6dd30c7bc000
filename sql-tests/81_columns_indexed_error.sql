-- Columns appended to a table with indexes, and its past without them.
CREATE TABLE at(n INTEGER PRIMARY KEY, id);
CREATE VIRTUAL TABLE o USING moss;
CREATE VIRTUAL TABLE t USING moss(a INTEGER PRIMARY KEY, b, INDEX i(b), UNIQUE(b, a));
INSERT INTO o VALUES(1, 1);
INSERT INTO o(o) VALUES('flush');
INSERT INTO at SELECT 0, max(id) FROM moss_commits('t');
INSERT INTO t VALUES(1, 'x'), (2, 'y');
INSERT INTO t(t) VALUES('flush');
INSERT INTO at SELECT 1, max(id) FROM moss_commits('t');
INSERT INTO t(t, arg) VALUES('columns', 'a INTEGER PRIMARY KEY, b, c DEFAULT 5, INDEX i(b), UNIQUE(b, a)');
SELECT * FROM t;
INSERT INTO t VALUES(3, 'z', 9);
INSERT INTO t(a, b) VALUES(4, 'w');
UPDATE t SET c = c + 1 WHERE b >= 'y';
SELECT * FROM t WHERE b > 'w' ORDER BY b;
INSERT INTO t(t) VALUES('check');
-- To the time before, and before there was any row, and not.
BEGIN;
INSERT INTO t(t, arg) SELECT 'revert', id FROM at WHERE n = 1;
SELECT * FROM t;
SELECT * FROM t WHERE b = 'y';
INSERT INTO t(t, arg) SELECT 'revert', id FROM at WHERE n = 0;
SELECT count(*) FROM t WHERE b > '';
ROLLBACK;
SELECT * FROM t WHERE b > 'w' ORDER BY b;
INSERT INTO t(t) VALUES('check');
-- The past is only read, one row of it as well.
DELETE FROM t WHERE a = 1 AND moss_commit = (SELECT id FROM at WHERE n = 1);
UPDATE t SET b = 'bad', moss_commit = NULL WHERE moss_commit = (SELECT id FROM at WHERE n = 1);
SELECT * FROM t WHERE a < 3;
-- Indexes do not go with MERGE columns.
CREATE VIRTUAL TABLE m USING moss(a INTEGER PRIMARY KEY, b MERGE sum, INDEX i(b));
CREATE VIRTUAL TABLE m USING moss(a INTEGER PRIMARY KEY, b MERGE sum, c UNIQUE);
