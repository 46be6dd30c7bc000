-- The order behind a text that equals a value not known before: it is
-- promised, and kept where several keys equal a number.
CREATE VIRTUAL TABLE s USING moss(a TEXT, b INTEGER, c, v, PRIMARY KEY(a, b, c));
CREATE VIRTUAL TABLE d USING moss(a, b INTEGER, v, PRIMARY KEY(a DESC, b DESC));
CREATE TABLE o(i INTEGER, x);
INSERT INTO o VALUES (15, '15');
INSERT INTO s VALUES ('15', 3, 1, 'x'), ('15.0', 2, 2, 'y'), ('15', 1, 3, 'z'), (' 15', 4, 4, 'w'), ('16', 0, 5, 'no'), ('15', 5, 6, 'e'), ('abc', 1, 7, 'm'), ('15 minutes', 2, 8, 'no');
INSERT INTO d SELECT a, b, v FROM s;
INSERT INTO d VALUES (15, 6, 'number'), (15, 0, 'number');
EXPLAIN QUERY PLAN SELECT * FROM s WHERE a = ?1 ORDER BY b DESC LIMIT 10;
EXPLAIN QUERY PLAN SELECT * FROM s WHERE a = ?1 AND b = ?2 ORDER BY c;
EXPLAIN QUERY PLAN SELECT b, count(*) FROM s WHERE a = ?1 GROUP BY b;
EXPLAIN QUERY PLAN SELECT max(b) FROM s WHERE a = ?1;
EXPLAIN QUERY PLAN SELECT * FROM s WHERE a = ?1 ORDER BY a, b;
-- Not the order of the first part itself, nor another collation's.
EXPLAIN QUERY PLAN SELECT * FROM s WHERE a = ?1 ORDER BY a DESC, b;
EXPLAIN QUERY PLAN SELECT * FROM s WHERE a = ?1 COLLATE NOCASE ORDER BY b;
EXPLAIN QUERY PLAN SELECT * FROM s WHERE a IN (?1, ?2) ORDER BY b;
-- A number from a column: three texts equal it.
SELECT a, b, v FROM s WHERE a = (SELECT i FROM o) ORDER BY b;
SELECT a, b, v FROM s WHERE a = (SELECT i FROM o) ORDER BY b DESC;
SELECT a, b, v FROM s WHERE a = (SELECT i FROM o) ORDER BY b DESC LIMIT 2 OFFSET 1;
SELECT b, count(*) FROM s WHERE a = (SELECT i FROM o) GROUP BY b;
SELECT max(b), min(b) FROM s WHERE a = (SELECT i FROM o);
SELECT min(b) FROM s WHERE a = (SELECT i FROM o);
-- As a text, or a number that no affinity changes, one does.
SELECT a, b, v FROM s WHERE a = (SELECT x FROM o) ORDER BY b;
SELECT a, b, v FROM s WHERE a = (SELECT NULL) ORDER BY b;
-- Numbers beside texts, both parts backwards.
SELECT a, b, v FROM d WHERE a = (SELECT i FROM o) ORDER BY b;
SELECT a, b, v FROM d WHERE a = (SELECT i FROM o) ORDER BY b DESC;
SELECT a, b, v FROM d WHERE a = (SELECT x FROM o) ORDER BY b;
-- One row at most is changed as it is found.
CREATE VIRTUAL TABLE i USING moss(id INTEGER PRIMARY KEY, v);
INSERT INTO i VALUES (1, 'a'), (2, 'b');
UPDATE i SET id = 3, v = v || id WHERE id = 2;
UPDATE i SET v = v || '!' WHERE id = '1.0';
DELETE FROM i WHERE id = 7;
UPDATE d SET v = 'both' WHERE a = 15 AND b IN (0, 6);
UPDATE s SET v = 'all' WHERE a = (SELECT i FROM o) AND b = 3 AND c = 1;
SELECT * FROM i;
SELECT * FROM d WHERE v = 'both';
SELECT a FROM s WHERE v = 'all';
-- A whole key may still be several: both are changed.
CREATE VIRTUAL TABLE x USING moss(k TEXT PRIMARY KEY, v);
INSERT INTO x VALUES ('15', 1), ('15.0', 2), ('16', 3);
UPDATE x SET v = 'changed' WHERE k = (SELECT i FROM o);
SELECT * FROM x;
DELETE FROM x WHERE k = (SELECT i FROM o);
SELECT * FROM x;
-- In one pass the cursor is closed before the row is changed.
INSERT INTO x VALUES ('a key of some length', 4), ('another key of such a length', 5);
UPDATE x SET v = 'in one pass' WHERE k = 'another key of such a length';
UPDATE x SET k = k || '!' WHERE k = 'a key of some length';
DELETE FROM x WHERE k = '16';
SELECT * FROM x;
-- Keys that are one but for the text agree behind it: what follows counts.
CREATE VIRTUAL TABLE tie USING moss(a TEXT, b INTEGER, c INTEGER, PRIMARY KEY(a, b));
INSERT INTO tie VALUES ('15', 1, 3), ('15.0', 1, 1), ('15.00', 1, 2), ('15e0', 0, 9);
SELECT a, b, c FROM tie WHERE a = (SELECT i FROM o) ORDER BY b, c;
SELECT a, b, c FROM tie WHERE a = (SELECT i FROM o) ORDER BY b, a DESC;
SELECT b, c, count(*) FROM tie WHERE a = (SELECT i FROM o) GROUP BY b, c;
EXPLAIN QUERY PLAN SELECT a, b, c FROM tie WHERE a = 'x' ORDER BY b, c;
-- Digits that round, and a point, are SQLite's to compare.
INSERT INTO tie SELECT '20e125', 5, 1 UNION ALL SELECT '0020e125', 4, 2 UNION ALL SELECT '7.5', 3, 3 UNION ALL SELECT ' -7', 2, 4;
SELECT a, b FROM tie WHERE a = CAST('20e125' AS REAL) ORDER BY b;
SELECT a, b FROM tie WHERE a = CAST('7.5' AS REAL) ORDER BY b;
SELECT a, b FROM tie WHERE a = CAST(-7 AS INTEGER) ORDER BY b;
-- So is an infinite number, which is a text without digits.
INSERT INTO tie VALUES (-9e999, 2, 5), (9e999, 1, 6);
SELECT a, b, c FROM tie WHERE a = -9e999 ORDER BY b;
SELECT a, b, c FROM tie WHERE a IN (9e999) ORDER BY b DESC;
