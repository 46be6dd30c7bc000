-- What EXPLAIN QUERY PLAN shows: the range that is visited, and its order.
CREATE VIRTUAL TABLE t USING moss;
CREATE TABLE o(i INTEGER, s TEXT);
.eqp on
SELECT * FROM t;
SELECT * FROM t WHERE key = 1;
SELECT * FROM t WHERE key = 'a';
SELECT * FROM t WHERE key > 1 AND key <= 5;
SELECT * FROM t WHERE key BETWEEN 1 AND 5 ORDER BY key DESC;
SELECT * FROM t ORDER BY key;
SELECT * FROM t ORDER BY key DESC LIMIT 3;
SELECT * FROM t WHERE key IN (1, 2, 3);
SELECT * FROM t WHERE key IN (1, 2, 3) ORDER BY key;
SELECT min(key) FROM t;
SELECT max(key) FROM t;
SELECT * FROM t WHERE key GLOB 'a*';
SELECT * FROM t WHERE value = 1;
SELECT * FROM t WHERE key > 'a' COLLATE NOCASE;
SELECT * FROM t ORDER BY key COLLATE NOCASE;
SELECT * FROM t ORDER BY value, key;
SELECT key FROM t GROUP BY key;
SELECT DISTINCT key FROM t;
SELECT * FROM o JOIN t ON t.key = o.i;
SELECT * FROM t AS a JOIN t AS b ON b.key = a.value;
UPDATE t SET value = 1 WHERE key = 5;
DELETE FROM t WHERE key < 5;
