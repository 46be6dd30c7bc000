-- An index as of a commit point, checked, reverted, over existing data.
CREATE VIRTUAL TABLE t USING moss(k INT PRIMARY KEY, a UNIQUE, b TEXT, INDEX by_b(b DESC), durability='async');
INSERT INTO t VALUES (1, 10, 'x'), (2, 20, 'y'), (3, NULL, 'x');
INSERT INTO t(t) VALUES ('flush');
CREATE TABLE past AS SELECT max(id) AS c FROM moss_commits('t');
UPDATE t SET a = 30, b = 'z' WHERE k = 1;
DELETE FROM t WHERE k = 2;
INSERT INTO t VALUES (4, 20, 'x');
