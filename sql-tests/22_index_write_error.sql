-- Rows and their index entries change together.
CREATE VIRTUAL TABLE t USING moss(k INT PRIMARY KEY, a UNIQUE, b UNIQUE, c, INDEX by_c(c));
CREATE VIEW entries AS
  SELECT (SELECT group_concat(a || ':' || k) FROM (SELECT a, k FROM t WHERE a > 0 ORDER BY a)) AS a,
    (SELECT group_concat(b || ':' || k) FROM (SELECT b, k FROM t WHERE b > 0 ORDER BY b)) AS b,
    (SELECT group_concat(c || ':' || k) FROM (SELECT c, k FROM t WHERE c > 0 ORDER BY c, k)) AS c;
INSERT INTO t VALUES (1, 11, 21, 5), (2, 12, 22, 5), (3, 13, 23, 6), (4, 14, 24, NULL);
SELECT * FROM entries;
.print -- REPLACE deletes each row in the way
INSERT OR REPLACE INTO t VALUES (5, 11, 22, 7);
SELECT * FROM entries;
SELECT changes();
INSERT OR REPLACE INTO t VALUES (5, 13, 24, 8);
SELECT * FROM entries;
UPDATE OR REPLACE t SET a = 15, k = 3 WHERE k = 5;
SELECT * FROM entries;
.print -- UPDATE of the key, of indexed columns, of none
UPDATE t SET k = k + 100;
SELECT * FROM entries;
INSERT INTO t VALUES (1, 1, 1, 1), (2, 2, 2, 1);
UPDATE t SET c = c + 1, a = NULL WHERE k = 1;
SELECT * FROM entries;
UPDATE t SET a = -a;
SELECT k, a FROM t WHERE a < 0 ORDER BY a;
UPDATE t SET a = -a, c = 9 WHERE k = 2;
SELECT * FROM entries;
.print -- savepoints
SAVEPOINT one;
DELETE FROM t WHERE k = 2;
SAVEPOINT two;
INSERT INTO t VALUES (3, 2, 2, 4), (4, 4, 4, 4);
SELECT * FROM entries;
ROLLBACK TO two;
SELECT * FROM entries;
INSERT INTO t VALUES (5, 2, 5, 4);
ROLLBACK TO one;
RELEASE one;
SELECT * FROM entries;
.print -- a statement that fails half way
BEGIN;
INSERT INTO t SELECT value, value, value, 4 FROM json_each('[7, 8, 9, 2]');
COMMIT;
SELECT * FROM entries;
.print -- a statement reads what was there when it began
INSERT INTO t SELECT k + 10, a + 10, b + 10, c FROM t WHERE c = 9;
SELECT * FROM entries;
DELETE FROM t WHERE c = 9;
SELECT * FROM entries;
.print -- truncate
SAVEPOINT one;
INSERT INTO t(t) VALUES ('truncate');
INSERT INTO t VALUES (7, 1, 1, 8);
SELECT * FROM entries;
ROLLBACK TO one;
SELECT * FROM entries;
INSERT INTO t(t) VALUES ('truncate');
RELEASE one;
SELECT * FROM entries;
INSERT INTO t VALUES (7, 1, 1, 8);
SELECT * FROM entries;
.print -- in memory, temporary, asynchronous
CREATE VIRTUAL TABLE temp.w USING moss(x UNIQUE, y, INDEX i(y));
INSERT INTO w VALUES (1, 'a'), (2, 'b'), (3, 'a');
SELECT rowid, x FROM w WHERE y = 'a';
CREATE VIRTUAL TABLE f USING moss(x UNIQUE, y, INDEX i(y), durability='async');
INSERT INTO f SELECT * FROM w;
INSERT OR REPLACE INTO f VALUES (3, 'c');
SELECT rowid, x FROM f WHERE y >= 'a';
DROP TABLE f;
DROP TABLE t;
CREATE VIRTUAL TABLE t USING moss(k PRIMARY KEY, a, INDEX i(a));
SELECT count(*) FROM t WHERE a > 0;
